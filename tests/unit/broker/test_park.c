/* Requests that wait for others leave the budget to those that are worked on. Where there is no
 * room for one more of them, it is answered at once and its client comes again. */
#include "protocol/kafka/msg/fetch.h"
#include "protocol/kafka/msg/join_group.h"
#include "protocol/kafka/msg/sync_group.h"
#include "unit/broker/turned_door.h"

static struct turned_door door;

/* Waits ten minutes for a record of a topic that has none. */
static void send_fetch(struct client *c)
{
    struct fetch_request_partition partition = FETCH_REQUEST_PARTITION_INIT;
    partition.partition_max_bytes = 1 << 20;
    struct fetch_request_topic topic = FETCH_REQUEST_TOPIC_INIT;
    topic.topic = BYTES_LIT("t");
    topic.partitions = &partition;
    topic.partitions_count = 1;
    struct fetch_request in = FETCH_REQUEST_INIT;
    in.max_wait_ms = 600000;
    in.min_bytes = 1;
    in.topics = &topic;
    in.topics_count = 1;
    TURNED_SEND(&door, c, FETCH, fetch, 12, &in);
}

static struct client *begin(void)
{
    turned_begin(&door);
    struct client *c = turned_client(&door);
    turned_topic(&door, c);
    return c;
}

TEST(a_fetch_that_has_no_room_to_wait_is_answered)
{
    struct client *c = begin(), *other = turned_client(&door);
    send_fetch(c);
    turned_settle(&door);
    EXPECT(!turned_is_answered(c));
    EXPECT(atomic_load(&door.waiting.used) > 0 && atomic_load(&door.budget.used) == 0);
    door.waiting.limit = atomic_load(&door.waiting.used);
    send_fetch(other);
    turned_until_answered(&door, other);
    struct fetch_response out;
    RECEIVE(other, fetch, &out);
    EXPECT_EQ(out.error_code, 0);
    EXPECT(out.throttle_time_ms > 0);
    EXPECT_EQ(out.responses[0].partitions[0].high_watermark, 0);
    EXPECT(!turned_is_answered(c));         /* who waits goes on */
    turned_client_gone(&door, c);
    turned_client_gone(&door, other);
    while (door.home.count > 0) loop_turn(door.loop, 1000);     /* the silence comes first */
    turned_end(&door);
}

TEST(members_that_have_no_room_to_wait_come_again)
{
    struct client *c = begin();
    EXPECT(budget_take(&door.waiting, door.waiting.limit));
    struct join_group_request_protocol protocol = JOIN_GROUP_REQUEST_PROTOCOL_INIT;
    protocol.name = BYTES_LIT("range");
    struct join_group_request join = JOIN_GROUP_REQUEST_INIT;
    join.group_id = BYTES_LIT("g");
    join.session_timeout_ms = join.rebalance_timeout_ms = 600000;
    join.protocol_type = BYTES_LIT("consumer");
    join.protocols = &protocol;
    join.protocols_count = 1;
    struct join_group_response joined;
    TURNED_EXCHANGE(&door, c, JOIN_GROUP, join_group, 3, &join, &joined);
    EXPECT_EQ(joined.error_code, err_kafka(ERR_COORDINATOR_NOT_AVAILABLE));
    struct sync_group_request sync = SYNC_GROUP_REQUEST_INIT;
    sync.group_id = BYTES_LIT("g");
    struct sync_group_response synced;
    TURNED_EXCHANGE(&door, c, SYNC_GROUP, sync_group, 3, &sync, &synced);
    EXPECT_EQ(synced.error_code, err_kafka(ERR_COORDINATOR_NOT_AVAILABLE));
    budget_give(&door.waiting, door.waiting.limit);
    turned_client_gone(&door, c);
    turned_end(&door);
}

TESTS(RUN(a_fetch_that_has_no_room_to_wait_is_answered),
      RUN(members_that_have_no_room_to_wait_come_again))
