/* Whether memory could be had now. Asked once, before work whose size a client decides begins,
 * where that work takes its memory in many pieces and cannot stop in the middle of them (mem.h
 * aborts). The pieces that follow are not promised, but what a client cannot have at all is told
 * here. */
#ifndef BASE_SPARE_H
#define BASE_SPARE_H

#include <stdbool.h>
#include <stddef.h>

enum { SPARE_BYTES_MIN = 64 * 1024 };       /* less than that is not asked about */

/* Takes so much in one piece and gives it back, untouched. Thread: any. */
bool spare_has(size_t bytes);

#endif
