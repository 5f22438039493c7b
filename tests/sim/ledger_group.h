/* What the members of a consumer group know of it: generations, who has which partition, offsets
 * that were committed. A partition's offsets only grow. */
#ifndef TESTS_SIM_LEDGER_GROUP_H
#define TESTS_SIM_LEDGER_GROUP_H

#include "sim/ledger.h"

enum { GROUP_PARTITIONS = 3, GROUP_MEMBERS = 2 };

struct ledger_group {
    int64_t sent[GROUP_PARTITIONS], acknowledged[GROUP_PARTITIONS], read[GROUP_PARTITIONS];
    int32_t generation;             /* the newest that a member heard of; with a death of the server
                                       they begin anew */
    int32_t assigned_generation;    /* which these are of */
    uint32_t assigned[GROUP_MEMBERS];
};

static inline void ledger_group_begins_anew(struct ledger_group *g)
{
    g->generation = g->assigned_generation = 0;
}

static inline void ledger_group_joined(struct ledger_group *g, int32_t generation)
{
    if (generation > g->generation) g->generation = generation;
}

/* partitions: a bit each. */
static inline void ledger_group_assigned(struct ledger *l, struct ledger_group *g, int member,
                                         int32_t generation, uint32_t partitions)
{
    if (generation < g->assigned_generation) return;
    if (generation > g->assigned_generation) memset(g->assigned, 0, sizeof g->assigned);
    g->assigned_generation = generation;
    g->assigned[member] = partitions;
    for (int i = 0; i < GROUP_MEMBERS; i++)
        if (i != member && (g->assigned[i] & partitions) != 0)
            ledger_wrong(l, "generation %d gives a partition to two members", (int)generation);
}

/* is_old: a newer generation had been heard of when it was sent. */
static inline void ledger_group_committed(struct ledger *l, struct ledger_group *g,
                                          int32_t partition, int64_t offset, bool is_old)
{
    if (is_old) ledger_wrong(l, "a member of an old generation committed %lld", (long long)offset);
    if (offset > g->acknowledged[partition]) g->acknowledged[partition] = offset;
}

/* What a read that is asked for now has to tell, or more. */
static inline int64_t ledger_group_least(const struct ledger_group *g, int32_t partition)
{
    int64_t read = g->read[partition], acknowledged = g->acknowledged[partition];
    return read > acknowledged ? read : acknowledged;
}

/* least: by then; offset -1: there is none. */
static inline void ledger_group_read(struct ledger *l, struct ledger_group *g, int32_t partition,
                                     int64_t offset, int64_t least)
{
    if (offset < 0) offset = 0;
    if (offset < least)
        ledger_wrong(l, "offset %lld is committed, %lld was acknowledged or read",
                     (long long)offset, (long long)least);
    if (offset > g->sent[partition])
        ledger_wrong(l, "nobody committed %lld", (long long)offset);
    if (offset > g->read[partition]) g->read[partition] = offset;
}

#endif
