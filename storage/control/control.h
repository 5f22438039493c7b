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
#include "storage/topic/topic.h"

enum control_kind {
    CONTROL_CREATE_TOPIC,
    CONTROL_DELETE_TOPIC,
    CONTROL_CREATE_PARTITIONS,  /* to `partitions` in all: that many splits of the widest shards */
    CONTROL_ALTER_CONFIG,
    CONTROL_SPLIT,
    CONTROL_MERGE,
    CONTROL_RESHARD,            /* to `partitions` open shards of even width (UpdateShardCount) */
    CONTROL_TAGS,               /* set those with a value, remove those without */
    CONTROL_ADD_CONSUMER,
    CONTROL_REMOVE_CONSUMER,
    CONTROL_DELETE_RECORDS,     /* raise a partition's log start */
    CONTROL_PRODUCER_ID         /* a new producer id, never given before */
};

enum config_op { CONFIG_SET, CONFIG_DELETE, CONFIG_APPEND, CONFIG_SUBTRACT };
struct config_change {
    enum config_op op;
    struct bytes name;
    struct bytes value;         /* null with CONFIG_DELETE */
};

struct control {
    struct job job;             /* storage's */
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

/* ---- The table of topic configs: names, types, defaults, documentation (DescribeConfigs). */
struct config_spec {
    const char *name;           /* Kafka's: "retention.ms" */
    int8_t type;                /* Kafka's ConfigType code (DescribeConfigs v3+): BOOLEAN 1, STRING
                                   2, INT 3, LONG 5, LIST 7 */
    const char *default_value;  /* Kafka's default, as text */
    const char *broker_name;    /* the broker config that overrides the default
                                   ("log.retention.ms") */
    const char *documentation;
    bool broker_unset;          /* it has no default of its own: Kafka derives it */
};
int32_t topic_config_spec_count(void);
const struct config_spec *topic_config_spec(int32_t index);
/* False: it is kept and shown, no more. */
bool topic_config_has_effect(int32_t index);
/* The effective value as text into to[cap]; ret_set: whether this topic has it set. */
void topic_config_text(const struct topic *t, const struct config_spec *spec, char *to, size_t cap,
                       bool *ret_set);

#endif
