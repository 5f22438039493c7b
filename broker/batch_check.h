/* What a producer's batch goes through before its log gets it: checked, and packed anew where its
 * topic's compression.type names another codec. It touches nothing of a loop, so that it can run
 * there, when it costs little, or on a codec lane. */
#ifndef BROKER_BATCH_CHECK_H
#define BROKER_BATCH_CHECK_H

#include "base/arena.h"
#include "base/budget.h"
#include "protocol/batch/deflate.h"
#include "protocol/batch/validate.h"
#include "storage/topic/topic.h"

struct batch_check {
    const struct topic *topic;      /* the partition is one of its */
    struct bytes records;           /* of the request; its time is set in place */
    int16_t produce_version;
    struct arena *arena;            /* for faults */
    struct budget *budget;          /* for repacked; may be NULL */

    enum err err;
    bool in_log;                    /* an error is the log's, not the request's */
    bool unpacks_too_much;          /* with ERR_MESSAGE_TOO_LARGE: by its sum, the request */
    struct batch_faults *faults;    /* NULL: none */
    int64_t now_ms;                 /* when it was checked */
    int32_t count;                  /* of records */
    struct slab *repacked;          /* the batch in the topic's codec, one reference; NULL: records
                                       are stored as they came */
    uint64_t pack_us;               /* what packing would take; 0: not known */
};

/* How far one try may go. */
struct batch_check_tools {
    struct inflater *inflater;
    struct deflater *deflater;
    size_t unpack_max;              /* bytes */
    uint64_t pack_us_max;           /* by deflate_cost_us() */
};

/* False: it takes more than these tools give, and nothing of c is decided but, when that is why,
 * pack_us. True: c->err and what goes with it are set. unpack_left: what the request may still
 * unpack; what this batch unpacked is taken off once it is decided.
 * Thread: any, one owner of c and the tools. */
bool batch_check(struct batch_check *c, const struct batch_check_tools *tools, size_t *unpack_left);

#endif
