#include "protocol/kafka/header.h"
#include "protocol/kafka/msg/schema.h"
#include "test.h"

static enum err decode(const char *frame, size_t len, struct kafka_header *h, size_t *left)
{
    struct cursor c;
    cursor_init(&c, bytes_of(frame, len), NULL);
    enum err err = kafka_header_decode(&c, h);
    *left = c.left;
    return err;
}
#define DECODE(text) decode(text, sizeof text - 1, &h, &left)

TEST(a_plain_header_leaves_the_cursor_at_the_body)
{
    struct kafka_header h;
    size_t left;
    EXPECT_OK(DECODE("\0\x03\0\x01\0\0\0\x07\0\x04kcat" "body"));
    EXPECT_EQ(h.api->index, KAFKA_API_METADATA);
    EXPECT_EQ(h.version, 1);
    EXPECT_EQ(h.correlation_id, 7);
    EXPECT_BYTES(h.client_id, "kcat");
    EXPECT(!h.version_unsupported);
    EXPECT_EQ(left, 4);
}

TEST(a_flexible_header_has_tags_even_behind_a_null_client_id)
{
    struct kafka_header h;
    size_t left;
    EXPECT_OK(DECODE("\0\x03\0\x09\0\0\0\x07\xff\xff" "\x01\x05\x02zz" "body"));
    EXPECT(bytes_is_null(h.client_id));
    EXPECT_EQ(left, 4);
}

TEST(api_versions_of_the_future_is_answered_as_version_0)
{
    struct kafka_header h;
    size_t left;
    EXPECT_OK(DECODE("\0\x12\x7f\xff\0\0\0\x2a" "\xff\xff\xff nonsense"));
    EXPECT(h.version_unsupported);
    EXPECT_EQ(h.version, 0);
    EXPECT_EQ(h.correlation_id, 42);
}

TEST(unknown_apis_and_versions_are_refused)
{
    struct kafka_header h;
    size_t left;
    EXPECT_ERR(DECODE("\0\x04\0\0\0\0\0\x01\xff\xff"), ERR_UNSUPPORTED_VERSION);
    EXPECT_ERR(DECODE("\x7f\xff\0\0\0\0\0\x01\xff\xff"), ERR_UNSUPPORTED_VERSION);
    EXPECT_ERR(DECODE("\xff\xff\0\0\0\0\0\x01\xff\xff"), ERR_UNSUPPORTED_VERSION);
    EXPECT_ERR(DECODE("\0\0\0\x02\0\0\0\x01\xff\xff"), ERR_UNSUPPORTED_VERSION);    /* Produce 2 */
    /* Metadata 14. */
    EXPECT_ERR(DECODE("\0\x03\0\x0e\0\0\0\x01\xff\xff"), ERR_UNSUPPORTED_VERSION);
    EXPECT_ERR(DECODE("\0\x03\xff\xff\0\0\0\x01\xff\xff"), ERR_UNSUPPORTED_VERSION);
}

TEST(every_truncation_is_refused)
{
    static const char frame[] = "\0\x03\0\x09\0\0\0\x07\0\x04kcat\x01\x05\x02zz";
    for (size_t len = 0; len < sizeof frame - 1; len++) {
        struct kafka_header h = {.correlation_id = -5};
        size_t left;
        EXPECT_ERR(decode(frame, len, &h, &left), ERR_INVALID_REQUEST);
        EXPECT_EQ(h.correlation_id, -5);
    }
    struct kafka_header h;
    size_t left;
    EXPECT_ERR(DECODE("\0\x03\0\x01\0\0\0\x07\xff\xfe"), ERR_INVALID_REQUEST);    /* length -2 */
}

static void expect_header(int16_t key, int16_t version, struct bytes want)
{
    struct writer w;
    writer_init(&w, 1000);
    struct kafka_header h = {.api = kafka_api_find(key), .version = version, .correlation_id = 9};
    kafka_response_header_encode(&w, &h);
    EXPECT_OK(w.err);
    EXPECT(bytes_equal(bytes_of(w.data, w.len), want));
    writer_done(&w);
}

TEST(response_headers_have_tags_when_flexible_but_never_for_api_versions)
{
    expect_header(KAFKA_METADATA_KEY, 8, BYTES_LIT("\0\0\0\x09"));
    expect_header(KAFKA_METADATA_KEY, 9, BYTES_LIT("\0\0\0\x09\0"));
    expect_header(KAFKA_API_VERSIONS_KEY, 3, BYTES_LIT("\0\0\0\x09"));
    expect_header(KAFKA_OFFSET_DELETE_KEY, 0, BYTES_LIT("\0\0\0\x09"));
}

TEST(the_table_is_in_order_and_finds_itself)
{
    for (int i = 0; i < KAFKA_API_COUNT; i++) {
        EXPECT_EQ(kafka_apis[i].index, i);
        EXPECT(i == 0 || kafka_apis[i].key > kafka_apis[i - 1].key);
        EXPECT(kafka_api_find(kafka_apis[i].key) == &kafka_apis[i]);
        EXPECT(kafka_api_serves(&kafka_apis[i], kafka_apis[i].version_max));
        EXPECT(!kafka_api_serves(&kafka_apis[i], (int16_t)(kafka_apis[i].version_max + 1)));
    }
    EXPECT_STR(kafka_api_find(2)->name, "ListOffsets");
    EXPECT_EQ(kafka_api_find(0)->version_min, 3);
    EXPECT_EQ(kafka_api_find(0)->version_advertised_min, 0);
}

TESTS(RUN(a_plain_header_leaves_the_cursor_at_the_body),
      RUN(a_flexible_header_has_tags_even_behind_a_null_client_id),
      RUN(api_versions_of_the_future_is_answered_as_version_0),
      RUN(unknown_apis_and_versions_are_refused), RUN(every_truncation_is_refused),
      RUN(response_headers_have_tags_when_flexible_but_never_for_api_versions),
      RUN(the_table_is_in_order_and_finds_itself))
