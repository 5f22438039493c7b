/* The stated limits of the catalog, reached. A sanitizer's build leaves the two large ones out:
 * they take it a minute and show nothing that the other tests of the catalog do not. */
#include "catalog_fixture.h"

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
    EXPECT_OK(cx_start(&f));
    for (int i = 0; i < CATALOG_PARTITIONS_MAX / TOPIC_PARTITIONS_MAX; i++) {
        snprintf(name, sizeof name, "t%d", i);
        EXPECT_OK(cx_create(&f, name, i == 0 ? TOPIC_PARTITIONS_MAX - 2 : TOPIC_PARTITIONS_MAX));
    }
    EXPECT_ERR(cx_create(&f, "more", 3), ERR_POLICY_VIOLATION);
    EXPECT_STR(f.text, "This server keeps at most 100000 topics with 200000 partitions in all.");
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

TESTS(RUN(no_more_partitions_than_the_server_keeps), RUN(no_more_topics_than_the_server_keeps),
      RUN(no_more_shards_than_a_topic_lists))
