/* How a request ends that cannot be read, or names more than one may: its connection is closed,
 * because nothing tells where the client's next thought begins, and who looks after the server is
 * told. */
#ifndef BROKER_REFUSE_H
#define BROKER_REFUSE_H

#include "base/cursor.h"
#include "base/net/frame.h"
#include "broker/broker.h"
#include "protocol/kafka/header.h"

/* Makes its metric. Thread: main, once. */
void broker_refuse_init(void);

/* What one request of an API may name, all together: topics, partitions, groups, members, configs.
 * Thread: any. */
uint32_t broker_names_max(const struct broker *b, const struct kafka_api *api);

/* header: as far as it was read; body: where the handler stands in it, NULL when none does. The
 * request is gone afterwards.
 * Thread: the connection's loop. */
void broker_refuse(struct frame_request *frame, enum err err, const struct kafka_header *header,
                   const struct cursor *body);

#endif
