/* The proof finds what is broken: each kind of damage is done to a sound log and must be named. */
#include "storage/check/walk.h"

#include "log_fixture.h"
#include "storage/engine/log_keys.h"

struct found {
    int count;
    char text[512];
};

static void on_fault(void *context, uint64_t log_id, int64_t offset, const char *text)
{
    (void)log_id, (void)offset;
    struct found *f = context;
    if (f->count++ == 0) snprintf(f->text, sizeof f->text, "%s", text);
}

static struct found prove(struct fx *f)
{
    struct found found = {0};
    struct walk_counts counts;
    EXPECT_OK(walk_logs(f->kv, on_fault, &found, &counts));
    EXPECT_EQ(counts.faults, found.count);
    return found;
}

/* Two chunks and a rest, with a producer. */
static void sound_log(struct fx *f)
{
    fx_init(f, 2);
    EXPECT_OK(fx_start(f));
    for (int i = 0; i < 10; i++) {
        struct fx_batch b = {.value_bytes = 300000, .producer_id = 6, .sequence = i};
        EXPECT_OK(fx_append(f, 0, &b, NULL));
    }
    EXPECT_OK(fx_append(f, 1, &(struct fx_batch){0}, NULL));
    struct found found = prove(f);
    EXPECT_EQ(found.count, 0);
}

static void put(struct fx *f, enum kv_family family, struct bytes key, struct bytes value)
{
    struct kv_batch *b = kv_batch_new(f->kv);
    kv_batch_put(b, family, key, value);
    EXPECT_OK(kv_commit(f->kv, b, KV_NO_SYNC));
    kv_batch_free(b);
}

static void change(struct fx *f, enum kv_family family, struct bytes key, size_t at, uint8_t to)
{
    struct slab *value;
    EXPECT_OK(kv_get(f->kv, family, key, &value));
    EXPECT(at < value->len && value->data[at] != to);
    value->data[at] = to;
    put(f, family, key, slab_bytes(value));
    slab_unref(value);
}

static void delete(struct fx *f, enum kv_family family, struct bytes key)
{
    struct kv_batch *b = kv_batch_new(f->kv);
    kv_batch_delete(b, family, key);
    EXPECT_OK(kv_commit(f->kv, b, KV_NO_SYNC));
    kv_batch_free(b);
}

TEST(a_flipped_bit_in_a_record_is_found)
{
    struct fx f;
    sound_log(&f);
    struct log_key key = log_key(1, 5);
    change(&f, KV_LOG, KEY_BYTES(key), 5000, 0xff);
    EXPECT_STR(prove(&f).text, "a record batch has a wrong CRC");
    fx_done(&f);
}

TEST(a_missing_batch_is_found)
{
    struct fx f;
    sound_log(&f);
    struct log_key key = log_key(1, 5);
    delete(&f, KV_LOG, KEY_BYTES(key));
    EXPECT_STR(prove(&f).text, "offsets are missing");
    fx_done(&f);
    sound_log(&f);
    key = log_key(1, 0);
    delete(&f, KV_LOG, KEY_BYTES(key));
    EXPECT_STR(prove(&f).text, "the log's beginning is missing");
    fx_done(&f);
}

TEST(an_arrival_that_goes_back_is_found)
{
    struct fx f;
    sound_log(&f);
    struct log_key key = log_key(1, 9);
    change(&f, KV_LOG, KEY_BYTES(key), 3, 0);
    EXPECT_STR(prove(&f).text, "arrival time goes back");
    fx_done(&f);
}

TEST(a_chunk_that_counts_wrong_is_found)
{
    static const struct {
        size_t at;
        const char *text;
    } fields[] = {
        {7, "the first chunk begins behind the start of the log"},
        {15, "a chunk's bytes are wrong"},
        {31, "a chunk's largest timestamp is wrong"},
        {47, "a chunk's last arrival is wrong"},
        {51, "a chunk's number of batches is wrong"},
    };
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        struct fx f;
        sound_log(&f);
        struct chunk_key key = chunk_key(1, 3);
        change(&f, KV_INDEX, KEY_BYTES(key), fields[i].at, 0x03);
        EXPECT_STR(prove(&f).text, fields[i].text);
        fx_done(&f);
    }
}

TEST(an_index_ahead_of_its_log_is_found)
{
    struct fx f;
    sound_log(&f);
    uint8_t value[CHUNK_VALUE_BYTES];
    struct chunk c = {.first_offset = 8, .last_offset = 20, .batch_count = 13};
    chunk_write(&c, value);
    struct chunk_key key = chunk_key(1, 20);
    put(&f, KV_INDEX, KEY_BYTES(key), bytes_of(value, sizeof value));
    EXPECT(prove(&f).count > 0);
    fx_done(&f);
}

TEST(an_index_without_a_log_is_found)
{
    struct fx f;
    sound_log(&f);
    uint8_t value[CHUNK_VALUE_BYTES];
    struct chunk c = {.last_offset = 4, .batch_count = 5};
    chunk_write(&c, value);
    struct chunk_key key = chunk_key(77, 4);
    put(&f, KV_INDEX, KEY_BYTES(key), bytes_of(value, sizeof value));
    EXPECT_STR(prove(&f).text, "the index has a chunk that the log has not");
    delete(&f, KV_INDEX, KEY_BYTES(key));
    EXPECT_EQ(prove(&f).count, 0);
    put(&f, KV_INDEX, BYTES_LIT("Cut"), bytes_of(value, sizeof value));
    EXPECT_STR(prove(&f).text, "a key of the index family cannot be read");
    fx_done(&f);
}

TEST(a_producer_ahead_of_its_log_is_found)
{
    struct fx f;
    sound_log(&f);
    struct producers_key key = producers_key(1);
    change(&f, KV_PRODUCERS, KEY_BYTES(key), 7, 0xf0);      /* told of offset 8 */
    EXPECT_STR(prove(&f).text, "the producer snapshot is ahead of the log");
    fx_done(&f);
    sound_log(&f);
    change(&f, KV_PRODUCERS, KEY_BYTES(key), PRODUCERS_HEADER_BYTES + PRODUCER_BYTES + 7, 0x77);
    EXPECT_STR(prove(&f).text, "the producer snapshot tells of a batch that the log has not");
    fx_done(&f);
}

TEST(a_log_is_summed_up)
{
    struct fx f;
    sound_log(&f);
    struct walk_log w;
    EXPECT_OK(walk_log(f.kv, 1, &w));
    EXPECT_EQ(w.end_offset, 10);
    EXPECT_EQ(w.batches, 10);
    EXPECT_EQ(w.chunks, 2);
    EXPECT_EQ(w.producers, 1);
    EXPECT_OK(walk_log(f.kv, 99, &w));
    EXPECT_EQ(w.end_offset, 0);
    kv_mem_set_faults(f.kv, &(struct kv_mem_faults){.fail_at = 0});
    EXPECT_ERR(walk_log(f.kv, 1, &w), ERR_DISK);
    fx_done(&f);
}

TESTS(RUN(a_flipped_bit_in_a_record_is_found), RUN(a_missing_batch_is_found),
      RUN(an_arrival_that_goes_back_is_found), RUN(a_chunk_that_counts_wrong_is_found),
      RUN(an_index_ahead_of_its_log_is_found),
      RUN(an_index_without_a_log_is_found), RUN(a_producer_ahead_of_its_log_is_found),
      RUN(a_log_is_summed_up))
