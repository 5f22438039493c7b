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

TESTS(RUN(a_repeat_points_to_the_first_place_which_knows), RUN(null_is_like_no_other),
      RUN(a_full_arena_is_told))
