#include "storage/engine/discards.h"

#include <assert.h>
#include "base/mem.h"
#include "base/check.h"

struct bound bound_of(struct bytes key)
{
    assert(key.len <= DISCARD_KEY_BYTES);
    struct bound b = {.len = (uint8_t)key.len};
    mem_copy(b.data, key.data, key.len);
    return b;
}

void discards_done(struct discards *d)
{
    mem_free(d->all);
    *d = (struct discards){0};
}

/* Index of the first one that ends behind key: it holds it, or lies behind it. */
static uint32_t find(const struct discards *d, struct bytes key)
{
    uint32_t low = 0, high = d->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (bytes_compare(bound_bytes(&d->all[middle].to), key) <= 0) low = middle + 1;
        else high = middle;
    }
    return low;
}

static bool begins_before(const struct discard *x, struct bytes key)
{
    return bytes_is_null(key) || bytes_compare(bound_bytes(&x->from), key) < 0;
}

/* Those that overlap [from, to) are [first, next). */
static uint32_t span(const struct discards *d, struct bytes from, struct bytes to,
                     uint32_t *ret_next)
{
    uint32_t first = find(d, from), next = first;
    while (next < d->count && begins_before(&d->all[next], to)) next++;
    *ret_next = next;
    return first;
}

struct discard discards_joined(const struct discards *d, struct bytes from, struct bytes to)
{
    struct discard j = {bound_of(from), bound_of(to)};
    uint32_t next, first = span(d, from, to, &next);
    if (first == next) return j;
    if (begins_before(&d->all[first], from)) j.from = d->all[first].from;
    if (bytes_compare(bound_bytes(&d->all[next - 1].to), to) > 0) j.to = d->all[next - 1].to;
    return j;
}

/* Puts count of x in the place of [first, next). */
static void replace(struct discards *d, uint32_t first, uint32_t next, const struct discard *x,
                    uint32_t count)
{
    if (d->count + count > d->cap) {
        d->cap = d->cap ? d->cap * 2 : 16;
        d->all = mem_grow(d->all, d->cap * sizeof *d->all);
    }
    mem_move(d->all + first + count, d->all + next, (d->count - next) * sizeof *d->all);
    mem_copy(d->all + first, x, count * sizeof *x);
    d->count = d->count - (next - first) + count;
}

void discards_add(struct discards *d, struct bytes from, struct bytes to)
{
    struct discard j = discards_joined(d, from, to);
    uint32_t next, first = span(d, from, to, &next);
    replace(d, first, next, &j, 1);
}

bool discards_remove(struct discards *d, const struct discard *x)
{
    uint32_t at = find(d, bound_bytes(&x->from));
    if (at == d->count || !bytes_equal(bound_bytes(&d->all[at].from), bound_bytes(&x->from)) ||
        !bytes_equal(bound_bytes(&d->all[at].to), bound_bytes(&x->to)))
        return false;
    replace(d, at, at + 1, NULL, 0);
    return true;
}

bool discards_have(const struct discards *d, struct bytes key)
{
    if (d->count == 0) return false;
    uint32_t at = find(d, key);
    return at < d->count && bytes_compare(bound_bytes(&d->all[at].from), key) <= 0;
}

struct discards discards_of(const struct discards *d, struct bytes from, struct bytes to)
{
    uint32_t next, first = span(d, from, to, &next);
    struct discards copy = {.count = next - first, .cap = next - first};
    if (copy.count == 0) return copy;
    copy.all = NEW_ARRAY(struct discard, copy.count);
    mem_copy(copy.all, d->all + first, copy.count * sizeof *copy.all);
    return copy;
}
