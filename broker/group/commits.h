/* Changes of a group's committed offsets on their way through storage. The loop that owns the group
 * makes them, in order, and knows which are under way, so that expiry does not remove an offset
 * that is just being committed anew. Thread: the owner's loop. */
#ifndef BROKER_GROUP_COMMITS_H
#define BROKER_GROUP_COMMITS_H

#include "broker/group/groups_loop.h"
#include "storage/state/offsets.h"

struct group_commit {
    struct offsets_commit commit;       /* set before: group, entries, entry_count, delete_group */
    void (*done)(struct group_commit *c, enum err err);     /* err as a client is told it */
    struct groups_loop *gl;
    struct map_node by_group;           /* among those under way */
};
void group_commit_begin(struct groups_loop *gl, struct group_commit *c);
/* When the loop goes before storage does: what comes back later finds nobody. */
void group_commits_forget(struct groups_loop *gl);
bool group_commits_under_way(const struct groups_loop *gl, struct bytes group_id);

#endif
