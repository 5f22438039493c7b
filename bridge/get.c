#include "bridge/get.h"

#include <inttypes.h>
#include <stdatomic.h>
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "bridge/shard.h"
#include "protocol/aws/base64.h"
#include "protocol/batch/batch.h"
#include "protocol/batch/record.h"
#include "protocol/kinesis/sequence.h"
#include "base/check.h"

enum {
    KEY_CHARS_MAX = 256,
    FIRST_CAP = 64,
    RAW_KEY_BYTES_MAX = 180,
    /* What making a page may unpack on the loop, and the share of it that packed bytes stand for:
     * with more of them it is not even tried. */
    HERE_BYTES_MAX = 1 << 20,
    UNPACKED_RATIO = 4,
    HERE_READ_BYTES_MAX = 256 << 10,    /* making and encoding a page takes 1 ms a MiB and more */
    HERE_RECORDS_MAX = 2000,            /* and 1 ms a thousand records */
    LOG_INTERVAL_MS = 60000,
};

/* The renderings of what Kinesis has no place for. */
enum rendering {
    KEY_NULL, KEY_EMPTY, KEY_NOT_TEXT, KEY_TOO_LONG, VALUE_NULL, HEADERS_HIDDEN, RECORD_TOO_LARGE,
    BATCH_TOO_LARGE, RENDERING_COUNT
};
static struct metric *renderings[RENDERING_COUNT];

void get_init(void)
{
    static const char *const labels[RENDERING_COUNT] = {
        [KEY_NULL] = "what=\"key_null\"",         [KEY_EMPTY] = "what=\"key_empty\"",
        [KEY_NOT_TEXT] = "what=\"key_not_text\"", [KEY_TOO_LONG] = "what=\"key_too_long\"",
        [VALUE_NULL] = "what=\"value_null\"",     [HEADERS_HIDDEN] = "what=\"headers_hidden\"",
        [RECORD_TOO_LARGE] = "what=\"record_too_large\"",
        [BATCH_TOO_LARGE] = "what=\"batch_too_large\"",
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
    const struct get_wanted *wanted;
    struct inflater *inflater;
    size_t unpack_max;                      /* the inflater's limit as it was given */
    bool here;
    struct arena *arena;
    uint32_t cap;
    struct get_page *page;
    bool full;
    uint32_t counts[RENDERING_COUNT];       /* of a run that comes to its end */
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

/* Kinesis has no record like this: readers go on behind it. */
static void pass_over(struct rendering_run *run, enum rendering what, int64_t offset,
                      int64_t offset_next)
{
    struct get_page *p = run->page;
    if (p->passed_over++ == 0) p->passed_over_first = offset;
    p->offset_next = offset_next;
    run->counts[what]++;
}

/* What was unpacked must outlive the inflater's next run: it is copied into the arena. */
static struct bytes kept(struct rendering_run *run, bool packed, struct bytes b)
{
    return packed ? arena_copy(run->arena, b) : b;
}

static enum err render_one(struct rendering_run *run, const struct record *r, int64_t arrival_ms,
                           bool packed)
{
    struct get_page *p = run->page;
    const struct shard *shard = run->wanted->shard;
    enum rendering what = RENDERING_COUNT;
    struct bytes key = partition_key(run->arena, r, &what);
    size_t bytes = r->value.len + key.len;
    if (bytes > GET_BYTES_MAX) {
        pass_over(run, RECORD_TOO_LARGE, r->offset, r->offset + 1);
        return ERR_OK;
    }
    if (p->count > 0 && p->bytes + bytes > run->wanted->bytes_max) {
        run->full = true;
        return ERR_OK;
    }
    struct kinesis_record *out = slot(run);
    char *sequence = arena_alloc(run->arena, SEQUENCE_TEXT_BYTES);
    struct bytes data = bytes_is_null(r->value) ? BYTES_LIT("") : kept(run, packed, r->value);
    if (key.data == r->key.data) key = kept(run, packed, key);
    if (out == NULL || sequence == NULL || key.data == NULL || data.data == NULL) {
        run->full = p->count > 0;
        return run->full ? ERR_OK : ERR_TOO_LARGE;
    }
    if (what != RENDERING_COUNT) run->counts[what]++;
    if (bytes_is_null(r->value)) run->counts[VALUE_NULL]++;
    if (r->header_count > 0) run->counts[HEADERS_HIDDEN]++;
    *out = (struct kinesis_record){
        .sequence_number = sequence_format(shard->created_ms, (uint32_t)shard->index, r->offset,
                                           arrival_ms, sequence),
        .approximate_arrival_timestamp_ms = arrival_ms,
        .has_approximate_arrival_timestamp = true,
        .data = data,
        .partition_key = key,
    };
    p->count++;
    p->bytes += bytes;
    p->offset_next = r->offset + 1;
    p->arrival_last_ms = arrival_ms;
    return ERR_OK;
}

/* Begins to iterate a batch. ERR_NOT_FOUND: it gives no records here; the page ends in front of it,
 * or goes on behind it. */
static enum err open_batch(struct rendering_run *run, const struct batch_view *batch,
                           struct record_iter *ret)
{
    struct inflater *i = run->inflater;
    size_t left = i->spent < run->unpack_max ? run->unpack_max - i->spent : 0;
    i->bytes_max = run->here ? left : run->unpack_max;
    i->overran = false;
    enum err err = record_iter_init(ret, batch->bytes.bytes, i);
    if (err == ERR_OK || !i->overran) return err;
    if (run->here || run->unpack_max < INFLATE_BYTES_MAX) {
        if (run->here || run->page->count == 0) return ERR_COLD;
        run->full = true;
    } else {
        pass_over(run, BATCH_TOO_LARGE, batch->base_offset, batch->last_offset + 1);
    }
    return ERR_NOT_FOUND;
}

static enum err render_batch(struct rendering_run *run, const struct batch_view *batch,
                             int64_t end)
{
    const struct get_wanted *wanted = run->wanted;
    struct record_iter it;
    struct record r;
    struct batch_info info;
    TRY(batch_peek(batch->bytes.bytes, &info));
    if (info.is_control) {
        run->page->offset_next = batch->last_offset + 1;
        return ERR_OK;
    }
    enum err err = open_batch(run, batch, &it);
    if (err == ERR_NOT_FOUND) return ERR_OK;
    TRY(err);
    while (!run->full && record_iter_next(&it, &r)) {
        if (r.offset < wanted->offset) continue;
        if (r.offset >= end || run->page->count == wanted->count_max) {
            run->full = true;
            break;
        }
        TRY(render_one(run, &r, batch->arrival_ms, info.codec != CODEC_NONE));
    }
    TRY(it.err);
    /* Offsets that hold no record (a compacted one) are passed as well. */
    if (!run->full)
        run->page->offset_next = batch->last_offset + 1 < end ? batch->last_offset + 1 : end;
    if (run->inflater->spent >= GET_UNPACKED_BYTES_MAX) run->full = true;
    return ERR_OK;
}

enum err get_render(const struct get_wanted *wanted, struct inflater *inflater, bool here,
                    struct arena *arena, struct get_page *ret)
{
    *ret = (struct get_page){.offset_next = wanted->offset};
    struct rendering_run run = {.wanted = wanted, .inflater = inflater,
                                .unpack_max = inflater->bytes_max, .here = here, .arena = arena,
                                .page = ret};
    int64_t end = shard_cut(wanted->shard, wanted->read->bounds.last_stable);
    inflater->spent = 0;
    for (int32_t i = 0; i < wanted->read->count && !run.full; i++)
        TRY(render_batch(&run, &wanted->read->batches[i], end));
    inflater_trim(inflater);
    for (int i = 0; i < RENDERING_COUNT; i++)
        if (run.counts[i] > 0) metric_add(renderings[i], run.counts[i]);
    return ERR_OK;
}

/* ---- Here or on a codec lane */

/* About what the loop would read through for it and not give out. */
static size_t cost(const struct get_wanted *wanted)
{
    size_t bytes = 0;
    for (int32_t i = 0; i < wanted->read->count; i++) {
        const struct batch_view *b = &wanted->read->batches[i];
        struct batch_info info;
        if (batch_peek(b->bytes.bytes, &info) != ERR_OK) continue;
        if (info.codec != CODEC_NONE) bytes += b->bytes.bytes.len * UNPACKED_RATIO;
        else if (b->base_offset < wanted->offset) bytes += b->bytes.bytes.len / 2;
    }
    return bytes;
}

/* At most so many records come of it. */
static int64_t count(const struct get_wanted *wanted)
{
    int64_t records = 0;
    for (int32_t i = 0; i < wanted->read->count; i++)
        records += wanted->read->batches[i].last_offset - wanted->read->batches[i].base_offset + 1;
    return records < wanted->count_max ? records : wanted->count_max;
}

static void render(struct get_work *w, struct inflater *inflater, bool here)
{
    w->err = get_render(&w->wanted, inflater, here, w->arena, &w->page);
    if (w->err == ERR_OK && w->encode != NULL) w->encode(w);
}

static enum codec_outcome render_step(struct codec_work *work, struct codec_tools *tools)
{
    struct get_work *w = CONTAINER_OF(work, struct get_work, work);
    render(w, &tools->inflater, false);
    if (w->err != ERR_COLD) return CODEC_OVER;
    work->lane = CODEC_LONG;
    return CODEC_AGAIN;
}

/* Which records those are is said once a minute, not to each reader that comes by. */
static void tell_passed_over(const struct get_work *w)
{
    static atomic_llong told_ms = -LOG_INTERVAL_MS;
    long long now_ms = clock_mono_ms(), before = atomic_load(&told_ms);
    if (w->page.passed_over == 0 || now_ms - before < LOG_INTERVAL_MS) return;
    if (!atomic_compare_exchange_strong(&told_ms, &before, now_ms)) return;
    log_warn("Kinesis readers pass over what is beyond Kinesis' 10 MiB a record; Kafka consumers "
             "get it",
             {"topic", LOG_S(w->topic->name)}, {"partition", LOG_I(w->wanted.shard->partition)},
             {"offset", LOG_I(w->page.passed_over_first)});
}

static void rendered(struct codec_work *work)
{
    struct get_work *w = CONTAINER_OF(work, struct get_work, work);
    tell_passed_over(w);
    topic_unref(w->topic);
    w->done(w);
}

bool get_start(struct get_work *w, struct front_request *rq)
{
    struct inflater *inflater = &rq_home(rq)->inflater;
    inflater->bytes_max = HERE_BYTES_MAX;
    w->err = ERR_COLD;
    if (w->wanted.read->bytes <= HERE_READ_BYTES_MAX && count(&w->wanted) <= HERE_RECORDS_MAX &&
        cost(&w->wanted) <= HERE_BYTES_MAX)
        render(w, inflater, true);
    if (w->err != ERR_COLD) {
        if (w->err == ERR_OK) tell_passed_over(w);
        return true;
    }
    w->page = (struct get_page){.offset_next = w->wanted.offset};
    w->err = ERR_CLOSED;                        /* until a step says otherwise */
    topic_ref(w->topic);
    w->work = (struct codec_work){.client = front_client(rq), .lane = CODEC_QUICK,
                                  .step = render_step, .home = rq->http->loop, .done = rendered};
    store_codec(rq_store(rq), &w->work);
    return false;
}

int64_t get_millis_behind(const struct shard *shard, const struct log_bounds *bounds,
                          const struct get_page *page)
{
    if (page->offset_next >= shard_cut(shard, bounds->last_stable)) return 0;
    int64_t seen_ms = page->arrival_last_ms ? page->arrival_last_ms : bounds->arrival_last_ms;
    int64_t behind = clock_wall_ms() - seen_ms;
    return behind > 0 ? behind : 0;
}
