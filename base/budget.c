#include "base/budget.h"

#include <assert.h>
#include "base/check.h"

void budget_init(struct budget *b, size_t limit)
{
    atomic_init(&b->used, 0);
    atomic_init(&b->announced, 0);
    atomic_init(&b->beyond, NULL);
    atomic_init(&b->refused_ms, 0);
    b->limit = limit;
}

/* Takes bytes of a count that has to stay within ceiling. */
static bool take_below(atomic_size_t *count, size_t bytes, size_t ceiling)
{
    size_t used = atomic_load_explicit(count, memory_order_relaxed);
    do {
        if (used >= ceiling || bytes > ceiling - used) return false;
    } while (!atomic_compare_exchange_weak_explicit(count, &used, used + bytes,
                                                    memory_order_relaxed, memory_order_relaxed));
    return true;
}

static size_t give(atomic_size_t *count, size_t bytes)
{
    size_t before = atomic_fetch_sub_explicit(count, bytes, memory_order_relaxed);
    assert(before >= bytes);
    return before - bytes;
}

/* In beyond: the request is whole, and what it took beyond the limit is still in use. */
static const char ended;

static void end_if_within(struct budget *b, size_t used)
{
    const void *now = &ended;
    if (used <= b->limit) atomic_compare_exchange_strong(&b->beyond, &now, NULL);
}

bool budget_take(struct budget *b, size_t bytes)
{
    if (take_below(&b->used, bytes, b->limit)) return true;
    size_t none = 0;
    return atomic_compare_exchange_strong_explicit(&b->used, &none, bytes, memory_order_relaxed,
                                                   memory_order_relaxed);
}

/* The way out: nobody else has it. */
static bool go_beyond(struct budget *b, const void *who)
{
    const void *none = NULL;
    if (who == NULL) return false;
    return atomic_load_explicit(&b->beyond, memory_order_relaxed) == who ||
           atomic_compare_exchange_strong(&b->beyond, &none, who);
}

bool budget_take_part(struct budget *b, size_t bytes, const void *who, size_t held, bool small,
                      int64_t now_ms)
{
    size_t ceiling = b->limit;
    if (small) ceiling += b->limit / BUDGET_RESERVE;
    else if (held + bytes > b->limit / BUDGET_SHARE) ceiling = b->limit / 2;
    if (take_below(&b->used, bytes, ceiling)) return true;
    if (go_beyond(b, who)) {
        atomic_fetch_add_explicit(&b->used, bytes, memory_order_relaxed);
        return true;
    }
    atomic_store_explicit(&b->refused_ms, now_ms, memory_order_relaxed);
    return false;
}

void budget_part_end(struct budget *b, const void *who)
{
    if (atomic_load_explicit(&b->beyond, memory_order_relaxed) != who) return;
    atomic_store(&b->beyond, &ended);
    end_if_within(b, atomic_load(&b->used));
}

bool budget_is_pressed(const struct budget *b, int64_t now_ms, int64_t ms)
{
    int64_t at_ms = atomic_load_explicit(&b->refused_ms, memory_order_relaxed);
    return at_ms != 0 && now_ms - at_ms <= ms;
}

bool budget_charge(struct budget *b, size_t bytes)
{
    return take_below(&b->used, bytes, BUDGET_HARD * b->limit);
}

void budget_give(struct budget *b, size_t bytes)
{
    size_t used = give(&b->used, bytes);
    if (__builtin_expect(atomic_load_explicit(&b->beyond, memory_order_relaxed) == &ended, 0))
        end_if_within(b, used);
}

bool budget_announce(struct budget *b, size_t bytes)
{
    return take_below(&b->announced, bytes, b->limit);
}

void budget_announce_end(struct budget *b, size_t bytes)
{
    give(&b->announced, bytes);
}
