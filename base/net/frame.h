/* Length-prefixed connections: 4 bytes of big-endian size, then that many bytes of body; replies
 * have the same shape and leave in the order of their requests. The Kafka door is made of these.
 *
 * A frame's bytes are taken from the door's budget as they come, and handed over in an exact-size
 * slab. Requests of a connection run one at a time, except that the
 * door may let the next one start before the last one was answered (may_overlap); the replies keep
 * their order all the same. While the budget refuses, replies pile up or the connection is muted,
 * the socket is not read and TCP pushes back. Thread: all of it on the connection's loop.
 * Fuzz: fuzz_frame */
#ifndef BASE_NET_FRAME_H
#define BASE_NET_FRAME_H

#include <stdbool.h>
#include <stdint.h>
#include "base/arena.h"
#include "base/bytes.h"
#include "base/net/address.h"
#include "base/net/loop.h"
#include "base/slab.h"
#include "base/writer.h"

struct budget;
struct frame_conn;
struct frame_request;

struct frame_door {
    uint32_t frame_bytes_max;        /* of one request body; a larger one closes the connection */
    uint32_t reply_bytes_max;        /* of one reply, splices not counted: cap of rq->reply */
    uint32_t arena_bytes_max;        /* cap of rq->arena */
    void *context;                   /* the door's own */
    /* One whole request; owned by the door until it finishes it. */
    void (*on_frame)(struct frame_request *rq);
    /* May next (a whole body) start while last was not answered? NULL: never. */
    bool (*may_overlap)(const struct frame_request *last, struct bytes next);
    /* About how large the answer to a body will be, asked when a loop has much to send: what is
     * larger than ROOM_ANSWER_BYTES_MIN waits for room. NULL: all are small, or keep to the room
     * themselves. */
    size_t (*answer_bytes)(const struct frame_door *door, struct bytes body);
    /* For state per connection; either may be NULL. on_close comes after every request of the
     * connection had its on_closed. */
    void (*on_open)(struct frame_conn *conn);
    void (*on_close)(struct frame_conn *conn);
};

/* Made by the layer. The door finishes each request with exactly one of frame_reply(),
 * frame_reply_none() and frame_abort(), at any later time, also when the connection has gone. */
struct frame_request {
    struct loop *loop;
    struct frame_conn *conn;         /* NULL once the connection has gone */
    const struct frame_door *door;
    struct slab *body;               /* the frame without its size; len = its size. Others may keep
                                        references of their own */
    struct arena arena;              /* freed when the request is finished */
    struct writer reply;             /* the body of the reply; the layer puts the size in front */
    void *context;                   /* the door's own, NULL at first */
    /* Called once when the connection closes before the request was finished, so that a parked
     * request can be cancelled; it may finish the request there. NULL: nothing is parked. */
    void (*on_closed)(struct frame_request *rq);
    /* Called at most once, when the server stops: whoever waits for something that may not come
     * soon finishes the request shortly, or here. NULL: the request ends by itself. */
    void (*on_stop)(struct frame_request *rq);
    /* The layer's. */
    struct frame_request *next;
    uint8_t state;
};

/* Sends rq->reply in its turn and frees rq. A reply that failed (rq->reply.err) or is beyond 2^31-1
 * bytes acts as frame_abort(). */
void frame_reply(struct frame_request *rq);
/* Finishes without a reply (Produce with acks=0). */
void frame_reply_none(struct frame_request *rq);
/* Closes the connection once the replies before this one were sent; later ones are dropped. */
void frame_abort(struct frame_request *rq);

/* The request waits for something that may not come soon: what it holds counts as waiting
 * (door.waiting) from here on to its end, its answer too, and leaves the budget to those that are
 * worked on. False: there is no room for one more that waits; it is best answered now. May be
 * called in vain. */
bool frame_park(struct frame_request *rq);

/* Stops reading the connection for ms from now on; a longer mute that runs already stays. Replies
 * still leave. (KIP-219: answer first, then keep silent.) */
void frame_mute(struct frame_conn *conn, uint32_t ms);
/* Closes after what is owed so far was sent. */
void frame_close(struct frame_conn *conn);

/* The door's state per connection; NULL at first. */
void frame_user_set(struct frame_conn *conn, void *user);
void *frame_user(const struct frame_conn *conn);
const struct frame_door *frame_door(const struct frame_conn *conn);
struct loop *frame_loop(const struct frame_conn *conn);
bool frame_is_tls(const struct frame_conn *conn);
/* The address that the client connected to (what is advertised to it), and the client's own. */
void frame_local(const struct frame_conn *conn, struct net_address *ret);
void frame_peer(const struct frame_conn *conn, struct net_address *ret);
/* Where the memory of a request of this connection is taken from; may be NULL. */
struct budget *frame_budget(const struct frame_conn *conn);

#endif
