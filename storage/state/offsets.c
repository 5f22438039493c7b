/* Committed offsets on disk, and their way there.
 *
 * A commit travels to the worker that its group's hash picks: there it is staged into the worker's
 * turn together with appends, one write for all, and after the commit it enters the table
 * (offsets_table.c). So the table never tells of what could still be lost, and commits of one group
 * keep their order.
 *
 * Failure: a commit that cannot be written leaves the table as it was. What entering takes is made
 * before the write: without memory a commit is refused, and none is lost behind its write. A topic
 * deleted while a commit of its offsets is under way may leave entries of an id that nobody asks
 * for; they are dropped at the next start. */
#include "storage/state/offsets.h"

#include "base/escape.h"
#include "base/mem.h"
#include "base/net/loop.h"
#include "base/writer.h"
#include "storage/engine/offset_keys.h"
#include "storage/log/worker.h"
#include "storage/state/offsets_table.h"
#include "base/check.h"

enum {
    METADATA_BYTES_MAX = 32767,
    LARGE_BYTES = 64 << 10      /* a commit of so much may wait for the engine */
};

/* ---- Commits */

static void stage_entry(struct kv_batch *b, struct bytes group, const struct offset_entry *e)
{
    uint8_t key[OFFSET_KEY_BYTES_MAX], header[OFFSET_VALUE_HEADER_BYTES];
    size_t len = offset_key_write(group, &e->topic_id, e->partition, key);
    if (e->offset < 0) {
        kv_batch_delete(b, KV_OFFSETS, bytes_of(key, len));
        return;
    }
    struct offset_value v = {.offset = e->offset,
                             .leader_epoch = e->leader_epoch,
                             .commit_ms = e->commit_ms,
                             .expire_ms = e->expire_ms};
    offset_value_write(&v, header);
    const struct bytes parts[] = {bytes_of(header, sizeof header), e->metadata};
    kv_batch_put_parts(b, KV_OFFSETS, bytes_of(key, len), parts, 2);
}

/* No partition is -1, so the last key of the span is nobody's. */
static void stage_delete_group(struct store *s, struct kv_batch *b, struct bytes group)
{
    uint8_t from[OFFSET_KEY_BYTES_MAX], to[OFFSET_KEY_BYTES_MAX];
    struct uuid most;
    memset(&most, 0xff, sizeof most);
    struct bytes first = bytes_of(from, offset_group_key_write(group, from));
    struct bytes end = bytes_of(to, offset_key_write(group, &most, -1, to));
    kv_batch_delete_span(b, store_kv(s), KV_OFFSETS, first, end, first);
}

static void commit_stage(struct store_write *w, struct kv_batch *b)
{
    struct offsets_commit *c = CONTAINER_OF(w, struct offsets_commit, write);
    if (c->delete_group) {
        stage_delete_group(c->store, b, c->group);
        return;
    }
    c->in = entering_new(c);
    c->err = c->in == NULL ? ERR_TOO_LARGE : offsets_promise(store_offsets(c->store), c);
    if (c->err != ERR_OK) return;
    for (int32_t i = 0; i < c->entry_count; i++) stage_entry(b, c->group, &c->entries[i]);
}

static void commit_home(struct job *job)
{
    struct offsets_commit *c = CONTAINER_OF(job, struct offsets_commit, job);
    c->done(c);
}

static void commit_answer(struct offsets_commit *c)
{
    c->job.run = commit_home;
    loop_answer(c->home, &c->job);
}

static void commit_done(struct store_write *w, enum err err)
{
    struct offsets_commit *c = CONTAINER_OF(w, struct offsets_commit, write);
    if (c->err == ERR_OK) c->err = err;
    offsets_enter(store_offsets(c->store), c);
    entering_free(TAKE(c->in));
    commit_answer(c);
}

void store_offsets_commit(struct store *s, struct offsets_commit *c)
{
    c->store = s;
    c->err = c->group.len > OFFSET_GROUP_BYTES_MAX ? ERR_TOO_LARGE : ERR_OK;
    c->reserved = 0;
    c->in = NULL;
    size_t bytes = 0;
    for (int32_t i = 0; i < c->entry_count; i++) {
        bytes += c->group.len + c->entries[i].metadata.len;
        if (c->entries[i].metadata.len > METADATA_BYTES_MAX) c->err = ERR_TOO_LARGE;
    }
    if (c->err != ERR_OK) {
        commit_answer(c);
        return;
    }
    c->write.stage = commit_stage;
    c->write.done = commit_done;
    c->write.affinity = bytes_hash(c->group);
    c->write.reads = c->delete_group;
    c->write.large = bytes >= LARGE_BYTES;
    store_write(s, &c->write);
}

/* ---- A topic goes */

struct erasure {
    struct kv_batch *batch;
    const struct uuid *topic_id;
};

static void erase_entry(void *context, struct bytes group, int32_t partition)
{
    const struct erasure *e = context;
    struct offset_entry gone = {.topic_id = *e->topic_id, .partition = partition, .offset = -1};
    stage_entry(e->batch, group, &gone);
}

void offsets_erase_topic(struct offsets *o, struct kv_batch *b, const struct uuid *topic_id)
{
    offsets_each_of_topic(o, topic_id, &(struct erasure){b, topic_id}, erase_entry);
}

/* ---- Start and end */

/* Errors: ERR_FORMAT. Thread: main, at start. */
static enum err read_entry(struct bytes key, struct bytes value, struct bytes *ret_group,
                           struct offset_entry *ret)
{
    struct offset_entry e;
    struct offset_value v;
    TRY(offset_key_read(key, ret_group, &e.topic_id, &e.partition));
    TRY(offset_value_read(value, &v, &e.metadata));
    if (v.offset < 0 || e.metadata.len > METADATA_BYTES_MAX) return ERR_FORMAT;
    e.offset = v.offset;
    e.leader_epoch = v.leader_epoch;
    e.commit_ms = v.commit_ms;
    e.expire_ms = v.expire_ms;
    *ret = e;
    return ERR_OK;
}

/* Errors: ERR_DISK; ERR_FORMAT; ERR_BUSY. Thread: main, at start; blocks. */
static enum err load(struct store *s, struct offsets *o)
{
    struct kv *kv = store_kv(s);
    CLEANUP(kv_batch_freep) struct kv_batch *orphans = kv_batch_new(kv);
    size_t clean = kv_batch_bytes(orphans);
    CLEANUP(kv_iter_freep)
    struct kv_iter *it = kv_iter_new(kv, KV_OFFSETS, BYTES_LIT(""), BYTES_NULL, false);
    while (kv_iter_next(it)) {
        struct bytes group = BYTES_NULL;
        struct offset_entry e;
        TRY(read_entry(kv_iter_key(it), kv_iter_value(it), &group, &e));
        CLEANUP(topic_unrefp) struct topic *t = store_topic_by_id(s, &e.topic_id);
        if (t != NULL) TRY(offsets_load(o, group, &e));
        else kv_batch_delete(orphans, KV_OFFSETS, kv_iter_key(it));
    }
    TRY(kv_iter_error(it));
    return kv_batch_bytes(orphans) > clean ? kv_commit(kv, orphans, KV_NO_SYNC) : ERR_OK;
}

enum err offsets_open(struct store *s, struct offsets **ret)
{
    struct offsets *o = offsets_new(store_options(s)->offsets_bytes_max);
    enum err err = load(s, o);
    if (err != ERR_OK) {
        offsets_close(o);
        return err;
    }
    *ret = o;
    return ERR_OK;
}

enum err offsets_check(struct kv *kv, struct writer *out, int64_t *ret_wrong)
{
    int64_t wrong = 0;
    CLEANUP(kv_iter_freep)
    struct kv_iter *it = kv_iter_new(kv, KV_OFFSETS, BYTES_LIT(""), BYTES_NULL, false);
    while (kv_iter_next(it)) {
        struct bytes group = BYTES_NULL;
        struct offset_entry e;
        if (read_entry(kv_iter_key(it), kv_iter_value(it), &group, &e) == ERR_OK) continue;
        writer_text(out, "offsets: an entry of group \"");
        escape_write(out, group);
        writer_text(out, "\" cannot be read\n");
        wrong++;
    }
    TRY(kv_iter_error(it));
    *ret_wrong = wrong;
    return ERR_OK;
}
