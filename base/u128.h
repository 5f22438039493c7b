/* 128-bit unsigned numbers: Kinesis hash keys (0 .. 2^128 - 1) as decimal text. */
#ifndef BASE_U128_H
#define BASE_U128_H

#include <stdbool.h>
#include "base/bytes.h"

typedef unsigned __int128 u128;     /* the one typedef: a number, not a structure */

#define U128_MAX (~(u128)0)
enum { U128_TEXT_BYTES = 40 };      /* 39 digits and NUL */

/* Writes decimal digits and NUL to to[U128_TEXT_BYTES]; returns to. */
char *u128_to_text(u128 v, char *to);
/* False when empty, not digits, or beyond 2^128 - 1. */
bool u128_from_text(struct bytes b, u128 *ret);

#endif
