/* A request's memory: grows in blocks up to a hard cap, freed as a whole. */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stddef.h>
#include "base/bytes.h"

struct arena_block;
struct budget;

struct arena {
    struct arena_block *blocks;
    size_t used;             /* bytes handed out and lost to alignment */
    size_t cap;              /* hard limit of used */
    struct budget *budget;   /* of the blocks behind the first one; or NULL, as arena_init() sets */
    size_t charged;
};

void arena_init(struct arena *a, size_t cap);
void arena_done(struct arena *a);               /* frees all; a may be inited anew */
void arena_reset(struct arena *a);              /* empties but keeps one block for reuse */

/* Zeroed, aligned to 16. NULL beyond the cap (a named limit of the caller: ERR_TOO_LARGE), beyond
 * what the budget has, or when memory is out. */
void *arena_alloc(struct arena *a, size_t bytes);
void *arena_array(struct arena *a, size_t count, size_t bytes);   /* product checked */
/* Copy with a NUL behind it (not counted in len); null stays null. data NULL and len > 0 when out
 * of cap cannot happen: BYTES_NULL is returned then. */
struct bytes arena_copy(struct arena *a, struct bytes b);
char *arena_printf(struct arena *a, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define ARENA_NEW(a, type) ((type *)arena_alloc((a), sizeof(type)))
#define ARENA_ARRAY(a, type, count) ((type *)arena_array((a), (count), sizeof(type)))

#endif
