#include "broker/refuse.h"

#include <stdatomic.h>
#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "broker/state.h"
#include "protocol/kafka/api.h"
#include "storage/store.h"
#include "base/check.h"

enum { WARN_INTERVAL_MS = 10000 };

static struct metric *undecodable;
static _Atomic int64_t warn_next_ms;

void broker_refuse_init(void)
{
    undecodable =
        metric_get(METRIC_COUNTER, "diglot_kafka_undecodable_requests_total",
                   "Requests that ended in a closed connection because they could not be read",
                   NULL);
}

/* How many things a request names to name a partition: itself, and its topic, or that alone. They
 * may be all that there can be, each partition in a topic of its own. 0: groups, members and
 * configs have no such number. */
static int names_a_partition(enum kafka_api_index api)
{
    switch (api) {
    case KAFKA_API_METADATA:
    case KAFKA_API_DELETE_TOPICS: return 1;
    case KAFKA_API_PRODUCE:
    case KAFKA_API_FETCH:
    case KAFKA_API_LIST_OFFSETS:
    case KAFKA_API_OFFSET_COMMIT:
    case KAFKA_API_OFFSET_FETCH:
    case KAFKA_API_DELETE_RECORDS:
    case KAFKA_API_OFFSET_FOR_LEADER_EPOCH:
    case KAFKA_API_OFFSET_DELETE: return 2;
    default: return 0;
    }
}

uint32_t broker_names_max(const struct broker *b, const struct kafka_api *api)
{
    int64_t max = b->options.request_elements_max;
    if (api->plane == KAFKA_PLANE_DATA) max *= 2;
    int64_t all = names_a_partition(api->index) * store_options(b->store)->partitions_max;
    if (all > max) max = all;
    return (uint32_t)max;
}

/* What a legal client may meet, so whoever looks after the server is told; the metric counts
 * all. names_max: 0 - it was memory that did not suffice. */
static void warn_too_large(const char *peer, const struct kafka_header *header, uint32_t names_max)
{
    int64_t now_ms = clock_mono_ms(), next_ms = atomic_load(&warn_next_ms);
    if (now_ms < next_ms ||
        !atomic_compare_exchange_strong(&warn_next_ms, &next_ms, now_ms + WARN_INTERVAL_MS))
        return;
    if (names_max > 0)
        log_warn("a request names more than one may, and its connection was closed: see "
                 "docs/compatibility.md",
                 {"api", LOG_S(header->api->name)}, {"names_max", LOG_I(names_max)},
                 {"peer", LOG_S(peer)}, {"client_id", LOG_B(header->client_id)});
    else
        log_warn("a request needs more memory than one may, or than there is, and its connection "
                 "was closed",
                 {"api", LOG_S(header->api->name)}, {"peer", LOG_S(peer)},
                 {"client_id", LOG_B(header->client_id)});
}

void broker_refuse(struct frame_request *frame, enum err err, const struct kafka_header *header,
                   const struct cursor *body)
{
    const struct broker_door *door = frame->door->context;
    struct net_address peer = {0};
    if (frame->conn) frame_peer(frame->conn, &peer);
    metric_add(undecodable, 1);
    bool out_of_names = body != NULL && body->elements_left == 0;
    if (err == ERR_TOO_LARGE && header->api != NULL)
        warn_too_large(peer.host, header,
                       out_of_names ? broker_names_max(door->broker, header->api) : 0);
    log_debug("request refused", {"peer", LOG_S(peer.host)}, {"err", LOG_S(err_name(err))},
              {"api", LOG_S(header->api ? header->api->name : "unknown")},
              {"version", LOG_I(header->version)});
    frame_abort(frame);
}
