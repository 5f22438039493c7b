#include "base/bytes.h"
#include "random.h"
#include "test.h"

TEST(blanks_at_both_ends_go)
{
    EXPECT_BYTES(bytes_trim(BYTES_LIT(" a b\t\n")), "a b");
    EXPECT_BYTES(bytes_trim(BYTES_LIT("a")), "a");
    EXPECT_EQ(bytes_trim(BYTES_LIT(" \t ")).len, 0);
    EXPECT_EQ(bytes_trim(BYTES_LIT("")).len, 0);
    EXPECT_EQ(bytes_trim(BYTES_NULL).len, 0);
}

TEST(letters_are_the_same_in_either_case)
{
    EXPECT(bytes_equal_nocase(BYTES_LIT("Content-Length"), "content-length"));
    EXPECT(bytes_equal_nocase(BYTES_LIT(""), ""));
    EXPECT(!bytes_equal_nocase(BYTES_LIT("true "), "true"));
    EXPECT(!bytes_equal_nocase(BYTES_LIT("tru"), "true"));
    EXPECT(!bytes_equal_nocase(BYTES_LIT("trua"), "true"));
    EXPECT(!bytes_equal_nocase(BYTES_NULL, "true"));
}

/* By the table of RFC 3629, one character after the other. */
static bool is_utf8_by_table(const uint8_t *p, size_t len, size_t *ret_chars)
{
    static const struct {
        uint8_t from, to, second_from, second_to, more;
    } rows[] = {{0x00, 0x7f, 0, 0, 0},       {0xc2, 0xdf, 0x80, 0xbf, 1},
                {0xe0, 0xe0, 0xa0, 0xbf, 2}, {0xe1, 0xec, 0x80, 0xbf, 2},
                {0xed, 0xed, 0x80, 0x9f, 2}, {0xee, 0xef, 0x80, 0xbf, 2},
                {0xf0, 0xf0, 0x90, 0xbf, 3}, {0xf1, 0xf3, 0x80, 0xbf, 3},
                {0xf4, 0xf4, 0x80, 0x8f, 3}};
    *ret_chars = 0;
    for (size_t i = 0; i < len; ++*ret_chars) {
        size_t row = 0, rows_count = sizeof rows / sizeof rows[0];
        while (row < rows_count && (p[i] < rows[row].from || p[i] > rows[row].to)) row++;
        if (row == rows_count || len - i <= rows[row].more) return false;
        for (size_t j = 1; j <= rows[row].more; j++) {
            uint8_t least = j == 1 ? rows[row].second_from : 0x80;
            uint8_t most = j == 1 ? rows[row].second_to : 0xbf;
            if (p[i + j] < least || p[i + j] > most) return false;
        }
        i += 1u + rows[row].more;
    }
    return true;
}

TEST(utf8_is_told_and_counted_as_its_table_says)
{
    static const char *const parts[] = {
        "a", "abcdefgh", "\xc2\x80", "\xc3\xa9", "\xdf\xbf", "\xe0\xa0\x80", "\xe2\x82\xac",
        "\xed\x9f\xbf", "\xef\xbf\xbd", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf"};
    struct random random = random_seeded();
    int legal = 0;
    enum { TIMES = 100000 };
    for (int n = 0; n < TIMES; n++) {
        uint8_t text[100];
        size_t len = 0;
        for (size_t left = random_below(&random, 20); left > 0; left--) {
            const char *part = parts[random_below(&random, sizeof parts / sizeof parts[0])];
            for (; *part; part++) text[len++] = (uint8_t)*part;
            if (len > 90) break;
        }
        if (len > 0 && n % 2) text[random_below(&random, len)] = (uint8_t)random_next(&random);
        if (len > 0 && n % 3 == 0) len--;
        size_t chars = 0, expected_chars = 0;
        bool expected = is_utf8_by_table(text, len, &expected_chars);
        EXPECT_EQ(bytes_is_utf8(bytes_of(text, len), &chars), expected);
        if (expected) EXPECT_EQ(chars, expected_chars);
        legal += expected;
    }
    EXPECT(legal > TIMES / 4 && legal < TIMES);
}

TESTS(RUN(utf8_is_told_and_counted_as_its_table_says), RUN(blanks_at_both_ends_go),
      RUN(letters_are_the_same_in_either_case))
