#include "storage/topic/reshard.h"

#include <assert.h>
#include "base/heap.h"
#include "base/mailbox.h"
#include "base/mem.h"
#include "base/check.h"

static int64_t end_of(const struct reshard *r, int32_t partition)
{
    return r->ends != NULL && partition < r->end_count ? r->ends[partition] : 0;
}

static void close_shard(struct reshard *r, int32_t position)
{
    struct shard *s = draft_nth(r->draft, position);
    assert(s->end_offset == -1);
    s->end_offset = end_of(r, s->partition);
    s->closed_ms = r->now_ms;
    r->draft->partitions[s->partition].open_shard = -1;
}

/* Kinesis dates a child one second after its making. Its second must be later than that of any
 * ancestor that holds records: their sequence numbers begin with it. Shards that come and go within
 * one change hold none, so all of its generations share a second, or a long row of steps would date
 * its last shards minutes ahead. */
static int64_t child_created_ms(const struct reshard *r, const struct shard *parent)
{
    if (parent->index >= r->index_first) return parent->created_ms;
    int64_t created_ms = r->now_ms + 1000;
    int64_t least_ms = (parent->created_ms / 1000 + 1) * 1000;
    return created_ms > least_ms ? created_ms : least_ms;
}

static int32_t open_shard(struct reshard *r, int32_t partition, int32_t parent, u128 first,
                          u128 last)
{
    struct topic *t = r->draft;
    struct shard *s = draft_add_shard(t);
    s->partition = partition;
    s->first_offset = end_of(r, partition);
    s->hash_first = first;
    s->hash_last = last;
    s->parent = topic_nth(t, parent)->index;
    s->created_ms = child_created_ms(r, topic_nth(t, parent));
    t->partitions[partition].open_shard = t->shard_count - 1;
    return t->shard_count - 1;
}

static int32_t free_partition(struct reshard *r)
{
    struct topic *t = r->draft;
    if (r->only_new) return draft_add_partition(t, r->log_id_next++);
    int32_t *p = &r->free_from;
    while (*p < t->partition_count && t->partitions[*p].open_shard != -1) ++*p;
    return *p < t->partition_count ? *p : draft_add_partition(t, r->log_id_next++);
}

void reshard_split(struct reshard *r, int32_t position, u128 hash)
{
    struct shard s = *topic_nth(r->draft, position);
    assert(s.hash_first < hash && hash <= s.hash_last);
    int32_t upper = free_partition(r); /* while s is open: never its own partition */
    close_shard(r, position);
    open_shard(r, s.partition, position, s.hash_first, hash - 1);
    open_shard(r, upper, position, hash, s.hash_last);
}

int32_t reshard_merge(struct reshard *r, int32_t a, int32_t b)
{
    struct shard low = *topic_nth(r->draft, a), high = *topic_nth(r->draft, b);
    assert(low.hash_last != U128_MAX && low.hash_last + 1 == high.hash_first);
    close_shard(r, a);
    close_shard(r, b);
    int32_t child = open_shard(r, low.partition, a, low.hash_first, high.hash_last);
    struct shard *s = draft_nth(r->draft, child);
    int64_t created_ms = child_created_ms(r, &high);
    s->adjacent_parent = high.index;
    if (s->created_ms < created_ms) s->created_ms = created_ms;
    r->draft->partitions[high.partition].forward_hash = high.hash_first;
    if (high.partition < r->free_from) r->free_from = high.partition;
    return child;
}

/* An open shard that may be halved. */
struct half {
    struct heap_item place;
    int32_t position;
    u128 width;
};

/* The wider one first; of equals the older, which came in first. */
static int compare_widths(const struct heap_item *a, const struct heap_item *b)
{
    u128 of_a = CONTAINER_OF(a, struct half, place)->width;
    u128 of_b = CONTAINER_OF(b, struct half, place)->width;
    return (of_a < of_b) - (of_a > of_b);
}

static void half_add(struct heap *heap, struct half *h, const struct topic *t, int32_t position)
{
    const struct shard *s = topic_nth(t, position);
    *h = (struct half){.position = position, .width = s->hash_last - s->hash_first};
    heap_add(heap, &h->place);
}

void reshard_widest(struct reshard *r, int32_t splits)
{
    struct topic *t = r->draft;
    struct heap heap = {.compare = compare_widths};
    CLEANUP(mem_freep) struct half *halves =
        NEW_ARRAY(struct half, (size_t)(t->partition_count + splits));
    struct half *free_half = halves;
    for (int32_t i = 0; i < t->shard_count; i++)
        if (topic_nth(t, i)->end_offset == -1) half_add(&heap, free_half++, t, i);
    for (; splits > 0; splits--) {
        struct half *widest = CONTAINER_OF(heap_first(&heap), struct half, place);
        heap_remove(&heap, &widest->place);
        assert(widest->width > 0); /* of at most TOPIC_PARTITIONS_MAX shards one is wide enough */
        reshard_split(r, widest->position,
                      topic_nth(t, widest->position)->hash_first + widest->width / 2 + 1);
        half_add(&heap, widest, t, t->shard_count - 2);
        half_add(&heap, free_half++, t, t->shard_count - 1);
    }
}

/* From the bottom up: the shard that begins where the even one begins swallows its neighbours until
 * it is large enough, and is then cut. Merging first leaves a retired partition for the cut. */
void reshard_even(struct reshard *r, int32_t count)
{
    draft_finish(r->draft);
    int32_t old_count = r->draft->open_count, next = 1;
    CLEANUP(mem_freep) int32_t *old = NEW_ARRAY(int32_t, (size_t)old_count);
    mem_copy(old, r->draft->open, (size_t)old_count * sizeof *old);
    int32_t current = old[0];
    for (int32_t i = 0; i < count; i++) {
        u128 last = i == count - 1 ? U128_MAX : draft_even_first(i + 1, count) - 1;
        while (topic_nth(r->draft, current)->hash_last < last)
            current = reshard_merge(r, current, old[next++]);
        if (topic_nth(r->draft, current)->hash_last > last) {
            reshard_split(r, current, last + 1);
            current = r->draft->shard_count - 1;
        } else if (next < old_count) {
            current = old[next++];
        }
    }
    assert(next == old_count);
}

/* Looks at what was open and at what is new: closed windows stay as they are. */
static void mark_windows(const struct topic *old, const struct topic *draft, bool *takes_part)
{
    int32_t first_new = topic_shard_at(draft, old->shard_index_next);
    for (int32_t i = first_new; i < draft->shard_count; i++) {
        int32_t partition = topic_nth(draft, i)->partition;
        if (partition < old->partition_count) takes_part[partition] = true;
    }
    for (int32_t i = 0; i < old->open_count; i++) {
        const struct shard *s = topic_shard(draft, topic_nth(old, old->open[i])->index);
        if (s != NULL && s->end_offset != -1) takes_part[s->partition] = true;
    }
}

void reshard_parts(const struct topic *old, const struct topic *draft, struct reshard_parts *ret)
{
    CLEANUP(mem_freep) bool *takes_part = NEW_ARRAY(bool, (size_t)old->partition_count);
    CLEANUP(mem_freep) bool *is_route = NEW_ARRAY(bool, (size_t)old->partition_count);
    mark_windows(old, draft, takes_part);
    for (int32_t p = 0; p < old->partition_count; p++) {
        int32_t before = topic_forward(old, p), after = topic_forward(draft, p);
        if (before == after) continue;
        is_route[p] = before != p;
        takes_part[before] = true;
        if (after < old->partition_count) takes_part[after] = true;
    }
    ret->route_count = ret->log_count = 0;
    for (int32_t p = 0; p < old->partition_count; p++) {
        if (is_route[p]) ret->routes[ret->route_count++] = p;
        else if (takes_part[p]) ret->logs[ret->log_count++] = p;
    }
}
