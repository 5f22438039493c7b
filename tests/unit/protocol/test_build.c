#include "protocol/batch/build.h"
#include "base/slab.h"
#include "golden.h"
#include "protocol/batch/varint.h"
#include "random.h"

#define TIME INT64_C(1700000000000)

struct input {
    int64_t time;
    struct bytes key, value;
    struct record_header headers[2];
    uint32_t header_count;
};

static struct slab *build(const struct input *in, int count)
{
    struct batch_size size;
    batch_size_init(&size, in[0].time);
    size_t sum = BATCH_HEADER_BYTES;
    for (int i = 0; i < count; i++)
        sum += batch_size_add(&size, in[i].time, in[i].key,
                              bytes_is_null(in[i].value) ? -1 : (int64_t)in[i].value.len,
                              in[i].headers, in[i].header_count);
    EXPECT_EQ(size.bytes, sum);
    EXPECT_EQ(size.count, count);
    struct slab *slab = slab_new(NULL, size.bytes);
    struct batch_builder b;
    batch_builder_init(&b, slab->data, size.bytes, in[0].time);
    for (int i = 0; i < count; i++) {
        if (i % 2 && !bytes_is_null(in[i].value)) {
            uint8_t *to = batch_builder_reserve(&b, in[i].time, in[i].key, in[i].value.len,
                                                in[i].headers, in[i].header_count);
            memcpy(to, in[i].value.data, in[i].value.len);
        } else {
            batch_builder_add(&b, in[i].time, in[i].key, in[i].value, in[i].headers,
                              in[i].header_count);
        }
    }
    slab->len = batch_builder_finish(&b);
    EXPECT_EQ(slab->len, size.bytes);
    return slab;
}

TEST(the_bytes_are_those_that_kafka_writes)
{
    char x300[300];
    memset(x300, 'x', sizeof x300);
    const struct input in[] = {
        {TIME, BYTES_LIT("k0"), BYTES_LIT("v0"), {{{0}, {0}}}, 0},
        {TIME + 5, BYTES_NULL, BYTES_LIT("no key"), {{{0}, {0}}}, 0},
        {TIME + 3,
         BYTES_LIT("k2"),
         BYTES_NULL,
         {{BYTES_LIT("a"), BYTES_LIT("1")}, {BYTES_LIT("b"), BYTES_NULL}},
         2},
        {TIME + 5, BYTES_LIT(""), BYTES_LIT(""), {{{0}, {0}}}, 0},
        {TIME - 1, BYTES_LIT("k4"), bytes_of(x300, 300), {{BYTES_LIT("h"), BYTES_LIT("")}}, 1},
    };
    struct slab *slab = build(in, 5);
    batch_set_leader_epoch(slab->data, -1);
    struct bytes want = golden("batch/none.bin");
    EXPECT_EQ(slab->len, want.len);
    assert_memory_equal(slab->data, want.data, want.len);
    golden_free(want);
    slab_unref(slab);
}

TEST(what_is_built_iterates_back)
{
    struct random rnd = random_seeded();
    static uint8_t noise[70000];
    for (size_t i = 0; i < sizeof noise; i++) noise[i] = (uint8_t)random_next(&rnd);
    for (int round = 0; round < 200; round++) {
        enum { MAX = 150 };
        static struct input in[MAX];
        int count = 1 + (int)random_below(&rnd, MAX);
        for (int i = 0; i < count; i++) {
            size_t scale = random_below(&rnd, 50) == 0 ? sizeof noise : 200;
            in[i] = (struct input){
                .time = TIME + (int64_t)(random_next(&rnd) >> random_below(&rnd, 64)),
                .key =
                    random_below(&rnd, 4) ? bytes_of(noise, random_below(&rnd, 300)) : BYTES_NULL,
                .value =
                    random_below(&rnd, 8) ? bytes_of(noise, random_below(&rnd, scale)) : BYTES_NULL,
                .headers = {{bytes_of(noise, random_below(&rnd, 10)), BYTES_NULL},
                            {BYTES_LIT("h"), bytes_of(noise, random_below(&rnd, 100))}},
                .header_count = (uint32_t)random_below(&rnd, 3),
            };
        }
        struct slab *slab = build(in, count);
        EXPECT(batch_crc_is_right(slab_bytes(slab)));
        struct record_iter it;
        struct record r;
        EXPECT_OK(record_iter_init(&it, slab_bytes(slab), NULL));
        EXPECT_EQ(it.info.producer_id, -1);
        int64_t max = INT64_MIN;
        for (int i = 0; i < count; i++) {
            EXPECT(record_iter_next(&it, &r));
            EXPECT_EQ(r.offset, i);
            EXPECT_EQ(r.timestamp, in[i].time);
            EXPECT(bytes_equal(r.key, in[i].key) && bytes_equal(r.value, in[i].value));
            EXPECT_EQ(r.header_count, in[i].header_count);
            struct record_header h;
            for (uint32_t k = 0; record_header_next(&r, &h); k++)
                EXPECT(bytes_equal(h.key, in[i].headers[k].key) &&
                       bytes_equal(h.value, in[i].headers[k].value));
            if (r.timestamp > max) max = r.timestamp;
        }
        EXPECT(!record_iter_next(&it, &r));
        EXPECT_OK(it.err);
        EXPECT_EQ(it.info.max_timestamp, max);
        slab_unref(slab);
    }
}

TEST(varint_sizes_are_what_is_written_and_read)
{
    for (int bit = 0; bit < 64; bit++)
        for (int near = -1; near <= 1; near++) {
            int64_t v = (int64_t)((UINT64_C(1) << bit) + (uint64_t)(int64_t)near), got;
            uint8_t b[10];
            uint8_t *end = varint_put(b, v);
            EXPECT_EQ(end - b, varint_size(v));
            const uint8_t *at = b;
            EXPECT(varlong_get(&at, end, &got));
            EXPECT_EQ(got, v);
            EXPECT(at == end);
            for (const uint8_t *cut = b; cut < end; cut++) {
                at = b;
                EXPECT(!varlong_get(&at, cut, &got));
            }
            int32_t small;
            at = b;
            EXPECT_EQ(varint_get(&at, end, &small), v >= INT32_MIN && v <= INT32_MAX);
        }
}

TESTS(RUN(the_bytes_are_those_that_kafka_writes), RUN(what_is_built_iterates_back),
      RUN(varint_sizes_are_what_is_written_and_read))
