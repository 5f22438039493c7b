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

/* Version 5: a client that knows which broker it means to reach is told when this is another one,
 * as behind an address that went to another cluster; it names both or neither (KIP-1242).
 * Errors: ERR_INVALID_REQUEST; ERR_REBOOTSTRAP_REQUIRED. Thread: any. */
static enum err check_target(const struct kafka_request *rq, const struct api_versions_request *in)
{
    bool of_cluster = !bytes_is_null(in->cluster_id), of_node = in->node_id != -1;
    if (of_cluster != of_node) return ERR_INVALID_REQUEST;
    bool ours = bytes_equal(in->cluster_id, store_cluster_id(rq_store(rq))) &&
                in->node_id == rq->broker->options.node_id;
    return ours || !of_node ? ERR_OK : ERR_REBOOTSTRAP_REQUIRED;
}

static enum err check(const struct kafka_request *rq, const struct api_versions_request *in)
{
    if (rq->version >= 3 && (!is_software_name(in->client_software_name) ||
                             !is_software_name(in->client_software_version)))
        return ERR_INVALID_REQUEST;
    return check_target(rq, in);
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
        out.error_code = err_kafka(check(rq, &in));
    }
    for (int i = 0; i < KAFKA_API_COUNT; i++)
        keys[i] = (struct api_versions_response_api_key){
            .api_key = kafka_apis[i].key,
            .min_version = kafka_apis[i].version_advertised_min,
            .max_version = kafka_apis[i].version_max,
        };
    /* Who is refused gets no list, as in Kafka; an unsupported version does get it. */
    bool refused = out.error_code != 0 && !rq->header.version_unsupported;
    out.api_keys = keys;
    out.api_keys_count = refused ? 0 : KAFKA_API_COUNT;
    KAFKA_ENCODE(rq, api_versions, &out);
    kafka_reply(rq);
    return ERR_OK;
}
