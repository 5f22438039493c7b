/* What a group holds, counted: in the group, in its table and among all tables. */
#include "broker/group/group.h"

#include <assert.h>
#include "base/mem.h"
#include "base/check.h"

void group_hold(struct group *g, size_t bytes)
{
    g->bytes += bytes;
    g->table->bytes_used += bytes;
    if (g->table->config.bytes_all != NULL) atomic_fetch_add(g->table->config.bytes_all, bytes);
}

void group_release(struct group *g, size_t bytes)
{
    assert(g->bytes >= bytes && g->table->bytes_used >= bytes);
    g->bytes -= bytes;
    g->table->bytes_used -= bytes;
    if (g->table->config.bytes_all != NULL) atomic_fetch_sub(g->table->config.bytes_all, bytes);
}

struct bytes group_keep(struct group *g, struct bytes b)
{
    if (bytes_is_null(b)) return BYTES_NULL;
    group_hold(g, b.len);
    return bytes_of(mem_string((const char *)b.data, b.len), b.len);
}

void group_drop(struct group *g, struct bytes *b)
{
    group_release(g, b->len);
    mem_free((void *)b->data);
    *b = BYTES_NULL;
}

void group_replace(struct group *g, struct bytes *b, struct bytes with)
{
    struct bytes kept = group_keep(g, with);
    group_drop(g, b);
    *b = kept;
}
