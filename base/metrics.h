/* Counters, gauges and histograms, shown as Prometheus text.
 *
 * A metric is made once, kept by whoever made it, and then only its atomic is touched, so a hot
 * path pays one relaxed add. The registry holds at most METRICS_MAX series; making one beyond that
 * returns the shared overflow series, which is itself shown. */
#ifndef BASE_METRICS_H
#define BASE_METRICS_H

#include <stdatomic.h>
#include <stdint.h>
#include "base/writer.h"

enum { METRICS_MAX = 65536, METRICS_COLLECTORS_MAX = 16 };

enum metric_kind { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

struct metric;                  /* opaque; lives until the process ends */

/* The series of this name and label text, made on first use. labels: ready Prometheus label text
 * without braces ("topic=\"a\",partition=\"0\""), or NULL. help: one sentence, kept by pointer.
 * name is kept by pointer too. Beyond METRICS_MAX series or 1,024 names: the overflow series.
 * The kind of a name never changes (asserted). Never NULL. Thread: any. */
struct metric *metric_get(enum metric_kind kind, const char *name, const char *help,
                          const char *labels);
void metric_add(struct metric *m, int64_t by);        /* counter or gauge. Thread: any, lock-free */
void metric_set(struct metric *m, int64_t value);     /* gauge */
void metric_observe_us(struct metric *m, int64_t us); /* histogram; shown in seconds */
int64_t metric_value(const struct metric *m);         /* counter or gauge; a histogram's count */

/* A gauge that comes and goes with what it is about. It is touched by these two alone, so threads
 * that mean the same labels need not know of each other; the last one to show is what is shown.
 * name, help, labels and the limit: as metric_get(). Hiding what is not there is a no-op. Thread:
 * any; a short lock. */
void metric_show(const char *name, const char *help, const char *labels, int64_t value);
void metric_hide(const char *name, const char *labels);

/* A function that writes series that are computed when asked for (offsets, lag, memory). Thread of
 * the call: a codec lane's, where /metrics is written. At most METRICS_COLLECTORS_MAX
 * (asserted). */
void metrics_collector(void (*collect)(struct writer *out, void *context), void *context);
/* All series in Prometheus text exposition format 0.0.4: each that exists from the beginning to the
 * end, once. A full registry takes a tenth of a second. Thread: any, and no loop's; a short lock,
 * again and again. */
void metrics_write(struct writer *out);

/* Help for collectors: '# HELP' and '# TYPE' lines, and a label value with its quotes and
 * escapes. */
void metrics_head(struct writer *out, const char *name, const char *type, const char *help);
void metrics_label(struct writer *out, struct bytes value);

#endif
