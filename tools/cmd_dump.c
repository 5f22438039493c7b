/* `diglot dump`: what lies in a data directory, a line each. */
#include <inttypes.h>
#include <stdio.h>
#include "base/escape.h"
#include "base/uuid.h"
#include "storage/check/walk.h"
#include "storage/engine/log_keys.h"
#include "storage/engine/offset_keys.h"
#include "storage/topic/draft.h"
#include "storage/topic/record.h"
#include "tools/commands.h"
#include "tools/directory.h"
#include "base/check.h"

static const char usage[] =
    "Usage: diglot dump [--data-dir D]         default: DIGLOT_DATA_DIR, then ./data\n\n"
    "Prints what lies in a data directory that no server uses: topics with their configs, tags "
    "and\n"
    "consumers, shards, partition logs with every record batch, and committed offsets. Record "
    "bytes are\n"
    "not shown.\n";

/* Text that a client chose. */
static void print_text(struct bytes text)
{
    struct writer out;
    writer_init(&out, 4 * text.len + 1);
    escape_write(&out, text);
    fwrite(out.data, 1, out.len, stdout);
    writer_done(&out);
}

static void print_pair(const char *what, const char *name, const char *value)
{
    printf(" %s ", what);
    print_text(bytes_str(name));
    printf("=");
    print_text(bytes_str(value));
    printf("\n");
}

static bool print_batch(void *context, const struct batch_info *info, const struct log_entry *entry)
{
    (void)context;
    printf("  batch offsets=%" PRId64 "..%" PRId64
           " records=%d bytes=%u codec=%d arrival_ms=%" PRId64 " max_timestamp_ms=%" PRId64
           " producer=%" PRId64 " epoch=%d sequence=%d addressed=%d crc=%08x\n",
           info->base_offset, batch_last_offset(info), info->count, info->bytes, (int)info->codec,
           entry->arrival_ms, info->max_timestamp, info->producer_id, info->producer_epoch,
           info->base_sequence, entry->partition_addressed, info->crc);
    return true;
}

static bool print_producer(void *context, const struct producer_entry *p)
{
    (void)context;
    printf("  producer id=%" PRId64 " epoch=%d addressed=%d arrival_ms=%" PRId64, p->producer_id,
           p->epoch, p->partition_addressed, p->arrival_last_ms);
    for (int i = 0; i < p->batch_count; i++)
        printf(" sequences=%d..%d@%" PRIu64 "/%" PRId64, p->batches[i].first_sequence,
               p->batches[i].last_sequence, p->batches[i].log_id, p->batches[i].base_offset);
    printf("\n");
    return true;
}

static enum err print_log(struct kv *kv, int32_t partition, const struct partition *p)
{
    struct walk_log log;
    TRY(walk_log(kv, p->log_id, &log));
    printf(" partition %d log=%" PRIu64 " offsets=%" PRId64 "..%" PRId64 " batches=%" PRIu64
           " bytes=%" PRIu64 " chunks=%" PRIu64 " producers=%u%s\n",
           partition, p->log_id, log.log_start, log.end_offset, log.batches, log.bytes, log.chunks,
           log.producers, p->open_shard < 0 ? " retired" : "");
    TRY(walk_producers(kv, p->log_id, print_producer, NULL));
    return walk_batches(kv, p->log_id, 0, INT64_MAX, print_batch, NULL);
}

static void print_shard(const struct shard *s)
{
    char first[U128_TEXT_BYTES], last[U128_TEXT_BYTES];
    printf(" shard %d partition=%d offsets=%" PRId64 "..%" PRId64
           " hash=%s..%s parents=%d,%d created_ms=%" PRId64 " closed_ms=%" PRId64 "\n",
           s->index, s->partition, s->first_offset, s->end_offset,
           u128_to_text(s->hash_first, first), u128_to_text(s->hash_last, last), s->parent,
           s->adjacent_parent, s->created_ms, s->closed_ms);
}

static enum err print_topic(struct kv *kv, const struct topic *t)
{
    char id[UUID_TEXT_LEN + 1];
    printf("topic %s id=%s version=%" PRIu64 " created_ms=%" PRId64 " partitions=%d mode=%s\n",
           t->name, uuid_to_text(&t->id, id), t->version, t->created_ms, t->partition_count,
           t->on_demand ? "ON_DEMAND" : "PROVISIONED");
    for (int32_t i = 0; i < t->setting_count; i++)
        print_pair("config", t->settings[i].name, t->settings[i].value);
    for (int32_t i = 0; i < t->tag_count; i++)
        print_pair("tag", t->tags[i].key, t->tags[i].value);
    for (int32_t i = 0; i < t->consumer_count; i++)
        printf(" consumer %s created_ms=%" PRId64 "\n", t->consumers[i].name,
               t->consumers[i].created_ms);
    for (int32_t i = 0; i < t->shard_count; i++) print_shard(topic_nth(t, i));
    for (int32_t i = 0; i < t->partition_count; i++) TRY(print_log(kv, i, &t->partitions[i]));
    return ERR_OK;
}

static enum err print_topics(struct kv *kv)
{
    struct kv_iter *it = kv_iter_new(kv, KV_CATALOG, BYTES_LIT(""), BYTES_NULL,
                                     /* backwards= */ false);
    enum err err = ERR_OK;
    while (err == ERR_OK && kv_iter_next(it)) {
        struct topic *t = NULL;
        err = topic_record_read(kv_iter_value(it), it, &t);
        if (err == ERR_OK) {
            draft_finish(t);        /* tells open shards from retired partitions */
            err = print_topic(kv, t);
        }
        topic_unref(t);
    }
    if (err == ERR_OK) err = kv_iter_error(it);
    kv_iter_free(it);
    return err;
}

static enum err print_offsets(struct kv *kv)
{
    struct kv_iter *it = kv_iter_new(kv, KV_OFFSETS, BYTES_LIT(""), BYTES_NULL,
                                     /* backwards= */ false);
    enum err err = ERR_OK;
    while (err == ERR_OK && kv_iter_next(it)) {
        struct bytes group;
        struct uuid topic;
        int32_t partition;
        struct offset_value entry;
        struct bytes metadata;
        char id[UUID_TEXT_LEN + 1];
        err = offset_key_read(kv_iter_key(it), &group, &topic, &partition);
        if (err == ERR_OK) err = offset_value_read(kv_iter_value(it), &entry, &metadata);
        if (err != ERR_OK) break;
        printf("offset group=\"");
        print_text(group);
        printf("\" topic=%s partition=%d offset=%" PRId64 " leader_epoch=%d commit_ms=%" PRId64
               "\n",
               uuid_to_text(&topic, id), partition, entry.offset, entry.leader_epoch,
               entry.commit_ms);
    }
    if (err == ERR_OK) err = kv_iter_error(it);
    kv_iter_free(it);
    return err;
}

int cmd_dump(int arg_count, char **args)
{
    int code;
    struct kv *kv = directory_open(arg_count, args, usage, &code);
    if (kv == NULL) return code;
    if (kv_damage(kv)->text[0] != '\0')
        fprintf(stderr, "diglot: the directory is damaged: %s\n", kv_damage(kv)->text);
    enum err err = print_topics(kv);
    if (err == ERR_OK) err = print_offsets(kv);
    kv_close(kv);
    if (err != ERR_OK)
        fprintf(stderr, "diglot: not everything could be read: %s; try `diglot check`\n",
                err_text(err));
    return err == ERR_OK ? 0 : 1;
}
