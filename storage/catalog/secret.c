#include "storage/catalog/secret.h"

#include <sys/random.h>
#include "base/mem.h"
#include "storage/engine/kv.h"
#include "storage/engine/meta_keys.h"
#include "base/check.h"

static enum err make(struct kv *kv, uint8_t to[STORE_SECRET_BYTES])
{
    if (getrandom(to, STORE_SECRET_BYTES, 0) != STORE_SECRET_BYTES) return ERR_DISK;
    struct kv_batch *b = kv_batch_new(kv);
    kv_batch_put(b, KV_META, KEY_SECRET, bytes_of(to, STORE_SECRET_BYTES));
    /* A token is worth no more than what was written. */
    enum err err = kv_commit(kv, b, KV_NO_SYNC);
    kv_batch_free(b);
    return err;
}

enum err store_secret(struct store *s, uint8_t ret[STORE_SECRET_BYTES])
{
    uint8_t secret[STORE_SECRET_BYTES];
    CLEANUP(slab_unrefp) struct slab *kept = NULL;
    enum err err = kv_get(store_kv(s), KV_META, KEY_SECRET, &kept);
    if (err == ERR_NOT_FOUND) TRY(make(store_kv(s), secret));
    else if (err != ERR_OK) return err;
    else if (kept->len != STORE_SECRET_BYTES) return ERR_FORMAT;
    else mem_copy(secret, kept->data, STORE_SECRET_BYTES);
    mem_copy(ret, secret, STORE_SECRET_BYTES);
    return ERR_OK;
}
