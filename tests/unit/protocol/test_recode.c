#include "protocol/batch/recode.h"
#include "base/budget.h"
#include "golden.h"
#include "protocol/batch/build.h"
#include "protocol/batch/validate.h"

#define TIME INT64_C(1700000000000)

static const char *const files[] = {"batch/none.bin",       "batch/gzip.bin",
                                    "batch/snappy.bin",     "batch/snappy-raw.bin",
                                    "batch/lz4.bin",        "batch/zstd.bin",
                                    "batch/idempotent.bin", "batch/transactional.bin",
                                    "batch/gzip-large.bin", "batch/snappy-large.bin",
                                    "batch/lz4-large.bin",  "batch/zstd-large.bin"};
enum { FILES = sizeof files / sizeof files[0] };

static const int32_t levels[CODEC_COUNT] = {0, GZIP_LEVEL_DEFAULT, 0, LZ4_LEVEL_DEFAULT,
                                            ZSTD_LEVEL_DEFAULT};

static struct deflater deflater;
static struct inflater inflater, other;

static enum err check(struct bytes b, struct batch_verdict *verdict)
{
    struct batch_rules rules = {.produce_version = 12,
                                .batch_bytes_max = 1 << 20,
                                .now_ms = TIME + 1000,
                                .timestamp_before_max_ms = INT64_MAX,
                                .timestamp_after_max_ms = INT64_MAX};
    struct batch_faults faults;
    return batch_validate(b, &rules, &inflater, &faults, verdict);
}

static struct slab *recode(const struct batch_verdict *v, enum batch_codec codec)
{
    struct batch_packing to = {.codec = codec, .level = levels[codec], .bytes_max = 1 << 20};
    struct slab *made = NULL;
    EXPECT_OK(batch_recode(&v->info, v->records, &to, &deflater, NULL, &made));
    return made;
}

static void expect_same_bytes(struct bytes a, struct bytes b)
{
    EXPECT_EQ(bytes_is_null(a), bytes_is_null(b));
    EXPECT(bytes_equal(a, b));
}

static void expect_same_records(struct bytes a, struct bytes b, int32_t count)
{
    struct record_iter one, two;
    EXPECT_OK(record_iter_init(&one, a, &inflater));
    EXPECT_OK(record_iter_init(&two, b, &other));
    struct record x, y;
    for (int32_t i = 0; i < count; i++) {
        EXPECT(record_iter_next(&one, &x) && record_iter_next(&two, &y));
        EXPECT_EQ(x.offset, y.offset);
        EXPECT_EQ(x.timestamp, y.timestamp);
        expect_same_bytes(x.key, y.key);
        expect_same_bytes(x.value, y.value);
        expect_same_bytes(x.headers, y.headers);
    }
    EXPECT(!record_iter_next(&one, &x) && !record_iter_next(&two, &y));
    EXPECT_OK(one.err);
    EXPECT_OK(two.err);
}

TEST(all_of_a_batch_but_its_codec_is_kept)
{
    for (int i = 0; i < FILES; i++)
        for (enum batch_codec codec = CODEC_NONE; codec < CODEC_COUNT; codec++) {
            struct bytes b = golden(files[i]);
            struct batch_verdict before, after;
            EXPECT_OK(check(b, &before));
            struct slab *made = recode(&before, codec);
            struct bytes m = slab_bytes(made);
            EXPECT_EQ(made->cap, made->len);
            EXPECT_OK(check(m, &after));
            EXPECT_EQ(after.info.codec, codec);
            EXPECT_EQ(after.info.bytes, m.len);
            EXPECT_EQ(after.info.count, before.info.count);
            EXPECT_EQ(after.info.last_offset_delta, before.info.last_offset_delta);
            EXPECT_EQ(after.info.base_timestamp, before.info.base_timestamp);
            EXPECT_EQ(after.info.max_timestamp, before.info.max_timestamp);
            EXPECT_EQ(after.info.producer_id, before.info.producer_id);
            EXPECT_EQ(after.info.producer_epoch, before.info.producer_epoch);
            EXPECT_EQ(after.info.base_sequence, before.info.base_sequence);
            EXPECT_EQ(after.info.is_transactional, before.info.is_transactional);
            EXPECT_EQ(after.max_timestamp, before.max_timestamp);
            EXPECT_EQ(after.max_timestamp_delta, before.max_timestamp_delta);
            expect_same_records(b, m, before.info.count);
            slab_unref(made);
            golden_free(b);
        }
}

TEST(to_and_fro_gives_the_same_bytes)
{
    struct bytes b = golden("batch/idempotent.bin");
    for (enum batch_codec codec = CODEC_GZIP; codec < CODEC_COUNT; codec++) {
        struct batch_verdict v;
        EXPECT_OK(check(b, &v));
        struct slab *packed = recode(&v, codec);
        EXPECT_OK(check(slab_bytes(packed), &v));
        struct slab *plain = recode(&v, CODEC_NONE);
        EXPECT(bytes_equal(slab_bytes(plain), b));
        slab_unref(packed);
        slab_unref(plain);
    }
    golden_free(b);
}

/* A topic with LogAppendTime: the log sets type and time in the new batch as in any other. */
TEST(the_log_sets_its_own_time_afterwards)
{
    for (enum batch_codec codec = CODEC_NONE; codec < CODEC_COUNT; codec++) {
        struct bytes b = golden("batch/none.bin");
        struct batch_verdict v;
        EXPECT_OK(check(b, &v));
        v.info.is_log_append_time = true;
        struct slab *made = recode(&v, codec);
        struct batch_info info;
        EXPECT_OK(batch_peek(slab_bytes(made), &info));
        EXPECT(!info.is_log_append_time);
        batch_set_time(made->data, true, TIME + 777);
        EXPECT(batch_crc_is_right(slab_bytes(made)));
        struct record_iter it;
        struct record r;
        EXPECT_OK(record_iter_init(&it, slab_bytes(made), &inflater));
        EXPECT(it.info.is_log_append_time);
        EXPECT_EQ(it.info.codec, codec);
        while (record_iter_next(&it, &r)) EXPECT_EQ(r.timestamp, TIME + 777);
        EXPECT_OK(it.err);
        slab_unref(made);
        golden_free(b);
    }
}

TEST(the_size_limit_is_exact)
{
    struct bytes b = golden("batch/gzip-large.bin");
    for (enum batch_codec codec = CODEC_NONE; codec < CODEC_COUNT; codec++) {
        struct batch_verdict v;
        EXPECT_OK(check(b, &v));
        struct slab *made = recode(&v, codec);
        struct batch_packing to = {.codec = codec, .level = levels[codec],
                                   .bytes_max = (uint32_t)made->len};
        slab_unref(made);
        struct slab *again = NULL;
        EXPECT_OK(batch_recode(&v.info, v.records, &to, &deflater, NULL, &again));
        slab_unref(TAKE(again));
        to.bytes_max--;
        EXPECT_ERR(batch_recode(&v.info, v.records, &to, &deflater, NULL, &again),
                   ERR_MESSAGE_TOO_LARGE);
        to.bytes_max = 0;
        EXPECT_ERR(batch_recode(&v.info, v.records, &to, &deflater, NULL, &again),
                   ERR_MESSAGE_TOO_LARGE);
        EXPECT(again == NULL);
    }
    golden_free(b);
}

TEST(the_new_batch_is_paid_for)
{
    struct bytes b = golden("batch/zstd-large.bin");
    struct batch_verdict v;
    EXPECT_OK(check(b, &v));
    struct slab *free_of_charge = recode(&v, CODEC_LZ4), *made = NULL;
    size_t bytes = free_of_charge->len;
    slab_unref(free_of_charge);
    struct batch_packing to = {.codec = CODEC_LZ4, .level = LZ4_LEVEL_DEFAULT,
                               .bytes_max = 1 << 20};
    struct budget budget;
    budget_init(&budget, bytes + 100);
    EXPECT_OK(batch_recode(&v.info, v.records, &to, &deflater, &budget, &made));
    EXPECT_EQ(atomic_load(&budget.used), bytes);
    struct slab *second = NULL;
    EXPECT_ERR(batch_recode(&v.info, v.records, &to, &deflater, &budget, &second), ERR_BUSY);
    EXPECT(second == NULL);
    slab_unref(made);
    EXPECT_EQ(atomic_load(&budget.used), 0);
    EXPECT_OK(batch_recode(&v.info, v.records, &to, &deflater, &budget, &second));
    slab_unref(second);
    golden_free(b);
}

/* 32 MiB in a batch of some 30 KB: legal to send, too large to store unpacked, and afterwards no
 * thread keeps the memory. */
TEST(a_bomb_is_too_large_for_a_topic_without_compression)
{
    enum { VALUE_BYTES = 32 << 20 };
    uint8_t *zeros = calloc(1, VALUE_BYTES);
    struct batch_size size;
    batch_size_init(&size, TIME);
    batch_size_add(&size, TIME, BYTES_NULL, VALUE_BYTES, NULL, 0);
    uint8_t *plain = malloc(size.bytes);
    struct batch_builder builder;
    batch_builder_init(&builder, plain, size.bytes, TIME);
    batch_builder_add(&builder, TIME, BYTES_NULL, bytes_of(zeros, VALUE_BYTES), NULL, 0);
    batch_builder_finish(&builder);
    struct batch_info info;
    batch_read_header(plain, &info);
    struct batch_packing to = {.codec = CODEC_GZIP, .level = 9, .bytes_max = 1 << 20};
    struct slab *bomb = NULL, *made = NULL;
    struct bytes records = bytes_of(plain + BATCH_HEADER_BYTES, size.bytes - BATCH_HEADER_BYTES);
    EXPECT_OK(batch_recode(&info, records, &to, &deflater, NULL, &bomb));
    free(plain);
    free(zeros);

    struct batch_verdict v;
    EXPECT_OK(check(slab_bytes(bomb), &v));
    EXPECT_EQ(v.records.len, records.len);
    to.codec = CODEC_NONE;
    EXPECT_ERR(batch_recode(&v.info, v.records, &to, &deflater, NULL, &made),
               ERR_MESSAGE_TOO_LARGE);
    to.codec = CODEC_ZSTD;
    to.level = ZSTD_LEVEL_DEFAULT;
    EXPECT_OK(batch_recode(&v.info, v.records, &to, &deflater, NULL, &made));
    slab_unref(made);
    slab_unref(bomb);
    EXPECT(deflater.out == NULL);
    inflater_trim(&inflater);
    EXPECT(inflater.out == NULL);
}

int main(void)
{
    deflater_init(&deflater);
    inflater_init(&inflater, NULL, INFLATE_BYTES_MAX);
    inflater_init(&other, NULL, INFLATE_BYTES_MAX);
    const struct CMUnitTest tests[] = {RUN(all_of_a_batch_but_its_codec_is_kept),
                                       RUN(to_and_fro_gives_the_same_bytes),
                                       RUN(the_log_sets_its_own_time_afterwards),
                                       RUN(the_size_limit_is_exact),
                                       RUN(the_new_batch_is_paid_for),
                                       RUN(a_bomb_is_too_large_for_a_topic_without_compression)};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    deflater_done(&deflater);
    inflater_done(&inflater);
    inflater_done(&other);
    return failed;
}
