#include <stdio.h>
#include "base/bytes.h"
#include "base/map.h"
#include "base/mem.h"
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

/* Between any two steps others come, so that the buckets double again and again. */
TEST(a_walk_meets_once_what_is_there_while_the_table_grows)
{
    enum { FIRST = 300, ALL = 5000 };
    static struct map_node nodes[ALL];
    static int met[ALL];
    struct map m = {0};
    struct map_walk w = {0};
    int made = 0;
    for (; made < FIRST; made++) map_put(&m, &nodes[made], bytes_hash(bytes_of(&made, 4)));
    while (!w.is_over) {
        for (struct map_node *n = map_step(&m, &w); n != NULL; n = n->next) met[n - nodes]++;
        for (int i = 0; i < 7 && made < ALL; i++, made++)
            map_put(&m, &nodes[made], bytes_hash(bytes_of(&made, 4)));
    }
    EXPECT(m.bucket_count > 1024);
    for (int i = 0; i < FIRST; i++) EXPECT_EQ(met[i], 1);
    for (int i = FIRST; i < ALL; i++) EXPECT(met[i] <= 1);
    map_done(&m);
}

TEST(without_memory_for_more_buckets_nodes_are_taken_in_and_found)
{
    enum { ALL = 200 };
    static struct map_node nodes[ALL];
    struct map m = {0};
    map_put(&m, &nodes[0], 0);
    mem_fail_after(0);
    for (uint64_t i = 1; i < ALL; i++) map_put(&m, &nodes[i], i);
    mem_fail_after(-1);
    EXPECT_EQ(m.bucket_count, 16);
    for (uint64_t i = 0; i < ALL; i++) EXPECT(map_first(&m, i) == &nodes[i]);
    map_done(&m);
}

/* SipHash-1-3 of 0, 1 ... under the key 0 .. 15, as other implementations have it. */
TEST(the_hash_is_siphash)
{
    static const uint8_t input[] = {0, 1, 2, 3, 4, 5, 6, 7, 8};
    bytes_hash_seed(0x0706050403020100, 0x0f0e0d0c0b0a0908);
    EXPECT_EQ(bytes_hash(bytes_of(input, 0)), 0xabac0158050fc4dc);
    EXPECT_EQ(bytes_hash(bytes_of(input, 1)), 0xc9f49bf37d57ca93);
    EXPECT_EQ(bytes_hash(bytes_of(input, 8)), 0x369095118d299a8e);
    bytes_hash_seed(0, 0);
}

/* Names that a sender made for one key are strewn by another. */
TEST(names_that_fall_together_under_one_key_do_not_under_another)
{
    enum { NAMES = 200, MASK = 0xfff };
    char names[NAMES][16];
    int found = 0;
    for (int i = 0; found < NAMES; i++) {
        snprintf(names[found], sizeof names[found], "%d", i);
        if ((bytes_hash(bytes_str(names[found])) & MASK) == 0) found++;
    }
    bytes_hash_seed(1, 2);
    int together = 0;
    for (int i = 0; i < NAMES; i++) together += (bytes_hash(bytes_str(names[i])) & MASK) == 0;
    bytes_hash_seed(0, 0);
    EXPECT(together < NAMES / 20);
}

TESTS(RUN(a_walk_meets_once_what_is_there_while_the_table_grows),
      RUN(without_memory_for_more_buckets_nodes_are_taken_in_and_found), RUN(the_hash_is_siphash),
      RUN(names_that_fall_together_under_one_key_do_not_under_another),
      RUN(an_empty_table_finds_nothing), RUN(nodes_are_found_across_growth_and_until_removed),
      RUN(equal_hashes_live_side_by_side))
