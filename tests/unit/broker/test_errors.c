/* Every error that an answer tells is counted, whatever the API: one of each row of the table is
 * made to fail. */
#include "base/metrics.h"
#include "unit/broker/broker_fixture.h"

static struct door_fixture door;
static bool tried[KAFKA_API_COUNT];

static int64_t counted(enum kafka_api_index api, enum err err)
{
    char labels[96];
    snprintf(labels, sizeof labels, "api=\"%s\",error=\"%s\"", kafka_apis[api].name,
             err_kafka_name(err));
    return metric_value(metric_get(METRIC_COUNTER, "diglot_kafka_errors_total", "", labels));
}

/* The answer tells this error so often and no other, and so often it is counted. */
#define TELLS(NAME, name, version, in, err, times)                                                 \
    do {                                                                                           \
        struct name##_response answer_;                                                            \
        struct wire_errors told_ = {0};                                                            \
        int64_t before_ = counted(KAFKA_API_##NAME, err);                                          \
        EXCHANGE(c, NAME, name, version, in, &answer_);                                            \
        name##_response_errors(&answer_, version, &told_);                                         \
        EXPECT_EQ(told_.used, 1);                                                                  \
        EXPECT_EQ(told_.all[0].code, err_kafka(err));                                              \
        EXPECT_EQ(told_.all[0].count, times);                                                      \
        EXPECT_EQ(counted(KAFKA_API_##NAME, err) - before_, times);                                \
        tried[KAFKA_API_##NAME] = true;                                                            \
    } while (0)

#define LIST(type, NAME, count, ...)                                                               \
    struct type list[count];                                                                       \
    for (int i = 0; i < (count); i++) {                                                            \
        list[i] = NAME##_INIT;                                                                     \
        __VA_ARGS__;                                                                               \
    }

static void topics(struct client *c)
{
    {
        LIST(metadata_request_topic, METADATA_REQUEST_TOPIC, 2,
             list[i].name = i ? BYTES_LIT("a b") : BYTES_LIT("c d"))
        struct metadata_request in = METADATA_REQUEST_INIT;
        in.topics = list;
        in.topics_count = 2;
        TELLS(METADATA, metadata, 4, &in, ERR_INVALID_TOPIC_EXCEPTION, 2);
    }
    {
        LIST(create_topics_request_topic, CREATE_TOPICS_REQUEST_TOPIC, 1,
             list[i].name = BYTES_LIT("a b"))
        struct create_topics_request in = CREATE_TOPICS_REQUEST_INIT;
        in.topics = list;
        in.topics_count = 1;
        TELLS(CREATE_TOPICS, create_topics, 7, &in, ERR_INVALID_TOPIC_EXCEPTION, 1);
    }
    {
        struct bytes names[] = {BYTES_LIT("none"), BYTES_LIT("nor this")};
        struct delete_topics_request in = DELETE_TOPICS_REQUEST_INIT;
        in.topic_names = names;
        in.topic_names_count = 2;
        TELLS(DELETE_TOPICS, delete_topics, 1, &in, ERR_UNKNOWN_TOPIC_OR_PARTITION, 2);
    }
    {
        LIST(create_partitions_request_topic, CREATE_PARTITIONS_REQUEST_TOPIC, 1,
             list[i].name = BYTES_LIT("none");
             list[i].count = 2)
        struct create_partitions_request in = CREATE_PARTITIONS_REQUEST_INIT;
        in.topics = list;
        in.topics_count = 1;
        TELLS(CREATE_PARTITIONS, create_partitions, 3, &in, ERR_UNKNOWN_TOPIC_OR_PARTITION, 1);
    }
    {
        LIST(describe_configs_request_resource, DESCRIBE_CONFIGS_REQUEST_RESOURCE, 1,
             list[i].resource_type = 2;
             list[i].resource_name = BYTES_LIT("none"))
        struct describe_configs_request in = DESCRIBE_CONFIGS_REQUEST_INIT;
        in.resources = list;
        in.resources_count = 1;
        TELLS(DESCRIBE_CONFIGS, describe_configs, 4, &in, ERR_UNKNOWN_TOPIC_OR_PARTITION, 1);
    }
    {
        LIST(incremental_alter_configs_request_resource, INCREMENTAL_ALTER_CONFIGS_REQUEST_RESOURCE,
             1, list[i].resource_type = 4)
        struct incremental_alter_configs_request in = INCREMENTAL_ALTER_CONFIGS_REQUEST_INIT;
        in.resources = list;
        in.resources_count = 1;
        TELLS(INCREMENTAL_ALTER_CONFIGS, incremental_alter_configs, 1, &in, ERR_INVALID_REQUEST, 1);
    }
}

static void records(struct client *c)
{
    {
        LIST(produce_request_partition, PRODUCE_REQUEST_PARTITION, 3,
             list[i].index = i)
        struct produce_request_topic topic = PRODUCE_REQUEST_TOPIC_INIT;
        topic.name = BYTES_LIT("none");
        topic.partition_data = list;
        topic.partition_data_count = 3;
        struct produce_request in = PRODUCE_REQUEST_INIT;
        in.acks = 1;
        in.topic_data = &topic;
        in.topic_data_count = 1;
        TELLS(PRODUCE, produce, 9, &in, ERR_UNKNOWN_TOPIC_OR_PARTITION, 3);
    }
    {
        LIST(fetch_request_partition, FETCH_REQUEST_PARTITION, 1,
             list[i].partition = 7)
        struct fetch_request_topic topic = FETCH_REQUEST_TOPIC_INIT;
        topic.topic = BYTES_LIT("none");
        topic.partitions = list;
        topic.partitions_count = 1;
        struct fetch_request in = FETCH_REQUEST_INIT;
        in.topics = &topic;
        in.topics_count = 1;
        TELLS(FETCH, fetch, 4, &in, ERR_UNKNOWN_TOPIC_OR_PARTITION, 1);
    }
    {
        LIST(list_offsets_request_partition, LIST_OFFSETS_REQUEST_PARTITION, 2,
             list[i].partition_index = i)
        struct list_offsets_request_topic topic = LIST_OFFSETS_REQUEST_TOPIC_INIT;
        topic.name = BYTES_LIT("none");
        topic.partitions = list;
        topic.partitions_count = 2;
        struct list_offsets_request in = LIST_OFFSETS_REQUEST_INIT;
        in.topics = &topic;
        in.topics_count = 1;
        TELLS(LIST_OFFSETS, list_offsets, 4, &in, ERR_UNKNOWN_TOPIC_OR_PARTITION, 2);
    }
    {
        LIST(delete_records_request_partition, DELETE_RECORDS_REQUEST_PARTITION, 1, (void)list)
        struct delete_records_request_topic topic = DELETE_RECORDS_REQUEST_TOPIC_INIT;
        topic.name = BYTES_LIT("none");
        topic.partitions = list;
        topic.partitions_count = 1;
        struct delete_records_request in = DELETE_RECORDS_REQUEST_INIT;
        in.topics = &topic;
        in.topics_count = 1;
        TELLS(DELETE_RECORDS, delete_records, 2, &in, ERR_UNKNOWN_TOPIC_OR_PARTITION, 1);
    }
    {
        LIST(offset_for_leader_epoch_request_partition, OFFSET_FOR_LEADER_EPOCH_REQUEST_PARTITION,
             1, (void)list)
        struct offset_for_leader_epoch_request_topic topic =
            OFFSET_FOR_LEADER_EPOCH_REQUEST_TOPIC_INIT;
        topic.topic = BYTES_LIT("none");
        topic.partitions = list;
        topic.partitions_count = 1;
        struct offset_for_leader_epoch_request in = OFFSET_FOR_LEADER_EPOCH_REQUEST_INIT;
        in.topics = &topic;
        in.topics_count = 1;
        TELLS(OFFSET_FOR_LEADER_EPOCH, offset_for_leader_epoch, 4, &in,
              ERR_UNKNOWN_TOPIC_OR_PARTITION, 1);
    }
    {
        struct init_producer_id_request in = INIT_PRODUCER_ID_REQUEST_INIT;
        in.transactional_id = BYTES_LIT("");
        TELLS(INIT_PRODUCER_ID, init_producer_id, 4, &in, ERR_INVALID_REQUEST, 1);
    }
}

static void members(struct client *c)
{
    struct join_group_request join = JOIN_GROUP_REQUEST_INIT;
    join.group_id = BYTES_LIT("g");
    join.session_timeout_ms = 1;
    TELLS(JOIN_GROUP, join_group, 5, &join, ERR_INVALID_SESSION_TIMEOUT, 1);
    struct sync_group_request sync = SYNC_GROUP_REQUEST_INIT;
    sync.group_id = BYTES_LIT("g");
    TELLS(SYNC_GROUP, sync_group, 3, &sync, ERR_UNKNOWN_MEMBER_ID, 1);
    struct heartbeat_request beat = HEARTBEAT_REQUEST_INIT;
    beat.group_id = BYTES_LIT("g");
    TELLS(HEARTBEAT, heartbeat, 3, &beat, ERR_UNKNOWN_MEMBER_ID, 1);
    LIST(leave_group_request_member, LEAVE_GROUP_REQUEST_MEMBER, 2,
         list[i].member_id = BYTES_LIT("m"))
    struct leave_group_request leave = LEAVE_GROUP_REQUEST_INIT;
    leave.group_id = BYTES_LIT("g");
    leave.members = list;
    leave.members_count = 2;
    TELLS(LEAVE_GROUP, leave_group, 4, &leave, ERR_UNKNOWN_MEMBER_ID, 2);
}

static void groups(struct client *c)
{
    struct bytes names[] = {BYTES_LIT("none"), BYTES_LIT("nor this")};
    struct describe_groups_request describe = DESCRIBE_GROUPS_REQUEST_INIT;
    describe.groups = names;
    describe.groups_count = 2;
    TELLS(DESCRIBE_GROUPS, describe_groups, 6, &describe, ERR_GROUP_ID_NOT_FOUND, 2);
    struct delete_groups_request delete = DELETE_GROUPS_REQUEST_INIT;
    delete.groups_names = names;
    delete.groups_names_count = 2;
    TELLS(DELETE_GROUPS, delete_groups, 2, &delete, ERR_GROUP_ID_NOT_FOUND, 2);
    struct find_coordinator_request find = FIND_COORDINATOR_REQUEST_INIT;
    find.key_type = 5;
    find.coordinator_keys = names;
    find.coordinator_keys_count = 2;
    TELLS(FIND_COORDINATOR, find_coordinator, 4, &find, ERR_INVALID_REQUEST, 2);
}

static void group_offsets(struct client *c)
{
    {
        LIST(offset_commit_request_partition, OFFSET_COMMIT_REQUEST_PARTITION, 2, (void)list)
        struct offset_commit_request_topic topic = OFFSET_COMMIT_REQUEST_TOPIC_INIT;
        topic.name = BYTES_LIT("none");
        topic.partitions = list;
        topic.partitions_count = 2;
        struct offset_commit_request in = OFFSET_COMMIT_REQUEST_INIT;
        in.group_id = BYTES_LIT("g");
        in.topics = &topic;
        in.topics_count = 1;
        TELLS(OFFSET_COMMIT, offset_commit, 8, &in, ERR_UNKNOWN_TOPIC_OR_PARTITION, 2);
    }
    {
        int32_t partitions[] = {0, 1, 2};
        struct offset_fetch_request_group_topic topic = OFFSET_FETCH_REQUEST_GROUP_TOPIC_INIT;
        topic.topic_id = uuid_random();
        topic.partition_indexes = partitions;
        topic.partition_indexes_count = 3;
        struct offset_fetch_request_group group = OFFSET_FETCH_REQUEST_GROUP_INIT;
        group.group_id = BYTES_LIT("g");
        group.topics = &topic;
        group.topics_count = 1;
        struct offset_fetch_request in = OFFSET_FETCH_REQUEST_INIT;
        in.groups = &group;
        in.groups_count = 1;
        TELLS(OFFSET_FETCH, offset_fetch, 10, &in, ERR_UNKNOWN_TOPIC_ID, 3);
    }
    struct offset_delete_request in = OFFSET_DELETE_REQUEST_INIT;
    in.group_id = BYTES_LIT("g");
    TELLS(OFFSET_DELETE, offset_delete, 0, &in, ERR_GROUP_ID_NOT_FOUND, 1);
}

static void brokers(struct client *c)
{
    struct api_versions_request versions = API_VERSIONS_REQUEST_INIT;
    versions.client_software_name = BYTES_LIT("-");
    TELLS(API_VERSIONS, api_versions, 3, &versions, ERR_INVALID_REQUEST, 1);
    struct describe_cluster_request cluster = DESCRIBE_CLUSTER_REQUEST_INIT;
    cluster.endpoint_type = 5;
    TELLS(DESCRIBE_CLUSTER, describe_cluster, 1, &cluster, ERR_UNSUPPORTED_ENDPOINT_TYPE, 1);
    tried[KAFKA_API_LIST_GROUPS] = true;        /* answers no error */
}

TEST(every_error_of_every_api_is_counted)
{
    door_init(&door);
    door_open(&door);
    struct client *c = client_open(&door);
    topics(c);
    records(c);
    members(c);
    groups(c);
    group_offsets(c);
    brokers(c);
    for (int i = 0; i < KAFKA_API_COUNT; i++) {
        if (!tried[i]) printf("%s is not tried\n", kafka_apis[i].name);
        EXPECT(tried[i]);
    }
    client_close(c);
    door_done(&door);
}

TESTS(RUN(every_error_of_every_api_is_counted))
