/* A catalog change that an operation asks for, and its answer. */
#ifndef BRIDGE_CHANGE_H
#define BRIDGE_CHANGE_H

#include "bridge/request.h"
#include "storage/control/control.h"

/* Carries out what `change` says and calls done() on the request's loop, which answers. What the
 * change points to lives in the request's arena. Thread: the request's loop. */
void change_start(struct front_request *rq, const struct control *change,
                  void (*done)(struct front_request *rq, struct control *c));

/* The usual done(): an empty answer, or what change_fail() says. */
void change_reply_empty(struct front_request *rq, struct control *c);
/* Answers a failed change with AWS's exception and the controller's text. */
void change_fail(struct front_request *rq, const struct control *c);

#endif
