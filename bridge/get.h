/* Records on their way out: stored batches -> Kinesis records.
 *
 * What a Kafka producer wrote is rendered so that nothing is lost unsaid (docs/mapping.md): a key
 * of 1..256 characters of UTF-8 is the PartitionKey itself; other keys, and no key at all, get a
 * form of their own; no value is empty Data; headers stay behind. Each such rendering is
 * counted. */
#ifndef BRIDGE_GET_H
#define BRIDGE_GET_H

#include "bridge/request.h"
#include "storage/plog.h"
#include "storage/topic.h"

enum { GET_RECORDS_MAX = 10000, GET_BYTES_MAX = 10 << 20 };

struct get_page {
    struct kinesis_record *records;    /* in the arena; Data points into the batches or the arena */
    uint32_t count;
    size_t bytes;                      /* of Data and PartitionKey */
    int64_t offset_next;               /* where the next page begins */
    int64_t arrival_last_ms;           /* of the last record in the page; 0: none */
};

/* Makes the metrics. Thread: main, once. */
void get_init(void);

/* Renders the records of `read` from `offset` on that lie in the shard's window and below
 * last_stable.
 * read: lives as long as the page is used. count_max: 1..GET_RECORDS_MAX. bytes_max: one record may
 * be larger when it is the first.
 * Errors: ERR_TOO_LARGE - the arena is full; ERR_INVALID_RECORD and kin - a stored batch cannot be
 * unpacked. Thread: home's loop. */
enum err get_render(struct bridge_loop *home, const struct shard *shard,
                    const struct read_result *read, int64_t offset, uint32_t count_max,
                    size_t bytes_max, struct arena *arena, struct get_page *ret);

/* MillisBehindLatest of a reader that stands at `offset`, with the log's bounds at hand. */
int64_t get_millis_behind(const struct shard *shard, const struct log_bounds *bounds,
                          const struct get_page *page);

#endif
