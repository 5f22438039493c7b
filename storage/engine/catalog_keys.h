/* What storage keeps of topics and streams. */
#ifndef STORAGE_CATALOG_KEYS_H
#define STORAGE_CATALOG_KEYS_H

#include <assert.h>
#include <stdint.h>
#include "base/bytes.h"
#include "base/err.h"
#include "base/uuid.h"
#include "storage/engine/keys.h"

/* ---- KV_CATALOG: one entry a topic, its full blocks of shards behind it, and in KV_META the
 * numbers that count up
 *
 * key:      0 16  topic id
 * value:    0  1  TOPIC_RECORD_VERSION
 *           1  1  1: on demand, 2: internal, 4: consumers come with tags
 *           2 16  topic id
 *          18  8  version: the catalog version that made this value
 *          26  8  created, ms since 1970
 *          34  4  next shard index
 *          38     name: 4 bytes of length, then its bytes; every text here is so
 *                 then five lists, each with 4 bytes of count in front:
 *   partition     0  8  log id
 *                 8 16  first hash of the newest shard here (where a retired one forwards to)
 *   shard         (the count is of all; here stand the last 1 to 64, those before them in blocks)
 *                 0  4  index
 *                 4  4  partition
 *                 8  8  first offset
 *                16  8  end offset, -1 while open
 *                24 16  first hash
 *                40 16  last hash
 *                56  4  parent, -1 none
 *                60  4  adjacent parent, -1 none
 *                64  8  created, ms
 *                72  8  closed, ms, 0 while open
 *   setting       name, value
 *   tag           key, value
 *   consumer      name, then 8: created, ms; with flag 4 a list of its tags, as above
 *
 * key:      0 16  topic id
 *          16  4  number of a block, from 0 on: one for each 64 shards that others stand behind
 * value:          64 shards, as above
 *
 * KV_META "cluster_id"   22  text, made at first start
 *         "catalog"       0  8  catalog version: of the latest change
 *                         8  8  next log id
 *                        16  8  next producer id; those below are given or lost */
enum {
    TOPIC_KEY_BYTES = 16,
    TOPIC_BLOCK_KEY_BYTES = TOPIC_KEY_BYTES + 4,
    TOPIC_RECORD_VERSION = 2,
    TOPIC_PARTITION_BYTES = 24,
    TOPIC_SHARD_BYTES = 80,
    CLUSTER_ID_BYTES = 22,
    CATALOG_COUNTERS_BYTES = 24
};
static_assert(TOPIC_PARTITION_BYTES == 8 + 16 && TOPIC_SHARD_BYTES == 4 * 4 + 4 * 8 + 2 * 16,
              "on-disk format");
#define KEY_CLUSTER_ID       BYTES_LIT("cluster_id")
#define KEY_CATALOG_COUNTERS BYTES_LIT("catalog")

struct topic_key {
    uint8_t data[TOPIC_KEY_BYTES];
};
struct topic_key topic_key(const struct uuid *id);
struct topic_block_key {
    uint8_t data[TOPIC_BLOCK_KEY_BYTES];
};
struct topic_block_key topic_block_key(const struct uuid *id, int32_t block);

struct catalog_counters {
    uint64_t version;
    uint64_t log_id_next;
    int64_t producer_id_next;
};
void catalog_counters_write(const struct catalog_counters *c, uint8_t to[CATALOG_COUNTERS_BYTES]);
/* Errors: ERR_FORMAT. Thread: any. */
enum err catalog_counters_read(struct bytes value, struct catalog_counters *ret);

#endif
