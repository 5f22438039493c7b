#include "protocol/kafka/header.h"

#include "protocol/kafka/msg/schema.h"
#include "base/check.h"

enum err kafka_header_decode(struct cursor *c, struct kafka_header *ret)
{
    int16_t key = cursor_i16(c);
    struct kafka_header h = {.version = cursor_i16(c)};
    h.correlation_id = cursor_i32(c);
    TRY(cursor_finish(c));
    h.api = kafka_api_find(key);
    if (h.api == NULL) return ERR_UNSUPPORTED_VERSION;
    if (!kafka_api_serves(h.api, h.version)) {
        if (key != KAFKA_API_VERSIONS_KEY) return ERR_UNSUPPORTED_VERSION;
        h.version = 0;
        h.version_unsupported = true;
        *ret = h;
        return ERR_OK;
    }
    h.client_id = cursor_string_or_null(c, false);    /* never compact, in no header version */
    if (h.version >= h.api->flexible_min) cursor_skip_tags(c);
    TRY(cursor_finish(c));
    *ret = h;
    return ERR_OK;
}

void kafka_response_header_encode(struct writer *w, const struct kafka_header *h)
{
    writer_i32(w, h->correlation_id);
    if (h->version >= h->api->flexible_min && h->api->key != KAFKA_API_VERSIONS_KEY)
        writer_i8(w, 0);
}
