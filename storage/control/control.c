/* What the operations of the controller share: finding, freezing, writing.
 *
 * A failed write is settled at once where the disk lets us: the engine is asked to go on and the
 * catalog's version is read back, so the value in memory is the one on disk, old or new. A disk
 * that is merely full lets us, too, so that deletes go on there. When even that fails the change is
 * in doubt: its logs stay frozen, every operation is refused, and the question is asked again and
 * again (controller.c). */
#include "storage/control/control.h"

#include <stdarg.h>
#include <stdio.h>
#include "base/log.h"
#include "base/mem.h"
#include "base/spare.h"
#include "storage/control/controller.h"
#include "storage/threads.h"
#include "base/check.h"

enum err control_fail(struct control *c, enum err err, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(c->text, sizeof c->text, format, args);
    va_end(args);
    return err;
}

enum err control_spare(const struct topic *old, int32_t partitions, int32_t shards)
{
    /* A change of shards is planned twice and takes lists of all partitions (control_shards.c). */
    enum {
        DRAFTS = 2,
        OLD_BYTES = DRAFTS * sizeof(struct partition) + 64,
        NEW_BYTES = DRAFTS * 2 * sizeof(struct partition) + 1024,       /* with its log */
        SHARD_BYTES = DRAFTS * 2 * sizeof(struct shard),                /* arrays double */
    };
    size_t bytes = (size_t)partitions * NEW_BYTES + (size_t)shards * SHARD_BYTES;
    if (old != NULL)
        bytes += (size_t)old->partition_count * OLD_BYTES + (size_t)old->shard_count * SHARD_BYTES +
                 DRAFTS * (size_t)topic_tag_bytes(old);
    return spare_has(bytes) ? ERR_OK : ERR_BUSY;
}

enum err control_topic(struct controller *k, const struct control *c, struct topic **ret)
{
    bool named = !bytes_is_null(c->name);
    struct topic *t = named ? store_topic(k->store, c->name) : store_topic_by_id(k->store, &c->id);
    if (t == NULL) return named ? ERR_UNKNOWN_TOPIC_OR_PARTITION : ERR_UNKNOWN_TOPIC_ID;
    enum err err = control_spare(t, 0, 0);
    if (err == ERR_OK) *ret = t;
    else topic_unref(t);
    return err;
}

enum err control_check_tags(struct controller *k, struct control *c, const struct topic *old,
                            const struct topic *draft)
{
    struct catalog_totals have;
    catalog_totals(k->catalog, &have);
    int64_t more = topic_tag_bytes(draft) - (old != NULL ? topic_tag_bytes(old) : 0);
    if (more <= 0 || have.tag_bytes + more <= CATALOG_TAG_BYTES_MAX) return ERR_OK;
    return control_fail(c, ERR_LIMIT_EXCEEDED,
                        "This server keeps at most %d MiB of tags and consumers in all.",
                        CATALOG_TAG_BYTES_MAX >> 20);
}

enum err control_freeze(struct controller *k, const struct topic *t, const int32_t *partitions,
                        int32_t count, int64_t *ret_ends)
{
    CLEANUP(mem_freep) struct log_freeze *logs = NEW_ARRAY(struct log_freeze, (size_t)count);
    for (int32_t i = 0; i < count; i++) logs[i].log = t->partitions[partitions[i]].log;
    if (store_logs_freeze(k->store, logs, count) != ERR_OK) return ERR_KAFKA_STORAGE_ERROR;
    for (int32_t i = 0; i < count; i++) ret_ends[i] = logs[i].end_offset;
    return ERR_OK;
}

/* The draft is in the catalog's table: now the logs learn of it. */
static void spread(struct controller *k, struct topic *draft)
{
    if (!draft->deleted) {
        store_logs_publish(k->store, draft);
        return;
    }
    store_logs_close(k->store, draft);
    house_reclaim(store_house(k->store));
#define PART_OF_TOPICS(name, ...) name##_forget_topic(store_##name(k->store), &draft->id);
#include "storage/parts.def"
}

enum err control_commit(struct controller *k, struct topic *before, struct topic *draft,
                        struct kv_batch *b)
{
    CLEANUP(kv_batch_freep) struct kv_batch *own = NULL;
    if (b == NULL) b = own = kv_batch_new(store_kv(k->store));
    catalog_attach_logs(k->catalog, draft);
    enum err err = catalog_write(k->catalog, b, draft);
    if (err == ERR_OK) {
        spread(k, draft);
        return ERR_OK;
    }
    log_error("a catalog change could not be written", {"topic", LOG_B(topic_name(draft))},
              {"in_doubt", LOG_I(err == ERR_DISK)});
    if (err == ERR_DISK) {
        k->doubt = topic_ref(draft);
        k->doubt_before = before ? topic_ref(before) : NULL;
    } else if (before != NULL) {
        store_logs_publish(k->store, before);
    }
    return ERR_KAFKA_STORAGE_ERROR;
}

enum err control_make(struct controller *k, struct control *c, struct topic *before,
                      struct topic **draft, struct kv_batch *b)
{
    draft_finish(*draft);
    if (!c->validate_only) TRY(control_commit(k, before, *draft, b));
    c->topic = TAKE(*draft);
    return ERR_OK;
}

enum err control_edit(struct controller *k, struct control *c, control_edit_fn *edit)
{
    CLEANUP(topic_unrefp) struct topic *old = NULL;
    TRY(control_topic(k, c, &old));
    CLEANUP(topic_unrefp) struct topic *draft = draft_copy(old);
    TRY(edit(k, c, draft));
    TRY(control_check_tags(k, c, old, draft));
    return control_make(k, c, old, &draft, NULL);
}

bool control_settle(struct controller *k)
{
    if (k->doubt == NULL) return true;
    enum err err = catalog_settle(k->catalog, k->doubt);
    if (err == ERR_DISK) return false;
    log_info("a catalog change in doubt is settled", {"topic", LOG_B(topic_name(k->doubt))},
             {"took_place", LOG_I(err == ERR_OK)});
    if (err == ERR_OK) spread(k, k->doubt);
    else if (k->doubt_before != NULL) store_logs_publish(k->store, k->doubt_before);
    topic_unrefp(&k->doubt);
    topic_unrefp(&k->doubt_before);
    return true;
}
