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
    *(c->prev ? &c->prev->next : &c->gl->commits) = c->next;
    if (c->next != NULL) c->next->prev = c->prev;
    c->done(c, client_err(commit->err));
}

void group_commit_begin(struct groups_loop *gl, struct group_commit *c)
{
    c->gl = gl;
    c->prev = NULL;
    c->next = gl->commits;
    if (c->next != NULL) c->next->prev = c;
    gl->commits = c;
    c->commit.home = gl->home->loop;
    c->commit.done = stored;
    store_offsets_commit(gl->home->broker->store, &c->commit);
}

void group_commits_forget(struct groups_loop *gl)
{
    for (struct group_commit *c = gl->commits; c != NULL; c = c->next) c->gl = NULL;
    gl->commits = NULL;
}

bool group_commits_under_way(const struct groups_loop *gl, struct bytes group_id)
{
    for (const struct group_commit *c = gl->commits; c != NULL; c = c->next)
        if (bytes_equal(c->commit.group, group_id)) return true;
    return false;
}
