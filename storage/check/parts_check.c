#include "storage/check/parts_check.h"

#include "storage/parts.h"
#include "base/check.h"

enum err parts_check(struct kv *kv, struct writer *out, int64_t *ret_wrong)
{
    int64_t wrong = 0;
    *ret_wrong = 0;
#define PART(name, ...)                                                                            \
    TRY(name##_check(kv, out, &wrong));                                                            \
    *ret_wrong += wrong;
#include "storage/parts.def"
    return ERR_OK;
}
