/* FindCoordinator: this one broker coordinates everything. */
#include "broker/request.h"
#include "protocol/kafka/msg/find_coordinator.h"
#include "base/check.h"

enum { KEY_GROUP = 0, KEY_TRANSACTION = 1 };

/* Share partitions have no coordinator here, and other types are unknown to Kafka as well.
 * Errors: ERR_INVALID_REQUEST. Thread: any. */
static enum err check(int8_t key_type)
{
    return key_type == KEY_GROUP || key_type == KEY_TRANSACTION ? ERR_OK : ERR_INVALID_REQUEST;
}

enum err kafka_find_coordinator(struct kafka_request *rq)
{
    struct find_coordinator_request in;
    TRY(find_coordinator_request_decode(&rq->body, rq->version, &in));
    size_t count = (size_t)in.coordinator_keys_count;
    struct net_address *address = ARENA_NEW(rq->arena, struct net_address);
    struct find_coordinator_response_coordinator *list =
        ARENA_ARRAY(rq->arena, struct find_coordinator_response_coordinator, count);
    if (address == NULL || list == NULL) return ERR_TOO_LARGE;
    kafka_advertised(rq, address);
    enum err err = check(in.key_type);
    struct find_coordinator_response_coordinator one = {
        .key = BYTES_LIT(""),
        .node_id = err == ERR_OK ? rq->broker->options.node_id : -1,
        .host = err == ERR_OK ? bytes_str(address->host) : BYTES_LIT(""),
        .port = err == ERR_OK ? address->port : -1,
        .error_code = err_kafka(err),
        .error_message = err == ERR_OK ? BYTES_NULL : bytes_str(err_text(err)),
    };
    for (size_t i = 0; i < count; i++) {
        list[i] = one;
        list[i].key = in.coordinator_keys[i];
    }
    struct find_coordinator_response out = {
        .error_code = one.error_code,
        .error_message = one.error_message,
        .node_id = one.node_id,
        .host = one.host,
        .port = one.port,
        .coordinators = list,
        .coordinators_count = in.coordinator_keys_count,
    };
    find_coordinator_response_encode(rq->reply, rq->version, &out);
    kafka_reply(rq);
    return ERR_OK;
}
