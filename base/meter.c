/* A table is one map under one leaf lock, which a request takes once: all its numbers go in
 * together, so no atomics are needed. To show tables, each is copied under its lock; who is gone is
 * asked, and what is written comes from the copy, with no lock held. */
#include "base/meter.h"

#include <assert.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include "base/clock.h"
#include "base/mailbox.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "base/check.h"

enum { MINUTE_MS = 60 * 1000 };

#define NOTHING INT64_MIN           /* of a maximum: not seen */

struct slot {
    int64_t now;                    /* the sum, or of this minute */
    int64_t before;                 /* of the minute before */
};

struct meter {
    struct map_node by_key;
    struct meter_key key;
    bool is_beyond;                 /* of no key */
    char *labels;
    int64_t minute;                 /* of slots[].now */
    struct slot slots[];            /* by place in the plan's series */
};

struct meters {
    const struct meter_plan *plan;
    void *context;
    pthread_mutex_t lock;
    struct map by_key;
    size_t labels_bytes;            /* of all label texts and their NULs, `beyond` included */
    struct meter *beyond;           /* of the keys beyond keys_max; NULL: none yet */
};

static size_t meter_bytes(const struct meter_plan *plan)
{
    return sizeof(struct meter) + plan->series_count * sizeof(struct slot);
}

static int64_t slot_nothing(const struct meter_plan *plan, uint32_t i)
{
    return plan->series[i].kind == METER_MAXIMUM ? NOTHING : 0;
}

struct meters *meters_new(const struct meter_plan *plan, void *context)
{
    assert(plan->series_count <= METER_SERIES_MAX);
    struct meters *m = NEW(struct meters);
    m->plan = plan;
    m->context = context;
    pthread_mutex_init(&m->lock, NULL);
    return m;
}

static struct meter *meter_new(struct meters *m, struct bytes labels)
{
    struct meter *meter = mem_new(meter_bytes(m->plan));
    meter->labels = mem_string((const char *)labels.data, labels.len);
    m->labels_bytes += labels.len + 1;
    for (uint32_t i = 0; i < m->plan->series_count; i++)
        meter->slots[i].now = meter->slots[i].before = slot_nothing(m->plan, i);
    return meter;
}

static void meter_free(struct meter *meter)
{
    if (meter == NULL) return;
    mem_free(meter->labels);
    mem_free(meter);
}

static void remove_meter(struct meters *m, struct meter *meter)
{
    map_remove(&m->by_key, &meter->by_key);
    m->labels_bytes -= strlen(meter->labels) + 1;
    meter_free(meter);
}

void meters_free(struct meters *m)
{
    if (m == NULL) return;
    for (uint32_t i = 0; i < m->by_key.bucket_count; i++)
        while (m->by_key.buckets[i] != NULL)
            remove_meter(m, CONTAINER_OF(m->by_key.buckets[i], struct meter, by_key));
    map_done(&m->by_key);
    meter_free(m->beyond);
    pthread_mutex_destroy(&m->lock);
    mem_free(m);
}

static uint64_t hash_of(const struct meter_key *key)
{
    static_assert(sizeof *key == sizeof key->id + sizeof key->part, "no padding in a key");
    return bytes_hash(bytes_of(key, sizeof *key));
}

/* NULL: none. The lock is held. */
static struct meter *find(const struct meters *m, const struct meter_key *key, uint64_t hash)
{
    for (struct map_node *n = map_first(&m->by_key, hash); n != NULL; n = map_next(n)) {
        struct meter *meter = CONTAINER_OF(n, struct meter, by_key);
        if (meter->key.part == key->part && uuid_equal(&meter->key.id, &key->id)) return meter;
    }
    return NULL;
}

/* The lock is held. */
static struct meter *beyond(struct meters *m)
{
    if (m->beyond == NULL) {
        m->beyond = meter_new(m, bytes_str(m->plan->labels_beyond));
        m->beyond->is_beyond = true;
    }
    return m->beyond;
}

/* The lock is held. */
static struct meter *meter_of(struct meters *m, const struct meter_key *key, const void *who)
{
    uint64_t hash = hash_of(key);
    struct meter *meter = find(m, key, hash);
    if (meter != NULL) return meter;
    if (m->by_key.count >= m->plan->keys_max) return beyond(m);
    struct writer labels;
    writer_init(&labels, METER_LABELS_BYTES_MAX);
    m->plan->write_labels(&labels, who);
    if (labels.err == ERR_OK) {
        meter = meter_new(m, bytes_of(labels.data, labels.len));
        meter->key = *key;
        map_put(&m->by_key, &meter->by_key, hash);
    }
    writer_done(&labels);
    return meter != NULL ? meter : beyond(m);
}

/* What was of this minute is of the one before, or of none that is shown. A thread that read the
 * clock just before the turn counts into the new minute. */
static void turn_minute(const struct meter_plan *plan, struct meter *meter, int64_t minute)
{
    if (minute <= meter->minute) return;
    bool next = minute == meter->minute + 1;
    for (uint32_t i = 0; i < plan->series_count; i++) {
        if (plan->series[i].kind == METER_SUM) continue;
        struct slot *slot = &meter->slots[i];
        slot->before = next ? slot->now : slot_nothing(plan, i);
        slot->now = slot_nothing(plan, i);
    }
    meter->minute = minute;
}

void meter_add(struct meters *m, const struct meter_key *key, const void *who,
               const struct meter_delta *delta)
{
    int64_t minute = clock_mono_ms() / MINUTE_MS;
    pthread_mutex_lock(&m->lock);
    struct meter *meter = meter_of(m, key, who);
    turn_minute(m->plan, meter, minute);
    for (uint32_t i = 0; i < m->plan->series_count; i++) {
        struct slot *slot = &meter->slots[i];
        if (m->plan->series[i].kind != METER_MAXIMUM) slot->now += delta->by[i];
        else if ((delta->seen >> i & 1) && delta->by[i] > slot->now) slot->now = delta->by[i];
    }
    pthread_mutex_unlock(&m->lock);
}

/* ---- Showing */

/* A table as it was; its labels lie in texts. */
struct shown {
    const struct meter_plan *plan;
    int64_t ms_into;                /* of the minute that is now */
    uint32_t count;
    struct meter **list;            /* into meters */
    void *meters;
    char *texts;
};

struct copying {
    struct shown *to;
    size_t step;
    char *text;                     /* where the next one goes */
};

static void copy_meter(struct copying *c, const struct meter *meter)
{
    struct shown *to = c->to;
    struct meter *copy = (struct meter *)((char *)to->meters + c->step * to->count);
    size_t text_bytes = strlen(meter->labels) + 1;
    mem_copy(copy, meter, c->step);
    mem_copy(c->text, meter->labels, text_bytes);
    copy->labels = c->text;
    c->text += text_bytes;
    to->list[to->count++] = copy;
}

static void copy_table(struct meters *m, struct shown *to)
{
    struct copying c = {.to = to, .step = meter_bytes(m->plan)};
    pthread_mutex_lock(&m->lock);
    uint32_t count_max = m->by_key.count + 1;
    *to = (struct shown){.plan = m->plan,
                         .list = NEW_ARRAY(struct meter *, count_max),
                         .meters = mem_array(count_max, c.step),
                         .texts = mem_new(m->labels_bytes + 1)};
    c.text = to->texts;
    for (uint32_t i = 0; i < m->by_key.bucket_count; i++)
        for (struct map_node *n = m->by_key.buckets[i]; n != NULL; n = n->next)
            copy_meter(&c, CONTAINER_OF(n, struct meter, by_key));
    if (m->beyond != NULL) copy_meter(&c, m->beyond);
    pthread_mutex_unlock(&m->lock);
}

static void forget(struct meters *m, const struct meter_key *key)
{
    pthread_mutex_lock(&m->lock);
    struct meter *meter = find(m, key, hash_of(key));
    if (meter != NULL) remove_meter(m, meter);
    pthread_mutex_unlock(&m->lock);
}

/* The gone keys, out of the table and out of the copy. */
static void prune(struct meters *m, struct shown *shown)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < shown->count; i++) {
        struct meter *meter = shown->list[i];
        if (meter->is_beyond || m->plan->is_alive(m->context, &meter->key))
            shown->list[kept++] = meter;
        else forget(m, &meter->key);
    }
    shown->count = kept;
}

static int by_labels(const void *a, const void *b)
{
    return strcmp((*(struct meter *const *)a)->labels, (*(struct meter *const *)b)->labels);
}

static void take(struct meters *m, struct shown *to)
{
    copy_table(m, to);
    prune(m, to);
    qsort(to->list, to->count, sizeof *to->list, by_labels);
    int64_t now_ms = clock_mono_ms();
    to->ms_into = now_ms % MINUTE_MS;
    for (uint32_t i = 0; i < to->count; i++)
        turn_minute(m->plan, to->list[i], now_ms / MINUTE_MS);
}

/* Place of the name in the plan, or series_count. */
static uint32_t place_of(const struct meter_plan *plan, const char *name)
{
    uint32_t i = 0;
    while (i < plan->series_count && strcmp(plan->series[i].name, name) != 0) i++;
    return i;
}

static double rate(const struct slot *slot, int64_t ms_into)
{
    return (double)(slot->now + slot->before) * 1000 / (double)(MINUTE_MS + ms_into);
}

static void write_value(struct writer *out, enum meter_kind kind, const struct slot *slot,
                        int64_t ms_into)
{
    bool before = kind == METER_MAXIMUM && slot->before > slot->now;
    if (kind == METER_RATE) writer_printf(out, "%.3f\n", rate(slot, ms_into));
    else writer_printf(out, "%" PRId64 "\n", before ? slot->before : slot->now);
}

static bool is_seen(const struct meter_series *series, const struct slot *slot)
{
    return series->kind != METER_MAXIMUM || slot->now != NOTHING || slot->before != NOTHING;
}

/* All samples of a name, of these tables, the first of which has it. */
static void write_name(struct writer *out, const struct meter_series *series,
                       const struct shown *tables, uint32_t count)
{
    bool has_head = false;
    for (uint32_t t = 0; t < count; t++) {
        uint32_t place = place_of(tables[t].plan, series->name);
        if (place == tables[t].plan->series_count) continue;
        assert(tables[t].plan->series[place].kind == series->kind);
        for (uint32_t i = 0; i < tables[t].count; i++) {
            const struct meter *meter = tables[t].list[i];
            if (!is_seen(series, &meter->slots[place])) continue;
            if (!has_head)
                metrics_head(out, series->name, series->kind == METER_SUM ? "counter" : "gauge",
                             series->help);
            has_head = true;
            writer_printf(out, "%s{%s} ", series->name, meter->labels);
            write_value(out, series->kind, &meter->slots[place], tables[t].ms_into);
        }
    }
}

static bool is_in(const char *name, const struct shown *tables, uint32_t count)
{
    for (uint32_t t = 0; t < count; t++)
        if (place_of(tables[t].plan, name) < tables[t].plan->series_count) return true;
    return false;
}

void meters_write(struct meters *const *tables, uint32_t count, struct writer *out)
{
    struct shown *shown = NEW_ARRAY(struct shown, count);
    for (uint32_t t = 0; t < count; t++) take(tables[t], &shown[t]);
    for (uint32_t t = 0; t < count; t++)
        for (uint32_t i = 0; i < shown[t].plan->series_count; i++) {
            const struct meter_series *series = &shown[t].plan->series[i];
            if (!is_in(series->name, shown, t)) write_name(out, series, &shown[t], count - t);
        }
    for (uint32_t t = 0; t < count; t++) {
        mem_free(shown[t].list);
        mem_free(shown[t].meters);
        mem_free(shown[t].texts);
    }
    mem_free(shown);
}
