#define BASE_OWNS_MEMORY
#include "base/slab.h"

#include <assert.h>
#include <stdlib.h>
#include "base/budget.h"
#include "base/mem.h"
#include "base/check.h"

struct slab *slab_new(struct budget *budget, size_t cap)
{
    if (cap > SIZE_MAX - sizeof(struct slab)) return NULL;
    if (budget && !budget_take(budget, cap)) return NULL;
    struct slab *s = malloc(sizeof *s + cap);
    if (s == NULL) {
        if (budget) budget_give(budget, cap);
        return NULL;
    }
    atomic_init(&s->refs, 1);
    s->len = 0;
    s->cap = cap;
    atomic_init(&s->budget, budget);
    return s;
}

struct slab *slab_copy(struct bytes b)
{
    struct slab *s = slab_new(NULL, b.len);
    if (s == NULL) abort();
    mem_copy(s->data, b.data, b.len);
    s->len = b.len;
    return s;
}

struct slab *slab_ref(struct slab *s)
{
    atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
    return s;
}

void slab_unref(struct slab *s)
{
    if (s == NULL) return;
    /* Release our reads and writes to whoever frees; that one acquires all of them. */
    unsigned before = atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel);
    assert(before > 0);
    if (before > 1) return;
    slab_disown(s);
    free(s);
}

void slab_disown(struct slab *s)
{
    if (atomic_load_explicit(&s->budget, memory_order_relaxed) == NULL) return;
    struct budget *budget = atomic_exchange(&s->budget, NULL);
    if (budget) budget_give(budget, s->cap);
}

void slab_unrefp(struct slab **s)
{
    slab_unref(*s);
    *s = NULL;
}
