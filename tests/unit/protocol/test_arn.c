#include "protocol/kinesis/arn.h"
#include "protocol/kinesis/kpl.h"
#include "test.h"

static struct arn parse(const char *text)
{
    struct arn arn;
    EXPECT_OK(arn_parse(bytes_str(text), &arn));
    return arn;
}

TEST(what_is_built_comes_apart_again)
{
    struct arena arena;
    arena_init(&arena, 4096);
    struct bytes text = arn_stream(&arena, BYTES_LIT("us-east-1"), BYTES_LIT("123456789012"),
                                   BYTES_LIT("my.stream"));
    EXPECT_BYTES(text, "arn:aws:kinesis:us-east-1:123456789012:stream/my.stream");
    struct arn arn;
    EXPECT_OK(arn_parse(text, &arn));
    EXPECT_BYTES(arn.region, "us-east-1");
    EXPECT_BYTES(arn.account, "123456789012");
    EXPECT_BYTES(arn.stream, "my.stream");
    EXPECT(bytes_is_null(arn.consumer));
    struct bytes consumer = arn_consumer(&arena, text, BYTES_LIT("app-1"), 1795305600);
    EXPECT_BYTES(
        consumer,
        "arn:aws:kinesis:us-east-1:123456789012:stream/my.stream/consumer/app-1:1795305600");
    EXPECT_OK(arn_parse(consumer, &arn));
    EXPECT_BYTES(arn.stream, "my.stream");
    EXPECT_BYTES(arn.consumer, "app-1");
    EXPECT_EQ(arn.consumer_created_s, 1795305600);
    arena_done(&arena);
    EXPECT_BYTES(parse("arn:aws-cn:kinesis:cn-north-1:000000000000:stream/a").partition, "aws-cn");
}

TEST(what_is_no_arn_of_ours_is_refused)
{
    static const char *const texts[] = {
        "",
        "arn",
        "arn:aws:kinesis:r:123456789012",
        "arn:aws:kinesis:r:123456789012:stream/",
        "arn:aws:kinesis:r:12345678901:stream/a",
        "arn:aws:kinesis:r:12345678901x:stream/a",
        "arn:aws:kinesis:r:123456789012:stream/a b",
        "arn:aws:kinesis:r:123456789012:channel/a",
        "arn:aws:s3:r:123456789012:stream/a",
        "arn:aws:kinesis:r:123456789012:stream/a/consumer",
        "arn:aws:kinesis:r:123456789012:stream/a/consumer/b",
        "arn:aws:kinesis:r:123456789012:stream/a/consumer/b:",
        "arn:aws:kinesis:r:123456789012:stream/a/consumer/b:x",
        "arn:aws:kinesis:r:123456789012:stream/a/consumer/b:-1",
        "arn:aws:kinesis:r:123456789012:stream/a/other/b:1",
        "x:aws:kinesis:r:123456789012:stream/a",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct arn arn;
        EXPECT_ERR(arn_parse(bytes_str(texts[i]), &arn), ERR_INVALID_ARGUMENT);
    }
    struct arn arn;
    EXPECT_ERR(arn_parse(BYTES_NULL, &arn), ERR_INVALID_ARGUMENT);
}

TEST(shard_ids_are_read_as_aws_reads_them)
{
    static const struct { const char *text; int64_t index;
    } rows[] = {
        {"shardId-000000000007", 7},
        {"7", 7},
        {"anything-0007", 7},
        {"-00002147483647", INT32_MAX},
        {"a-5-6", 5},
        {"2147483648", -1},
        {"shardId-002147483648", -1},
        {"ABKLFD8", -1},
        {"2.14E4", -1},
        {"", -1},
        {"-", -1},
        {"a-", -1},
        {"a-b", -1},
        {"--5", -1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint32_t index = 99;
        EXPECT_ERR(shard_id_parse(bytes_str(rows[i].text), &index),
                   rows[i].index < 0 ? ERR_NOT_FOUND : ERR_OK);
        EXPECT_EQ(index, rows[i].index < 0 ? 99 : rows[i].index);
    }
    char text[SHARD_ID_TEXT_BYTES];
    EXPECT_BYTES(shard_id_format(7, text), "shardId-000000000007");
    EXPECT_BYTES(shard_id_format(INT32_MAX, text), "shardId-002147483647");
    EXPECT_BYTES(shard_id_format(-2147483648, text), "shardId--02147483648");
}

TEST(an_aggregate_is_known_by_its_first_bytes)
{
    EXPECT(kpl_is_aggregate(BYTES_LIT("\xf3\x89\x9a\xc2" "0123456789abcdef")));
    EXPECT(!kpl_is_aggregate(BYTES_LIT("\xf3\x89\x9a\xc2" "0123456789abcde")));
    EXPECT(!kpl_is_aggregate(BYTES_LIT("\xf3\x89\x9a\xc3" "0123456789abcdef")));
    EXPECT(!kpl_is_aggregate(BYTES_NULL));
}

TESTS(RUN(what_is_built_comes_apart_again), RUN(what_is_no_arn_of_ours_is_refused),
      RUN(shard_ids_are_read_as_aws_reads_them), RUN(an_aggregate_is_known_by_its_first_bytes))
