/* A member: what it said about itself, and whether an assignment is due. */
#include "broker/group/group.h"

#include "base/mem.h"
#include "base/check.h"

/* The block of a member's own. */
static size_t protocol_bytes(const struct join_in *in)
{
    size_t total = in->protocol_count * sizeof(struct known_protocol);
    for (uint32_t i = 0; i < in->protocol_count; i++) total += in->protocols[i].metadata.len;
    return total;
}

/* Of names that nobody in the group knows yet. */
static size_t name_bytes(const struct group *g, const struct join_in *in)
{
    /* The buckets of their map at most double, and have two for each name at most. */
    enum { BUCKETS_FIRST = 160, BUCKETS_EACH = 2 * sizeof(struct map_node *) };
    size_t total = 0;
    for (uint32_t i = 0; i < in->protocol_count; i++)
        if (group_supported(g, in->protocols[i].name) == NULL)
            total += group_block(sizeof(struct supported)) +
                     group_block(in->protocols[i].name.len + 1) + BUCKETS_EACH;
    return total > 0 ? total + BUCKETS_FIRST + group_map_bytes(&g->protocols) : 0;
}

size_t member_bytes(const struct group *g, const struct member *m, const struct join_in *in)
{
    size_t protocols = group_block(protocol_bytes(in)), names = name_bytes(g, in);
    size_t had = m != NULL ? group_block(m->protocol_bytes) : 0;
    if (m != NULL) return names + (protocols > had ? protocols - had : 0);
    size_t prefix = in->client_id.len + in->instance_id.len + in->member_id.len;
    return group_block(sizeof *m) + protocols + names + group_index_growth(g) +
           group_block(prefix + MEMBER_ID_RANDOM_CHARS + 2) + group_block(in->client_id.len + 1) +
           group_block(in->client_host.len + 1) + group_block(in->instance_id.len + 1) +
           group_block(1);
}

static void protocols_drop(struct member *m)
{
    for (uint32_t i = 0; i < m->protocol_count; i++)
        group_unlearn(m, m->protocols[i].supported);
    group_release(m->group, m->protocol_bytes);
    m->protocol_count = 0;
    m->protocols = mem_free(m->protocols);
}

/* A name that comes twice counts once, with its first place and metadata. */
static void protocols_keep(struct member *m, const struct join_in *in)
{
    m->protocol_bytes = protocol_bytes(in);
    group_hold(m->group, m->protocol_bytes);
    m->protocols = mem_new(m->protocol_bytes);
    m->protocol_count = 0;
    uint8_t *at = (uint8_t *)(m->protocols + in->protocol_count);
    for (uint32_t i = 0; i < in->protocol_count; i++) {
        struct bytes metadata = in->protocols[i].metadata;
        struct supported *s = group_learn(m, in->protocols[i].name);
        if (s == NULL) continue;
        m->protocols[m->protocol_count++] =
            (struct known_protocol){s, bytes_of(at, metadata.len)};
        mem_copy(at, metadata.data, metadata.len);
        at += metadata.len;
    }
}

void member_init(struct member *m, struct group *g, struct bytes id, const struct join_in *in)
{
    group_hold(g, sizeof *m);
    *m = (struct member){
        .group = g,
        .session = {.kind = TIMER_SESSION},
        .id = group_keep(g, id),
        .instance_id = group_keep(g, in->instance_id),
        .client_id = group_keep(g, in->client_id),
        .client_host = group_keep(g, in->client_host),
        .assignment = group_keep(g, BYTES_LIT("")),
        .session_ms = in->session_ms,
        .rebalance_ms = in->rebalance_ms,
    };
    protocols_keep(m, in);
}

void member_done(struct member *m)
{
    struct group *g = m->group;
    timer_cancel(&g->table->timers, &m->session);
    protocols_drop(m);
    group_drop(g, &m->id);
    group_drop(g, &m->instance_id);
    group_drop(g, &m->client_id);
    group_drop(g, &m->client_host);
    group_drop(g, &m->assignment);
    group_release(g, sizeof *m);
}

void member_update(struct member *m, const struct join_in *in)
{
    protocols_drop(m);
    protocols_keep(m, in);
    m->session_ms = in->session_ms;
    m->rebalance_ms = in->rebalance_ms;
}

bool member_matches(const struct member *m, const struct join_in *in)
{
    if (m->protocol_count != in->protocol_count) return false;
    for (uint32_t i = 0; i < in->protocol_count; i++) {
        if (!bytes_equal(m->protocols[i].supported->name, in->protocols[i].name)) return false;
        if (bytes_compare(m->protocols[i].metadata, in->protocols[i].metadata) != 0) return false;
    }
    return true;
}

const struct known_protocol *member_protocol(const struct member *m, struct bytes name)
{
    const struct supported *s = group_supported(m->group, name);
    for (uint32_t i = 0; s != NULL && i < m->protocol_count; i++)
        if (m->protocols[i].supported == s) return &m->protocols[i];
    return NULL;
}

struct bytes member_metadata(const struct member *m, struct bytes protocol)
{
    const struct known_protocol *p = member_protocol(m, protocol);
    return p == NULL ? BYTES_NULL : p->metadata;
}

void member_set_assignment(struct member *m, struct bytes assignment)
{
    group_replace(m->group, &m->assignment, assignment);
}

void member_keep_alive(struct member *m, int64_t now_ms, int32_t wait_ms)
{
    timer_set(&m->group->table->timers, &m->session, now_ms + wait_ms);
}

void member_set_sync_due(struct member *m, bool due)
{
    if (m->sync_due == due) return;
    m->sync_due = due;
    if (due)
        m->group->sync_due_count++;
    else
        m->group->sync_due_count--;
}
