#include "protocol/batch/validate.h"
#include "base/crc32c.h"
#include "golden.h"
#include "protocol/batch/build.h"

#define TIME INT64_C(1700000000000)

static struct inflater inflater;
static struct batch_faults faults;
static struct batch_verdict verdict;

static struct batch_rules rules(void)
{
    return (struct batch_rules){
        .produce_version = 12,
        .batch_bytes_max = 1048588,
        .now_ms = TIME + 1000,
        .timestamp_before_max_ms = INT64_MAX,
        .timestamp_after_max_ms = 3600000,
    };
}

static void seal(struct bytes b)
{
    store_be32((uint8_t *)b.data + 17, crc32c(b.data + BATCH_CRC_START, b.len - BATCH_CRC_START));
}

static enum err check(struct bytes b)
{
    struct batch_rules r = rules();
    return batch_validate(b, &r, &inflater, &faults, &verdict);
}

TEST(what_kafka_clients_send_is_accepted)
{
    static const char *const files[] = {
        "batch/none.bin", "batch/gzip.bin", "batch/snappy.bin",     "batch/snappy-raw.bin",
        "batch/lz4.bin",  "batch/zstd.bin", "batch/idempotent.bin", "batch/transactional.bin"};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        struct bytes b = golden(files[i]);
        EXPECT_OK(check(b));
        EXPECT_EQ(verdict.info.count, 5);
        EXPECT_EQ(verdict.max_timestamp, TIME + 5);
        EXPECT_EQ(verdict.max_timestamp_delta, 1);
        EXPECT_EQ(faults.count, 0);
        golden_free(b);
    }
    static const char *const large[] = {"batch/gzip-large.bin", "batch/snappy-large.bin",
                                        "batch/snappy-raw-large.bin", "batch/lz4-large.bin",
                                        "batch/zstd-large.bin"};
    for (size_t i = 0; i < sizeof large / sizeof large[0]; i++) {
        struct bytes b = golden(large[i]);
        EXPECT_OK(check(b));
        EXPECT_EQ(verdict.info.count, 300);
        EXPECT_EQ(verdict.max_timestamp_delta, 299);
        golden_free(b);
    }
}

TEST(there_must_be_one_batch_of_the_right_format)
{
    EXPECT_ERR(check(BYTES_NULL), ERR_INVALID_RECORD);
    EXPECT_ERR(check(BYTES_LIT("")), ERR_INVALID_RECORD);
    static const char *const old[] = {"batch/magic0.bin", "batch/magic1.bin"};
    for (int i = 0; i < 2; i++) {
        struct bytes b = golden(old[i]);
        EXPECT_ERR(check(b), ERR_INVALID_RECORD);
        golden_free(b);
    }
    struct bytes b = golden("batch/none.bin");
    uint8_t *two = malloc(b.len * 2);
    memcpy(two, b.data, b.len);
    memcpy(two + b.len, b.data, b.len);
    EXPECT_ERR(check(bytes_of(two, b.len * 2)), ERR_INVALID_RECORD);
    EXPECT_ERR(check(bytes_of(two, b.len + 1)), ERR_INVALID_RECORD);
    EXPECT(faults.in_log);              /* a rest that is no batch is found out after the CRC */
    two[b.len + 16] = 3;
    EXPECT_ERR(check(bytes_of(two, b.len * 2)), ERR_CORRUPT_MESSAGE);
    EXPECT(!faults.in_log);
    two[16] = 3;
    EXPECT_ERR(check(bytes_of(two, b.len)), ERR_CORRUPT_MESSAGE);
    free(two);
    golden_free(b);
}

TEST(every_cut_is_refused)
{
    struct bytes b = golden("batch/none.bin");
    for (size_t len = 0; len < b.len; len++) {
        uint8_t *cut = malloc(len + !len);
        memcpy(cut, b.data, len);
        EXPECT_ERR(check(bytes_of(cut, len)), ERR_INVALID_RECORD);
        /* The length field agrees with the cut, and so does the CRC: still not whole. */
        if (len >= 26) {
            store_be32(cut + 8, (uint32_t)len - 12);
            if (len >= BATCH_HEADER_BYTES) seal(bytes_of(cut, len));
            EXPECT_ERR(check(bytes_of(cut, len)),
                       len < BATCH_HEADER_BYTES ? ERR_CORRUPT_MESSAGE : ERR_INVALID_RECORD);
        }
        free(cut);
    }
    static const uint32_t wrong[] = {0, 13, 48, 0x80000000, 0xffffffff};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        store_be32((uint8_t *)b.data + 8, wrong[i]);
        EXPECT_ERR(check(b), ERR_CORRUPT_MESSAGE);
    }
    golden_free(b);
}

/* Overwrites bytes of a golden batch, makes the CRC right again and checks. */
static enum err altered(const char *file, size_t at, size_t bytes, uint64_t value, bool sealed)
{
    struct bytes b = golden(file);
    for (size_t i = 0; i < bytes; i++)
        ((uint8_t *)b.data)[at + i] = (uint8_t)(value >> 8 * (bytes - 1 - i));
    if (sealed) seal(b);
    enum err err = check(b);
    golden_free(b);
    return err;
}

TEST(header_fields_are_checked_as_kafka_does)
{
    EXPECT_ERR(altered("batch/none.bin", 17, 4, 0, false), ERR_CORRUPT_MESSAGE);        /* CRC */
    EXPECT_ERR(altered("batch/none.bin", 100, 1, 0xee, false), ERR_CORRUPT_MESSAGE);
    EXPECT_ERR(altered("batch/none.bin", 0, 8, 1, true), ERR_INVALID_RECORD); /* base offset */
    EXPECT_ERR(altered("batch/none.bin", 57, 4, 4, true), ERR_INVALID_RECORD);          /* count */
    EXPECT_ERR(altered("batch/none.bin", 57, 4, 6, true), ERR_INVALID_RECORD);
    EXPECT_ERR(altered("batch/none.bin", 57, 4, 0, true), ERR_INVALID_RECORD);
    EXPECT_ERR(altered("batch/none.bin", 57, 4, UINT32_MAX, true), ERR_INVALID_RECORD);
    EXPECT_ERR(altered("batch/none.bin", 23, 4, 5, true),
               ERR_INVALID_RECORD); /* last offset delta */
    EXPECT_ERR(altered("batch/none.bin", 23, 4, UINT32_MAX, true), ERR_INVALID_RECORD);
    EXPECT_ERR(altered("batch/none.bin", 23, 4, INT32_MAX, true), ERR_INVALID_RECORD);
    EXPECT_ERR(altered("batch/idempotent.bin", 53, 4, UINT32_MAX, true), ERR_INVALID_RECORD);
    EXPECT_OK(altered("batch/none.bin", 53, 4, UINT32_MAX, true)); /* no producer id */
    EXPECT_OK(altered("batch/none.bin", 12, 4, 5, false));         /* leader epoch */
    for (int codec = CODEC_COUNT; codec < 8; codec++)
        EXPECT_ERR(altered("batch/none.bin", 21, 2, (uint64_t)codec, true),
                   ERR_UNSUPPORTED_COMPRESSION_TYPE);
    struct bytes b = golden("batch/control.bin");
    batch_set_base_offset((uint8_t *)b.data, 0);
    EXPECT_ERR(check(b), ERR_INVALID_RECORD);
    golden_free(b);
}

TEST(a_length_that_got_shorter_is_damage_as_a_wrong_crc_is)
{
    struct bytes b = golden("batch/none.bin");
    for (uint32_t less = 1; less < 6; less++) {
        store_be32((uint8_t *)b.data + 8, (uint32_t)b.len - 12 - less);
        EXPECT_ERR(check(b), ERR_CORRUPT_MESSAGE);
    }
    golden_free(b);
}

TEST(who_refuses_is_told)
{
    struct bytes b = golden("batch/zstd.bin");
    struct batch_rules r = rules();
    r.produce_version = 6;
    EXPECT_ERR(batch_validate(b, &r, &inflater, &faults, &verdict),
               ERR_UNSUPPORTED_COMPRESSION_TYPE);
    EXPECT(!faults.in_log);
    golden_free(b);
    EXPECT_ERR(check(BYTES_LIT("")), ERR_INVALID_RECORD);
    EXPECT(!faults.in_log);
    EXPECT_ERR(altered("batch/none.bin", 0, 8, 1, true), ERR_INVALID_RECORD);
    EXPECT(faults.in_log);
}

TEST(a_broken_batch_has_no_list_of_faults)
{
    struct batch_rules r = rules();
    r.is_compacted = true;              /* record 1 has no key */
    struct bytes b = golden("batch/none.bin");
    store_be32((uint8_t *)b.data + 57, 6);
    store_be32((uint8_t *)b.data + 23, 5);      /* and a record is missing */
    seal(b);
    EXPECT_ERR(batch_validate(b, &r, &inflater, &faults, &verdict), ERR_INVALID_RECORD);
    EXPECT_EQ(faults.count, 0);
    EXPECT_EQ(faults.listed, 0);
    golden_free(b);
}

TEST(zstd_wants_produce_7)
{
    struct bytes b = golden("batch/zstd.bin");
    struct batch_rules r = rules();
    r.produce_version = 6;
    EXPECT_ERR(batch_validate(b, &r, &inflater, &faults, &verdict),
               ERR_UNSUPPORTED_COMPRESSION_TYPE);
    r.produce_version = 7;
    EXPECT_OK(batch_validate(b, &r, &inflater, &faults, &verdict));
    golden_free(b);
}

TEST(the_size_limit_is_exact_and_comes_before_the_crc)
{
    struct bytes b = golden("batch/none.bin");
    struct batch_rules r = rules();
    r.batch_bytes_max = (uint32_t)b.len;
    EXPECT_OK(batch_validate(b, &r, &inflater, &faults, &verdict));
    r.batch_bytes_max--;
    store_be32((uint8_t *)b.data + 17, 0);
    EXPECT_ERR(batch_validate(b, &r, &inflater, &faults, &verdict), ERR_MESSAGE_TOO_LARGE);
    golden_free(b);
}

TEST(data_that_does_not_unpack_is_refused)
{
    static const char *const files[] = {"batch/gzip.bin", "batch/snappy.bin",
                                        "batch/snappy-raw.bin", "batch/lz4.bin", "batch/zstd.bin"};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
        EXPECT_ERR(altered(files[i], 62, 4, 0xffffffff, true), ERR_INVALID_RECORD);
    /* A plain batch that claims a codec. */
    for (uint64_t codec = CODEC_GZIP; codec < CODEC_COUNT; codec++)
        EXPECT_ERR(altered("batch/none.bin", 21, 2, codec, true), ERR_INVALID_RECORD);
    /* A compressed one that claims none. */
    EXPECT_ERR(altered("batch/zstd.bin", 21, 2, 0, true), ERR_INVALID_RECORD);
}

TEST(what_unpacks_beyond_the_limit_is_too_large)
{
    struct bytes b = golden("batch/zstd-large.bin");
    struct batch_rules r = rules();
    struct inflater small;
    inflater_init(&small, NULL, 100000);
    EXPECT_ERR(batch_validate(b, &r, &small, &faults, &verdict), ERR_MESSAGE_TOO_LARGE);
    inflater_done(&small);
    golden_free(b);
}

TEST(offsets_inside_must_count_up_from_zero)
{
    /* The first record's offset delta: behind length (1), attributes (1), time delta (1). */
    EXPECT_ERR(altered("batch/none.bin", 64, 1, 2, true), ERR_INVALID_RECORD);
    EXPECT_ERR(altered("batch/none.bin", 64, 1, 1, true), ERR_INVALID_RECORD);
}

TEST(a_compacted_topic_names_the_records_without_a_key)
{
    struct batch_rules r = rules();
    r.is_compacted = true;
    static const char *const files[] = {"batch/none.bin", "batch/gzip.bin"};
    for (int i = 0; i < 2; i++) {
        struct bytes b = golden(files[i]);
        EXPECT_ERR(batch_validate(b, &r, &inflater, &faults, &verdict), ERR_INVALID_RECORD);
        EXPECT_EQ(faults.count, 1);
        EXPECT_EQ(faults.listed, 1);
        EXPECT_EQ(faults.list[0].kind, BATCH_FAULT_NO_KEY);
        EXPECT_EQ(faults.list[0].index, 1);
        golden_free(b);
    }
    struct bytes b = golden("batch/zstd-large.bin");        /* all have keys */
    EXPECT_OK(batch_validate(b, &r, &inflater, &faults, &verdict));
    golden_free(b);
}

TEST(the_list_of_faults_is_bounded_their_count_is_not)
{
    struct batch_rules r = rules();
    r.now_ms = TIME - 10000000;
    struct bytes b = golden("batch/zstd-large.bin");
    EXPECT_ERR(batch_validate(b, &r, &inflater, &faults, &verdict), ERR_INVALID_TIMESTAMP);
    EXPECT_EQ(faults.count, 300);
    EXPECT_EQ(faults.listed, BATCH_FAULTS_MAX);
    EXPECT_EQ(faults.list[BATCH_FAULTS_MAX - 1].index, BATCH_FAULTS_MAX - 1);
    golden_free(b);
}

TEST(timestamps_must_lie_between_their_bounds)
{
    struct bytes b = golden("batch/none.bin");              /* TIME - 1 .. TIME + 5 */
    struct batch_rules r = rules();
    r.now_ms = TIME + 5 - 3600000;
    EXPECT_OK(batch_validate(b, &r, &inflater, &faults, &verdict));
    r.now_ms--;
    EXPECT_ERR(batch_validate(b, &r, &inflater, &faults, &verdict), ERR_INVALID_TIMESTAMP);
    EXPECT_EQ(faults.count, 2);
    EXPECT_EQ(faults.list[0].kind, BATCH_FAULT_TIMESTAMP);
    EXPECT_EQ(faults.list[0].index, 1);
    EXPECT_EQ(faults.list[0].timestamp, TIME + 5);
    EXPECT_EQ(faults.list[1].index, 3);
    r = rules();
    r.timestamp_before_max_ms = 1001;
    EXPECT_OK(batch_validate(b, &r, &inflater, &faults, &verdict));
    r.timestamp_before_max_ms = 1000;
    EXPECT_ERR(batch_validate(b, &r, &inflater, &faults, &verdict), ERR_INVALID_TIMESTAMP);
    EXPECT_EQ(faults.list[0].index, 4);
    r.is_log_append_time = true;                            /* the broker's time replaces them */
    EXPECT_OK(batch_validate(b, &r, &inflater, &faults, &verdict));
    golden_free(b);
}

TEST(a_missing_timestamp_and_extreme_ones)
{
    static const struct {
        int64_t time;
        enum err err;
    } rows[] = {
        {-1, ERR_OK}, {INT64_MIN, ERR_OK}, {-2, ERR_OK}, {INT64_MAX, ERR_INVALID_TIMESTAMP}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint8_t bytes[128];
        struct batch_builder builder;
        batch_builder_init(&builder, bytes, sizeof bytes, rows[i].time);
        batch_builder_add(&builder, rows[i].time, BYTES_NULL, BYTES_LIT("v"), NULL, 0);
        EXPECT_ERR(check(bytes_of(bytes, batch_builder_finish(&builder))), rows[i].err);
        EXPECT(rows[i].err != ERR_OK || verdict.max_timestamp == -1);
    }
}

TEST(a_producer_may_not_claim_the_time_of_append)
{
    struct batch_rules r = rules();
    struct bytes b = golden("batch/log-append.bin");
    /* On a CreateTime topic the claimed time counts as every record's own, as in Kafka. */
    batch_set_time((uint8_t *)b.data, true, TIME + 7);
    EXPECT_OK(batch_validate(b, &r, &inflater, &faults, &verdict));
    EXPECT_EQ(verdict.max_timestamp, TIME + 7);
    r.is_log_append_time = true;
    EXPECT_ERR(batch_validate(b, &r, &inflater, &faults, &verdict), ERR_INVALID_TIMESTAMP);
    EXPECT_EQ(faults.count, 5);
    EXPECT_EQ(faults.list[0].kind, BATCH_FAULT_TIMESTAMP_TYPE);
    golden_free(b);
}

TEST(a_wrong_maximum_in_the_header_is_found_out_and_put_right)
{
    struct bytes b = golden("batch/none.bin");
    store_be64((uint8_t *)b.data + 35, TIME + 1000000);
    seal(b);
    EXPECT_OK(check(b));
    EXPECT_EQ(verdict.max_timestamp, TIME + 5);
    batch_set_time((uint8_t *)b.data, false, verdict.max_timestamp);
    struct bytes right = golden("batch/none.bin");
    assert_memory_equal(b.data, right.data, b.len);
    golden_free(right);
    golden_free(b);
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
        RUN(what_kafka_clients_send_is_accepted),
        RUN(there_must_be_one_batch_of_the_right_format),
        RUN(every_cut_is_refused),
        RUN(header_fields_are_checked_as_kafka_does),
        RUN(zstd_wants_produce_7),
        RUN(the_size_limit_is_exact_and_comes_before_the_crc),
        RUN(a_length_that_got_shorter_is_damage_as_a_wrong_crc_is),
        RUN(who_refuses_is_told),
        RUN(a_broken_batch_has_no_list_of_faults),
        RUN(data_that_does_not_unpack_is_refused),
        RUN(what_unpacks_beyond_the_limit_is_too_large),
        RUN(offsets_inside_must_count_up_from_zero),
        RUN(a_compacted_topic_names_the_records_without_a_key),
        RUN(the_list_of_faults_is_bounded_their_count_is_not),
        RUN(timestamps_must_lie_between_their_bounds),
        RUN(a_missing_timestamp_and_extreme_ones),
        RUN(a_producer_may_not_claim_the_time_of_append),
        RUN(a_wrong_maximum_in_the_header_is_found_out_and_put_right),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
