#include "base/net/room.h"
#include "test.h"

enum { MIB = 1 << 20 };

TEST(who_wants_little_gets_it)
{
    struct room r = {.queued = 4 * (size_t)ROOM_BYTES};
    EXPECT_EQ(room_for(&r, 100), 100);
    EXPECT_EQ(room_for(&r, 0), 0);
}

TEST(an_empty_loop_has_room_for_the_largest_answers)
{
    struct room r = {0};
    EXPECT_EQ(room_for(&r, 50 * MIB), 50 * MIB);
}

TEST(answers_become_smaller_and_stay_within_the_room)
{
    struct room r = {0};
    size_t answers = 0, before = SIZE_MAX;
    while (room_for(&r, SIZE_MAX) > ROOM_ANSWER_BYTES_MIN) {
        size_t bytes = room_for(&r, SIZE_MAX);
        EXPECT(bytes <= before);
        before = bytes;
        if (answers++ % 2 == 0) r.queued += bytes;
        else room_promise(&r, bytes);
    }
    EXPECT(answers > 5);
    EXPECT(r.queued + r.promised <= ROOM_BYTES);
    room_promise(&r, ROOM_BYTES);               /* beyond it each still gets something */
    EXPECT_EQ(room_for(&r, SIZE_MAX), ROOM_ANSWER_BYTES_MIN);
}

TEST(what_is_released_is_there_again)
{
    struct room r = {0};
    room_promise(&r, ROOM_BYTES);
    room_release(&r, ROOM_BYTES / 2);
    room_release(&r, ROOM_BYTES / 2);
    EXPECT_EQ(room_for(&r, SIZE_MAX), ROOM_BYTES / 2);
}

TESTS(RUN(who_wants_little_gets_it), RUN(an_empty_loop_has_room_for_the_largest_answers),
      RUN(answers_become_smaller_and_stay_within_the_room), RUN(what_is_released_is_there_again))
