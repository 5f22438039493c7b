#define BASE_OWNS_MEMORY
#include "base/arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/budget.h"
#include "base/mem.h"
#include "base/check.h"

enum { BLOCK_BYTES_MIN = 2048, BLOCK_BYTES_MAX = 256 * 1024, ALIGN = 16 };

struct arena_block {
    struct arena_block *next;
    size_t used;
    size_t cap;
    size_t pad;              /* keeps data aligned to 16 */
    uint8_t data[];
};

void arena_init(struct arena *a, size_t cap)
{
    *a = (struct arena){.cap = cap};
}

static void blocks_free(struct arena_block *b)
{
    while (b != NULL) {
        struct arena_block *next = b->next;
        free(b);
        b = next;
    }
}

static void uncharge(struct arena *a)
{
    if (a->charged > 0) budget_give(a->budget, a->charged);
    a->charged = 0;
}

void arena_done(struct arena *a)
{
    blocks_free(a->blocks);
    uncharge(a);
    a->blocks = NULL;
    a->used = 0;
}

void arena_reset(struct arena *a)
{
    if (a->blocks == NULL) return;
    blocks_free(a->blocks->next);
    a->blocks->next = NULL;
    a->blocks->used = 0;
    a->used = 0;
    uncharge(a);
}

static struct arena_block *block_add(struct arena *a, size_t bytes)
{
    size_t cap = a->blocks ? a->blocks->cap * 2 : BLOCK_BYTES_MIN;
    if (cap > BLOCK_BYTES_MAX) cap = BLOCK_BYTES_MAX;
    if (cap < bytes) cap = bytes;
    /* A first block of the least size is what every request has: it is counted with it. */
    size_t charge = a->budget != NULL && (a->blocks != NULL || cap > BLOCK_BYTES_MIN) ? cap : 0;
    if (mem_fails() || (charge > 0 && !budget_charge(a->budget, charge))) return NULL;
    struct arena_block *b = malloc(sizeof *b + cap);
    if (b == NULL) {
        if (charge > 0) budget_give(a->budget, charge);
        return NULL;
    }
    a->charged += charge;
    b->next = a->blocks;
    b->used = 0;
    b->cap = cap;
    a->blocks = b;
    return b;
}

void *arena_alloc(struct arena *a, size_t bytes)
{
    if (bytes > a->cap || a->used > a->cap - bytes) return NULL;
    size_t need = bytes ? (bytes + ALIGN - 1) / ALIGN * ALIGN : ALIGN;
    struct arena_block *b = a->blocks;
    if (b == NULL || need > b->cap - b->used) b = block_add(a, need);
    if (b == NULL) return NULL;
    void *p = b->data + b->used;
    b->used += need;
    a->used += need;
    memset(p, 0, need);
    return p;
}

void *arena_array(struct arena *a, size_t count, size_t bytes)
{
    size_t total;
    return __builtin_mul_overflow(count, bytes, &total) ? NULL : arena_alloc(a, total);
}

struct bytes arena_copy(struct arena *a, struct bytes b)
{
    if (bytes_is_null(b)) return BYTES_NULL;
    uint8_t *p = arena_alloc(a, b.len + 1);
    if (p == NULL) return BYTES_NULL;
    mem_copy(p, b.data, b.len);
    return bytes_of(p, b.len);
}

char *arena_printf(struct arena *a, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *s = len < 0 ? NULL : arena_alloc(a, (size_t)len + 1);
    if (s != NULL) vsnprintf(s, (size_t)len + 1, format, again);
    va_end(again);
    return s;
}
