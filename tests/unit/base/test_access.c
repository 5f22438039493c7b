#include "base/net/access.h"
#include "test.h"

TEST(hosts_that_are_this_machine_or_were_named_pass)
{
    struct http_access a = {.origins = "", .hosts = "diglot,kinesis.example.com"};
    static const char *const good[] = {
        "127.0.0.1", "127.0.0.1:4567", "10.0.0.7:80", "[::1]:4567", "[::1]", "localhost",
        "LocalHost:4567", "localhost.", "a.localhost:1", "a.b.localhost", "diglot:4567",
        "Kinesis.Example.com"};
    static const char *const bad[] = {
        "evil.example", "localhost.evil.example", "evillocalhost", "127.0.0.1.evil", "1270.0.0.1",
        "example.com", "kinesis.example.com.evil", ":4567", "[evil]", "diglo",
        "diglot,kinesis.example.com"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        EXPECT(http_host_is_allowed(&a, bytes_str(good[i])));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        EXPECT(!http_host_is_allowed(&a, bytes_str(bad[i])));
}

TEST(any_host_passes_when_none_is_named)
{
    struct http_access a = {.origins = "", .hosts = "", .any_host = true};
    EXPECT(http_host_is_allowed(&a, BYTES_LIT("diglot:4567")));
    a.hosts = "only.this";
    EXPECT(!http_host_is_allowed(&a, BYTES_LIT("diglot:4567")));
}

TEST(origins_pass_by_name_alone)
{
    struct http_access a = {.origins = "http://localhost:3000,https://console.example"};
    EXPECT(http_origin_is_allowed(&a, BYTES_LIT("http://localhost:3000")));
    EXPECT(http_origin_is_allowed(&a, BYTES_LIT("https://console.example")));
    EXPECT(!http_origin_is_allowed(&a, BYTES_LIT("http://localhost")));
    EXPECT(!http_origin_is_allowed(&a, BYTES_LIT("null")));
    a.origins = "";
    EXPECT(!http_origin_is_allowed(&a, BYTES_LIT("http://localhost:3000")));
    a.origins = "*";
    EXPECT(http_origin_is_allowed(&a, BYTES_LIT("null")));
}

TESTS(RUN(hosts_that_are_this_machine_or_were_named_pass), RUN(any_host_passes_when_none_is_named),
      RUN(origins_pass_by_name_alone))
