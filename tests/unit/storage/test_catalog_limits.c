/* The stated limits of the catalog, reached. A sanitizer's build leaves the two large ones out:
 * they take it a minute and show nothing that the other tests of the catalog do not. */
#include "catalog_fixture.h"

enum { PARTITIONS_MAX = 40000 };

#ifdef DIGLOT_SANITIZED
#define LARGE skip()
#else
#define LARGE (void)0
#endif

TEST(no_more_partitions_than_the_server_keeps)
{
    LARGE;
    struct cx f;
    char name[32];
    cx_init(&f);
    f.options.partitions_max = PARTITIONS_MAX;
    EXPECT_OK(cx_start(&f));
    for (int i = 0; i < PARTITIONS_MAX / TOPIC_PARTITIONS_MAX; i++) {
        snprintf(name, sizeof name, "t%d", i);
        EXPECT_OK(cx_create(&f, name, i == 0 ? TOPIC_PARTITIONS_MAX - 2 : TOPIC_PARTITIONS_MAX));
    }
    EXPECT_ERR(cx_create(&f, "more", 3), ERR_POLICY_VIOLATION);
    EXPECT_STR(f.text, "This server keeps at most 100000 topics with 40000 partitions in all.");
    EXPECT_OK(cx_create(&f, "more", 1));
    EXPECT_ERR(cx_partitions(&f, "more", 3), ERR_LIMIT_EXCEEDED);
    EXPECT_OK(cx_partitions(&f, "more", 2));
    EXPECT_ERR(cx_partitions(&f, "more", 3), ERR_LIMIT_EXCEEDED);
    EXPECT_ERR(cx_partitions(&f, "t1", TOPIC_PARTITIONS_MAX + 1), ERR_POLICY_VIOLATION);
    EXPECT_OK(cx_delete(&f, "t3"));
    EXPECT_OK(cx_partitions(&f, "more", 3));
    cx_done(&f);
}

TEST(no_more_topics_than_the_server_keeps)
{
    LARGE;
    struct cx f;
    char name[32];
    cx_init(&f);
    EXPECT_OK(cx_start(&f));
    for (int i = 0; i < CATALOG_TOPICS_MAX; i++) {
        snprintf(name, sizeof name, "t%d", i);
        EXPECT_OK(cx_create(&f, name, 1));
    }
    EXPECT_ERR(cx_create(&f, "more", 1), ERR_POLICY_VIOLATION);
    EXPECT_OK(cx_delete(&f, "t7"));
    EXPECT_OK(cx_create(&f, "more", 1));
    cx_done(&f);
}

/* All of them together, whoever sets them. */
TEST(no_more_tags_than_the_server_keeps)
{
    LARGE;
    struct cx f;
    cx_init(&f);
    EXPECT_OK(cx_start(&f));
    static char value[256 * 4 + 1];
    memset(value, 'v', sizeof value - 1);
    enum err err = ERR_OK;
    int streams = 0;
    struct topic_tag tags[TOPIC_TAGS_MAX];
    char keys[TOPIC_TAGS_MAX][8], name[32];
    for (int i = 0; i < TOPIC_TAGS_MAX; i++) {
        snprintf(keys[i], sizeof keys[i], "k%d", i);
        tags[i] = (struct topic_tag){keys[i], value};
    }
    struct control c = {.kind = CONTROL_CREATE_TOPIC, .partitions = 1, .tags = tags,
                        .tag_count = TOPIC_TAGS_MAX};
    for (; err == ERR_OK && streams < 10000; streams++) {
        snprintf(name, sizeof name, "t%d", streams);
        c.name = bytes_str(name);
        err = cx_control(&f, &c);
    }
    EXPECT_ERR(err, ERR_LIMIT_EXCEEDED);
    EXPECT_STR(f.text, "This server keeps at most 64 MiB of tags and consumers in all.");
    struct catalog_totals have;
    store_totals(f.s, &have);
    EXPECT(have.tag_bytes <= CATALOG_TAG_BYTES_MAX &&
           have.tag_bytes > CATALOG_TAG_BYTES_MAX - TOPIC_TAGS_MAX * (int)sizeof value - 8192);
    EXPECT_OK(cx_create(&f, "u", 1));               /* without tags */
    EXPECT_OK(cx_tag(&f, "u", "k", "v"));
    struct control add = {.kind = CONTROL_ADD_CONSUMER, .name = BYTES_LIT("u"),
                          .consumer = BYTES_LIT("c"), .tags = tags, .tag_count = TOPIC_TAGS_MAX};
    EXPECT_ERR(cx_control(&f, &add), ERR_LIMIT_EXCEEDED);
    EXPECT_OK(cx_delete(&f, "t1"));
    EXPECT_OK(cx_control(&f, &add));
    cx_restart(&f);                                 /* and counted anew */
    struct catalog_totals again;
    store_totals(f.s, &have);
    cx_restart(&f);
    store_totals(f.s, &again);
    EXPECT_EQ(have.tag_bytes, again.tag_bytes);
    EXPECT_EQ(have.shards, again.shards);
    EXPECT_EQ(have.shards, streams - 1);
    cx_done(&f);
}

TEST(no_more_shards_than_a_topic_lists)
{
    struct cx f;
    cx_init(&f);
    EXPECT_OK(cx_start(&f));
    EXPECT_OK(cx_create(&f, "t", 1));
    enum err err = ERR_OK;
    int rounds = 0;
    for (; err == ERR_OK && rounds < 100; rounds++)
        err = cx_reshard(&f, "t", rounds % 2 ? 1 : 4000);
    EXPECT_ERR(err, ERR_LIMIT_EXCEEDED);
    EXPECT(rounds > 5);
    struct topic *t = cx_topic(&f, "t");
    EXPECT(t->shard_count <= 65536);
    topic_unref(t);
    EXPECT_OK(cx_append(&f, "t", 0, NULL));
    cx_done(&f);
}

TEST(no_more_shards_than_the_server_keeps)
{
    LARGE;
    enum { OPEN = 4000, TOPICS_MAX = 40 };
    struct cx f;
    char name[8];
    cx_init(&f);
    f.options.partitions_max = TOPICS_MAX * OPEN;
    EXPECT_OK(cx_start(&f));
    struct catalog_totals have = {0};
    bool full = false;
    for (int t = 0; !full && t < TOPICS_MAX; t++) {
        snprintf(name, sizeof name, "t%d", t);
        EXPECT_OK(cx_create(&f, name, OPEN));
        for (int rounds = 0; cx_reshard(&f, name, rounds % 2 ? OPEN : 1) == ERR_OK; rounds++)
            EXPECT(rounds < 100);
        full = strstr(f.text, "1048576 shards in all") != NULL;
        store_totals(f.s, &have);
        EXPECT(have.shards <= CATALOG_SHARDS_MAX);
    }
    EXPECT(full);
    EXPECT(have.shards > CATALOG_SHARDS_MAX - 2 * OPEN);
    cx_done(&f);
}

/* What a change takes is asked for before anything begins: without it nothing is changed. */
TEST(a_change_of_many_partitions_without_memory_is_refused_and_leaves_nothing)
{
    enum { MANY = 2000 };
    struct cx f;
    cx_init(&f);
    EXPECT_OK(cx_start(&f));
    mem_fail_after(0);
    enum err made = cx_create(&f, "t", MANY);
    mem_fail_after(-1);
    EXPECT_ERR(made, ERR_BUSY);
    EXPECT(store_topic(f.s, BYTES_LIT("t")) == NULL);
    EXPECT_OK(cx_create(&f, "t", MANY));
    mem_fail_after(0);
    enum err grown = cx_partitions(&f, "t", 2 * MANY), even = cx_reshard(&f, "t", MANY / 2);
    enum err split = cx_split(&f, "t", 0, 1000), gone = cx_delete(&f, "t");
    enum err set = cx_config(&f, "t", CONFIG_SET, "retention.ms", "5");
    mem_fail_after(-1);
    EXPECT_ERR(grown, ERR_BUSY);
    EXPECT_ERR(even, ERR_BUSY);
    EXPECT_ERR(split, ERR_BUSY);
    EXPECT_ERR(gone, ERR_BUSY);
    EXPECT_ERR(set, ERR_BUSY);
    CLEANUP(topic_unrefp) struct topic *t = store_topic(f.s, BYTES_LIT("t"));
    EXPECT_EQ(t->open_count, MANY);
    EXPECT(t->config.retention_ms != 5);
    EXPECT_OK(cx_partitions(&f, "t", 2 * MANY));
    EXPECT_OK(cx_delete(&f, "t"));
    topic_unrefp(&t);
    cx_done(&f);
}

TESTS(RUN(a_change_of_many_partitions_without_memory_is_refused_and_leaves_nothing),
      RUN(no_more_partitions_than_the_server_keeps), RUN(no_more_topics_than_the_server_keeps),
      RUN(no_more_tags_than_the_server_keeps), RUN(no_more_shards_than_a_topic_lists),
      RUN(no_more_shards_than_the_server_keeps))
