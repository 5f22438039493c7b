/* Incremental fetch sessions (KIP-227): the server remembers which partitions a client follows, so
 * a fetch names only what changed and the answer carries only what is new.
 *
 * Sessions belong to the loop that made them; the loop's index is in the id, so a client that comes
 * back over a connection of another loop is told FETCH_SESSION_ID_NOT_FOUND and starts a full
 * fetch, which is always legal. Pure: no I/O, no clock. Thread: the loop that owns them. */
#ifndef BROKER_FETCH_SESSION_H
#define BROKER_FETCH_SESSION_H

#include <stdbool.h>
#include <stdint.h>
#include "base/bytes.h"
#include "base/err.h"
#include "base/uuid.h"
#include "protocol/kafka/msg/fetch.h"

enum {
    FETCH_SESSION_PARTITIONS_MAX = 10000,   /* a larger fetch is answered without a session */
    FETCH_SESSION_NONE = 0,
    FETCH_EPOCH_FINAL = -1,                 /* close the session, or none was wanted */
    FETCH_EPOCH_INITIAL = 0,
};

/* One partition that a fetch asks for, in the order of the request. */
struct fetch_item {
    struct bytes topic;             /* null when asked by id */
    struct uuid topic_id;
    struct fetch_request_partition want;
    /* What the session's client was told last; only in a session. */
    int64_t told_high_watermark;
    int64_t told_log_start;
    bool told_once;
    bool forgotten;                 /* while a request is being applied */
};

struct fetch_session;
struct fetch_sessions;

/* At most max sessions; the one used longest ago makes room. max 0: sessions are never offered. */
struct fetch_sessions *fetch_sessions_new(uint32_t loop_index, uint32_t loop_count, int32_t max);
void fetch_sessions_free(struct fetch_sessions *s);
int32_t fetch_sessions_count(const struct fetch_sessions *s);

struct fetch_plan {
    struct fetch_item *items;       /* the session's own, or in the arena */
    int32_t item_count;
    int32_t session_id;             /* for the answer; 0: no session */
    int32_t session_epoch;          /* what the client's next request will carry */
    bool incremental;               /* answer only what fetch_item_is_news() */
};
/* Applies a request's session part: what it adds, then what it forgets. A session of which nothing
 * is left ends. A session's items are valid until the next
 * call; fetch_sessions_refresh() makes them valid again.
 * Errors: ERR_FETCH_SESSION_ID_NOT_FOUND; ERR_INVALID_FETCH_SESSION_EPOCH;
 * ERR_FETCH_SESSION_TOPIC_ID_ERROR; ERR_TOO_LARGE - the arena is too small. The request is answered
 * with that error and no partitions. Thread: the owning loop. */
enum err fetch_sessions_plan(struct fetch_sessions *s, int16_t version,
                             const struct fetch_request *request, struct arena *arena,
                             struct fetch_plan *ret);

/* For a fetch that waited. False when the session has ended or served another request meanwhile:
 * the answer is ERR_INVALID_FETCH_SESSION_EPOCH then. */
bool fetch_sessions_refresh(struct fetch_sessions *s, struct fetch_plan *plan);

/* True when an incremental answer has to mention the partition: data, an error, or another high
 * watermark or log start than the client was told. */
bool fetch_item_is_news(const struct fetch_item *item, int16_t error_code, size_t bytes,
                        int64_t high_watermark, int64_t log_start);
/* Remembers what the answer tells. */
void fetch_item_told(struct fetch_item *item, int64_t high_watermark, int64_t log_start);

#endif
