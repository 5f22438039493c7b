/* What holds memory, and how much at most: expansions of memory.def. */
#ifndef TOOLS_MEMORY_H
#define TOOLS_MEMORY_H

#include <stdint.h>
#include <stdio.h>
#include "tools/settings.h"

/* The sum of all limits in bytes. conns: connections that can be open at once. */
int64_t memory_sum(const struct settings *set, int64_t loops, int64_t conns);
/* docs/memory.md, with the numbers of these settings. */
void memory_page(FILE *out, const struct settings *set, int64_t loops, int64_t conns);

#endif
