/* Random numbers for tests: the seed is printed, and DIGLOT_SEED=n runs the same again. */
#ifndef TESTS_RANDOM_H
#define TESTS_RANDOM_H

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

struct random {
    uint64_t state;
};

/* splitmix64 */
static inline uint64_t random_next(struct random *r)
{
    uint64_t v = r->state += 0x9e3779b97f4a7c15u;
    v = (v ^ v >> 30) * 0xbf58476d1ce4e5b9u;
    v = (v ^ v >> 27) * 0x94d049bb133111ebu;
    return v ^ v >> 31;
}

/* 0 <= result < bound; bound > 0. */
static inline uint64_t random_below(struct random *r, uint64_t bound)
{
    return random_next(r) % bound;
}

static inline struct random random_seeded(void)
{
    const char *given = getenv("DIGLOT_SEED");
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    struct random r = {given ? strtoull(given, NULL, 0)
                             : (uint64_t)now.tv_sec * 1000000007u + (uint64_t)now.tv_nsec};
    fprintf(stderr, "DIGLOT_SEED=%" PRIu64 "\n", r.state);
    return r;
}

#endif
