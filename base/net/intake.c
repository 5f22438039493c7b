#include "base/net/intake.h"

#include "base/check.h"

enum {
    REQUEST_BYTES = 4 * 1024,        /* what a request costs besides its body: first blocks */
    DIRECT_BYTES_MIN = 16 * 1024,    /* a body with more than this to come is read into its slab */
};

bool intake_is_one(const struct conn *c, size_t bytes)
{
    const struct door *door = c->home->door;
    return (door->http != NULL && bytes <= door->http->body_bytes_max) ||
           (door->frames != NULL && bytes <= door->frames->frame_bytes_max);
}

static struct slab_part part_of(struct conn *c, size_t held, size_t bytes)
{
    return (struct slab_part){.who = intake_is_one(c, held + bytes) ? c : NULL, .held = held,
                              .now_ms = loop_now_ms(c->home->loop)};
}

bool intake_begin(struct intake *in, struct conn *c, size_t want, size_t there)
{
    struct budget *budget = c->home->door->budget;
    struct slab_part part = part_of(c, 0, want);
    bool whole = there >= want;
    in->slab = whole ? slab_arrived(budget, want, REQUEST_BYTES, &part)
                     : slab_announce(budget, want);
    in->want = want;
    in->expected = whole ? want : 0;
    return in->slab != NULL;
}

bool intake_begin_unknown(struct intake *in, struct conn *c, size_t want)
{
    *in = (struct intake){.slab = slab_new(c->home->door->budget, 0), .want = want};
    return in->slab != NULL;
}

bool intake_expect(struct intake *in, struct conn *c, size_t held, size_t bytes)
{
    if (bytes <= in->expected) return true;
    struct slab_part part = part_of(c, held, bytes);
    if (!slab_expect(&in->slab, in->want, bytes - in->expected, &part)) return false;
    in->expected = bytes;
    return true;
}

void intake_came(struct intake *in, size_t bytes)
{
    slab_came(in->slab, in->expected, bytes);
    in->expected = 0;
}

size_t intake_direct(struct intake *in, struct conn *c, uint8_t **ret_to, bool *ret_refused)
{
    *ret_refused = false;
    if (in->slab == NULL || intake_rest(in) < DIRECT_BYTES_MIN) return 0;
    size_t bytes = intake_rest(in);
    if (bytes > CONN_DIRECT_BYTES_MAX) bytes = CONN_DIRECT_BYTES_MAX;
    *ret_refused = !intake_expect(in, c, in->slab->len, bytes);
    if (*ret_refused) return 0;
    *ret_to = in->slab->data + in->slab->len;
    return bytes;
}

struct slab *intake_end(struct intake *in, struct conn *c, size_t held)
{
    struct slab *slab = TAKE(in->slab);
    if (slab->charged <= slab->len) slab_extra(slab, REQUEST_BYTES);
    in->expected = 0;
    if (c->home->door->budget != NULL && held == 0) budget_part_end(c->home->door->budget, c);
    return slab;
}

void intake_drop(struct intake *in, struct conn *c)
{
    slab_unrefp(&in->slab);
    in->expected = 0;
    if (c->home->door->budget != NULL) budget_part_end(c->home->door->budget, c);
}
