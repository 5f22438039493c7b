/* Records on their way out: stored batches -> Kinesis records.
 *
 * What a Kafka producer wrote is rendered so that nothing is lost unsaid (docs/mapping.md): a key
 * of 1..256 characters of UTF-8 is the PartitionKey itself; other keys, and no key at all, get a
 * form of their own; no value is empty Data; headers stay behind. A record beyond Kinesis' own
 * limit is passed over, so that readers get behind it. Each such rendering is counted.
 *
 * Compressed batches cost their unpacking, and all that is given out its encoding. A small page
 * that may unpack little is made on the loop, any other one on a codec lane (storage/codecs.h). */
#ifndef BRIDGE_GET_H
#define BRIDGE_GET_H

#include "bridge/request.h"
#include "storage/log/plog.h"
#include "storage/topic/topic.h"

/* GET_BYTES_MAX: of a page, and of one record's Data and PartitionKey. */
enum { GET_RECORDS_MAX = 10000, GET_BYTES_MAX = 10 << 20 };

/* A page ends behind the batch with which it has unpacked so much: batches that give it few records
 * do not make one page cost more than another. */
enum { GET_UNPACKED_BYTES_MAX = 32 << 20 };

struct get_page {
    struct kinesis_record *records;    /* in the arena; Data points into the batches or the arena */
    uint32_t count;
    size_t bytes;                      /* of Data and PartitionKey */
    int64_t offset_next;               /* where the next page begins */
    int64_t arrival_last_ms;           /* of the last record in the page; 0: none */
    uint32_t passed_over;              /* records, and whole batches, that Kinesis cannot have */
    int64_t passed_over_first;         /* offset of the first of them */
};

/* What a page is made of. */
struct get_wanted {
    const struct shard *shard;
    const struct read_result *read;    /* lives as long as the page is used */
    int64_t offset;
    uint32_t count_max;                /* 1..GET_RECORDS_MAX */
    size_t bytes_max;                  /* one record may be larger when it is the first */
};

/* Makes the metrics. Thread: main, once. */
void get_init(void);

/* Renders the records of `read` from `offset` on that lie in the shard's window and below
 * last_stable. inflater: its bytes_max limits each batch, and all of them when `here`; a batch that
 * INFLATE_BYTES_MAX does not hold is passed over.
 * Errors: ERR_COLD - it takes an inflater with a higher limit; ERR_TOO_LARGE - the arena has no
 * room for the first record (for a later one: the page is shorter); ERR_INVALID_RECORD and kin - a
 * stored batch cannot be unpacked; ERR_BUSY.
 * Thread: any, one owner of inflater and arena. */
enum err get_render(const struct get_wanted *wanted, struct inflater *inflater, bool here,
                    struct arena *arena, struct get_page *ret);

/* A page being made. Owner: get_start()'s caller, but for the time until done(). */
struct get_work {
    struct codec_work work;
    struct get_wanted wanted;
    struct topic *topic;               /* whose shard it is; a reference is kept until done() */
    struct arena *arena;               /* nobody else's until then */
    /* The page is made: encodes it, on the thread that made it. Or NULL. */
    void (*encode)(struct get_work *w);
    void (*done)(struct get_work *w);

    enum err err;                      /* as get_render(), never ERR_COLD; ERR_CLOSED - abandoned */
    struct get_page page;
};
/* False: done() comes on the request's loop. True: the page is made already, or failed; it does not
 * come. All but work is set. Thread: rq's loop. */
bool get_start(struct get_work *w, struct front_request *rq);

/* MillisBehindLatest of a reader that stands at `offset`, with the log's bounds at hand. */
int64_t get_millis_behind(const struct shard *shard, const struct log_bounds *bounds,
                          const struct get_page *page);

#endif
