#include "broker/request.h"
#include "protocol/kafka/msg/api_versions.h"
#include "base/check.h"

/* "[a-zA-Z0-9](?:[a-zA-Z0-9\\-.]*[a-zA-Z0-9])?" (KIP-511) */
static bool is_software_name(struct bytes b)
{
    for (size_t i = 0; i < b.len; i++) {
        uint8_t c = b.data[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!plain && ((c != '-' && c != '.') || i == 0 || i + 1 == b.len)) return false;
    }
    return b.len > 0;
}

enum err kafka_api_versions(struct kafka_request *rq)
{
    struct api_versions_request in = API_VERSIONS_REQUEST_INIT;
    struct api_versions_response out = API_VERSIONS_RESPONSE_INIT;
    struct api_versions_response_api_key keys[KAFKA_API_COUNT];
    if (rq->header.version_unsupported) {
        out.error_code = err_kafka(ERR_UNSUPPORTED_VERSION);
    } else {
        TRY(api_versions_request_decode(&rq->body, rq->version, &in));
        bool named = rq->version < 3 || (is_software_name(in.client_software_name) &&
                                         is_software_name(in.client_software_version));
        if (!named) out.error_code = err_kafka(ERR_INVALID_REQUEST);
    }
    for (int i = 0; i < KAFKA_API_COUNT; i++)
        keys[i] = (struct api_versions_response_api_key){
            .api_key = kafka_apis[i].key,
            .min_version = kafka_apis[i].version_advertised_min,
            .max_version = kafka_apis[i].version_max,
        };
    /* A refused name gets no list, as in Kafka; an unsupported version does get it. */
    out.api_keys = keys;
    out.api_keys_count = out.error_code == err_kafka(ERR_INVALID_REQUEST) ? 0 : KAFKA_API_COUNT;
    api_versions_response_encode(rq->reply, rq->version, &out);
    kafka_reply(rq);
    return ERR_OK;
}
