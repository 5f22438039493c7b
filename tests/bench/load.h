/* What the load generators share: the clock, their arguments, and how they report. */
#ifndef TESTS_BENCH_LOAD_H
#define TESTS_BENCH_LOAD_H

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const int64_t NS_PER_S = 1000000000;

static inline int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * NS_PER_S + t.tv_nsec;
}

static inline double seconds_since(int64_t start_ns)
{
    return (double)(now_ns() - start_ns) / (double)NS_PER_S;
}

__attribute__((format(printf, 1, 2), noreturn)) static inline void fail(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    exit(1);
}

static inline int64_t number(const char *text)
{
    char *end;
    int64_t n = strtoll(text, &end, 10);
    if (*end != '\0' || n < 0) fail("not a number: %s", text);
    return n;
}

static inline int compare_i64(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static inline double share_us(const int64_t *sorted_ns, size_t count, double share)
{
    return (double)sorted_ns[(size_t)((double)(count - 1) * share)] / 1e3;
}

/* Sorts them; count >= 1. */
static inline void print_latency(int64_t *latency_ns, size_t count)
{
    qsort(latency_ns, count, sizeof *latency_ns, compare_i64);
    printf("records=%zu p50_us=%.0f p99_us=%.0f p999_us=%.0f max_us=%.0f\n", count,
           share_us(latency_ns, count, 0.5), share_us(latency_ns, count, 0.99),
           share_us(latency_ns, count, 0.999), share_us(latency_ns, count, 1));
}

struct work {
    const char *name;
    int arguments;
    void (*run)(char **args);
};

/* Runs the work that argv names, or fails with usage. */
static inline int run_work(const struct work *works, size_t count, int argc, char **argv,
                           const char *usage)
{
    for (size_t i = 0; i < count; i++) {
        if (argc - 2 != works[i].arguments || strcmp(argv[1], works[i].name) != 0) continue;
        works[i].run(argv + 2);
        return 0;
    }
    fail("usage: see the head of %s", usage);
}

#endif
