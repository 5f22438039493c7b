#include "base/spare.h"

#include "base/mem.h"
#include "base/check.h"

bool spare_has(size_t bytes)
{
    if (bytes < SPARE_BYTES_MIN) return true;
    void *piece = mem_try_grow(NULL, bytes);
    bool had = piece != NULL;
    mem_free(piece);
    return had;
}
