/* One connection: socket, TLS, what was read too early, what waits to be sent, time-outs. Inside
 * base/net only; doors see frames and HTTP requests.
 *
 * A protocol sits on top: it gets the bytes and says how many it took. One that cannot go on - its
 * answer is due first, or the budget refused - calls conn_block(): the rest stays in the stash, and
 * once something lies there the socket is not read. conn_resume() gives the stash again.
 * Output is put into c->out; conn_flush_later() sends it at the end of the turn.
 * A closed connection stays readable memory until the end of the turn.
 * Thread: all of it on the connection's loop. */
#ifndef BASE_NET_CONN_H
#define BASE_NET_CONN_H

#include <event2/event.h>
#include <event2/event_struct.h>
#include <openssl/types.h>
#include "base/net/counters.h"
#include "base/net/listener.h"
#include "base/net/outq.h"
#include "base/net/peers.h"

struct conn;

struct conn_protocol {
    /* Takes bytes from the front of data; returns how many. Fewer than len without conn_block():
     * it needs more to decide, and gets the rest again with what comes next. */
    size_t (*on_bytes)(struct conn *c, const uint8_t *data, size_t len);
    /* Where the next bytes are wanted, without a copy; 0: nowhere special. At most
     * CONN_DIRECT_BYTES_MAX, and fewer only when no more are wanted. May be NULL. */
    size_t (*direct)(struct conn *c, uint8_t **ret_to);
    /* So many came, perhaps 0: after each direct() that was not 0. */
    void (*on_direct)(struct conn *c, size_t len);
    /* The client sent its last byte. False: the protocol still has work and closes later. */
    bool (*on_eof)(struct conn *c);
    /* Before the output is sent: for a protocol that makes it on demand. May be NULL. */
    void (*before_flush)(struct conn *c);
    /* Some output was taken by the socket. May be NULL. */
    void (*on_drained)(struct conn *c);
    /* The deadline passed. NULL: close. */
    void (*on_deadline)(struct conn *c);
    /* Graceful stop: finish what was asked, take nothing new, then conn_finish(). */
    void (*on_stop)(struct conn *c);
    /* The connection is closed: tell the requests, free the state. */
    void (*on_gone)(struct conn *c);
    /* What must hold of its state between two turns. May be NULL. */
    void (*check)(const struct conn *c);
    bool reads_always;           /* also while output piles up: it bounds that itself */
};

/* A listener's share on one loop. */
struct conn_home {
    struct loop *loop;
    const struct door *door;
    const struct conn_protocol *protocol;        /* that a new connection begins with */
    struct net_counters *counters;
    struct conn *first;
    uint32_t count;
    uint32_t handshakes;                         /* under way */
    size_t stash_bytes;                          /* of all connections */
    bool stopping;
    void (*on_close)(struct conn_home *home);    /* after each close; count is lowered already,
                                                    the door's conns once the socket is closed */
    struct frame_request *spares;                /* frame.c's, for reuse */
    uint32_t spare_count;
};

enum {
    CONN_DIRECT_BYTES_MAX = 1024 * 1024,
};

/* The frame or body that is half read: how fast it comes. */
struct conn_body {
    int64_t began_ms;                /* 0 = none; time that we did not read is added */
    int64_t came_ms;                 /* the last byte */
    int64_t check_ms;
    int64_t seen_ms;                 /* of the last look, and got then */
    uint64_t seen;
    uint64_t want;                   /* 0 = not known */
    uint64_t got;
};

/* README.md has the picture. */
enum conn_life {
    CONN_FRESH,                      /* nothing read yet */
    CONN_HANDSHAKING,
    CONN_OPEN,
    CONN_FINISHING,                  /* closes when out is empty */
    CONN_LINGERING,                  /* all was sent; its client may still be sending */
    CONN_CLOSED,
};

struct conn {
    struct conn_home *home;
    struct conn *next;
    struct conn *prev;
    struct peer *peer;               /* counted in the door's peers; or NULL */
    struct budget *counted;          /* the door's conns, until fd is closed; or NULL */
    int fd;
    SSL *ssl;                        /* NULL: plain */
    struct event read_event;
    struct event write_event;
    const struct conn_protocol *protocol;
    void *state;                     /* the protocol's */
    struct outq out;
    uint8_t *stash;
    size_t stash_at;
    size_t stash_len;
    size_t stash_cap;
    size_t charged;                  /* taken from the door's sessions */
    struct loop_timer timer;
    int64_t deadline_ms;             /* 0 = none, as the three below */
    int64_t mute_until_ms;
    int64_t retry_at_ms;
    struct conn_body body;
    int64_t wait_ms;                 /* since when the budget refuses what came; 0 = it does not */
    int64_t out_check_ms;            /* when to look again what was taken; 0 = none waits */
    int64_t out_moved_ms;            /* when the last byte was */
    size_t out_taken;                /* since the last look */
    struct job flush_job;
    struct job free_job;
    struct loop_task handshake;      /* the next step of it, which may take a millisecond */
    enum net_close deadline_reason;
    enum net_close finish_reason;
    enum conn_life life;             /* by life_move() of conn.c alone */
    bool blocked;
    bool feeding;
    bool again;                      /* resumed while being fed */
    bool shaking;                    /* handshake waits for its turn */
    bool eof;
    bool reading;                    /* read_event is added */
    bool write_blocked;              /* write_event is added */
    bool flush_queued;
    bool linger;                     /* when it has finished, so that the reply is not lost */
    bool tls;                        /* stays true when ssl is gone */
};

static inline bool conn_is_closed(const struct conn *c)
{
    return c->life == CONN_CLOSED;
}

static inline bool conn_is_finishing(const struct conn *c)
{
    return c->life == CONN_FINISHING;
}

/* Its protocol has nothing more to read or to say. */
static inline bool conn_is_ending(const struct conn *c)
{
    return conn_is_closed(c) || conn_is_finishing(c);
}

/* Takes fd over, and closes it when memory is out. peer: from the door's peers_add(), or NULL. */
void conn_open(struct conn_home *home, int fd, struct peer *peer);
/* Answers that a client does not take are given so long when the server stops. */
enum { CONN_STOP_OUT_MS = 250 };
/* The listener stops: once a connection. */
void conn_stop(struct conn *c);
/* At once; idempotent. */
void conn_close(struct conn *c, enum net_close reason);
/* When the output was sent. linger: the client may be sending still, give it time to see the
 * reply. */
void conn_finish(struct conn *c, enum net_close reason, bool linger);

/* What a connection may hold beside its first 2 KiB, while it is open, measured: a TLS session with
 * half a record each way; the head of an HTTP/1.1 request as it comes; nghttp2's session with the
 * streams whose heads are free. */
enum {
    CONN_TLS_BYTES = 40 * 1024,
    CONN_HTTP1_BYTES = 12 * 1024,
    CONN_HTTP2_BYTES = (16 + 64) * 1024,
};
/* Takes that much for c until it is closed. False: the door's sessions have no room, and c was
 * closed. */
bool conn_charge(struct conn *c, size_t bytes);

/* What must hold of all connections between two turns of the loop; it ends the process where
 * something does not. For tests and fuzz targets (conn_check.c). */
void conn_home_check(const struct conn_home *home);

/* Hands the connection to the protocol that its first bytes ask for. */
void conn_switch(struct conn *c, const struct conn_protocol *protocol, void *state);
void conn_block(struct conn *c);
void conn_resume(struct conn *c);
/* Blocks, and resumes after net_limits.budget_retry_ms: the budget refused. */
void conn_wait_budget(struct conn *c);
/* Flushes again after that time, without blocking: a large answer waits for room. */
void conn_wait_room(struct conn *c);
void conn_mute(struct conn *c, uint32_t ms);
static inline bool conn_is_muted(const struct conn *c)
{
    return c->mute_until_ms != 0;
}

void conn_flush_later(struct conn *c);
/* Output beyond its limit waits: take no new request. on_drained comes. */
bool conn_is_full(const struct conn *c);
/* Looks again whether the socket is to be read. */
void conn_update(struct conn *c);
/* Unless something else happens within ms: close for that reason. 0: no deadline. */
void conn_deadline(struct conn *c, uint32_t ms, enum net_close reason);

/* A frame or body is half read: want bytes, 0 when that is not known, of which got are there. Who
 * sends it too slowly is closed. */
void conn_body(struct conn *c, uint64_t want, uint64_t got);
/* It is whole. */
void conn_body_end(struct conn *c);
/* From since on it was ours to read on: that time is not counted. */
void conn_body_waited(struct conn_body *b, int64_t since_ms, int64_t now_ms);
/* Whether a body with these numbers comes too slowly; asked about once a second. */
bool conn_body_is_late(const struct conn *c, struct conn_body *b);

static inline const struct net_limits *conn_limits(const struct conn *c)
{
    return &c->home->door->limits;
}

/* The protocols. */
extern const struct conn_protocol sniff_protocol;
void frame_start(struct conn *c);
void http1_start(struct conn *c);
void http2_start(struct conn *c);
void frame_home_done(struct conn_home *home);

/* conn_io.c: reads and writes, through TLS or not. */
enum { IO_AGAIN = -1, IO_FAILED = -2 };
/* Returns bytes, 0 at the end, or one of the above; fills vectors in order. */
ssize_t conn_io_read(struct conn *c, struct iovec *vectors, int count);
/* Sends about max bytes at most from c->out; the caller drops what was sent. Returns bytes > 0,
 * IO_AGAIN or IO_FAILED. ret_more: false when the socket's buffer is full now. */
ssize_t conn_io_write(struct conn *c, size_t max, bool *ret_more);
/* IO_AGAIN, IO_FAILED or 1 when done. */
int conn_io_handshake(struct conn *c);
/* says_goodbye: by close_notify, if there is a session and the socket takes it. */
void conn_io_end(struct conn *c, bool says_goodbye);

#endif
