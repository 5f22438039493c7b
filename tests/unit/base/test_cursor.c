#include "base/cursor.h"
#include "base/writer.h"
#include "test.h"

static struct cursor over(struct bytes b)
{
    static struct arena arena;
    arena_done(&arena);
    arena_init(&arena, 1 << 16);
    struct cursor c;
    cursor_init(&c, b, &arena);
    return c;
}

TEST(what_is_written_reads_back)
{
    struct writer w;
    writer_init(&w, 1 << 16);
    writer_i8(&w, -7);
    writer_i16(&w, -300);
    writer_i32(&w, -70000);
    writer_i64(&w, INT64_MIN);
    writer_uvarint(&w, UINT32_MAX);
    writer_varint(&w, INT32_MIN);
    writer_varlong(&w, INT64_MIN);
    for (int flexible = 0; flexible < 2; flexible++) {
        writer_string(&w, BYTES_LIT("key"), flexible);
        writer_string(&w, BYTES_NULL, flexible);
        writer_bytes(&w, BYTES_LIT(""), flexible);
        writer_count(&w, -1, flexible);
    }
    EXPECT_OK(w.err);
    struct cursor c = over(bytes_of(w.data, w.len));
    EXPECT_EQ(cursor_i8(&c), -7);
    EXPECT_EQ(cursor_i16(&c), -300);
    EXPECT_EQ(cursor_i32(&c), -70000);
    EXPECT_EQ(cursor_i64(&c), INT64_MIN);
    EXPECT_EQ(cursor_uvarint(&c), UINT32_MAX);
    EXPECT_EQ(cursor_varint(&c), INT32_MIN);
    EXPECT_EQ(cursor_varlong(&c), INT64_MIN);
    for (int flexible = 0; flexible < 2; flexible++) {
        EXPECT_BYTES(cursor_string(&c, flexible), "key");
        EXPECT(bytes_is_null(cursor_string_or_null(&c, flexible)));
        EXPECT_BYTES(cursor_bytes(&c, flexible), "");
        EXPECT_EQ(cursor_count_or_null(&c, flexible, 1), -1);
    }
    EXPECT_OK(cursor_finish(&c));
    EXPECT_EQ(c.left, 0);
    writer_done(&w);
}

TEST(a_short_read_poisons_what_follows)
{
    struct cursor c = over(BYTES_LIT("\x01\x02\x03"));
    EXPECT_EQ(cursor_i32(&c), 0);
    EXPECT_EQ(cursor_i8(&c), 0);
    EXPECT_ERR(cursor_finish(&c), ERR_INVALID_REQUEST);
}

TEST(a_count_beyond_the_bytes_left_is_refused)
{
    struct cursor c = over(BYTES_LIT("\x7f\xff\xff\xff\x00\x00"));
    EXPECT_EQ(cursor_count(&c, false, 1), 0);
    EXPECT_ERR(cursor_finish(&c), ERR_INVALID_REQUEST);
    c = over(BYTES_LIT("\xff\xff\xff\xff\x0f"));
    EXPECT_EQ(cursor_count_or_null(&c, true, 4), -1);
    EXPECT_ERR(cursor_finish(&c), ERR_INVALID_REQUEST);
}

TEST(a_varint_that_overflows_is_refused)
{
    struct cursor c = over(BYTES_LIT("\xff\xff\xff\xff\x1f"));
    cursor_uvarint(&c);
    EXPECT_ERR(cursor_finish(&c), ERR_INVALID_REQUEST);
    c = over(BYTES_LIT("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"));
    cursor_varlong(&c);
    EXPECT_ERR(cursor_finish(&c), ERR_INVALID_REQUEST);
}

TEST(null_where_none_is_legal_is_refused)
{
    struct cursor c = over(BYTES_LIT("\xff\xff"));
    cursor_string(&c, false);
    EXPECT_ERR(cursor_finish(&c), ERR_INVALID_REQUEST);
    c = over(BYTES_LIT("\xff\xfe"));
    cursor_string_or_null(&c, false);
    EXPECT_ERR(cursor_finish(&c), ERR_INVALID_REQUEST);
}

TEST(strings_end_at_32767_bytes_in_either_form)
{
    static uint8_t frame[40000] = {0x80, 0x80, 0x02};    /* compact, 32767 bytes */
    struct cursor c = over(bytes_of(frame, sizeof frame));
    EXPECT_EQ(cursor_string(&c, true).len, INT16_MAX);
    EXPECT_OK(cursor_finish(&c));
    frame[0] = 0x81;
    c = over(bytes_of(frame, sizeof frame));
    cursor_string(&c, true);
    EXPECT_ERR(cursor_finish(&c), ERR_INVALID_REQUEST);
    c = over(bytes_of(frame, sizeof frame));             /* but not bytes */
    EXPECT_EQ(cursor_bytes(&c, true).len, INT16_MAX + 1);
    struct writer w;
    writer_init(&w, 1 << 20);
    writer_string(&w, bytes_of(frame, INT16_MAX), true);
    EXPECT_OK(w.err);
    writer_string(&w, bytes_of(frame, INT16_MAX + 1), true);
    EXPECT_ERR(w.err, ERR_TOO_LARGE);
    writer_done(&w);
}

TEST(an_array_beyond_the_arena_is_too_large)
{
    struct cursor c = over(BYTES_LIT("xx"));
    EXPECT(cursor_array(&c, 1 << 20, 64) == NULL);
    EXPECT_ERR(cursor_finish(&c), ERR_TOO_LARGE);
}

TEST(a_writer_stops_at_its_limit)
{
    struct writer w;
    writer_init(&w, 10);
    writer_i64(&w, 1);
    writer_i64(&w, 2);
    writer_i8(&w, 3);
    EXPECT_ERR(w.err, ERR_TOO_LARGE);
    EXPECT_EQ(w.len, 8);
    writer_done(&w);
}

TEST(all_arrays_together_have_as_many_elements_as_are_left)
{
    struct arena arena;
    arena_init(&arena, 4096);
    struct cursor c;
    cursor_init(&c, BYTES_LIT("abc"), &arena);
    c.elements_left = 10;
    EXPECT(cursor_array(&c, 6, 8) != NULL);
    EXPECT(cursor_array(&c, 4, 8) != NULL);
    EXPECT(cursor_array(&c, 0, 8) == NULL);
    EXPECT_ERR(cursor_finish(&c), ERR_OK);
    EXPECT(cursor_array(&c, 1, 8) == NULL);
    EXPECT_ERR(cursor_finish(&c), ERR_TOO_LARGE);
    EXPECT_EQ(cursor_i8(&c), 0);
    arena_done(&arena);
}

TESTS(RUN(all_arrays_together_have_as_many_elements_as_are_left),
      RUN(what_is_written_reads_back), RUN(a_short_read_poisons_what_follows),
      RUN(a_count_beyond_the_bytes_left_is_refused), RUN(a_varint_that_overflows_is_refused),
      RUN(null_where_none_is_legal_is_refused), RUN(strings_end_at_32767_bytes_in_either_form),
      RUN(an_array_beyond_the_arena_is_too_large), RUN(a_writer_stops_at_its_limit))
