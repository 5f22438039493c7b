/* What is wrong with a request is told in AWS's order: each case below is wrong in one way, and in
 * every way that is looked at later. */
#include "unit/bridge/bridge_fixture.h"
#include "bridge/front/front.h"

static struct bx f;

struct refusal {
    const char *head, *body;
    int status;
    const char *says;           /* in the answer */
};

#define JSON "content-type: application/x-amz-json-1.1\r\n"
#define CBOR "content-type: application/x-amz-cbor-1.1\r\n"
#define TARGET(op) "x-amz-target: Kinesis_20131202." op "\r\n"

static const struct refusal refusals[] = {
    {"GET /any/path HTTP/1.1\r\n" JSON TARGET("Nothing"), "", 403,
     "<AccessDeniedException>\n  <Message>Unable to determine service/operation name to be "
     "authorized</Message>"},
    {"PUT / HTTP/1.1\r\n" JSON TARGET("ListStreams"), "{}", 403, "<AccessDeniedException>"},
    {"POST / HTTP/1.1\r\n" JSON TARGET("ListStreams"), "", 400,
     "{\"__type\":\"SerializationException\"}"},
    {"POST / HTTP/1.1\r\n" JSON TARGET("Nothing"), "", 400,
     "{\"__type\":\"UnknownOperationException\"}"},
    {"POST / HTTP/1.1\r\n" TARGET("ListStreams"), "", 400, "application/x-amz-cbor-1.1"},
    {"POST / HTTP/1.1\r\ncontent-type: text/plain\r\n" TARGET("ListStreams"), "{", 404,
     "<UnknownOperationException/>"},
    {"POST / HTTP/1.1\r\ncontent-type: text/plain\r\n", "{", 403, "<AccessDeniedException>"},
    {"POST / HTTP/1.1\r\n" JSON TARGET("Nothing"), "{", 400,
     "{\"__type\":\"SerializationException\"}"},
    {"POST / HTTP/1.1\r\n" JSON TARGET("ListStreams"), "{", 400,
     "{\"__type\":\"SerializationException\"}"},
    {"POST / HTTP/1.1\r\ncontent-type: application/json\r\n" TARGET("ListStreams"), "{", 400,
     "{\"Output\":{\"__type\":\"com.amazon.coral.service#SerializationException\"},\"Version\":\"1."
     "0\"}"},
    {"POST / HTTP/1.1\r\ncontent-type: application/json\r\n" TARGET("ListStreams"), "{}", 404,
     "{\"Output\":{\"__type\":\"com.amazon.coral.service#UnknownOperationException\"},\"Version\":"
     "\"1.0\"}"},
    {"POST / HTTP/1.1\r\n" JSON TARGET("Nothing"), "{}", 400,
     "{\"__type\":\"UnknownOperationException\"}"},
    {"POST / HTTP/1.1\r\n" JSON "x-amz-target: Kinesis_20131203.ListStreams\r\n", "{}", 400,
     "UnknownOperationException"},
    {"POST / HTTP/1.1\r\n" JSON TARGET("DescribeStream"), "{\"StreamName\":true}", 400,
     "MissingAuthenticationToken"},
    {"POST /?X-Amz-Algorithm=a HTTP/1.1\r\n" JSON TARGET("DescribeStream") BX_SIGNED,
     "{\"StreamName\":true}", 400, "InvalidSignatureException"},
    {"POST / HTTP/1.1\r\nauthorization: AWS4-HMAC-SHA256 Credential=a\r\n" JSON TARGET(
         "DescribeStream"),
     "{\"StreamName\":\"!\"}", 400, "IncompleteSignatureException"},
    {"POST / HTTP/1.1\r\n" JSON TARGET("DescribeStream") BX_SIGNED,
     "{\"StreamName\":true,\"Limit\":0}", 400,
     "{\"__type\":\"SerializationException\",\"Message\":\"class java.lang.Boolean can not be "
     "converted to an String\"}"},
    {"POST / HTTP/1.1\r\n" JSON TARGET("DescribeStream") BX_SIGNED,
     "{\"StreamName\":\"!\",\"Limit\":0}", 400, "\"message\":\"2 validation errors detected: "},
    {"POST / HTTP/1.1\r\n" JSON TARGET("DescribeStream") BX_SIGNED,
     "{\"StreamName\":\"none\",\"Limit\":1}", 400,
     "{\"__type\":\"ResourceNotFoundException\",\"message\":\"Stream none under account "
     "000000000000 not found.\"}"},
    {"POST /any/path HTTP/1.1\r\n" JSON TARGET("ListStreams") BX_SIGNED, "{}", 200,
     "\"StreamNames\":[]"},
};

TEST(refusals_come_in_the_order_of_aws)
{
    bx_init(&f);
    struct bx_client *c = bx_connect(&f);
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        const struct refusal *r = &refusals[i];
        bx_send_raw(&f, c, r->head, r->body);
        int status = bx_receive(&f, c);
        if (status != r->status || strstr(c->bytes, r->says) == NULL)
            print_error("case %zu: %s%s\ngot: %s\n", i, r->head, r->body, c->bytes);
        EXPECT_EQ(status, r->status);
        EXPECT_HAS(c->bytes, r->says);
        EXPECT_HAS(c->bytes, "x-amzn-requestid: ");
        EXPECT_HAS(c->bytes, "x-amz-id-2: ");
    }
    bx_done(&f);
}

static const struct http_access pages_of_a = {.origins = "http://a", .hosts = "kinesis.test,here"};

static void list_streams_from(struct bx_client *c, const char *origin)
{
    char head[512];
    snprintf(head, sizeof head,
             "POST / HTTP/1.1\r\norigin: %s\r\n" JSON TARGET("ListStreams") BX_SIGNED, origin);
    bx_send_raw(&f, c, head, "{}");
    EXPECT_EQ(bx_receive(&f, c), 200);
}

TEST(a_page_that_was_allowed_is_answered)
{
    bx_init(&f);
    f.bridge->front->options.access = &pages_of_a;
    struct bx_client *c = bx_connect(&f);
    bx_send_raw(&f, c,
                "OPTIONS / HTTP/1.1\r\norigin: http://a\r\naccess-control-request-headers: h\r\n"
                "access-control-request-method: POST\r\n",
                "");
    EXPECT_EQ(bx_receive(&f, c), 200);
    EXPECT_HAS(c->bytes, "access-control-allow-origin: http://a");
    EXPECT_HAS(c->bytes, "access-control-allow-headers: h");
    EXPECT_HAS(c->bytes, "access-control-allow-methods: POST");
    EXPECT_HAS(c->bytes, "access-control-max-age: 172800");
    EXPECT_LACKS(c->bytes, "x-amz-id-2");
    list_streams_from(c, "http://a");
    EXPECT_HAS(c->bytes, "access-control-expose-headers: x-amzn-RequestId");
    bx_done(&f);
}

TEST(where_all_pages_are_allowed_any_is_told_so)
{
    static const struct http_access all = {.origins = "*", .hosts = "kinesis.test,here"};
    bx_init(&f);
    f.bridge->front->options.access = &all;
    struct bx_client *c = bx_connect(&f);
    bx_send_raw(&f, c, "OPTIONS / HTTP/1.1\r\norigin: http://b\r\n", "");
    EXPECT_EQ(bx_receive(&f, c), 200);
    EXPECT_HAS(c->bytes, "access-control-allow-origin: *\r\n");
    list_streams_from(c, "http://b");
    EXPECT_HAS(c->bytes, "access-control-allow-origin: *\r\n");
    bx_done(&f);
}

/* Before anything runs, and without a word that lets the page read why. */
TEST(a_strange_page_or_host_is_refused)
{
    bx_init(&f);
    f.bridge->front->options.access = &pages_of_a;
    struct bx_client *c = bx_connect(&f);
    static const char *const heads[] = {
        "OPTIONS / HTTP/1.1\r\norigin: http://b\r\naccess-control-request-method: POST\r\n",
        "POST / HTTP/1.1\r\norigin: http://b\r\n" JSON TARGET("ListStreams") BX_SIGNED,
        "POST / HTTP/1.1\r\norigin: null\r\n" JSON TARGET("ListStreams") BX_SIGNED,
        "POST / HTTP/1.1\r\nhost: evil.test:4567\r\n" JSON TARGET("ListStreams") BX_SIGNED};
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++) {
        bx_send_raw(&f, c, heads[i], "{}");
        EXPECT_EQ(bx_receive(&f, c), 403);
        EXPECT_HAS(c->bytes, "<AccessDeniedException>");
        EXPECT_LACKS(c->bytes, "access-control");
        EXPECT_LACKS(c->bytes, "StreamNames");
    }
    bx_send_raw(&f, c,
                "POST / HTTP/1.1\r\nhost: Kinesis.Test\r\n" JSON TARGET("ListStreams") BX_SIGNED,
                "{}");
    EXPECT_EQ(bx_receive(&f, c), 200);
    bx_done(&f);
}

TEST(a_body_that_is_too_large_is_refused)
{
    bx_init(&f);
    struct bx_client *c = bx_connect(&f);
    const char *head = "POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 99999999\r\n\r\n";
    EXPECT_EQ(send(c->fd, head, strlen(head), MSG_NOSIGNAL), strlen(head));
    EXPECT_EQ(bx_receive(&f, c), 413);
    bx_done(&f);
}

TEST(streams_are_named_by_arn_as_well)
{
    bx_init(&f);
    struct bx_client *c = bx_connect(&f);
    EXPECT_OK(cx_create(&f.cx, "s", 1));
    static const struct {
        const char *body;
        int status;
        const char *says;
    } cases[] = {
        {"{\"StreamARN\":\"arn:aws:kinesis:us-east-1:000000000000:stream/s\"}", 200,
         "\"StreamName\":\"s\""},
        {"{\"StreamARN\":\"arn:aws:kinesis:us-east-1:000000000000:stream/s\",\"StreamName\":\"s\"}",
         200, "\"StreamName\":\"s\""},
        {"{\"StreamARN\":\"arn:aws:kinesis:us-east-1:000000000000:stream/s\",\"StreamName\":\"t\"}",
         400, "InvalidArgumentException"},
        {"{\"StreamARN\":\"arn:aws:kinesis:us-west-2:000000000000:stream/s\"}", 400,
         "ResourceNotFoundException"},
        {"{\"StreamARN\":\"arn:aws:kinesis:us-east-1:000000000001:stream/s\"}", 400,
         "Stream s under account 000000000001 not found."},
        {"{}", 400, "Value null at 'streamName' failed to satisfy constraint"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int status = bx_call(&f, c, "DescribeStreamSummary", cases[i].body);
        if (status != cases[i].status || strstr(c->body, cases[i].says) == NULL)
            print_error("%s: %s\n", cases[i].body, c->body);
        EXPECT_EQ(status, cases[i].status);
        EXPECT_HAS(c->body, cases[i].says);
    }
    bx_done(&f);
}

TESTS(RUN(refusals_come_in_the_order_of_aws),
      RUN(a_page_that_was_allowed_is_answered), RUN(where_all_pages_are_allowed_any_is_told_so),
      RUN(a_strange_page_or_host_is_refused),
      RUN(a_body_that_is_too_large_is_refused), RUN(streams_are_named_by_arn_as_well))
