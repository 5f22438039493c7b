#include "base/net/address.h"
#include "test.h"

TEST(host_and_port_are_told_apart)
{
    const struct {
        const char *text, *host;
        int port;
    } good[] = {{"127.0.0.1:9092", "127.0.0.1", 9092}, {":0", "127.0.0.1", 0},
                {"localhost:65535", "localhost", 65535}, {"[::1]:80", "::1", 80},
                {"0.0.0.0:4567", "0.0.0.0", 4567}};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        struct net_address a;
        EXPECT_OK(net_address_parse(good[i].text, &a));
        EXPECT_STR(a.host, good[i].host);
        EXPECT_EQ(a.port, good[i].port);
    }
    const char *bad[] = {"",     "localhost", "9092",   "a:",      "a:65536",
                         "a:-1", "a:1x",      "::1:80", "a:000080"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct net_address a = {.port = 7};
        EXPECT_ERR(net_address_parse(bad[i], &a), ERR_CONFIG);
        EXPECT_EQ(a.port, 7);
    }
}

TEST(a_host_too_long_is_refused)
{
    char text[NET_HOST_BYTES + 8];
    for (int i = 0; i < NET_HOST_BYTES; i++) text[i] = 'h';
    snprintf(text + NET_HOST_BYTES, 8, ":1");
    struct net_address a;
    EXPECT_ERR(net_address_parse(text, &a), ERR_CONFIG);
    EXPECT_OK(net_address_parse(text + 1, &a));
}

TEST(loopback_is_known)
{
    const char *yes[] = {"127.0.0.1:1", "127.9.9.9:1", "[::1]:1", "LocalHost:1"};
    const char *no[] = {"0.0.0.0:1", "10.0.0.1:1", "[::]:1", "example.org:1", "128.0.0.1:1"};
    struct net_address a;
    for (int i = 0; i < 4; i++) {
        EXPECT_OK(net_address_parse(yes[i], &a));
        EXPECT(net_address_is_loopback(&a));
    }
    for (int i = 0; i < 5; i++) {
        EXPECT_OK(net_address_parse(no[i], &a));
        EXPECT(!net_address_is_loopback(&a));
    }
}

TESTS(RUN(host_and_port_are_told_apart), RUN(a_host_too_long_is_refused), RUN(loopback_is_known))
