/* Who asks an open store for one of its parts does so here, so that the parts need not know who put
 * them together. */
#include "storage/parts.h"

#include "base/check.h"

const struct store_options *store_options(const struct store *s)
{
    return &s->options;
}

struct kv *store_kv(struct store *s)
{
    return s->kv;
}

struct worker *store_worker(struct store *s, uint64_t number)
{
    return s->workers[number % (uint64_t)s->options.worker_count];
}

struct readers *store_readers(struct store *s)
{
    return s->readers;
}

struct codecs *store_codecs(struct store *s)
{
    return s->codecs;
}

struct house *store_house(struct store *s)
{
    return s->house;
}

struct controller *store_controller(struct store *s)
{
    return s->controller;
}

#define PART(name, ...)                                                                            \
    struct name *store_##name(struct store *s)                                                     \
    {                                                                                              \
        return s->name;                                                                            \
    }
#include "storage/parts.def"
