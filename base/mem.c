#define BASE_OWNS_MEMORY
#include "base/mem.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include "base/check.h"

static atomic_int_least64_t fail_after = -1;

void mem_fail_after(int64_t count)
{
    atomic_store(&fail_after, count);
}

bool mem_fails(void)
{
    if (__builtin_expect(atomic_load_explicit(&fail_after, memory_order_relaxed) < 0, 1))
        return false;
    int64_t left = atomic_load(&fail_after);
    while (left > 0 && !atomic_compare_exchange_weak(&fail_after, &left, left - 1)) continue;
    return left == 0;
}

void *mem_try_array(size_t count, size_t bytes)
{
    return mem_fails() ? NULL : calloc(count ? count : 1, bytes ? bytes : 1);
}

void *mem_try_grow(void *p, size_t bytes)
{
    return mem_fails() ? NULL : realloc(p, bytes ? bytes : 1);
}

char *mem_try_string(const char *data, size_t len)
{
    char *s = len < SIZE_MAX ? mem_try_array(1, len + 1) : NULL;
    if (s != NULL) mem_copy(s, data, len);
    return s;
}

void *mem_new(size_t bytes)
{
    return mem_array(1, bytes);
}

void *mem_array(size_t count, size_t bytes)
{
    void *p = calloc(count ? count : 1, bytes ? bytes : 1);   /* calloc checks the product */
    if (p == NULL) abort();
    return p;
}

void *mem_grow(void *p, size_t bytes)
{
    p = realloc(p, bytes ? bytes : 1);
    if (p == NULL) abort();
    return p;
}

char *mem_string(const char *data, size_t len)
{
    char *s = mem_new(len + 1);
    mem_copy(s, data, len);
    return s;
}

void mem_copy(void *to, const void *from, size_t len)
{
    if (len > 0) memcpy(to, from, len);
}

void mem_move(void *to, const void *from, size_t len)
{
    if (len > 0) memmove(to, from, len);
}

void *mem_free(void *p)
{
    free(p);
    return NULL;
}

void mem_freep(void *pp)
{
    void **p = pp;
    *p = mem_free(*p);
}
