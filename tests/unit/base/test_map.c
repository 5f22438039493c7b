#include "base/map.h"
#include "test.h"

struct item {
    struct map_node node;
    int value;
};

static struct item *find(const struct map *m, uint64_t hash, int value)
{
    for (struct map_node *n = map_first(m, hash); n != NULL; n = map_next(n))
        if (((struct item *)n)->value == value) return (struct item *)n;
    return NULL;
}

TEST(an_empty_table_finds_nothing)
{
    struct map m = {0};
    EXPECT(map_first(&m, 7) == NULL);
    map_done(&m);
}

TEST(nodes_are_found_across_growth_and_until_removed)
{
    static struct item items[1000];
    struct map m = {0};
    for (int i = 0; i < 1000; i++) {
        items[i].value = i;
        map_put(&m, &items[i].node, (uint64_t)i * 0x9e3779b97f4a7c15u);
    }
    EXPECT_EQ(m.count, 1000);
    for (int i = 0; i < 1000; i += 2) map_remove(&m, &items[i].node);
    EXPECT_EQ(m.count, 500);
    for (int i = 0; i < 1000; i++)
        EXPECT((find(&m, (uint64_t)i * 0x9e3779b97f4a7c15u, i) != NULL) == (i % 2 == 1));
    map_done(&m);
}

TEST(equal_hashes_live_side_by_side)
{
    struct item a = {.value = 1}, b = {.value = 2}, other = {.value = 3};
    struct map m = {0};
    map_put(&m, &a.node, 5);
    map_put(&m, &other.node, 5 + 16);       /* same bucket, another hash */
    map_put(&m, &b.node, 5);
    EXPECT(find(&m, 5, 1) == &a);
    EXPECT(find(&m, 5, 2) == &b);
    EXPECT(find(&m, 5, 3) == NULL);
    map_remove(&m, &a.node);
    EXPECT(find(&m, 5, 1) == NULL);
    EXPECT(find(&m, 5, 2) == &b);
    map_done(&m);
}

TESTS(RUN(an_empty_table_finds_nothing), RUN(nodes_are_found_across_growth_and_until_removed),
      RUN(equal_hashes_live_side_by_side))
