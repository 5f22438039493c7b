#include "protocol/aws/sigv4_shape.h"
#include "test.h"

static struct arena arena;
static struct sigv4_shape shape;
static struct bytes message;

static enum err check(const char *authorization, const char *query, const char *date)
{
    arena_done(&arena);
    arena_init(&arena, 64 * 1024);
    shape = (struct sigv4_shape){0};
    message = BYTES_NULL;
    struct sigv4_request request = {bytes_str(authorization), bytes_str(query), bytes_str(date)};
    return sigv4_shape_check(&request, &arena, &shape, &message);
}

static void expect(const char *authorization, const char *query, const char *date, enum err err,
                   const char *text)
{
    EXPECT_ERR(check(authorization, query, date), err);
    EXPECT_BYTES(message, text);
}

TEST(a_signed_header_is_taken_apart)
{
    EXPECT_OK(check("AWS4-HMAC-SHA256 Credential=AKID/20261122/us-east-1/kinesis/aws4_request, "
                    "SignedHeaders=content-type;host, Signature=abc", NULL, "20261122T000000Z"));
    EXPECT(!shape.in_query);
    EXPECT_BYTES(shape.credential, "AKID/20261122/us-east-1/kinesis/aws4_request");
    EXPECT_BYTES(shape.access_key, "AKID");
    EXPECT_BYTES(shape.signed_headers, "content-type;host");
    EXPECT_BYTES(shape.signature, "abc");
}

TEST(blanks_and_commas_part_a_header_in_any_number)
{
    EXPECT_OK(check("Credential=no Credential=a,SignedHeaders=b  ,, Signature=c ", NULL, "d"));
    EXPECT_BYTES(shape.credential, "a");
    EXPECT_BYTES(shape.signed_headers, "b");
    EXPECT_BYTES(shape.signature, "c");
    EXPECT_OK(check(",Credential=a SignedHeaders=b,Signature=c", NULL, "d"));
    EXPECT_BYTES(shape.credential, "a");
    EXPECT_BYTES(shape.signature, "c");
}

TEST(a_presigned_query_is_taken_apart)
{
    EXPECT_OK(check(
        NULL,
        "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKID%2F20261122%2Fus-east-1&X-Amz-Date=d"
        "&X-Amz-SignedHeaders=host&X-Amz-Signature=ff",
        NULL));
    EXPECT(shape.in_query);
    EXPECT_BYTES(shape.credential, "AKID/20261122/us-east-1");
    EXPECT_BYTES(shape.access_key, "AKID");
}

TEST(both_forms_or_none_are_refused)
{
    expect(
        "X", "X-Amz-Algorithm", NULL, ERR_INVALID_SIGNATURE,
        "Found both 'X-Amz-Algorithm' as a query-string param and 'Authorization' as HTTP header.");
    expect(NULL, NULL, NULL, ERR_MISSING_AUTHENTICATION_TOKEN, "Missing Authentication Token");
    expect("", "a=b&X-Amz-Algorith", "d", ERR_MISSING_AUTHENTICATION_TOKEN,
           "Missing Authentication Token");
    expect(NULL, "X-Amz-Credential=a&X-Amz-Signature=b&X-Amz-SignedHeaders=c&X-Amz-Date=d", NULL,
           ERR_MISSING_AUTHENTICATION_TOKEN, "Missing Authentication Token");
}

TEST(missing_parts_are_all_named)
{
    expect("X", "X-Amz-Algorith", NULL, ERR_INCOMPLETE_SIGNATURE,
           "Authorization header requires 'Credential' parameter. Authorization header requires "
           "'Signature' parameter. Authorization header requires 'SignedHeaders' parameter. "
           "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. "
           "Authorization=X");
    static const char *const headers[] = {"AWS4- Signature=b Credential=a",
                                          "AWS4- Signature=b,Credential=a",
                                          "AWS4- Signature=b, Credential=a"};
    for (size_t i = 0; i < 3; i++) {
        char text[256];
        snprintf(text, sizeof text,
                 "Authorization header requires 'SignedHeaders' parameter. Authorization=%s",
                 headers[i]);
        expect(headers[i], NULL, "a", ERR_INCOMPLETE_SIGNATURE, text);
    }
    expect(NULL, "X-Amz-Algorithm", NULL, ERR_INCOMPLETE_SIGNATURE,
           "AWS query-string parameters must include 'X-Amz-Algorithm'. AWS query-string "
           "parameters must include 'X-Amz-Credential'. AWS query-string parameters must include "
           "'X-Amz-Signature'. AWS query-string parameters must include 'X-Amz-SignedHeaders'. AWS "
           "query-string parameters must include 'X-Amz-Date'. Re-examine the query-string "
           "parameters.");
    expect(NULL, "X-Amz-Algorithm=a&X-Amz-Credential=b&X-Amz-Signature=c&X-Amz-Date=d", NULL,
           ERR_INCOMPLETE_SIGNATURE,
           "AWS query-string parameters must include 'X-Amz-SignedHeaders'. Re-examine the "
           "query-string parameters.");
}

TEST(a_broken_escape_stays_as_it_is)
{
    EXPECT_OK(check(NULL, "X-Amz-Algorithm=a&X-Amz-Credential=b%2&X-Amz-Signature=%zz&X-Amz-Date=d"
                          "&X-Amz-SignedHeaders=host%3Bx", NULL));
    EXPECT_BYTES(shape.credential, "b%2");
    EXPECT_BYTES(shape.signature, "%zz");
    EXPECT_BYTES(shape.signed_headers, "host;x");
}

TESTS(RUN(a_signed_header_is_taken_apart), RUN(blanks_and_commas_part_a_header_in_any_number),
      RUN(a_presigned_query_is_taken_apart),
      RUN(both_forms_or_none_are_refused), RUN(missing_parts_are_all_named),
      RUN(a_broken_escape_stays_as_it_is))
