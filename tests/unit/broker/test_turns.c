/* Large requests take turns on their loop: one that takes long begins in a turn of its own, and
 * catalog changes are asked for some at a time. */
#include "broker/changes.h"
#include "base/clock.h"
#include "protocol/kafka/msg/describe_configs.h"
#include "protocol/kafka/msg/describe_groups.h"
#include "protocol/kafka/msg/fetch.h"
#include "protocol/kafka/msg/join_group.h"
#include "protocol/kafka/msg/list_offsets.h"
#include "protocol/kafka/msg/metadata.h"
#include "protocol/kafka/msg/offset_commit.h"
#include "protocol/kafka/msg/offset_fetch.h"
#include "unit/broker/many.h"
#include "unit/broker/one_record.h"
#include "unit/broker/turned_door.h"

enum { CLIENTS = 4, PARTITIONS = 20000, RESOURCES = 2000 };

static struct turned_door door;

/* All but the last byte. */
static void send_but_last(struct client *c, struct writer *w, char *ret_last)
{
    store_be32(w->data, (uint32_t)w->len - 4);
    *ret_last = (char)w->data[--w->len];
    turned_write(&door, c, w);
}

/* Of partitions that are not there, all but the last byte. */
static void send_list_offsets(struct client *c, int32_t partitions, char *ret_last)
{
    struct list_offsets_request in = many_list_offsets(partitions);
    struct writer w;
    client_begin(c, KAFKA_API_LIST_OFFSETS, 1, &w);
    list_offsets_request_encode(&w, 1, &in);
    send_but_last(c, &w, ret_last);
    mem_free(in.topics);
}

/* Their last bytes come together. */
static void expect_one_answer_a_turn(struct client *c[CLIENTS], const char last[CLIENTS])
{
    for (int i = 0; i < CLIENTS; i++) EXPECT_EQ(send(c[i]->fd, &last[i], 1, MSG_NOSIGNAL), 1);
    int answered = 0, turns = 0, before = 0;
    for (; answered < CLIENTS; turns++) {
        EXPECT(turns < TURNS_MAX);
        conn_pair_turn(&door.home);
        answered = 0;
        for (int i = 0; i < CLIENTS; i++) answered += turned_is_answered(c[i]);
        EXPECT(answered - before <= 1);
        before = answered;
    }
    for (int i = 0; i < CLIENTS; i++) turned_client_gone(&door, c[i]);
    turned_end(&door);
}

TEST(large_requests_that_come_together_begin_one_a_turn)
{
    turned_begin(&door);
    struct client *c[CLIENTS];
    char last[CLIENTS];
    for (int i = 0; i < CLIENTS; i++) {
        c[i] = turned_client(&door);
        send_list_offsets(c[i], PARTITIONS, &last[i]);
    }
    expect_one_answer_a_turn(c, last);
}

/* So do those that are not large, but for as much of them as one large one has. Time stands still:
 * what they take of it is counted too (loop_task_begin()). */
TEST(of_many_requests_that_come_together_some_begin_in_the_same_turn)
{
    enum { MANY = 40, EACH = 600, BYTES_EACH = 12 * EACH, A_TURN_MAX = (128 << 10) / BYTES_EACH };
    static int64_t standing_us = 1000 * 1000;
    clock_fake(&standing_us);
    turned_begin(&door);
    struct client *c[MANY], *small = turned_client(&door);
    char last[MANY], of_small;
    for (int i = 0; i < MANY; i++) {
        c[i] = turned_client(&door);
        send_list_offsets(c[i], EACH, &last[i]);
    }
    send_list_offsets(small, 1, &of_small);
    for (int i = 0; i < MANY; i++) EXPECT_EQ(send(c[i]->fd, &last[i], 1, MSG_NOSIGNAL), 1);
    EXPECT_EQ(send(small->fd, &of_small, 1, MSG_NOSIGNAL), 1);
    conn_pair_turn(&door.home);
    conn_pair_turn(&door.home);
    EXPECT(turned_is_answered(small));
    int answered = 0;
    for (int i = 0; i < MANY; i++) answered += turned_is_answered(c[i]);
    EXPECT(answered > 0);
    EXPECT(answered <= A_TURN_MAX + 2);
    for (int i = 0; i < MANY; i++) conn_pair_turn(&door.home);
    for (int i = 0; i < MANY; i++) EXPECT(turned_is_answered(c[i]));
    for (int i = 0; i < MANY; i++) turned_client_gone(&door, c[i]);
    turned_client_gone(&door, small);
    turned_end(&door);
    clock_fake(NULL);
}

/* Thirty bytes that ask for 30 KB: an answer takes its turn as a request does. */
TEST(small_requests_for_much_that_come_together_begin_one_a_turn)
{
    turned_begin(&door);
    struct client *c[CLIENTS];
    char last[CLIENTS];
    struct describe_configs_request_resource broker = DESCRIBE_CONFIGS_REQUEST_RESOURCE_INIT;
    broker.resource_type = 4;
    broker.resource_name = BYTES_LIT("1");
    broker.configuration_keys_count = -1;
    struct describe_configs_request in = {.resources = &broker, .resources_count = 1};
    for (int i = 0; i < CLIENTS; i++) {
        c[i] = turned_client(&door);
        struct writer w;
        client_begin(c[i], KAFKA_API_DESCRIBE_CONFIGS, 1, &w);
        describe_configs_request_encode(&w, 1, &in);
        send_but_last(c[i], &w, &last[i]);
    }
    expect_one_answer_a_turn(c, last);
}

/* Nobody waits for it: it is dropped before it begins. */
TEST(a_large_request_whose_client_left_does_not_begin)
{
    turned_begin(&door);
    struct client *a = turned_client(&door), *b = turned_client(&door);
    char last[2];
    send_list_offsets(a, PARTITIONS, &last[0]);
    send_list_offsets(b, PARTITIONS, &last[1]);
    EXPECT_EQ(send(a->fd, &last[0], 1, MSG_NOSIGNAL), 1);
    EXPECT_EQ(send(b->fd, &last[1], 1, MSG_NOSIGNAL), 1);
    turned_client_gone(&door, a);
    turned_client_gone(&door, b);
    for (int i = 0; i < 4; i++) conn_pair_turn(&door.home);
    turned_end(&door);
}

TEST(changes_of_one_request_are_asked_for_some_at_a_time)
{
    turned_begin(&door);
    struct client *c = turned_client(&door);
    struct bytes *names = many_names(RESOURCES);
    struct create_topics_request_topic *topics =
        NEW_ARRAY(struct create_topics_request_topic, RESOURCES);
    for (int i = 0; i < RESOURCES; i++) {
        topics[i] = CREATE_TOPICS_REQUEST_TOPIC_INIT;
        topics[i].name = names[i];
        topics[i].num_partitions = topics[i].replication_factor = 1;
    }
    struct create_topics_request in = CREATE_TOPICS_REQUEST_INIT;
    in.topics = topics;
    in.topics_count = RESOURCES;
    in.validate_only = true;
    TURNED_SEND(&door, c, CREATE_TOPICS, create_topics, 4, &in);
    EXPECT(turned_until_answered(&door, c) >= RESOURCES / CHANGES_UNDER_WAY_MAX);
    struct create_topics_response out;
    RECEIVE(c, create_topics, &out);
    EXPECT_EQ(out.topics_count, RESOURCES);
    for (int i = 0; i < RESOURCES; i++) {
        EXPECT(bytes_equal(out.topics[i].name, names[i]));
        EXPECT_EQ(out.topics[i].error_code, 0);
    }
    turned_client_gone(&door, c);
    mem_free(topics);
    mem_free(names);
    turned_end(&door);
}

TEST(configs_of_many_resources_are_described_some_a_turn)
{
    enum { A_TURN_MAX = 100 };
    turned_begin(&door);
    struct client *c = turned_client(&door);
    struct bytes *names = many_names(RESOURCES);
    struct describe_configs_request_resource *resources =
        NEW_ARRAY(struct describe_configs_request_resource, RESOURCES);
    for (int i = 0; i < RESOURCES; i++) {
        resources[i] = DESCRIBE_CONFIGS_REQUEST_RESOURCE_INIT;
        resources[i].resource_type = 2;
        resources[i].resource_name = names[i];
        resources[i].configuration_keys_count = -1;
    }
    struct describe_configs_request in = DESCRIBE_CONFIGS_REQUEST_INIT;
    in.resources = resources;
    in.resources_count = RESOURCES;
    TURNED_SEND(&door, c, DESCRIBE_CONFIGS, describe_configs, 1, &in);
    int turns = 0;
    for (; !turned_is_answered(c); turns++) conn_pair_turn(&door.home);
    EXPECT(turns >= RESOURCES / A_TURN_MAX);
    struct describe_configs_response out;
    RECEIVE(c, describe_configs, &out);
    EXPECT_EQ(out.results_count, RESOURCES);
    for (int i = 0; i < RESOURCES; i++)
        EXPECT_EQ(out.results[i].error_code, err_kafka(ERR_UNKNOWN_TOPIC_OR_PARTITION));
    TURNED_SEND(&door, c, DESCRIBE_CONFIGS, describe_configs, 1, &in);
    turned_client_gone(&door, c);           /* in the middle of it */
    for (int i = 0; i < RESOURCES; i++) conn_pair_turn(&door.home);
    mem_free(resources);
    mem_free(names);
    turned_end(&door);
}

/* The first partitions of topic "t", one record each; there is the first one alone. */
/* No answer within so many turns, nor later by the loop alone: a codec lane makes it. */
static void expect_turns_and_lane(struct client *c, int turns)
{
    for (int i = 0; i < turns; i++) {
        conn_pair_turn(&door.home);
        while (store_turn(door.store)) continue;
        EXPECT(!turned_is_answered(c));
    }
    for (int i = 0; i < TURNS_MAX; i++) conn_pair_turn(&door.home);
    EXPECT(!turned_is_answered(c));
    turned_until_answered(&door, c);
}

static void send_produce(struct client *c, int32_t count)
{
    uint8_t batch[ONE_RECORD_BYTES_MAX];
    struct bytes records = one_record_batch(batch);
    struct produce_request_partition *partitions =
        NEW_ARRAY(struct produce_request_partition, (size_t)count);
    for (int32_t i = 0; i < count; i++) {
        partitions[i] = PRODUCE_REQUEST_PARTITION_INIT;
        partitions[i].index = i;
        partitions[i].records = records;
    }
    struct produce_request_topic topic = PRODUCE_REQUEST_TOPIC_INIT;
    topic.name = BYTES_LIT("t");
    topic.partition_data = partitions;
    topic.partition_data_count = count;
    struct produce_request in = PRODUCE_REQUEST_INIT;
    in.acks = -1;
    in.timeout_ms = 30000;
    in.topic_data = &topic;
    in.topic_data_count = 1;
    TURNED_SEND(&door, c, PRODUCE, produce, 9, &in);
    mem_free(partitions);
}

static struct produce_response produced(struct client *c)
{
    struct produce_response out;
    turned_until_answered(&door, c);
    RECEIVE(c, produce, &out);
    return out;
}

/* It is looked up, and its answer encoded, beside the loop; what it names is handed over some a
 * turn, and the next Produce of the connection comes behind it. */
TEST(a_produce_of_many_partitions_takes_turns_and_stays_in_order)
{
    enum { MANY = 5000, A_TURN_MAX = 1000 };
    turned_begin(&door);
    struct client *c = turned_client(&door);
    turned_topic(&door, c);
    send_produce(c, MANY);
    int32_t many = c->correlation;
    one_record_send(&door, c);
    for (int turns = 0; turns < TURNS_MAX; turns++) conn_pair_turn(&door.home);
    while (store_turn(door.store)) continue;        /* looked up */
    for (int turns = 0; turns < MANY / A_TURN_MAX - 1; turns++) {
        conn_pair_turn(&door.home);
        while (store_turn(door.store)) continue;
        EXPECT(!turned_is_answered(c));
    }
    turned_settle(&door);
    int32_t last = c->correlation;
    c->correlation = many;
    struct produce_response out = produced(c);
    EXPECT_EQ(out.responses[0].partition_responses_count, MANY);
    EXPECT_EQ(out.responses[0].partition_responses[0].error_code, 0);
    EXPECT_EQ(out.responses[0].partition_responses[0].base_offset, 0);
    for (int i = 1; i < MANY; i++)
        EXPECT_EQ(out.responses[0].partition_responses[i].error_code,
                  err_kafka(ERR_UNKNOWN_TOPIC_OR_PARTITION));
    c->correlation = last;
    EXPECT_EQ(produced(c).responses[0].partition_responses[0].base_offset, 1);
    send_produce(c, MANY);
    turned_client_gone(&door, c);           /* in the middle of it */
    turned_settle(&door);
    turned_end(&door);
}

static void send_fetch(struct client *c, int32_t count)
{
    struct fetch_request_partition *partitions =
        NEW_ARRAY(struct fetch_request_partition, (size_t)count);
    for (int32_t i = 0; i < count; i++) {
        partitions[i] = FETCH_REQUEST_PARTITION_INIT;
        partitions[i].partition = i;
        partitions[i].partition_max_bytes = 1 << 20;
    }
    struct fetch_request_topic topic = FETCH_REQUEST_TOPIC_INIT;
    topic.topic = BYTES_LIT("t");
    topic.partitions = partitions;
    topic.partitions_count = count;
    struct fetch_request in = FETCH_REQUEST_INIT;
    in.max_bytes = 1 << 20;
    in.topics = &topic;
    in.topics_count = 1;
    TURNED_SEND(&door, c, FETCH, fetch, 4, &in);
    mem_free(partitions);
}

/* The list is made and the answer encoded beside the loop; between them, some a turn. */
TEST(a_fetch_of_many_partitions_holds_no_loop)
{
    enum { MANY = 5000, A_TURN_MAX = 1000 };
    turned_begin(&door);
    struct client *c = turned_client(&door);
    turned_topic(&door, c);
    one_record(&door, c);
    send_fetch(c, MANY);
    for (int turns = 0; turns < TURNS_MAX; turns++) conn_pair_turn(&door.home);
    while (store_turn(door.store)) continue;        /* the list is made */
    expect_turns_and_lane(c, MANY / A_TURN_MAX - 2);
    struct fetch_response out;
    RECEIVE(c, fetch, &out);
    EXPECT_EQ(out.responses_count, 1);
    EXPECT_EQ(out.responses[0].partitions_count, MANY);
    EXPECT_EQ(out.responses[0].partitions[0].error_code, 0);
    EXPECT(out.responses[0].partitions[0].records.bytes > 0);
    for (int i = 1; i < MANY; i++) {
        EXPECT_EQ(out.responses[0].partitions[i].partition_index, i);
        EXPECT_EQ(out.responses[0].partitions[i].error_code,
                  err_kafka(ERR_UNKNOWN_TOPIC_OR_PARTITION));
    }
    send_fetch(c, MANY);
    turned_client_gone(&door, c);           /* while its list is made */
    turned_settle(&door);
    turned_end(&door);
}

TEST(metadata_of_all_there_is_is_made_beside_the_loop)
{
    enum { MANY = 4500 };
    turned_begin(&door);
    struct client *c = turned_client(&door);
    turned_topic_of(&door, c, "t", MANY);
    struct metadata_request in = METADATA_REQUEST_INIT;
    in.topics_count = -1;
    TURNED_SEND(&door, c, METADATA, metadata, 1, &in);
    for (int turns = 0; turns < TURNS_MAX; turns++) conn_pair_turn(&door.home);
    EXPECT(!turned_is_answered(c));
    EXPECT(loop_room(door.loop)->promised > MANY);      /* others wait for room that it will take */
    turned_until_answered(&door, c);
    EXPECT_EQ(loop_room(door.loop)->promised, 0);
    struct metadata_response out;
    RECEIVE(c, metadata, &out);
    EXPECT_EQ(out.brokers_count, 1);
    EXPECT_EQ(out.topics_count, 1);
    EXPECT_BYTES(out.topics[0].name, "t");
    EXPECT_EQ(out.topics[0].partitions_count, MANY);
    for (int i = 0; i < MANY; i++) EXPECT_EQ(out.topics[0].partitions[i].partition_index, i);
    TURNED_SEND(&door, c, METADATA, metadata, 1, &in);
    turned_client_gone(&door, c);           /* in the middle of it */
    turned_settle(&door);
    EXPECT_EQ(loop_room(door.loop)->promised, 0);
    turned_end(&door);
}

/* By what is told, not by what is named. */
TEST(a_long_answer_to_a_short_request_is_encoded_beside_the_loop)
{
    enum { TIMES = 20 };
    turned_begin(&door);
    struct client *c = turned_client(&door);
    struct describe_configs_request_resource broker[TIMES];
    for (int i = 0; i < TIMES; i++) {
        broker[i] = DESCRIBE_CONFIGS_REQUEST_RESOURCE_INIT;
        broker[i].resource_type = 4;
        broker[i].resource_name = BYTES_LIT("1");
        broker[i].configuration_keys_count = -1;
    }
    struct describe_configs_request in = DESCRIBE_CONFIGS_REQUEST_INIT;
    in.resources = broker;
    in.resources_count = TIMES;
    TURNED_SEND(&door, c, DESCRIBE_CONFIGS, describe_configs, 1, &in);
    for (int turns = 0; turns < TURNS_MAX; turns++) conn_pair_turn(&door.home);
    EXPECT(!turned_is_answered(c));
    turned_until_answered(&door, c);
    turned_client_gone(&door, c);
    turned_settle(&door);
    turned_end(&door);
}

/* Of topic "t", partition 0, by group "g". */
static void commit_offset(struct client *c, struct bytes metadata)
{
    struct offset_commit_request_partition partition = OFFSET_COMMIT_REQUEST_PARTITION_INIT;
    partition.committed_offset = 7;
    partition.committed_metadata = metadata;
    struct offset_commit_request_topic topic = OFFSET_COMMIT_REQUEST_TOPIC_INIT;
    topic.name = BYTES_LIT("t");
    topic.partitions = &partition;
    topic.partitions_count = 1;
    struct offset_commit_request in = OFFSET_COMMIT_REQUEST_INIT;
    in.group_id = BYTES_LIT("g");
    in.generation_id_or_member_epoch = -1;
    in.topics = &topic;
    in.topics_count = 1;
    struct offset_commit_response out;
    TURNED_EXCHANGE(&door, c, OFFSET_COMMIT, offset_commit, 2, &in, &out);
    EXPECT_EQ(out.topics[0].partitions[0].error_code, 0);
}

/* All offsets of group "g", so many times. */
static void send_offset_fetch(struct client *c, int32_t times)
{
    struct offset_fetch_request_group *groups =
        NEW_ARRAY(struct offset_fetch_request_group, (size_t)times);
    for (int32_t i = 0; i < times; i++) {
        groups[i] = OFFSET_FETCH_REQUEST_GROUP_INIT;
        groups[i].group_id = BYTES_LIT("g");
        groups[i].topics_count = -1;
    }
    struct offset_fetch_request in = OFFSET_FETCH_REQUEST_INIT;
    in.groups = groups;
    in.groups_count = times;
    TURNED_SEND(&door, c, OFFSET_FETCH, offset_fetch, 8, &in);
    mem_free(groups);
}

TEST(offsets_of_many_groups_are_looked_up_and_encoded_beside_the_loop)
{
    enum { TIMES = 4000 };
    turned_begin(&door);
    struct client *c = turned_client(&door);
    turned_topic(&door, c);
    commit_offset(c, BYTES_LIT("note"));
    send_offset_fetch(c, TIMES);
    for (int turns = 0; turns < TURNS_MAX; turns++) conn_pair_turn(&door.home);
    EXPECT(!turned_is_answered(c));
    turned_until_answered(&door, c);
    struct offset_fetch_response out;
    RECEIVE(c, offset_fetch, &out);
    EXPECT_EQ(out.groups_count, TIMES);
    for (int i = 0; i < TIMES; i++) {
        EXPECT_BYTES(out.groups[i].group_id, "g");
        EXPECT_EQ(out.groups[i].topics_count, 1);
        EXPECT_EQ(out.groups[i].topics[0].partitions_count, 1);
        EXPECT_EQ(out.groups[i].topics[0].partitions[0].committed_offset, 7);
        EXPECT_BYTES(out.groups[i].topics[0].partitions[0].metadata, "note");
    }
    send_offset_fetch(c, TIMES);
    turned_client_gone(&door, c);           /* in the middle of it */
    turned_settle(&door);
    turned_end(&door);
}

/* Were they copied each time, the request's memory would not do. */
TEST(offsets_of_a_group_that_is_named_again_are_copied_once)
{
    enum { TIMES = 16000, METADATA_BYTES = 4096, ARENA_BYTES = 64 << 20 };
    turned_begin(&door);
    EXPECT((size_t)TIMES * (METADATA_BYTES + 100) > ARENA_BYTES);
    door.budget.limit = 4 * (size_t)ARENA_BYTES;
    struct client *c = turned_client(&door);
    turned_topic(&door, c);
    char metadata[METADATA_BYTES];
    memset(metadata, 'm', sizeof metadata);
    commit_offset(c, bytes_of(metadata, sizeof metadata));
    send_offset_fetch(c, TIMES);
    turned_until_answered(&door, c);
    turned_client_gone(&door, c);
    turned_settle(&door);
    turned_end(&door);
}

/* Some names a turn; the answer is encoded where the loop is not. */
TEST(many_groups_are_described_some_a_turn_and_encoded_beside_the_loop)
{
    enum { NAMES = 5000, A_TURN_MAX = 1000 };
    turned_begin(&door);
    struct client *c = turned_client(&door);
    struct bytes *names = many_names(NAMES);
    struct describe_groups_request in = DESCRIBE_GROUPS_REQUEST_INIT;
    in.groups = names;
    in.groups_count = NAMES;
    TURNED_SEND(&door, c, DESCRIBE_GROUPS, describe_groups, 0, &in);
    expect_turns_and_lane(c, NAMES / A_TURN_MAX - 3);
    struct describe_groups_response out;
    RECEIVE(c, describe_groups, &out);
    EXPECT_EQ(out.groups_count, NAMES);
    for (int i = 0; i < NAMES; i++) {
        EXPECT(bytes_equal(out.groups[i].group_id, names[i]));
        EXPECT_BYTES(out.groups[i].group_state, "Dead");
    }
    TURNED_SEND(&door, c, DESCRIBE_GROUPS, describe_groups, 0, &in);
    turned_client_gone(&door, c);           /* in the middle of it */
    turned_settle(&door);
    mem_free(names);
    turned_end(&door);
}

TEST(a_group_that_is_named_many_times_is_described_once)
{
    enum { NAMES = 5000, TYPE_CHARS = 1000, TWICE = 2 };
    turned_begin(&door);
    struct client *member = turned_client(&door), *c = turned_client(&door);
    char type[TYPE_CHARS];
    memset(type, 't', sizeof type);
    struct join_group_request_protocol protocol = JOIN_GROUP_REQUEST_PROTOCOL_INIT;
    protocol.name = BYTES_LIT("range");
    protocol.metadata = BYTES_LIT("");
    struct join_group_request join = JOIN_GROUP_REQUEST_INIT;
    join.group_id = BYTES_LIT("g");
    join.session_timeout_ms = 60000;
    join.protocol_type = bytes_of(type, sizeof type);
    join.protocols = &protocol;
    join.protocols_count = 1;
    TURNED_SEND(&door, member, JOIN_GROUP, join_group, 0, &join);
    turned_settle(&door);
    struct bytes *names = NEW_ARRAY(struct bytes, NAMES);
    for (int i = 0; i < NAMES; i++) names[i] = BYTES_LIT("g");
    struct describe_groups_request in = DESCRIBE_GROUPS_REQUEST_INIT;
    in.groups = names;
    in.groups_count = NAMES;
    TURNED_SEND(&door, c, DESCRIBE_GROUPS, describe_groups, 0, &in);
    for (int turns = 0; turns < TURNS_MAX; turns++) conn_pair_turn(&door.home);
    EXPECT(atomic_load(&door.budget.used) < (size_t)NAMES * TYPE_CHARS / 2);
    turned_client_gone(&door, c);
    turned_settle(&door);
    c = turned_client(&door);
    in.groups_count = TWICE;
    struct describe_groups_response out;
    TURNED_EXCHANGE(&door, c, DESCRIBE_GROUPS, describe_groups, 0, &in, &out);
    EXPECT_EQ(out.groups_count, TWICE);
    for (int i = 0; i < TWICE; i++) {
        EXPECT(bytes_equal(out.groups[i].protocol_type, join.protocol_type));
        EXPECT_EQ(out.groups[i].members_count, 1);
    }
    turned_client_gone(&door, member);
    turned_client_gone(&door, c);
    mem_free(names);
    turned_end(&door);
}

TESTS(RUN(metadata_of_all_there_is_is_made_beside_the_loop),
      RUN(a_long_answer_to_a_short_request_is_encoded_beside_the_loop),
      RUN(offsets_of_many_groups_are_looked_up_and_encoded_beside_the_loop),
      RUN(offsets_of_a_group_that_is_named_again_are_copied_once),
      RUN(a_fetch_of_many_partitions_holds_no_loop),
      RUN(a_produce_of_many_partitions_takes_turns_and_stays_in_order),
      RUN(many_groups_are_described_some_a_turn_and_encoded_beside_the_loop),
      RUN(a_group_that_is_named_many_times_is_described_once),
      RUN(configs_of_many_resources_are_described_some_a_turn),
      RUN(large_requests_that_come_together_begin_one_a_turn),
      RUN(small_requests_for_much_that_come_together_begin_one_a_turn),
      RUN(of_many_requests_that_come_together_some_begin_in_the_same_turn),
      RUN(a_large_request_whose_client_left_does_not_begin),
      RUN(changes_of_one_request_are_asked_for_some_at_a_time))
