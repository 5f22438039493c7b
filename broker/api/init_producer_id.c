/* InitProducerId for idempotent producers: always a new id with epoch 0. Transactions are not
 * served, so a transactional id is refused, in the way that no client tries again (see
 * find_coordinator.c). */
#include "broker/changes.h"
#include "protocol/kafka/msg/init_producer_id.h"
#include "base/check.h"

struct init_producer_id {
    struct changes changes;
    struct init_producer_id_response out;
};

static void answered(struct changes *ch, int32_t at, struct control *c)
{
    (void)at;
    struct init_producer_id *m = CONTAINER_OF(ch, struct init_producer_id, changes);
    m->out.error_code = err_kafka(c->err);
    if (c->err != ERR_OK) return;
    m->out.producer_id = c->result;
    m->out.producer_epoch = 0;
}

static void finished(struct changes *ch)
{
    struct init_producer_id *m = CONTAINER_OF(ch, struct init_producer_id, changes);
    KAFKA_ENCODE(ch->rq, init_producer_id, &m->out);
    kafka_reply(ch->rq);
}

/* An id is null or has bytes; what the producer was before comes whole or not at all. */
static bool is_malformed(const struct init_producer_id_request *in)
{
    bool empty = !bytes_is_null(in->transactional_id) && in->transactional_id.len == 0;
    return empty || (in->producer_id == -1) != (in->producer_epoch == -1);
}

enum err kafka_init_producer_id(struct kafka_request *rq)
{
    struct init_producer_id_request in;
    TRY(init_producer_id_request_decode(&rq->body, rq->version, &in));
    struct init_producer_id *m = ARENA_NEW(rq->arena, struct init_producer_id);
    if (m == NULL) return ERR_TOO_LARGE;
    m->out = INIT_PRODUCER_ID_RESPONSE_INIT;
    m->out.producer_id = -1;
    m->out.producer_epoch = -1;
    changes_begin(&m->changes, rq, answered, finished);
    if (is_malformed(&in)) {
        m->out.error_code = err_kafka(ERR_INVALID_REQUEST);
    } else if (!bytes_is_null(in.transactional_id)) {
        m->out.error_code = err_kafka(ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
    } else {
        /* As Kafka does, whatever id the producer had before. */
        struct control change = {.kind = CONTROL_PRODUCER_ID};
        TRY(changes_ask(&m->changes, 0, &change));
    }
    changes_end(&m->changes);
    return ERR_OK;
}
