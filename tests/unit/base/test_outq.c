#include <stdlib.h>
#include "base/clock.h"
#include "base/mem.h"
#include "base/net/outq.h"
#include "test.h"

enum { ROUNDS = 2000, MODEL_BYTES = 1 << 22 };

/* The queue must be the same as a plain buffer, whatever is copied, referred to, taken over, moved
 * and dropped, and must give back every reference. */
static uint8_t *model;
static size_t model_from, model_to;
static uint8_t next_byte;

static void fill(uint8_t *to, size_t len)
{
    for (size_t i = 0; i < len; i++) model[model_to++] = to[i] = next_byte++;
}

static size_t some(size_t max)
{
    return (size_t)random() % (max + 1);
}

static void add(struct outq *q, struct slab *shared)
{
    static uint8_t bytes[40000];
    struct writer w;
    switch (random() % 3) {
    case 0: {
        size_t len = some(random() % 2 ? 100 : 9000);
        fill(bytes, len);
        outq_copy(q, bytes_of(bytes, len));
        return;
    }
    case 1: {
        struct bytes view = bytes_slice(slab_bytes(shared), some(500),
                                        some(random() % 2 ? 300 : 3000));
        mem_copy(model + model_to, view.data, view.len);
        model_to += view.len;
        outq_ref(q, (struct slab_view){shared, view});
        return;
    }
    default:
        writer_init(&w, 1 << 20);
        for (int i = random() % 4; i > 0; i--) {
            size_t len = some(random() % 2 ? 50 : 20000);
            fill(bytes, len);
            writer_raw(&w, bytes, len);
            if (random() % 2) continue;
            struct bytes view = bytes_slice(slab_bytes(shared), 0, some(1000));
            mem_copy(model + model_to, view.data, view.len);
            model_to += view.len;
            writer_splice(&w, (struct slab_view){shared, view});
        }
        outq_writer(q, &w);
        EXPECT_EQ(writer_total(&w), 0);
        writer_done(&w);
    }
}

static void check(const struct outq *q, size_t from)
{
    static uint8_t peeked[MODEL_BYTES];
    size_t len = outq_peek(q, peeked, sizeof peeked);
    EXPECT_EQ(len, q->bytes);
    assert_memory_equal(peeked, model + from, len);
    struct iovec vectors[3];
    int count = outq_vectors(q, vectors, 3);
    size_t at = from;
    for (int i = 0; i < count; i++) {
        EXPECT(vectors[i].iov_len > 0);
        assert_memory_equal(vectors[i].iov_base, model + at, vectors[i].iov_len);
        at += vectors[i].iov_len;
    }
}

TEST(a_queue_is_the_bytes_put_in)
{
    const char *given = getenv("DIGLOT_SEED");
    unsigned seed = given ? (unsigned)strtoul(given, NULL, 10) : (unsigned)clock_wall_ms();
    print_message("DIGLOT_SEED=%u\n", seed);
    srandom(seed);
    model = mem_new(MODEL_BYTES);
    struct slab *shared = slab_new(NULL, 4096);
    shared->len = 4096;
    for (int i = 0; i < 4096; i++) shared->data[i] = (uint8_t)(i * 13);
    struct outq stream = {0}, conn = {0};
    for (int round = 0; round < ROUNDS; round++) {
        if (model_to > MODEL_BYTES / 2) {
            outq_drop(&conn, conn.bytes);
            outq_drop(&stream, stream.bytes);
            model_from = model_to = 0;
        }
        /* model: conn's bytes, then stream's. */
        add(&stream, shared);
        outq_move(&conn, &stream, some(stream.bytes));
        size_t gone = some(conn.bytes);
        outq_drop(&conn, gone);
        model_from += gone;
        check(&conn, model_from);
        check(&stream, model_from + conn.bytes);
        EXPECT_EQ(conn.bytes + stream.bytes, model_to - model_from);
    }
    outq_done(&stream);
    outq_done(&conn);
    EXPECT_EQ(atomic_load(&shared->refs), 1);
    slab_unref(shared);
    mem_free(model);
}

TEST(small_pieces_share_a_block_and_large_ones_are_not_copied)
{
    struct outq q = {0};
    for (int i = 0; i < 100; i++) outq_copy(&q, BYTES_LIT("0123456789"));
    EXPECT_EQ(q.count, 1);
    struct slab *slab = slab_new(NULL, 5000);
    slab->len = 5000;
    outq_ref(&q, (struct slab_view){slab, slab_bytes(slab)});
    EXPECT_EQ(atomic_load(&slab->refs), 2);
    outq_drop(&q, 1000);
    struct iovec first;
    EXPECT_EQ(outq_vectors(&q, &first, 1), 1);
    EXPECT(first.iov_base == slab->data);
    struct outq to = {0};
    outq_move(&to, &q, 3000);
    EXPECT_EQ(atomic_load(&slab->refs), 3);
    outq_done(&q);
    outq_done(&to);
    EXPECT_EQ(atomic_load(&slab->refs), 1);
    slab_unref(slab);
    struct writer w;
    writer_init(&w, 1 << 20);
    const uint8_t *data = writer_space(&w, 100000);
    outq_writer(&q, &w);
    EXPECT_EQ(outq_vectors(&q, &first, 1), 1);
    EXPECT(first.iov_base == data && first.iov_len == 100000);
    writer_done(&w);
    outq_done(&q);
}

/* What all queues of a loop hold is one sum, whichever way the bytes came and went. */
TEST(the_total_follows_every_change)
{
    size_t total = 0;
    struct outq a = {.total = &total}, b = {.total = &total};
    static uint8_t bytes[40000];
    outq_copy(&a, bytes_of(bytes, 5000));
    struct slab *slab = slab_copy(bytes_of(bytes, 3000));
    outq_ref(&a, (struct slab_view){.slab = slab, .bytes = slab_bytes(slab)});
    struct writer w;
    writer_init(&w, sizeof bytes);
    writer_bytes_raw(&w, bytes_of(bytes, 30000));
    outq_writer(&a, &w);
    EXPECT_EQ(total, 38000);
    outq_move(&b, &a, 5010);
    outq_move(&b, &a, 4000);
    EXPECT_EQ(total, a.bytes + b.bytes);
    EXPECT_EQ(total, 38000);
    outq_drop(&b, 9);
    EXPECT_EQ(total, 37991);
    outq_done(&a);
    EXPECT_EQ(total, b.bytes);
    outq_copy(&a, bytes_of(bytes, 7));          /* it counts on */
    EXPECT_EQ(total, b.bytes + 7);
    outq_done(&a);
    outq_done(&b);
    EXPECT_EQ(total, 0);
    writer_done(&w);
    slab_unref(slab);
}

/* Each allocation in turn fails, and those behind it: the queue says so, counts what it has, and
 * gives everything back. */
TEST(a_queue_without_memory_says_so)
{
    static uint8_t bytes[20000];
    struct slab *shared = slab_new(NULL, 4096);
    shared->len = 4096;
    int failures = 0;
    for (int at = 0; at < 32; at++) {
        size_t total = 0;
        struct outq stream = {.total = &total}, conn = {.total = &total};
        struct writer w;
        writer_init(&w, sizeof bytes);
        writer_raw(&w, bytes, sizeof bytes);
        mem_fail_after(at);
        for (int i = 0; i < 6; i++) {
            outq_copy(&stream, bytes_of(bytes, 5000));
            outq_ref(&stream, (struct slab_view){shared, slab_bytes(shared)});
        }
        outq_writer(&stream, &w);
        EXPECT_EQ(writer_total(&w), 0);
        for (int i = 0; i < 3; i++) outq_move(&conn, &stream, stream.bytes / 2);
        mem_fail_after(-1);
        EXPECT_EQ(total, conn.bytes + stream.bytes);
        if (stream.failed || conn.failed) failures++;
        else EXPECT_EQ(total, 6 * (5000 + 4096) + sizeof bytes);
        writer_done(&w);
        outq_done(&stream);
        outq_done(&conn);
        EXPECT_EQ(total, 0);
        EXPECT_EQ(atomic_load(&shared->refs), 1);
    }
    EXPECT(failures > 5 && failures < 32);
    slab_unref(shared);
}

TESTS(RUN(the_total_follows_every_change),
      RUN(a_queue_without_memory_says_so), RUN(a_queue_is_the_bytes_put_in),
      RUN(small_pieces_share_a_block_and_large_ones_are_not_copied))
