/* Files of tests/golden, read into memory that the process keeps. Tests run in the source
 * folder. */
#ifndef TESTS_GOLDEN_H
#define TESTS_GOLDEN_H

#include <stdio.h>
#include <stdlib.h>
#include "test.h"

/* path: below tests/golden. The bytes may be written to. */
static inline struct bytes golden(const char *path)
{
    char full[256];
    snprintf(full, sizeof full, "tests/golden/%s", path);
    FILE *f = fopen(full, "rb");
    if (f == NULL) print_error("cannot open %s: run the test in the source folder\n", full);
    assert_non_null(f);
    enum { CAP = 1 << 20 };
    uint8_t *data = malloc(CAP);
    size_t len = fread(data, 1, CAP, f);
    fclose(f);
    assert_in_range(len, 1, CAP - 1);
    return bytes_of(data, len);
}

static inline void golden_free(struct bytes b)
{
    free((void *)b.data);
}

/* What was made is what the file under tests/golden holds. */
#define EXPECT_GOLDEN(path, got_data, got_len)                                                     \
    do {                                                                                           \
        struct bytes want_ = golden(path);                                                         \
        EXPECT_EQ(got_len, want_.len);                                                             \
        assert_memory_equal(got_data, want_.data, want_.len);                                      \
        golden_free(want_);                                                                        \
    } while (0)

#endif
