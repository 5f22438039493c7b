/* The catalog: the table of topics in memory, and its entries on disk. Any thread looks topics up
 * (a short lock); the controller alone changes them, each change in one atomic write, seen by
 * others only after its commit. */
#ifndef STORAGE_CATALOG_H
#define STORAGE_CATALOG_H

#include "storage/engine/kv.h"
#include "storage/parts.h"
#include "storage/topic/topic.h"

enum {
    CATALOG_TOPICS_MAX = 100000,
    CATALOG_SHARDS_MAX = 1 << 20,           /* of all topics, closed ones too: 100 bytes each */
    CATALOG_TAG_BYTES_MAX = 64 << 20,       /* tags and consumers of all streams */
};

/* Thread: any; a short lock. */
void catalog_totals(struct catalog *c, struct catalog_totals *ret);

/* The topic, a reference, whose name Kafka takes for the same in metric names ('.' and '_' are
 * equal there); NULL: none. Thread: any; a short lock. */
struct topic *catalog_collision(struct catalog *c, struct bytes name);

/* Takes so many log ids that were never given before; durable with the next write. */
uint64_t catalog_take_log_ids(struct catalog *c, int32_t count);     /* Thread: the controller */
/* Gives each partition that has none its log. Thread: the controller. */
void catalog_attach_logs(struct catalog *c, struct topic *draft);

/* Writes a finished draft as its topic's value (with draft->deleted: removes the topic) together
 * with what is in b, and puts it into the table. Sets draft->version.
 * Errors: ERR_KAFKA_STORAGE_ERROR - nothing was written; ERR_DISK - the disk would not even say
 * whether it was: catalog_settle() later. Thread: the controller; blocks. */
enum err catalog_write(struct catalog *c, struct kv_batch *b, struct topic *draft);
/* After catalog_write() gave ERR_DISK: ERR_OK - it was written, and is in the table now.
 * Errors: as catalog_write(). Thread: the controller; blocks. */
enum err catalog_settle(struct catalog *c, struct topic *draft);

/* A producer id that was never given before.
 * Errors: ERR_KAFKA_STORAGE_ERROR. Thread: the controller; blocks. */
enum err catalog_producer_id(struct catalog *c, int64_t *ret);

/* Gives every log the value of its topic, once, before appends come. Thread: main, at start;
 * blocks. */
void catalog_publish_all(struct catalog *c);

#endif
