/* Names that come twice in one request: told at their first place, in linear time. */
#include "broker/mentions.h"
#include "test.h"

TEST(a_repeat_points_to_the_first_place_which_knows)
{
    struct bytes keys[] = {BYTES_LIT("a"), BYTES_LIT("b"), BYTES_LIT("a"),
                           BYTES_LIT(""),  BYTES_LIT("a"), BYTES_LIT("")};
    static const int32_t firsts[] = {0, 1, 0, 3, 0, 3};
    static const bool repeated[] = {true, false, false, true, false, false};
    struct arena arena;
    arena_init(&arena, 4096);
    struct mention *m;
    EXPECT_OK(mentions_find(&arena, keys, 6, &m));
    for (int i = 0; i < 6; i++) {
        EXPECT_EQ(m[i].first, firsts[i]);
        EXPECT_EQ(m[i].repeated, repeated[i]);
    }
    arena_done(&arena);
}

TEST(null_is_like_no_other)
{
    struct bytes keys[] = {BYTES_NULL, BYTES_NULL, BYTES_LIT("")};
    struct arena arena;
    arena_init(&arena, 4096);
    struct mention *m;
    EXPECT_OK(mentions_find(&arena, keys, 3, &m));
    for (int i = 0; i < 3; i++) EXPECT(m[i].first == i && !m[i].repeated);
    EXPECT_OK(mentions_find(&arena, keys, 0, &m));
    arena_done(&arena);
}

TEST(a_full_arena_is_told)
{
    struct bytes keys[64] = {0};
    struct arena arena;
    arena_init(&arena, 64);
    struct mention *m = NULL;
    EXPECT_ERR(mentions_find(&arena, keys, 64, &m), ERR_TOO_LARGE);
    EXPECT(m == NULL);
    arena_done(&arena);
}

TEST(partitions_are_the_same_in_whatever_entry_they_stand)
{
    struct bytes topics[] = {BYTES_LIT("a"), BYTES_LIT("b"), BYTES_LIT("a")};
    struct partition_mention all[] = {{NULL, 0, 1}, {NULL, 0, 2}, {NULL, 1, 1}, {NULL, 2, 2}};
    static const int32_t topic_firsts[] = {0, 0, 1, 0}, firsts[] = {0, 1, 2, 1};
    static const bool repeated[] = {false, true, false, false};
    struct arena arena;
    arena_init(&arena, 4096);
    EXPECT_OK(mentions_of_partitions(&arena, topics, 3, all, 4));
    for (int i = 0; i < 4; i++) {
        EXPECT_EQ(all[i].topic, topic_firsts[i]);
        EXPECT_EQ(all[i].mention->first, firsts[i]);
        EXPECT_EQ(all[i].mention->repeated, repeated[i]);
    }
    arena_done(&arena);
}

TEST(partitions_in_their_order_are_told_apart_and_what_stands_twice_is_found)
{
    struct bytes topics[] = {BYTES_LIT("a"), BYTES_LIT("b"), BYTES_LIT("c")};
    struct partition_mention plain[] = {{NULL, 0, 1}, {NULL, 0, 2}, {NULL, 2, 0}};
    struct partition_mention twice[] = {{NULL, 0, 1}, {NULL, 0, 1}, {NULL, 2, 0}};
    struct partition_mention back[] = {{NULL, 0, 2}, {NULL, 0, 1}, {NULL, 0, 2}};
    struct arena arena;
    arena_init(&arena, 1 << 16);
    EXPECT_OK(mentions_of_partitions(&arena, topics, 3, plain, 3));
    for (int i = 0; i < 3; i++) EXPECT(plain[i].mention->first == i && !plain[i].mention->repeated);
    EXPECT_OK(mentions_of_partitions(&arena, topics, 3, twice, 3));
    EXPECT(twice[1].mention->first == 0 && twice[0].mention->repeated);
    EXPECT_OK(mentions_of_partitions(&arena, topics, 3, back, 3));
    EXPECT(back[2].mention->first == 0 && back[1].mention->first == 1);
    EXPECT_OK(mentions_of_partitions(&arena, topics, 3, NULL, 0));
    arena_done(&arena);
}

TEST(a_set_of_names_tells_where_one_stands)
{
    struct bytes names[] = {BYTES_LIT("a"), BYTES_LIT("b"), BYTES_NULL, BYTES_LIT("b")};
    struct arena arena;
    arena_init(&arena, 4096);
    struct name_set set;
    EXPECT_OK(name_set_init(&set, &arena, names, 4));
    EXPECT_EQ(name_set_find(&set, BYTES_LIT("a")), 0);
    EXPECT_EQ(name_set_find(&set, BYTES_LIT("b")), 1);
    EXPECT_EQ(name_set_find(&set, BYTES_LIT("")), -1);
    EXPECT_EQ(name_set_find(&set, BYTES_LIT("c")), -1);
    arena_done(&arena);
}

TESTS(RUN(partitions_are_the_same_in_whatever_entry_they_stand),
      RUN(partitions_in_their_order_are_told_apart_and_what_stands_twice_is_found),
      RUN(a_set_of_names_tells_where_one_stands),
      RUN(a_repeat_points_to_the_first_place_which_knows), RUN(null_is_like_no_other),
      RUN(a_full_arena_is_told))
