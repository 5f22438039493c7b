/* Committed offsets: durable before they are told, bounded, gone with their topic. */
#include <stdlib.h>
#include "base/arena.h"
#include "storage/engine/offset_keys.h"
#include "storage/state/offsets_table.h"
#include "catalog_fixture.h"

static struct uuid topic_id(struct cx *f, const char *name)
{
    struct topic *t = cx_topic(f, name);
    struct uuid id = t->id;
    topic_unref(t);
    return id;
}

static void start(struct cx *f)
{
    cx_init(f);
    EXPECT_OK(cx_start(f));
    EXPECT_OK(cx_create(f, "t", 3));
}

static enum err commit_one(struct cx *f, const char *group, const struct uuid *id,
                           int32_t partition, int64_t offset)
{
    struct offset_entry e = {.topic_id = *id, .partition = partition, .offset = offset,
                             .leader_epoch = 3, .metadata = BYTES_LIT("note"), .commit_ms = 77,
                             .expire_ms = -1};
    return cx_commit(f, group, &e, 1);
}

static enum err commit_note(struct cx *f, const char *group, const struct uuid *id,
                            int32_t partition, const char *note)
{
    struct offset_entry e = {.topic_id = *id, .partition = partition, .offset = 6,
                             .metadata = bytes_str(note), .expire_ms = -1};
    return cx_commit(f, group, &e, 1);
}

/* The committed offset, or -1. */
static int64_t offset_of(struct cx *f, const char *group, const struct uuid *id, int32_t partition)
{
    struct arena arena;
    struct offset_entry e = {.offset = -1};
    arena_init(&arena, 4096);
    store_offset(f->s, bytes_str(group), id, partition, &arena, &e);
    arena_done(&arena);
    return e.offset;
}

/* Others would wait with it otherwise: the engine stops all writers together. */
TEST(a_commit_of_much_waits_for_the_engine)
{
    static char much[30000];
    struct cx f;
    start(&f);
    struct uuid id = topic_id(&f, "t");
    struct offset_entry entries[3];
    for (int32_t i = 0; i < 3; i++)
        entries[i] = (struct offset_entry){.topic_id = id, .partition = i, .offset = 8,
                                           .metadata = bytes_of(much, sizeof much),
                                           .expire_ms = -1};
    struct offsets_commit c = {.group = BYTES_LIT("large"), .entries = entries, .entry_count = 3,
                               .done = cx_offsets_done};
    kv_mem_set_behind(f.kv, true);
    store_offsets_commit(f.s, &c);
    EXPECT_OK(commit_one(&f, "small", &id, 0, 5));
    EXPECT(c.home == NULL);
    kv_mem_set_behind(f.kv, false);
    cx_turn(&f);
    EXPECT(c.home != NULL);
    EXPECT_OK(c.err);
    EXPECT_EQ(store_group_offsets_count(f.s, BYTES_LIT("large")), 3);
    cx_done(&f);
}

TEST(a_commit_is_found_now_and_after_a_restart)
{
    struct cx f;
    start(&f);
    struct uuid id = topic_id(&f, "t");
    EXPECT_OK(commit_one(&f, "g", &id, 1, 5));
    EXPECT_OK(commit_one(&f, "g", &id, 1, 6));
    EXPECT_OK(commit_one(&f, "g", &id, 0, 1));
    EXPECT_OK(commit_one(&f, "h", &id, 1, 9));
    for (int restarted = 0; restarted < 2; restarted++) {
        struct arena arena;
        arena_init(&arena, 4096);
        struct offset_entry e, *all = NULL;
        EXPECT(store_offset(f.s, BYTES_LIT("g"), &id, 1, &arena, &e));
        EXPECT_EQ(e.offset, 6);
        EXPECT_EQ(e.leader_epoch, 3);
        EXPECT_EQ(e.commit_ms, 77);
        EXPECT_EQ(e.expire_ms, -1);
        EXPECT_BYTES(e.metadata, "note");
        EXPECT(!store_offset(f.s, BYTES_LIT("g"), &id, 2, &arena, &e));
        EXPECT(!store_offset(f.s, BYTES_LIT("nobody"), &id, 1, &arena, &e));
        EXPECT_EQ(store_offsets_of_group(f.s, BYTES_LIT("g"), true, &arena, &all), 2);
        EXPECT_EQ(all[0].partition, 0);
        EXPECT_EQ(all[1].partition, 1);
        EXPECT_EQ(store_offsets_of_group(f.s, BYTES_LIT("nobody"), true, &arena, &all), 0);
        EXPECT_EQ(store_offsets_count(f.s), 3);
        struct arena full;                  /* "no offset" would send the client to the start */
        arena_init(&full, 1);
        EXPECT(store_offset(f.s, BYTES_LIT("g"), &id, 1, &full, &e));
        EXPECT(bytes_is_null(e.metadata));
        arena_done(&full);
        arena_done(&arena);
        cx_restart(&f);
    }
    cx_done(&f);
}

TEST(a_full_arena_is_told_and_not_overrun)
{
    struct cx f;
    start(&f);
    struct uuid id = topic_id(&f, "t");
    struct arena arena;
    struct offset_entry *all = NULL;
    for (int i = 0; i < 3; i++) EXPECT_OK(commit_one(&f, "g", &id, i, 5));
    arena_init(&arena, 64);
    EXPECT_EQ(store_offsets_of_group(f.s, BYTES_LIT("g"), true, &arena, &all), -1);
    arena_done(&arena);
    cx_done(&f);
}

/* In slices, between which others get the lock. */
TEST(many_offsets_of_a_group_are_all_told_in_order)
{
    enum { MANY = 2500 };
    struct cx f;
    start(&f);
    struct uuid id = topic_id(&f, "t");
    struct offset_entry *entries = NEW_ARRAY(struct offset_entry, MANY), *all = NULL;
    for (int i = 0; i < MANY; i++)
        entries[i] = (struct offset_entry){.topic_id = id, .partition = i, .offset = i + 1,
                                           .metadata = BYTES_LIT("note"), .expire_ms = -1};
    EXPECT_OK(cx_commit(&f, "g", entries, MANY));
    EXPECT_EQ(store_group_offsets_count(f.s, BYTES_LIT("g")), MANY);
    EXPECT_EQ(store_group_offsets_count(f.s, BYTES_LIT("nobody")), 0);
    struct arena arena;
    arena_init(&arena, 1 << 20);
    EXPECT_EQ(store_offsets_of_group(f.s, BYTES_LIT("g"), true, &arena, &all), MANY);
    for (int i = 0; i < MANY; i++) {
        EXPECT_EQ(all[i].partition, i);
        EXPECT_EQ(all[i].offset, i + 1);
        EXPECT_BYTES(all[i].metadata, "note");
    }
    arena_done(&arena);
    mem_free(entries);
    cx_done(&f);
}

static void count_group(void *seen, struct bytes group)
{
    EXPECT_EQ(group.len, 3);
    ((int *)seen)[(group.data[1] - '0') * 10 + group.data[2] - '0']++;
}

TEST(groups_are_listed_in_order)
{
    struct cx f;
    start(&f);
    struct uuid id = topic_id(&f, "t");
    char name[8];
    for (int i = 99; i >= 0; i--) {
        snprintf(name, sizeof name, "g%02d", i);
        EXPECT_OK(commit_one(&f, name, &id, 0, i));
    }
    struct arena arena;
    struct bytes groups[60];
    arena_init(&arena, 1 << 16);
    EXPECT_EQ(store_offset_groups(f.s, BYTES_NULL, 60, &arena, groups), 60);
    EXPECT_BYTES(groups[0], "g00");
    EXPECT_BYTES(groups[59], "g59");
    EXPECT_EQ(store_offset_groups(f.s, groups[59], 60, &arena, groups), 40);
    EXPECT_BYTES(groups[39], "g99");
    int seen[100] = {0};
    store_offset_groups_each(f.s, seen, count_group);
    for (int i = 0; i < 100; i++) EXPECT_EQ(seen[i], 1);
    arena_done(&arena);
    cx_done(&f);
}

/* More than are looked at before others get the lock. */
TEST(many_groups_are_paged_through_in_order)
{
    enum { MANY = 3000, PAGE = 700 };
    struct cx f;
    start(&f);
    struct uuid id = topic_id(&f, "t");
    char name[16];
    for (int i = 0; i < MANY; i++) {
        snprintf(name, sizeof name, "g%04d", i * 1009 % MANY);
        EXPECT_OK(commit_one(&f, name, &id, 0, i));
    }
    struct arena arena;
    struct bytes groups[PAGE], after = BYTES_NULL;
    arena_init(&arena, 1 << 20);
    int seen = 0, got;
    do {
        got = store_offset_groups(f.s, after, PAGE, &arena, groups);
        for (int i = 0; i < got; i++) {
            snprintf(name, sizeof name, "g%04d", seen++);
            EXPECT_BYTES(groups[i], name);
        }
        if (got > 0) after = groups[got - 1];
    } while (got == PAGE);
    EXPECT_EQ(seen, MANY);
    arena_done(&arena);
    arena_init(&arena, 64);             /* full: the first ones, as many as fit */
    EXPECT_EQ(store_offset_groups(f.s, BYTES_NULL, PAGE, &arena, groups), 4);
    EXPECT_BYTES(groups[3], "g0003");
    arena_done(&arena);
    cx_done(&f);
}

/* Between two looks at some of the table it grows, so that what was seen lies elsewhere. */
TEST(no_group_of_a_page_is_left_out_when_the_table_grows_meanwhile)
{
    enum { FIRST = 1000, ALL = 4000, PAGE = ALL };
    struct cx f;
    start(&f);
    struct uuid id = topic_id(&f, "t");
    char name[16];
    int made = 0;
    for (; made < FIRST; made++) {
        snprintf(name, sizeof name, "g%04d", made);
        EXPECT_OK(commit_one(&f, name, &id, 0, made));
    }
    struct groups_page *page = groups_page_new(BYTES_NULL, FIRST, 1 << 20);
    EXPECT(groups_page_look(page, store_offsets(f.s)));
    for (; made < ALL; made++) {
        snprintf(name, sizeof name, "h%04d", made);
        EXPECT_OK(commit_one(&f, name, &id, 0, made));
    }
    while (groups_page_look(page, store_offsets(f.s))) continue;
    struct arena arena;
    arena_init(&arena, 1 << 20);
    struct bytes groups[FIRST];
    EXPECT_EQ(groups_page_end(page, &arena, groups), FIRST);
    for (int i = 0; i < FIRST; i++) {
        snprintf(name, sizeof name, "g%04d", i);
        EXPECT_BYTES(groups[i], name);
    }
    arena_done(&arena);
    cx_done(&f);
}

TEST(entries_and_groups_are_deleted)
{
    struct cx f;
    start(&f);
    struct uuid id = topic_id(&f, "t");
    /* "g" and "g2" share a front, 0xff ends another one: neither may go along. */
    static const char *const others[] = {"g2", "f", "h", "\xff", "gg"};
    for (int i = 0; i < 3; i++) EXPECT_OK(commit_one(&f, "g", &id, i, 5));
    for (int i = 0; i < 5; i++) EXPECT_OK(commit_one(&f, others[i], &id, 0, i));
    EXPECT_OK(commit_one(&f, "g", &id, 1, -1));
    EXPECT_EQ(offset_of(&f, "g", &id, 1), -1);
    EXPECT_EQ(offset_of(&f, "g", &id, 2), 5);
    EXPECT_OK(commit_one(&f, "nobody", &id, 1, -1));
    struct offsets_commit c = {.group = BYTES_LIT("g"), .delete_group = true,
                               .done = cx_offsets_done};
    /* A commit of the same turn in front of it goes too, one behind it stays. */
    struct offset_entry e = {.topic_id = id, .partition = 0, .offset = 8,
                             .metadata = BYTES_LIT("")};
    struct offsets_commit before = {.group = BYTES_LIT("g"), .entries = &e, .entry_count = 1,
                                    .done = cx_offsets_done};
    struct offset_entry e2 = {.topic_id = id, .partition = 2, .offset = 9,
                              .metadata = BYTES_LIT("")};
    struct offsets_commit after = {.group = BYTES_LIT("g"), .entries = &e2, .entry_count = 1,
                                   .done = cx_offsets_done};
    store_offsets_commit(f.s, &before);
    store_offsets_commit(f.s, &c);
    store_offsets_commit(f.s, &after);
    cx_turn(&f);
    EXPECT_OK(before.err);
    EXPECT_OK(c.err);
    EXPECT_OK(after.err);
    for (int restarted = 0; restarted < 2; restarted++) {
        EXPECT_EQ(offset_of(&f, "g", &id, 0), -1);
        EXPECT_EQ(offset_of(&f, "g", &id, 2), 9);
        for (int i = 0; i < 5; i++) EXPECT_EQ(offset_of(&f, others[i], &id, 0), i);
        cx_restart(&f);
    }
    cx_done(&f);
}

/* A range that is deleted costs every read of its family: a group of a few partitions goes key by
 * key, also one whose last commit is of the same turn. */
TEST(a_small_groups_offsets_are_deleted_one_by_one)
{
    struct cx f;
    start(&f);
    struct uuid id = topic_id(&f, "t");
    static const int partitions[] = {30, 100};
    for (int i = 0; i < 2; i++) {
        for (int p = 0; p < partitions[i] - 1; p++) EXPECT_OK(commit_one(&f, "g", &id, p, 5));
        (void)kv_mem_deletes(f.kv);
        struct offset_entry e = {.topic_id = id, .partition = partitions[i] - 1,
                                 .offset = 8, .metadata = BYTES_LIT("")};
        struct offsets_commit last = {.group = BYTES_LIT("g"), .entries = &e, .entry_count = 1,
                                      .done = cx_offsets_done};
        struct offsets_commit c = {.group = BYTES_LIT("g"), .delete_group = true,
                                   .done = cx_offsets_done};
        store_offsets_commit(f.s, &last);
        store_offsets_commit(f.s, &c);
        cx_turn(&f);
        EXPECT_OK(c.err);
        struct kv_mem_deletes deletes = kv_mem_deletes(f.kv);
        EXPECT_EQ(deletes.keys, i == 0 ? partitions[i] : 0);
        EXPECT_EQ(deletes.ranges, i);
        cx_restart(&f);
        for (int p = 0; p < partitions[i]; p++) EXPECT_EQ(offset_of(&f, "g", &id, p), -1);
    }
    cx_done(&f);
}

TEST(a_topic_takes_its_offsets_along)
{
    struct cx f;
    start(&f);
    EXPECT_OK(cx_create(&f, "u", 1));
    struct uuid t = topic_id(&f, "t"), u = topic_id(&f, "u");
    for (int i = 0; i < 3; i++) EXPECT_OK(commit_one(&f, "g", &t, i, 5));
    EXPECT_OK(commit_one(&f, "g", &u, 0, 6));
    EXPECT_OK(commit_one(&f, "only t", &t, 0, 6));
    EXPECT_OK(cx_delete(&f, "t"));
    for (int restarted = 0; restarted < 2; restarted++) {
        for (int i = 0; i < 3; i++) EXPECT_EQ(offset_of(&f, "g", &t, i), -1);
        EXPECT_EQ(offset_of(&f, "g", &u, 0), 6);
        EXPECT_EQ(store_offsets_count(f.s), 1);
        cx_restart(&f);
    }
    /* One that was under way when its topic went is dropped at the next start. */
    EXPECT_OK(commit_one(&f, "late", &t, 0, 1));
    cx_restart(&f);
    EXPECT_EQ(offset_of(&f, "late", &t, 0), -1);
    struct writer out;
    int64_t wrong = -1;
    writer_init(&out, 4096);
    EXPECT_OK(offsets_check(f.kv, &out, &wrong));
    EXPECT_EQ(wrong, 0);
    writer_done(&out);
    cx_done(&f);
}

TEST(a_failed_commit_changes_nothing)
{
    for (int applied = 0; applied < 2; applied++) {
        struct cx f;
        start(&f);
        struct uuid id = topic_id(&f, "t");
        EXPECT_OK(commit_one(&f, "g", &id, 0, 5));
        kv_mem_set_faults(f.kv, &(struct kv_mem_faults){.fail_at = 0, .applied = applied});
        EXPECT_ERR(commit_one(&f, "g", &id, 0, 6), ERR_KAFKA_STORAGE_ERROR);
        EXPECT_EQ(offset_of(&f, "g", &id, 0), 5);
        kv_mem_set_faults(f.kv, &(struct kv_mem_faults){.fail_at = -1});
        EXPECT_OK(commit_one(&f, "g", &id, 0, 7));
        cx_restart(&f);
        EXPECT_EQ(offset_of(&f, "g", &id, 0), 7);
        cx_done(&f);
    }
}

TEST(limits_are_reached)
{
    struct cx f;
    start(&f);
    struct uuid id = topic_id(&f, "t");
    struct offsets *o = store_offsets(f.s);
    for (int i = 0; i < 3; i++) EXPECT_OK(commit_one(&f, "g", &id, i, 5));
    offsets_set_limit(o, offsets_bytes(o));
    EXPECT_ERR(commit_one(&f, "h", &id, 0, 5), ERR_TOO_LARGE);
    EXPECT_EQ(offset_of(&f, "h", &id, 0), -1);
    EXPECT_OK(commit_one(&f, "g", &id, 0, 6));      /* moving on needs no room */
    EXPECT_OK(commit_note(&f, "g", &id, 0, "n"));
    EXPECT_OK(commit_note(&f, "g", &id, 0, "note"));
    EXPECT_ERR(commit_note(&f, "g", &id, 0, "notes"), ERR_TOO_LARGE);
    EXPECT_EQ(offset_of(&f, "g", &id, 0), 6);
    for (int i = 0; i < 3; i++) EXPECT_OK(commit_one(&f, "g", &id, i, -1));
    EXPECT_EQ(offsets_bytes(o), 0);
    for (int i = 0; i < 3; i++) EXPECT_OK(commit_one(&f, "h", &id, i, 5));
    EXPECT_ERR(commit_one(&f, "i", &id, 0, 5), ERR_TOO_LARGE);
    /* Names and notes as long as their length fields can say, and one byte more. */
    char *name = mem_new(OFFSET_GROUP_BYTES_MAX + 2);
    for (int i = 0; i <= OFFSET_GROUP_BYTES_MAX; i++) name[i] = 'n';
    EXPECT_ERR(commit_one(&f, name, &id, 0, 5), ERR_TOO_LARGE);
    name[OFFSET_GROUP_BYTES_MAX] = '\0';
    offsets_set_limit(o, 1 << 20);
    EXPECT_OK(commit_one(&f, name, &id, 0, 5));
    cx_restart(&f);
    EXPECT_EQ(offset_of(&f, name, &id, 0), 5);
    mem_free(name);
    cx_done(&f);
}

/* What is larger than the memory that can be had is refused before anything is written. */
TEST(a_commit_that_finds_no_memory_is_refused)
{
    enum { MANY = 4000 };
    struct cx f;
    start(&f);
    struct uuid id = topic_id(&f, "t");
    struct offset_entry *entries = NEW_ARRAY(struct offset_entry, MANY);
    for (int i = 0; i < MANY; i++)
        entries[i] = (struct offset_entry){.topic_id = id, .partition = i, .offset = 5,
                                           .leader_epoch = -1, .expire_ms = -1,
                                           .metadata = BYTES_LIT("note")};
    EXPECT_OK(commit_one(&f, "g", &id, 0, 4));
    mem_fail_after(0);
    enum err err = cx_commit(&f, "g", entries, MANY);
    mem_fail_after(-1);
    EXPECT_ERR(err, ERR_TOO_LARGE);
    EXPECT_EQ(offset_of(&f, "g", &id, MANY - 1), -1);
    EXPECT_OK(cx_commit(&f, "g", entries, MANY));
    EXPECT_EQ(offset_of(&f, "g", &id, MANY - 1), 5);
    mem_free(entries);
    cx_done(&f);
}

/* Few and many, of a group that is there and of a new one: each allocation is tried to fail, with
 * all behind it, and nothing is kept then, in memory or on disk. */
TEST(a_commit_without_memory_for_any_of_its_parts_is_refused_whole)
{
    struct cx f;
    start(&f);
    struct uuid id = topic_id(&f, "t");
    struct offsets *o = store_offsets(f.s);
    struct offset_entry entries[12];
    for (int i = 0; i < 12; i++)
        entries[i] = (struct offset_entry){.topic_id = id, .partition = i, .offset = 5,
                                           .leader_epoch = -1, .expire_ms = -1,
                                           .metadata = BYTES_LIT("note")};
    EXPECT_OK(commit_one(&f, "known", &id, 1, 4));
    for (int round = 0; round < 4; round++) {
        const char *group = round < 2 ? "known" : "new";
        int32_t count = round % 2 == 0 ? 3 : 12;
        int64_t bytes = offsets_bytes(o), had = store_offsets_count(f.s);
        enum err err = ERR_BUSY;
        for (int at = 0; err != ERR_OK; at++) {
            EXPECT(at < 30);
            mem_fail_after(at);
            err = cx_commit(&f, group, entries, count);
            mem_fail_after(-1);
            if (err == ERR_OK) continue;
            EXPECT_ERR(err, ERR_TOO_LARGE);
            EXPECT_EQ(offsets_bytes(o), bytes);
            EXPECT_EQ(store_offsets_count(f.s), had);
            EXPECT_EQ(store_has_offsets(f.s, BYTES_LIT("new")), round == 3);
        }
        for (int32_t i = 0; i < count; i++) EXPECT_EQ(offset_of(&f, group, &id, i), 5);
        cx_restart(&f);
        o = store_offsets(f.s);
        for (int32_t i = 0; i < 12; i++)
            EXPECT_EQ(offset_of(&f, group, &id, i), i < count || round == 1 ? 5 : -1);
    }
    cx_done(&f);
}

/* Commits of many partitions, entered in one walk, against the same ones entered one by one. */
TEST(many_offsets_at_once_are_those_that_would_come_one_by_one)
{
    enum { PARTITIONS = 100, ROUNDS = 200, MANY = 40 };
    struct cx f;
    cx_init(&f);
    EXPECT_OK(cx_start(&f));
    EXPECT_OK(cx_create(&f, "t", PARTITIONS));
    EXPECT_OK(cx_create(&f, "u", PARTITIONS));
    struct uuid ids[] = {topic_id(&f, "t"), topic_id(&f, "u")};
    srand(7);                       /* the seed */
    for (int round = 0; round < ROUNDS; round++) {
        struct offset_entry all[MANY];
        for (int i = 0; i < MANY; i++) {
            all[i] = (struct offset_entry){
                .topic_id = ids[rand() % 2], .partition = rand() % PARTITIONS,
                .offset = rand() % 4 ? rand() % 1000 : -1, .expire_ms = -1,
                .metadata = rand() % 2 ? BYTES_LIT("note") : BYTES_LIT("")};
            EXPECT_OK(cx_commit(&f, "one by one", &all[i], 1));
        }
        EXPECT_OK(cx_commit(&f, "at once", all, MANY));
    }
    struct offset_entry *one, *other;
    struct arena arena;
    arena_init(&arena, 1 << 20);
    int32_t count = store_offsets_of_group(f.s, BYTES_LIT("at once"), true, &arena, &one);
    EXPECT_EQ(store_offsets_of_group(f.s, BYTES_LIT("one by one"), true, &arena, &other), count);
    EXPECT(count > PARTITIONS / 2);
    EXPECT_EQ(store_offsets_count(f.s), 2 * count);
    for (int32_t i = 0; i < count; i++) {
        EXPECT(uuid_equal(&one[i].topic_id, &other[i].topic_id));
        EXPECT_EQ(one[i].partition, other[i].partition);
        EXPECT_EQ(one[i].offset, other[i].offset);
        EXPECT_EQ(one[i].metadata.len, other[i].metadata.len);
    }
    arena_done(&arena);
    cx_done(&f);
}

TESTS(RUN(many_offsets_at_once_are_those_that_would_come_one_by_one),
      RUN(a_commit_is_found_now_and_after_a_restart), RUN(a_full_arena_is_told_and_not_overrun),
      RUN(many_offsets_of_a_group_are_all_told_in_order),
      RUN(groups_are_listed_in_order), RUN(many_groups_are_paged_through_in_order),
      RUN(entries_and_groups_are_deleted),
      RUN(a_small_groups_offsets_are_deleted_one_by_one),
      RUN(a_topic_takes_its_offsets_along), RUN(a_failed_commit_changes_nothing),
      RUN(limits_are_reached), RUN(a_commit_of_much_waits_for_the_engine),
      RUN(a_commit_that_finds_no_memory_is_refused),
      RUN(a_commit_without_memory_for_any_of_its_parts_is_refused_whole),
      RUN(no_group_of_a_page_is_left_out_when_the_table_grows_meanwhile))
