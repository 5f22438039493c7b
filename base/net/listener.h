/* Ports. A listener accepts on one loop and hands each connection to the next loop in turn, so
 * loops share them evenly. The first bytes of a connection say what it is: 0x16 is a TLS handshake
 * (and the bytes inside it are asked again), "PRI * HTTP/2.0" is HTTP/2, all else is HTTP/1.1 or a
 * frame, as the door is one or the other. */
#ifndef BASE_NET_LISTENER_H
#define BASE_NET_LISTENER_H

#include <stdint.h>
#include "base/budget.h"
#include "base/err.h"
#include "base/net/frame.h"
#include "base/net/http.h"
#include "base/net/limits.h"
#include "base/net/loop.h"
#include "base/net/tls.h"

struct listener;
struct peers;

/* All pointers stay valid until listener_free(). */
struct door {
    const char *name;                /* "kafka": label of its metrics and log lines */
    struct net_limits limits;
    struct budget *budget;           /* of requests */
    struct budget *waiting;          /* of requests that wait: frame_park(); NULL: they stay */
    struct budget *conns;            /* connections of all doors that share it, until their sockets
                                        are closed: valid until the loops are freed, as well. NULL:
                                        no such limit */
    struct budget *sessions;         /* bytes that connections hold beyond their first ones
                                        (conn_charge()); NULL: no such limit */
    struct peers *peers;             /* connections by address, of all doors that share it; NULL: an
                                        address may have any number */
    struct tls *tls;                 /* NULL: a TLS handshake is refused */
    const struct frame_door *frames; /* exactly one of these two */
    const struct http_door *http;
};

/* Binds and listens; connections come once this returned.
 * address: "HOST:PORT", port 0 takes a free one; a name is resolved and its first address taken.
 * door: copied. loops: started or not; copied.
 * Errors: ERR_CONFIG - the address is malformed, does not resolve or is in use (logged with the
 * reason). Thread: any. */
enum err listener_open(const char *address, const struct door *door, struct loop *const *loops,
                       uint32_t loop_count, struct listener **ret_listener);
/* Where it listens, with the real port. Thread: any. */
void listener_address(const struct listener *listener, struct net_address *ret);
uint32_t listener_conn_count(const struct listener *listener);     /* open now. Thread: any */

/* Begins a graceful stop: nothing is accepted any more, idle connections are closed, the others
 * finish what they were asked (HTTP/2: GOAWAY). Thread: that of listener_close(). */
void listener_stop(struct listener *listener);
/* Begins it, if need be, and after grace_ms closes the rest. Returns when no connection is left;
 * their requests may still be with the door, which may finish them as long as the loops live.
 * Blocks. Thread: not a loop's; the loops must run on threads of their own. */
void listener_close(struct listener *listener, uint32_t grace_ms);
/* After listener_close(). NULL is a no-op. */
void listener_free(struct listener *listener);

#endif
