/* application/vnd.amazon.eventstream: the messages of an answer that goes on, such as
 * SubscribeToShard's.
 *
 *   0  4  total length           12  n  headers: name length u8, name, type u8 = 7,
 *   4  4  length of headers              value length u16, value
 *   8  4  CRC-32 of 0..7          .  .  payload
 *                                -4  4  CRC-32 of everything before
 * Order of an answer: initial-response first (boto3 and Go refuse the stream without it), then
 * events (an empty one at least every five seconds), at most one exception last. Payloads are JSON
 * in every client. Writes to a writer; its err tells whether it fitted. Thread: the writer's
 * owner. */
#ifndef PROTOCOL_AWS_EVENTSTREAM_H
#define PROTOCOL_AWS_EVENTSTREAM_H

#include "base/bytes.h"
#include "base/writer.h"
#include "protocol/aws/shape.h"

#define EVENTSTREAM_CONTENT_TYPE "application/vnd.amazon.eventstream"

struct eventstream_header {
    const char *name;        /* 1..255 bytes */
    const char *value;       /* 0..65535 bytes */
};

/* One message with any headers; payload borrowed. */
void eventstream_message(struct writer *w, const struct eventstream_header *headers,
                         uint32_t header_count, struct bytes payload);

void eventstream_initial_response(struct writer *w);
/* type: "SubscribeToShardEvent"; event: the C value of shape. */
void eventstream_event(struct writer *w, const char *type, const struct aws_shape *shape,
                       const void *event);
/* type: "ResourceInUseException"; message: UTF-8, null = none. Ends the stream. */
void eventstream_exception(struct writer *w, const char *type, struct bytes message);

#endif
