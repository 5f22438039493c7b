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

struct kafka_frame kafka_frame_begin(struct writer *w, const struct kafka_header *h)
{
    struct kafka_frame frame = {.at = w->len, .spliced = w->splice_bytes};
    writer_i32(w, 0);
    writer_i32(w, h->correlation_id);
    if (h->version >= h->api->flexible_min && h->api->key != KAFKA_API_VERSIONS_KEY) writer_i8(w, 0);
    return frame;
}

void kafka_frame_end(struct writer *w, struct kafka_frame frame)
{
    if (w->err != ERR_OK) return;
    size_t size = w->len - frame.at - sizeof(int32_t) + w->splice_bytes - frame.spliced;
    if (size > INT32_MAX) w->err = ERR_TOO_LARGE;
    writer_patch_i32(w, frame.at, (int32_t)size);
}
