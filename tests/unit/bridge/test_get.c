/* Stored batches rendered as Kinesis records: what Kafka producers wrote and Kinesis has no place
 * for, windows, caps. */
#include <zlib.h>
#include "base/clock.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "bridge/get.h"
#include "bridge/state.h"
#include "protocol/batch/batch.h"
#include "protocol/batch/build.h"
#include "protocol/kinesis/sequence.h"
#include "test.h"

enum { BATCHES_MAX = 8, NOW_MS = 1700000000 };

static struct inflater inflater;
static struct arena arena;
static struct shard shard;
static struct batch_view batches[BATCHES_MAX];
static struct read_result stored;
static int64_t clock_us = (int64_t)NOW_MS * 1000;

static void begin(void)
{
    clock_fake(&clock_us);
    get_init();
    inflater_init(&inflater, NULL, INFLATE_BYTES_MAX);
    arena_init(&arena, 64 << 20);
    shard = (struct shard){.index = 3, .end_offset = -1, .created_ms = 1000000};
    stored = (struct read_result){.batches = batches, .cap = BATCHES_MAX};
}

static void end(void)
{
    for (int32_t i = 0; i < stored.count; i++) slab_unref(batches[i].bytes.slab);
    inflater_done(&inflater);
    arena_done(&arena);
    clock_fake(NULL);
}

struct one {
    struct bytes key, value;        /* value null: a tombstone */
    uint32_t header_count;
};

/* Stores a batch at the end. */
static void store(const struct one *records, int count)
{
    static const struct record_header header = {BYTES_LIT("h"), BYTES_LIT("v")};
    struct batch_size size;
    batch_size_init(&size, 0);
    for (int i = 0; i < count; i++)
        batch_size_add(&size, 0, records[i].key,
                       bytes_is_null(records[i].value) ? -1 : (int64_t)records[i].value.len,
                       &header, records[i].header_count);
    struct slab *slab = slab_new(NULL, size.bytes);
    struct batch_builder b;
    batch_builder_init(&b, slab->data, size.bytes, 0);
    for (int i = 0; i < count; i++)
        batch_builder_add(&b, 0, records[i].key, records[i].value, &header,
                          records[i].header_count);
    slab->len = batch_builder_finish(&b);
    int64_t base = stored.bounds.last_stable;
    batch_set_base_offset(slab->data, base);
    batches[stored.count++] = (struct batch_view){
        .bytes = {.slab = slab, .bytes = slab_bytes(slab)}, .base_offset = base,
        .last_offset = base + count - 1,
        .arrival_ms = 5000};
    stored.bounds.last_stable = stored.bounds.high_watermark = base + count;
    stored.bounds.arrival_last_ms = 5000;
}

/* Makes the last batch a compressed one, or a control batch, with the same records. */
static void rewrite_last(bool gzip, bool control)
{
    struct batch_view *v = &batches[stored.count - 1];
    struct batch_info info;
    EXPECT_OK(batch_peek(v->bytes.bytes, &info));
    size_t len = v->bytes.bytes.len - BATCH_HEADER_BYTES;
    const uint8_t *from = v->bytes.bytes.data + BATCH_HEADER_BYTES;
    struct slab *slab = slab_new(NULL, BATCH_HEADER_BYTES + len + 256);
    if (gzip) {
        z_stream z = {.next_in = (uint8_t *)from, .avail_in = (uInt)len,
                      .next_out = slab->data + BATCH_HEADER_BYTES,
                      .avail_out = (uInt)len + 256};
        EXPECT_EQ(deflateInit2(&z, 9, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
        EXPECT_EQ(deflate(&z, Z_FINISH), Z_STREAM_END);
        len = z.total_out;
        deflateEnd(&z);
    } else {
        mem_copy(slab->data + BATCH_HEADER_BYTES, from, len);
    }
    slab->len = BATCH_HEADER_BYTES + len;
    info.bytes = (uint32_t)slab->len;
    info.codec = gzip ? CODEC_GZIP : CODEC_NONE;
    info.is_control = control;
    batch_write_header(slab->data, &info);
    slab_unref(v->bytes.slab);
    v->bytes = (struct slab_view){.slab = slab, .bytes = slab_bytes(slab)};
}

static struct get_page render(int64_t offset, uint32_t count_max, size_t bytes_max)
{
    struct get_wanted wanted = {&shard, &stored, offset, count_max, bytes_max};
    struct get_page page;
    inflater.bytes_max = INFLATE_BYTES_MAX;
    EXPECT_OK(get_render(&wanted, &inflater, false, &arena, &page));
    return page;
}

static struct get_page render_all(void)
{
    return render(0, GET_RECORDS_MAX, GET_BYTES_MAX);
}

TEST(text_keys_are_themselves_and_the_rest_is_kept)
{
    begin();
    store(&(struct one){BYTES_LIT("k\xc3\xa9y"), BYTES_LIT("data"), 1}, 1);
    struct get_page page = render_all();
    EXPECT_EQ(page.count, 1);
    EXPECT_BYTES(page.records[0].partition_key, "k\xc3\xa9y");
    EXPECT_BYTES(page.records[0].data, "data");
    EXPECT_EQ(page.records[0].approximate_arrival_timestamp_ms, 5000);
    EXPECT_EQ(page.bytes, 4 + 4);
    EXPECT_EQ(page.offset_next, 1);
    EXPECT_EQ(page.arrival_last_ms, 5000);
    struct sequence s;
    EXPECT_OK(sequence_parse(page.records[0].sequence_number, &s));
    EXPECT_EQ(s.shard_index, 3);
    EXPECT_EQ(s.offset, 0);
    end();
}

TEST(null_and_empty_keys_are_named_after_their_offset_and_no_value_is_empty_data)
{
    begin();
    struct one records[] = {{BYTES_NULL, BYTES_LIT("a"), 0},
                            {BYTES_LIT(""), BYTES_NULL, 0},
                            {BYTES_NULL, BYTES_LIT(""), 0}};
    store(records, 3);
    struct get_page page = render_all();
    EXPECT_EQ(page.count, 3);
    EXPECT_BYTES(page.records[0].partition_key, "null:0");
    EXPECT_BYTES(page.records[1].partition_key, "empty:1");
    EXPECT_BYTES(page.records[2].partition_key, "null:2");
    EXPECT_EQ(page.records[1].data.len, 0);
    EXPECT(!bytes_is_null(page.records[1].data));
    end();
}

TEST(keys_that_no_partition_key_can_be_have_a_form_of_their_own)
{
    begin();
    static char text[400];
    memset(text, 'x', sizeof text);
    char other[400];
    mem_copy(other, text, sizeof other);
    other[399] = 'y';
    static uint8_t raw[200];
    memset(raw, 0xff, sizeof raw);
    struct one records[] = {
        {BYTES_LIT("\xff\xfe"), BYTES_LIT(""), 0},
        {bytes_of(text, 256), BYTES_LIT(""), 0},        /* the longest that is itself */
        {bytes_of(text, 257), BYTES_LIT(""), 0},
        {bytes_of(text, 400), BYTES_LIT(""), 0},
        {bytes_of(other, 400), BYTES_LIT(""), 0},
        {bytes_of(raw, 180), BYTES_LIT(""), 0},
        {bytes_of(raw, 181), BYTES_LIT(""), 0},
    };
    store(records, 7);
    struct get_page page = render_all();
    EXPECT_EQ(page.count, 7);
    EXPECT_BYTES(page.records[0].partition_key, "base64://4=");
    EXPECT_EQ(page.records[1].partition_key.len, 256);
    for (int i = 2; i < 7; i++) {
        struct bytes key = page.records[i].partition_key;
        EXPECT(key.len <= 256);
        EXPECT_EQ(memcmp(key.data, i == 5 ? "base64:" : "cut:", 4), 0);
        for (int k = 2; k < i; k++) EXPECT(!bytes_equal(key, page.records[k].partition_key));
    }
    end();
}

TEST(compressed_batches_are_unpacked_and_outlive_the_unpacking)
{
    begin();
    for (int i = 0; i < 2; i++) {
        store(&(struct one){BYTES_LIT("key"), i ? BYTES_LIT("second") : BYTES_LIT("first"), 0}, 1);
        rewrite_last(true, false);
    }
    store(&(struct one){BYTES_NULL, BYTES_NULL, 0}, 1);
    rewrite_last(true, false);
    struct get_page page = render_all();
    EXPECT_EQ(page.count, 3);
    EXPECT_BYTES(page.records[0].data, "first");
    EXPECT_BYTES(page.records[1].data, "second");
    EXPECT_BYTES(page.records[2].partition_key, "null:2");
    end();
}

TEST(control_batches_are_passed_over)
{
    begin();
    store(&(struct one){BYTES_LIT("a"), BYTES_LIT(""), 0}, 1);
    store(&(struct one){BYTES_LIT("marker"), BYTES_LIT(""), 0}, 1);
    rewrite_last(false, true);
    struct get_page page = render_all();
    EXPECT_EQ(page.count, 1);
    EXPECT_EQ(page.offset_next, 2);
    store(&(struct one){BYTES_LIT("b"), BYTES_LIT(""), 0}, 1);
    page = render_all();
    EXPECT_EQ(page.count, 2);
    EXPECT_BYTES(page.records[1].partition_key, "b");
    end();
}

TEST(the_window_and_the_last_stable_offset_cut)
{
    begin();
    struct one three[] = {{BYTES_LIT("a"), BYTES_LIT(""), 0},
                          {BYTES_LIT("b"), BYTES_LIT(""), 0},
                          {BYTES_LIT("c"), BYTES_LIT(""), 0}};
    store(three, 3);
    store(three, 3);
    /* From the middle of a batch. */
    struct get_page page = render(1, GET_RECORDS_MAX, GET_BYTES_MAX);
    EXPECT_EQ(page.count, 5);
    EXPECT_BYTES(page.records[0].partition_key, "b");
    shard.end_offset = 3;
    page = render_all();
    EXPECT_EQ(page.count, 3);
    EXPECT_EQ(page.offset_next, 3);
    EXPECT_EQ(get_millis_behind(&shard, &stored.bounds, &page), 0);
    shard.end_offset = -1;
    stored.bounds.last_stable = 3;
    page = render_all();
    EXPECT_EQ(page.count, 3);
    EXPECT_EQ(page.offset_next, 3);
    end();
}

TEST(pages_are_cut_by_count_and_bytes_but_never_empty)
{
    begin();
    struct one three[] = {{BYTES_LIT("k"), BYTES_LIT("123456789"), 0},
                          {BYTES_LIT("k"), BYTES_LIT("123456789"), 0},
                          {BYTES_LIT("k"), BYTES_LIT("123456789"), 0}};
    store(three, 3);
    EXPECT_EQ(render(0, 2, GET_BYTES_MAX).count, 2);
    EXPECT_EQ(render(0, 2, GET_BYTES_MAX).offset_next, 2);
    EXPECT_EQ(render(0, 3, 20).count, 2);
    EXPECT_EQ(render(0, 3, 19).count, 1);
    EXPECT_EQ(render(0, 3, 1).count, 1);
    EXPECT_EQ(render(2, 3, 1).offset_next, 3);
    struct get_page page = render(0, 1, GET_BYTES_MAX);
    EXPECT_EQ(get_millis_behind(&shard, &stored.bounds, &page), NOW_MS - 5000);
    end();
}

/* Where the arena ends the page does, behind at least one record. */
TEST(an_arena_that_is_too_small_is_told)
{
    begin();
    static struct one records[200];
    for (int i = 0; i < 200; i++) records[i] = (struct one){BYTES_NULL, BYTES_LIT(""), 0};
    store(records, 200);
    struct get_wanted wanted = {&shard, &stored, 0, 200, 10000};
    struct get_page page;
    uint32_t before = 0;
    for (size_t bytes = 16; before < 200; bytes += 1000) {
        struct arena small;
        arena_init(&small, bytes);
        enum err err = get_render(&wanted, &inflater, false, &small, &page);
        if (err == ERR_OK) EXPECT(page.count > 0 && page.count >= before);
        else EXPECT(err == ERR_TOO_LARGE && before == 0);
        EXPECT_EQ(page.offset_next, page.count);
        before = page.count;
        arena_done(&small);
    }
    end();
}

/* ---- Beyond Kinesis' limits */

/* A batch: "a", so many zeros, "b". */
static void store_with_zeros(size_t bytes, bool gzip)
{
    uint8_t *zeros = mem_new(bytes);
    memset(zeros, 0, bytes);
    struct one records[] = {{BYTES_LIT("k"), BYTES_LIT("a"), 0},
                            {BYTES_LIT("k"), bytes_of(zeros, bytes), 0},
                            {BYTES_LIT("k"), BYTES_LIT("b"), 0}};
    store(records, 3);
    mem_free(zeros);
    if (gzip) rewrite_last(true, false);
}

static int64_t counted(const char *labels)
{
    return metric_value(metric_get(METRIC_COUNTER, "diglot_kinesis_renderings_total", "", labels));
}

TEST(a_record_that_kinesis_cannot_have_is_passed_over_and_counted)
{
    static const size_t sizes[] = {GET_BYTES_MAX, 30 << 20, 63 << 20, 70 << 20, 120 << 20};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (int gzip = 0; gzip < 2; gzip++) {
            begin();
            store_with_zeros(sizes[i], gzip);
            int64_t before = counted("what=\"record_too_large\"");
            struct get_page page = render_all();
            EXPECT_EQ(page.count, 2);
            EXPECT_BYTES(page.records[0].data, "a");
            EXPECT_BYTES(page.records[1].data, "b");
            EXPECT_EQ(page.offset_next, 3);
            EXPECT_EQ(page.bytes, 4);
            EXPECT_EQ(page.passed_over, 1);
            EXPECT_EQ(page.passed_over_first, 1);
            EXPECT_EQ(counted("what=\"record_too_large\""), before + 1);
            page = render(1, 1, GET_BYTES_MAX);         /* a reader that stands in front of it */
            EXPECT_EQ(page.count, 1);
            EXPECT_BYTES(page.records[0].data, "b");
            end();
        }
}

TEST(the_largest_record_that_kinesis_can_have_is_given_out)
{
    begin();
    store_with_zeros(GET_BYTES_MAX - 1, true);          /* and its key of one byte */
    struct get_page page = render_all();
    EXPECT_EQ(page.count, 1);                           /* pages keep their limit */
    page = render(1, GET_RECORDS_MAX, GET_BYTES_MAX);
    EXPECT_EQ(page.count, 1);
    EXPECT_EQ(page.bytes, GET_BYTES_MAX);
    EXPECT_EQ(page.passed_over, 0);
    end();
}

TEST(a_page_of_nothing_but_such_records_ends_behind_them)
{
    begin();
    uint8_t *zeros = mem_new(GET_BYTES_MAX + 1);
    memset(zeros, 0, GET_BYTES_MAX + 1);
    store(&(struct one){BYTES_NULL, bytes_of(zeros, GET_BYTES_MAX + 1), 0}, 1);
    rewrite_last(true, false);
    mem_free(zeros);
    struct get_page page = render_all();
    EXPECT_EQ(page.count, 0);
    EXPECT_EQ(page.offset_next, 1);
    EXPECT_EQ(get_millis_behind(&shard, &stored.bounds, &page), 0);
    end();
}

TEST(a_batch_beyond_what_anything_unpacks_is_passed_over_as_a_whole)
{
    begin();
    store(&(struct one){BYTES_LIT("k"), BYTES_LIT("front"), 0}, 1);
    store_with_zeros(INFLATE_BYTES_MAX, true);
    store(&(struct one){BYTES_LIT("k"), BYTES_LIT("behind"), 0}, 1);
    int64_t before = counted("what=\"batch_too_large\"");
    int64_t offset = 0;
    uint32_t records = 0;
    for (int i = 0; i < 3 && offset < 5; i++) {         /* in as many pages as it likes */
        struct get_page page = render(offset, GET_RECORDS_MAX, GET_BYTES_MAX);
        EXPECT(page.offset_next > offset);
        offset = page.offset_next;
        records += page.count;
    }
    EXPECT_EQ(offset, 5);
    EXPECT_EQ(records, 2);
    EXPECT_EQ(counted("what=\"batch_too_large\""), before + 1);
    end();
}

TEST(a_page_unpacks_a_stated_amount_however_many_batches_are_read)
{
    begin();
    for (int i = 0; i < BATCHES_MAX; i++) store_with_zeros(20 << 20, true);
    struct get_page page = render_all();
    EXPECT_EQ(page.offset_next, 6);                     /* two of the eight batches */
    EXPECT_EQ(page.count, 4);
    EXPECT(inflater.spent < GET_UNPACKED_BYTES_MAX + (21 << 20));
    end();
}

static enum err render_within(size_t bytes_max, bool here, struct get_page *ret)
{
    struct get_wanted wanted = {&shard, &stored, 0, GET_RECORDS_MAX, GET_BYTES_MAX};
    inflater.bytes_max = bytes_max;
    return get_render(&wanted, &inflater, here, &arena, ret);
}

TEST(what_costs_too_much_is_left_to_who_may_spend_more)
{
    struct get_page page;
    begin();
    store_with_zeros(1 << 20, true);
    store_with_zeros(2 << 20, true);
    EXPECT_ERR(render_within(3 << 20, true, &page), ERR_COLD);       /* both together */
    EXPECT_OK(render_within(4 << 20, true, &page));
    EXPECT_EQ(page.count, 6);
    EXPECT_ERR(render_within(1 << 20, false, &page), ERR_COLD);      /* the first one already */
    EXPECT_OK(render_within((1 << 20) + 100, false, &page));
    EXPECT_EQ(page.count, 3);                                       /* ends in front of the next */
    EXPECT_EQ(page.offset_next, 3);
    end();
}

TESTS(RUN(text_keys_are_themselves_and_the_rest_is_kept),
      RUN(null_and_empty_keys_are_named_after_their_offset_and_no_value_is_empty_data),
      RUN(keys_that_no_partition_key_can_be_have_a_form_of_their_own),
      RUN(compressed_batches_are_unpacked_and_outlive_the_unpacking),
      RUN(control_batches_are_passed_over), RUN(the_window_and_the_last_stable_offset_cut),
      RUN(pages_are_cut_by_count_and_bytes_but_never_empty),
      RUN(an_arena_that_is_too_small_is_told),
      RUN(a_record_that_kinesis_cannot_have_is_passed_over_and_counted),
      RUN(the_largest_record_that_kinesis_can_have_is_given_out),
      RUN(a_page_of_nothing_but_such_records_ends_behind_them),
      RUN(a_batch_beyond_what_anything_unpacks_is_passed_over_as_a_whole),
      RUN(a_page_unpacks_a_stated_amount_however_many_batches_are_read),
      RUN(what_costs_too_much_is_left_to_who_may_spend_more))
