/* Between the frames of base/net and the handlers. */
#ifndef BROKER_DISPATCH_H
#define BROKER_DISPATCH_H

#include "base/net/frame.h"
#include "broker/broker.h"
#include "protocol/kafka/api.h"

/* Makes the metrics of every API. Thread: main, once. */
void broker_dispatch_init(void);
/* struct frame_door's on_frame, answer_bytes and may_overlap. */
void broker_dispatch_frame(struct frame_request *frame);
size_t broker_dispatch_answer_bytes(const struct frame_door *door, struct bytes body);
bool broker_dispatch_may_overlap(const struct frame_request *last, struct bytes next);

#endif
