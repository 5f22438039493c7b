#include "base/net/outq.h"

#include <assert.h>
#include "base/mem.h"
#include "base/check.h"

/* A part shorter than COPY_BYTES_MAX costs less to copy than to send as a vector of its own; a
 * writer's buffer of TAKE_BYTES_MIN or more is taken over instead of copied. */
enum { BLOCK_BYTES = 4096, COPY_BYTES_MAX = 256, TAKE_BYTES_MIN = 16 * 1024, PARTS_KEPT = 8 };

struct outq_heap {
    unsigned refs;
    uint8_t *data;
};

static void part_release(struct outq_part *p)
{
    slab_unref(p->slab);
    if (p->heap != NULL && --p->heap->refs == 0) {
        mem_free(p->heap->data);
        mem_free(p->heap);
    }
}

/* All changes of q->bytes. */
static void grow(struct outq *q, size_t bytes)
{
    q->bytes += bytes;
    if (q->total != NULL) *q->total += bytes;
}

static void shrink(struct outq *q, size_t bytes)
{
    q->bytes -= bytes;
    if (q->total != NULL) *q->total -= bytes;
}

void outq_done(struct outq *q)
{
    shrink(q, q->bytes);
    for (uint32_t i = 0; i < q->count; i++) part_release(&q->parts[q->first + i]);
    mem_free(q->parts);
    *q = (struct outq){.total = q->total};
}

/* False: memory is out. */
static bool part_add(struct outq *q, struct outq_part part)
{
    if (q->failed) return false;
    if (q->first + q->count == q->cap && q->first >= q->cap / 2 && q->first > 0) {
        mem_move(q->parts, q->parts + q->first, q->count * sizeof *q->parts);
        q->first = 0;
    } else if (q->first + q->count == q->cap) {
        uint32_t cap = q->cap ? q->cap * 2 : 4;
        struct outq_part *grown = mem_try_grow(q->parts, cap * sizeof *grown);
        q->failed = grown == NULL;
        if (q->failed) return false;
        q->parts = grown;
        q->cap = cap;
    }
    q->parts[q->first + q->count++] = part;
    grow(q, part.len);
    return true;
}

/* Room behind the last part, when that part is a block of our own that nobody else refers to. */
static size_t copy_to_last(struct outq *q, struct bytes b)
{
    if (q->count == 0 || q->failed) return 0;
    struct outq_part *p = &q->parts[q->first + q->count - 1];
    struct slab *s = p->slab;
    /* Only blocks of ours grow: their end is where the part ends. A slab that came by reference is
     * immutable, and is full or shared. */
    if (s == NULL || s->budget != NULL || s->cap != BLOCK_BYTES || s->len == s->cap) return 0;
    if (atomic_load_explicit(&s->refs, memory_order_relaxed) != 1) return 0;
    if (p->data + p->len != s->data + s->len) return 0;
    size_t len = b.len < s->cap - s->len ? b.len : s->cap - s->len;
    mem_copy(s->data + s->len, b.data, len);
    s->len += len;
    p->len += len;
    grow(q, len);
    return len;
}

void outq_copy(struct outq *q, struct bytes b)
{
    size_t done = copy_to_last(q, b);
    while (done < b.len && !q->failed) {
        size_t rest = b.len - done;
        struct slab *s = slab_new(NULL, rest < BLOCK_BYTES ? BLOCK_BYTES : rest);
        if (s == NULL && rest > BLOCK_BYTES) s = slab_new(NULL, rest = BLOCK_BYTES);
        q->failed = s == NULL;
        if (q->failed) return;
        mem_copy(s->data, b.data + done, rest);
        s->len = rest;
        if (!part_add(q, (struct outq_part){.data = s->data, .len = rest, .slab = s}))
            slab_unref(s);
        done += rest;
    }
}

void outq_ref(struct outq *q, struct slab_view view)
{
    if (view.bytes.len == 0) return;
    if (view.bytes.len < COPY_BYTES_MAX) {
        outq_copy(q, view.bytes);
        return;
    }
    if (part_add(q, (struct outq_part){
                        .data = view.bytes.data, .len = view.bytes.len, .slab = view.slab}))
        slab_ref(view.slab);
}

static void take_buffer(struct outq *q, struct writer *w)
{
    struct outq_heap *heap = NEW_TRY(struct outq_heap);
    struct outq_part part = {.data = w->data, .len = w->len, .heap = heap};
    if (heap == NULL) q->failed = true;
    if (!part_add(q, part)) {
        mem_free(heap);
        writer_reset(w);
        return;
    }
    *heap = (struct outq_heap){.refs = 1, .data = writer_take(w)};
}

void outq_writer(struct outq *q, struct writer *w)
{
    assert(w->err == ERR_OK);
    if (w->splice_count == 0 && w->len >= TAKE_BYTES_MIN) {
        take_buffer(q, w);
        return;
    }
    size_t at = 0;
    for (uint32_t i = 0; i < w->splice_count; i++) {
        if (w->splices[i].at > at) outq_copy(q, bytes_of(w->data + at, w->splices[i].at - at));
        at = w->splices[i].at;
        outq_ref(q, w->splices[i].view);
    }
    if (w->len > at) outq_copy(q, bytes_of(w->data + at, w->len - at));
    writer_reset(w);
}

/* Another hold on the same memory. */
static void part_share(struct outq *q, const struct outq_part *p, size_t len)
{
    struct outq_part part = {.data = p->data, .len = len, .slab = p->slab, .heap = p->heap};
    if (!part_add(q, part)) return;
    if (p->slab != NULL) slab_ref(p->slab);
    else p->heap->refs++;
}

void outq_move(struct outq *to, struct outq *from, size_t len)
{
    assert(len <= from->bytes);
    while (len > 0) {
        struct outq_part *p = &from->parts[from->first];
        size_t take = len < p->len ? len : p->len;
        if (take < COPY_BYTES_MAX) {
            outq_copy(to, bytes_of(p->data, take));
            outq_drop(from, take);
        } else if (take == p->len && part_add(to, *p)) {
            shrink(from, take);
            from->first++;
            if (--from->count == 0) outq_drop(from, 0);
        } else {
            part_share(to, p, take);
            outq_drop(from, take);
        }
        len -= take;
    }
}

int outq_vectors(const struct outq *q, struct iovec *vectors, int max)
{
    int count = 0;
    for (; count < max && (uint32_t)count < q->count; count++) {
        const struct outq_part *p = &q->parts[q->first + (uint32_t)count];
        vectors[count] = (struct iovec){.iov_base = (void *)(uintptr_t)p->data, .iov_len = p->len};
    }
    return count;
}

size_t outq_peek(const struct outq *q, uint8_t *to, size_t cap)
{
    size_t done = 0;
    for (uint32_t i = 0; i < q->count && done < cap; i++) {
        const struct outq_part *p = &q->parts[q->first + i];
        size_t len = p->len < cap - done ? p->len : cap - done;
        mem_copy(to + done, p->data, len);
        done += len;
    }
    return done;
}

void outq_drop(struct outq *q, size_t len)
{
    assert(len <= q->bytes);
    shrink(q, len);
    while (len > 0) {
        struct outq_part *p = &q->parts[q->first];
        if (len < p->len) {
            p->data += len;
            p->len -= len;
            return;
        }
        len -= p->len;
        part_release(p);
        q->first++;
        q->count--;
    }
    if (q->count > 0) return;
    q->first = 0;
    if (q->cap > PARTS_KEPT) {       /* an idle connection keeps next to nothing */
        q->parts = mem_free(q->parts);
        q->cap = 0;
    }
}
