/* Catalog changes that one request asks for, and its answer when all of them are done. Each change
 * fills the answer's entry at its place; the last one finishes the request. Thread: the request's
 * loop. */
#ifndef BROKER_CHANGES_H
#define BROKER_CHANGES_H

#include "broker/request.h"
#include "storage/control.h"

struct changes {
    struct kafka_request *rq;
    int32_t pending;
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

/* The text for a client: the controller's own, else the error's. Lives in the request's arena. */
struct bytes changes_text(struct changes *ch, const struct control *c);

#endif
