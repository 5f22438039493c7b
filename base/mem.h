/* Small allocations with an owner: tables, objects, strings kept for long. They abort when memory
 * is out, as RocksDB would; memory whose size a client decides comes from a slab or an arena. */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stddef.h>

void *mem_new(size_t bytes);                     /* zeroed; never NULL */
void *mem_array(size_t count, size_t bytes);     /* zeroed; aborts on overflow */
void *mem_grow(void *p, size_t bytes);           /* realloc; the new part is not zeroed */
char *mem_string(const char *data, size_t len);  /* NUL-terminated copy */
/* Ranges must not overlap; len 0 is legal. */
void mem_copy(void *to, const void *from, size_t len);
void mem_move(void *to, const void *from, size_t len);
void *mem_free(void *p);                         /* NULL is a no-op; returns NULL */
void mem_freep(void *pp);                        /* for CLEANUP(); pp: pointer to a pointer */

#define NEW(type) ((type *)mem_new(sizeof(type)))
#define NEW_ARRAY(type, count) ((type *)mem_array((count), sizeof(type)))

#endif
