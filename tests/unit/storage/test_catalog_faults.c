/* Every catalog change under a fault at every storage call: afterwards the catalog is the old or
 * the new one, never a mix, and whoever was told of success finds the new one after a restart. */
#include "catalog_fixture.h"
#include "base/writer.h"
#include "storage/topic/record.h"

/* Everything the catalog knows, as bytes. Versions are left out: a failed try uses one up. */
static void dump(struct cx *f, struct writer *out)
{
    struct topic *all[16];
    writer_init(out, 1 << 20);
    int32_t count = store_topics(f->s, BYTES_NULL, 16, all);
    for (int32_t i = 0; i < count; i++) {
        EXPECT(topic_invariant(all[i]) == NULL);
        uint64_t version = all[i]->version;
        struct uuid id = all[i]->id;
        all[i]->version = 0;
        all[i]->id = (struct uuid){};       /* random, and compared by the look-up below */
        topic_record_write(all[i], out);
        for (int32_t k = 0; k < all[i]->shard_count; k++) {     /* the record has the last ones */
            const struct shard *shard = topic_nth(all[i], k);
            writer_printf(out, "%d %d %d %d ", shard->index, shard->partition, shard->parent,
                          shard->child);
            writer_i64(out, shard->first_offset);
            writer_i64(out, shard->end_offset);
            writer_raw(out, &shard->hash_last, sizeof shard->hash_last);
        }
        all[i]->version = version;
        all[i]->id = id;
        struct topic *same = store_topic_by_id(f->s, &id);
        EXPECT(same == all[i]);
        topic_unref(same);
        topic_unref(all[i]);
    }
}

static bool same(const struct writer *a, const struct writer *b)
{
    return bytes_equal(bytes_of(a->data, a->len), bytes_of(b->data, b->len));
}

/* Of the topic that is changed; each test sets it. */
static int32_t partitions_before;

static void prepare(struct cx *f)
{
    cx_init(f);
    f->options.durability_power = true;
    EXPECT_OK(cx_start(f));
    EXPECT_OK(cx_create(f, "t", partitions_before));
    EXPECT_OK(cx_append(f, "t", 0, NULL));
    EXPECT_OK(cx_append(f, "t", 1, NULL));
    EXPECT_OK(cx_tag(f, "t", "k", "v"));
    EXPECT_OK(cx_consumer(f, "t", CONTROL_ADD_CONSUMER, "c"));
    struct topic *t = cx_topic(f, "t");
    struct offset_entry e = {.topic_id = t->id, .offset = 1, .metadata = BYTES_LIT("")};
    topic_unref(t);
    EXPECT_OK(cx_commit(f, "g", &e, 1));
}

static enum err create(struct cx *f)
{
    return cx_create(f, "new", 3);
}
static enum err delete(struct cx *f)
{
    return cx_delete(f, "t");
}
static enum err config(struct cx *f)
{
    return cx_config(f, "t", CONFIG_SET, "retention.ms", "1");
}
static enum err split(struct cx *f)
{
    return cx_split(f, "t", 0, (u128)1 << 100);
}
static enum err merge(struct cx *f)
{
    return cx_merge(f, "t", 0, 1);
}
static enum err reshard(struct cx *f)
{
    return cx_reshard(f, "t", 5);
}
static enum err partitions(struct cx *f)
{
    return cx_partitions(f, "t", 4);
}
static enum err partitions_more(struct cx *f)
{
    return cx_partitions(f, "t", partitions_before + 2);
}
static enum err tag(struct cx *f)
{
    return cx_tag(f, "t", "k", NULL);
}
static enum err consumer(struct cx *f)
{
    return cx_consumer(f, "t", CONTROL_REMOVE_CONSUMER, "c");
}

typedef enum err change_fn(struct cx *f);
static change_fn *const changes[] = {create,  delete,     config, split,   merge,
                                     reshard, partitions, tag,    consumer};
enum { CHANGES = sizeof changes / sizeof changes[0] };

/* One change under one fault. Returns false when the fault was past its last call. */
static bool sweep_one(change_fn *change, const struct kv_mem_faults *faults)
{
    struct cx f;
    struct writer old, changed, now;
    prepare(&f);
    dump(&f, &old);
    kv_mem_set_faults(f.kv, faults);
    enum err err = change(&f);
    bool faulted = kv_mem_faulted(f.kv);
    if (!faulted) EXPECT_OK(err);
    if (err != ERR_OK) EXPECT_ERR(err, ERR_KAFKA_STORAGE_ERROR);
    dump(&f, &changed);             /* the old one, when the outcome is not known yet */
    kv_mem_set_faults(f.kv, &(struct kv_mem_faults){.fail_at = -1});
    if (!faults->crash) {
        cx_turn(&f);                /* a doubt is settled as soon as the disk answers */
        writer_done(&changed);
        dump(&f, &changed);
    }
    bool took_place = !same(&old, &changed);
    if (err == ERR_OK) EXPECT(took_place);
    cx_stop(&f);
    kv_mem_reopen(f.kv, true);
    EXPECT_OK(cx_start(&f));
    dump(&f, &now);
    if (err == ERR_OK || !faults->crash) EXPECT(same(&now, &changed));
    else if (!same(&now, &old)) {   /* crashed in doubt: then it is the new one, whole */
        writer_done(&changed);
        struct cx g;
        prepare(&g);
        EXPECT_OK(change(&g));
        dump(&g, &changed);
        cx_done(&g);
        clock_fake(&cx_now_us);
        EXPECT(same(&now, &changed));
    }
    /* Work goes on. */
    EXPECT_OK(cx_create(&f, "later", 1));
    EXPECT_OK(cx_append(&f, "later", 0, NULL));
    writer_done(&old);
    writer_done(&changed);
    writer_done(&now);
    cx_done(&f);
    return faulted;
}

static void sweep_change(change_fn *change, int64_t fail_count, bool crash, bool applied)
{
    for (int64_t at = 0, faulted = 1; faulted; at++)
        faulted = sweep_one(change, &(struct kv_mem_faults){.fail_at = at, .fail_count = fail_count,
                                                            .crash = crash, .applied = applied});
}

static void sweep(int64_t fail_count, bool crash, bool applied)
{
    partitions_before = 2;
    for (int i = 0; i < CHANGES; i++) sweep_change(changes[i], fail_count, crash, applied);
}

TEST(one_fault_leaves_the_old_or_the_new_catalog)
{
    sweep(0, false, false);
}

TEST(one_fault_whose_write_took_place_leaves_the_new_catalog)
{
    sweep(0, false, true);
}

TEST(faults_in_a_row_leave_a_doubt_that_is_settled_later)
{
    sweep(3, false, false);
    sweep(3, false, true);
}

TEST(a_crash_at_any_call_leaves_the_old_or_the_new_catalog)
{
    sweep(INT64_MAX, true, false);
    sweep(INT64_MAX, true, true);
}

/* The first block changes with the last one, and the second one becomes a full one. */
TEST(changes_of_several_blocks_of_shards_are_whole_under_every_fault)
{
    static change_fn *const wide[] = {split, merge, partitions_more, config, delete};
    partitions_before = 2 * SHARD_BLOCK_MAX;
    for (size_t i = 0; i < sizeof wide / sizeof wide[0]; i++) {
        sweep_change(wide[i], 0, false, false);
        sweep_change(wide[i], 3, false, true);
        sweep_change(wide[i], INT64_MAX, true, false);
        sweep_change(wide[i], INT64_MAX, true, true);
    }
}

TEST(while_a_change_is_in_doubt_nothing_else_is_changed)
{
    struct cx f;
    partitions_before = 2;
    prepare(&f);
    /* Every call fails: the split's outcome cannot be read back. */
    struct topic *t = cx_topic(&f, "t");
    struct cx_append held;
    int64_t at = 0;
    for (;; at++) {     /* the commit is the first call that leaves a doubt behind */
        kv_mem_set_faults(f.kv, &(struct kv_mem_faults){.fail_at = at, .fail_count = INT64_MAX});
        struct control c = {.kind = CONTROL_SPLIT, .name = BYTES_LIT("t"), .hash_first = 1000};
        if (cx_control(&f, &c) == ERR_KAFKA_STORAGE_ERROR) break;
    }
    EXPECT_ERR(cx_create(&f, "x", 1), ERR_KAFKA_STORAGE_ERROR);
    EXPECT_ERR(cx_tag(&f, "t", "a", "b"), ERR_KAFKA_STORAGE_ERROR);
    cx_append_begin(&f, &held, t, 0, 0, BYTES_LIT("x"));
    cx_turn(&f);
    EXPECT(!held.done || held.append.err != ERR_OK);
    kv_mem_set_faults(f.kv, &(struct kv_mem_faults){.fail_at = -1});
    cx_turn(&f);
    EXPECT(held.done);
    EXPECT_OK(cx_create(&f, "x", 1));
    topic_unref(t);
    cx_done(&f);
}

/* ---- A full disk */

static void prepare_small_disk(struct cx *f, bool power)
{
    cx_init(f);
    f->options.durability_power = power;
    f->files = files_mem_new();
    EXPECT_OK(cx_start(f));
    EXPECT_OK(cx_create(f, "t", 2));
    EXPECT_OK(cx_create(f, "gone", 2));
    EXPECT_OK(cx_append(f, "gone", 0, NULL));
}

/* The tag has the number of the last change that went well. */
static void expect_tagged(struct cx *f, int number)
{
    struct topic *t = cx_topic(f, "t");
    EXPECT_EQ(t->tag_count, 1);
    EXPECT_EQ(atoi(t->tags[0].value), number);
    topic_unref(t);
}

/* Returns the number of the first change that found no room. */
static int tag_until_full(struct cx *f)
{
    enum err err = ERR_OK;
    int number = 0;
    files_mem_set_room(f->files, 0);        /* no more than is there already */
    while (err == ERR_OK) {
        char value[16];
        snprintf(value, sizeof value, "%d", ++number);
        err = cx_tag(f, "t", "k", value);
    }
    EXPECT_ERR(err, ERR_KAFKA_STORAGE_ERROR);
    EXPECT(number > 1);
    return number;
}

TEST(a_change_that_a_full_disk_refused_leaves_no_doubt_and_topics_can_be_deleted)
{
    for (int power = 0; power < 2; power++) {
        struct cx f;
        prepare_small_disk(&f, power == 1);
        int refused = tag_until_full(&f);
        EXPECT(kv_is_full(store_kv(f.s)));
        expect_tagged(&f, refused - 1);
        EXPECT_ERR(cx_create(&f, "new", 3), ERR_KAFKA_STORAGE_ERROR);
        EXPECT_OK(cx_delete(&f, "gone"));
        EXPECT_ERR(cx_delete(&f, "gone"), ERR_UNKNOWN_TOPIC_OR_PARTITION);
        files_mem_set_room(f.files, INT64_MAX);
        expect_tagged(&f, refused - 1);
        EXPECT_OK(cx_create(&f, "new", 3));
        cx_done(&f);
    }
}

static bool fail_syncs(void *context, enum files_call call)
{
    (void)context;
    return call == FILES_SYNC;
}

/* Nobody knows then what the disk holds, full or not. */
TEST(a_sync_that_fails_on_a_full_disk_leaves_the_doubt)
{
    struct cx f;
    prepare_small_disk(&f, false);
    files_mem_set_hook(f.files, NULL, fail_syncs);
    int refused = tag_until_full(&f);
    files_mem_set_hook(f.files, NULL, NULL);
    files_mem_set_room(f.files, INT64_MAX);
    EXPECT_ERR(cx_delete(&f, "gone"), ERR_KAFKA_STORAGE_ERROR);
    expect_tagged(&f, refused - 1);
    cx_done(&f);
}

static int32_t shards_listed(struct cx *f)
{
    struct topic *t = cx_topic(f, "t");
    EXPECT(topic_invariant(t) == NULL);
    int32_t count = t->shard_count;
    topic_unref(t);
    return count;
}

TEST(shards_expire_whole_under_every_fault)
{
    for (int64_t at = 0, faulted = 1; faulted; at++) {
        struct cx f;
        cx_init(&f);
        f.options.durability_power = true;
        f.options.retention_check_ms = 1000;
        EXPECT_OK(cx_start(&f));
        EXPECT_OK(cx_create(&f, "t", 1));
        EXPECT_OK(cx_append(&f, "t", 0, NULL));
        EXPECT_OK(cx_config(&f, "t", CONFIG_SET, "retention.ms", "5000"));
        EXPECT_OK(cx_split(&f, "t", 0, (u128)1 << 127));
        EXPECT_OK(cx_split(&f, "t", 2, (u128)3 << 126));
        EXPECT_EQ(shards_listed(&f), 5);
        cx_advance_ms(10000);
        kv_mem_set_faults(f.kv, &(struct kv_mem_faults){.fail_at = at});
        for (int i = 0; i < 3; i++) {
            cx_turn(&f);
            cx_advance_ms(1000);
        }
        faulted = kv_mem_faulted(f.kv);
        if (!faulted) EXPECT_EQ(shards_listed(&f), 3);
        kv_mem_set_faults(f.kv, &(struct kv_mem_faults){.fail_at = -1});
        int32_t listed = shards_listed(&f);
        cx_stop(&f);
        kv_mem_reopen(f.kv, true);
        EXPECT_OK(cx_start(&f));
        EXPECT_EQ(shards_listed(&f), listed);
        for (int i = 0; i < 3; i++) {
            cx_advance_ms(1000);
            cx_turn(&f);
        }
        EXPECT_EQ(shards_listed(&f), 3);
        cx_done(&f);
    }
}

/* The disk answers again in the middle of the look for closed shards: by then the change that was
 * in doubt is true, and the value that the look began with is not. */
TEST(what_a_settled_doubt_made_true_is_not_undone_by_expiry)
{
    struct cx f;
    cx_init(&f);
    f.options.retention_check_ms = 1000;
    EXPECT_OK(cx_start(&f));
    EXPECT_OK(cx_create(&f, "t", 1));
    EXPECT_OK(cx_append(&f, "t", 0, NULL));
    EXPECT_OK(cx_config(&f, "t", CONFIG_SET, "retention.ms", "5000"));
    EXPECT_OK(cx_split(&f, "t", 0, (u128)1 << 127));
    cx_advance_ms(10000);
    cx_turn(&f);                    /* the records go; their shard does so at the next look */
    EXPECT_EQ(shards_listed(&f), 3);
    cx_advance_ms(1000);
    /* The commit fails and took place; two questions after it get no answer, the third one does. */
    kv_mem_set_faults(f.kv, &(struct kv_mem_faults){.fail_count = 2, .applied = true});
    EXPECT_ERR(cx_tag(&f, "t", "k", "v"), ERR_KAFKA_STORAGE_ERROR);
    kv_mem_set_faults(f.kv, &(struct kv_mem_faults){.fail_at = -1});
    for (int i = 0; i < 2; i++) {
        struct topic *t = cx_topic(&f, "t");
        EXPECT_EQ(t->tag_count, 1);
        topic_unref(t);
        cx_advance_ms(1000);
        cx_turn(&f);
    }
    EXPECT_EQ(shards_listed(&f), 2);
    cx_done(&f);
}

TEST(starting_under_every_fault_fails_cleanly_or_works)
{
    struct cx f;
    partitions_before = 2;
    prepare(&f);
    cx_stop(&f);
    for (int64_t at = 0, faulted = 1; faulted; at++) {
        kv_mem_set_faults(f.kv, &(struct kv_mem_faults){.fail_at = at});
        enum err err = cx_start(&f);
        faulted = kv_mem_faulted(f.kv);
        kv_mem_set_faults(f.kv, &(struct kv_mem_faults){.fail_at = -1});
        EXPECT(err == ERR_OK || faulted);
        if (err == ERR_OK) {
            struct topic *t = cx_topic(&f, "t");
            EXPECT(t != NULL);
            topic_unref(t);
        }
        cx_stop(&f);
    }
    cx_done(&f);
}

TEST(producer_ids_stay_unique_under_faults)
{
    struct cx f;
    partitions_before = 2;
    prepare(&f);
    int64_t last = -1;
    for (int i = 0; i < 4000; i++) {
        kv_mem_set_faults(f.kv, &(struct kv_mem_faults){.fail_at = i % 2 ? 0 : -1,
                                                        .applied = i % 4 == 1});
        struct control c = {.kind = CONTROL_PRODUCER_ID};
        if (cx_control(&f, &c) != ERR_OK) continue;
        EXPECT(f.result > last);
        last = f.result;
    }
    kv_mem_set_faults(f.kv, &(struct kv_mem_faults){.fail_at = -1});
    cx_done(&f);
}

TESTS(RUN(one_fault_leaves_the_old_or_the_new_catalog),
      RUN(one_fault_whose_write_took_place_leaves_the_new_catalog),
      RUN(faults_in_a_row_leave_a_doubt_that_is_settled_later),
      RUN(a_crash_at_any_call_leaves_the_old_or_the_new_catalog),
      RUN(changes_of_several_blocks_of_shards_are_whole_under_every_fault),
      RUN(while_a_change_is_in_doubt_nothing_else_is_changed),
      RUN(a_change_that_a_full_disk_refused_leaves_no_doubt_and_topics_can_be_deleted),
      RUN(a_sync_that_fails_on_a_full_disk_leaves_the_doubt),
      RUN(shards_expire_whole_under_every_fault),
      RUN(what_a_settled_doubt_made_true_is_not_undone_by_expiry),
      RUN(starting_under_every_fault_fails_cleanly_or_works),
      RUN(producer_ids_stay_unique_under_faults))
