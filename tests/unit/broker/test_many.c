/* Requests that name many things: what each costs does not grow with how many there are. A handler
 * that compared each with each would take minutes for these, so the client's wait is over first. */
#include <fcntl.h>
#include "base/log.h"
#include "broker/dispatch.h"
#include "broker/refuse.h"
#include "unit/broker/broker_fixture.h"
#include "unit/broker/many.h"

enum { MANY = 200000, RESOURCES = 100000 };

static struct door_fixture door;

static struct client *begin(void)
{
    door_init(&door);
    door.options.request_elements_max = 1 << 20;
    door_open(&door);
    return client_open(&door);
}

static void end(struct client *c)
{
    client_close(c);
    door_done(&door);
}

TEST(list_offsets_of_many_partitions)
{
    struct client *c = begin();
    client_create_topic(c, "t", 1);
    struct list_offsets_request in = many_list_offsets(MANY);
    struct list_offsets_response out;
    EXCHANGE(c, LIST_OFFSETS, list_offsets, 4, &in, &out);
    EXPECT_EQ(out.topics_count, 1);
    EXPECT_EQ(out.topics[0].partitions_count, MANY);
    EXPECT_EQ(out.topics[0].partitions[0].error_code, 0);
    EXPECT_EQ(out.topics[0].partitions[1].error_code, err_kafka(ERR_UNKNOWN_TOPIC_OR_PARTITION));
    mem_free(in.topics);
    end(c);
}

TEST(list_offsets_of_one_partition_many_times_is_one_answer)
{
    enum { TIMES = 1000 };
    struct client *c = begin();
    client_create_topic(c, "t", 2);
    struct list_offsets_request_partition two[2];
    struct list_offsets_request_topic *topics =
        NEW_ARRAY(struct list_offsets_request_topic, TIMES + 1);
    for (int i = 0; i < 2; i++) {
        two[i] = LIST_OFFSETS_REQUEST_PARTITION_INIT;
        two[i].partition_index = i;
        two[i].timestamp = 1;           /* a time: each would be a search of its own */
    }
    for (int i = 0; i <= TIMES; i++) {
        topics[i] = LIST_OFFSETS_REQUEST_TOPIC_INIT;
        topics[i].name = BYTES_LIT("t");
        topics[i].partitions = i == TIMES ? &two[1] : &two[0];
        topics[i].partitions_count = 1;
    }
    struct list_offsets_request in = LIST_OFFSETS_REQUEST_INIT;
    in.topics = topics;
    in.topics_count = TIMES + 1;
    struct list_offsets_response out;
    EXCHANGE(c, LIST_OFFSETS, list_offsets, 4, &in, &out);
    EXPECT_EQ(out.topics_count, 1);
    EXPECT_EQ(out.topics[0].partitions_count, 2);
    EXPECT_EQ(out.topics[0].partitions[0].error_code, err_kafka(ERR_INVALID_REQUEST));
    EXPECT_EQ(out.topics[0].partitions[1].error_code, 0);
    mem_free(topics);
    end(c);
}

TEST(incremental_alter_configs_of_many_resources)
{
    struct client *c = begin();
    struct bytes *names = many_names(RESOURCES);
    struct incremental_alter_configs_request_resource *resources =
        NEW_ARRAY(struct incremental_alter_configs_request_resource, RESOURCES + 1);
    for (int32_t i = 0; i <= RESOURCES; i++) {
        resources[i] = INCREMENTAL_ALTER_CONFIGS_REQUEST_RESOURCE_INIT;
        resources[i].resource_type = 4;         /* brokers: refused without asking storage */
        resources[i].resource_name = names[i % RESOURCES];
    }
    struct incremental_alter_configs_request in = INCREMENTAL_ALTER_CONFIGS_REQUEST_INIT;
    in.resources = resources;
    in.resources_count = RESOURCES + 1;
    struct incremental_alter_configs_response out;
    EXCHANGE(c, INCREMENTAL_ALTER_CONFIGS, incremental_alter_configs, 1, &in, &out);
    EXPECT_EQ(out.responses_count, RESOURCES + 1);
    struct bytes repeated = BYTES_LIT("Each resource must appear at most once.");
    EXPECT(bytes_equal(out.responses[0].error_message, repeated));
    EXPECT(!bytes_equal(out.responses[1].error_message, repeated));
    EXPECT(bytes_equal(out.responses[RESOURCES].error_message, repeated));
    mem_free(resources);
    mem_free(names);
    end(c);
}

TEST(incremental_alter_configs_of_many_configs)
{
    struct client *c = begin();
    struct bytes *names = many_names(MANY);
    struct incremental_alter_configs_request_config *configs =
        NEW_ARRAY(struct incremental_alter_configs_request_config, MANY + 1);
    for (int32_t i = 0; i <= MANY; i++) {
        configs[i] = INCREMENTAL_ALTER_CONFIGS_REQUEST_CONFIG_INIT;
        configs[i].name = names[i % MANY];
        configs[i].value = BYTES_LIT("v");
    }
    struct incremental_alter_configs_request_resource resource =
        INCREMENTAL_ALTER_CONFIGS_REQUEST_RESOURCE_INIT;
    resource.resource_type = 2;
    resource.resource_name = BYTES_LIT("t");
    resource.configs = configs;
    resource.configs_count = MANY + 1;
    struct incremental_alter_configs_request in = INCREMENTAL_ALTER_CONFIGS_REQUEST_INIT;
    in.resources = &resource;
    in.resources_count = 1;
    struct incremental_alter_configs_response out;
    EXCHANGE(c, INCREMENTAL_ALTER_CONFIGS, incremental_alter_configs, 1, &in, &out);
    EXPECT_EQ(out.responses[0].error_code, err_kafka(ERR_INVALID_REQUEST));
    EXPECT(bytes_equal(out.responses[0].error_message,
                       BYTES_LIT("Error due to duplicate config keys")));
    mem_free(configs);
    mem_free(names);
    end(c);
}

/* The answer is a thousand times as long as the question: told as often as by Kafka, up to a
 * bound. */
TEST(configs_of_the_broker_many_times)
{
    enum { TIMES = 1000, CONFIGS_MAX = 1 << 17 };
    struct client *c = begin();
    struct describe_configs_request_resource *resources =
        NEW_ARRAY(struct describe_configs_request_resource, TIMES);
    for (int i = 0; i < TIMES; i++) {
        resources[i] = DESCRIBE_CONFIGS_REQUEST_RESOURCE_INIT;
        resources[i].resource_type = 4;
        resources[i].resource_name = BYTES_LIT("1");
        resources[i].configuration_keys_count = -1;
    }
    struct describe_configs_request in = DESCRIBE_CONFIGS_REQUEST_INIT;
    in.resources = resources;
    in.resources_count = TIMES;
    struct describe_configs_response out;
    EXCHANGE(c, DESCRIBE_CONFIGS, describe_configs, 1, &in, &out);
    int32_t each = out.results[0].configs_count;
    EXPECT(each > 300);
    for (int i = 0; i < TIMES; i++) {
        bool fits = i < CONFIGS_MAX / each;
        EXPECT_EQ(out.results[i].configs_count, fits ? each : 0);
        EXPECT_EQ(out.results[i].error_code, fits ? 0 : err_kafka(ERR_INVALID_REQUEST));
    }
    EXPECT(bytes_equal(out.results[TIMES - 1].error_message,
                       BYTES_LIT("The request asks for more configs than one answer may have")));
    mem_free(resources);
    end(c);
}

static int log_ends[2];

/* What was logged since the last call. */
static const char *logged(void)
{
    static char text[LOG_LINE_BYTES_MAX];
    ssize_t len = read(log_ends[0], text, sizeof text - 1);
    text[len > 0 ? len : 0] = '\0';
    return text;
}

/* One at a time, for what comes often fills nobody's disk. */
TEST(a_request_that_names_more_than_is_stated_closes_its_connection_with_a_warning)
{
    enum { MAX = 1000 };
    door_init(&door);
    door.options.request_elements_max = MAX;
    EXPECT_EQ(pipe2(log_ends, O_NONBLOCK), 0);
    log_setup(LOG_WARN, false, log_ends[1]);
    door_open(&door);
    struct bytes *names = many_names(MAX + 1);
    for (int more = 0; more < 3; more++) {
        struct client *c = client_open(&door);
        struct describe_groups_request in = DESCRIBE_GROUPS_REQUEST_INIT;
        in.groups = names;
        in.groups_count = MAX + (more > 0);
        SEND(c, DESCRIBE_GROUPS, describe_groups, 0, &in);
        EXPECT_EQ(client_take(c, 4), more == 0);
        client_close(c);
        const char *line = logged();
        EXPECT_EQ(strstr(line, "names more than one may") != NULL, more == 1);
        if (more == 1) EXPECT(strstr(line, "api=DescribeGroups names_max=1000") != NULL);
    }
    mem_free(names);
    door_done(&door);
    log_setup(LOG_INFO, false, STDERR_FILENO);
    close(log_ends[0]);
    close(log_ends[1]);
}

/* Each partition that there may be, in a topic of its own. */
TEST(a_request_may_name_all_partitions_that_there_may_be)
{
    door_init(&door);
    door_open(&door);
    int32_t all = (int32_t)store_options(door.store)->partitions_max;
    struct bytes *names = many_names(all + 1);
    struct list_offsets_request_partition partition = LIST_OFFSETS_REQUEST_PARTITION_INIT;
    partition.timestamp = -1;
    struct list_offsets_request_topic *topics =
        NEW_ARRAY(struct list_offsets_request_topic, (size_t)all + 1);
    for (int32_t i = 0; i <= all; i++) {
        topics[i] = LIST_OFFSETS_REQUEST_TOPIC_INIT;
        topics[i].name = names[i];
        topics[i].partitions = &partition;
        topics[i].partitions_count = 1;
    }
    for (int more = 0; more < 2; more++) {
        struct client *c = client_open(&door);
        struct list_offsets_request in = LIST_OFFSETS_REQUEST_INIT;
        in.topics = topics;
        in.topics_count = all + more;
        SEND(c, LIST_OFFSETS, list_offsets, 4, &in);
        EXPECT_EQ(client_take(c, 4), more == 0);
        client_close(c);
    }
    mem_free(topics);
    mem_free(names);
    door_done(&door);
}

TEST(what_names_topics_and_partitions_has_the_larger_limit)
{
    door_init(&door);
    door_open(&door);
    uint32_t all = (uint32_t)store_options(door.store)->partitions_max;
    static const char *const wide[] = {"Metadata", "DeleteTopics", "Produce", "Fetch",
                                       "ListOffsets", "OffsetCommit", "OffsetFetch",
                                       "DeleteRecords", "OffsetForLeaderEpoch", "OffsetDelete"};
    enum { WIDE_COUNT = sizeof wide / sizeof wide[0], OF_TOPICS = 2 };
    int found = 0;
    for (int i = 0; i < KAFKA_API_COUNT; i++) {
        uint32_t expected = door.options.request_elements_max;
        for (int n = 0; n < WIDE_COUNT; n++) {
            if (strcmp(wide[n], kafka_apis[i].name) != 0) continue;
            expected = n < OF_TOPICS ? all : 2 * all;
            found++;
        }
        EXPECT_EQ(broker_names_max(door.broker, &kafka_apis[i]), expected);
    }
    EXPECT_EQ(found, WIDE_COUNT);
    door_done(&door);
}

TESTS(RUN(a_request_that_names_more_than_is_stated_closes_its_connection_with_a_warning),
      RUN(a_request_may_name_all_partitions_that_there_may_be),
      RUN(what_names_topics_and_partitions_has_the_larger_limit),
      RUN(configs_of_the_broker_many_times), RUN(list_offsets_of_many_partitions),
      RUN(list_offsets_of_one_partition_many_times_is_one_answer),
      RUN(incremental_alter_configs_of_many_resources),
      RUN(incremental_alter_configs_of_many_configs))
