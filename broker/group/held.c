/* What a group holds, counted: in the group, in its table and among all tables. */
#include "broker/group/group.h"

#include <assert.h>
#include "base/mem.h"
#include "base/check.h"

size_t group_block(size_t bytes)
{
    enum { HEAD = sizeof(size_t), STEP = 2 * HEAD, LEAST = 2 * STEP };
    size_t block = (bytes + HEAD + STEP - 1) / STEP * STEP;
    return block > LEAST ? block : LEAST;
}

size_t group_map_bytes(const struct map *m)
{
    return m->bucket_count > 0 ? group_block(m->bucket_count * sizeof(struct map_node *)) : 0;
}

size_t group_map_growth(const struct map *m)
{
    enum { BUCKETS_FIRST = 16 };        /* of base/map.c */
    if (m->count < m->bucket_count) return 0;
    uint32_t count = m->bucket_count > 0 ? 2 * m->bucket_count : BUCKETS_FIRST;
    return group_block(count * sizeof(struct map_node *)) - group_map_bytes(m);
}

static void table_hold(struct groups *gs, size_t bytes)
{
    gs->bytes_used += bytes;
    if (gs->config.bytes_all != NULL) atomic_fetch_add(gs->config.bytes_all, bytes);
}

static void table_release(struct groups *gs, size_t bytes)
{
    assert(gs->bytes_used >= bytes);
    gs->bytes_used -= bytes;
    if (gs->config.bytes_all != NULL) atomic_fetch_sub(gs->config.bytes_all, bytes);
}

void group_hold(struct group *g, size_t bytes)
{
    g->bytes += group_block(bytes);
    table_hold(g->table, group_block(bytes));
}

void group_release(struct group *g, size_t bytes)
{
    assert(g->bytes >= group_block(bytes));
    g->bytes -= group_block(bytes);
    table_release(g->table, group_block(bytes));
}

void groups_index(struct groups *gs, struct map *m, struct map_node *n, uint64_t hash)
{
    size_t had = group_map_bytes(m);
    map_put(m, n, hash);
    table_hold(gs, group_map_bytes(m) - had);
}

void group_index(struct group *g, struct map *m, struct map_node *n, uint64_t hash)
{
    size_t had = group_map_bytes(m);
    groups_index(g->table, m, n, hash);
    g->bytes += group_map_bytes(m) - had;
}

void groups_index_done(struct groups *gs, struct map *m)
{
    table_release(gs, group_map_bytes(m));
    map_done(m);
}

void group_index_done(struct group *g, struct map *m)
{
    g->bytes -= group_map_bytes(m);
    groups_index_done(g->table, m);
}

size_t group_index_growth(const struct group *g)
{
    return group_map_growth(&g->members) + group_map_growth(&g->instances) +
           group_map_growth(&g->pendings) + group_map_growth(&g->table->waits);
}

struct bytes group_keep(struct group *g, struct bytes b)
{
    if (bytes_is_null(b)) return BYTES_NULL;
    group_hold(g, b.len + 1);
    return bytes_of(mem_string((const char *)b.data, b.len), b.len);
}

void group_drop(struct group *g, struct bytes *b)
{
    if (b->data != NULL) group_release(g, b->len + 1);
    mem_free((void *)b->data);
    *b = BYTES_NULL;
}

void group_replace(struct group *g, struct bytes *b, struct bytes with)
{
    struct bytes kept = group_keep(g, with);
    group_drop(g, b);
    *b = kept;
}
