/* Counters, gauges and histograms, shown as Prometheus text.
 *
 * A metric is made once (at start, or when its topic is made) and then only its atomic is touched,
 * so a hot path pays one relaxed add. The registry holds at most METRICS_MAX series; making one
 * beyond that returns the shared overflow series, which is itself shown. */
#ifndef BASE_METRICS_H
#define BASE_METRICS_H

#include <stdatomic.h>
#include <stdint.h>
#include "base/writer.h"

enum { METRICS_MAX = 65536, METRICS_COLLECTORS_MAX = 16 };

enum metric_kind { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

struct metric;                  /* opaque; lives until metric_drop() or process end */

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
/* Forget a series, e.g. of a deleted topic. The caller holds no other use of it; NULL and the
 * overflow series are left alone. Thread: any. */
void metric_drop(struct metric *m);

/* A function that writes series that are computed when asked for (offsets, lag, memory).
 * Thread of the call: whoever serves /metrics. At most METRICS_COLLECTORS_MAX (asserted). */
void metrics_collector(void (*collect)(struct writer *out, void *context), void *context);
/* All series in Prometheus text exposition format 0.0.4. Thread: any. */
void metrics_write(struct writer *out);

/* Help for collectors: '# HELP' and '# TYPE' lines, and a label value with its quotes and
 * escapes. */
void metrics_head(struct writer *out, const char *name, const char *type, const char *help);
void metrics_label(struct writer *out, struct bytes value);

#endif
