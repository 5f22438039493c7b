#include "protocol/kinesis/api.gen.h"
#include "base/arena.h"
#include "base/mem.h"
#include "random.h"
#include "test.h"

static struct arena arena;
static struct aws_fault fault;

static enum err decode(const struct aws_shape *shape, const char *body, void *value)
{
    arena_done(&arena);
    arena_init(&arena, aws_decode_arena(strlen(body)));
    fault = (struct aws_fault){.err = ERR_OK};
    return aws_decode(shape, AWS_JSON, bytes_str(body), &arena, value, &fault);
}

static void expect_fault(const struct aws_shape *shape, const char *body, enum err err,
                         const char *message)
{
    union kinesis_input in;
    EXPECT_ERR(decode(shape, body, &in), err);
    EXPECT_EQ(fault.err, err);
    EXPECT(!fault.unparsable);
    EXPECT_EQ(fault.capital, err == ERR_SERIALIZATION);
    EXPECT_BYTES(fault.message, message);
}

static void expect_type(const struct aws_shape *shape, const char *body, const char *message)
{
    expect_fault(shape, body, ERR_SERIALIZATION, message);
}

static void expect_invalid(const struct aws_shape *shape, const char *body, const char *message)
{
    expect_fault(shape, body, ERR_VALIDATION, message);
}

static void expect_unparsable(const char *body, size_t len)
{
    union kinesis_input in;
    arena_done(&arena);
    arena_init(&arena, aws_decode_arena(len));
    fault = (struct aws_fault){.err = ERR_OK};
    EXPECT_ERR(aws_decode(&put_records_input_shape, AWS_JSON, bytes_of(body, len), &arena,
                          &in, &fault),
               ERR_SERIALIZATION);
    EXPECT(fault.unparsable);
    EXPECT(bytes_is_null(fault.message));
    EXPECT_ERR(aws_check(AWS_JSON, bytes_of(body, len), &arena), ERR_SERIALIZATION);
}

TEST(a_put_records_body_becomes_a_struct)
{
    struct put_records_input in;
    EXPECT_OK(
        decode(&put_records_input_shape,
               " {\"Records\" : [ {\"Data\":\"aGVsbG8=\",\"PartitionKey\":\"k1\"},\n"
               "\t{\"PartitionKey\":\"k\\u00e92\\n\",\"ExplicitHashKey\":\"0\",\"Data\":\"\"}],"
               "\"Unknown\":{\"a\":[1,2,{\"b\":null}]},\"StreamName\":\"s\",\"StreamARN\":null}",
               &in));
    EXPECT_EQ(in.records_count, 2);
    EXPECT_BYTES(in.records[0].data, "hello");
    EXPECT_BYTES(in.records[0].partition_key, "k1");
    EXPECT(bytes_is_null(in.records[0].explicit_hash_key));
    EXPECT_BYTES(in.records[1].partition_key, "k\xc3\xa9" "2\n");
    EXPECT_BYTES(in.records[1].explicit_hash_key, "0");
    EXPECT_EQ(in.records[1].data.len, 0);
    EXPECT(!bytes_is_null(in.records[1].data));
    EXPECT_BYTES(in.stream_name, "s");
    EXPECT(bytes_is_null(in.stream_arn));
    EXPECT(!in.has_dry_run);
}

TEST(strings_without_escapes_are_views_into_the_body)
{
    const char *body =
        "{\"StreamName\":\"abc\",\"ShardId\":\"s-1\",\"ShardIteratorType\":\"LATEST\"}";
    struct get_shard_iterator_input in;
    EXPECT_OK(decode(&get_shard_iterator_input_shape, body, &in));
    EXPECT(in.stream_name.data == (const uint8_t *)strstr(body, "abc"));
    EXPECT_EQ(kinesis_shard_iterator_type_index(in.shard_iterator_type),
              KINESIS_SHARD_ITERATOR_TYPE_LATEST);
}

TEST(numbers_are_cut_and_clamped)
{
    struct create_stream_input in;
    EXPECT_OK(
        decode(&create_stream_input_shape, "{\"StreamName\":\"a\",\"ShardCount\":3.99}", &in));
    EXPECT(in.has_shard_count);
    EXPECT_EQ(in.shard_count, 3);
    EXPECT_OK(decode(&create_stream_input_shape, "{\"StreamName\":\"a\",\"ShardCount\":4e2}", &in));
    EXPECT_EQ(in.shard_count, 400);
    expect_invalid(&create_stream_input_shape, "{\"StreamName\":\"a\",\"ShardCount\":100000000000}",
                   "1 validation error detected: Value '2147483647' at 'shardCount' failed to "
                   "satisfy constraint: Member must have value less than or equal to 100000");
    struct get_shard_iterator_input it;
    EXPECT_OK(
        decode(&get_shard_iterator_input_shape,
               "{\"StreamName\":\"a\",\"ShardId\":\"0\",\"ShardIteratorType\":\"AT_TIMESTAMP\","
               "\"Timestamp\":1441215410.867}",
               &it));
    EXPECT(it.has_timestamp);
    EXPECT_EQ(it.timestamp_ms, 1441215410867);
    EXPECT_OK(
        decode(&get_shard_iterator_input_shape,
               "{\"StreamName\":\"a\",\"ShardId\":\"0\",\"ShardIteratorType\":\"AT_TIMESTAMP\","
               "\"Timestamp\":1441215410}",
               &it));
    EXPECT_EQ(it.timestamp_ms, 1441215410000);
    EXPECT_OK(
        decode(&get_shard_iterator_input_shape,
               "{\"StreamName\":\"a\",\"ShardId\":\"0\",\"ShardIteratorType\":\"AT_TIMESTAMP\","
               "\"Timestamp\":1e308}",
               &it));
}

TEST(the_member_given_last_counts)
{
    struct get_records_input in;
    EXPECT_OK(decode(&get_records_input_shape,
                     "{\"ShardIterator\":\"a\",\"Limit\":5,\"ShardIterator\":\"b\",\"Limit\":null}",
                     &in));
    EXPECT_BYTES(in.shard_iterator, "b");
    EXPECT(!in.has_limit);
}

static const char *const wrong_strings[][2] = {
    {"true", "class java.lang.Boolean can not be converted to an String"},
    {"23", "class com.amazon.coral.value.json.numbers.TruncatingBigNumber can not be converted to "
           "an String"},
    {"34.56", "class com.amazon.coral.value.json.numbers.TruncatingBigNumber can not be converted "
              "to an String"},
    {"[]", "Start of list found where not expected"},
    {"{}", "Start of structure or map found where not expected."},
};
static const char *const wrong_integers[][2] = {
    {"\"23\"", "class java.lang.String can not be converted to an Integer"},
    {"true", "class java.lang.Boolean can not be converted to an Integer"},
    {"[]", "Start of list found where not expected"},
    {"{}", "Start of structure or map found where not expected."},
};
static const char *const wrong_blobs[][2] = {
    {"true", "class java.lang.Boolean can not be converted to a Blob"},
    {"-2147483648", "class com.amazon.coral.value.json.numbers.TruncatingBigNumber can not be "
                    "converted to a Blob"},
    {"[]", "Start of list found where not expected"},
    {"\"23456\"", "'23456' can not be converted to a Blob: Base64 encoded length is expected a "
                  "multiple of 4 bytes but found: 5"},
    {"\"=+/=\"", "'=+/=' can not be converted to a Blob: Invalid Base64 character: '='"},
    {"\"+/+=\"",
     "'+/+=' can not be converted to a Blob: Invalid last non-pad Base64 character dectected"},
    {"\"ab&c\"", "'ab&c' can not be converted to a Blob: Invalid Base64 character: '&'"},
};
static const char *const wrong_times[][2] = {
    {"\"23\"", "class java.lang.String can not be converted to milliseconds since epoch"},
    {"true", "class java.lang.Boolean can not be converted to milliseconds since epoch"},
    {"[]", "Start of list found where not expected"},
    {"{}", "Start of structure or map found where not expected."},
};
static const char *const wrong_lists[][2] = {
    {"\"23\"", "Expected list or null"},
    {"true", "Expected list or null"},
    {"34.56", "Expected list or null"},
    {"{}", "Start of structure or map found where not expected."},
};
static const char *const wrong_maps[][2] = {
    {"\"23\"", "Expected map or null"},
    {"false", "Expected map or null"},
    {"1", "Expected map or null"},
    {"[]", "Start of list found where not expected"},
};
static const char *const wrong_structs[][2] = {
    {"\"23\"", "Expected null"}, {"true", "Expected null"}, {"23", "Expected null"},
    {"[]", "Start of list found where not expected"},
};
static const char *const wrong_booleans[][2] = {
    {"\"no way\"", "'NO WAY' can not be converted to an Boolean"},
    {"23", "class com.amazon.coral.value.json.numbers.TruncatingBigNumber can not be converted to "
           "an Boolean"},
    {"[]", "Start of list found where not expected"},
};

#define EXPECT_TYPES(shape, format, table)                                                         \
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {                                  \
        char body[256];                                                                            \
        snprintf(body, sizeof body, format, table[i][0]);                                          \
        expect_type(shape, body, table[i][1]);                                                     \
    }

TEST(a_wrong_type_is_told_in_the_words_of_aws)
{
    EXPECT_TYPES(&put_records_input_shape, "{\"StreamName\":%s}", wrong_strings);
    EXPECT_TYPES(&add_tags_to_stream_input_shape, "{\"Tags\":{\"a\":%s}}", wrong_strings);
    EXPECT_TYPES(&remove_tags_from_stream_input_shape, "{\"TagKeys\":[%s]}", wrong_strings);
    EXPECT_TYPES(&get_records_input_shape, "{\"Limit\":%s}", wrong_integers);
    EXPECT_TYPES(&put_record_input_shape, "{\"Data\":%s}", wrong_blobs);
    EXPECT_TYPES(&put_records_input_shape, "{\"Records\":[{\"Data\":%s}]}", wrong_blobs);
    EXPECT_TYPES(&list_shards_input_shape, "{\"StreamCreationTimestamp\":%s}", wrong_times);
    EXPECT_TYPES(&put_records_input_shape, "{\"Records\":%s}", wrong_lists);
    EXPECT_TYPES(&add_tags_to_stream_input_shape, "{\"Tags\":%s}", wrong_maps);
    EXPECT_TYPES(&put_records_input_shape, "{\"Records\":[%s]}", wrong_structs);
    EXPECT_TYPES(&delete_stream_input_shape, "{\"EnforceConsumerDeletion\":%s}", wrong_booleans);
    expect_type(&list_streams_input_shape, "[]", "Start of list found where not expected");
}

TEST(what_is_not_json_is_unparsable_even_behind_a_wrong_type)
{
    static const char *const bodies[] = {
        "",
        " ",
        "hello",
        "null",
        "true",
        "1",
        "\"a\"",
        "{",
        "[",
        "{\"a\"",
        "{\"a\":",
        "{\"a\":1",
        "{\"a\":1,}",
        "[1,]",
        "[1 2]",
        "{a:1}",
        "{\"a\" 1}",
        "{\"a\":01}",
        "{\"a\":1.}",
        "{\"a\":.5}",
        "{\"a\":1e}",
        "{\"a\":-}",
        "{\"a\":nul}",
        "{\"a\":\"\\x\"}",
        "{\"a\":\"\\u12g4\"}",
        "{\"a\":\"b}",
        "{}x",
        "{}{}",
        "{\"a\":\"\n\"}",
        "{\"a\":\"\xff\"}",
        "{\"a\":\"\xc3\"}",
        "{\"StreamName\":5,",
        "{\"Records\":[{\"Data\":\"&\"}]",
        "{\"a\":\"\\",
        "{\"a\":\"\\u00",
        "{\"a\":tru",
        "\xef\xbb\xbf{}",
    };
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++)
        expect_unparsable(bodies[i], strlen(bodies[i]));
    expect_unparsable("{\"a\":\0}", 7);
    expect_unparsable(NULL, 0);
}

/* Plain runs, escapes alone and many behind one another, in every order and across the blocks in
 * which plain ones are scanned. */
TEST(strings_of_escapes_and_plain_runs)
{
    static const struct {
        const char *written, *meant;
    } parts[] = {{"a", "a"},
                 {"0123456789abcdefgh", "0123456789abcdefgh"},
                 {"\\n", "\n"},
                 {"\\\"", "\""},
                 {"\\\\", "\\"},
                 {"\\/\\b\\f\\r\\t", "/\b\f\r\t"},
                 {"\\u0041", "A"},
                 {"\\u00e9\\u00E9", "\xc3\xa9\xc3\xa9"},
                 {"\\uD83D\\uDE00", "\xf0\x9f\x98\x80"},
                 {"\\ud83dx", "\xef\xbf\xbdx"},
                 {"\xc3\xa9", "\xc3\xa9"}};
    struct random random = random_seeded();
    for (int n = 0; n < 20000; n++) {
        char body[1000] = "{\"StreamName\":\"s\",\"Data\":\"\",\"PartitionKey\":\"";
        char meant[600] = "";
        for (size_t left = 1 + random_below(&random, 20); left > 0; left--) {
            size_t i = random_below(&random, sizeof parts / sizeof parts[0]);
            strncat(body, parts[i].written, sizeof body - strlen(body) - 1);
            strncat(meant, parts[i].meant, sizeof meant - strlen(meant) - 1);
        }
        strncat(body, "\"}", sizeof body - strlen(body) - 1);
        struct put_record_input in;
        size_t chars;
        assert_true(bytes_is_utf8(bytes_str(meant), &chars));
        if (chars > 256) continue;
        EXPECT_OK(decode(&put_record_input_shape, body, &in));
        EXPECT_BYTES(in.partition_key, meant);
    }
}

/* Bytes decide where no count of characters could: four make one at most. */
TEST(a_key_at_its_limit_in_characters)
{
    static const char *const signs[] = {"a", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80"};
    for (size_t i = 0; i < 4; i++)
        for (size_t count = 255; count < 1100; count += count < 258 ? 1 : 200) {
            char body[5000] = "{\"StreamName\":\"s\",\"Data\":\"\",\"PartitionKey\":\"";
            for (size_t n = 0; n < count; n++)
                strncat(body, signs[i], sizeof body - strlen(body) - 1);
            strncat(body, "\"}", sizeof body - strlen(body) - 1);
            struct put_record_input in;
            enum err err = decode(&put_record_input_shape, body, &in);
            EXPECT_EQ(err, count <= 256 ? ERR_OK : ERR_VALIDATION);
        }
}

TEST(depth_is_limited)
{
    char body[200] = "{\"a\":";
    size_t at = 5;
    for (int depth = 1; depth < AWS_DEPTH_MAX; depth++) body[at++] = '[';
    for (int depth = 1; depth < AWS_DEPTH_MAX; depth++) body[at++] = ']';
    body[at++] = '}';
    struct list_streams_input in;
    EXPECT_OK(decode(&list_streams_input_shape, body, &in));
    memset(body + 5, '[', AWS_DEPTH_MAX);
    memset(body + 5 + AWS_DEPTH_MAX, ']', AWS_DEPTH_MAX);
    body[5 + 2 * AWS_DEPTH_MAX] = '}';
    expect_unparsable(body, 6 + 2 * AWS_DEPTH_MAX);
}

/* Lists that no member is: the map, its key, the list, and what is in it. */
TEST(parts_are_limited)
{
    char *body = mem_new(2 * AWS_PARTS_MAX + 8);
    mem_copy(body, "{\"a\":[0", 7);
    for (size_t i = 0; i < AWS_PARTS_MAX; i++) mem_copy(body + 7 + 2 * i, ",0", 2);
    size_t full = 7 + 2 * (AWS_PARTS_MAX - 4);
    mem_copy(body + full, "]}", 3);
    struct list_streams_input in;
    EXPECT_OK(decode(&list_streams_input_shape, body, &in));
    mem_copy(body + full, ",0]}", 5);
    expect_unparsable(body, full + 4);
    mem_free(body);
}

TEST(constraints_are_told_in_the_words_and_order_of_aws)
{
    expect_invalid(&put_records_input_shape, "{}",
                   "2 validation errors detected: Value null at 'records' failed to satisfy "
                   "constraint: Member must not be null; Value null at 'streamName' failed to "
                   "satisfy constraint: Member must not be null");
    expect_invalid(
        &put_records_input_shape,
        "{\"StreamName\":\"\",\"Records\":[{\"PartitionKey\":\"\",\"Data\":\"\","
        "\"ExplicitHashKey\":\"\"}]}",
        "4 validation errors detected: Value '' at 'records.1.member.partitionKey' failed to "
        "satisfy constraint: Member must have length greater than or equal to 1; Value '' at "
        "'records.1.member.explicitHashKey' failed to satisfy constraint: Member must satisfy "
        "regular expression pattern: 0|([1-9]\\d{0,38}); Value '' at 'streamName' failed to "
        "satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+; "
        "Value '' at 'streamName' failed to satisfy constraint: Member must have length greater "
        "than or equal to 1");
    expect_invalid(&get_shard_iterator_input_shape,
                   "{\"StreamName\":\"a\",\"ShardId\":\"0\",\"ShardIteratorType\":\"\"}",
                   "1 validation error detected: Value '' at 'shardIteratorType' failed to satisfy "
                   "constraint: Member must satisfy enum value set: [AFTER_SEQUENCE_NUMBER, "
                   "LATEST, AT_TIMESTAMP, AT_SEQUENCE_NUMBER, TRIM_HORIZON]");
    expect_invalid(&add_tags_to_stream_input_shape, "{\"StreamName\":\"a\",\"Tags\":{}}",
                   "1 validation error detected: Value '{}' at 'tags' failed to satisfy "
                   "constraint: Member must have length greater than or equal to 1");
    expect_invalid(&add_tags_to_stream_input_shape,
                   "{\"StreamName\":\"a\",\"Tags\":{\"\":\"1\",\"b\":\"2\"}}",
                   "1 validation error detected: Value '{=1, b=2}' at 'tags' failed to satisfy "
                   "constraint: Map keys must satisfy constraint: [Member must have length less "
                   "than or equal to 128, Member must have length greater than or equal to 1]");
    expect_invalid(&remove_tags_from_stream_input_shape,
                   "{\"StreamName\":\"a\",\"TagKeys\":[\"a\",\"\"]}",
                   "1 validation error detected: Value '[a, ]' at 'tagKeys' failed to satisfy "
                   "constraint: Member must satisfy constraint: [Member must have length less than "
                   "or equal to 128, Member must have length greater than or equal to 1]");
    expect_invalid(&create_stream_input_shape, "{}",
                   "2 validation errors detected: Value null at 'shardCount' failed to satisfy "
                   "constraint: Member must not be null; Value null at 'streamName' failed to "
                   "satisfy constraint: Member must not be null");
    expect_invalid(&list_shards_input_shape, "{\"ShardFilter\":{}}",
                   "1 validation error detected: Value null at 'shardFilter.type' failed to "
                   "satisfy constraint: Member must not be null");
}

TEST(a_stream_is_named_by_arn_as_well)
{
    struct describe_stream_summary_input in;
    EXPECT_OK(decode(&describe_stream_summary_input_shape,
                     "{\"StreamARN\":\"arn:aws:kinesis:us-east-1:123456789012:stream/a\"}", &in));
    EXPECT(bytes_is_null(in.stream_name));
    expect_invalid(
        &describe_stream_summary_input_shape, "{\"StreamARN\":\"arn:x\"}",
        "1 validation error detected: Value 'arn:x' at 'streamARN' failed to satisfy constraint: "
        "Member must satisfy regular expression pattern: arn:aws.*:kinesis:.*:\\d{12}:stream/\\S+");
}

TEST(a_key_is_measured_in_characters)
{
    char body[2048], key[1024] = "";
    for (int i = 0; i < 256; i++) strncat(key, "\xc3\xa9", sizeof key - strlen(key) - 1);
    snprintf(body, sizeof body, "{\"StreamName\":\"a\",\"Data\":\"\",\"PartitionKey\":\"%s\"}",
             key);
    struct put_record_input in;
    EXPECT_OK(decode(&put_record_input_shape, body, &in));
    EXPECT_EQ(in.partition_key.len, 512);
    snprintf(body, sizeof body, "{\"StreamName\":\"a\",\"Data\":\"\",\"PartitionKey\":\"%sx\"}",
             key);
    EXPECT_ERR(decode(&put_record_input_shape, body, &in), ERR_VALIDATION);
}

TEST(ten_faults_are_told_at_most_and_lists_are_bounded)
{
    enum { RECORDS = 5000 };
    static char body[RECORDS * 3 + 64];
    char *at = body + snprintf(body, sizeof body, "{\"StreamName\":\"a\",\"Records\":[");
    for (int i = 0; i < RECORDS; i++) at += snprintf(at, 4, "%s{}", i ? "," : "");
    snprintf(at, 3, "]}");
    struct put_records_input in;
    EXPECT_ERR(decode(&put_records_input_shape, body, &in), ERR_VALIDATION);
    EXPECT(fault.message.len < AWS_FAULT_TEXT_MAX);
    EXPECT(memcmp(fault.message.data,
                  "10 validation errors detected: Value '[com.amazonaws.kinesis.v20131202."
                  "PutRecordsRequestEntry@c965e310, ",
                  60) == 0);
    static char text[AWS_FAULT_TEXT_MAX];
    bytes_to_text(fault.message, text, sizeof text);
    EXPECT(strstr(text, "at 'records' failed to satisfy constraint: Member must have length less "
                        "than or equal to 500; Value null at 'records.1.member.partitionKey'") !=
           NULL);
    EXPECT(strstr(text, "at 'records.5.member.partitionKey'") != NULL);
    EXPECT(strstr(text, "at 'records.5.member.data'") == NULL);
}

/* {"StreamName":"a","Tags":{...}} with count pairs, whose keys are 0..distinct - 1 over and
 * over. */
static const char *tags_body(int count, int distinct)
{
    static char body[65536];
    char *at = body + snprintf(body, sizeof body, "{\"StreamName\":\"a\",\"Tags\":{");
    for (int i = 0; i < count; i++)
        at += snprintf(at, 32, "%s\"%d\":\"%d\"", i ? "," : "", i % distinct, i);
    snprintf(at, 3, "}}");
    return body;
}

TEST(repeated_tags_count_once_and_a_flood_of_them_is_refused)
{
    struct add_tags_to_stream_input in;
    EXPECT_OK(decode(&add_tags_to_stream_input_shape, tags_body(200, 200), &in));
    EXPECT_EQ(in.tags_count, 200);
    EXPECT_OK(decode(&add_tags_to_stream_input_shape, tags_body(400, 2), &in));
    EXPECT_EQ(in.tags_count, 2);
    EXPECT_BYTES(in.tags[1].key, "1");
    EXPECT_BYTES(in.tags[1].value, "399");
    EXPECT_ERR(decode(&add_tags_to_stream_input_shape, tags_body(201, 201), &in), ERR_VALIDATION);
    EXPECT_ERR(decode(&add_tags_to_stream_input_shape, tags_body(2000, 2000), &in), ERR_VALIDATION);
    EXPECT_ERR(decode(&add_tags_to_stream_input_shape, tags_body(401, 2), &in), ERR_SERIALIZATION);
    EXPECT(fault.unparsable);
}

TEST(output_leaves_out_what_is_absent)
{
    struct kinesis_put_records_result_entry entries[] = {
        {.sequence_number = BYTES_LIT("49"), .shard_id = BYTES_LIT("shardId-000000000000")},
        {.error_code = BYTES_LIT("InternalFailure"), .error_message = BYTES_LIT("a \"b\"\n\x01")},
    };
    struct put_records_output out = {.failed_record_count = 1, .records = entries,
                                     .records_count = 2};
    struct writer w;
    writer_init(&w, 4096);
    aws_encode(&put_records_output_shape, AWS_JSON, &out, &w);
    EXPECT_BYTES(bytes_of(w.data, w.len),
                 "{\"FailedRecordCount\":1,\"Records\":[{\"SequenceNumber\":\"49\",\"ShardId\":"
                 "\"shardId-000000000000\"},{\"ErrorCode\":\"InternalFailure\",\"ErrorMessage\":"
                 "\"a \\\"b\\\"\\n\\u0001\"}]}");
    writer_reset(&w);
    struct kinesis_record record = {.sequence_number = BYTES_LIT("1"), .data = BYTES_LIT("hello"),
                                    .partition_key = BYTES_LIT("\xc3\xa9\xff"),
                                    .approximate_arrival_timestamp_ms = 1441215410050,
                                    .has_approximate_arrival_timestamp = true};
    struct get_records_output got = {.records = &record, .records_count = 1};
    aws_encode(&get_records_output_shape, AWS_JSON, &got, &w);
    EXPECT_BYTES(
        bytes_of(w.data, w.len),
        "{\"Records\":[{\"SequenceNumber\":\"1\",\"ApproximateArrivalTimestamp\":1441215410.05,"
        "\"Data\":"
        "\"aGVsbG8=\",\"PartitionKey\":\"\xc3\xa9\xef\xbf\xbd\"}],\"MillisBehindLatest\":0}");
    writer_reset(&w);
    aws_encode_error(AWS_JSON, "ResourceNotFoundException", BYTES_LIT("gone"), false, &w);
    aws_encode_error(AWS_JSON, "SerializationException", BYTES_NULL, true, &w);
    EXPECT_BYTES(bytes_of(w.data, w.len),
                 "{\"__type\":\"ResourceNotFoundException\",\"message\":\"gone\"}"
                 "{\"__type\":\"SerializationException\"}");
    writer_done(&w);
}

TEST(operations_are_found_by_their_exact_name)
{
    for (int op = 0; op < KINESIS_OP_COUNT; op++)
        EXPECT_EQ(kinesis_op_find(bytes_str(kinesis_operations[op].name)), op);
    EXPECT_EQ(kinesis_op_find(BYTES_LIT("putRecords")), KINESIS_OP_COUNT);
    EXPECT_EQ(kinesis_op_find(BYTES_LIT("")), KINESIS_OP_COUNT);
    EXPECT_EQ(kinesis_op_find(BYTES_NULL), KINESIS_OP_COUNT);
}

/* The smallest request of each operation; empty: one without members is legal too. */
static const struct { const char *name, *body; bool empty;
} smallest[] = {
#define STREAM "\"StreamName\":\"a\""
#define ARN "\"arn:aws:kinesis:us-east-1:123456789012:stream/a\""
    {"CreateStream", "{" STREAM "}", false},
    {"DeleteStream", "{" STREAM "}", false},
    {"DescribeStream", "{" STREAM "}", false},
    {"DescribeStreamSummary", "{" STREAM "}", false},
    {"ListStreams", "{}", true},
    {"ListShards", "{" STREAM "}", true},
    {"PutRecord", "{" STREAM ",\"Data\":\"\",\"PartitionKey\":\"k\"}", false},
    {"PutRecords", "{" STREAM ",\"Records\":[{\"Data\":\"\",\"PartitionKey\":\"k\"}]}", false},
    {"GetShardIterator", "{" STREAM ",\"ShardId\":\"0\",\"ShardIteratorType\":\"LATEST\"}", false},
    {"GetRecords", "{\"ShardIterator\":\"A\"}", false},
    {"SplitShard", "{" STREAM ",\"ShardToSplit\":\"0\",\"NewStartingHashKey\":\"5\"}", false},
    {"MergeShards", "{" STREAM ",\"ShardToMerge\":\"0\",\"AdjacentShardToMerge\":\"1\"}", false},
    {"UpdateShardCount", "{" STREAM ",\"TargetShardCount\":2,\"ScalingType\":\"UNIFORM_SCALING\"}",
     false},
    {"UpdateMaxRecordSize", "{\"StreamARN\":" ARN ",\"MaxRecordSizeInKiB\":1024}", false},
    {"IncreaseStreamRetentionPeriod", "{" STREAM ",\"RetentionPeriodHours\":8760}", false},
    {"DecreaseStreamRetentionPeriod", "{" STREAM ",\"RetentionPeriodHours\":24}", false},
    {"AddTagsToStream", "{" STREAM ",\"Tags\":{\"a\":\"\"}}", false},
    {"RemoveTagsFromStream", "{" STREAM ",\"TagKeys\":[\"a\"]}", false},
    {"ListTagsForStream", "{" STREAM "}", false},
    {"TagResource", "{\"ResourceARN\":" ARN ",\"Tags\":{\"a\":\"b\"}}", false},
    {"UntagResource", "{\"ResourceARN\":" ARN ",\"TagKeys\":[\"a\"]}", false},
    {"ListTagsForResource", "{\"ResourceARN\":" ARN "}", false},
    {"DescribeLimits", "{}", true},
    {"RegisterStreamConsumer", "{\"StreamARN\":" ARN ",\"ConsumerName\":\"c\"}", false},
    {"DeregisterStreamConsumer", "{}", true},
    {"DescribeStreamConsumer", "{}", true},
    {"ListStreamConsumers", "{\"StreamARN\":" ARN "}", false},
    {"SubscribeToShard",
     "{\"ConsumerARN\":\"arn:aws:kinesis:us-east-1:123456789012:stream/a/consumer/"
     "c:1\",\"ShardId\":\"0\","
     "\"StartingPosition\":{\"Type\":\"LATEST\"}}",
     false},
};

TEST(every_operation_takes_its_smallest_request_and_no_smaller)
{
    EXPECT_EQ(sizeof smallest / sizeof smallest[0], KINESIS_OP_COUNT);
    for (size_t i = 0; i < KINESIS_OP_COUNT; i++) {
        enum kinesis_op op = kinesis_op_find(bytes_str(smallest[i].name));
        EXPECT(op < KINESIS_OP_COUNT);
        union kinesis_input in;
        EXPECT_OK(decode(kinesis_operations[op].input, smallest[i].body, &in));
        EXPECT_ERR(decode(kinesis_operations[op].input, "{}", &in),
                   smallest[i].empty ? ERR_OK : ERR_VALIDATION);
        EXPECT_ERR(decode(kinesis_operations[op].input, "[]", &in), ERR_SERIALIZATION);
    }
}

TESTS(RUN(a_put_records_body_becomes_a_struct),
      RUN(strings_without_escapes_are_views_into_the_body), RUN(numbers_are_cut_and_clamped),
      RUN(the_member_given_last_counts), RUN(a_wrong_type_is_told_in_the_words_of_aws),
      RUN(what_is_not_json_is_unparsable_even_behind_a_wrong_type), RUN(depth_is_limited),
      RUN(parts_are_limited), RUN(strings_of_escapes_and_plain_runs),
      RUN(a_key_at_its_limit_in_characters),
      RUN(constraints_are_told_in_the_words_and_order_of_aws),
      RUN(a_stream_is_named_by_arn_as_well), RUN(a_key_is_measured_in_characters),
      RUN(ten_faults_are_told_at_most_and_lists_are_bounded),
      RUN(repeated_tags_count_once_and_a_flood_of_them_is_refused),
      RUN(output_leaves_out_what_is_absent), RUN(operations_are_found_by_their_exact_name),
      RUN(every_operation_takes_its_smallest_request_and_no_smaller))
