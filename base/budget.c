#include "base/budget.h"

#include <assert.h>
#include "base/check.h"

void budget_init(struct budget *b, size_t limit)
{
    atomic_init(&b->used, 0);
    b->limit = limit;
}

bool budget_take(struct budget *b, size_t bytes)
{
    size_t used = atomic_load_explicit(&b->used, memory_order_relaxed);
    do {
        if (used > 0 && (used >= b->limit || bytes > b->limit - used)) return false;
    } while (!atomic_compare_exchange_weak_explicit(&b->used, &used, used + bytes,
                                                    memory_order_relaxed, memory_order_relaxed));
    return true;
}

void budget_give(struct budget *b, size_t bytes)
{
    size_t before = atomic_fetch_sub_explicit(&b->used, bytes, memory_order_relaxed);
    assert(before >= bytes);
}
