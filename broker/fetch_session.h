/* Incremental fetch sessions (KIP-227): the server remembers which partitions a client follows, so
 * a fetch names only what changed and the answer carries only what is new.
 *
 * A session begins with the answer to a full fetch. When there is no place for it - by count, or by
 * bytes - the answer carries session id 0, which clients take as "go on with full fetches". A place
 * is taken from another session only when that one was not used for FETCH_SESSION_EVICTION_MS, or
 * has lived as long and follows fewer partitions than the new one.
 *
 * Sessions belong to the loop that made them; the loop's index is in the id, so a client that comes
 * back over a connection of another loop is told FETCH_SESSION_ID_NOT_FOUND and starts a full
 * fetch, which is always legal. Pure: no I/O, no clock. Thread: the loop that owns them. */
#ifndef BROKER_FETCH_SESSION_H
#define BROKER_FETCH_SESSION_H

#include <stdbool.h>
#include <stdint.h>
#include "base/err.h"
#include "broker/fetch_list.h"

enum {
    FETCH_SESSION_PARTITIONS_MAX = 10000,   /* a larger fetch is answered without a session */
    FETCH_SESSION_BYTES_MAX = 4 << 20,      /* the same */
    FETCH_SESSION_EVICTION_MS = 120000,     /* Kafka's MIN_INCREMENTAL_FETCH_SESSION_EVICTION_MS */
    FETCH_SESSION_NONE = 0,
    FETCH_EPOCH_FINAL = -1,                 /* close the session, or none was wanted */
    FETCH_EPOCH_INITIAL = 0,
};

struct fetch_session;
struct fetch_sessions;

/* count_max and bytes_max: of all its sessions; 0: sessions are never offered. */
struct fetch_sessions *fetch_sessions_new(uint32_t loop_index, uint32_t loop_count,
                                          int32_t count_max, size_t bytes_max);
void fetch_sessions_free(struct fetch_sessions *s);
int32_t fetch_sessions_count(const struct fetch_sessions *s);
size_t fetch_sessions_bytes(const struct fetch_sessions *s);

/* What a request asks for. A zeroed one holds nothing. */
struct fetch_plan {
    struct fetch_session *session;  /* reference; of a full fetch: not among the sessions yet */
    struct fetch_list *list;        /* the session's */
    int32_t epoch;                  /* what the client's next request will carry */
    bool incremental;               /* answer only what fetch_item_is_news() */
    bool begins;                    /* a session is wanted */
};
/* Applies a request's session part: what it adds, then what it forgets. A session of which nothing
 * is left ends, and the request is answered without it.
 * Errors: ERR_FETCH_SESSION_ID_NOT_FOUND; ERR_INVALID_FETCH_SESSION_EPOCH;
 * ERR_FETCH_SESSION_TOPIC_ID_ERROR. The request is answered with that error and no partitions.
 * ERR_BUSY - memory is out: answered without partitions, to be asked again. A session that finds no
 * memory for what is added or forgotten ends: ERR_FETCH_SESSION_ID_NOT_FOUND.
 * Thread: the owning loop. */
enum err fetch_sessions_plan(struct fetch_sessions *s, int16_t version,
                             const struct fetch_request *request, int64_t now_ms,
                             struct fetch_plan *ret);
/* The same of a full fetch - session_epoch is FETCH_EPOCH_INITIAL or FETCH_EPOCH_FINAL - that names
 * very much: the session that it names ends on the owning loop, and its list is made on any thread;
 * s is read alone. Errors: ERR_BUSY - memory is out. Thread: any, of fetch_plan_full(). */
void fetch_sessions_end(struct fetch_sessions *s, int32_t id);
enum err fetch_plan_full(const struct fetch_sessions *s, int16_t version,
                     const struct fetch_request *request, struct fetch_plan *ret);
/* No session has its list, and none begins with the answer. */
bool fetch_plan_is_own(const struct fetch_plan *plan);
/* For a fetch that waited. False when its session served another request meanwhile: the list is
 * that one's now, and the answer ERR_INVALID_FETCH_SESSION_EPOCH. A session that ended meanwhile
 * still serves it. */
bool fetch_plan_is_current(const struct fetch_plan *plan);
/* FETCH_SESSION_NONE unless its session has begun. */
int32_t fetch_plan_session(const struct fetch_plan *plan);
/* The session id of the answer; begins the session of a full fetch if there is a place for it. */
int32_t fetch_sessions_answer(struct fetch_sessions *s, const struct fetch_plan *plan,
                              int64_t now_ms);
void fetch_plan_done(struct fetch_plan *plan);
/* Bytes that the plan takes up and no session counts. */
size_t fetch_plan_bytes(const struct fetch_plan *plan);

/* True when an incremental answer has to mention the partition: data, an error, or another high
 * watermark or log start than the client was told. */
bool fetch_item_is_news(const struct fetch_item *item, bool error, size_t bytes,
                        int64_t high_watermark, int64_t log_start);
/* Remembers what the answer tells; of an error both are -1, so that what comes after it is news. */
void fetch_item_told(struct fetch_item *item, int64_t high_watermark, int64_t log_start);

#endif
