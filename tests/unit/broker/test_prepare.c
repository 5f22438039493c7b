/* Requests that name very many topics are decoded, and what they name is found, on a codec lane;
 * their loop has no part in it. */
#include "protocol/kafka/msg/delete_records.h"
#include "protocol/kafka/msg/delete_topics.h"
#include "protocol/kafka/msg/offset_commit.h"
#include "protocol/kafka/msg/offset_fetch.h"
#include "protocol/kafka/msg/offset_for_leader_epoch.h"
#include "broker/turn.h"
#include "unit/broker/many.h"
#include "unit/broker/turned_door.h"

enum { NAMES = 40000 };

static struct turned_door door;
static struct bytes *names;             /* "t", which is there, and others, which are not */

static void begin(void)
{
    turned_begin(&door);
    names = many_names(NAMES);
    names[0] = BYTES_LIT("t");
}

static void end(void)
{
    mem_free(names);
    turned_end(&door);
}

/* MANY_TOPICS(offset_commit, OFFSET_COMMIT, name, partitions, partition): as many topics as there
 * are names, the one partition of each. */
#define MANY_TOPICS(api, API, name_, partitions_, partition_)                                      \
    struct api##_request_topic *topics = NEW_ARRAY(struct api##_request_topic, NAMES);             \
    for (int32_t i = 0; i < NAMES; i++) {                                                          \
        topics[i] = API##_REQUEST_TOPIC_INIT;                                                      \
        topics[i].name_ = names[i];                                                                \
        topics[i].partitions_ = (partition_);                                                      \
        topics[i].partitions_##_count = 1;                                                         \
    }                                                                                              \
    struct api##_request in = API##_REQUEST_INIT;                                                  \
    in.topics = topics;                                                                            \
    in.topics_count = NAMES

static void commit(struct writer *w)
{
    struct offset_commit_request_partition partition = OFFSET_COMMIT_REQUEST_PARTITION_INIT;
    partition.committed_offset = 7;
    partition.committed_metadata = BYTES_LIT("");
    MANY_TOPICS(offset_commit, OFFSET_COMMIT, name, partitions, &partition);
    in.group_id = BYTES_LIT("g");
    in.generation_id_or_member_epoch = -1;
    offset_commit_request_encode(w, 2, &in);
    mem_free(topics);
}

static void committed(struct client *c)
{
    struct offset_commit_response out;
    TURNED_RECEIVE(&door, c, offset_commit, &out);
    EXPECT_EQ(out.topics_count, NAMES);
    for (int32_t i = 0; i < NAMES; i++)
        EXPECT_EQ(out.topics[i].partitions[0].error_code,
                  i > 0 ? err_kafka(ERR_UNKNOWN_TOPIC_OR_PARTITION) : 0);
}

static void fetch_offsets(struct writer *w)
{
    int32_t partition = 0;
    MANY_TOPICS(offset_fetch, OFFSET_FETCH, name, partition_indexes, &partition);
    in.group_id = BYTES_LIT("g");
    offset_fetch_request_encode(w, 1, &in);
    mem_free(topics);
}

static void offsets_fetched(struct client *c)
{
    struct offset_fetch_response out;
    TURNED_RECEIVE(&door, c, offset_fetch, &out);
    EXPECT_EQ(out.topics_count, NAMES);
    for (int32_t i = 0; i < NAMES; i++)
        EXPECT_EQ(out.topics[i].partitions[0].committed_offset, i > 0 ? -1 : 7);
}

static void ask_for_epochs(struct writer *w)
{
    struct offset_for_leader_epoch_request_partition partition =
        OFFSET_FOR_LEADER_EPOCH_REQUEST_PARTITION_INIT;
    partition.current_leader_epoch = -1;
    MANY_TOPICS(offset_for_leader_epoch, OFFSET_FOR_LEADER_EPOCH, topic, partitions, &partition);
    offset_for_leader_epoch_request_encode(w, 2, &in);
    mem_free(topics);
}

static void epochs_told(struct client *c)
{
    struct offset_for_leader_epoch_response out;
    TURNED_RECEIVE(&door, c, offset_for_leader_epoch, &out);
    EXPECT_EQ(out.topics_count, NAMES);
    for (int32_t i = 0; i < NAMES; i++) {
        EXPECT_EQ(out.topics[i].partitions[0].error_code,
                  i > 0 ? err_kafka(ERR_UNKNOWN_TOPIC_OR_PARTITION) : 0);
        EXPECT_EQ(out.topics[i].partitions[0].end_offset, i > 0 ? -1 : 0);
    }
}

static void delete_records(struct writer *w)
{
    struct delete_records_request_partition partition = DELETE_RECORDS_REQUEST_PARTITION_INIT;
    MANY_TOPICS(delete_records, DELETE_RECORDS, name, partitions, &partition);
    delete_records_request_encode(w, 0, &in);
    mem_free(topics);
}

static void records_deleted(struct client *c)
{
    struct delete_records_response out;
    TURNED_RECEIVE(&door, c, delete_records, &out);
    EXPECT_EQ(out.topics_count, NAMES);
    for (int32_t i = 0; i < NAMES; i++) {
        EXPECT_EQ(out.topics[i].partitions[0].error_code,
                  i > 0 ? err_kafka(ERR_UNKNOWN_TOPIC_OR_PARTITION) : 0);
        EXPECT_EQ(out.topics[i].partitions[0].low_watermark, i > 0 ? -1 : 0);
    }
}

static void delete_topics(struct writer *w)
{
    struct delete_topics_request in = DELETE_TOPICS_REQUEST_INIT;
    in.topic_names = names;
    in.topic_names_count = NAMES;
    delete_topics_request_encode(w, 1, &in);
}

static void topics_deleted(struct client *c)
{
    struct delete_topics_response out;
    TURNED_RECEIVE(&door, c, delete_topics, &out);
    EXPECT_EQ(out.responses_count, NAMES);
    for (int32_t i = 0; i < NAMES; i++)
        EXPECT_EQ(out.responses[i].error_code,
                  i > 0 ? err_kafka(ERR_UNKNOWN_TOPIC_OR_PARTITION) : 0);
}

/* In an order in which each finds what it needs. */
static const struct {
    enum kafka_api_index api;
    int16_t version;
    void (*encode)(struct writer *w);
    void (*expect)(struct client *c);
} requests[] = {
    {KAFKA_API_OFFSET_FOR_LEADER_EPOCH, 2, ask_for_epochs, epochs_told},
    {KAFKA_API_OFFSET_COMMIT, 2, commit, committed},
    {KAFKA_API_OFFSET_FETCH, 1, fetch_offsets, offsets_fetched},
    {KAFKA_API_DELETE_RECORDS, 0, delete_records, records_deleted},
    {KAFKA_API_DELETE_TOPICS, 1, delete_topics, topics_deleted},
};
enum { REQUESTS = sizeof requests / sizeof requests[0] };

/* short_by: so many bytes of its end are missing, and it says so itself. */
static void send_request(struct client *c, int at, size_t short_by)
{
    struct writer w;
    client_begin(c, requests[at].api, requests[at].version, &w);
    requests[at].encode(&w);
    EXPECT_OK(w.err);
    EXPECT(w.len > LONG_BODY_BYTES + short_by);
    w.len -= short_by;
    store_be32(w.data, (uint32_t)w.len - 4);
    turned_write(&door, c, &w);
}

TEST(what_names_many_topics_is_answered_whole_and_not_by_the_loop_alone)
{
    begin();
    struct client *c = turned_client(&door);
    turned_topic(&door, c);
    for (int i = 0; i < REQUESTS; i++) {
        send_request(c, i, 0);
        for (int turns = 0; turns < TURNS_MAX; turns++) conn_pair_turn(&door.home);
        EXPECT(!turned_is_answered(c));
        turned_until_answered(&door, c);
        requests[i].expect(c);
    }
    turned_client_gone(&door, c);
    end();
}

/* As a short one: nothing of it is done. */
TEST(what_a_lane_cannot_decode_closes_its_connection)
{
    begin();
    for (int i = 0; i < REQUESTS; i++) {
        struct client *c = turned_client(&door);
        send_request(c, i, 1);
        turned_settle(&door);
        char byte;
        EXPECT_EQ(recv(c->fd, &byte, 1, MSG_DONTWAIT), 0);
        turned_client_gone(&door, c);
        turned_settle(&door);
    }
    end();
}

TEST(a_client_may_leave_while_a_lane_prepares_its_request)
{
    begin();
    struct client *c = turned_client(&door);
    turned_topic(&door, c);
    turned_client_gone(&door, c);
    for (int i = 0; i < REQUESTS; i++) {
        c = turned_client(&door);
        send_request(c, i, 0);
        turned_client_gone(&door, c);
        turned_settle(&door);
    }
    end();
}

TESTS(RUN(what_names_many_topics_is_answered_whole_and_not_by_the_loop_alone),
      RUN(what_a_lane_cannot_decode_closes_its_connection),
      RUN(a_client_may_leave_while_a_lane_prepares_its_request))
