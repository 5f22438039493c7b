/* Random values of any Kinesis shape that hold its constraints, made and compared by the tables. */
#ifndef TESTS_KINESIS_RANDOM_H
#define TESTS_KINESIS_RANDOM_H

#include <stdlib.h>
#include <time.h>
#include "base/arena.h"
#include "base/mem.h"
#include "protocol/kinesis/api.gen.h"
#include "test.h"

struct dice {
    unsigned seed;
    struct arena arena;
};

static inline void dice_init(struct dice *d)
{
    const char *given = getenv("DIGLOT_SEED");
    d->seed = given ? (unsigned)strtoul(given, NULL, 10) : (unsigned)time(NULL);
    print_message("DIGLOT_SEED=%u\n", d->seed);
    arena_init(&d->arena, 64 << 20);
}

static inline uint64_t roll(struct dice *d, uint64_t below)
{
    uint64_t v = (uint64_t)rand_r(&d->seed) << 31 ^ (uint64_t)rand_r(&d->seed);
    return below ? v % below : 0;
}

static inline void *room(struct dice *d, size_t bytes)
{
    void *p = arena_alloc(&d->arena, bytes);
    assert_non_null(p);
    return p;
}

/* Characters of every width, and those that JSON must escape. */
static inline struct bytes random_text(struct dice *d, size_t chars_min, size_t chars_max)
{
    static const char *const chars[] = {"a",
                                        "Z",
                                        "0",
                                        "\"",
                                        "\\",
                                        "/",
                                        "\n",
                                        "\t",
                                        "\x01",
                                        "\x1f",
                                        "\x7f",
                                        " ",
                                        "\xc2\x80",
                                        "\xc3\xa9",
                                        "\xe2\x82\xac",
                                        "\xef\xbf\xbf",
                                        "\xed\x9f\xbf",
                                        "\xf0\x9f\x98\x80",
                                        "\xf4\x8f\xbf\xbf",
                                        "{",
                                        "}",
                                        ":",
                                        ","};
    size_t count = chars_min + roll(d, chars_max - chars_min + 1), len = 0;
    uint8_t *to = room(d, count * 4);
    bool plain = roll(d, 2) == 0;
    for (size_t i = 0; i < count; i++) {
        const char *c = plain ? chars[roll(d, 3)] : chars[roll(d, sizeof chars / sizeof chars[0])];
        mem_copy(to + len, c, strlen(c));
        len += strlen(c);
    }
    return bytes_of(to, len);
}

/* Patterns that a blind walk would hardly meet have samples. */
static inline struct bytes random_match(struct dice *d, const struct aws_shape *shape)
{
    static const struct { const char *shape, *text; } samples[] = {
        {"StreamARN", "arn:aws:kinesis:us-east-1:123456789012:stream/a.b-c_d"},
        {"ResourceARN", "arn:aws-cn:kinesis:x:000000000000:stream/s/consumer/c:1"},
        {"ConsumerARN", "arn:aws:kinesis:us-east-1:123456789012:stream/a/consumer/c:12345"},
        {"StreamId", "abcdefghij0123456789-xyz"},
    };
    for (size_t i = 0; i < sizeof samples / sizeof samples[0]; i++)
        if (strcmp(shape->name, samples[i].shape) == 0) return bytes_str(samples[i].text);
    const char *alphabet = strchr(shape->pattern->text, 'z') ? "azAZ09_.-" : "1234567890";
    size_t len = 1 + roll(d, 30);
    char *to = room(d, len);
    for (size_t i = 0; i < len; i++) to[i] = alphabet[roll(d, i == 0 ? 4 : strlen(alphabet))];
    return bytes_of(to, len);
}

static inline int64_t random_number(struct dice *d, const struct aws_shape *shape)
{
    int64_t low = shape->min == INT64_MIN ? INT32_MIN : shape->min;
    int64_t high = shape->max == INT64_MAX
                       ? (shape->kind == AWS_LONG ? INT64_MAX / 2 : INT32_MAX)
                       : shape->max;
    int64_t v = low + (int64_t)roll(d, (uint64_t)(high - low) + 1);
    return roll(d, 3) ? v : roll(d, 2) ? low : high;
}

static inline void random_value(struct dice *d, const struct aws_shape *shape, void *at,
                                void *aux);

static inline struct bytes random_blob(struct dice *d)
{
    size_t len = roll(d, roll(d, 4) ? 40 : 400);
    uint8_t *to = room(d, len);
    for (size_t i = 0; i < len; i++) to[i] = (uint8_t)roll(d, 256);
    return bytes_of(to, len);
}

static inline void random_struct(struct dice *d, const struct aws_shape *shape, uint8_t *base)
{
    for (uint32_t i = 0; i < shape->members_count; i++) {
        const struct aws_member *m = &shape->members[i];
        bool has_flag = m->aux_offset != AWS_NONE && m->shape->kind != AWS_LIST &&
                        m->shape->kind != AWS_MAP;
        if (!m->required && roll(d, 2)) continue;
        uint8_t *at = base + m->offset;
        if (m->by_pointer) {
            uint8_t *inner = room(d, m->shape->size);
            *(void **)(void *)at = inner;
            at = inner;
        }
        if (has_flag) *(bool *)(base + m->aux_offset) = true;
        random_value(d, m->shape, at, m->aux_offset == AWS_NONE ? NULL : base + m->aux_offset);
    }
}

static inline void random_list(struct dice *d, const struct aws_shape *shape, void *at,
                               void *aux)
{
    int64_t low = shape->min == INT64_MIN ? 0 : shape->min,
            high = shape->max == INT64_MAX ? 20 : shape->max;
    uint32_t count = (uint32_t)(low +
                                (int64_t)roll(d, (uint64_t)((high > 20 ? 20 : high) - low + 1)));
    if (roll(d, 50) == 0) count = (uint32_t)high;
    uint8_t *data = room(d, count * shape->size);
    for (uint32_t i = 0; i < count; i++) {
        uint8_t *element = data + (size_t)i * shape->size;
        if (shape->kind == AWS_MAP) {
            struct aws_pair *pair = (void *)element;
            char *key = room(d, 12);
            snprintf(key, 12, "%u", i);                  /* no key twice */
            pair->key = bytes_str(key);
            random_value(d, shape->element, &pair->value, NULL);
        } else {
            random_value(d, shape->element, element, NULL);
        }
    }
    *(void **)at = data;
    *(uint32_t *)aux = count;
}

static inline void random_value(struct dice *d, const struct aws_shape *shape, void *at,
                                void *aux)
{
    switch (shape->kind) {
    case AWS_STRING:
        *(struct bytes *)at = shape->values ? bytes_str(shape->values[roll(d, shape->values_count)])
                              : shape->pattern ? random_match(d, shape)
                                               : random_text(d, shape->min > 0 ? 1 : 0, 40);
        return;
    case AWS_BLOB: *(struct bytes *)at = random_blob(d); return;
    case AWS_INTEGER: *(int32_t *)at = (int32_t)random_number(d, shape); return;
    case AWS_LONG: *(int64_t *)at = random_number(d, shape); return;
    case AWS_BOOLEAN: *(bool *)at = roll(d, 2); return;
    case AWS_TIMESTAMP:
        *(int64_t *)at = (int64_t)roll(d, 4000000000000) / (roll(d, 2) ? 1 : 1000) *
                         (roll(d, 2) ? 1 : 1000);
        if (*(int64_t *)at > 4000000000000) *(int64_t *)at = 4000000000000;
        return;
    case AWS_LIST:
    case AWS_MAP: random_list(d, shape, at, aux); return;
    case AWS_STRUCT: random_struct(d, shape, at); return;
    }
}

static inline void expect_same(const struct aws_shape *shape, const uint8_t *a,
                               const uint8_t *b);

static inline void expect_same_member(const struct aws_member *m, const uint8_t *a,
                                      const uint8_t *b)
{
    const void *at_a = a + m->offset, *at_b = b + m->offset;
    switch (m->shape->kind) {
    case AWS_STRING:
    case AWS_BLOB:
        EXPECT(bytes_equal(*(const struct bytes *)at_a, *(const struct bytes *)at_b));
        return;
    case AWS_STRUCT:
        if (m->by_pointer)
            expect_same(m->shape, *(const uint8_t *const *)at_a, *(const uint8_t *const *)at_b);
        else expect_same(m->shape, at_a, at_b);
        return;
    case AWS_LIST:
    case AWS_MAP: {
        uint32_t count = *(const uint32_t *)(const void *)(a + m->aux_offset);
        EXPECT_EQ(*(const uint32_t *)(const void *)(b + m->aux_offset), count);
        const uint8_t *list_a = *(const uint8_t *const *)at_a,
                      *list_b = *(const uint8_t *const *)at_b;
        for (uint32_t i = 0; i < count; i++, list_a += m->shape->size, list_b += m->shape->size) {
            if (m->shape->element->kind == AWS_STRUCT) {
                expect_same(m->shape->element, list_a, list_b);
            } else {
                const struct bytes *text_a = (const void *)list_a, *text_b = (const void *)list_b;
                for (size_t j = 0; j < m->shape->size / sizeof *text_a; j++)
                    EXPECT(bytes_equal(text_a[j], text_b[j]));
            }
        }
        return;
    }
    default: EXPECT(memcmp(at_a, at_b, m->shape->size) == 0);
    }
}

static inline void expect_same(const struct aws_shape *shape, const uint8_t *a,
                               const uint8_t *b)
{
    for (uint32_t i = 0; i < shape->members_count; i++) {
        const struct aws_member *m = &shape->members[i];
        EXPECT_EQ(aws_member_absent(m, a), aws_member_absent(m, b));
        if (!aws_member_absent(m, a)) expect_same_member(m, a, b);
    }
}

#endif
