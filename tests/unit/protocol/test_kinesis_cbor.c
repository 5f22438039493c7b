#include "protocol/kinesis/api.gen.h"
#include "base/mem.h"
#include "test.h"

static struct arena arena;
static struct aws_fault fault;

static enum err decode(const struct aws_shape *shape, struct bytes body, void *value)
{
    arena_done(&arena);
    arena_init(&arena, aws_decode_arena(body.len));
    fault = (struct aws_fault){.err = ERR_OK};
    return aws_decode(shape, AWS_CBOR, body, &arena, value, &fault);
}

static void expect_fault(const struct aws_shape *shape, struct bytes body, enum err err,
                         const char *message)
{
    union kinesis_input in;
    EXPECT_ERR(decode(shape, body, &in), err);
    EXPECT(!fault.unparsable);
    EXPECT_EQ(fault.capital, err == ERR_SERIALIZATION);
    EXPECT_BYTES(fault.message, message);
}

static void expect_unparsable(struct bytes body)
{
    union kinesis_input in;
    EXPECT_ERR(decode(&put_records_input_shape, body, &in), ERR_SERIALIZATION);
    EXPECT(fault.unparsable);
    EXPECT(bytes_is_null(fault.message));
}

/* Bytes of a literal, written in halves where a hexadecimal digit would follow an escape. */
#define RAW(text) BYTES_LIT(text)

TEST(definite_and_open_ended_forms_read_the_same)
{
    struct put_record_input in;
    const struct bytes bodies[] = {
        RAW("\xa3\x64"
            "Data\x43xyz\x6cPartitionKey\x62pk\x6aStreamName\x61s"),
        RAW("\xbf\x64"
            "Data\x5f\x42xy\x41z\xff\x6cPartitionKey\x7f\x61p\x60\x61k\xff\x6aStreamName\x78\x01s"
            "\xff"),
        RAW("\xa4\x64"
            "Data\x64"
            "eHl6\x6cPartitionKey\x62pk\x6aStreamName\x61s\x01\x82\x01\xf7"),
    };
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        EXPECT_OK(decode(&put_record_input_shape, bodies[i], &in));
        EXPECT_BYTES(in.data, "xyz");
        EXPECT_BYTES(in.partition_key, "pk");
        EXPECT_BYTES(in.stream_name, "s");
    }
}

static int64_t timestamp_of(struct bytes value)
{
    uint8_t body[64];
    struct list_shards_input in;
    static const char head[] = "\xa1\x77StreamCreationTimestamp";
    memset(body, 0, sizeof body);
    for (size_t i = 0; i < sizeof head - 1; i++) body[i] = (uint8_t)head[i];
    for (size_t i = 0; i < value.len; i++) body[sizeof head - 1 + i] = value.data[i];
    EXPECT_OK(decode(&list_shards_input_shape, bytes_of(body, sizeof head - 1 + value.len), &in));
    EXPECT(in.has_stream_creation_timestamp);
    return in.stream_creation_timestamp_ms;
}

TEST(a_time_is_whole_milliseconds_or_a_fraction_of_seconds)
{
    EXPECT_EQ(timestamp_of(RAW("\xc1\x1b\x00\x00\x01\x4f\x8e\x67\x4d\x33")), 1441203178803);
    EXPECT_EQ(timestamp_of(RAW("\x1b\x00\x00\x01\x4f\x8e\x67\x4d\x33")), 1441203178803);
    EXPECT_EQ(timestamp_of(RAW("\xc1\xfb\x3f\xf8\x00\x00\x00\x00\x00\x00")), 1500);
    EXPECT_EQ(timestamp_of(RAW("\xc1\xfa\x3f\xc0\x00\x00")), 1500);
    EXPECT_EQ(timestamp_of(RAW("\xc1\xf9\x3e\x00")), 1500);
    EXPECT_EQ(timestamp_of(RAW("\xc1\xfb\x7f\xf8\x00\x00\x00\x00\x00\x00")), 0);  /* not a number */
    EXPECT(timestamp_of(RAW("\xc1\xf9\x7c\x00")) > 0);                                /* infinite */
    EXPECT(timestamp_of(RAW("\xc1\x3b\xff\xff\xff\xff\xff\xff\xff\xff")) < 0);
}

TEST(numbers_are_clamped_as_in_json)
{
    struct get_records_input in;
    EXPECT_OK(decode(&get_records_input_shape,
                     RAW("\xa2\x6dShardIterator\x61"
                         "A\x65Limit\xf9\x45\x66"),
                     &in)); /* 5.4 */
    EXPECT_EQ(in.limit, 5);
    expect_fault(&get_records_input_shape,
                 RAW("\xa2\x6dShardIterator\x61"
                     "A\x65Limit\x1b\xff\xff\xff\xff\xff\xff\xff\xff"),
                 ERR_VALIDATION,
                 "1 validation error detected: Value '2147483647' at 'limit' failed to satisfy "
                 "constraint: Member must have value less than or equal to 10000");
}

TEST(wrong_types_and_constraints_are_told_as_in_json)
{
    expect_fault(&put_records_input_shape, RAW("\xa1\x6aStreamName\xf5"), ERR_SERIALIZATION,
                 "class java.lang.Boolean can not be converted to an String");
    expect_fault(&put_records_input_shape, RAW("\xa1\x6aStreamName\x41x"), ERR_SERIALIZATION,
                 "class java.nio.HeapByteBuffer can not be converted to an String");
    expect_fault(&put_records_input_shape, RAW("\xa1\x67Records\xa0"), ERR_SERIALIZATION,
                 "Start of structure or map found where not expected.");
    expect_fault(&put_records_input_shape, RAW("\xbf\x67Records\x9f\xff\xff"), ERR_VALIDATION,
                 "2 validation errors detected: Value '[]' at 'records' failed to satisfy "
                 "constraint: Member must have length greater than or equal to 1; Value null at "
                 "'streamName' failed to satisfy constraint: Member must not be null");
    expect_fault(&put_record_input_shape,
                 RAW("\xa1\x64"
                     "Data\x65"
                     "23456"),
                 ERR_SERIALIZATION,
                 "'23456' can not be converted to a Blob: Base64 encoded length is expected a "
                 "multiple of 4 bytes but found: 5");
}

TEST(broken_cbor_is_unparsable)
{
    const struct bytes bodies[] = {
        RAW(""),
        RAW("\xa1"),
        RAW("\xff"),
        RAW("\xbf"),
        RAW("\xf6"),
        RAW("\x01"),
        RAW("\x60"),
        RAW("\xa1\x61"
            "a"),
        RAW("\xbf\x61"
            "a\xff"),
        RAW("\xa0\x00"),
        RAW("\xa1\x61"
            "a\x1c"),
        RAW("\xa1\x61"
            "a\x1f"),
        RAW("\xa1\x61"
            "a\xdf\x00\xff"),
        RAW("\xa1\x61"
            "a\x61\xff"),
        RAW("\xa1\x61"
            "a\x7f\x61\xc8\x61\x85\xff"),
        RAW("\xa1\x61"
            "a\x7f\x41x\xff"),
        RAW("\xa1\x61"
            "a\x7f\x7f\xff\xff"),
        RAW("\xa1\x61"
            "a\x7f\x61"),
        RAW("\xa1\x61"
            "a\xe0"),
        RAW("\xa1\x61"
            "a\xf8\x20"),
        RAW("\xa1\xa0\x00"),
        /* counts beyond the bytes left */
        RAW("\xa1\x67Records\x9b\xff\xff\xff\xff\xff\xff\xff\xff"),
        RAW("\xbb\x80\x00\x00\x00\x00\x00\x00\x00"),
        RAW("\xa1\x64"
            "Data\x5b\xff\xff\xff\xff\xff\xff\xff\xff"),
        RAW("\xa1\x67Records\x9a\x7f\xff\xff\xff\xa0"),
        RAW("\xa1\x6aStreamName\x7b\xff\xff\xff\xff\xff\xff\xff\xf0"
            "abc"),
    };
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) expect_unparsable(bodies[i]);
}

TEST(depth_is_limited)
{
    uint8_t body[2 * AWS_DEPTH_MAX + 8] = {0xa1, 0x61, 'a'};
    struct list_streams_input in;
    memset(body + 3, 0x81, AWS_DEPTH_MAX - 2);
    body[1 + AWS_DEPTH_MAX] = 0x80;
    EXPECT_OK(decode(&list_streams_input_shape, bytes_of(body, 2 + AWS_DEPTH_MAX), &in));
    body[1 + AWS_DEPTH_MAX] = 0x81;
    body[2 + AWS_DEPTH_MAX] = 0x80;
    expect_unparsable(bytes_of(body, 3 + AWS_DEPTH_MAX));
}

/* A list that no member is, or a string in empty chunks, and as many parts as bytes. */
TEST(parts_are_limited)
{
    static const char *const heads[] = {"\xa1\x61x\x9f", "\xa1\x61x\x5f"};
    enum { HEAD_BYTES = 4, OTHERS = 3 };                     /* the map, its key, the list */
    uint8_t *body = mem_new(HEAD_BYTES + AWS_PARTS_MAX + 2);
    for (int i = 0; i < 2; i++) {
        mem_copy(body, heads[i], HEAD_BYTES);
        size_t all = HEAD_BYTES + AWS_PARTS_MAX - OTHERS;
        memset(body + HEAD_BYTES, i == 0 ? 0xa0 : 0x40, all - HEAD_BYTES + 1);
        body[all] = 0xff;
        struct list_streams_input in;
        if (i == 0) EXPECT_OK(decode(&list_streams_input_shape, bytes_of(body, all + 1), &in));
        body[all] = body[all - 1];
        body[all + 1] = 0xff;
        expect_unparsable(bytes_of(body, all + 2));
    }
    mem_free(body);
}

TEST(an_arena_that_is_too_small_is_a_clear_error)
{
    struct bytes body = RAW("\xa1\x67Records\x81\xa0");
    for (size_t cap = 0; cap < 2048; cap += 64) {
        struct put_records_input in;
        arena_done(&arena);
        arena_init(&arena, cap);
        enum err err = aws_decode(&put_records_input_shape, AWS_CBOR, body, &arena, &in,
                                  &fault);
        EXPECT(err == ERR_SERIALIZATION || err == ERR_VALIDATION);
        EXPECT_EQ(fault.err, err);
    }
}

TEST(output_has_tagged_times_byte_strings_and_counts)
{
    struct kinesis_record record = {.sequence_number = RAW("1"), .data = RAW("\x00\xff"),
                                    .partition_key = RAW("k\xff"),
                                    .approximate_arrival_timestamp_ms = 1441203178803,
                                    .has_approximate_arrival_timestamp = true};
    struct get_records_output out = {.records = &record, .records_count = 1,
                                     .millis_behind_latest = 300};
    struct writer w;
    writer_init(&w, 4096);
    aws_encode(&get_records_output_shape, AWS_CBOR, &out, &w);
    static const char want[] = "\xa2\x67Records\x81\xa4\x6eSequenceNumber\x61"
                               "1\x78\x1b"
                               "ApproximateArrivalTimestamp\xc1\x1b\x00\x00"
                               "\x01\x4f\x8e\x67\x4d\x33\x64"
                               "Data\x42\x00\xff\x6cPartitionKey\x7f\x61k\x63\xef\xbf\xbd\xff\x72"
                               "MillisBehindLatest\x19\x01\x2c";
    EXPECT_EQ(w.len, sizeof want - 1);
    EXPECT(memcmp(w.data, want, w.len) == 0);
    writer_reset(&w);
    aws_encode_error(AWS_CBOR, "X", RAW("m"), false, &w);
    aws_encode_error(AWS_CBOR, "X", RAW("m"), true, &w);
    aws_encode_error(AWS_CBOR, "X", BYTES_NULL, true, &w);
    EXPECT_BYTES(bytes_of(w.data, w.len), "\xa2\x66__type\x61X\x67message\x61m\xa2\x66__"
                                          "type\x61X\x67Message\x61m\xa1\x66__type\x61X");
    writer_done(&w);
}

TESTS(RUN(definite_and_open_ended_forms_read_the_same),
      RUN(a_time_is_whole_milliseconds_or_a_fraction_of_seconds),
      RUN(numbers_are_clamped_as_in_json), RUN(wrong_types_and_constraints_are_told_as_in_json),
      RUN(broken_cbor_is_unparsable), RUN(depth_is_limited),
 RUN(parts_are_limited),
      RUN(an_arena_that_is_too_small_is_a_clear_error),
      RUN(output_has_tagged_times_byte_strings_and_counts))
