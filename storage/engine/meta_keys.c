#include "storage/engine/meta_keys.h"

#include "base/mem.h"
#include "base/check.h"

void format_write(uint32_t version, uint8_t to[FORMAT_BYTES])
{
    store_be32(to, version);
}

enum err format_read(struct bytes value, uint32_t *ret_version)
{
    if (value.len != FORMAT_BYTES) return ERR_FORMAT;
    *ret_version = load_be32(value.data);
    return ERR_OK;
}
