/* Thin names over cmocka, so that a test reads as a sentence. A test file is: TEST(...) functions,
 * then TESTS(a, b, c). */
#ifndef TESTS_TEST_H
#define TESTS_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>
#include "base/bytes.h"
#include "base/err.h"

#define TEST(name) static void name(void **state __attribute__((unused)))
#define EXPECT(cond) assert_true(cond)
#define EXPECT_EQ(a, b) assert_int_equal((intmax_t)(a), (intmax_t)(b))
#define EXPECT_STR(a, b) assert_string_equal((a), (b))
#define EXPECT_BYTES(b, text)                                                                      \
    do {                                                                                           \
        struct bytes got_ = (b);                                                                   \
        assert_int_equal(got_.len, strlen(text));                                                  \
        assert_memory_equal(got_.data, (text), got_.len);                                          \
    } while (0)
/* On a mismatch prints both error names. */
#define EXPECT_ERR(expr, want)                                                                     \
    do {                                                                                           \
        enum err got_ = (expr);                                                                    \
        if (got_ != (want)) print_error("got %s, want %s\n", err_name(got_), err_name(want));      \
        assert_int_equal(got_, (want));                                                            \
    } while (0)
#define EXPECT_OK(expr) EXPECT_ERR(expr, ERR_OK)

/* Takes step again and again until the condition holds; what never comes fails the test by name.
 * The clock is the real one, also while clock_fake() holds the server's. */
enum { UNTIL_MS = 120000 };
static inline int64_t until_now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}
#define UNTIL(condition, step)                                                                     \
    do {                                                                                           \
        int64_t until_ms_ = until_now_ms() + UNTIL_MS;                                             \
        while (!(condition)) {                                                                     \
            if (until_now_ms() > until_ms_) fail_msg("waited in vain for: %s", #condition);        \
            step;                                                                                  \
        }                                                                                          \
    } while (0)

#define TESTS(...)                                                                                 \
    int main(void)                                                                                 \
    {                                                                                              \
        const struct CMUnitTest tests[] = {__VA_ARGS__};                                           \
        return cmocka_run_group_tests(tests, NULL, NULL);                                          \
    }
/* TESTS(RUN(one), RUN(two)) */
#define RUN(name) cmocka_unit_test(name)

#endif
