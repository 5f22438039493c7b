/* A budget that ends at one place after the other in which a request takes of it: the request is
 * answered as a whole, or its connection is closed; others go on, and nothing stays counted. */
#include "protocol/kafka/msg/describe_configs.h"
#include "protocol/kafka/msg/metadata.h"
#include "protocol/kafka/msg/offset_for_leader_epoch.h"
#include "unit/broker/many.h"
#include "unit/broker/one_record.h"
#include "unit/broker/turned_door.h"

enum { PLACES = 50, PLACE_BYTES = 12 << 10, TOPICS = 2000, WIDE = 4000, TRIES = 100 };

static struct turned_door door;

static bool is_closed(const struct client *c)
{
    char byte;
    return recv(c->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

static void until_over(const struct client *c)
{
    for (int i = 0; !turned_is_answered(c) && !is_closed(c); i++) {
        EXPECT(i < TRIES);
        turned_settle(&door);
        loop_turn(door.loop, 10);
    }
}

/* send: a request; take: its answer, when there is one, which has to be whole. */
static void at_each_place(void (*send)(struct client *c), void (*take)(struct client *c))
{
    int answered = 0;
    size_t limit = door.budget.limit;
    for (int place = 1; place <= PLACES; place++) {
        struct client *c = turned_client(&door);
        send(c);                        /* in the socket: the loop has not turned */
        door.budget.limit = (size_t)place * PLACE_BYTES;
        until_over(c);
        door.budget.limit = limit;
        if (turned_is_answered(c)) {
            take(c);
            answered++;
        }
        turned_client_gone(&door, c);
        turned_settle(&door);
    }
    EXPECT(answered > 0 && answered < PLACES);
}

/* ---- The requests */

static struct bytes *names;

static void send_epochs(struct client *c)
{
    static struct offset_for_leader_epoch_request_topic topics[TOPICS];
    static struct offset_for_leader_epoch_request_partition partition;
    partition = OFFSET_FOR_LEADER_EPOCH_REQUEST_PARTITION_INIT;
    for (int i = 0; i < TOPICS; i++) {
        topics[i] = OFFSET_FOR_LEADER_EPOCH_REQUEST_TOPIC_INIT;
        topics[i].topic = names[i];
        topics[i].partitions = &partition;
        topics[i].partitions_count = 1;
    }
    struct offset_for_leader_epoch_request in = OFFSET_FOR_LEADER_EPOCH_REQUEST_INIT;
    in.topics = topics;
    in.topics_count = TOPICS;
    SEND(c, OFFSET_FOR_LEADER_EPOCH, offset_for_leader_epoch, 3, &in);
}

static void take_epochs(struct client *c)
{
    struct offset_for_leader_epoch_response out;
    RECEIVE(c, offset_for_leader_epoch, &out);
    EXPECT_EQ(out.topics_count, TOPICS);
    for (int i = 0; i < TOPICS; i++) {
        EXPECT(bytes_equal(out.topics[i].topic, names[i]));
        EXPECT_EQ(out.topics[i].partitions_count, 1);
    }
}

static void send_configs(struct client *c)
{
    static struct describe_configs_request_resource resources[2];
    for (int i = 0; i < 2; i++) {
        resources[i] = DESCRIBE_CONFIGS_REQUEST_RESOURCE_INIT;
        resources[i].resource_type = i == 0 ? 2 : 4;
        resources[i].resource_name = i == 0 ? BYTES_LIT("t") : BYTES_LIT("1");
        resources[i].configuration_keys_count = -1;
    }
    struct describe_configs_request in = DESCRIBE_CONFIGS_REQUEST_INIT;
    in.include_documentation = in.include_synonyms = true;
    in.resources = resources;
    in.resources_count = 2;
    SEND(c, DESCRIBE_CONFIGS, describe_configs, 3, &in);
}

static void take_configs(struct client *c)
{
    struct describe_configs_response out;
    RECEIVE(c, describe_configs, &out);
    EXPECT_EQ(out.results_count, 2);
    for (int i = 0; i < 2; i++)
        EXPECT_EQ(out.results[i].error_code == 0, out.results[i].configs_count > 30);
}

/* Of all topics. */
static void send_metadata(struct client *c)
{
    struct metadata_request in = METADATA_REQUEST_INIT;
    in.topics_count = -1;
    SEND(c, METADATA, metadata, 9, &in);
}

static void take_metadata(struct client *c)
{
    struct metadata_response out;
    RECEIVE(c, metadata, &out);
    EXPECT_EQ(out.topics_count, 2);
    EXPECT(bytes_equal_str(out.topics[0].name, "t") && bytes_equal_str(out.topics[1].name, "wide"));
    EXPECT_EQ(out.topics[0].partitions_count, 1);
    EXPECT_EQ(out.topics[1].partitions_count, WIDE);
}

TEST(requests_whose_budget_ends_end)
{
    turned_begin(&door);
    names = many_names(TOPICS);
    struct client *c = turned_client(&door);
    turned_topic(&door, c);
    turned_topic_of(&door, c, "wide", WIDE);
    one_record(&door, c);
    at_each_place(send_epochs, take_epochs);
    at_each_place(send_configs, take_configs);
    at_each_place(send_metadata, take_metadata);
    one_record(&door, c);               /* who was there before goes on */
    turned_client_gone(&door, c);
    mem_free(names);
    turned_end(&door);
}

TESTS(RUN(requests_whose_budget_ends_end))
