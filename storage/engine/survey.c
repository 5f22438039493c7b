#include "storage/engine/survey.h"

#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "storage/engine/wal_keys.h"
#include "base/check.h"

enum {
    LOG_BYTES = 8,              /* of a run's key: what tells logs apart */
    STRAYS_MAX = 16,            /* entries of other extents that a walk passes, then looks anew */
};

void survey_done(struct survey *v)
{
    mem_free(v->runs);
    mem_free(v->holes);
}

/* ---- What the frames say */

static bool visit_run(void *context, const uint8_t key[RUN_KEY_BYTES],
                      const struct wal_pointer *at)
{
    struct survey *v = context;
    if (v->run_count == v->run_cap) {
        v->run_cap = v->run_cap ? v->run_cap * 2 : 256;
        v->runs = mem_grow(v->runs, v->run_cap * sizeof *v->runs);
    }
    struct survey_run *run = &v->runs[v->run_count++];
    *run = (struct survey_run){.at = *at};
    mem_copy(run->key, key, RUN_KEY_BYTES);
    return true;
}

/* ---- What the tables say */

static int by_key(const void *a, const void *b)
{
    const struct survey_run *const *x = a, *const *y = b;
    return memcmp((*x)->key, (*y)->key, RUN_KEY_BYTES);
}

static bool leads_here(struct bytes value, const struct wal_pointer *at)
{
    struct wal_pointer now;
    return value.len == 1 + POINTER_BYTES && value.data[0] == VALUE_POINTER &&
           pointer_read(bytes_slice(value, 1, POINTER_BYTES), &now) == ERR_OK &&
           wal_pointer_compare(&now, at) == 0;
}

static int compare(const struct survey_run *run, struct bytes key)
{
    return bytes_compare(bytes_of(run->key, RUN_KEY_BYTES), key);
}

/* One walk from the first of these runs, of one log and by key, until they or the entries are
 * through, or too many are of other extents. Returns how many are done.
 * Errors: ERR_DISK. Thread: the sweeper; blocks. */
static enum err walk(struct kv *tables, struct survey_run *const *runs, size_t count,
                     size_t *ret_done)
{
    uint8_t to[RUN_KEY_BYTES + 1] = {0};
    mem_copy(to, runs[count - 1]->key, RUN_KEY_BYTES);
    CLEANUP(kv_iter_freep) struct kv_iter *it =
        kv_iter_new(tables, KV_LOG, bytes_of(runs[0]->key, RUN_KEY_BYTES),
                    bytes_of(to, sizeof to), false);
    size_t i = 0;
    for (int strays = 0; i < count && strays < STRAYS_MAX;) {
        if (!kv_iter_next(it)) {
            i = count;
            break;
        }
        struct bytes key = kv_iter_key(it);
        while (i < count && compare(runs[i], key) < 0) i++;
        strays++;
        for (; i < count && compare(runs[i], key) == 0; i++) {
            runs[i]->alive = leads_here(kv_iter_value(it), &runs[i]->at);
            strays = 0;
        }
    }
    *ret_done = i;
    return kv_iter_error(it);
}

static bool same_log(const struct survey_run *a, const struct survey_run *b)
{
    return memcmp(a->key, b->key, LOG_BYTES) == 0;
}

/* Errors: ERR_DISK. Thread: the sweeper; blocks. */
static enum err look_up(struct survey *v, struct kv *tables, const atomic_bool *stop)
{
    if (v->run_count == 0) return ERR_OK;
    CLEANUP(mem_freep) void *memory = NEW_ARRAY(struct survey_run *, v->run_count);
    struct survey_run **all = memory;
    for (uint32_t i = 0; i < v->run_count; i++) all[i] = &v->runs[i];
    qsort(all, v->run_count, sizeof *all, by_key);
    for (size_t i = 0, j; i < v->run_count; i = j) {
        for (j = i + 1; j < v->run_count && same_log(all[i], all[j]); j++) {}
        for (size_t done; i < j; i += done) {
            if (atomic_load(stop)) return ERR_OK;
            TRY(walk(tables, all + i, j - i, &done));
        }
    }
    return ERR_OK;
}

/* ---- Both */

static void add_hole(struct survey *v, uint32_t at, uint32_t bytes)
{
    struct survey_hole *last = v->hole_count > 0 ? &v->holes[v->hole_count - 1] : NULL;
    if (last != NULL && last->at + last->bytes == at) {
        last->bytes += bytes;
        return;
    }
    if (v->hole_count == v->hole_cap) {
        v->hole_cap = v->hole_cap ? v->hole_cap * 2 : 256;
        v->holes = mem_grow(v->holes, v->hole_cap * sizeof *v->holes);
    }
    v->holes[v->hole_count++] = (struct survey_hole){at, bytes};
}

/* A frame's batch is needed by nobody once tables have it: it is taken for a dead run. */
static bool visit_batch(void *context, uint32_t at, uint32_t bytes, uint32_t next)
{
    static const uint8_t no_key[RUN_KEY_BYTES];
    const struct wal_pointer place = {.position = at, .bytes = bytes};
    struct survey *v = context;
    visit_run(v, no_key, &place);
    if (v->run_count < SURVEY_ENTRIES_MAX) return true;
    v->next = next;
    return false;
}

static void part(struct survey *v)
{
    uint32_t living = 0;
    for (uint32_t i = 0; i < v->run_count; i++) {
        if (v->runs[i].alive) v->runs[living++] = v->runs[i];
        else add_hole(v, v->runs[i].at.position, v->runs[i].at.bytes);
    }
    v->run_count = living;
}

enum err survey_take(struct wal *w, struct kv *tables, uint64_t extent, uint32_t from,
                     const atomic_bool *stop, struct survey *ret)
{
    *ret = (struct survey){0};
    const struct wal_visit visit = {.context = ret, .run = visit_run, .batch = visit_batch,
                                    .from = from};
    TRY(wal_visit(w, extent, &visit));
    TRY(look_up(ret, tables, stop));
    if (!atomic_load(stop)) part(ret);
    return ERR_OK;
}
