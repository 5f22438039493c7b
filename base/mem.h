/* Small allocations with an owner: tables, objects, strings kept for long. They abort when memory
 * is out, as RocksDB would. Memory whose size a client decides comes from a slab, an arena, or one
 * of the mem_try_ functions, which return NULL instead: that ends one request, not the process. */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

void *mem_new(size_t bytes);                     /* zeroed; never NULL */
void *mem_array(size_t count, size_t bytes);     /* zeroed; aborts on overflow */
void *mem_grow(void *p, size_t bytes);           /* realloc; the new part is not zeroed */
void *mem_try_array(size_t count, size_t bytes); /* zeroed; NULL when memory is out */
void *mem_try_grow(void *p, size_t bytes);       /* NULL when memory is out; p is as before then */
char *mem_try_string(const char *data, size_t len);
/* For tests: of the mem_try_ functions, arenas, writers and slabs, the one that comes after so many
 * more fails, and those behind it until this is called anew. Negative: none. Thread: any; set while
 * nothing else runs. */
void mem_fail_after(int64_t count);
/* For those functions: whether this one has to fail. */
bool mem_fails(void);
char *mem_string(const char *data, size_t len);  /* NUL-terminated copy */
/* Ranges must not overlap; len 0 is legal. */
void mem_copy(void *to, const void *from, size_t len);
void mem_move(void *to, const void *from, size_t len);
void *mem_free(void *p);                         /* NULL is a no-op; returns NULL */
void mem_freep(void *pp);                        /* for CLEANUP(); pp: pointer to a pointer */

#define NEW(type) ((type *)mem_new(sizeof(type)))
#define NEW_TRY(type) ((type *)mem_try_array(1, sizeof(type)))     /* NULL when memory is out */
#define NEW_ARRAY(type, count) ((type *)mem_array((count), sizeof(type)))

#endif
