/* Catalog changes that one request asks for, and its answer when all of them are done. Each change
 * fills the answer's entry at its place; the last one finishes the request. A request that names
 * many things asks for some at a time, and looks at some at a turn of its loop: neither the loop
 * nor the controller gets them all at once, and their memory is used again. Thread: the request's
 * loop. */
#ifndef BROKER_CHANGES_H
#define BROKER_CHANGES_H

#include "broker/request.h"
#include "storage/control/control.h"

/* Of changes_each(): asked and not answered yet; looked at in one turn. */
enum { CHANGES_UNDER_WAY_MAX = 256, CHANGES_A_TURN = 1000 };

struct change;

struct changes {
    struct kafka_request *rq;
    int32_t pending;            /* changes under way, and one until the last one was asked for */
    int32_t at, count;          /* of changes_each() */
    bool full;                  /* as many are under way as may be: the walk goes on when some are
                                   answered */
    struct job turn;            /* the walk goes on */
    struct change *spare;       /* answered ones */
    void (*one)(struct changes *ch, int32_t at);
    /* A change came back: c->err, c->text, c->topic (dropped afterwards), c->result. */
    void (*answered)(struct changes *ch, int32_t at, struct control *c);
    void (*finished)(struct changes *ch);       /* sends the reply */
};

void changes_begin(struct changes *ch, struct kafka_request *rq,
                   void (*answered)(struct changes *ch, int32_t at, struct control *c),
                   void (*finished)(struct changes *ch));
/* change: kind and arguments; what they point to lives as long as the request.
 * Errors: ERR_TOO_LARGE - the request's arena is full, nothing was asked. Thread: the request's
 * loop. */
enum err changes_ask(struct changes *ch, int32_t at, const struct control *change);
/* To be called once after the last changes_ask(); finished() may run inside. */
void changes_end(struct changes *ch);
/* In its place: one(ch, at) for each of [0, count) in this order, now or in later turns; it calls
 * changes_ask() at most once. */
void changes_each(struct changes *ch, int32_t count, void (*one)(struct changes *ch, int32_t at));

/* The text for a client: the controller's own, else the error's. Lives in the request's arena. */
struct bytes changes_text(struct changes *ch, const struct control *c);

#endif
