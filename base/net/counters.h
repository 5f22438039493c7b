/* What the network layer counts, per door. Made once when a listener opens. */
#ifndef BASE_NET_COUNTERS_H
#define BASE_NET_COUNTERS_H

#include "base/metrics.h"

/* Why a connection was closed: name and label. */
#define NET_CLOSE_TABLE(C)                                                                         \
    C(PEER, "peer")                       /* the client closed */                                  \
    C(TRUNCATED, "truncated")             /* it closed in the middle of a frame, head or body */   \
    C(DONE, "done")                       /* closed after the reply, as agreed */                  \
    C(IO, "io_error")                     /* the socket failed */                                  \
    C(IDLE, "idle")                                                                                \
    C(HANDSHAKE, "handshake_timeout")     /* half a TLS handshake */                               \
    C(HEAD, "head_timeout")               /* half a request head */                                \
    C(STALL, "read_stall")                /* half a frame or body, and silence */                  \
    C(SLOW, "write_stall")                /* does not read its replies */                          \
    C(TLS, "tls_failed")                  /* handshake or record refused, or TLS not offered */    \
    C(PROTOCOL, "protocol_error")                                                                  \
    C(TOO_LARGE, "too_large")             /* frame, head or body beyond its limit */               \
    C(FLOOD, "flood")                     /* HTTP/2 control frames beyond their rate */            \
    C(MEMORY, "no_memory")                /* what it needs is not to be had */                     \
    C(ABORT, "aborted")                   /* the door gave the connection up */                    \
    C(FULL, "too_many")                   /* beyond the connection limit */                        \
    C(PEER_FULL, "too_many_of_one_address")                                                        \
    C(STOP, "stop")                       /* the server stops */

#define NET_CLOSE_NAME(name, label) NET_CLOSE_##name,
enum net_close { NET_CLOSE_TABLE(NET_CLOSE_NAME) NET_CLOSE_COUNT };
#undef NET_CLOSE_NAME

struct net_counters {
    struct metric *opened;
    struct metric *open;                /* gauge */
    struct metric *closed[NET_CLOSE_COUNT];
    struct metric *bytes_in;
    struct metric *bytes_out;
    struct metric *requests;
    struct metric *refused;             /* HTTP requests refused by the layer: 400, 413, 431, 503 */
    struct metric *budget_waits;        /* times that a request waited for memory */
    struct metric *accept_failures;
    struct metric *tls_handshakes;
    struct metric *h2_resets;           /* streams that we reset: stalled or too large */
};

/* door: its name, as label. */
void net_counters_init(struct net_counters *c, const char *door);
/* Connections that a door of this name has open now. Thread: any. */
int64_t net_connections_open(const char *door);

#endif
