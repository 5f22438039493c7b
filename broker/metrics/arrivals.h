/* When the records arrived that groups wait for, as far as the disk had to be asked: a record's
 * arrival never changes, so it is looked up once, for kafka_consumergroup_lag_seconds.
 *
 * At most ARRIVALS_MAX records; what nobody asked for between two turns is forgotten. Thread: any;
 * a short leaf lock. */
#ifndef BROKER_METRICS_ARRIVALS_H
#define BROKER_METRICS_ARRIVALS_H

#include <stdbool.h>
#include <stdint.h>
#include "broker/metrics/collection.h"

enum { ARRIVALS_MAX = COLLECT_OFFSETS_MAX };

struct arrivals;

struct arrivals *arrivals_new(void);        /* never NULL */
void arrivals_free(struct arrivals *a);     /* NULL is a no-op */

/* A new turn begins: forgets what was not asked for in the one that ends. */
void arrivals_turn(struct arrivals *a);
/* False: not known. */
bool arrivals_find(struct arrivals *a, uint64_t log_id, int64_t offset, int64_t *ret_ms);
/* Full: not kept. */
void arrivals_put(struct arrivals *a, uint64_t log_id, int64_t offset, int64_t arrival_ms);

#endif
