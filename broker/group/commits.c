#include "broker/group/commits.h"

#include "base/check.h"

/* As Kafka's coordinator words what its log refuses: the client asks for the coordinator anew and
 * tries again. */
static enum err client_err(enum err err)
{
    switch (err) {
    case ERR_OK: return ERR_OK;
    case ERR_TOO_LARGE: return ERR_INVALID_COMMIT_OFFSET_SIZE;
    default: return ERR_NOT_COORDINATOR;
    }
}

static void stored(struct offsets_commit *commit)
{
    struct group_commit *c = CONTAINER_OF(commit, struct group_commit, commit);
    if (c->gl == NULL) return;      /* the server stops, and nobody waits any more */
    map_remove(&c->gl->commits, &c->by_group);
    c->done(c, client_err(commit->err));
}

void group_commit_begin(struct groups_loop *gl, struct group_commit *c)
{
    c->gl = gl;
    map_put(&gl->commits, &c->by_group, bytes_hash(c->commit.group));
    c->commit.home = gl->coordinator.home->loop;
    c->commit.done = stored;
    store_offsets_commit(groups_loop_store(gl), &c->commit);
}

static struct group_commit *of_node(struct map_node *n)
{
    return CONTAINER_OF(n, struct group_commit, by_group);
}

void group_commits_forget(struct groups_loop *gl)
{
    for (uint32_t i = 0; i < gl->commits.bucket_count; i++)
        for (struct map_node *n = gl->commits.buckets[i]; n != NULL; n = n->next)
            of_node(n)->gl = NULL;
    map_done(&gl->commits);
}

bool group_commits_under_way(const struct groups_loop *gl, struct bytes group_id)
{
    for (struct map_node *n = map_first(&gl->commits, bytes_hash(group_id)); n; n = map_next(n))
        if (bytes_equal(of_node(n)->commit.group, group_id)) return true;
    return false;
}
