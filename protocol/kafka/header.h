/* Frame headers of the Kafka protocol. A frame is a 4-byte size and that many bytes; what follows
 * here is behind the size.
 *
 * Request header: key, version, correlation id, client id, and for a flexible version tagged
 * fields. Response header: correlation id, and for a flexible version tagged fields - except
 * ApiVersions, whose response header never has them, because its reader does not know yet what the
 * server speaks.
 * Fuzz: fuzz_kafka_request */
#ifndef PROTOCOL_KAFKA_HEADER_H
#define PROTOCOL_KAFKA_HEADER_H

#include "base/cursor.h"
#include "base/writer.h"
#include "protocol/kafka/api.h"

struct kafka_header {
    const struct kafka_api *api;
    int16_t version;            /* the one to decode and to answer with */
    int32_t correlation_id;
    struct bytes client_id;     /* view; null is legal and frequent */
    bool version_unsupported;   /* only for ApiVersions: answer version 0 with UNSUPPORTED_VERSION
                                 * and the list; nothing behind the correlation id was read */
};

/* Reads a request header and leaves the cursor at the body.
 * An ApiVersions of an unknown version succeeds, as version 0 with version_unsupported: a client
 * newer than the server learns from the answer what it may send (KIP-511).
 * Errors: ERR_UNSUPPORTED_VERSION - no such API, or not in this version; Kafka closes the
 * connection. ERR_INVALID_REQUEST - too short or malformed; close as well. Thread: any. */
enum err kafka_header_decode(struct cursor *c, struct kafka_header *ret);

/* Writes the response header; the body follows. The size in front is the frame layer's.
 * Thread: the writer's owner. */
void kafka_response_header_encode(struct writer *w, const struct kafka_header *h);

#endif
