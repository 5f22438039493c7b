/* The whole server, simulated: producers, readers, a subscriber, committers, members of a group and
 * somebody who splits, merges, adds partitions, deletes records and says how long they are kept, at
 * both doors, while writes fail and the process or the power goes, on a clock that the test moves.
 * Each life is made of one number: DIGLOT_SEED=n leads that one again, DIGLOT_LIVES=n so many.
 *
 * In the end, everything is read at both doors from the start, and the ledger (ledger.h) compares:
 * what was acknowledged, or once read, is there, once, unaltered, in order, at the offset that its
 * answer named, at both doors, however often its producer repeated it or began anew; each
 * subscription brought all that lay in front of where it said it was, in order; what was deleted is
 * gone; what retention took was past its time and stood in front of what it left; a committed
 * offset never goes back, no partition has two members in a generation, and none of an old one
 * commits. */
#include <malloc.h>
#include "protocol/kafka/msg/create_topics.h"
#include "sim/changers.h"
#include "sim/groups.h"
#include "sim/members.h"
#include "sim/readers.h"
#include "sim/sim.h"
#include "sim/subscribers.h"
#include "sim/writers.h"
#include "storage/check/walk.h"

#ifdef DIGLOT_SANITIZED
enum { LIVES = 30, PLANTED = 4 };
#else
enum { LIVES = 300, PLANTED = 40 };
#endif

/* ---- All of them */

static void ask(struct sim *s, struct actor *a)
{
    a->asks = true;
    switch (a->kind) {
    case PRODUCER: send_produce(s, a); break;
    case PUTTER: send_put(s, a); break;
    case FETCHER: send_fetch(s, a, (int32_t)below(s, (uint64_t)partition_count(s))); break;
    case GETTER: send_get(s, a, (int32_t)below(s, (uint64_t)shard_count(s))); break;
    case CHANGER:
        if (a->kinesis != NULL) send_split_or_merge(s, a);
        else send_kafka_change(s, a);
        break;
    case COMMITTER: send_commit(s, a); break;
    case MEMBER: send_member(s, a); break;
    case SUBSCRIBER: send_subscribe(s, a, (int32_t)below(s, (uint64_t)shard_count(s))); break;
    case KINDS: abort();
    }
}

/* Has it anything to ask for? */
static bool may_ask(struct sim *s, const struct actor *a)
{
    if (a->kind == CHANGER)
        return s->ledger.count > 0 && partition_count(s) + 2 < LEDGER_LOGS_MAX;
    if (a->kind == SUBSCRIBER) return s->ledger.push_count < LEDGER_PUSHES_MAX;
    bool writes = a->kind == PRODUCER || a->kind == PUTTER;
    return !writes || a->repeats || s->ledger.count + RECORDS_A_REQUEST <= LEDGER_RECORDS_MAX;
}

/* What has come, if it has. */
static void take(struct sim *s, struct actor *a)
{
    if (a->kind == SUBSCRIBER) {
        follow_push(s, a);
        return;
    }
    if (a->kinesis != NULL) {
        int status = bx_answered(a->kinesis);
        if (status == 0) return;
        if (a->kind == PUTTER) take_put(s, a, status);
        if (a->kind == CHANGER) s->done[CHANGER] += status == 200;
        if (a->kind == GETTER) (void)take_get(s, a, status, false);
    } else {
        if (!world_answered(a->kafka)) return;
        if (a->kind == PRODUCER) take_produce(s, a);
        if (a->kind == FETCHER) (void)take_fetch(s, a, false);
        if (a->kind == CHANGER) take_change(s, a);
        if (a->kind == COMMITTER) take_commit(s, a);
        if (a->kind == MEMBER) take_member(s, a);
    }
    a->asks = false;
}

static struct actor *first_of(struct sim *s, enum kind kind, bool kafka)
{
    struct actor *a = s->actors;
    while (a->kind != kind || (a->kafka != NULL) != kafka) a++;
    return a;
}

/* ---- A life */

static void connect_all(struct sim *s)
{
    for (int i = 0; i < ACTORS; i++) {
        struct actor *a = &s->actors[i];
        bool http = a->kind == PUTTER || a->kind == GETTER || a->kind == SUBSCRIBER ||
                    (a->kind == CHANGER && a->index == 0);
        if (http) a->kinesis = bx_connect(&s->world.bx);
        else a->kafka = world_kafka(&s->world);
    }
}

/* Answers that had come are read; what is still under way is in doubt. */
static void disconnect_all(struct sim *s)
{
    for (int i = 0; i < ACTORS; i++) {
        struct actor *a = &s->actors[i];
        if (a->asks) take(s, a);
        a->asks = false;
        a->iterator[0] = '\0';
        if (a->kinesis != NULL) bx_disconnect(TAKE(a->kinesis));
        if (a->kafka != NULL) client_close(TAKE(a->kafka));
    }
}

static void begin(struct sim *s, uint64_t seed)
{
    static const int counts[KINDS] = {[PRODUCER] = WRITERS, [PUTTER] = WRITERS, [FETCHER] = 1,
                                      [GETTER] = 1, [CHANGER] = 2, [COMMITTER] = 1,
                                      [MEMBER] = GROUP_MEMBERS, [SUBSCRIBER] = 1};
    s->random.state = seed;
    s->ledger = (struct ledger){.retention_ms = -1};
    s->group = (struct ledger_group){0};
    s->power = below(s, 2) == 0;
    s->logs = !s->plain && below(s, 2) == 0;
    struct actor *a = s->actors;
    for (enum kind kind = 0; kind < KINDS; kind++)
        for (int i = 0; i < counts[kind]; i++)
            *a++ = (struct actor){.kind = kind, .index = i, .producer_id = -1,
                                  .idempotent = kind == PRODUCER && i % 2 == 0};
    EXPECT(a == s->actors + ACTORS);
    world_init(&s->world, s->power, s->logs);
    EXPECT_OK(cx_create(&s->world.bx.cx, "s", PARTITIONS));
    connect_all(s);
    register_consumer(s, first_of(s, SUBSCRIBER, false));
}

/* ---- Its disk: the engine in memory, or tables and the files of a write-ahead log there */

static void set_faults(struct sim *s, const struct kv_mem_faults *f)
{
    struct cx *cx = &s->world.bx.cx;
    s->faults = *f;
    if (cx->files == NULL) kv_mem_set_faults(cx->kv, f);
    else
        files_mem_set_faults(cx->files, &(struct files_mem_faults){
            .fail_at = f->fail_at, .fail_count = f->fail_count, .crash = f->crash,
            .applied = f->applied});
}

static bool faulted(const struct sim *s)
{
    const struct cx *cx = &s->world.bx.cx;
    return cx->files == NULL ? kv_mem_faulted(cx->kv) : files_mem_faulted(cx->files);
}

static bool keeps(void *sim, int number)
{
    (void)number;
    return below(sim, 2) == 0;
}

/* From here on nothing reaches the disk; what had is there at the next start, and with the power
 * goes what was not synced. Tables that were not written out are gone with the process. */
static void die(struct sim *s)
{
    struct cx *cx = &s->world.bx.cx;
    disconnect_all(s);
    struct files *left = cx->files != NULL ? files_mem_copy(cx->files) : NULL;
    if (left != NULL) kv_mem_set_faults(cx->kv, &(struct kv_mem_faults){.crash = true});
    set_faults(s, &(struct kv_mem_faults){.crash = true});
    world_close(&s->world);
    kv_mem_reopen(cx->kv, left != NULL || s->power);
    cx->files = left;
    if (left != NULL) files_mem_restart(left);
    if (left != NULL && s->power) files_mem_power_cut(left, keeps, s);
    world_open(&s->world);
    connect_all(s);
    ledger_group_begins_anew(&s->group);
    s->deaths++;
}

/* Writes that fail, the end of the process at one of them, or just so. */
static void misfortune(struct sim *s)
{
    static const atomic_bool go_on;
    if (faulted(s)) {
        if (s->faults.crash) die(s);
        else set_faults(s, &(struct kv_mem_faults){.fail_at = -1});
    }
    uint64_t luck = below(s, 100);
    if (luck == 0) die(s);
    if (luck == 3) (void)!kv_reclaim(s->world.bx.cx.options.kv, &go_on);
    if (luck > 2) return;
    set_faults(s, &(struct kv_mem_faults){
        .fail_at = (int64_t)below(s, 60), .fail_count = (int64_t)below(s, 4),
        .crash = below(s, 2) == 0, .applied = below(s, 2) == 0});
}

static void step(struct sim *s, struct actor *a)
{
    if (a->asks) take(s, a);
    else if (may_ask(s, a)) ask(s, a);
    for (uint64_t turns = below(s, 4); turns > 0; turns--) {
        if (below(s, 2) == 0) store_turn(s->world.bx.cx.s);
        else bx_loop_turn(&s->world.bx);
    }
    cx_advance_ms((int64_t)below(s, below(s, 50) == 0 ? 20000 : 20));
    ledger_time(&s->ledger, clock_wall_ms());
}

/* ---- The end of a life: all is read from the start */

static void set_retention(struct sim *s, int64_t ms)
{
    struct actor *a = first_of(s, CHANGER, true);
    send_retention(s, a, ms);
    WORLD_UNTIL(&s->world, world_answered(a->kafka));
    ledger_time(&s->ledger, clock_wall_ms());
    take_retention(s, a);
    if (s->ledger.retention_ms != ms) ledger_wrong(&s->ledger, "retention cannot be changed");
}

static void read_partitions(struct sim *s, struct actor *a)
{
    int32_t count = partition_count(s);
    for (int32_t p = 0; p < count; p++) {
        bool more = true;
        a->position[p] = 0;
        for (int i = 0; more && i < READS_MAX; i++) {
            send_fetch(s, a, p);
            WORLD_UNTIL(&s->world, world_answered(a->kafka));
            more = take_fetch(s, a, /* last= */ true);
        }
        if (more) ledger_wrong(&s->ledger, "partition %d cannot be read", (int)p);
    }
}

static void read_shards(struct sim *s, struct actor *a)
{
    struct topic *t = topic(s);
    for (int32_t i = 0; i < t->shard_count; i++) {
        bool more = true;
        a->iterator[0] = '\0';
        for (int n = 0; more && n < READS_MAX; n++) {
            int status = 0;
            send_get(s, a, topic_nth(t, i)->index);
            WORLD_UNTIL(&s->world, (status = bx_answered(a->kinesis)) != 0);
            more = take_get(s, a, status, /* last= */ true);
        }
        if (more) ledger_wrong(&s->ledger, "shard %d cannot be read", (int)topic_nth(t, i)->index);
    }
    topic_unref(t);
}

/* What is past its time goes, all of it. */
static void drop_all(struct sim *s)
{
    struct actor *a = first_of(s, FETCHER, true);
    int32_t count = partition_count(s);
    set_retention(s, 1);
    for (int i = 0; i < 4; i++) {
        cx_advance_ms(3000);
        world_settle(&s->world);
    }
    for (int32_t p = 0; p < count; p++) {
        struct fetch_response out;
        send_fetch(s, a, p);
        WORLD_UNTIL(&s->world, world_answered(a->kafka));
        RECEIVE(a->kafka, fetch, &out);
        const struct fetch_response_partition *r = &out.responses[0].partitions[0];
        if (r->error_code != 0 || r->log_start_offset != r->high_watermark)
            ledger_wrong(&s->ledger, "partition %d keeps %lld to %lld for ever", (int)p,
                         (long long)r->log_start_offset, (long long)r->high_watermark);
    }
}

static void read_commit(struct sim *s, struct client *c)
{
    int32_t partition = 0;
    struct offset_fetch_request_topic t = OFFSET_FETCH_REQUEST_TOPIC_INIT;
    t.name = BYTES_LIT("s");
    t.partition_indexes = &partition;
    t.partition_indexes_count = 1;
    struct offset_fetch_request in = OFFSET_FETCH_REQUEST_INIT;
    in.group_id = BYTES_LIT("g");
    in.topics = &t;
    in.topics_count = 1;
    struct offset_fetch_response out;
    KAFKA_CALL(&s->world, c, OFFSET_FETCH, offset_fetch, 5, &in, &out);
    int64_t offset = out.topics[0].partitions[0].committed_offset;
    const struct ledger *l = &s->ledger;
    if (offset < l->commit_acknowledged && (offset != -1 || l->commit_acknowledged > 0))
        ledger_wrong(&s->ledger, "offset %lld is committed, %lld was acknowledged",
                     (long long)offset, (long long)l->commit_acknowledged);
    if (offset > l->commit_sent)
        ledger_wrong(&s->ledger, "nobody committed %lld", (long long)offset);
}

static void read_group(struct sim *s, struct actor *a)
{
    send_committed(s, a);
    WORLD_UNTIL(&s->world, world_answered(a->kafka));
    take_committed(s, a);
}

static void on_walk_fault(void *context, uint64_t log_id, int64_t offset, const char *text)
{
    struct sim *s = context;
    (void)log_id, (void)offset;
    ledger_wrong(&s->ledger, "check says: %s", text);
}

static void on_engine_fault(void *context, const char *text)
{
    struct sim *s = context;
    ledger_wrong(&s->ledger, "check says: %s", text);
}

static void end(struct sim *s)
{
    if (below(s, 2) == 0) world_settle(&s->world);
    die(s);
    /* From here on nothing is dropped, so that both doors have the same to tell. */
    set_retention(s, -1);
    read_partitions(s, first_of(s, FETCHER, true));
    read_shards(s, first_of(s, GETTER, false));
    read_commit(s, first_of(s, COMMITTER, true)->kafka);
    read_group(s, first_of(s, MEMBER, true));
    ledger_close(&s->ledger);
    s->dropped += s->ledger.expired;
    if (below(s, 8) == 0) drop_all(s);
    disconnect_all(s);
    struct walk_counts counts;
    struct kv *kv = s->world.bx.cx.options.kv;
    EXPECT_OK(walk_logs(kv, on_walk_fault, s, &counts));
    EXPECT_OK(kv_check(kv, s, on_engine_fault));
    world_done(&s->world);
}

static void live(struct sim *s, uint64_t seed)
{
    begin(s, seed);
    for (int i = 0; i < STEPS; i++) {
        misfortune(s);
        step(s, &s->actors[below(s, ACTORS)]);
    }
    end(s);
}

/* Clients have large buffers, of which little is used: fresh pages are zero already. */
static struct sim *new_sim(void)
{
    mallopt(M_MMAP_THRESHOLD, 1 << 20);
    return NEW(struct sim);
}

static int lives(int usually)
{
    const char *given = getenv("DIGLOT_LIVES");
    if (getenv("DIGLOT_SEED") != NULL) return 1;
    return given ? (int)strtol(given, NULL, 10) : usually;
}

/* Of each enough for a life to mean something. */
static void expect_eventful(struct sim *s, int lives_led)
{
    static const char *const names[KINDS] = {"produces", "puts", "fetches", "gets", "changes",
                                             "commits", "members' commits", "pushes"};
    bool many = lives_led >= LIVES;
    for (int kind = 0; kind < KINDS; kind++) {
        print_message("%lld %s, ", (long long)s->done[kind], names[kind]);
        EXPECT(!many || s->done[kind] > lives_led / 4);
    }
    print_message("%lld records dropped by retention; refused: %lld late commits, %lld batches "
                  "behind a gap, %lld of an old epoch\n", (long long)s->dropped,
                  (long long)s->late_commits,
                  (long long)s->refused[SENDS_BEHIND_GAP], (long long)s->refused[SENDS_OLD]);
    EXPECT(!many || s->dropped > lives_led);
    EXPECT(!many || s->refused[SENDS_BEHIND_GAP] > lives_led / 20);
    EXPECT(!many || s->refused[SENDS_OLD] > lives_led / 20);
    EXPECT(!many || s->late_commits > lives_led / 40);
}

TEST(what_was_promised_holds_through_reshards_deletes_faults_and_deaths)
{
    struct sim *s = new_sim();
    struct random seeds = random_seeded();
    int64_t begun_ms = until_now_ms();
    int count = lives(LIVES);
    for (int i = 0; i < count; i++) {
        uint64_t seed = seeds.state;
        random_next(&seeds);
        live(s, seed);
        if (s->ledger.wrong[0] != '\0')
            fail_msg("DIGLOT_SEED=%llu: %s", (unsigned long long)seed, s->ledger.wrong);
    }
    print_message("%d lives with %lld deaths in %lld ms\n", count, (long long)s->deaths,
                  (long long)(until_now_ms() - begun_ms));
    expect_eventful(s, count);
    mem_free(s);
}

/* The test of the test: a commit that holds one append is told to have succeeded, and was not. */
TEST(an_append_that_is_lost_is_found)
{
    struct sim *s = new_sim();
    struct random seeds = random_seeded();
    s->plain = true;
    for (int i = 0; i < PLANTED; i++) {
        begin(s, random_next(&seeds));
        struct actor *producer = &s->actors[1];
        EXPECT(producer->kind == PRODUCER && !producer->idempotent);
        int at = (int)below(s, STEPS);
        for (int n = 0; n < STEPS; n++) {
            if (n == at) {
                world_settle(&s->world);
                if (producer->asks) take(s, producer);
                kv_mem_lose_next(s->world.bx.cx.kv);
                ask(s, producer);
                world_settle(&s->world);
            }
            struct actor *a = &s->actors[below(s, ACTORS)];
            if (a->kind != CHANGER) step(s, a);
        }
        end(s);
        if (s->ledger.wrong[0] == '\0') fail_msg("life %d lost an append, unnoticed", i);
    }
    mem_free(s);
}

TESTS(RUN(what_was_promised_holds_through_reshards_deletes_faults_and_deaths),
      RUN(an_append_that_is_lost_is_found))
