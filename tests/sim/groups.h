/* Those who commit offsets. */
#ifndef TESTS_SIM_GROUPS_H
#define TESTS_SIM_GROUPS_H

#include "protocol/kafka/msg/offset_commit.h"
#include "protocol/kafka/msg/offset_fetch.h"
#include "sim/sim.h"

/* ---- Who commits offsets that only grow */

static void send_commit(struct sim *s, struct actor *a)
{
    struct offset_commit_request_partition p = OFFSET_COMMIT_REQUEST_PARTITION_INIT;
    p.committed_offset = a->offset = ++s->ledger.commit_sent;
    struct offset_commit_request_topic t = OFFSET_COMMIT_REQUEST_TOPIC_INIT;
    t.name = BYTES_LIT("s");
    t.partitions = &p;
    t.partitions_count = 1;
    struct offset_commit_request in = OFFSET_COMMIT_REQUEST_INIT;
    in.group_id = BYTES_LIT("g");
    in.topics = &t;
    in.topics_count = 1;
    KAFKA_SEND(&s->world, a->kafka, OFFSET_COMMIT, offset_commit, 6, &in);
}

static void take_commit(struct sim *s, struct actor *a)
{
    struct offset_commit_response out;
    RECEIVE(a->kafka, offset_commit, &out);
    if (out.topics[0].partitions[0].error_code != 0) return;
    s->ledger.commit_acknowledged = a->offset;
    s->done[COMMITTER]++;
}

#endif
