#define BASE_OWNS_MEMORY
#include "base/slab.h"

#include <assert.h>
#include <stdlib.h>
#include "base/budget.h"
#include "base/mem.h"
#include "base/check.h"

enum { STEP_BYTES = 4096 };             /* the first of a slab that has to grow */

static struct slab *make(struct budget *budget, size_t cap)
{
    if (cap > SIZE_MAX - sizeof(struct slab) || mem_fails()) return NULL;
    struct slab *s = malloc(sizeof *s + cap);
    if (s == NULL) return NULL;
    atomic_init(&s->refs, 1);
    s->len = 0;
    s->cap = cap;
    s->charged = 0;
    s->announced = 0;
    atomic_init(&s->budget, budget);
    return s;
}

struct slab *slab_new(struct budget *budget, size_t cap)
{
    if (budget && !budget_take(budget, cap)) return NULL;
    struct slab *s = make(budget, cap);
    if (s != NULL) s->charged = budget ? cap : 0;
    else if (budget) budget_give(budget, cap);
    return s;
}

struct slab *slab_announce(struct budget *budget, size_t want)
{
    bool whole = budget == NULL || budget_announce(budget, want);
    struct slab *s = make(budget, whole || want < STEP_BYTES ? want : STEP_BYTES);
    if (budget == NULL || !whole) return s;
    if (s != NULL) s->announced = want;
    else budget_announce_end(budget, want);
    return s;
}

struct slab *slab_arrived(struct budget *budget, size_t want, size_t extra,
                          const struct slab_part *part)
{
    bool small = want <= SLAB_SMALL_BYTES;
    if (budget && !budget_take_part(budget, want + extra, part->who, part->held, small,
                                    part->now_ms))
        return NULL;
    struct slab *s = make(budget, want);
    if (s != NULL) s->charged = budget ? want + extra : 0;
    else if (budget) budget_give(budget, want + extra);
    return s;
}

static bool grow(struct slab **at, size_t want, size_t bytes)
{
    struct slab *s = *at;
    size_t cap = s->cap < want / 2 ? 2 * s->cap : want;
    if (cap < s->len + bytes) cap = s->len + bytes;
    assert(cap <= want && atomic_load(&s->refs) == 1);
    struct slab *grown = mem_try_grow(s, sizeof *s + cap);
    if (grown == NULL) return false;
    grown->cap = cap;
    *at = grown;
    return true;
}

bool slab_expect(struct slab **at, size_t want, size_t bytes, const struct slab_part *part)
{
    struct budget *budget = atomic_load_explicit(&(*at)->budget, memory_order_relaxed);
    if (budget && !budget_take_part(budget, bytes, part->who, part->held,
                                    want <= SLAB_SMALL_BYTES, part->now_ms))
        return false;
    if ((*at)->cap - (*at)->len < bytes && !grow(at, want, bytes)) {
        if (budget) budget_give(budget, bytes);
        return false;
    }
    if (budget) (*at)->charged += bytes;
    return true;
}

void slab_came(struct slab *s, size_t expected, size_t came)
{
    struct budget *budget = atomic_load_explicit(&s->budget, memory_order_relaxed);
    s->len += came;
    if (budget == NULL) return;
    if (expected > came) budget_give(budget, expected - came);
    s->charged -= expected - came;
    if (s->announced == 0) return;
    size_t less = came < s->announced ? came : s->announced;
    s->announced -= less;
    budget_announce_end(budget, less);
}

void slab_extra(struct slab *s, size_t extra)
{
    struct budget *budget = atomic_load_explicit(&s->budget, memory_order_relaxed);
    if (budget && budget_charge(budget, extra)) s->charged += extra;
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
    if (budget == NULL) return;
    budget_give(budget, s->charged);
    if (s->announced > 0) budget_announce_end(budget, s->announced);
}

void slab_unrefp(struct slab **s)
{
    slab_unref(*s);
    *s = NULL;
}
