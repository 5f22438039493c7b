/* Changes of the catalog: topics, partitions, shards, configs, tags, consumers.
 *
 * One controller thread carries them out, one at a time, each in one atomic write. A change that
 * moves shard windows first freezes the logs it touches (their workers commit what they have,
 * report the end offset, and hold later appends back), writes, publishes the new topic value and
 * thaws: so parent and child meet exactly and no append lands between them. */
#ifndef STORAGE_CONTROL_H
#define STORAGE_CONTROL_H

#include "base/err.h"
#include "base/mailbox.h"
#include "storage/store.h"
#include "storage/topic/config.h"
#include "storage/topic/topic.h"

enum control_kind {
#define CONTROL(KIND, function) CONTROL_##KIND,
#include "storage/control/control.def"
    CONTROL_KIND_COUNT
};

struct control {
    struct job job;             /* storage's, as the next one */
    struct controller *controller;
    enum control_kind kind;
    struct bytes name;          /* topic name; borrowed until done() */
    struct uuid id;             /* used when name is null; CREATE_TOPIC makes one */
    bool validate_only;         /* check all, change nothing */
    int32_t partitions;         /* CREATE_TOPIC (-1: the default), CREATE_PARTITIONS, RESHARD; the
                                   partition of DELETE_RECORDS */
    bool on_demand;             /* CREATE_TOPIC */
    bool account_limits;        /* the Kinesis door asks: shard_limit of the store holds */
    const struct config_change *configs;    /* CREATE_TOPIC, ALTER_CONFIG */
    int32_t config_count;
    const struct topic_tag *tags;           /* TAGS, CREATE_TOPIC, ADD_CONSUMER; value NULL:
                                               remove */
    int32_t tag_count;
    int32_t shard;              /* SPLIT, MERGE: the shard to split, or the lower one */
    int32_t adjacent_shard;     /* MERGE */
    u128 hash_first;            /* SPLIT: NewStartingHashKey */
    struct bytes consumer;      /* ADD_CONSUMER, REMOVE_CONSUMER; TAGS: of this one, null: the
                                   stream's */
    int64_t offset;             /* DELETE_RECORDS: new log start; -1: the high watermark */
    struct loop *home;          /* NULL: done() runs on the controller (tests) */
    void (*done)(struct control *c);

    enum err err;
    char text[512];             /* what was wrong, for the client; empty: err_text() will do */
    struct topic *topic;        /* the value afterwards (a reference for the caller), or NULL */
    int64_t result;             /* producer id; new log start; consumer creation ms */
};

/* Errors come in c->err: ERR_TOPIC_ALREADY_EXISTS, ERR_UNKNOWN_TOPIC_OR_PARTITION,
 * ERR_UNKNOWN_TOPIC_ID, ERR_INVALID_TOPIC_EXCEPTION, ERR_INVALID_PARTITIONS, ERR_INVALID_CONFIG,
 * ERR_RESOURCE_IN_USE (consumer exists), ERR_RESOURCE_NOT_FOUND (shard, consumer), ERR_NOT_FOUND,
 * ERR_INVALID_ARGUMENT (hash key, not adjacent, shard closed), ERR_LIMIT_EXCEEDED,
 * ERR_OFFSET_OUT_OF_RANGE, ERR_KAFKA_STORAGE_ERROR. Nothing is changed on any of them.
 * Thread: any. */
void store_control(struct store *s, struct control *c);

#endif
