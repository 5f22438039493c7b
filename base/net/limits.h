/* Every limit and time-out of the network layer, in one structure with its defaults.
 *
 * What happens at each is said beside it; each has a counter (counters.h). A door keeps its own
 * copy, filled by net_limits_init() and changed before its listener opens. */
#ifndef BASE_NET_LIMITS_H
#define BASE_NET_LIMITS_H

#include <stdint.h>

enum {
    CONN_BYTES = 2 * 1024,                  /* of one that speaks frames, measured */
    CONN_STASH_BYTES_MAX = 4 * 1024 * 1024, /* of a loop's share of a door: beyond it nothing is
                                               read ahead, and reads are small */
};

struct net_limits {
    uint32_t conns_max;            /* open connections of one listener; one more is closed at
                                      once */
    uint32_t handshakes_max;       /* TLS handshakes under way on one loop; one more is closed at
                                      once */
    uint32_t handshake_ms;         /* from a TLS handshake's first byte to its end */
    uint32_t idle_ms;              /* nothing asked (yet) and nothing owed: closed (h2: GOAWAY) */
    uint32_t head_ms;              /* HTTP/1.1: from a request's first byte to the end of its
                                      head */
    uint32_t body_stall_ms;        /* a frame or body begun, and no byte of it for this long:
                                      closed */
    uint32_t body_bytes_per_s;     /* a frame or body as a whole: body_stall_ms, and what it takes
                                      at this rate; when others wait for memory or room, who sends
                                      or takes slower is closed after seconds. 0: no such limit */
    uint32_t write_stall_ms;       /* output waits, and the peer took no byte for this long:
                                      closed */
    uint32_t budget_retry_ms;      /* how soon a refused frame or body asks the budget again */
    uint32_t out_bytes_max;        /* output queued on a connection beyond which it is not read */
    uint32_t pipelined_max;        /* frames under way on a connection beyond which it is not
                                      read */
    uint32_t header_bytes_max;     /* names and values of one HTTP request: status 431 */
    uint32_t header_count_max;     /* the same */
    uint32_t stream_low_bytes;     /* a stream's queue at or below which on_writable is called */
    uint32_t h2_streams_max;       /* SETTINGS_MAX_CONCURRENT_STREAMS: beyond, REFUSED_STREAM; a
                                      client that acknowledged the setting is sent away */
    uint32_t h2_window_bytes;      /* receive window of one HTTP/2 stream */
    uint32_t h2_conn_window_bytes; /* receive window of one HTTP/2 connection */
    /* PING, SETTINGS, RST_STREAM, PRIORITY, empty DATA; beyond both, ENHANCE_YOUR_CALM. */
    uint32_t h2_control_burst;     /* so many at once */
    uint32_t h2_control_per_s;     /* and so many a second */
};

/* Defaults that a server for developers and a small production one can share. */
static inline void net_limits_init(struct net_limits *l)
{
    *l = (struct net_limits){
        .conns_max = 20000,
        .handshakes_max = 1000,
        .handshake_ms = 10 * 1000,
        .idle_ms = 600 * 1000,
        .head_ms = 20 * 1000,
        .body_stall_ms = 30 * 1000,
        .body_bytes_per_s = 32 * 1024,
        .write_stall_ms = 60 * 1000,
        .budget_retry_ms = 5,
        .out_bytes_max = 4 * 1024 * 1024,
        .pipelined_max = 64,
        .header_bytes_max = 16 * 1024,
        .header_count_max = 128,
        .stream_low_bytes = 64 * 1024,
        .h2_streams_max = 512,
        .h2_window_bytes = 1024 * 1024,
        .h2_conn_window_bytes = 8 * 1024 * 1024,
        .h2_control_burst = 1000,
        .h2_control_per_s = 200,
    };
}

#endif
