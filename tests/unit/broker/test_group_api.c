/* The group APIs over real connections: groups on other loops than their clients, clients that go
 * away while they wait, commits that are durable or refused, restarts, expiry. */
#include "unit/broker/broker_fixture.h"
#include "broker/group/expiry.h"
#include "broker/group/groups_loop.h"
#include "broker/topics.h"

static struct door_fixture door;

static void open_door(void)
{
    door_init(&door);
    door_open(&door);
}

/* ---- Short forms of the requests */

struct member {
    struct client *client;
    char id[96];
    int32_t generation;
    bool leads;
    char others[4][96];             /* of a leader: all member ids */
    int32_t other_count;
};

static void join_send(struct member *m, const char *group, int16_t version)
{
    struct join_group_request_protocol range = {BYTES_LIT("range"), BYTES_LIT("meta")};
    struct join_group_request in = JOIN_GROUP_REQUEST_INIT;
    in.group_id = bytes_str(group);
    in.session_timeout_ms = 30000;
    in.rebalance_timeout_ms = version >= 1 ? 60000 : -1;
    in.member_id = bytes_str(m->id);
    in.protocol_type = BYTES_LIT("consumer");
    in.protocols = &range;
    in.protocols_count = 1;
    SEND(m->client, JOIN_GROUP, join_group, version, &in);
}

static int16_t join_receive(struct member *m)
{
    struct join_group_response out;
    RECEIVE(m->client, join_group, &out);
    if (out.member_id.len > 0) bytes_to_text(out.member_id, m->id, sizeof m->id);
    m->generation = out.generation_id;
    m->leads = bytes_equal(out.leader, out.member_id);
    m->other_count = out.members_count;
    for (int32_t i = 0; i < out.members_count; i++)
        bytes_to_text(out.members[i].member_id, m->others[i], sizeof m->others[i]);
    return out.error_code;
}

static int16_t join(struct member *m, const char *group, int16_t version)
{
    join_send(m, group, version);
    int16_t err = join_receive(m);
    if (err != err_kafka(ERR_MEMBER_ID_REQUIRED)) return err;
    join_send(m, group, version);
    return join_receive(m);
}

static void sync_send(struct member *m, const char *group, int16_t version)
{
    struct sync_group_request_assignment list[4];
    for (int32_t i = 0; i < m->other_count; i++)
        list[i] = (struct sync_group_request_assignment){bytes_str(m->others[i]),
                                                         bytes_str(m->others[i])};
    struct sync_group_request in = SYNC_GROUP_REQUEST_INIT;
    in.group_id = bytes_str(group);
    in.generation_id = m->generation;
    in.member_id = bytes_str(m->id);
    if (version >= 5) in.protocol_type = BYTES_LIT("consumer");
    if (version >= 5) in.protocol_name = BYTES_LIT("range");
    in.assignments = list;
    in.assignments_count = m->other_count;
    SEND(m->client, SYNC_GROUP, sync_group, version, &in);
}

/* The assignment is the member's own id. */
static int16_t sync_receive(struct member *m)
{
    struct sync_group_response out;
    RECEIVE(m->client, sync_group, &out);
    if (out.error_code == 0) EXPECT_BYTES(out.assignment, m->id);
    return out.error_code;
}

static int16_t heartbeat(struct member *m, const char *group, int16_t version)
{
    struct heartbeat_request in = HEARTBEAT_REQUEST_INIT;
    in.group_id = bytes_str(group);
    in.generation_id = m->generation;
    in.member_id = bytes_str(m->id);
    struct heartbeat_response out;
    EXCHANGE(m->client, HEARTBEAT, heartbeat, version, &in, &out);
    return out.error_code;
}

static int16_t leave(struct member *m, const char *group, int16_t version)
{
    struct leave_group_request_member one = LEAVE_GROUP_REQUEST_MEMBER_INIT;
    one.member_id = bytes_str(m->id);
    struct leave_group_request in = LEAVE_GROUP_REQUEST_INIT;
    in.group_id = bytes_str(group);
    if (version <= 2) in.member_id = bytes_str(m->id);
    in.members = version >= 3 ? &one : NULL;
    in.members_count = version >= 3 ? 1 : 0;
    struct leave_group_response out;
    EXCHANGE(m->client, LEAVE_GROUP, leave_group, version, &in, &out);
    if (version <= 2 || out.error_code != 0) return out.error_code;
    EXPECT_EQ(out.members_count, 1);
    EXPECT_BYTES(out.members[0].member_id, m->id);
    return out.members[0].error_code;
}

struct commit {
    const char *group;
    const char *topic;              /* up to version 9 */
    struct uuid id;                 /* since version 10 */
    int32_t partition;
    int64_t offset;
    const char *metadata;           /* NULL: null */
    const char *member_id;          /* NULL: from outside */
    int32_t generation;             /* with a member id */
    int64_t retention_ms;           /* until version 4; 0: the broker's */
};

static int16_t commit(struct client *c, int16_t version, const struct commit *what)
{
    struct offset_commit_request_partition partition = OFFSET_COMMIT_REQUEST_PARTITION_INIT;
    partition.partition_index = what->partition;
    partition.committed_offset = what->offset;
    partition.committed_leader_epoch = version >= 6 ? 0 : -1;
    partition.committed_metadata = bytes_str(what->metadata);
    struct offset_commit_request_topic topic = OFFSET_COMMIT_REQUEST_TOPIC_INIT;
    if (version < 10) topic.name = bytes_str(what->topic);
    if (version >= 10) topic.topic_id = what->id;
    topic.partitions = &partition;
    topic.partitions_count = 1;
    struct offset_commit_request in = OFFSET_COMMIT_REQUEST_INIT;
    in.group_id = bytes_str(what->group);
    if (what->member_id) in.member_id = bytes_str(what->member_id);
    if (what->member_id) in.generation_id_or_member_epoch = what->generation;
    if (what->retention_ms > 0) in.retention_time_ms = what->retention_ms;
    in.topics = &topic;
    in.topics_count = 1;
    struct offset_commit_response out;
    EXCHANGE(c, OFFSET_COMMIT, offset_commit, version, &in, &out);
    EXPECT_EQ(out.topics_count, 1);
    EXPECT_EQ(out.topics[0].partitions_count, 1);
    EXPECT_EQ(out.topics[0].partitions[0].partition_index, what->partition);
    return out.topics[0].partitions[0].error_code;
}
#define COMMIT(c, version, ...) commit((c), (version), &(struct commit){__VA_ARGS__})

/* One partition of one group; ret_metadata may be NULL. */
static int64_t fetch(struct client *c, int16_t version, const char *group, const char *topic,
                     const struct uuid *id, int32_t partition, char *ret_metadata)
{
    struct offset_fetch_response_partition got = {0};
    struct offset_fetch_request in = OFFSET_FETCH_REQUEST_INIT;
    struct offset_fetch_response out;
    struct offset_fetch_request_topic old = {bytes_str(topic), 1, &partition};
    struct offset_fetch_request_group_topic named = OFFSET_FETCH_REQUEST_GROUP_TOPIC_INIT;
    struct offset_fetch_request_group one = OFFSET_FETCH_REQUEST_GROUP_INIT;
    if (version < 10) named.name = bytes_str(topic);
    if (version >= 10) named.topic_id = *id;
    named.partition_indexes = &partition;
    named.partition_indexes_count = 1;
    one.group_id = bytes_str(group);
    one.topics = &named;
    one.topics_count = 1;
    if (version < 8) in.group_id = bytes_str(group);
    in.topics = version < 8 ? &old : NULL;
    in.topics_count = version < 8;
    in.groups = version >= 8 ? &one : NULL;
    in.groups_count = version >= 8;
    EXCHANGE(c, OFFSET_FETCH, offset_fetch, version, &in, &out);
    EXPECT_EQ(out.error_code, 0);
    if (version < 8) {
        got = out.topics[0].partitions[0];
    } else {
        EXPECT_EQ(out.groups[0].error_code, 0);
        const struct offset_fetch_response_group_topic_partition *p =
            &out.groups[0].topics[0].partitions[0];
        got = (struct offset_fetch_response_partition){p->partition_index, p->committed_offset,
                                                       p->committed_leader_epoch, p->metadata,
                                                       p->error_code};
    }
    EXPECT_EQ(got.partition_index, partition);
    EXPECT_EQ(got.committed_leader_epoch, got.committed_offset < 0 || version < 5 ? -1 : 0);
    if (ret_metadata) bytes_to_text(got.metadata, ret_metadata, 64);
    return got.error_code != 0 ? -1000 - got.error_code : got.committed_offset;
}

static const char *describe(struct client *c, const char *group, int16_t version)
{
    static char text[256];
    struct bytes id = bytes_str(group);
    struct describe_groups_request in = DESCRIBE_GROUPS_REQUEST_INIT;
    in.groups = &id;
    in.groups_count = 1;
    in.include_authorized_operations = version >= 3;
    struct describe_groups_response out;
    EXCHANGE(c, DESCRIBE_GROUPS, describe_groups, version, &in, &out);
    const struct describe_groups_response_group *g = &out.groups[0];
    EXPECT_BYTES(g->group_id, group);
    if (version >= 3 && g->error_code == 0) EXPECT_EQ(g->authorized_operations, OPERATIONS_GROUP);
    snprintf(text, sizeof text, "%d %.*s %.*s %.*s %d", g->error_code, BYTES_ARGS(g->group_state),
             BYTES_ARGS(g->protocol_type), BYTES_ARGS(g->protocol_data), g->members_count);
    if (g->members_count > 0) {
        EXPECT_BYTES(g->members[0].client_id, "a-client");
        EXPECT_BYTES(g->members[0].client_host, "/127.0.0.1");
    }
    return text;
}

static int32_t list(struct client *c, int16_t version, const char *state)
{
    struct bytes states = bytes_str(state);
    struct list_groups_request in = LIST_GROUPS_REQUEST_INIT;
    in.states_filter = &states;
    in.states_filter_count = state != NULL;
    struct list_groups_response out;
    EXCHANGE(c, LIST_GROUPS, list_groups, version, &in, &out);
    EXPECT_EQ(out.error_code, 0);
    for (int32_t i = 0; version >= 5 && i < out.groups_count; i++)
        EXPECT_BYTES(out.groups[i].group_type, "classic");
    return out.groups_count;
}

static int16_t delete_group(struct client *c, const char *group)
{
    struct bytes ids[] = {bytes_str(group), bytes_str(group)};
    struct delete_groups_request in = DELETE_GROUPS_REQUEST_INIT;
    in.groups_names = ids;
    in.groups_names_count = 2;
    struct delete_groups_response out;
    EXCHANGE(c, DELETE_GROUPS, delete_groups, 3, &in, &out);
    EXPECT_EQ(out.results_count, 1);        /* a name asked twice is answered once */
    EXPECT_BYTES(out.results[0].group_id, group);
    EXPECT_EQ(bytes_is_null(out.results[0].error_message), true);
    return out.results[0].error_code;
}

static int16_t delete_offset(struct client *c, const char *group, const char *topic,
                             int32_t partition, int16_t *ret_of_partition)
{
    struct offset_delete_request_partition p = {partition};
    struct offset_delete_request_topic t = {bytes_str(topic), 1, &p};
    struct offset_delete_request in = {bytes_str(group), 1, &t};
    struct offset_delete_response out;
    EXCHANGE(c, OFFSET_DELETE, offset_delete, 0, &in, &out);
    *ret_of_partition = out.error_code == 0 ? out.topics[0].partitions[0].error_code : 0;
    return out.error_code;
}

static void stable(struct member *members, int count, const char *group)
{
    for (int i = 0; i < count; i++) members[i] = (struct member){.client = client_open(&door)};
    EXPECT_EQ(join(&members[0], group, 9), 0);
    for (int i = 1; i < count; i++) {
        /* All that are in must join anew before the newcomer is. */
        join_send(&members[i], group, 9);
        EXPECT_EQ(join_receive(&members[i]), err_kafka(ERR_MEMBER_ID_REQUIRED));
        join_send(&members[i], group, 9);
        UNTIL(heartbeat(&members[0], group, 4) != 0, (void)0);          /* it arrived */
        for (int k = 0; k < i; k++) join_send(&members[k], group, 9);
        for (int k = 0; k <= i; k++) EXPECT_EQ(join_receive(&members[k]), 0);
    }
    for (int i = 0; i < count; i++) sync_send(&members[i], group, 5);
    for (int i = 0; i < count; i++) EXPECT_EQ(sync_receive(&members[i]), 0);
}

static void close_all(struct member *members, int count)
{
    for (int i = 0; i < count; i++) client_close(members[i].client);
}

/* ---- Stories */

TEST(groups_of_any_loop_serve_clients_of_any_loop)
{
    open_door();
    for (int g = 0; g < 8; g++) {
        char group[16];
        snprintf(group, sizeof group, "group-%d", g);
        struct member m[3];
        stable(m, 3, group);
        EXPECT(m[0].leads && !m[1].leads && !m[2].leads);
        EXPECT_EQ(m[2].generation, 3);
        for (int i = 0; i < 3; i++) EXPECT_EQ(heartbeat(&m[i], group, (int16_t)i), 0);
        EXPECT_STR(describe(m[1].client, group, 6), "0 Stable consumer range 3");
        EXPECT_EQ(leave(&m[0], group, 1), 0);
        EXPECT_EQ(leave(&m[0], group, 5), err_kafka(ERR_UNKNOWN_MEMBER_ID));
        EXPECT_EQ(heartbeat(&m[1], group, 4), err_kafka(ERR_REBALANCE_IN_PROGRESS));
        EXPECT_STR(describe(m[1].client, group, 0), "0 PreparingRebalance consumer  2");
        EXPECT_EQ(leave(&m[1], group, 3), 0);
        EXPECT_EQ(leave(&m[2], group, 4), 0);
        EXPECT_STR(describe(m[0].client, group, 4), "0 Empty consumer  0");
        EXPECT_EQ(list(m[0].client, 0, NULL), g + 1);
        EXPECT_EQ(list(m[0].client, 5, "empty"), g + 1);
        EXPECT_EQ(list(m[0].client, 4, "Stable"), 0);
        close_all(m, 3);
    }
    door_done(&door);
}

TEST(every_version_of_join_and_sync_works)
{
    open_door();
    for (int16_t version = 0; version <= 9; version++) {
        char group[16];
        snprintf(group, sizeof group, "v%d", version);
        struct member m = {.client = client_open(&door)};
        EXPECT_EQ(join(&m, group, version), 0);
        EXPECT(m.leads);
        int16_t sync_version = version > 5 ? 5 : version;
        sync_send(&m, group, sync_version);
        EXPECT_EQ(sync_receive(&m), 0);
        client_close(m.client);
    }
    door_done(&door);
}

TEST(an_empty_group_id_is_refused)
{
    open_door();
    struct member m = {.client = client_open(&door), .id = "x"};
    int16_t invalid = err_kafka(ERR_INVALID_GROUP_ID), of_partition;
    for (int16_t version = 0; version <= 9; version++) EXPECT_EQ(join(&m, "", version), invalid);
    sync_send(&m, "", 5);
    EXPECT_EQ(sync_receive(&m), invalid);
    EXPECT_EQ(heartbeat(&m, "", 4), invalid);
    EXPECT_EQ(leave(&m, "", 2), invalid);
    EXPECT_EQ(leave(&m, "", 3), invalid);
    EXPECT_EQ(delete_offset(m.client, "", "t", 0, &of_partition), invalid);
    client_close(m.client);
    door_done(&door);
}

TEST(a_sync_without_protocol_is_refused_since_version_5)
{
    open_door();
    struct member m = {.client = client_open(&door), .id = "x"};
    struct sync_group_request in = SYNC_GROUP_REQUEST_INIT;
    in.group_id = BYTES_LIT("g");
    SEND(m.client, SYNC_GROUP, sync_group, 5, &in);
    EXPECT_EQ(sync_receive(&m), err_kafka(ERR_INCONSISTENT_GROUP_PROTOCOL));
    SEND(m.client, SYNC_GROUP, sync_group, 4, &in);
    EXPECT_EQ(sync_receive(&m), err_kafka(ERR_UNKNOWN_MEMBER_ID));
    client_close(m.client);
    door_done(&door);
}

TEST(a_client_that_goes_away_while_it_waits_harms_nobody)
{
    open_door();
    for (int round = 0; round < 60; round++) {
        char group[16];
        snprintf(group, sizeof group, "gone-%d", round);
        struct member m[2];
        stable(m, 1, group);
        m[1] = (struct member){.client = client_open(&door)};
        join_send(&m[1], group, 9);
        EXPECT_EQ(join_receive(&m[1]), err_kafka(ERR_MEMBER_ID_REQUIRED));
        join_send(&m[1], group, 9);
        if (round % 2 == 0)     /* else the close races with the join */
            UNTIL(heartbeat(&m[0], group, 4) != 0, (void)0);
        client_close(m[1].client);
        /* Its member is in the next generation all the same, as in Kafka. */
        if (round % 2 == 0) {
            EXPECT_EQ(join(&m[0], group, 9), 0);
            EXPECT_EQ(m[0].generation, 2);
            EXPECT_EQ(m[0].other_count, 2);
            sync_send(&m[0], group, 5);
            EXPECT_EQ(sync_receive(&m[0]), 0);
        }
        client_close(m[0].client);
    }
    struct client *c = client_open(&door);
    EXPECT_EQ(list(c, 5, NULL), 60);
    client_close(c);
    door_done(&door);
}

TEST(a_waiting_client_does_not_hold_up_the_stop)
{
    open_door();
    struct member m[2];
    stable(m, 1, "g");
    m[1] = (struct member){.client = client_open(&door)};
    join_send(&m[1], "g", 9);
    EXPECT_EQ(join_receive(&m[1]), err_kafka(ERR_MEMBER_ID_REQUIRED));
    join_send(&m[1], "g", 9);
    UNTIL(heartbeat(&m[0], "g", 4) != 0, (void)0);
    door_done(&door);
    close_all(m, 2);
}

TEST(offsets_come_back_at_every_version)
{
    open_door();
    struct client *c = client_open(&door);
    struct uuid id = client_create_topic(c, "t", 3);
    char metadata[64];
    for (int16_t version = 2; version <= 10; version++) {
        EXPECT_EQ(COMMIT(c, version, .group = "g", .topic = "t", .id = id, .partition = 1,
                         .offset = version * 10, .metadata = "note"), 0);
        for (int16_t back = 1; back <= 10; back++) {
            if (version < 6 && back >= 5) continue;     /* no leader epoch was committed */
            EXPECT_EQ(fetch(c, back, "g", "t", &id, 1, metadata), version * 10);
            EXPECT_STR(metadata, "note");
        }
    }
    EXPECT_EQ(COMMIT(c, 9, .group = "g", .topic = "t", .partition = 2, .offset = 0), 0);
    EXPECT_EQ(fetch(c, 7, "g", "t", &id, 2, metadata), 0);
    EXPECT_STR(metadata, "");
    for (int16_t back = 1; back <= 10; back++) {
        EXPECT_EQ(fetch(c, back, "g", "t", &id, 0, metadata), -1);
        EXPECT_EQ(fetch(c, back, "nobody", "t", &id, 1, NULL), -1);
        EXPECT_EQ(fetch(c, back, "g", "t", &id, 99, NULL), -1);
    }
    EXPECT_EQ(fetch(c, 9, "g", "nothing", &id, 1, NULL), -1);
    struct uuid unknown = {{9}};
    EXPECT_EQ(fetch(c, 10, "g", NULL, &unknown, 1, NULL), -1000 - err_kafka(ERR_UNKNOWN_TOPIC_ID));
    EXPECT_STR(describe(c, "g", 6), "0 Empty   0");
    client_close(c);
    door_done(&door);
}

TEST(all_offsets_of_several_groups_in_one_answer)
{
    open_door();
    struct client *c = client_open(&door);
    client_create_topic(c, "t1", 2);
    client_create_topic(c, "t2", 2);
    for (int p = 0; p < 2; p++) {
        EXPECT_EQ(COMMIT(c, 8, .group = "g1", .topic = "t1", .partition = p, .offset = p), 0);
        EXPECT_EQ(COMMIT(c, 8, .group = "g1", .topic = "t2", .partition = p, .offset = 2 + p), 0);
    }
    EXPECT_EQ(COMMIT(c, 8, .group = "g2", .topic = "t2", .partition = 1, .offset = 7), 0);
    struct offset_fetch_request_group groups[3];
    for (int i = 0; i < 3; i++) {
        groups[i] = OFFSET_FETCH_REQUEST_GROUP_INIT;
        groups[i].group_id = bytes_str(i == 0 ? "g1" : i == 1 ? "g2" : "g3");
        groups[i].topics_count = -1;
    }
    struct offset_fetch_request in = OFFSET_FETCH_REQUEST_INIT;
    in.groups = groups;
    in.groups_count = 3;
    struct offset_fetch_response out;
    for (int16_t version = 8; version <= 10; version++) {
        EXCHANGE(c, OFFSET_FETCH, offset_fetch, version, &in, &out);
        EXPECT_EQ(out.groups_count, 3);
        EXPECT_EQ(out.groups[0].topics_count, 2);
        int64_t sum = 0;
        for (int i = 0; i < 4; i++)
            sum += out.groups[0].topics[i / 2].partitions[i % 2].committed_offset;
        EXPECT_EQ(sum, 0 + 1 + 2 + 3);
        EXPECT_EQ(out.groups[1].topics[0].partitions[0].committed_offset, 7);
        EXPECT_EQ(out.groups[2].topics_count, 0);
    }
    in = OFFSET_FETCH_REQUEST_INIT;
    in.group_id = BYTES_LIT("g1");
    in.topics_count = -1;
    for (int16_t version = 2; version <= 7; version++) {
        EXCHANGE(c, OFFSET_FETCH, offset_fetch, version, &in, &out);
        EXPECT_EQ(out.topics_count, 2);
        EXPECT_EQ(out.topics[1].partitions_count, 2);
    }
    client_close(c);
    door_done(&door);
}

TEST(commits_are_refused_for_their_own_reasons)
{
    open_door();
    struct member m;
    stable(&m, 1, "g");
    struct client *c = m.client;
    struct uuid id = client_create_topic(c, "t", 1), unknown = {{7}};
    static char long_text[5000];
    memset(long_text, 'm', 4097);
    EXPECT_EQ(COMMIT(c, 9, .group = "g", .topic = "t", .partition = 1),
              err_kafka(ERR_UNKNOWN_TOPIC_OR_PARTITION));
    EXPECT_EQ(COMMIT(c, 9, .group = "g", .topic = "nothing", .partition = 0),
              err_kafka(ERR_UNKNOWN_TOPIC_OR_PARTITION));
    EXPECT_EQ(COMMIT(c, 10, .group = "g", .id = unknown, .partition = 0),
              err_kafka(ERR_UNKNOWN_TOPIC_ID));
    EXPECT_EQ(COMMIT(c, 10, .group = "g", .id = id), err_kafka(ERR_UNKNOWN_MEMBER_ID));
    EXPECT_EQ(COMMIT(c, 5, .group = "g", .topic = "t", .member_id = m.id, .generation = 9),
              err_kafka(ERR_ILLEGAL_GENERATION));
    EXPECT_EQ(COMMIT(c, 8, .group = "none", .topic = "t", .member_id = "x", .generation = 1),
              err_kafka(ERR_ILLEGAL_GENERATION));
    EXPECT_EQ(COMMIT(c, 9, .group = "none", .topic = "t", .member_id = "x", .generation = 1),
              err_kafka(ERR_GROUP_ID_NOT_FOUND));
    EXPECT_EQ(COMMIT(c, 9, .group = "g", .topic = "t", .member_id = m.id, .generation = 1,
                     .metadata = long_text), err_kafka(ERR_OFFSET_METADATA_TOO_LARGE));
    long_text[4096] = '\0';
    EXPECT_EQ(COMMIT(c, 9, .group = "g", .topic = "t", .member_id = m.id, .generation = 1,
                     .metadata = long_text), 0);
    client_close(c);
    door_done(&door);
}

TEST(offsets_are_deleted_by_topic)
{
    open_door();
    struct client *c = client_open(&door);
    struct uuid id = client_create_topic(c, "t", 2);
    int16_t of_partition;
    EXPECT_EQ(delete_offset(c, "g", "t", 0, &of_partition), err_kafka(ERR_GROUP_ID_NOT_FOUND));
    EXPECT_EQ(COMMIT(c, 9, .group = "g", .topic = "t", .partition = 0, .offset = 5), 0);
    EXPECT_EQ(delete_offset(c, "g", "t", 2, &of_partition), 0);
    EXPECT_EQ(of_partition, err_kafka(ERR_UNKNOWN_TOPIC_OR_PARTITION));
    EXPECT_EQ(delete_offset(c, "g", "nothing", 0, &of_partition), 0);
    EXPECT_EQ(of_partition, err_kafka(ERR_UNKNOWN_TOPIC_OR_PARTITION));
    EXPECT_EQ(fetch(c, 10, "g", "t", &id, 0, NULL), 5);
    EXPECT_EQ(delete_offset(c, "g", "t", 0, &of_partition), 0);
    EXPECT_EQ(of_partition, 0);
    EXPECT_EQ(fetch(c, 10, "g", "t", &id, 0, NULL), -1);
    /* A member whose metadata nobody can read may be subscribed to anything. */
    struct member m;
    stable(&m, 1, "g");
    EXPECT_EQ(COMMIT(c, 9, .group = "g", .topic = "t", .partition = 0, .offset = 5,
                     .member_id = m.id, .generation = m.generation), 0);
    EXPECT_EQ(delete_offset(c, "g", "t", 0, &of_partition), 0);
    EXPECT_EQ(of_partition, err_kafka(ERR_GROUP_SUBSCRIBED_TO_TOPIC));
    EXPECT_EQ(fetch(c, 10, "g", "t", &id, 0, NULL), 5);
    client_close(m.client);
    client_close(c);
    door_done(&door);
}

TEST(groups_are_deleted_with_their_offsets)
{
    open_door();
    struct member m;
    stable(&m, 1, "g");
    struct client *c = m.client;
    struct uuid id = client_create_topic(c, "t", 1);
    EXPECT_EQ(COMMIT(c, 9, .group = "g", .topic = "t", .offset = 5, .member_id = m.id,
                     .generation = 1), 0);
    EXPECT_EQ(delete_group(c, "g"), err_kafka(ERR_NON_EMPTY_GROUP));
    EXPECT_EQ(delete_group(c, "none"), err_kafka(ERR_GROUP_ID_NOT_FOUND));
    EXPECT_EQ(leave(&m, "g", 5), 0);
    EXPECT_EQ(delete_group(c, "g"), 0);
    EXPECT_EQ(delete_group(c, "g"), err_kafka(ERR_GROUP_ID_NOT_FOUND));
    EXPECT_EQ(fetch(c, 10, "g", "t", &id, 0, NULL), -1);
    EXPECT_STR(describe(c, "g", 5), "0 Dead   0");
    EXPECT_STR(describe(c, "g", 6), "69 Dead   0");
    EXPECT_EQ(list(c, 5, NULL), 0);
    client_close(c);
    door_done(&door);
}

TEST(groups_with_offsets_are_known_after_a_restart)
{
    open_door();
    struct client *c = client_open(&door);
    struct uuid id = client_create_topic(c, "t", 1);
    for (int g = 0; g < 8; g++) {
        char group[16];
        snprintf(group, sizeof group, "group-%d", g);
        EXPECT_EQ(COMMIT(c, 9, .group = group, .topic = "t", .offset = g), 0);
    }
    struct member m;
    stable(&m, 1, "without-offsets");
    close_all(&m, 1);
    client_close(c);
    door_close(&door);
    kv_mem_reopen(door.kv, false);
    door_open(&door);
    c = client_open(&door);
    EXPECT_EQ(list(c, 5, "Empty"), 8);
    EXPECT_STR(describe(c, "group-7", 6), "0 Empty   0");
    EXPECT_EQ(fetch(c, 10, "group-7", "t", &id, 0, NULL), 7);
    m.client = c;       /* the old member id is nobody's now */
    EXPECT_EQ(heartbeat(&m, "without-offsets", 4), err_kafka(ERR_UNKNOWN_MEMBER_ID));
    EXPECT_EQ(join(&m, "without-offsets", 9), err_kafka(ERR_UNKNOWN_MEMBER_ID));
    client_close(c);
    door_done(&door);
}

TEST(a_full_disk_refuses_commits_and_deletions_and_loses_nothing)
{
    open_door();
    struct client *c = client_open(&door);
    struct uuid id = client_create_topic(c, "t", 1);
    EXPECT_EQ(COMMIT(c, 9, .group = "g", .topic = "t", .offset = 5), 0);
    int16_t retry = err_kafka(ERR_NOT_COORDINATOR), of_partition;
    kv_mem_set_full(door.kv, true);
    EXPECT_EQ(COMMIT(c, 9, .group = "g", .topic = "t", .offset = 6), retry);
    EXPECT_EQ(delete_offset(c, "g", "t", 0, &of_partition), retry);
    EXPECT_EQ(delete_group(c, "g"), retry);
    EXPECT_EQ(fetch(c, 10, "g", "t", &id, 0, NULL), 5);
    EXPECT_STR(describe(c, "g", 6), "0 Empty   0");
    kv_mem_set_full(door.kv, false);
    int16_t err = retry;        /* storage looks for room at its own pace */
    UNTIL(err != retry, err = COMMIT(c, 9, .group = "g", .topic = "t", .offset = 7));
    EXPECT_EQ(err, 0);
    EXPECT_EQ(fetch(c, 10, "g", "t", &id, 0, NULL), 7);
    client_close(c);
    door_done(&door);
}

static void expire_round(void *loop)
{
    group_expiry_run(groups_loop_at(loop)->expiry);
}

TEST(expired_offsets_go_and_their_groups_with_them)
{
    door_init(&door);
    door.options.groups.offset_retention_ms = 0;
    door_open(&door);
    struct client *c = client_open(&door);
    struct uuid id = client_create_topic(c, "t", 1);
    for (int g = 0; g < 200; g++) {
        char group[16];
        snprintf(group, sizeof group, "group-%d", g);
        EXPECT_EQ(COMMIT(c, 9, .group = group, .topic = "t", .offset = g), 0);
    }
    /* Subscribed, as far as anybody can tell: stays. */
    struct member m;
    stable(&m, 1, "alive");
    EXPECT_EQ(COMMIT(c, 9, .group = "alive", .topic = "t", .offset = 3, .member_id = m.id,
                     .generation = 1), 0);
    struct member gone;
    stable(&gone, 1, "bare");
    EXPECT_EQ(leave(&gone, "bare", 5), 0);
    EXPECT_EQ(list(c, 5, NULL), 202);
    for (int i = 0; i < DOOR_LOOPS; i++)
        on_loop(door.loops[i], expire_round, &door.broker->loops[i]);
    UNTIL(list(c, 5, NULL) == 1, (void)0);
    EXPECT_EQ(fetch(c, 10, "group-9", "t", &id, 0, NULL), -1);
    EXPECT_EQ(fetch(c, 10, "alive", "t", &id, 0, NULL), 3);
    client_close(gone.client);
    client_close(m.client);
    client_close(c);
    door_done(&door);
}

TEST(a_retention_of_all_time_does_not_end_at_once)
{
    door_init(&door);
    door.options.groups.offset_retention_ms = 0;
    door_open(&door);
    struct client *c = client_open(&door);
    client_create_topic(c, "t", 1);
    EXPECT_EQ(COMMIT(c, 4, .group = "kept", .topic = "t", .offset = 5, .retention_ms = INT64_MAX),
              0);
    EXPECT_EQ(COMMIT(c, 9, .group = "goes", .topic = "t", .offset = 6), 0);
    EXPECT_EQ(list(c, 5, NULL), 2);
    for (int i = 0; i < DOOR_LOOPS; i++)
        on_loop(door.loops[i], expire_round, &door.broker->loops[i]);
    UNTIL(list(c, 5, NULL) == 1, (void)0);
    EXPECT_EQ(fetch(c, 4, "kept", "t", NULL, 0, NULL), 5);
    client_close(c);
    door_done(&door);
}

TEST(the_coordinator_is_this_node)
{
    open_door();
    struct client *c = client_open(&door);
    struct bytes keys[] = {BYTES_LIT("g1"), BYTES_LIT("g2")};
    struct find_coordinator_response out;
    for (int16_t version = 0; version <= 6; version++) {
        for (int8_t type = 0; type <= 3; type++) {
            if (version == 0 && type > 0) continue;
            struct find_coordinator_request in = FIND_COORDINATOR_REQUEST_INIT;
            in.key_type = type;
            if (version < 4) in.key = keys[0];
            in.coordinator_keys = version >= 4 ? keys : NULL;
            in.coordinator_keys_count = version >= 4 ? 2 : 0;
            EXCHANGE(c, FIND_COORDINATOR, find_coordinator, version, &in, &out);
            int16_t want = type == 0 ? 0 : err_kafka(type == 1 && version < 4
                                                         ? ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED
                                                         : ERR_INVALID_REQUEST);
            EXPECT_EQ(version >= 4 ? out.coordinators[1].error_code : out.error_code, want);
            EXPECT_EQ(version >= 4 ? out.coordinators[1].node_id : out.node_id,
                      want == 0 ? door.options.node_id : -1);
            EXPECT_EQ(version >= 4 ? out.coordinators[1].port : out.port,
                      want == 0 ? door.port : -1);
            if (version >= 4) EXPECT_BYTES(out.coordinators[1].key, "g2");
            struct bytes words = version >= 4 ? out.coordinators[1].error_message
                                              : out.error_message;
            if (type == 1) EXPECT(memmem(words.data, words.len, "transactional.id", 16) != NULL);
        }
    }
    client_close(c);
    door_done(&door);
}

TESTS(RUN(groups_of_any_loop_serve_clients_of_any_loop), RUN(every_version_of_join_and_sync_works),
      RUN(an_empty_group_id_is_refused), RUN(a_sync_without_protocol_is_refused_since_version_5),
      RUN(a_client_that_goes_away_while_it_waits_harms_nobody),
      RUN(a_waiting_client_does_not_hold_up_the_stop), RUN(offsets_come_back_at_every_version),
      RUN(all_offsets_of_several_groups_in_one_answer),
      RUN(commits_are_refused_for_their_own_reasons), RUN(offsets_are_deleted_by_topic),
      RUN(groups_are_deleted_with_their_offsets),
      RUN(a_retention_of_all_time_does_not_end_at_once),
      RUN(groups_with_offsets_are_known_after_a_restart),
      RUN(a_full_disk_refuses_commits_and_deletions_and_loses_nothing),
      RUN(expired_offsets_go_and_their_groups_with_them), RUN(the_coordinator_is_this_node))
