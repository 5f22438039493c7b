/* The stored bytes of logs: against golden files, in order, and every broken form refused. */
#include "storage/engine/log_keys.h"
#include "storage/engine/meta_keys.h"
#include "storage/engine/wal_keys.h"

#include "golden.h"
#include "storage/wal/wal.h"
#include "test.h"

static const struct chunk chunk_example = {
    .first_offset = 0x0102030405060708, .last_offset = 0x0102030405060710, .bytes = 1048577,
    .bytes_total = 0x1122334455667788, .timestamp_max = 1700000000123,
    .timestamp_max_batch = 0x010203040506070c, .arrival_last_ms = 1700000000456, .batch_count = 17,
};

static const struct producer_entry producer_example = {
    .partition_addressed = 5, .producer_id = 0x0a0b0c0d0e0f0102, .epoch = 3, .batch_count = 2,
    .arrival_last_ms = 1700000000789,
    .batches = {{.first_sequence = INT32_MAX - 1, .last_sequence = 2, .base_offset = 77,
                 .arrival_ms = 1700000000700, .log_id = 0x1222324252627282},
                {.first_sequence = 3, .last_sequence = 3, .base_offset = 81,
                 .arrival_ms = 1700000000789, .log_id = 7}},
};

TEST(layouts_are_those_of_the_golden_files)
{
    uint8_t out[512];
    size_t len = 0;
    struct log_key lk = log_key(0x0102030405060708, 0x1112131415161718);
    struct log_entry e = {.arrival_ms = 1700000000123, .partition_addressed = 9,
                          .batch = BYTES_LIT("batch")};
    memcpy(out, lk.data, sizeof lk.data);
    len += sizeof lk.data;
    log_entry_header(&e, out + len);
    len += LOG_ENTRY_HEADER_BYTES;
    memcpy(out + len, e.batch.data, e.batch.len);
    len += e.batch.len;
    EXPECT_GOLDEN("storage/log_entry.bin", out, len);

    struct chunk_key ck = chunk_key(7, chunk_example.last_offset);
    memcpy(out, ck.data, sizeof ck.data);
    chunk_write(&chunk_example, out + sizeof ck.data);
    EXPECT_GOLDEN("storage/chunk.bin", out, sizeof ck.data + CHUNK_VALUE_BYTES);

    struct start_key sk = start_key(7);
    memcpy(out, sk.data, sizeof sk.data);
    start_write(1234567890123, 1700000000123, out + sizeof sk.data);
    EXPECT_GOLDEN("storage/start.bin", out, sizeof sk.data + START_VALUE_BYTES);

    struct producers_key pk = producers_key(7);
    memcpy(out, pk.data, sizeof pk.data);
    len = sizeof pk.data;
    len += producers_header_write(99, 1, out + len);
    len += producer_write(&producer_example, out + len);
    EXPECT_GOLDEN("storage/producers.bin", out, len);

    const struct wal_extent e2 = {.number = 5, .sealed = true, .end = 0x01020304,
                                  .last_frame = 0x1112131415161718, .payload_bytes = 123456,
                                  .dead_bytes = 23456, .punched_bytes = 3456};
    struct extent_key xk = extent_key(5);
    memcpy(out, xk.data, sizeof xk.data);
    extent_value_write(&e2, out + sizeof xk.data);
    EXPECT_GOLDEN("storage/extent.bin", out, sizeof xk.data + EXTENT_VALUE_BYTES);

    const struct wal_place place = {.store_id = 0x0102030405060708, .frame = 9, .extent = 5,
                                    .position = 0x01020304, .payload_bytes = 77};
    mark_write(&place, out);
    EXPECT_GOLDEN("storage/mark.bin", out, MARK_VALUE_BYTES);

    const struct wal_pointer pointer = {.extent = 5, .position = 0x01020304, .bytes = 4096,
                                        .crc = 0xfedcba98};
    pointer_write(&pointer, out);
    EXPECT_GOLDEN("storage/pointer.bin", out, POINTER_BYTES);

    format_write(FORMAT_VERSION, out);
    EXPECT_GOLDEN("storage/format.bin", out, FORMAT_BYTES);
}

TEST(what_is_written_is_read)
{
    struct chunk_key ck = chunk_key(7, chunk_example.last_offset);
    uint8_t value[CHUNK_VALUE_BYTES];
    struct chunk c;
    chunk_write(&chunk_example, value);
    EXPECT_OK(chunk_read(KEY_BYTES(ck), bytes_of(value, sizeof value), &c));
    uint8_t again[CHUNK_VALUE_BYTES];
    chunk_write(&c, again);
    assert_memory_equal(again, value, sizeof value);
    EXPECT_EQ(c.last_offset, chunk_example.last_offset);

    uint8_t out[512];
    size_t len = producer_write(&producer_example, out);
    struct bytes rest = bytes_of(out, len);
    struct producer_entry p;
    EXPECT_OK(producer_read(&rest, &p));
    EXPECT_EQ(rest.len, 0);
    EXPECT_EQ(p.producer_id, producer_example.producer_id);
    EXPECT_EQ(p.batches[1].base_offset, 81);
    EXPECT_EQ(p.batches[0].log_id, producer_example.batches[0].log_id);

    struct log_entry in = {.arrival_ms = -5, .partition_addressed = 3,
                           .batch = BYTES_LIT("xyz")}, e;
    for (int i = 0; i < 2; i++) {
        log_entry_header(&in, out + i * 19);
        memcpy(out + i * 19 + 16, "xyz", 3);
    }
    rest = bytes_of(out, 38);
    for (int i = 0; i < 2; i++) {
        EXPECT_OK(log_entry_next(&rest, &e));
        EXPECT_EQ(e.arrival_ms, -5);
        EXPECT_EQ(e.partition_addressed, 3);
        EXPECT_BYTES(e.batch, "xyz");
    }
    EXPECT_ERR(log_entry_next(&rest, &e), ERR_NOT_FOUND);
}

TEST(keys_order_as_logs_and_offsets_do)
{
    struct log_key keys[] = {log_key(1, 0), log_key(1, 255), log_key(1, 256), log_key(1, INT64_MAX),
                             log_key_first(2), log_key(256, 0), log_key(INT64_MAX, 3)};
    for (size_t i = 1; i < sizeof keys / sizeof keys[0]; i++)
        EXPECT(bytes_compare(KEY_BYTES(keys[i - 1]), KEY_BYTES(keys[i])) < 0);
}

TEST(cut_or_overlong_forms_are_refused)
{
    uint8_t out[512] = {0};
    uint64_t id;
    int64_t offset, ms;
    uint32_t count;
    struct chunk c;
    struct log_entry e;
    struct producer_entry p;
    struct bytes rest;
    EXPECT_ERR(log_key_read(bytes_of(out, LOG_KEY_BYTES - 1), &id, &offset), ERR_FORMAT);
    EXPECT_ERR(chunk_key_read(bytes_of(out, CHUNK_KEY_BYTES), &id, &offset), ERR_FORMAT);
    struct chunk_key ck = chunk_key(1, 2);
    EXPECT_ERR(chunk_read(KEY_BYTES(ck), bytes_of(out, CHUNK_VALUE_BYTES + 1), &c), ERR_FORMAT);
    EXPECT_ERR(start_read(bytes_of(out, START_VALUE_BYTES - 1), &offset, &ms), ERR_FORMAT);
    EXPECT_ERR(format_read(bytes_of(out, 3), &count), ERR_FORMAT);
    log_entry_header(&(struct log_entry){.batch = bytes_of(out, 100)}, out);
    for (size_t len = 1; len < LOG_ENTRY_HEADER_BYTES + 100; len++) {
        rest = bytes_of(out, len);
        EXPECT_ERR(log_entry_next(&rest, &e), ERR_FORMAT);
        EXPECT_EQ(rest.len, len);
    }
    size_t len = producer_write(&producer_example, out);
    for (size_t cut = 0; cut < len; cut++) {
        rest = bytes_of(out, cut);
        EXPECT_ERR(producer_read(&rest, &p), ERR_FORMAT);
    }
    out[15] = PRODUCER_BATCHES_MAX + 1;
    rest = bytes_of(out, sizeof out);
    EXPECT_ERR(producer_read(&rest, &p), ERR_FORMAT);
    producers_header_write(0, UINT32_MAX, out);
    EXPECT_ERR(producers_header_read(bytes_of(out, sizeof out), &offset, &count), ERR_FORMAT);
    EXPECT_ERR(producers_header_read(bytes_of(out, 11), &offset, &count), ERR_FORMAT);
    EXPECT_ERR(producers_key_read(bytes_of(out, PRODUCERS_KEY_BYTES - 1), &id), ERR_FORMAT);
}

TESTS(RUN(layouts_are_those_of_the_golden_files), RUN(what_is_written_is_read),
      RUN(keys_order_as_logs_and_offsets_do), RUN(cut_or_overlong_forms_are_refused))
