/* A count of bytes that may be in use at once. Taking more than is left is refused, so a loop stops
 * reading sockets and TCP pushes back. */
#ifndef BASE_BUDGET_H
#define BASE_BUDGET_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct budget {
    atomic_size_t used;
    size_t limit;
};

void budget_init(struct budget *b, size_t limit);
/* True when the bytes were taken. One take larger than the whole limit is granted when nothing else
 * is in use, so that no legal request waits for ever. Thread: any. */
bool budget_take(struct budget *b, size_t bytes);
void budget_give(struct budget *b, size_t bytes);

#endif
