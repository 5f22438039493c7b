/* Committed offsets in memory: groups by hash of their id, in each group its entries sorted by
 * topic and partition (a group has as many as it reads partitions). One lock, held for look-ups and
 * for entering. */
#include "storage/state/offsets_table.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include "base/arena.h"
#include "base/heap.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/check.h"

enum {
    ALLOCATION_BYTES = 16, /* what an allocation costs beside what it holds */
    ENTER_SINGLY_MAX = 8,  /* more entries of one commit are merged in */
    SLICE_ENTRIES = 1000   /* of a group are copied, or groups seen, before others get the lock */
};

struct entry {
    struct uuid topic_id;
    int32_t partition;
    int32_t leader_epoch;
    int64_t offset;
    int64_t commit_ms;
    int64_t expire_ms;
    uint32_t metadata_len;
    char *metadata; /* NULL when empty */
};

struct group {
    struct map_node by_id;
    char *id;
    size_t id_len;
    struct entry *entries; /* sorted */
    int32_t count;          /* 0: nobody sees the group; it waits for what commits will enter */
    int32_t promised;       /* more entries that commits under way may need, within cap */
    int32_t cap;
};

/* What a commit enters, made before it is written. */
struct entering {
    struct group *group;    /* has promised room for the puts; NULL: there are none */
    int32_t puts;
    int32_t count;
    struct entry entries[]; /* by place, each once; offset -1: it goes */
};

struct offsets {
    pthread_mutex_t lock; /* leaf: guards what follows */
    struct map groups;
    int64_t count;    /* entries of all groups */
    int64_t bytes;    /* of all groups */
    int64_t reserved; /* bytes that commits under way will add */
    int64_t limit;    /* of bytes */
};

/* Room in a group's array is made by half as much again. */
enum { ENTRY_BYTES = sizeof(struct entry) * 3 / 2 };

/* ---- The table; the lock is held */

static int64_t group_bytes(struct bytes id)
{
    return (int64_t)(sizeof(struct group) + id.len + 3 * ALLOCATION_BYTES);
}

static int64_t entry_bytes(size_t metadata_len)
{
    return ENTRY_BYTES + (metadata_len > 0 ? (int64_t)metadata_len + ALLOCATION_BYTES : 0);
}

static struct bytes group_id(const struct group *g)
{
    return bytes_of(g->id, g->id_len);
}

static struct group *find_group(const struct offsets *o, struct bytes id)
{
    for (struct map_node *n = map_first(&o->groups, bytes_hash(id)); n != NULL; n = map_next(n)) {
        struct group *g = CONTAINER_OF(n, struct group, by_id);
        if (bytes_equal(group_id(g), id)) return g;
    }
    return NULL;
}

/* A group that is there for whoever looks. */
static struct group *known_group(const struct offsets *o, struct bytes id)
{
    struct group *g = find_group(o, id);
    return g != NULL && g->count > 0 ? g : NULL;
}

/* NULL: memory is out. */
static struct group *make_group(struct offsets *o, struct bytes id)
{
    struct group *g = find_group(o, id);
    if (g != NULL) return g;
    g = NEW_TRY(struct group);
    char *own = mem_try_string((const char *)id.data, id.len);
    if (g == NULL || own == NULL) {
        mem_free(g);
        mem_free(own);
        return NULL;
    }
    g->id = own;
    g->id_len = id.len;
    map_put(&o->groups, &g->by_id, bytes_hash(id));
    o->bytes += group_bytes(id);
    return g;
}

/* Promises room for so many more entries. False: memory is out. */
static bool make_room(struct group *g, int32_t more)
{
    int32_t need = g->count + g->promised + more;
    if (need > g->cap) {
        int32_t cap = g->cap + g->cap / 2 + 1;
        if (cap < need) cap = need;
        struct entry *entries = mem_try_grow(g->entries, (size_t)cap * sizeof *entries);
        if (entries == NULL) return false;
        g->entries = entries;
        g->cap = cap;
    }
    g->promised += more;
    return true;
}

/* Gives back room that what was replaced did not need, where that takes no memory. */
static void fit(struct group *g)
{
    if (g->promised > 0 || g->cap <= g->count + g->count / 2) return;
    struct entry *entries = mem_try_grow(g->entries, (size_t)g->count * sizeof *entries);
    if (entries == NULL) return;
    g->entries = entries;
    g->cap = g->count;
}

static int compare(const struct entry *e, const struct uuid *topic_id, int32_t partition)
{
    int order = memcmp(&e->topic_id, topic_id, sizeof *topic_id);
    if (order != 0) return order;
    return e->partition < partition ? -1 : e->partition > partition;
}

/* The first entry not below; ret_found: it is the one. */
static int32_t position(const struct group *g, const struct uuid *topic_id, int32_t partition,
                        bool *ret_found)
{
    int32_t low = 0, high = g->count;
    while (low < high) {
        int32_t middle = low + (high - low) / 2;
        if (compare(&g->entries[middle], topic_id, partition) < 0) low = middle + 1;
        else high = middle;
    }
    *ret_found = low < g->count && compare(&g->entries[low], topic_id, partition) == 0;
    return low;
}

/* False: memory is out. */
static bool make_entry(const struct offset_entry *from, struct entry *ret)
{
    struct bytes m = from->offset >= 0 ? from->metadata : BYTES_LIT("");
    *ret = (struct entry){
        .topic_id = from->topic_id,
        .partition = from->partition,
        .leader_epoch = from->leader_epoch,
        .offset = from->offset,
        .commit_ms = from->commit_ms,
        .expire_ms = from->expire_ms,
        .metadata_len = (uint32_t)m.len,
        .metadata = m.len > 0 ? mem_try_string((const char *)m.data, m.len) : NULL,
    };
    return m.len == 0 || ret->metadata != NULL;
}

/* It is the table's from now on. */
static struct entry take_entry(struct offsets *o, struct entry *made)
{
    struct entry e = *made;
    made->metadata = NULL;
    o->count++;
    o->bytes += entry_bytes(e.metadata_len);
    return e;
}

static void drop_entry(struct offsets *o, struct entry *e)
{
    o->count--;
    o->bytes -= entry_bytes(e->metadata_len);
    mem_free(e->metadata);
}

/* There is room for it. */
static void put_entry(struct offsets *o, struct group *g, struct entry *made)
{
    bool found;
    int32_t at = position(g, &made->topic_id, made->partition, &found);
    if (found) {
        drop_entry(o, &g->entries[at]);
    } else {
        assert(g->count < g->cap);
        mem_move(g->entries + at + 1, g->entries + at,
                 (size_t)(g->count - at) * sizeof *g->entries);
        g->count++;
    }
    g->entries[at] = take_entry(o, made);
}

/* A group without entries is gone, unless some are to come. */
static void drop_if_empty(struct offsets *o, struct group *g)
{
    if (g->count > 0 || g->promised > 0) return;
    map_remove(&o->groups, &g->by_id);
    o->bytes -= group_bytes(group_id(g));
    mem_free(g->entries);
    mem_free(g->id);
    mem_free(g);
}

/* Takes [at, at + n) out. */
static void take_out(struct offsets *o, struct group *g, int32_t at, int32_t n)
{
    for (int32_t i = at; i < at + n; i++) drop_entry(o, &g->entries[i]);
    mem_move(g->entries + at, g->entries + at + n,
             (size_t)(g->count - at - n) * sizeof *g->entries);
    g->count -= n;
}

static void remove_entries(struct offsets *o, struct group *g, int32_t at, int32_t n)
{
    take_out(o, g, at, n);
    drop_if_empty(o, g);
}

static void enter(struct offsets *o, struct group *g, struct entry *made)
{
    if (made->offset >= 0) {
        put_entry(o, g, made);
        return;
    }
    bool found;
    int32_t at = position(g, &made->topic_id, made->partition, &found);
    if (found) take_out(o, g, at, 1);
}

/* By place; of the same one the earlier in the commit first. */
static int by_place(const void *a, const void *b)
{
    const struct offset_entry *const *x = a, *const *y = b;
    int order = memcmp(&(*x)->topic_id, &(*y)->topic_id, sizeof(struct uuid));
    if (order == 0)
        order = ((*x)->partition > (*y)->partition) - ((*x)->partition < (*y)->partition);
    return order != 0 ? order : (*x > *y) - (*x < *y);
}

static bool same_place(const struct offset_entry *a, const struct offset_entry *b)
{
    return uuid_equal(&a->topic_id, &b->topic_id) && a->partition == b->partition;
}

/* Many entries at once: one walk along the group's from the last one on, into the room behind them,
 * for each of them put in alone would move all behind it. */
static void merge(struct offsets *o, struct group *g, struct entering *in)
{
    int32_t end = g->count + in->puts, to = end, old = g->count - 1;
    assert(end <= g->cap);
    for (int32_t i = in->count - 1; i >= 0; i--) {
        struct entry *made = &in->entries[i];
        while (old >= 0 && compare(&g->entries[old], &made->topic_id, made->partition) > 0)
            g->entries[--to] = g->entries[old--];
        if (old >= 0 && compare(&g->entries[old], &made->topic_id, made->partition) == 0)
            drop_entry(o, &g->entries[old--]);
        if (made->offset >= 0) g->entries[--to] = take_entry(o, made);
    }
    g->count = old + 1 + end - to;
    if (to < end)
        mem_move(g->entries + old + 1, g->entries + to, (size_t)(end - to) * sizeof *g->entries);
}

/* ---- What commits enter */

void entering_free(struct entering *in)
{
    for (int32_t i = 0; in != NULL && i < in->count; i++) mem_free(in->entries[i].metadata);
    mem_free(in);
}

struct entering *entering_new(const struct offsets_commit *c)
{
    size_t count = (size_t)c->entry_count;
    CLEANUP(mem_freep)
    const struct offset_entry **sorted = mem_try_array(count, sizeof *sorted);
    struct entering *in = mem_try_array(1, sizeof *in + count * sizeof *in->entries);
    bool made = sorted != NULL && in != NULL;
    for (size_t i = 0; made && i < count; i++) sorted[i] = &c->entries[i];
    if (made) qsort(sorted, count, sizeof *sorted, by_place);
    for (size_t i = 0; made && i < count; i++) {
        if (i + 1 < count && same_place(sorted[i], sorted[i + 1])) continue;   /* the last counts */
        made = make_entry(sorted[i], &in->entries[in->count++]);
        in->puts += sorted[i]->offset >= 0;
    }
    if (made) return in;
    entering_free(in);
    return NULL;
}

/* By how much the entries of a group, NULL: a new one, grow at most. */
static int64_t growth(const struct group *g, const struct entering *in)
{
    int64_t bytes = 0;
    for (int32_t i = 0; i < in->count; i++) {
        const struct entry *e = &in->entries[i];
        if (e->offset < 0) continue;
        bool found = false;
        int32_t at = g ? position(g, &e->topic_id, e->partition, &found) : 0;
        int64_t more = entry_bytes(e->metadata_len);
        if (found) more -= entry_bytes(g->entries[at].metadata_len);
        if (more > 0) bytes += more;
    }
    return bytes;
}

/* Errors: those of offsets_promise(). Thread: the group's worker, with the lock. */
static enum err promise(struct offsets *o, struct offsets_commit *c)
{
    if (c->in->puts == 0) return ERR_OK;
    struct group *g = find_group(o, c->group);
    int64_t more = growth(g, c->in), all = more + (g == NULL ? group_bytes(c->group) : 0);
    if (all > 0 && o->bytes + o->reserved + all > o->limit) return ERR_TOO_LARGE;
    g = make_group(o, c->group);
    if (g == NULL) return ERR_TOO_LARGE;
    if (!make_room(g, c->in->puts)) {
        drop_if_empty(o, g);
        return ERR_TOO_LARGE;
    }
    o->reserved += c->reserved = more;
    c->in->group = g;
    return ERR_OK;
}

enum err offsets_promise(struct offsets *o, struct offsets_commit *c)
{
    pthread_mutex_lock(&o->lock);
    enum err err = promise(o, c);
    pthread_mutex_unlock(&o->lock);
    return err;
}

/* Whether or not it was written, the room that was promised is for others again. */
static void enter_all(struct offsets *o, struct offsets_commit *c)
{
    struct entering *in = c->in;
    struct group *g = in->group != NULL ? in->group : find_group(o, c->group);
    if (g == NULL) return;
    bool many = in->count > ENTER_SINGLY_MAX;
    if (c->err == ERR_OK && many) merge(o, g, in);
    for (int32_t i = 0; c->err == ERR_OK && !many && i < in->count; i++)
        enter(o, g, &in->entries[i]);
    if (in->group != NULL) g->promised -= in->puts;
    if (g->count > 0) fit(g);
    drop_if_empty(o, g);
}

void offsets_enter(struct offsets *o, struct offsets_commit *c)
{
    pthread_mutex_lock(&o->lock);
    o->reserved -= c->reserved;
    if (c->in != NULL) enter_all(o, c);
    struct group *gone = c->err == ERR_OK && c->delete_group ? find_group(o, c->group) : NULL;
    if (gone != NULL) remove_entries(o, gone, 0, gone->count);
    pthread_mutex_unlock(&o->lock);
}

/* ---- Look-ups */

/* False when the arena is full. */
static bool copy_entry(const struct entry *e, bool with_metadata, struct arena *arena,
                       struct offset_entry *ret)
{
    struct bytes metadata = BYTES_LIT("");
    if (with_metadata && e->metadata_len > 0)
        metadata = arena_copy(arena, bytes_of(e->metadata, e->metadata_len));
    if (bytes_is_null(metadata)) return false;
    *ret = (struct offset_entry){
        .topic_id = e->topic_id,
        .partition = e->partition,
        .offset = e->offset,
        .leader_epoch = e->leader_epoch,
        .metadata = metadata,
        .commit_ms = e->commit_ms,
        .expire_ms = e->expire_ms,
    };
    return true;
}

bool store_offset(struct store *s, struct bytes group, const struct uuid *topic_id,
                  int32_t partition, struct arena *arena, struct offset_entry *ret)
{
    struct offsets *o = store_offsets(s);
    bool found = false;
    pthread_mutex_lock(&o->lock);
    const struct group *g = find_group(o, group);
    int32_t at = g ? position(g, topic_id, partition, &found) : 0;
    if (found && !copy_entry(&g->entries[at], true, arena, ret))
        *ret = (struct offset_entry){.metadata = BYTES_NULL};
    pthread_mutex_unlock(&o->lock);
    return found;
}

/* How many of the group's entries lie behind the last of all[0, n). */
static int32_t entries_behind(const struct group *g, const struct offset_entry *all, int32_t n,
                              int32_t *ret_at)
{
    bool found = false;
    int32_t at = 0;
    if (n > 0) at = position(g, &all[n - 1].topic_id, all[n - 1].partition, &found);
    *ret_at = at + found;
    return g->count - *ret_at;
}

int32_t store_offsets_of_group(struct store *s, struct bytes group, bool with_metadata,
                               struct arena *arena, struct offset_entry **ret)
{
    struct offsets *o = store_offsets(s);
    struct offset_entry *all = ARENA_NEW(arena, struct offset_entry);
    int32_t n = 0, room = 1, left = all != NULL ? 0 : -1, at = 0;
    do {
        pthread_mutex_lock(&o->lock);
        const struct group *g = find_group(o, group);
        if (g != NULL && left >= 0) left = entries_behind(g, all, n, &at);
        if (g == NULL) left = 0;
        if (left > room - n) {
            room = n + left;
            struct offset_entry *more = ARENA_ARRAY(arena, struct offset_entry, (size_t)room);
            if (more != NULL) mem_copy(more, all, (size_t)n * sizeof *more);
            else left = -1;
            all = more;
        }
        for (int32_t i = 0; i < SLICE_ENTRIES && left > 0; i++, n++, left--)
            if (!copy_entry(&g->entries[at + i], with_metadata, arena, &all[n])) left = -1;
        pthread_mutex_unlock(&o->lock);
    } while (left > 0);
    if (left < 0) return -1;
    *ret = all;
    return n;
}

int32_t store_group_offsets_count(struct store *s, struct bytes group)
{
    struct offsets *o = store_offsets(s);
    pthread_mutex_lock(&o->lock);
    const struct group *g = find_group(o, group);
    int32_t count = g ? g->count : 0;
    pthread_mutex_unlock(&o->lock);
    return count;
}

bool store_has_offsets(struct store *s, struct bytes group)
{
    struct offsets *o = store_offsets(s);
    pthread_mutex_lock(&o->lock);
    bool has = known_group(o, group) != NULL;
    pthread_mutex_unlock(&o->lock);
    return has;
}

void store_offset_groups_each(struct store *s, void *context,
                              void (*fn)(void *context, struct bytes group))
{
    struct offsets *o = store_offsets(s);
    pthread_mutex_lock(&o->lock);
    for (uint32_t i = 0; i < o->groups.bucket_count; i++)
        for (struct map_node *node = o->groups.buckets[i]; node != NULL; node = node->next) {
            const struct group *g = CONTAINER_OF(node, struct group, by_id);
            if (g->count > 0) fn(context, group_id(g));
        }
    pthread_mutex_unlock(&o->lock);
}

/* A group's id, kept while a table that others change is looked through. */
struct found {
    struct heap_item last_first;
    size_t len;
    uint8_t id[];
};

static struct bytes found_id(const struct heap_item *item)
{
    struct found *f = CONTAINER_OF(item, struct found, last_first);
    return bytes_of(f->id, f->len);
}

static int last_first(const struct heap_item *a, const struct heap_item *b)
{
    return bytes_compare(found_id(b), found_id(a));
}

struct groups_page {
    struct heap heap;               /* the first ones so far, the last of them at hand */
    struct map_walk walk;
    struct bytes after;
    uint32_t max;
    size_t bytes, bytes_max;
};

static void drop_last(struct groups_page *page)
{
    struct heap_item *last = heap_first(&page->heap);
    heap_remove(&page->heap, last);
    page->bytes -= found_id(last).len;
    mem_free(CONTAINER_OF(last, struct found, last_first));
}

static void offer(struct groups_page *page, struct bytes id)
{
    struct heap *h = &page->heap;
    if (h->count == page->max && bytes_compare(id, found_id(heap_first(h))) >= 0) return;
    struct found *f = mem_new(sizeof *f + id.len);      /* max and bytes_max bound them */
    f->len = id.len;
    mem_copy(f->id, id.data, id.len);
    heap_add(h, &f->last_first);
    page->bytes += id.len;
    while (h->count > page->max || page->bytes > page->bytes_max) drop_last(page);
}

struct groups_page *groups_page_new(struct bytes after, int32_t max, size_t bytes_max)
{
    struct groups_page *page = NEW(struct groups_page);
    *page = (struct groups_page){.heap.compare = last_first, .after = after, .max = (uint32_t)max,
                                 .bytes_max = bytes_max};
    return page;
}

bool groups_page_look(struct groups_page *page, struct offsets *o)
{
    pthread_mutex_lock(&o->lock);
    for (int left = SLICE_ENTRIES; left > 0 && !page->walk.is_over; left--)
        for (struct map_node *n = map_step(&o->groups, &page->walk); n != NULL; n = n->next) {
            const struct group *g = CONTAINER_OF(n, struct group, by_id);
            bool is_behind = bytes_is_null(page->after) ||
                             bytes_compare(group_id(g), page->after) > 0;
            if (g->count > 0 && is_behind) offer(page, group_id(g));
        }
    pthread_mutex_unlock(&o->lock);
    return !page->walk.is_over;
}

int32_t groups_page_end(struct groups_page *page, struct arena *arena, struct bytes *ret_groups)
{
    CLEANUP(mem_freep) struct groups_page *own = page;
    uint32_t count = page->heap.count;
    CLEANUP(mem_freep) struct found **sorted = NEW_ARRAY(struct found *, count);
    for (uint32_t i = count; i > 0; i--) {
        struct heap_item *last = heap_first(&own->heap);
        heap_remove(&own->heap, last);
        sorted[i - 1] = CONTAINER_OF(last, struct found, last_first);
    }
    int32_t n = 0;
    bool full = false;
    for (uint32_t i = 0; i < count; i++) {
        if (!full) ret_groups[n] = arena_copy(arena, found_id(&sorted[i]->last_first));
        full = full || bytes_is_null(ret_groups[n]);
        n += !full;
        mem_free(sorted[i]);
    }
    return n;
}

int32_t store_offset_groups(struct store *s, struct bytes after, int32_t max, struct arena *arena,
                            struct bytes *ret_groups)
{
    struct groups_page *page = groups_page_new(after, max, arena->cap - arena->used);
    while (groups_page_look(page, store_offsets(s))) continue;
    return groups_page_end(page, arena, ret_groups);
}

int64_t store_offsets_count(struct store *s)
{
    struct offsets *o = store_offsets(s);
    pthread_mutex_lock(&o->lock);
    int64_t count = o->count;
    pthread_mutex_unlock(&o->lock);
    return count;
}

int64_t offsets_bytes(struct offsets *o)
{
    pthread_mutex_lock(&o->lock);
    int64_t bytes = o->bytes;
    pthread_mutex_unlock(&o->lock);
    return bytes;
}

void offsets_set_limit(struct offsets *o, int64_t bytes_max)
{
    pthread_mutex_lock(&o->lock);
    o->limit = bytes_max;
    pthread_mutex_unlock(&o->lock);
}

/* ---- A topic goes */

/* The entries of one topic in a group: [ret_at, ret_at + count). */
static int32_t topic_range(const struct group *g, const struct uuid *topic_id, int32_t *ret_at)
{
    bool found;
    int32_t at = position(g, topic_id, INT32_MIN, &found), end = at;
    while (end < g->count && uuid_equal(&g->entries[end].topic_id, topic_id)) end++;
    *ret_at = at;
    return end - at;
}

void offsets_each_of_topic(struct offsets *o, const struct uuid *topic_id, void *context,
                           void (*fn)(void *context, struct bytes group, int32_t partition))
{
    pthread_mutex_lock(&o->lock);
    for (uint32_t i = 0; i < o->groups.bucket_count; i++)
        for (struct map_node *node = o->groups.buckets[i]; node != NULL; node = node->next) {
            const struct group *g = CONTAINER_OF(node, struct group, by_id);
            int32_t at, count = topic_range(g, topic_id, &at);
            for (int32_t e = at; e < at + count; e++)
                fn(context, group_id(g), g->entries[e].partition);
        }
    pthread_mutex_unlock(&o->lock);
}

void offsets_forget_topic(struct offsets *o, const struct uuid *topic_id)
{
    pthread_mutex_lock(&o->lock);
    for (uint32_t i = 0; i < o->groups.bucket_count; i++)
        for (struct map_node *node = o->groups.buckets[i], *next; node != NULL; node = next) {
            struct group *g = CONTAINER_OF(node, struct group, by_id);
            int32_t at, count = topic_range(g, topic_id, &at);
            next = node->next;
            if (count > 0) remove_entries(o, g, at, count);
        }
    pthread_mutex_unlock(&o->lock);
}

/* ---- Start and end */

enum err offsets_load(struct offsets *o, struct bytes group, const struct offset_entry *from)
{
    struct entry made;
    struct group *g = make_group(o, group);
    if (g == NULL || !make_room(g, 1)) return ERR_BUSY;
    g->promised--;
    if (!make_entry(from, &made)) return ERR_BUSY;
    put_entry(o, g, &made);
    return ERR_OK;
}

struct offsets *offsets_new(int64_t bytes_max)
{
    struct offsets *o = NEW(struct offsets);
    o->limit = bytes_max;
    pthread_mutex_init(&o->lock, NULL);
    return o;
}

void offsets_close(struct offsets *o)
{
    if (o == NULL) return;
    for (uint32_t i = 0; i < o->groups.bucket_count; i++)
        while (o->groups.buckets[i] != NULL) {
            struct group *g = CONTAINER_OF(o->groups.buckets[i], struct group, by_id);
            remove_entries(o, g, 0, g->count);
        }
    map_done(&o->groups);
    pthread_mutex_destroy(&o->lock);
    mem_free(o);
}
