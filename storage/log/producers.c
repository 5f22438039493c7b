#include "storage/log/producers.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>
#include "base/mem.h"
#include "base/check.h"

enum { SLOTS_MIN = 8 };

static atomic_int_least64_t all;                /* entries in all tables */
static atomic_int_least64_t all_max = PRODUCERS_ALL_MAX;

void producers_limit(int64_t count)
{
    atomic_store(&all_max, count);
}

int64_t producers_count(void)
{
    return atomic_load_explicit(&all, memory_order_relaxed);
}

static void count(int64_t by)
{
    atomic_fetch_add_explicit(&all, by, memory_order_relaxed);
}

/* As many as a table may have now. */
static uint32_t most(void)
{
    int64_t left = atomic_load_explicit(&all_max, memory_order_relaxed) - producers_count();
    if (left < 1) return 1;
    return left < PRODUCERS_MAX ? (uint32_t)left : PRODUCERS_MAX;
}

void producers_init(struct producers *p)
{
    *p = (struct producers){0};
}

void producers_done(struct producers *p)
{
    for (uint32_t i = 0; i < p->slot_count; i++) mem_free(p->slots[i]);
    mem_free(p->slots);
    count(-(int64_t)p->count);
    producers_init(p);
}

void producers_free(struct producers *p)
{
    if (p == NULL) return;
    producers_done(p);
    mem_free(p);
}

static uint32_t home_slot(const struct producers *p, int32_t partition, int64_t producer_id)
{
    /* Both come from senders. */
    struct {
        int64_t id;
        int64_t partition;
    } key = {producer_id, partition};
    return (uint32_t)bytes_hash(bytes_of((const uint8_t *)&key, sizeof key)) & (p->slot_count - 1);
}

/* The slot that holds it, or the free one where it would go. */
static uint32_t find_slot(const struct producers *p, int32_t partition, int64_t producer_id)
{
    uint32_t at = home_slot(p, partition, producer_id);
    for (;; at = (at + 1) & (p->slot_count - 1)) {
        const struct producer_entry *e = p->slots[at];
        if (e == NULL) return at;
        if (e->producer_id == producer_id && e->partition_addressed == partition) return at;
    }
}

static void insert(struct producers *p, struct producer_entry *e)
{
    uint32_t at = find_slot(p, e->partition_addressed, e->producer_id);
    assert(p->slots[at] == NULL);
    p->slots[at] = e;
    p->count++;
}

/* Moves the entries that are at least as young as keep_from_ms into a table of slot_count slots. */
static void rebuild(struct producers *p, uint32_t slot_count, int64_t keep_from_ms)
{
    struct producers old = *p;
    *p = (struct producers){.slots = NEW_ARRAY(struct producer_entry *, slot_count),
                            .slot_count = slot_count};
    for (uint32_t i = 0; i < old.slot_count; i++) {
        struct producer_entry *e = old.slots[i];
        if (e == NULL) continue;
        if (e->arrival_last_ms >= keep_from_ms) insert(p, e);
        else mem_free(e);
    }
    mem_free(old.slots);
    count((int64_t)p->count - old.count);
}

uint32_t producers_expire(struct producers *p, int64_t before_ms)
{
    uint32_t old = 0;
    for (uint32_t i = 0; i < p->slot_count; i++)
        if (p->slots[i] != NULL && p->slots[i]->arrival_last_ms < before_ms) old++;
    if (old == p->count) producers_done(p);
    else if (old > 0) rebuild(p, p->slot_count, before_ms);
    return old;
}

static void grow(struct producers *p)
{
    if (p->slot_count == 0) rebuild(p, SLOTS_MIN, INT64_MIN);
    else if ((p->count + 1) * 2 > p->slot_count) rebuild(p, p->slot_count * 2, INT64_MIN);
}

static void make_room(struct producers *p)
{
    if (p->count >= most()) {
        int64_t oldest_ms = INT64_MAX;
        for (uint32_t i = 0; i < p->slot_count; i++)
            if (p->slots[i] != NULL && p->slots[i]->arrival_last_ms < oldest_ms)
                oldest_ms = p->slots[i]->arrival_last_ms;
        /* All that arrived in that millisecond go: one of them would do, but they are equals. */
        producers_expire(p, oldest_ms + 1);
    }
    grow(p);
}

static struct producer_entry *find(const struct producers *p, int32_t partition,
                                   int64_t producer_id)
{
    if (p->slot_count == 0) return NULL;
    return p->slots[find_slot(p, partition, producer_id)];
}

enum err producers_check(const struct producers *p, int32_t partition_addressed,
                         const struct batch_info *info,
                         const struct producer_batch **ret_duplicate)
{
    assert(info->producer_id >= 0);
    *ret_duplicate = NULL;
    const struct producer_entry *e = find(p, partition_addressed, info->producer_id);
    if (e == NULL) return ERR_OK;       /* nothing known: any sequence begins */
    if (info->producer_epoch < e->epoch) return ERR_INVALID_PRODUCER_EPOCH;
    if (info->producer_epoch > e->epoch)
        return info->base_sequence == 0 ? ERR_OK : ERR_OUT_OF_ORDER_SEQUENCE_NUMBER;
    int32_t last_sequence = batch_last_sequence(info);
    for (int i = 0; i < e->batch_count; i++) {
        const struct producer_batch *b = &e->batches[i];
        if (b->first_sequence == info->base_sequence && b->last_sequence == last_sequence) {
            *ret_duplicate = b;
            return ERR_OK;
        }
    }
    int32_t newest = e->batch_count > 0 ? e->batches[e->batch_count - 1].last_sequence : -1;
    int32_t expected = newest == INT32_MAX ? 0 : newest + 1;
    return info->base_sequence == expected ? ERR_OK : ERR_OUT_OF_ORDER_SEQUENCE_NUMBER;
}

void producers_add(struct producers *p, int32_t partition_addressed, uint64_t log_id,
                   const struct batch_info *info, int64_t arrival_ms)
{
    struct producer_entry *e = find(p, partition_addressed, info->producer_id);
    if (e == NULL) {
        make_room(p);
        e = NEW(struct producer_entry);
        e->partition_addressed = partition_addressed;
        e->producer_id = info->producer_id;
        e->epoch = info->producer_epoch;
        insert(p, e);
        count(1);
    }
    if (e->epoch != info->producer_epoch) {
        e->epoch = info->producer_epoch;
        e->batch_count = 0;
    }
    if (e->batch_count == PRODUCER_BATCHES_MAX) {
        mem_move(e->batches, e->batches + 1, (PRODUCER_BATCHES_MAX - 1) * sizeof e->batches[0]);
        e->batch_count--;
    }
    e->batches[e->batch_count++] = (struct producer_batch){
        .first_sequence = info->base_sequence,
        .last_sequence = batch_last_sequence(info),
        .base_offset = info->base_offset,
        .arrival_ms = arrival_ms,
        .log_id = log_id,
    };
    e->arrival_last_ms = arrival_ms;
}

void producers_adopt(struct producers *p, const struct producer_entry *e)
{
    struct producer_entry *kept = NEW(struct producer_entry);
    *kept = *e;
    grow(p);
    insert(p, kept);
    count(1);
}

static int by_time(const void *a, const void *b)
{
    const int64_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static void trim_to(struct producers *p, uint32_t most)
{
    if (p->count <= most) return;
    CLEANUP(mem_freep) int64_t *times = NEW_ARRAY(int64_t, p->count);
    uint32_t found = 0, excess = p->count - most;
    for (uint32_t i = 0; i < p->slot_count; i++)
        if (p->slots[i] != NULL) times[found++] = p->slots[i]->arrival_last_ms;
    qsort(times, found, sizeof *times, by_time);
    /* All of that millisecond go, as in make_room(). */
    producers_expire(p, times[excess - 1] + 1);
}

void producers_trim(struct producers *p)
{
    trim_to(p, PRODUCERS_MAX);
}

size_t producers_bytes(const struct producers *p)
{
    size_t bytes = PRODUCERS_HEADER_BYTES;
    for (uint32_t i = 0; i < p->slot_count; i++)
        if (p->slots[i] != NULL)
            bytes += PRODUCER_BYTES + (size_t)p->slots[i]->batch_count * PRODUCER_BATCH_BYTES;
    return bytes;
}

void producers_write(const struct producers *p, int64_t offset_next, uint8_t *to)
{
    uint8_t *at = to + producers_header_write(offset_next, p->count, to);
    for (uint32_t i = 0; i < p->slot_count; i++)
        if (p->slots[i] != NULL) at += producer_write(p->slots[i], at);
    assert((size_t)(at - to) == producers_bytes(p));
}

enum err producers_read(struct producers *p, struct bytes snapshot, int64_t *ret_offset_next)
{
    assert(p->count == 0);
    uint32_t entries;
    TRY(producers_header_read(snapshot, ret_offset_next, &entries));
    struct bytes rest = bytes_slice(snapshot, PRODUCERS_HEADER_BYTES,
                                    snapshot.len - PRODUCERS_HEADER_BYTES);
    for (uint32_t i = 0; i < entries; i++) {
        struct producer_entry e;
        TRY(producer_read(&rest, &e));
        if (find(p, e.partition_addressed, e.producer_id) != NULL) return ERR_FORMAT;
        if (p->count == PRODUCERS_MAX) return ERR_FORMAT;
        producers_adopt(p, &e);
    }
    int64_t others = producers_count() - p->count;
    int64_t left = atomic_load_explicit(&all_max, memory_order_relaxed) - others;
    if (p->count > left / 2) trim_to(p, left > 2 ? (uint32_t)(left / 2) : 1);
    return ERR_OK;
}

