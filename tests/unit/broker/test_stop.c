/* The server stops while requests of clients that left are still on their way between loops and
 * storage. Everything is turned by hand: the loops and the store have no threads. */
#include <unistd.h>
#include "broker/group/groups_loop.h"
#include "broker/group/expiry.h"
#include "storage/control/control.h"
#include "storage/state/offsets.h"
#include "tests/conn_pair.h"
#include "unit/broker/broker_fixture.h"

enum { LOOPS = 3, GROUPS = 1000 };

static struct kv *kv;
static struct store *store;
static struct loop *loops[LOOPS];
static struct broker *broker;
static struct net_counters counters;
static struct budget budget;
static struct door door;
static struct conn_home home;               /* on loop 0 */

static void store_begin(void)
{
    struct store_options options;
    store_options_default(&options);
    options.kv = kv_mem_share(kv);
    options.manual = true;
    EXPECT_OK(store_open(&options, &store, NULL));
}

static void topic_done(struct control *c)
{
    EXPECT_OK(c->err);
}

static void commit_done(struct offsets_commit *c)
{
    EXPECT_OK(c->err);
}

static void name_group(int i, char to[16])
{
    snprintf(to, 16, "group-%d", i);
}

/* Groups that are known from their offsets. */
static void make_groups(void)
{
    struct control c = {.kind = CONTROL_CREATE_TOPIC, .name = BYTES_LIT("t"), .partitions = 1,
                        .done = topic_done};
    store_control(store, &c);
    while (store_turn(store)) continue;
    struct offset_entry e = {.topic_id = c.topic->id, .offset = 1, .metadata = BYTES_LIT(""),
                             .expire_ms = -1};
    topic_unref(c.topic);
    for (int i = 0; i < GROUPS; i++) {
        char name[16];
        name_group(i, name);
        struct offsets_commit commit = {.group = bytes_str(name), .entries = &e, .entry_count = 1,
                                        .done = commit_done};
        store_offsets_commit(store, &commit);
        while (store_turn(store)) continue;
    }
}

static int32_t groups_stored(void)
{
    struct bytes groups[GROUPS];
    struct arena arena;
    arena_init(&arena, 1 << 20);
    int32_t count = store_offset_groups(store, BYTES_NULL, GROUPS, &arena, groups);
    arena_done(&arena);
    return count;
}

static void begin(void)
{
    kv = kv_mem_new();
    store_begin();
    make_groups();
    for (uint32_t i = 0; i < LOOPS; i++) {
        loops[i] = loop_new("test");
        loop_index_set(loops[i], i);
    }
    struct broker_options options;
    broker_options_default(&options);
    broker = broker_new(&options, store, loops, LOOPS);
    budget_init(&budget, 1 << 20);
    net_counters_init(&counters, "kafka");
    door = (struct door){.name = "kafka", .budget = &budget,
                         .frames = broker_door_new(broker, NULL)};
    net_limits_init(&door.limits);
    home = conn_pair_home(loops[0], &door, &counters);
}

/* As `diglot serve` does. */
static void end(void)
{
    for (uint32_t i = 0; i < LOOPS; i++) loop_stop(loops[i]);
    store_finish(store, loops, LOOPS);
    broker_free(broker);
    store_close(store);
    for (uint32_t i = 0; i < LOOPS; i++) loop_free(loops[i]);
    frame_home_done(&home);
    EXPECT_EQ(atomic_load(&budget.used), 0);
}

/* The groups lie on all loops, so the request goes through each of them, and through storage from
 * each. */
TEST(a_tour_whose_client_left_comes_to_its_end)
{
    begin();
    struct client c = {.fd = conn_pair_open(&home)};
    struct bytes names[GROUPS];
    char texts[GROUPS][16];
    for (int i = 0; i < GROUPS; i++) {
        name_group(i, texts[i]);
        names[i] = bytes_str(texts[i]);
    }
    struct delete_groups_request in = DELETE_GROUPS_REQUEST_INIT;
    in.groups_names = names;
    in.groups_names_count = GROUPS;
    SEND(&c, DELETE_GROUPS, delete_groups, 2, &in);
    loop_turn(loops[0], 0);                 /* this loop's groups: storage has their offsets */
    close(c.fd);
    loop_turn(loops[0], 0);
    EXPECT_EQ(home.count, 0);
    end();
    store_begin();
    EXPECT_EQ(groups_stored(), 0);
    store_close(store);
    kv_close(kv);
}

TEST(a_round_of_expiry_comes_to_its_end)
{
    begin();
    group_expiry_run(groups_loop_at(&broker->loops[0])->expiry);
    end();
    kv_close(kv);
}

TESTS(RUN(a_tour_whose_client_left_comes_to_its_end), RUN(a_round_of_expiry_comes_to_its_end))
