/* Fetch sessions beside Kafka's: what they begin and end with, and what one request may mix. */
#include "broker/fetch_session.h"
#include "test.h"

enum { BY_NAME = 12, BY_ID = 13, LIST_MAX = 8 };

static struct arena arena;
static struct fetch_sessions *sessions;
static struct fetch_plan plan;

static int set_up(void **state)
{
    (void)state;
    arena_init(&arena, 1 << 16);
    sessions = fetch_sessions_new(0, 1, 2);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    fetch_sessions_free(sessions);
    arena_done(&arena);
    return 0;
}

/* A list that ends with END. */
enum { END = -100 };
static const int32_t nothing[] = {END};

/* One request about topic "t": partitions to add, and to forget. */
static enum err ask(int32_t id, int32_t epoch, const int32_t *add, const int32_t *forget)
{
    struct fetch_request_partition partitions[LIST_MAX];
    int32_t gone[LIST_MAX];
    struct fetch_request_topic topic = FETCH_REQUEST_TOPIC_INIT;
    struct fetch_request_forgotten_topic forgotten = FETCH_REQUEST_FORGOTTEN_TOPIC_INIT;
    topic.topic = forgotten.topic = BYTES_LIT("t");
    topic.partitions = partitions;
    forgotten.partitions = gone;
    for (int i = 0; add[i] != END; i++) {
        partitions[i] = FETCH_REQUEST_PARTITION_INIT;
        partitions[i].partition = add[i];
        partitions[i].fetch_offset = i;
        topic.partitions_count++;
    }
    for (int i = 0; forget[i] != END; i++) gone[forgotten.partitions_count++] = forget[i];
    struct fetch_request request = FETCH_REQUEST_INIT;
    request.session_id = id;
    request.session_epoch = epoch;
    request.topics = &topic;
    request.topics_count = topic.partitions_count > 0;
    request.forgotten_topics_data = &forgotten;
    request.forgotten_topics_data_count = forgotten.partitions_count > 0;
    return fetch_sessions_plan(sessions, BY_NAME, &request, &arena, &plan);
}

static void expect_partitions(const int32_t *want)
{
    int32_t count = 0;
    while (want[count] != END) count++;
    EXPECT_EQ(plan.item_count, count);
    for (int32_t i = 0; i < count; i++) EXPECT_EQ(plan.items[i].want.partition, want[i]);
}

static int32_t begin(const int32_t *add)
{
    EXPECT_OK(ask(0, FETCH_EPOCH_INITIAL, add, nothing));
    EXPECT(plan.session_id != FETCH_SESSION_NONE && plan.session_epoch == 1);
    return plan.session_id;
}

#define LIST(...) ((const int32_t[]){__VA_ARGS__, END})

TEST(what_is_added_and_forgotten_at_once_is_gone)
{
    int32_t id = begin(LIST(0, 1));
    EXPECT_OK(ask(id, 1, LIST(2, 3), LIST(3, 0)));
    expect_partitions(LIST(1, 2));
    EXPECT_EQ(plan.session_epoch, 2);
    EXPECT_OK(ask(id, 2, LIST(0), nothing));        /* it may come back */
    expect_partitions(LIST(1, 2, 0));
}

TEST(a_partition_that_cannot_be_is_followed_for_its_error)
{
    int32_t id = begin(LIST(0, -1, -1, -7));
    expect_partitions(LIST(0, -1, -7));
    EXPECT_OK(ask(id, 1, nothing, LIST(-1)));
    expect_partitions(LIST(0, -7));
}

TEST(of_a_partition_named_twice_the_last_one_counts)
{
    begin(LIST(4, 5, 4));
    expect_partitions(LIST(4, 5));
    EXPECT_EQ(plan.items[0].want.fetch_offset, 2);
}

TEST(a_session_may_begin_empty_and_ends_empty)
{
    int32_t id = begin(nothing);
    EXPECT_OK(ask(id, 1, LIST(0), nothing));
    expect_partitions(LIST(0));
    EXPECT_OK(ask(id, 2, nothing, LIST(0)));
    EXPECT_EQ(plan.session_id, FETCH_SESSION_NONE);
    EXPECT_EQ(plan.item_count, 0);
    EXPECT_EQ(fetch_sessions_count(sessions), 0);
    EXPECT_ERR(ask(id, 3, LIST(0), nothing), ERR_FETCH_SESSION_ID_NOT_FOUND);
    id = begin(nothing);
    EXPECT_OK(ask(id, 1, nothing, nothing));
    EXPECT_EQ(plan.session_id, FETCH_SESSION_NONE);
}

TEST(only_two_epochs_mean_a_full_fetch)
{
    int32_t id = begin(LIST(0));
    EXPECT_ERR(ask(id, -2, nothing, nothing), ERR_INVALID_FETCH_SESSION_EPOCH);
    EXPECT_ERR(ask(id, 7, nothing, nothing), ERR_INVALID_FETCH_SESSION_EPOCH);
    EXPECT_ERR(ask(0, -2, LIST(0), nothing), ERR_FETCH_SESSION_ID_NOT_FOUND);
    EXPECT_ERR(ask(0, 1, LIST(0), nothing), ERR_FETCH_SESSION_ID_NOT_FOUND);
    EXPECT_OK(ask(id, FETCH_EPOCH_FINAL, LIST(0), nothing));
    EXPECT_EQ(plan.session_id, FETCH_SESSION_NONE);
    expect_partitions(LIST(0));
    EXPECT_EQ(fetch_sessions_count(sessions), 0);
}

TEST(a_full_fetch_forgets_nothing)
{
    EXPECT_OK(ask(0, FETCH_EPOCH_INITIAL, LIST(0, 1), LIST(0)));
    expect_partitions(LIST(0, 1));
    EXPECT_OK(ask(0, FETCH_EPOCH_FINAL, LIST(0, 1), LIST(0)));
    expect_partitions(LIST(0, 1));
}

TEST(the_session_used_longest_ago_makes_room)
{
    int32_t one = begin(LIST(0)), two = begin(LIST(0));
    EXPECT_OK(ask(one, 1, nothing, nothing));
    begin(LIST(0));
    EXPECT_EQ(fetch_sessions_count(sessions), 2);
    EXPECT_ERR(ask(two, 1, nothing, nothing), ERR_FETCH_SESSION_ID_NOT_FOUND);
    EXPECT_OK(ask(one, 2, nothing, nothing));
}

TEST(names_and_ids_do_not_mix)
{
    int32_t id = begin(LIST(0));
    struct fetch_request request = FETCH_REQUEST_INIT;
    request.session_id = id;
    request.session_epoch = 1;
    EXPECT_ERR(fetch_sessions_plan(sessions, BY_ID, &request, &arena, &plan),
               ERR_FETCH_SESSION_TOPIC_ID_ERROR);
    EXPECT_OK(ask(id, 1, nothing, nothing));
}

#define SESSION_RUN(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
TESTS(SESSION_RUN(what_is_added_and_forgotten_at_once_is_gone),
      SESSION_RUN(a_partition_that_cannot_be_is_followed_for_its_error),
      SESSION_RUN(of_a_partition_named_twice_the_last_one_counts),
      SESSION_RUN(a_session_may_begin_empty_and_ends_empty),
      SESSION_RUN(only_two_epochs_mean_a_full_fetch), SESSION_RUN(a_full_fetch_forgets_nothing),
      SESSION_RUN(the_session_used_longest_ago_makes_room), SESSION_RUN(names_and_ids_do_not_mix))
