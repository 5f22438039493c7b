#include "protocol/batch/batch.h"
#include "golden.h"

TEST(a_header_reads_as_kafka_wrote_it)
{
    struct bytes b = golden("batch/idempotent.bin");
    struct batch_info info;
    EXPECT_OK(batch_peek(b, &info));
    EXPECT_EQ(info.base_offset, 0);
    EXPECT_EQ(info.bytes, b.len);
    EXPECT_EQ(info.leader_epoch, -1);
    EXPECT_EQ(info.last_offset_delta, 4);
    EXPECT_EQ(info.count, 5);
    EXPECT_EQ(info.base_timestamp, 1700000000000);
    EXPECT_EQ(info.max_timestamp, 1700000000005);
    EXPECT_EQ(info.producer_id, 4711);
    EXPECT_EQ(info.producer_epoch, 3);
    EXPECT_EQ(info.base_sequence, INT32_MAX - 2);
    EXPECT_EQ(batch_last_sequence(&info), 1);              /* ..., MAX, 0, 1 */
    EXPECT_EQ(info.codec, CODEC_NONE);
    EXPECT(!info.is_transactional && !info.is_control && !info.is_log_append_time);
    EXPECT(batch_crc_is_right(b));
    golden_free(b);
}

TEST(flags_and_codecs)
{
    static const struct {
        const char *file;
        enum batch_codec codec;
        bool transactional, control, log_append;
    } rows[] = {
        {"batch/none.bin", CODEC_NONE, false, false, false},
        {"batch/gzip.bin", CODEC_GZIP, false, false, false},
        {"batch/snappy.bin", CODEC_SNAPPY, false, false, false},
        {"batch/lz4.bin", CODEC_LZ4, false, false, false},
        {"batch/zstd.bin", CODEC_ZSTD, false, false, false},
        {"batch/transactional.bin", CODEC_NONE, true, false, false},
        {"batch/control.bin", CODEC_NONE, true, true, false},
        {"batch/log-append.bin", CODEC_NONE, false, false, true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct bytes b = golden(rows[i].file);
        struct batch_info info;
        EXPECT_OK(batch_peek(b, &info));
        EXPECT_EQ(info.codec, rows[i].codec);
        EXPECT_EQ(info.is_transactional, rows[i].transactional);
        EXPECT_EQ(info.is_control, rows[i].control);
        EXPECT_EQ(info.is_log_append_time, rows[i].log_append);
        EXPECT(batch_crc_is_right(b));
        golden_free(b);
    }
}

TEST(every_cut_of_a_batch_is_corrupt)
{
    struct bytes b = golden("batch/none.bin");
    struct batch_info info = {.count = 77};
    for (size_t len = 0; len < b.len; len++) {
        /* An exact copy, so that a sanitizer sees a read beyond the end. */
        uint8_t *cut = malloc(len + !len);
        memcpy(cut, b.data, len);
        EXPECT_ERR(batch_peek(bytes_of(cut, len), &info), ERR_CORRUPT_MESSAGE);
        free(cut);
    }
    EXPECT_EQ(info.count, 77);
    golden_free(b);
}

TEST(fields_that_cannot_be_are_refused)
{
    struct bytes b = golden("batch/none.bin");
    uint8_t *p = (uint8_t *)b.data;
    struct batch_info info;
    uint32_t length = load_be32(p + 8);
    static const uint32_t wrong[] = {0, 48, 0x7fffffff, 0x80000000, 0xffffffff};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        store_be32(p + 8, wrong[i]);
        EXPECT_ERR(batch_peek(b, &info), ERR_CORRUPT_MESSAGE);
    }
    store_be32(p + 8, length);
    EXPECT_OK(batch_peek(b, &info));
    store_be32(p + 57, 0x80000000);                         /* count */
    EXPECT_ERR(batch_peek(b, &info), ERR_CORRUPT_MESSAGE);
    store_be32(p + 57, 5);
    store_be32(p + 23, 0xffffffff);                         /* last offset delta */
    EXPECT_ERR(batch_peek(b, &info), ERR_CORRUPT_MESSAGE);
    store_be32(p + 23, 4);
    p[16] = 3;
    EXPECT_ERR(batch_peek(b, &info), ERR_CORRUPT_MESSAGE);
    p[16] = 0xff;
    EXPECT_ERR(batch_peek(b, &info), ERR_CORRUPT_MESSAGE);
    golden_free(b);
}

TEST(old_formats_are_told_apart)
{
    static const char *const files[] = {"batch/magic0.bin", "batch/magic1.bin"};
    for (int i = 0; i < 2; i++) {
        struct bytes b = golden(files[i]);
        struct batch_info info;
        EXPECT_ERR(batch_peek(b, &info), ERR_UNSUPPORTED_FOR_MESSAGE_FORMAT);
        golden_free(b);
    }
}

TEST(a_range_of_batches_is_walked_to_its_end)
{
    static const char *const files[] = {"batch/none.bin", "batch/lz4.bin", "batch/control.bin"};
    uint8_t range_bytes[2048];
    size_t len = 0;
    for (int i = 0; i < 3; i++) {
        struct bytes b = golden(files[i]);
        memcpy(range_bytes + len, b.data, b.len);
        len += b.len;
        golden_free(b);
    }
    struct bytes range = bytes_of(range_bytes, len), batch;
    struct batch_info info;
    int32_t counts[] = {5, 5, 1};
    for (int i = 0; i < 3; i++) {
        EXPECT_OK(batch_next(&range, &batch, &info));
        EXPECT_EQ(info.count, counts[i]);
        EXPECT_EQ(batch.len, info.bytes);
        EXPECT(batch_crc_is_right(batch));
    }
    EXPECT_EQ(info.base_offset, 7);
    EXPECT_ERR(batch_next(&range, &batch, &info), ERR_NOT_FOUND);

    range = bytes_of(range_bytes, len - 1);
    EXPECT_OK(batch_next(&range, &batch, NULL));
    EXPECT_OK(batch_next(&range, &batch, NULL));
    struct bytes before = range;
    EXPECT_ERR(batch_next(&range, &batch, NULL), ERR_CORRUPT_MESSAGE);
    EXPECT(range.data == before.data && range.len == before.len);
}

TEST(offset_and_epoch_lie_outside_the_crc)
{
    struct bytes b = golden("batch/zstd.bin");
    batch_set_base_offset((uint8_t *)b.data, 0x1122334455667788);
    batch_set_leader_epoch((uint8_t *)b.data, 9);
    struct batch_info info;
    EXPECT_OK(batch_peek(b, &info));
    EXPECT_EQ(info.base_offset, 0x1122334455667788);
    EXPECT_EQ(batch_last_offset(&info), 0x112233445566778c);
    EXPECT_EQ(info.leader_epoch, 9);
    EXPECT(batch_crc_is_right(b));
    golden_free(b);
}

TEST(the_time_of_append_is_stamped_with_a_new_crc)
{
    struct bytes b = golden("batch/transactional.bin");
    struct batch_info before, info;
    EXPECT_OK(batch_peek(b, &before));
    batch_set_time((uint8_t *)b.data, true, 1800000000000);
    EXPECT_OK(batch_peek(b, &info));
    EXPECT(info.is_log_append_time && info.is_transactional);
    EXPECT_EQ(info.max_timestamp, 1800000000000);
    EXPECT_EQ(info.base_timestamp, before.base_timestamp);
    EXPECT(info.crc != before.crc);
    EXPECT(batch_crc_is_right(b));

    batch_set_time((uint8_t *)b.data, false, before.max_timestamp);
    EXPECT_OK(batch_peek(b, &info));
    EXPECT_EQ(info.crc, before.crc);                         /* back to the producer's bytes */
    golden_free(b);
}

TEST(a_time_that_is_right_leaves_even_a_wrong_crc_alone)
{
    struct bytes b = golden("batch/none.bin");
    store_be32((uint8_t *)b.data + 17, 1);
    batch_set_time((uint8_t *)b.data, false, 1700000000005);
    EXPECT(!batch_crc_is_right(b));
    golden_free(b);
}

TESTS(RUN(a_header_reads_as_kafka_wrote_it), RUN(flags_and_codecs),
      RUN(every_cut_of_a_batch_is_corrupt), RUN(fields_that_cannot_be_are_refused),
      RUN(old_formats_are_told_apart), RUN(a_range_of_batches_is_walked_to_its_end),
      RUN(offset_and_epoch_lie_outside_the_crc), RUN(the_time_of_append_is_stamped_with_a_new_crc),
      RUN(a_time_that_is_right_leaves_even_a_wrong_crc_alone))
