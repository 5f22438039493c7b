/* Fetch sessions beside Kafka's: what they begin and end with, what one request may mix, in which
 * turn they read, and which of them makes place for another. */
#include "broker/fetch_session.h"
#include "base/mem.h"
#include "random.h"
#include "test.h"

enum { BY_NAME = 12, BY_ID = 13, LIST_MAX = 8, MANY_BYTES = 1 << 20, LATER_MS = 120001 };

static struct fetch_sessions *sessions;
static struct fetch_plan plan;
static int64_t now_ms;

static void restart(int32_t count_max, size_t bytes_max)
{
    fetch_plan_done(&plan);
    fetch_sessions_free(sessions);
    sessions = fetch_sessions_new(0, 1, count_max, bytes_max);
}

static int set_up(void **state)
{
    (void)state;
    now_ms = 1;
    restart(2, MANY_BYTES);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    fetch_plan_done(&plan);
    fetch_sessions_free(sessions);
    sessions = NULL;
    return 0;
}

/* A list that ends with END. */
enum { END = -100 };
static const int32_t nothing[] = {END};

static enum err send(int16_t version, const struct fetch_request *request)
{
    fetch_plan_done(&plan);
    return fetch_sessions_plan(sessions, version, request, now_ms, &plan);
}

/* One request about a topic: partitions to add, and to forget. */
static enum err ask_of(const char *name, int32_t id, int32_t epoch, const int32_t *add,
                       const int32_t *forget)
{
    struct fetch_request_partition partitions[LIST_MAX];
    int32_t gone[LIST_MAX];
    struct fetch_request_topic topic = FETCH_REQUEST_TOPIC_INIT;
    struct fetch_request_forgotten_topic forgotten = FETCH_REQUEST_FORGOTTEN_TOPIC_INIT;
    topic.topic = forgotten.topic = bytes_str(name);
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
    return send(BY_NAME, &request);
}

static enum err ask(int32_t id, int32_t epoch, const int32_t *add, const int32_t *forget)
{
    return ask_of("t", id, epoch, add, forget);
}

static void expect_partitions(const int32_t *want)
{
    int32_t count = 0, at = plan.list->first;
    for (; want[count] != END; count++, at = plan.list->items[at].next) {
        EXPECT(at >= 0);
        EXPECT_EQ(plan.list->items[at].partition, want[count]);
    }
    EXPECT_EQ(at, -1);
    EXPECT_EQ(plan.list->item_count, count);
}

static int32_t answer(void)
{
    return fetch_sessions_answer(sessions, &plan, now_ms);
}

static int32_t try_begin(const int32_t *add)
{
    EXPECT_OK(ask(0, FETCH_EPOCH_INITIAL, add, nothing));
    return answer();
}

static int32_t begin(const int32_t *add)
{
    int32_t id = try_begin(add);
    EXPECT(id != FETCH_SESSION_NONE);
    return id;
}

#define LIST(...) ((const int32_t[]){__VA_ARGS__, END})

TEST(what_is_added_and_forgotten_at_once_is_gone)
{
    int32_t id = begin(LIST(0, 1));
    EXPECT_OK(ask(id, 1, LIST(2, 3), LIST(3, 0)));
    expect_partitions(LIST(1, 2));
    EXPECT_EQ(plan.epoch, 2);
    EXPECT_EQ(answer(), id);
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
    EXPECT_EQ(plan.list->items[plan.list->first].offset, 2);
    EXPECT_OK(ask(0, FETCH_EPOCH_FINAL, LIST(4, 5, 4), nothing));    /* without a session too */
    expect_partitions(LIST(4, 5));
}

TEST(a_session_may_begin_empty_and_ends_empty)
{
    int32_t id = begin(nothing);
    EXPECT_OK(ask(id, 1, LIST(0), nothing));
    expect_partitions(LIST(0));
    EXPECT_OK(ask(id, 2, nothing, LIST(0)));
    EXPECT_EQ(answer(), FETCH_SESSION_NONE);
    EXPECT_EQ(plan.list->item_count, 0);
    EXPECT_EQ(fetch_sessions_count(sessions), 0);
    EXPECT_ERR(ask(id, 3, LIST(0), nothing), ERR_FETCH_SESSION_ID_NOT_FOUND);
    id = begin(nothing);
    EXPECT_OK(ask(id, 1, nothing, nothing));
    EXPECT_EQ(answer(), FETCH_SESSION_NONE);
}

TEST(only_two_epochs_mean_a_full_fetch)
{
    int32_t id = begin(LIST(0));
    EXPECT_ERR(ask(id, -2, nothing, nothing), ERR_INVALID_FETCH_SESSION_EPOCH);
    EXPECT_ERR(ask(id, 7, nothing, nothing), ERR_INVALID_FETCH_SESSION_EPOCH);
    EXPECT_ERR(ask(0, -2, LIST(0), nothing), ERR_FETCH_SESSION_ID_NOT_FOUND);
    EXPECT_ERR(ask(0, 1, LIST(0), nothing), ERR_FETCH_SESSION_ID_NOT_FOUND);
    EXPECT_OK(ask(id, FETCH_EPOCH_FINAL, LIST(0), nothing));
    EXPECT_EQ(answer(), FETCH_SESSION_NONE);
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

TEST(what_is_forgotten_as_it_is_added_is_answered_without_a_session)
{
    int32_t id = begin(LIST(0));
    EXPECT_OK(ask(id, 1, LIST(3), LIST(0, 3)));
    EXPECT_EQ(answer(), FETCH_SESSION_NONE);
    expect_partitions(LIST(3));
}

/* More than it may follow, of which some are forgotten at once: what is left would fit, but not all
 * that was named was looked at. */
TEST(a_session_that_outgrew_its_bounds_is_gone_whatever_is_forgotten)
{
    enum { NAMED = 2 * FETCH_SESSION_PARTITIONS_MAX + 10, FORGOTTEN = NAMED - 100 };
    int32_t id = begin(LIST(0));
    CLEANUP(mem_freep) struct fetch_request_partition *partitions =
        NEW_ARRAY(struct fetch_request_partition, NAMED);
    CLEANUP(mem_freep) int32_t *gone = NEW_ARRAY(int32_t, FORGOTTEN);
    for (int32_t i = 0; i < NAMED; i++) {
        partitions[i] = FETCH_REQUEST_PARTITION_INIT;
        partitions[i].partition = i;
    }
    for (int32_t i = 0; i < FORGOTTEN; i++) gone[i] = i;
    struct fetch_request_topic topic = FETCH_REQUEST_TOPIC_INIT;
    struct fetch_request_forgotten_topic forgotten = FETCH_REQUEST_FORGOTTEN_TOPIC_INIT;
    topic.topic = forgotten.topic = bytes_str("t");
    topic.partitions = partitions;
    topic.partitions_count = NAMED;
    forgotten.partitions = gone;
    forgotten.partitions_count = FORGOTTEN;
    struct fetch_request request = FETCH_REQUEST_INIT;
    request.session_id = id;
    request.session_epoch = 1;
    request.topics = &topic;
    request.forgotten_topics_data = &forgotten;
    request.topics_count = request.forgotten_topics_data_count = 1;
    EXPECT_ERR(send(BY_NAME, &request), ERR_FETCH_SESSION_ID_NOT_FOUND);
    EXPECT_EQ(fetch_sessions_count(sessions), 0);
}

/* KIP-227: one that was not used for two minutes, or that has lived as long and is worth less. */
TEST(a_session_in_use_keeps_its_place)
{
    int32_t one = begin(LIST(0)), two = begin(LIST(0, 1, 2));
    EXPECT_EQ(try_begin(LIST(0, 1, 2, 3)), FETCH_SESSION_NONE);
    now_ms += LATER_MS - 1;
    EXPECT_EQ(try_begin(LIST(0, 1, 2, 3)), FETCH_SESSION_NONE);     /* at two minutes, not beyond */
    EXPECT_OK(ask(one, 1, nothing, nothing));
    EXPECT_OK(ask(two, 1, nothing, nothing));
    now_ms++;
    EXPECT_EQ(try_begin(LIST(0, 1, 2, 3)), FETCH_SESSION_NONE);     /* lived, but not used since */
    EXPECT_OK(ask(one, 2, nothing, nothing));
    EXPECT_OK(ask(two, 2, nothing, nothing));
    EXPECT_EQ(try_begin(LIST(0)), FETCH_SESSION_NONE);              /* worth no more */
    EXPECT(try_begin(LIST(0, 1)) != FETCH_SESSION_NONE);
    EXPECT_ERR(ask(one, 3, nothing, nothing), ERR_FETCH_SESSION_ID_NOT_FOUND);
    EXPECT_OK(ask(two, 3, nothing, nothing));
    EXPECT_EQ(fetch_sessions_count(sessions), 2);
}

TEST(a_session_that_nobody_uses_makes_room)
{
    int32_t one = begin(LIST(0, 1)), two = begin(LIST(0));
    now_ms += LATER_MS;
    EXPECT_OK(ask(one, 1, nothing, nothing));
    EXPECT(try_begin(LIST(0)) != FETCH_SESSION_NONE);
    EXPECT_EQ(fetch_sessions_count(sessions), 2);
    EXPECT_ERR(ask(two, 1, nothing, nothing), ERR_FETCH_SESSION_ID_NOT_FOUND);
    EXPECT_OK(ask(one, 2, nothing, nothing));
    restart(0, MANY_BYTES);
    EXPECT_EQ(try_begin(LIST(0)), FETCH_SESSION_NONE);
}

/* It serves the request that waits in it to its end, and counts until then. */
TEST(a_session_that_ends_under_a_request_serves_it)
{
    int32_t id = begin(LIST(0, 1));
    EXPECT_OK(ask(id, 1, nothing, nothing));
    struct fetch_plan waits = plan;
    plan = (struct fetch_plan){0};
    EXPECT_OK(ask(id, FETCH_EPOCH_FINAL, nothing, nothing));
    EXPECT_EQ(fetch_sessions_count(sessions), 0);
    EXPECT(fetch_sessions_bytes(sessions) > 0);
    EXPECT(fetch_plan_is_current(&waits));
    EXPECT_EQ(waits.list->item_count, 2);
    EXPECT_EQ(fetch_sessions_answer(sessions, &waits, now_ms), id);
    fetch_plan_done(&waits);
    EXPECT_EQ(fetch_sessions_bytes(sessions), 0);
}

TEST(a_request_whose_session_served_another_one_is_told)
{
    int32_t id = begin(LIST(0, 1));
    EXPECT_OK(ask(id, 1, nothing, nothing));
    struct fetch_plan waits = plan;
    plan = (struct fetch_plan){0};
    EXPECT_OK(ask(id, 2, LIST(2), nothing));
    EXPECT(!fetch_plan_is_current(&waits));
    EXPECT(fetch_plan_is_current(&plan));
    fetch_plan_done(&waits);
}

/* ---- Memory */

/* A request of as many topics and partitions, names of name_len. */
static enum err ask_much(int32_t id, int32_t epoch, int32_t topics, int32_t partitions,
                         size_t name_len)
{
    struct arena arena;
    arena_init(&arena, 64 << 20);
    struct fetch_request request = FETCH_REQUEST_INIT;
    request.session_id = id;
    request.session_epoch = epoch;
    request.topics_count = topics;
    request.topics = ARENA_ARRAY(&arena, struct fetch_request_topic, (size_t)topics);
    for (int32_t t = 0; t < topics; t++) {
        struct fetch_request_topic *topic = &request.topics[t];
        char *name = arena_alloc(&arena, name_len + 16);
        memset(name, 'n', name_len + 15);
        int digits = snprintf(name, 16, "%d", t);
        name[digits] = 'n';
        topic->topic = bytes_of(name, name_len);
        topic->partitions_count = partitions;
        topic->partitions = ARENA_ARRAY(&arena, struct fetch_request_partition,
                                        (size_t)partitions);
        for (int32_t p = 0; p < partitions; p++) topic->partitions[p].partition = p;
    }
    enum err err = send(BY_NAME, &request);
    arena_done(&arena);
    return err;
}

TEST(a_name_is_kept_once_a_topic)
{
    restart(2, 64 << 20);
    EXPECT_OK(ask_much(0, FETCH_EPOCH_INITIAL, 1, 10000, 249));
    EXPECT(answer() != FETCH_SESSION_NONE);
    EXPECT(fetch_sessions_bytes(sessions) < 10000 * 128);
    restart(2, 64 << 20);
    EXPECT_OK(ask_much(0, FETCH_EPOCH_INITIAL, 1, 10001, 9));
    EXPECT_EQ(answer(), FETCH_SESSION_NONE);
    restart(2, 64 << 20);
    EXPECT_OK(ask_much(0, FETCH_EPOCH_INITIAL, 10000, 1, 249));     /* beyond a session's bytes */
    EXPECT_EQ(answer(), FETCH_SESSION_NONE);
    EXPECT_EQ(fetch_sessions_bytes(sessions), 0);
}

TEST(a_name_that_no_topic_can_have_is_not_kept)
{
    EXPECT_OK(ask_much(0, FETCH_EPOCH_INITIAL, 1, 10, 32767));
    EXPECT_EQ(answer(), FETCH_SESSION_NONE);
    expect_partitions(LIST(0, 1, 2, 3, 4, 5, 6, 7, 8, 9));  /* they are answered all the same */
    EXPECT_EQ(fetch_sessions_bytes(sessions), 0);
    EXPECT(fetch_plan_bytes(&plan) > 32767);
    int32_t id = begin(LIST(0));
    EXPECT_ERR(ask_much(id, 1, 1, 1, 250), ERR_FETCH_SESSION_ID_NOT_FOUND);
    EXPECT_EQ(fetch_sessions_count(sessions), 0);
    EXPECT_EQ(fetch_sessions_bytes(sessions), 0);
}

TEST(all_sessions_stay_within_their_bytes)
{
    restart(1000, MANY_BYTES);
    for (int i = 0; i < 1000; i++) {
        EXPECT_OK(ask_much(0, FETCH_EPOCH_INITIAL, 10, 10, 200));
        bool began = answer() != FETCH_SESSION_NONE;
        EXPECT(began || fetch_sessions_bytes(sessions) > MANY_BYTES * 9 / 10);
        EXPECT(fetch_sessions_bytes(sessions) <= MANY_BYTES);
    }
    EXPECT(fetch_sessions_count(sessions) > 50);
    EXPECT(fetch_sessions_count(sessions) < 1000);
    /* One that grows beyond them ends. */
    restart(1000, 64 << 10);
    int32_t id = begin(LIST(0));
    EXPECT_ERR(ask_much(id, 1, 1, 1000, 9), ERR_FETCH_SESSION_ID_NOT_FOUND);
    EXPECT_EQ(fetch_sessions_bytes(sessions), 0);
    /* What is forgotten is given back. */
    restart(1000, MANY_BYTES);
    id = begin(LIST(0));
    size_t before = fetch_sessions_bytes(sessions);
    EXPECT_OK(ask_of("other", id, 1, LIST(1, 2, 3), nothing));
    EXPECT_OK(ask_of("other", id, 2, nothing, LIST(1, 2, 3)));
    EXPECT(fetch_sessions_bytes(sessions) <= before);
}

/* ---- Against a model: an array in which everything is looked for and moved by hand */

enum { MODEL_MAX = 200, PARTITIONS = 12, TOPICS = 5, ROUNDS = 4000 };

struct model {
    int32_t count;
    int32_t keys[MODEL_MAX];
    int64_t offsets[MODEL_MAX];
};

static int32_t model_find(const struct model *m, int32_t key)
{
    for (int32_t i = 0; i < m->count; i++)
        if (m->keys[i] == key) return i;
    return -1;
}

static void model_remove(struct model *m, int32_t at)
{
    for (int32_t i = at + 1; i < m->count; i++) {
        m->keys[i - 1] = m->keys[i];
        m->offsets[i - 1] = m->offsets[i];
    }
    m->count--;
}

static void model_want(struct model *m, int32_t key, int64_t offset)
{
    int32_t at = model_find(m, key);
    if (at < 0) m->keys[at = m->count++] = key;
    m->offsets[at] = offset;
}

static int32_t key_of(const struct fetch_list *l, int32_t item)
{
    const struct fetch_item *it = &l->items[item];
    EXPECT_EQ(l->topics[it->topic].name.len, 2);
    return (l->topics[it->topic].name.data[1] - '0') * PARTITIONS + it->partition;
}

static void expect_model(const struct model *m, const struct fetch_list *l)
{
    EXPECT_EQ(l->item_count, m->count);
    int32_t at = l->first, before = -1;
    for (int32_t i = 0; i < m->count; i++, before = at, at = l->items[at].next) {
        EXPECT_EQ(key_of(l, at), m->keys[i]);
        EXPECT_EQ(l->items[at].offset, m->offsets[i]);
        EXPECT_EQ(l->items[at].prev, before);
    }
    EXPECT_EQ(at, -1);
    EXPECT_EQ(l->last, before);
}

static void random_request(struct random *r, struct model *m, int32_t id, int32_t epoch)
{
    struct fetch_request_partition partitions[TOPICS][PARTITIONS];
    int32_t gone[TOPICS][PARTITIONS];
    struct fetch_request_topic topics[TOPICS];
    struct fetch_request_forgotten_topic forgotten[TOPICS];
    static const char *const names[TOPICS] = {"t0", "t1", "t2", "t3", "t4"};
    struct fetch_request request = FETCH_REQUEST_INIT;
    request.session_id = id;
    request.session_epoch = epoch;
    request.topics = topics;
    request.forgotten_topics_data = forgotten;
    for (int t = (int)random_below(r, TOPICS + 1); t < TOPICS; t++) {
        struct fetch_request_topic *topic = &topics[request.topics_count++];
        uint32_t which = (uint32_t)random_below(r, TOPICS);
        *topic = FETCH_REQUEST_TOPIC_INIT;
        topic->topic = bytes_str(names[which]);
        topic->partitions = partitions[t];
        topic->partitions_count = (int32_t)random_below(r, 4);
        for (int32_t p = 0; p < topic->partitions_count; p++) {
            partitions[t][p] = FETCH_REQUEST_PARTITION_INIT;
            partitions[t][p].partition = (int32_t)random_below(r, PARTITIONS);
            partitions[t][p].fetch_offset = (int64_t)random_below(r, 1000);
            model_want(m, (int32_t)which * PARTITIONS + partitions[t][p].partition,
                       partitions[t][p].fetch_offset);
        }
    }
    for (int t = (int)random_below(r, 2 * TOPICS); t < TOPICS && epoch > 0; t++) {
        struct fetch_request_forgotten_topic *topic =
            &forgotten[request.forgotten_topics_data_count++];
        uint32_t which = (uint32_t)random_below(r, TOPICS);
        *topic = FETCH_REQUEST_FORGOTTEN_TOPIC_INIT;
        topic->topic = bytes_str(names[which]);
        topic->partitions = gone[t];
        topic->partitions_count = (int32_t)random_below(r, PARTITIONS);
        for (int32_t p = 0; p < topic->partitions_count; p++) {
            gone[t][p] = (int32_t)random_below(r, PARTITIONS);
            int32_t at = model_find(m, (int32_t)which * PARTITIONS + gone[t][p]);
            if (at >= 0) model_remove(m, at);
        }
    }
    EXPECT_OK(send(BY_NAME, &request));
}

TEST(any_session_keeps_the_order_of_its_turns)
{
    struct random r = random_seeded();
    struct model m = {0};
    int32_t id = 0, epoch = 0;
    for (int round = 0; round < ROUNDS; round++) {
        random_request(&r, &m, id, epoch);
        if (m.count == 0 && epoch > 0) {            /* it ended */
            EXPECT_EQ(answer(), FETCH_SESSION_NONE);
            id = epoch = 0;
            continue;
        }
        expect_model(&m, plan.list);
        for (int32_t i = 0; i < m.count && plan.incremental; i++) {
            if (random_below(&r, 4) > 0) continue;      /* this one has records */
            int32_t at = plan.list->first;
            while (key_of(plan.list, at) != m.keys[i]) at = plan.list->items[at].next;
            fetch_list_turn(plan.list, at);
            int32_t key = m.keys[i];
            int64_t offset = m.offsets[i];
            model_remove(&m, i);
            model_want(&m, key, offset);
        }
        expect_model(&m, plan.list);
        int32_t told = answer();
        EXPECT(told != FETCH_SESSION_NONE && (epoch == 0 || told == id));
        id = told;
        epoch++;
    }
    EXPECT_EQ(fetch_sessions_count(sessions), 1);
}

TEST(names_and_ids_do_not_mix)
{
    int32_t id = begin(LIST(0));
    struct fetch_request request = FETCH_REQUEST_INIT;
    request.session_id = id;
    request.session_epoch = 1;
    EXPECT_ERR(send(BY_ID, &request), ERR_FETCH_SESSION_TOPIC_ID_ERROR);
    EXPECT_OK(ask(id, 1, nothing, nothing));
}

/* Many partitions of some topics: asked for from the first one on, or forgotten up to it. */
enum { WIDE_TOPICS = 3, WIDE_PARTITIONS = 40, WIDE_HALF = WIDE_PARTITIONS / 2 };

static enum err ask_wide(int32_t id, int32_t epoch, int32_t from, int32_t forget_to)
{
    static const char *const names[WIDE_TOPICS] = {"wide-a", "wide-b", "wide-c"};
    struct fetch_request_partition partitions[WIDE_PARTITIONS];
    struct fetch_request_topic topics[WIDE_TOPICS];
    struct fetch_request_forgotten_topic forgotten[WIDE_TOPICS];
    int32_t gone[WIDE_PARTITIONS];
    for (int32_t i = 0; i < WIDE_PARTITIONS; i++) {
        partitions[i] = FETCH_REQUEST_PARTITION_INIT;
        partitions[i].partition = gone[i] = i;
    }
    for (int t = 0; t < WIDE_TOPICS; t++) {
        topics[t] = FETCH_REQUEST_TOPIC_INIT;
        forgotten[t] = FETCH_REQUEST_FORGOTTEN_TOPIC_INIT;
        topics[t].topic = forgotten[t].topic = bytes_str(names[t]);
        topics[t].partitions = partitions + from;
        topics[t].partitions_count = WIDE_PARTITIONS - from;
        forgotten[t].partitions = gone;
        forgotten[t].partitions_count = forget_to;
    }
    struct fetch_request request = FETCH_REQUEST_INIT;
    request.session_id = id;
    request.session_epoch = epoch;
    request.topics = topics;
    request.topics_count = WIDE_TOPICS;
    request.forgotten_topics_data = forgotten;
    request.forgotten_topics_data_count = WIDE_TOPICS;
    return send(BY_NAME, &request);
}

/* Each allocation is tried to fail, with all behind it. What the session has been for so far, a
 * request that waits, is told that its list is gone. */
TEST(without_memory_a_fetch_is_asked_again_and_a_session_ends)
{
    int full = 0, added = 0;
    for (enum err err = ERR_BUSY; err != ERR_OK; full++) {
        mem_fail_after(full);
        err = ask_wide(0, 0, 0, 0);
        mem_fail_after(-1);
        if (err != ERR_OK) EXPECT_ERR(err, ERR_BUSY);
        EXPECT((plan.session == NULL) == (err != ERR_OK));
    }
    EXPECT(full > 10);
    for (enum err err = ERR_BUSY; err != ERR_OK; added++) {
        EXPECT_OK(ask_wide(0, 0, WIDE_HALF, 0));
        int32_t id = fetch_sessions_answer(sessions, &plan, now_ms);
        struct fetch_plan waits = plan;
        waits.incremental = true;
        waits.epoch = 1;
        plan = (struct fetch_plan){0};
        mem_fail_after(added);
        err = ask_wide(id, 1, 0, WIDE_HALF / 2);
        mem_fail_after(-1);
        EXPECT(!fetch_plan_is_current(&waits));
        fetch_plan_done(&waits);
        EXPECT_EQ(fetch_sessions_count(sessions), err == ERR_OK);
        if (err == ERR_OK) {
            EXPECT_EQ(plan.list->item_count, WIDE_TOPICS * (WIDE_PARTITIONS - WIDE_HALF / 2));
            break;
        }
        EXPECT_ERR(err, ERR_FETCH_SESSION_ID_NOT_FOUND);
        EXPECT_EQ(fetch_sessions_bytes(sessions), 0);
    }
    EXPECT(added > 5);
}

#define SESSION_RUN(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
TESTS(SESSION_RUN(without_memory_a_fetch_is_asked_again_and_a_session_ends),
      SESSION_RUN(what_is_added_and_forgotten_at_once_is_gone),
      SESSION_RUN(a_partition_that_cannot_be_is_followed_for_its_error),
      SESSION_RUN(of_a_partition_named_twice_the_last_one_counts),
      SESSION_RUN(a_session_may_begin_empty_and_ends_empty),
      SESSION_RUN(only_two_epochs_mean_a_full_fetch), SESSION_RUN(a_full_fetch_forgets_nothing),
      SESSION_RUN(what_is_forgotten_as_it_is_added_is_answered_without_a_session),
      SESSION_RUN(a_session_that_outgrew_its_bounds_is_gone_whatever_is_forgotten),
      SESSION_RUN(a_session_in_use_keeps_its_place),
      SESSION_RUN(a_session_that_nobody_uses_makes_room),
      SESSION_RUN(a_session_that_ends_under_a_request_serves_it),
      SESSION_RUN(a_request_whose_session_served_another_one_is_told),
      SESSION_RUN(a_name_is_kept_once_a_topic),
      SESSION_RUN(a_name_that_no_topic_can_have_is_not_kept),
      SESSION_RUN(all_sessions_stay_within_their_bytes),
      SESSION_RUN(any_session_keeps_the_order_of_its_turns), SESSION_RUN(names_and_ids_do_not_mix))
