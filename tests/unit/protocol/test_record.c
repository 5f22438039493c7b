#include "protocol/batch/record.h"
#include "golden.h"
#define TIME INT64_C(1700000000000)

static struct inflater inflater;

/* The five records that every "mixed" golden file holds. */
static void expect_mixed(struct bytes batch, bool log_append)
{
    static const int64_t times[] = {0, 5, 3, 5, -1};
    struct record_iter it;
    struct record r[5];
    EXPECT_OK(record_iter_init(&it, batch, &inflater));
    for (int i = 0; i < 5; i++) {
        EXPECT(record_iter_next(&it, &r[i]));
        EXPECT_EQ(r[i].offset, it.info.base_offset + i);
        EXPECT_EQ(r[i].timestamp, log_append ? it.info.max_timestamp : TIME + times[i]);
    }
    struct record none;
    EXPECT(!record_iter_next(&it, &none));
    EXPECT_OK(it.err);
    EXPECT_BYTES(r[0].key, "k0");
    EXPECT_BYTES(r[0].value, "v0");
    EXPECT_EQ(r[0].header_count, 0);
    EXPECT(bytes_is_null(r[1].key));
    EXPECT_BYTES(r[1].value, "no key");
    EXPECT(bytes_is_null(r[2].value));
    EXPECT(!bytes_is_null(r[3].key) && r[3].key.len == 0);
    EXPECT(!bytes_is_null(r[3].value) && r[3].value.len == 0);
    EXPECT_EQ(r[4].value.len, 300);

    struct record_header h;
    EXPECT_EQ(r[2].header_count, 2);
    EXPECT(record_header_next(&r[2], &h));
    EXPECT_BYTES(h.key, "a");
    EXPECT_BYTES(h.value, "1");
    EXPECT(record_header_next(&r[2], &h));
    EXPECT_BYTES(h.key, "b");
    EXPECT(bytes_is_null(h.value));
    EXPECT(!record_header_next(&r[2], &h));
    EXPECT(record_header_next(&r[4], &h));
    EXPECT_BYTES(h.key, "h");
    EXPECT(!bytes_is_null(h.value) && h.value.len == 0);
    EXPECT(!record_header_next(&r[0], &h));
}

TEST(records_of_every_codec_read_as_kafka_wrote_them)
{
    static const char *const files[] = {"batch/none.bin", "batch/gzip.bin", "batch/snappy.bin",
                                        "batch/snappy-raw.bin", "batch/lz4.bin", "batch/zstd.bin",
                                        "batch/idempotent.bin", "batch/transactional.bin"};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        struct bytes b = golden(files[i]);
        batch_set_base_offset((uint8_t *)b.data, 1000 * (int64_t)i);
        expect_mixed(b, false);
        golden_free(b);
    }
    struct bytes b = golden("batch/log-append.bin");
    batch_set_time((uint8_t *)b.data, true, TIME + 99);
    expect_mixed(b, true);
    golden_free(b);
}

TEST(large_batches_of_every_codec_are_whole)
{
    static const char *const files[] = {"batch/gzip-large.bin", "batch/snappy-large.bin",
                                        "batch/snappy-raw-large.bin", "batch/lz4-large.bin",
                                        "batch/zstd-large.bin"};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        struct bytes b = golden(files[i]);
        struct record_iter it;
        struct record r;
        EXPECT_OK(record_iter_init(&it, b, &inflater));
        int n = 0;
        for (; record_iter_next(&it, &r); n++) {
            char key[16], value[1600];
            snprintf(key, sizeof key, "key-%d", n);
            EXPECT_BYTES(r.key, key);
            size_t len = 0;
            for (int k = 0; k < 100; k++)
                len += (size_t)snprintf(value + len, sizeof value - len, "value-%d,", n);
            EXPECT_BYTES(r.value, value);
            EXPECT_EQ(r.timestamp, TIME + n);
        }
        EXPECT_OK(it.err);
        EXPECT_EQ(n, 300);
        golden_free(b);
    }
}

TEST(taken_output_outlives_the_next_run)
{
    struct bytes a = golden("batch/zstd.bin"), b = golden("batch/zstd-large.bin");
    struct record_iter it;
    struct record kept, other;
    EXPECT_OK(record_iter_init(&it, a, &inflater));
    EXPECT(record_iter_next(&it, &kept));
    struct slab *slab = inflater_take(&inflater);
    assert_non_null(slab);
    EXPECT_OK(record_iter_init(&it, b, &inflater));
    EXPECT(record_iter_next(&it, &other));
    EXPECT_BYTES(kept.value, "v0");
    slab_unref(slab);
    golden_free(a);
    golden_free(b);
}

TEST(the_first_record_at_or_after_a_time)
{
    static const struct {
        int64_t from, at;
        enum err err;
        int64_t offset, time;
    } rows[] = {
        {0, INT64_MIN, ERR_OK, 10, TIME},    {0, TIME, ERR_OK, 10, TIME},
        {0, TIME + 1, ERR_OK, 11, TIME + 5}, {0, TIME + 5, ERR_OK, 11, TIME + 5},
        {0, TIME + 6, ERR_NOT_FOUND, 0, 0},  {0, INT64_MAX, ERR_NOT_FOUND, 0, 0},
        {10, TIME, ERR_OK, 10, TIME},        {11, TIME, ERR_OK, 11, TIME + 5},
        {15, TIME, ERR_NOT_FOUND, 0, 0},
    };
    static const char *const files[] = {"batch/none.bin", "batch/lz4.bin"};
    for (int f = 0; f < 2; f++) {
        struct bytes b = golden(files[f]);
        batch_set_base_offset((uint8_t *)b.data, 10);
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
            int64_t offset = 0, time = 0;
            EXPECT_ERR(batch_find_time(b, rows[i].from, rows[i].at, &inflater, &offset, &time),
                       rows[i].err);
            EXPECT_EQ(offset, rows[i].offset);
            EXPECT_EQ(time, rows[i].time);
        }
        int64_t offset, time;
        EXPECT_OK(batch_find_max_time(b, 0, &inflater, &offset, &time));
        EXPECT_EQ(offset, 11);
        EXPECT_EQ(time, TIME + 5);
        EXPECT_ERR(batch_find_max_time(b, 15, &inflater, &offset, &time), ERR_NOT_FOUND);
        golden_free(b);
    }
}

TEST(a_batch_that_compaction_emptied_has_no_record)
{
    struct bytes b = golden("batch/none.bin");
    uint8_t *p = (uint8_t *)b.data;
    store_be32(p + 8, BATCH_HEADER_BYTES - 12);
    store_be32(p + 57, 0);
    struct bytes empty = bytes_of(p, BATCH_HEADER_BYTES);
    struct record_iter it;
    struct record r;
    EXPECT_OK(record_iter_init(&it, empty, NULL));
    EXPECT(!record_iter_next(&it, &r));
    EXPECT_OK(it.err);
    EXPECT_EQ(batch_last_offset(&it.info), 4);
    int64_t offset, time;
    EXPECT_ERR(batch_find_time(empty, 0, 0, NULL, &offset, &time), ERR_NOT_FOUND);
    EXPECT_ERR(batch_find_max_time(empty, 0, NULL, &offset, &time), ERR_NOT_FOUND);
    golden_free(b);
}

/* Iterates a batch of count records whose bytes are given; the error it ends with. */
static enum err walk(int32_t count, const void *records, size_t len)
{
    uint8_t *b = calloc(1, BATCH_HEADER_BYTES + len);        /* exact: a sanitizer sees overreads */
    struct batch_info info = {.bytes = (uint32_t)(BATCH_HEADER_BYTES + len), .count = count};
    memcpy(b + BATCH_HEADER_BYTES, records, len);
    batch_write_header(b, &info);
    struct record_iter it;
    struct record r;
    EXPECT_OK(record_iter_init(&it, bytes_of(b, info.bytes), NULL));
    while (record_iter_next(&it, &r))
        for (struct record_header h; record_header_next(&r, &h);) EXPECT(h.key.data != NULL);
    EXPECT(!record_iter_next(&it, &r));
    free(b);
    return it.err;
}
#define WALK(count, text) walk(count, text, sizeof(text) - 1)

TEST(the_smallest_records_and_their_broken_sisters)
{
    /* length 6: attributes, time 0, offset 0, null key, null value, no headers */
    EXPECT_OK(WALK(1, "\x0c\x00\x00\x00\x01\x01\x00"));
    EXPECT_OK(WALK(2, "\x0c\x00\x00\x00\x01\x01\x00\x0c\x00\x00\x02\x01\x01\x00"));
    EXPECT_OK(WALK(1, "\x12\x00\x00\x00\x01\x01\x02\x02k\x01"));
    EXPECT_ERR(WALK(1, ""), ERR_INVALID_RECORD);                                 /* none there */
    EXPECT_ERR(WALK(2, "\x0c\x00\x00\x00\x01\x01\x00"), ERR_INVALID_RECORD);     /* one missing */
    EXPECT_ERR(WALK(1, "\x0c\x00\x00\x00\x01\x01\x00\x00"), ERR_INVALID_RECORD); /* one byte more */
    EXPECT_ERR(WALK(0, "\x0c\x00\x00\x00\x01\x01\x00"), ERR_INVALID_RECORD);
    EXPECT_ERR(WALK(1, "\x0e\x00\x00\x00\x01\x01\x00"), ERR_INVALID_RECORD); /* beyond the end */
    EXPECT_ERR(WALK(1, "\x0e\x00\x00\x00\x01\x01\x00\x00"), ERR_INVALID_RECORD); /* not filled */
    EXPECT_ERR(WALK(1, "\x0a\x00\x00\x00\x01\x01\x00"), ERR_INVALID_RECORD);     /* too small */
    EXPECT_ERR(WALK(1, "\x00"), ERR_INVALID_RECORD);                             /* empty */
    EXPECT_ERR(WALK(1, "\x0b\x00\x00\x00\x01\x01\x00"), ERR_INVALID_RECORD);     /* negative */
    EXPECT_ERR(WALK(1, "\x0c\x00\x00\x00\x02\x01\x00"), ERR_INVALID_RECORD); /* key eats value */
    EXPECT_ERR(WALK(1, "\x0c\x00\x00\x00\x01\x04\x00"), ERR_INVALID_RECORD); /* value too long */
    EXPECT_ERR(WALK(1, "\x0c\x00\x00\x00\x01\x01\x01"), ERR_INVALID_RECORD);     /* -1 headers */
    EXPECT_ERR(WALK(1, "\x0c\x00\x00\x00\x01\x01\x02"), ERR_INVALID_RECORD); /* header missing */
    EXPECT_ERR(WALK(1, "\x10\x00\x00\x00\x01\x01\x02\x01\x01"), ERR_INVALID_RECORD); /* null name */
    EXPECT_ERR(WALK(1, "\x10\x00\x00\x00\x01\x01\x02\x04\x01"), ERR_INVALID_RECORD); /* long name */
    EXPECT_ERR(WALK(1, "\x10\x00\x00\x00\x01\x01\x02\x00\x02"),
               ERR_INVALID_RECORD); /* long value */
    /* headers that would take 2^31 bytes at least */
    EXPECT_ERR(WALK(1, "\x14\x00\x00\x00\x01\x01\xfe\xff\xff\xff\x0f"), ERR_INVALID_RECORD);
}

TEST(varints_at_their_limits)
{
    /* time delta: 10 bytes, all bits */
    EXPECT_OK(WALK(1, "\x1e\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x00\x01\x01\x00"));
    EXPECT_ERR(WALK(1, "\x1e\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02\x00\x01\x01\x00"),
               ERR_INVALID_RECORD);
    EXPECT_ERR(WALK(1, "\x20\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\x81\x00\x00\x01\x01\x00"),
               ERR_INVALID_RECORD);
    /* offset delta: 5 bytes */
    EXPECT_OK(WALK(1, "\x14\x00\x00\xff\xff\xff\xff\x0f\x01\x01\x00"));
    EXPECT_ERR(WALK(1, "\x14\x00\x00\xff\xff\xff\xff\x1f\x01\x01\x00"), ERR_INVALID_RECORD);
    /* an unending length */
    EXPECT_ERR(WALK(1, "\xff\xff\xff\xff\xff\xff\xff"), ERR_INVALID_RECORD);
    EXPECT_ERR(WALK(1, "\x80"), ERR_INVALID_RECORD);
}

static int set_up(void **state)
{
    (void)state;
    inflater_init(&inflater, NULL, INFLATE_BYTES_MAX);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    inflater_done(&inflater);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(records_of_every_codec_read_as_kafka_wrote_them),
        RUN(large_batches_of_every_codec_are_whole),
        RUN(taken_output_outlives_the_next_run),
        RUN(the_first_record_at_or_after_a_time),
        RUN(a_batch_that_compaction_emptied_has_no_record),
        RUN(the_smallest_records_and_their_broken_sisters),
        RUN(varints_at_their_limits),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
