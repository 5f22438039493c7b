/* The registry: families by name (text exposition wants all series of a name together), each a list
 * of series, and one hash table over name and labels. Its lock is a leaf, held while a series is
 * made or dropped; adding to a series touches nothing but that series' atomics.
 *
 * A page is written some series at a time, with no lock held, since a full registry takes a tenth
 * of a second and every loop looks series up: what is dropped meanwhile leaves the lists at once
 * and its memory when the last page under way is through.
 *
 * When METRICS_MAX series exist, or their labels take LABELS_BYTES_MAX, a new one is not made: its
 * callers get the overflow series, which takes any kind of use and is shown under its own name,
 * with the number of refusals beside it. */
#include "base/metrics.h"

#include <assert.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include "base/mem.h"
#include "base/check.h"

/* Upper bounds of a histogram's buckets in us; one more bucket has no bound. */
static const int64_t bounds_us[] = {50,     100,    250,    500,     1000,    2500,
                                    5000,   10000,  25000,  50000,   100000,  250000,
                                    500000, 1000000, 2500000, 5000000, 10000000};
enum {
    BOUNDS = sizeof bounds_us / sizeof bounds_us[0],
    SLOTS = METRICS_MAX * 2,
    FAMILIES_MAX = 1024,
    LABEL_BYTES_MAX = 256,                /* of one value */
    SLICE_SERIES = 256,                   /* of a page, taken under the lock at once */
    LABELS_BYTES_MAX = 8 << 20            /* of all series; they bound the page */
};

struct histogram {
    atomic_int_fast64_t buckets[BOUNDS + 1];
    atomic_int_fast64_t sum_us;
};

struct metric {
    atomic_int_fast64_t value;            /* of a histogram: its count */
    struct histogram *histogram;          /* NULL for the other kinds */
    struct family *family;
    struct metric *hash_next;
    struct metric *next, **link;          /* in the family, in order of making */
    char *labels;                         /* NULL: none */
};

struct family {
    const char *name;
    const char *help;
    enum metric_kind kind;
    struct metric *first, **last;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct family families[FAMILIES_MAX];
static uint32_t family_count;
static uint32_t series_count;
static size_t labels_bytes;
static uint64_t refused;
static struct metric **slots;             /* SLOTS chains, made with the first series */

static struct histogram overflow_histogram;
static struct metric overflow = {.histogram = &overflow_histogram};

/* Where a page under way is. */
struct walk {
    struct metric *at;                    /* the next series of its family; NULL: none */
    struct walk *next;
};
static struct walk *walks;
static struct metric *dropped;            /* while pages are under way; a list by hash_next */

static struct {
    void (*collect)(struct writer *out, void *context);
    void *context;
} collectors[METRICS_COLLECTORS_MAX];
static uint32_t collector_count;

static struct metric **slot_of(const char *name, const char *labels)
{
    uint64_t hash = bytes_hash(bytes_str(name)) * 31 + bytes_hash(bytes_str(labels ? labels : ""));
    return &slots[hash % SLOTS];
}

/* NULL when all families are taken. */
static struct family *family_get(enum metric_kind kind, const char *name, const char *help)
{
    for (uint32_t i = 0; i < family_count; i++) {
        if (strcmp(families[i].name, name) != 0) continue;
        assert(families[i].kind == kind);
        return &families[i];
    }
    if (family_count == FAMILIES_MAX) return NULL;
    struct family *f = &families[family_count++];
    *f = (struct family){.name = name, .help = help, .kind = kind, .last = &f->first};
    return f;
}

static struct metric *series_find(struct metric *chain, const char *name, const char *labels)
{
    for (struct metric *m = chain; m != NULL; m = m->hash_next) {
        bool same_labels = labels ? m->labels && strcmp(m->labels, labels) == 0 : !m->labels;
        if (same_labels && strcmp(m->family->name, name) == 0) return m;
    }
    return NULL;
}

static struct metric *series_new(struct family *family, struct metric **slot, const char *labels)
{
    struct metric *m = NEW(struct metric);
    m->family = family;
    m->histogram = family->kind == METRIC_HISTOGRAM ? NEW(struct histogram) : NULL;
    m->labels = labels ? mem_string(labels, strlen(labels)) : NULL;
    labels_bytes += labels ? strlen(labels) : 0;
    m->hash_next = *slot;
    *slot = m;
    m->link = family->last;
    *family->last = m;
    family->last = &m->next;
    series_count++;
    return m;
}

/* The lock is held. */
static struct metric *series_get(enum metric_kind kind, const char *name, const char *help,
                                 const char *labels)
{
    if (slots == NULL) slots = NEW_ARRAY(struct metric *, SLOTS);
    struct metric **slot = slot_of(name, labels);
    struct metric *m = series_find(*slot, name, labels);
    if (m != NULL) assert(m->family->kind == kind);
    bool room = series_count < METRICS_MAX &&
                (labels == NULL || strlen(labels) <= LABELS_BYTES_MAX - labels_bytes);
    if (m == NULL && room) {
        struct family *family = family_get(kind, name, help);
        if (family != NULL) m = series_new(family, slot, labels);
    }
    if (m == NULL) {
        refused++;
        m = &overflow;
    }
    return m;
}

struct metric *metric_get(enum metric_kind kind, const char *name, const char *help,
                          const char *labels)
{
    pthread_mutex_lock(&lock);
    struct metric *m = series_get(kind, name, help, labels);
    pthread_mutex_unlock(&lock);
    return m;
}

void metric_show(const char *name, const char *help, const char *labels, int64_t value)
{
    pthread_mutex_lock(&lock);
    metric_set(series_get(METRIC_GAUGE, name, help, labels), value);
    pthread_mutex_unlock(&lock);
}

static void series_free(struct metric *m)
{
    mem_free(m->histogram);
    mem_free(m->labels);
    mem_free(m);
}

/* The lock is held. */
static void series_drop(struct metric *m, struct metric **slot)
{
    for (struct walk *w = walks; w != NULL; w = w->next)
        if (w->at == m) w->at = m->next;
    while (*slot != m) slot = &(*slot)->hash_next;
    *slot = m->hash_next;
    *m->link = m->next;
    if (m->next) m->next->link = m->link;
    else m->family->last = m->link;
    series_count--;
    labels_bytes -= m->labels ? strlen(m->labels) : 0;
    if (walks == NULL) {
        series_free(m);
        return;
    }
    m->hash_next = dropped;
    dropped = m;
}

void metric_hide(const char *name, const char *labels)
{
    pthread_mutex_lock(&lock);
    struct metric **slot = slots ? slot_of(name, labels) : NULL;
    struct metric *m = slot ? series_find(*slot, name, labels) : NULL;
    if (m != NULL) series_drop(m, slot);
    pthread_mutex_unlock(&lock);
}

void metric_add(struct metric *m, int64_t by)
{
    atomic_fetch_add_explicit(&m->value, by, memory_order_relaxed);
}

void metric_set(struct metric *m, int64_t value)
{
    atomic_store_explicit(&m->value, value, memory_order_relaxed);
}

void metric_observe_us(struct metric *m, int64_t us)
{
    assert(m->histogram != NULL);
    int bucket = 0;
    while (bucket < BOUNDS && us > bounds_us[bucket]) bucket++;
    atomic_fetch_add_explicit(&m->histogram->buckets[bucket], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&m->histogram->sum_us, us, memory_order_relaxed);
    atomic_fetch_add_explicit(&m->value, 1, memory_order_relaxed);
}

int64_t metric_value(const struct metric *m)
{
    return atomic_load_explicit(&m->value, memory_order_relaxed);
}

void metrics_collector(void (*collect)(struct writer *out, void *context), void *context)
{
    pthread_mutex_lock(&lock);
    assert(collector_count < METRICS_COLLECTORS_MAX);
    collectors[collector_count].collect = collect;
    collectors[collector_count].context = context;
    collector_count++;
    pthread_mutex_unlock(&lock);
}

void metrics_head(struct writer *out, const char *name, const char *type, const char *help)
{
    writer_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* How much of a value is shown, at most LABEL_BYTES_MAX, without half a character at the end. */
static size_t label_len(struct bytes value)
{
    if (value.len <= LABEL_BYTES_MAX) return value.len;
    size_t len = LABEL_BYTES_MAX;
    while (len > LABEL_BYTES_MAX - 4 && (value.data[len] & 0xc0) == 0x80) len--;
    return len;
}

void metrics_label(struct writer *out, struct bytes value)
{
    writer_text(out, "\"");
    size_t chars, len = label_len(value);
    bool text = bytes_is_utf8(value, &chars);       /* a scraper refuses the whole page otherwise */
    bool altered = len < value.len;
    for (size_t i = 0; i < len; i++) {
        uint8_t c = value.data[i];
        bool hidden = (c >= 0x80 && !text) || (c < ' ' && c != '\n') || c == 0x7f;
        if (hidden) writer_text(out, "?");
        else if (c == '\n') writer_text(out, "\\n");
        else if (c == '"' || c == '\\') writer_printf(out, "\\%c", c);
        else writer_i8(out, (int8_t)c);
        altered = altered || hidden;
    }
    /* What is not shown as it is stays a series of its own. */
    if (altered) writer_printf(out, "~%016" PRIx64, bytes_fnv1a(value));
    writer_text(out, "\"");
}

/* name suffix {labels, more}: either label text may be absent. */
static void write_name(struct writer *out, const struct metric *m, const char *suffix,
                       const char *more)
{
    writer_text(out, m->family->name);
    writer_text(out, suffix);
    if (m->labels == NULL && more == NULL) return;
    writer_printf(out, "{%s%s%s}", m->labels ? m->labels : "", m->labels && more ? "," : "",
                  more ? more : "");
}

/* The total is the sum of the buckets just read, so that the lines agree with each other. */
static void write_histogram(struct writer *out, const struct metric *m)
{
    int64_t total = 0;
    for (int i = 0; i <= BOUNDS; i++) {
        char le[32] = "le=\"+Inf\"";
        if (i < BOUNDS) snprintf(le, sizeof le, "le=\"%g\"", (double)bounds_us[i] / 1e6);
        total += atomic_load_explicit(&m->histogram->buckets[i], memory_order_relaxed);
        write_name(out, m, "_bucket", le);
        writer_printf(out, " %" PRId64 "\n", total);
    }
    int64_t sum_us = atomic_load_explicit(&m->histogram->sum_us, memory_order_relaxed);
    write_name(out, m, "_sum", NULL);
    writer_printf(out, " %.6f\n", (double)sum_us / 1e6);
    write_name(out, m, "_count", NULL);
    writer_printf(out, " %" PRId64 "\n", total);
}

static void write_series(struct writer *out, const struct metric *m)
{
    if (m->family->kind == METRIC_HISTOGRAM) {
        write_histogram(out, m);
        return;
    }
    write_name(out, m, "", NULL);
    writer_printf(out, " %" PRId64 "\n", metric_value(m));
}

/* The next series of the walk, which stay in memory until it ends. The lock is held. */
static int take_slice(struct walk *w, struct metric *ret_slice[SLICE_SERIES])
{
    int count = 0;
    for (; w->at != NULL && count < SLICE_SERIES; w->at = w->at->next) ret_slice[count++] = w->at;
    return count;
}

static void write_family(struct writer *out, const struct family *f, struct walk *w)
{
    static const char *const types[] = {"counter", "gauge", "histogram"};
    struct metric *slice[SLICE_SERIES];
    pthread_mutex_lock(&lock);
    w->at = f->first;
    int count = take_slice(w, slice);
    pthread_mutex_unlock(&lock);
    if (count > 0) metrics_head(out, f->name, types[f->kind], f->help);
    while (count > 0) {
        for (int i = 0; i < count; i++) write_series(out, slice[i]);
        pthread_mutex_lock(&lock);
        count = take_slice(w, slice);
        pthread_mutex_unlock(&lock);
    }
}

static void walk_begin(struct walk *w)
{
    *w = (struct walk){.next = walks};
    walks = w;
}

/* What nobody looks at any more, to be freed. The lock is held. */
static struct metric *walk_end(struct walk *w)
{
    struct walk **link = &walks;
    while (*link != w) link = &(*link)->next;
    *link = w->next;
    return walks == NULL ? TAKE(dropped) : NULL;
}

void metrics_write(struct writer *out)
{
    struct walk walk;
    pthread_mutex_lock(&lock);
    walk_begin(&walk);
    uint32_t count = family_count;
    pthread_mutex_unlock(&lock);
    for (uint32_t i = 0; i < count; i++) write_family(out, &families[i], &walk);
    pthread_mutex_lock(&lock);
    uint64_t refusals = refused;
    uint32_t collects = collector_count;
    struct metric *gone = walk_end(&walk);
    pthread_mutex_unlock(&lock);
    while (gone != NULL) {
        struct metric *next = gone->hash_next;
        series_free(gone);
        gone = next;
    }

    metrics_head(out, "diglot_metrics_refused_total", "counter",
                 "Series not made beyond the limit.");
    writer_printf(out, "diglot_metrics_refused_total %" PRIu64 "\n", refusals);
    metrics_head(out, "diglot_metrics_overflow", "untyped",
                 "What the series not made would have counted.");
    writer_printf(out, "diglot_metrics_overflow %" PRId64 "\n", metric_value(&overflow));

    /* Outside the lock: a collector may take locks of its own, and never two at once. Entries are
     * only ever added, so those counted under the lock are whole. */
    for (uint32_t i = 0; i < collects; i++) collectors[i].collect(out, collectors[i].context);
}
