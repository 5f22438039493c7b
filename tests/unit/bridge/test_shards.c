/* Streams with thousands of shards: what a request costs grows with them, not with their square. */
#include <time.h>
#include "unit/bridge/bridge_fixture.h"

static struct bx f;
static struct bx_client *c;

enum { OPEN = 250 };

/* To so many shards, open and closed, by doubling and halving. */
static void grow(int32_t shards)
{
    for (int turn = 0;; turn++) {
        struct topic *t = cx_topic(&f.cx, "s");
        int32_t have = t->shard_count, open = topic_open_shards(t);
        topic_unref(t);
        if (have >= shards && open == OPEN) return;
        EXPECT_OK(cx_reshard(&f.cx, "s", open == OPEN ? 2 * OPEN : OPEN));
    }
}

static int64_t cpu_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* What the request costs this thread, which is loop and storage in one: the least of some tries. */
static int64_t cost_us(const char *operation, const char *body)
{
    int64_t least = INT64_MAX;
    for (int i = 0; i < 7; i++) {
        int64_t before = cpu_us();
        EXPECT_EQ(bx_call(&f, c, operation, body), 200);
        int64_t took = cpu_us() - before;
        if (took < least) least = took;
    }
    return least;
}

TEST(a_listing_looks_at_each_shard_once)
{
    static const char *const filters[] = {"AT_TRIM_HORIZON", "FROM_TRIM_HORIZON", "AT_LATEST",
                                          "AT_TIMESTAMP", "FROM_TIMESTAMP"};
    enum { FILTERS = sizeof filters / sizeof *filters, FEW = 2000, MANY = 8 * FEW };
    int64_t few[FILTERS];
    bx_init(&f);
    EXPECT_OK(cx_create(&f.cx, "s", OPEN));
    c = bx_connect(&f);
    for (int32_t shards = FEW; shards <= MANY; shards *= 8) {
        grow(shards);
        struct topic *t = cx_topic(&f.cx, "s");
        for (int i = 0; i < FILTERS; i++) {
            /* Behind the shards of the beginning, which are the ones at the horizon. */
            char body[256];
            snprintf(body, sizeof body,
                     "{\"StreamName\":\"s\",\"MaxResults\":1,\"ExclusiveStartShardId\":"
                     "\"shardId-%012d\",\"ShardFilter\":{\"Type\":\"%s\",\"Timestamp\":%lld}}",
                     i == 0 ? OPEN - 1 : t->shard_index_next - OPEN / 2, filters[i],
                     (long long)(cx_now_us / 1000000 - 1));
            int64_t took = cost_us("ListShards", body);
            if (i == 0) EXPECT_HAS(c->body, "\"Shards\":[]");
            /* 8 times as many: 8 times the cost, or 64. */
            if (shards == MANY) EXPECT(took < 24 * few[i] + 500);
            else few[i] = took;
        }
        topic_unref(t);
    }
    bx_done(&f);
}

/* The children of every closed shard are found without a look at the others, and are right. */
TEST(each_closed_shard_knows_its_children)
{
    bx_init(&f);
    EXPECT_OK(cx_create(&f.cx, "s", OPEN));
    grow(4 * OPEN);
    struct topic *t = cx_topic(&f.cx, "s");
    for (int32_t i = 0; i < t->shard_count; i++) {
        int32_t first = -1, count = 0;
        for (int32_t k = 0; k < t->shard_count; k++) {
            const struct shard *s = topic_nth(t, k);
            if (s->parent != topic_nth(t, i)->index && s->adjacent_parent != topic_nth(t, i)->index)
                continue;
            if (count++ == 0) first = k;
            EXPECT_EQ(k - first, count - 1);        /* side by side */
        }
        EXPECT_EQ(topic_nth(t, i)->child, first);
        EXPECT_EQ(count > 0, topic_nth(t, i)->end_offset >= 0);
        EXPECT(topic_shard(t, topic_nth(t, i)->index) == topic_nth(t, i));
    }
    EXPECT(topic_shard(t, -1) == NULL && topic_shard(t, t->shard_index_next) == NULL);
    topic_unref(t);
    bx_done(&f);
}

TESTS(RUN(a_listing_looks_at_each_shard_once), RUN(each_closed_shard_knows_its_children))
