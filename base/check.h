/* Included last by every .c file: the compiler is the first linter. Copies go through bytes.h,
 * memory through arena.h, slab.h and mem.h, text through text.h; the files that implement those
 * define BASE_OWNS_MEMORY. */
#ifndef BASE_CHECK_H
#define BASE_CHECK_H

#pragma GCC poison strcpy strcat sprintf vsprintf strtok atoi atol gets
#ifndef BASE_OWNS_MEMORY
#pragma GCC poison malloc calloc realloc strdup strndup memcpy memmove
#endif

#endif
