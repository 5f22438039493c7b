/* Members of a consumer group: they join, are given partitions by the leader among them, commit
 * their offsets, are silent too long, leave, and join anew. */
#ifndef TESTS_SIM_MEMBERS_H
#define TESTS_SIM_MEMBERS_H

#include "protocol/kafka/msg/heartbeat.h"
#include "protocol/kafka/msg/join_group.h"
#include "protocol/kafka/msg/leave_group.h"
#include "protocol/kafka/msg/offset_commit.h"
#include "protocol/kafka/msg/offset_fetch.h"
#include "protocol/kafka/msg/sync_group.h"
#include "sim/sim.h"

enum { SESSION_MS = 6000, REBALANCE_MS = 10000 };

static struct bytes member_id(const struct member *m)
{
    return bytes_str(m->id);
}

static void send_join(struct sim *s, struct actor *a)
{
    struct join_group_request_protocol p = JOIN_GROUP_REQUEST_PROTOCOL_INIT;
    p.name = BYTES_LIT("by turns");
    struct join_group_request in = JOIN_GROUP_REQUEST_INIT;
    in.group_id = BYTES_LIT("m");
    in.session_timeout_ms = SESSION_MS;
    in.rebalance_timeout_ms = REBALANCE_MS;
    in.member_id = member_id(&a->member);
    in.protocol_type = BYTES_LIT("sim");
    in.protocols = &p;
    in.protocols_count = 1;
    a->api = KAFKA_API_JOIN_GROUP;
    KAFKA_SEND(&s->world, a->kafka, JOIN_GROUP, join_group, a->index == 0 ? 5 : 3, &in);
}

/* What ends a membership, or this generation of it; false: anything else. */
static bool is_out(struct actor *a, int16_t code)
{
    struct member *m = &a->member;
    bool unknown = code == err_kafka(ERR_UNKNOWN_MEMBER_ID);
    if (!unknown && code != err_kafka(ERR_REBALANCE_IN_PROGRESS) &&
        code != err_kafka(ERR_ILLEGAL_GENERATION)) return false;
    m->state = MEMBER_OUT;
    if (unknown) m->id[0] = '\0';
    return true;
}

static void refused(struct sim *s, struct actor *a, int16_t code)
{
    if (!is_out(a, code))
        ledger_wrong(&s->ledger, "a member got error %d of API %d", (int)code, (int)a->api);
}

static void take_join(struct sim *s, struct actor *a)
{
    struct member *m = &a->member;
    struct join_group_response out;
    RECEIVE(a->kafka, join_group, &out);
    if (out.error_code == err_kafka(ERR_MEMBER_ID_REQUIRED)) {
        bytes_to_text(out.member_id, m->id, sizeof m->id);
        return;
    }
    if (out.error_code != 0) {
        refused(s, a, out.error_code);
        return;
    }
    bytes_to_text(out.member_id, m->id, sizeof m->id);
    m->state = MEMBER_JOINED;
    m->generation = out.generation_id;
    m->life = s->deaths;
    m->led_count = 0;
    bool leads = bytes_equal(out.leader, out.member_id);
    if (leads != (out.members_count > 0))
        ledger_wrong(&s->ledger, "the leader of generation %d knows %d members",
                     (int)m->generation, (int)out.members_count);
    for (int32_t i = 0; i < out.members_count && i < MEMBERS_LED_MAX; i++)
        bytes_to_text(out.members[i].member_id, m->led[m->led_count++], sizeof m->led[0]);
    ledger_group_joined(&s->group, m->generation);
}

/* The leader deals the partitions out, from another member on each time. */
static void send_sync(struct sim *s, struct actor *a)
{
    struct member *m = &a->member;
    struct sync_group_request_assignment all[MEMBERS_LED_MAX];
    uint8_t partitions[MEMBERS_LED_MAX] = {0};
    uint64_t first = below(s, MEMBERS_LED_MAX);
    for (int32_t p = 0; m->led_count > 0 && p < GROUP_PARTITIONS; p++)
        partitions[((uint64_t)p + first) % (uint64_t)m->led_count] |= (uint8_t)(1 << p);
    for (int i = 0; i < m->led_count; i++) {
        all[i] = SYNC_GROUP_REQUEST_ASSIGNMENT_INIT;
        all[i].member_id = bytes_str(m->led[i]);
        all[i].assignment = bytes_of(&partitions[i], 1);
    }
    struct sync_group_request in = SYNC_GROUP_REQUEST_INIT;
    in.group_id = BYTES_LIT("m");
    in.generation_id = m->generation;
    in.member_id = member_id(m);
    in.assignments = all;
    in.assignments_count = m->led_count;
    a->api = KAFKA_API_SYNC_GROUP;
    KAFKA_SEND(&s->world, a->kafka, SYNC_GROUP, sync_group, 3, &in);
}

static void take_sync(struct sim *s, struct actor *a)
{
    struct sync_group_response out;
    RECEIVE(a->kafka, sync_group, &out);
    if (out.error_code != 0) {
        refused(s, a, out.error_code);
        return;
    }
    a->member.state = MEMBER_IN;
    a->member.partitions = out.assignment.len > 0 ? out.assignment.data[0] : 0;
    ledger_group_assigned(&s->ledger, &s->group, a->index, a->member.generation,
                          a->member.partitions);
}

static void send_heartbeat(struct sim *s, struct actor *a)
{
    struct heartbeat_request in = HEARTBEAT_REQUEST_INIT;
    in.group_id = BYTES_LIT("m");
    in.generation_id = a->member.generation;
    in.member_id = member_id(&a->member);
    a->api = KAFKA_API_HEARTBEAT;
    KAFKA_SEND(&s->world, a->kafka, HEARTBEAT, heartbeat, 3, &in);
}

static void take_heartbeat(struct sim *s, struct actor *a)
{
    struct heartbeat_response out;
    RECEIVE(a->kafka, heartbeat, &out);
    if (out.error_code != 0) refused(s, a, out.error_code);
}

static void send_leave(struct sim *s, struct actor *a)
{
    struct leave_group_request in = LEAVE_GROUP_REQUEST_INIT;
    in.group_id = BYTES_LIT("m");
    in.member_id = member_id(&a->member);
    a->api = KAFKA_API_LEAVE_GROUP;
    KAFKA_SEND(&s->world, a->kafka, LEAVE_GROUP, leave_group, 2, &in);
}

static void take_leave(struct sim *s, struct actor *a)
{
    struct leave_group_response out;
    RECEIVE(a->kafka, leave_group, &out);
    if (out.error_code != 0) refused(s, a, out.error_code);
    a->member.state = MEMBER_OUT;
    a->member.id[0] = '\0';
}

/* Sometimes as what it sent in the generation before, and comes late. */
static void send_member_commit(struct sim *s, struct actor *a)
{
    struct member *m = &a->member;
    m->is_late = below(s, 8) == 0;
    do a->partition = (int32_t)below(s, GROUP_PARTITIONS);
    while ((m->partitions >> a->partition & 1) == 0);
    struct offset_commit_request_partition p = OFFSET_COMMIT_REQUEST_PARTITION_INIT;
    p.partition_index = a->partition;
    p.committed_offset = a->offset = ++s->group.sent[a->partition];
    struct offset_commit_request_topic t = OFFSET_COMMIT_REQUEST_TOPIC_INIT;
    t.name = BYTES_LIT("s");
    t.partitions = &p;
    t.partitions_count = 1;
    struct offset_commit_request in = OFFSET_COMMIT_REQUEST_INIT;
    in.group_id = BYTES_LIT("m");
    in.generation_id_or_member_epoch = m->generation - m->is_late;
    in.member_id = member_id(m);
    in.topics = &t;
    in.topics_count = 1;
    m->is_old = m->is_late || m->life != s->deaths || m->generation < s->group.generation;
    a->api = KAFKA_API_OFFSET_COMMIT;
    KAFKA_SEND(&s->world, a->kafka, OFFSET_COMMIT, offset_commit, 6, &in);
}

static void take_member_commit(struct sim *s, struct actor *a)
{
    struct member *m = &a->member;
    struct offset_commit_response out;
    RECEIVE(a->kafka, offset_commit, &out);
    int16_t code = out.topics[0].partitions[0].error_code;
    if (code == 0) {
        ledger_group_committed(&s->ledger, &s->group, a->partition, a->offset, m->is_old);
        s->done[MEMBER]++;
    } else if (m->is_late && code == err_kafka(ERR_ILLEGAL_GENERATION)) {
        s->late_commits++;
    } else if (code != err_kafka(ERR_NOT_COORDINATOR)) {     /* it could not be written, or was */
        refused(s, a, code);
    }
}

static void send_committed(struct sim *s, struct actor *a)
{
    int32_t partitions[GROUP_PARTITIONS];
    for (int32_t p = 0; p < GROUP_PARTITIONS; p++) partitions[p] = p;
    struct offset_fetch_request_topic t = OFFSET_FETCH_REQUEST_TOPIC_INIT;
    t.name = BYTES_LIT("s");
    t.partition_indexes = partitions;
    t.partition_indexes_count = GROUP_PARTITIONS;
    struct offset_fetch_request in = OFFSET_FETCH_REQUEST_INIT;
    in.group_id = BYTES_LIT("m");
    in.topics = &t;
    in.topics_count = 1;
    for (int32_t p = 0; p < GROUP_PARTITIONS; p++)
        a->member.least[p] = ledger_group_least(&s->group, p);
    a->api = KAFKA_API_OFFSET_FETCH;
    KAFKA_SEND(&s->world, a->kafka, OFFSET_FETCH, offset_fetch, 5, &in);
}

static void take_committed(struct sim *s, struct actor *a)
{
    struct offset_fetch_response out;
    RECEIVE(a->kafka, offset_fetch, &out);
    for (int32_t p = 0; p < GROUP_PARTITIONS; p++)
        ledger_group_read(&s->ledger, &s->group, p, out.topics[0].partitions[p].committed_offset,
                          a->member.least[p]);
}

static void send_member(struct sim *s, struct actor *a)
{
    struct member *m = &a->member;
    if (m->state == MEMBER_OUT) {
        send_join(s, a);
        return;
    }
    if (m->state == MEMBER_JOINED) {
        send_sync(s, a);
        return;
    }
    uint64_t luck = below(s, 32);
    if (luck == 0) send_leave(s, a);
    else if (luck < 4) send_committed(s, a);
    else if (luck < 12 || m->partitions == 0) send_heartbeat(s, a);
    else send_member_commit(s, a);
}

static void take_member(struct sim *s, struct actor *a)
{
    switch (a->api) {
    case KAFKA_API_JOIN_GROUP: take_join(s, a); break;
    case KAFKA_API_SYNC_GROUP: take_sync(s, a); break;
    case KAFKA_API_HEARTBEAT: take_heartbeat(s, a); break;
    case KAFKA_API_LEAVE_GROUP: take_leave(s, a); break;
    case KAFKA_API_OFFSET_COMMIT: take_member_commit(s, a); break;
    case KAFKA_API_OFFSET_FETCH: take_committed(s, a); break;
    default: abort();
    }
}

#endif
