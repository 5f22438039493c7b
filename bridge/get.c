#include "bridge/get.h"

#include <inttypes.h>
#include "base/clock.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "bridge/shard.h"
#include "protocol/batch/batch.h"
#include "protocol/batch/record.h"
#include "protocol/kinesis/base64.h"
#include "protocol/kinesis/sequence.h"
#include "base/check.h"

enum { KEY_CHARS_MAX = 256, FIRST_CAP = 64, RAW_KEY_BYTES_MAX = 180 };

/* The renderings of what Kinesis has no place for. */
enum rendering {
    KEY_NULL, KEY_EMPTY, KEY_NOT_TEXT, KEY_TOO_LONG, VALUE_NULL, HEADERS_HIDDEN, RENDERING_COUNT
};
static struct metric *renderings[RENDERING_COUNT];

void get_init(void)
{
    static const char *const labels[RENDERING_COUNT] = {
        [KEY_NULL] = "what=\"key_null\"",         [KEY_EMPTY] = "what=\"key_empty\"",
        [KEY_NOT_TEXT] = "what=\"key_not_text\"", [KEY_TOO_LONG] = "what=\"key_too_long\"",
        [VALUE_NULL] = "what=\"value_null\"",     [HEADERS_HIDDEN] = "what=\"headers_hidden\"",
    };
    for (int i = 0; i < RENDERING_COUNT; i++)
        renderings[i] =
            metric_get(METRIC_COUNTER, "diglot_kinesis_renderings_total",
                       "Records read at the Kinesis door with a part that Kinesis has no place for",
                       labels[i]);
}

static struct bytes base64_text(struct arena *arena, const char *prefix, struct bytes raw)
{
    size_t lead = strlen(prefix);
    uint8_t *to = arena_alloc(arena, lead + base64_encoded(raw.len));
    if (to == NULL) return BYTES_NULL;
    mem_copy(to, prefix, lead);
    base64_encode(raw, to + lead);
    return bytes_of(to, lead + base64_encoded(raw.len));
}

/* Null and empty keys are named after their offset, so that equal keys never come from different
 * records by accident; bytes that are not text are base64; a key that is too long in either form is
 * its first bytes and its hash. */
static struct bytes partition_key(struct arena *arena, const struct record *r,
                                  enum rendering *ret_what)
{
    size_t chars;
    bool text = bytes_is_utf8(r->key, &chars);
    if (bytes_is_null(r->key)) {
        *ret_what = KEY_NULL;
        return bytes_str(arena_printf(arena, "null:%" PRId64, r->offset));
    }
    if (r->key.len == 0) {
        *ret_what = KEY_EMPTY;
        return bytes_str(arena_printf(arena, "empty:%" PRId64, r->offset));
    }
    if (text && chars <= KEY_CHARS_MAX) return r->key;
    if (!text && r->key.len <= RAW_KEY_BYTES_MAX) {
        *ret_what = KEY_NOT_TEXT;
        return base64_text(arena, "base64:", r->key);
    }
    uint64_t hash[2] = {bytes_fnv1a(r->key), r->key.len};
    uint8_t cut[RAW_KEY_BYTES_MAX];
    size_t kept = sizeof cut - sizeof hash;
    mem_copy(cut, r->key.data, kept);
    mem_copy(cut + kept, hash, sizeof hash);
    *ret_what = KEY_TOO_LONG;
    return base64_text(arena, "cut:", bytes_of(cut, sizeof cut));
}

struct rendering_run {
    struct bridge_loop *home;
    const struct shard *shard;
    struct arena *arena;
    uint32_t count_max;
    size_t bytes_max;
    uint32_t cap;
    struct get_page *page;
    bool full;
};

static struct kinesis_record *slot(struct rendering_run *run)
{
    struct get_page *p = run->page;
    if (p->count == run->cap) {
        uint32_t cap = run->cap ? run->cap * 2 : FIRST_CAP;
        struct kinesis_record *grown = ARENA_ARRAY(run->arena, struct kinesis_record, cap);
        if (grown == NULL) return NULL;
        mem_copy(grown, p->records, p->count * sizeof *grown);
        p->records = grown;
        run->cap = cap;
    }
    return &p->records[p->count];
}

static enum err render_one(struct rendering_run *run, const struct record *r, int64_t arrival_ms)
{
    struct get_page *p = run->page;
    enum rendering what = RENDERING_COUNT;
    struct bytes key = partition_key(run->arena, r, &what);
    size_t bytes = r->value.len + key.len;
    if (p->count > 0 && p->bytes + bytes > run->bytes_max) {
        run->full = true;
        return ERR_OK;
    }
    struct kinesis_record *out = slot(run);
    char *sequence = arena_alloc(run->arena, SEQUENCE_TEXT_BYTES);
    if (out == NULL || sequence == NULL || key.data == NULL) return ERR_TOO_LARGE;
    if (what != RENDERING_COUNT) metric_add(renderings[what], 1);
    if (bytes_is_null(r->value)) metric_add(renderings[VALUE_NULL], 1);
    if (r->header_count > 0) metric_add(renderings[HEADERS_HIDDEN], 1);
    *out = (struct kinesis_record){
        .sequence_number = sequence_format(run->shard->created_ms, (uint32_t)run->shard->index,
                                           r->offset, arrival_ms, sequence),
        .approximate_arrival_timestamp_ms = arrival_ms,
        .has_approximate_arrival_timestamp = true,
        .data = bytes_is_null(r->value) ? BYTES_LIT("") : r->value,
        .partition_key = key,
    };
    p->count++;
    p->bytes += bytes;
    p->offset_next = r->offset + 1;
    p->arrival_last_ms = arrival_ms;
    return ERR_OK;
}

/* What was unpacked must outlive the inflater's next run: it is copied into the arena. */
static enum err unpacked(struct rendering_run *run, struct record *r)
{
    struct bytes key = arena_copy(run->arena, r->key), value = arena_copy(run->arena, r->value);
    bool fits = (key.data != NULL || bytes_is_null(r->key)) &&
                (value.data != NULL || bytes_is_null(r->value));
    if (!fits) return ERR_TOO_LARGE;
    r->key = key;
    r->value = value;
    return ERR_OK;
}

static enum err render_batch(struct rendering_run *run, const struct batch_view *batch,
                             int64_t from, int64_t end)
{
    struct record_iter it;
    struct record r;
    struct batch_info info;
    TRY(batch_peek(batch->bytes.bytes, &info));
    if (info.is_control) {
        run->page->offset_next = batch->last_offset + 1;
        return ERR_OK;
    }
    TRY(record_iter_init(&it, batch->bytes.bytes, &run->home->inflater));
    while (!run->full && record_iter_next(&it, &r)) {
        if (r.offset < from) continue;
        if (r.offset >= end || run->page->count == run->count_max) {
            run->full = true;
            break;
        }
        if (info.codec != CODEC_NONE) TRY(unpacked(run, &r));
        TRY(render_one(run, &r, batch->arrival_ms));
    }
    TRY(it.err);
    /* Offsets that hold no record (a compacted one) are passed as well. */
    if (!run->full)
        run->page->offset_next = batch->last_offset + 1 < end ? batch->last_offset + 1 : end;
    return ERR_OK;
}

enum err get_render(struct bridge_loop *home, const struct shard *shard,
                    const struct read_result *read, int64_t offset, uint32_t count_max,
                    size_t bytes_max, struct arena *arena, struct get_page *ret)
{
    *ret = (struct get_page){.offset_next = offset};
    struct rendering_run run = {.home = home, .shard = shard, .arena = arena,
                                .count_max = count_max,
                                .bytes_max = bytes_max, .page = ret};
    int64_t end = shard_cut(shard, read->bounds.last_stable);
    for (int32_t i = 0; i < read->count && !run.full; i++)
        TRY(render_batch(&run, &read->batches[i], offset, end));
    inflater_trim(&home->inflater);
    return ERR_OK;
}

int64_t get_millis_behind(const struct shard *shard, const struct log_bounds *bounds,
                          const struct get_page *page)
{
    if (page->offset_next >= shard_cut(shard, bounds->last_stable)) return 0;
    int64_t seen_ms = page->arrival_last_ms ? page->arrival_last_ms : bounds->arrival_last_ms;
    int64_t behind = clock_wall_ms() - seen_ms;
    return behind > 0 ? behind : 0;
}
