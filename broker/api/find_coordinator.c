/* FindCoordinator: this one broker coordinates every group.
 *
 * Transactions are not served, and a transactional producer asks here first: the answer must end it
 * at once, with words. librdkafka (up to version 2 of this API) takes only a failed authorisation
 * for final, and shows our words with it; Kafka's own client (since version 4) shows them with an
 * error that it does not expect, and not with that one. */
#include "broker/request.h"
#include "protocol/kafka/msg/find_coordinator.h"
#include "base/check.h"

enum { KEY_GROUP = 0, KEY_TRANSACTION = 1, LISTS_SINCE = 4 };

static const char no_transactions[] = "Transactions are not served yet: leave transactional.id "
                                      "unset; a producer with enable.idempotence=true works";

/* Share partitions have no coordinator here, and other types are unknown to Kafka as well.
 * Errors: ERR_INVALID_REQUEST; ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED. Thread: any. */
static enum err check(int8_t key_type, int16_t version)
{
    if (key_type == KEY_GROUP) return ERR_OK;
    return key_type == KEY_TRANSACTION && version < LISTS_SINCE
               ? ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED
               : ERR_INVALID_REQUEST;
}

static struct find_coordinator_response_coordinator coordinator(const struct kafka_request *rq,
                                                                const struct net_address *address,
                                                                int8_t key_type)
{
    enum err err = check(key_type, rq->version);
    if (err != ERR_OK)
        return (struct find_coordinator_response_coordinator){
            .node_id = -1,
            .host = BYTES_LIT(""),
            .port = -1,
            .error_code = err_kafka(err),
            .error_message = bytes_str(key_type == KEY_TRANSACTION ? no_transactions
                                                                   : err_text(err)),
        };
    /* Kafka's words for no error. */
    return (struct find_coordinator_response_coordinator){
        .error_message = rq->version < LISTS_SINCE ? BYTES_LIT("NONE") : BYTES_LIT(""),
        .node_id = rq->broker->options.node_id,
        .host = bytes_str(address->host),
        .port = address->port,
    };
}

/* Up to version 3 the answer to the one key stands in the response itself.
 * Errors: ERR_TOO_LARGE - the arena is full. Thread: the request's loop. */
static enum err fill(struct kafka_request *rq, const struct find_coordinator_request *in,
                     const struct find_coordinator_response_coordinator *one,
                     struct find_coordinator_response *out)
{
    *out = FIND_COORDINATOR_RESPONSE_INIT;
    if (rq->version < LISTS_SINCE) {
        out->error_code = one->error_code;
        out->error_message = one->error_message;
        out->node_id = one->node_id;
        out->host = one->host;
        out->port = one->port;
        return ERR_OK;
    }
    out->coordinators_count = in->coordinator_keys_count;
    out->coordinators = ARENA_ARRAY(rq->arena, struct find_coordinator_response_coordinator,
                                    (size_t)in->coordinator_keys_count);
    if (out->coordinators == NULL) return ERR_TOO_LARGE;
    for (int32_t i = 0; i < in->coordinator_keys_count; i++) {
        out->coordinators[i] = *one;
        out->coordinators[i].key = in->coordinator_keys[i];
    }
    return ERR_OK;
}

enum err kafka_find_coordinator(struct kafka_request *rq)
{
    struct find_coordinator_request in;
    TRY(find_coordinator_request_decode(&rq->body, rq->version, &in));
    struct net_address address;
    kafka_advertised(rq, &address);
    struct find_coordinator_response_coordinator one = coordinator(rq, &address, in.key_type);
    struct find_coordinator_response out;
    TRY(fill(rq, &in, &one, &out));
    KAFKA_ENCODE(rq, find_coordinator, &out);
    kafka_reply(rq);
    return ERR_OK;
}
