#include "storage/topic/words.h"

#include <stdio.h>
#include "base/mem.h"
#include "test.h"

TEST(words_are_trimmed_and_may_be_empty)
{
    struct bytes rest = BYTES_LIT(" a,b ,, c"), word;
    const char *want[] = {"a", "b", "", "c"};
    for (int i = 0; i < 4; i++) {
        EXPECT(words_next(&rest, &word));
        EXPECT(bytes_equal_str(word, want[i]));
    }
    EXPECT(!words_next(&rest, &word));
    EXPECT(words_have(BYTES_LIT("a, b"), BYTES_LIT("b")));
    EXPECT(!words_have(BYTES_LIT("a, bc"), BYTES_LIT("b")));
}

/* A walk through the others for each of them would take minutes. */
TEST(a_long_list_costs_what_it_is_long)
{
    enum { WORDS = 1 << 19, CHARS = 9 };
    char *list = mem_new((size_t)WORDS * CHARS);
    for (int i = 0; i < WORDS; i++) snprintf(list + (size_t)i * CHARS, CHARS, "%08d", i);
    for (int i = 0; i < WORDS; i++) list[(size_t)i * CHARS + CHARS - 1] = ',';
    struct bytes all = bytes_of((uint8_t *)list, (size_t)WORDS * CHARS - 1);
    struct word_set set;
    word_set_init_of(&set, all);
    EXPECT(word_set_has(&set, BYTES_LIT("00000007")));
    EXPECT(!word_set_has(&set, BYTES_LIT("7")));
    EXPECT(!word_set_add(&set, BYTES_LIT("00524287")));
    word_set_done(&set);
    mem_free(list);
}

TEST(a_set_knows_what_it_has)
{
    struct word_set set;
    word_set_init(&set, BYTES_LIT("a,,b"));
    EXPECT(word_set_add(&set, BYTES_LIT("a")));
    EXPECT(!word_set_add(&set, BYTES_LIT("a")));
    EXPECT(word_set_add(&set, BYTES_LIT("")));
    EXPECT(word_set_add(&set, BYTES_LIT("b")));
    EXPECT(word_set_has(&set, BYTES_LIT("")));
    word_set_done(&set);
}

TESTS(RUN(words_are_trimmed_and_may_be_empty), RUN(a_set_knows_what_it_has),
      RUN(a_long_list_costs_what_it_is_long))
