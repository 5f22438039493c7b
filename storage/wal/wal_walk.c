/* Reading the log's frames: those that a start applies again, and the runs of one extent. */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "base/crc32c.h"
#include "base/mem.h"
#include "storage/wal/wal_impl.h"
#include "base/check.h"

enum { LOOK_BYTES = 256 << 10 };

enum err frame_at(struct extent *e, uint64_t bytes, uint64_t position, uint64_t store_id,
                  struct frame_header *ret)
{
    uint8_t header[FRAME_HEADER_BYTES];
    if (position > bytes || bytes - position < sizeof header) return ERR_FORMAT;
    TRY(file_read(e->file, header, sizeof header, position));
    TRY(frame_header_read(header, ret));
    if (ret->store_id != store_id || ret->extent != e->known.number || ret->position != position)
        return ERR_FORMAT;
    return frame_bytes(ret->payload_bytes, ret->run_count, ret->batch_bytes) <= bytes - position
               ? ERR_OK : ERR_FORMAT;
}

struct walk {
    struct wal *w;
    struct extent *e;           /* in use */
    uint64_t bytes;             /* of its file */
    uint64_t verify_from;
    struct wal_end *end;
    uint8_t *table;             /* run table and batch of the frame */
    size_t table_cap;
    uint8_t *payload;
};

static void walk_done(struct walk *k)
{
    if (k->e != NULL) extent_end(k->w, k->e);
    mem_free(k->table);
    mem_free(k->payload);
}

static enum err walk_enter(struct walk *k, uint64_t extent)
{
    if (k->e != NULL) extent_end(k->w, TAKE(k->e));
    TRY(extent_use(k->w, extent, &k->e));
    k->bytes = file_bytes(k->e->file);
    return ERR_OK;
}

/* What the frames of this extent bring is on its way to tables: who wrote them may have ended
 * before they were synced. */
static void walk_dirty(struct walk *k)
{
    pthread_mutex_lock(&k->w->lock);
    k->e->dirty = k->w->names_dirty = !k->w->read_only;
    pthread_mutex_unlock(&k->w->lock);
}

static size_t table_bytes(const struct frame_header *h)
{
    return (size_t)h->run_count * FRAME_RUN_BYTES;
}

static uint64_t table_at(const struct frame_header *h)
{
    return (uint64_t)h->position + FRAME_HEADER_BYTES + h->payload_bytes;
}

/* The run table, and batch_bytes of the batch behind it.
 * Errors: ERR_FORMAT; ERR_DISK. Thread: the walk's. */
static enum err read_table(struct walk *k, const struct frame_header *h, size_t batch_bytes)
{
    size_t len = table_bytes(h) + batch_bytes;
    if (len > k->table_cap) {
        mem_free(k->table);
        k->table = mem_new(len);
        k->table_cap = len;
    }
    TRY(file_read(k->e->file, k->table, len, table_at(h)));
    return crc32c(k->table, table_bytes(h)) == h->table_crc ? ERR_OK : ERR_FORMAT;
}

static enum err check_payload(struct walk *k, const struct frame_header *h)
{
    k->payload = mem_grow(k->payload, h->payload_bytes + 1u);
    TRY(file_read(k->e->file, k->payload, h->payload_bytes, h->position + FRAME_HEADER_BYTES));
    for (uint32_t i = 0; i < h->run_count; i++) {
        struct frame_run r;
        frame_run_read(k->table + (size_t)i * FRAME_RUN_BYTES, &r);
        if (r.at > h->payload_bytes || r.bytes > h->payload_bytes - r.at ||
            crc32c(k->payload + r.at, r.bytes) != r.crc)
            return ERR_FORMAT;
    }
    return ERR_OK;
}

/* The next frame, whole. Errors: ERR_FORMAT - none stands there; ERR_DISK. Thread: the walk's. */
static enum err walk_next(struct walk *k, struct frame_header *h)
{
    const struct wal_place *p = &k->end->place;
    TRY(frame_at(k->e, k->bytes, p->position, p->store_id, h));
    if (h->frame != p->frame + 1) return ERR_FORMAT;
    TRY(read_table(k, h, h->batch_bytes));
    if (crc32c(k->table + table_bytes(h), h->batch_bytes) != h->batch_crc) return ERR_FORMAT;
    return h->frame > k->verify_from ? check_payload(k, h) : ERR_OK;
}

/* How far there is something other than zeros behind the end. */
static enum err count_torn(struct walk *k)
{
    CLEANUP(mem_freep) uint8_t *some = mem_new(LOOK_BYTES);
    uint64_t from = k->end->place.position;
    for (uint64_t at = from, len; at < k->bytes; at += len) {
        len = k->bytes - at < LOOK_BYTES ? k->bytes - at : LOOK_BYTES;
        TRY(file_read(k->e->file, some, len, at));
        for (uint64_t i = len; i > 0; i--) {
            if (some[i - 1] == 0) continue;
            k->end->torn_bytes = at + i - from;
            break;
        }
    }
    return ERR_OK;
}

/* The extent is sealed; the next frame tells of it, if there is one. */
static void walk_leave(struct walk *k)
{
    const struct wal_place *p = &k->end->place;
    pthread_mutex_lock(&k->w->lock);
    struct wal_extent *left = &k->e->known;
    left->sealed = true;
    left->end = p->position;
    left->last_frame = p->frame;
    left->payload_bytes = p->payload_bytes;
    k->e->is_known = true;
    k->w->sealed = *left;
    k->w->has_sealed = true;
    pthread_mutex_unlock(&k->w->lock);
}

/* The log goes on in the next extent, if that one begins with the next frame.
 * Errors: ERR_NOT_FOUND - it ends here; ERR_DISK. Thread: the walk's. */
static enum err walk_on(struct walk *k)
{
    struct wal_extent next;
    struct wal_place *p = &k->end->place;
    if (!wal_extent_from(k->w, p->extent + 1, &next)) return ERR_NOT_FOUND;
    struct extent *e;
    TRY(extent_use(k->w, next.number, &e));
    struct extent_header h;
    enum err err = extent_read_header(e, &h);
    extent_end(k->w, e);
    if (err == ERR_FORMAT) return ERR_NOT_FOUND;
    TRY(err);
    if (h.store_id != p->store_id || h.first_frame != p->frame + 1) return ERR_NOT_FOUND;
    if (k->e != NULL) walk_leave(k);
    TRY(walk_enter(k, next.number));
    p->extent = next.number;
    p->position = EXTENT_HEADER_BYTES;
    p->payload_bytes = 0;
    return ERR_OK;
}

/* The last frame in front of the extent; 0: its header does not say so. */
static uint64_t frame_before(struct walk *k, uint64_t extent)
{
    struct extent *e;
    struct extent_header h;
    if (extent_use(k->w, extent, &e) != ERR_OK) return 0;
    enum err err = extent_read_header(e, &h);
    extent_end(k->w, e);
    return err == ERR_OK && h.store_id == k->end->place.store_id ? h.first_frame - 1 : 0;
}

static void say_end(struct walk *k)
{
    struct wal_extent later;
    struct wal_end *end = k->end;
    for (uint64_t n = end->place.extent + 1; wal_extent_from(k->w, n, &later);
         n = later.number + 1) {
        end->later_extents++;
        uint64_t frame = frame_before(k, later.number);
        if (frame > end->later_frame) end->later_frame = frame;
    }
    if (end->torn_bytes > 0 || end->later_extents > 0) {
        char name[EXTENT_NAME_BYTES];
        extent_name(end->place.extent, name);
        snprintf(end->text, sizeof end->text, "%s: nothing whole follows frame %" PRIu64 " at %u",
                 name, end->place.frame, end->place.position);
    }
}

/* Where nothing is known the log begins with its oldest extent.
 * Errors: ERR_NOT_FOUND - there is none; ERR_DISK. Thread: the walk's. */
static enum err walk_first(struct walk *k)
{
    struct wal_extent oldest;
    struct extent_header h;
    if (!wal_extent_from(k->w, 0, &oldest)) return ERR_NOT_FOUND;
    TRY(walk_enter(k, oldest.number));
    enum err err = extent_read_header(k->e, &h);
    if (err == ERR_FORMAT || (err == ERR_OK && h.first_frame != 1)) return ERR_NOT_FOUND;
    TRY(err);
    k->end->place = (struct wal_place){.store_id = h.store_id, .extent = oldest.number,
                                       .position = EXTENT_HEADER_BYTES};
    return ERR_OK;
}

enum err wal_walk(struct wal *w, const struct wal_place *from, uint64_t verify_from, void *context,
                  enum err (*fn)(void *context, const struct wal_frame *frame),
                  struct wal_end *ret)
{
    *ret = (struct wal_end){.place = *from};
    CLEANUP(walk_done) struct walk k = {.w = w, .verify_from = verify_from, .end = ret};
    enum err err = from->store_id == 0 ? walk_first(&k) : walk_enter(&k, from->extent);
    /* The extent of the last frame that is in tables goes as others do when all in it is dead. */
    if (err == ERR_NOT_FOUND && from->store_id != 0) err = walk_on(&k);
    if (err == ERR_NOT_FOUND) {         /* damage: the caller finds the end too early */
        say_end(&k);
        return ERR_OK;
    }
    TRY(err);
    struct wal_place *p = &ret->place;
    for (;;) {
        struct frame_header h;
        err = walk_next(&k, &h);
        if (err == ERR_OK) {
            const struct wal_frame frame = {
                .frame = h.frame,
                .batch = bytes_of(k.table + table_bytes(&h), h.batch_bytes),
                .payload_bytes = h.payload_bytes,
            };
            TRY(fn(context, &frame));
            walk_dirty(&k);
            w->has_sealed = false;
            p->frame = h.frame;
            p->payload_bytes += h.payload_bytes;
            p->position += (uint32_t)frame_bytes(h.payload_bytes, h.run_count, h.batch_bytes);
            continue;
        }
        if (err != ERR_FORMAT) return err;
        TRY(count_torn(&k));
        err = walk_on(&k);
        if (err == ERR_NOT_FOUND) break;
        TRY(err);
        ret->torn_bytes = 0;
    }
    say_end(&k);
    return ERR_OK;
}

/* False: visit wants no more. */
static bool visit_frame(const struct walk *k, const struct frame_header *h,
                        const struct wal_visit *visit)
{
    for (uint32_t i = 0; i < h->run_count; i++) {
        struct frame_run r;
        frame_run_read(k->table + (size_t)i * FRAME_RUN_BYTES, &r);
        const struct wal_pointer at = {
            .extent = h->extent, .position = h->position + FRAME_HEADER_BYTES + r.at,
            .bytes = r.bytes, .crc = r.crc,
        };
        if (!visit->run(visit->context, r.key, &at)) return false;
    }
    if (visit->batch == NULL) return true;
    uint32_t batch_at = (uint32_t)(table_at(h) + table_bytes(h));
    uint64_t bytes = frame_bytes(h->payload_bytes, h->run_count, h->batch_bytes);
    return visit->batch(visit->context, batch_at, h->batch_bytes, (uint32_t)(h->position + bytes));
}

enum err wal_visit(struct wal *w, uint64_t extent, const struct wal_visit *visit)
{
    struct wal_end end = {0};
    CLEANUP(walk_done) struct walk k = {.w = w, .end = &end};
    struct extent_header eh;
    TRY(walk_enter(&k, extent));
    TRY(extent_read_header(k.e, &eh));
    bool sealed = k.e->known.sealed;
    uint64_t last = sealed ? k.e->known.end : k.bytes;
    uint64_t first = visit->from > 0 ? visit->from : EXTENT_HEADER_BYTES;
    for (uint64_t position = first; position < last;) {
        struct frame_header h;
        enum err err = frame_at(k.e, k.bytes, position, eh.store_id, &h);
        if (err == ERR_FORMAT && !sealed) return ERR_OK;
        TRY(err);
        TRY(read_table(&k, &h, 0));
        if (!visit_frame(&k, &h, visit)) return ERR_OK;
        position += frame_bytes(h.payload_bytes, h.run_count, h.batch_bytes);
    }
    return ERR_OK;
}
