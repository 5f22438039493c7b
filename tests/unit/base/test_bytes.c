#include "base/bytes.h"
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

TESTS(RUN(blanks_at_both_ends_go), RUN(letters_are_the_same_in_either_case))
