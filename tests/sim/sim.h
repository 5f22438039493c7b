/* Who lives at both doors, and what they share. What the clients of a kind ask for and make of the
 * answers is in a header of its own: writers.h, readers.h, changers.h,
 * groups.h, members.h, subscribers.h. */
#ifndef TESTS_SIM_SIM_H
#define TESTS_SIM_SIM_H

#include "random.h"
#include "sim/ledger.h"
#include "sim/ledger_group.h"
#include "sim/world.h"

enum {
    STEPS = 500,
    PARTITIONS = 3,             /* at first, and all that producers name */
    OPEN_SHARDS_MAX = 8,
    RECORDS_A_REQUEST = 3,
    FETCH_BYTES = 16 << 10,
    WRITERS = 2,                /* of each kind */
    READS_MAX = 1000,           /* of one partition or shard, until it is at its end */
};

enum kind { PRODUCER, PUTTER, FETCHER, GETTER, CHANGER, COMMITTER, MEMBER, SUBSCRIBER, KINDS };

/* A batch of a producer, as it is sent each time. */
struct sent {
    int32_t first, count;       /* records */
    int32_t partition;
    int64_t made_ms;
    int64_t producer_id;        /* -1: none */
    int16_t epoch;
    int32_t sequence;
};

/* What an idempotent producer sends: the next batch; one behind a gap; one of its former life. */
enum sends { SENDS_NEXT, SENDS_BEHIND_GAP, SENDS_OLD };

enum { MEMBERS_LED_MAX = 4 };
struct member {
    enum { MEMBER_OUT, MEMBER_JOINED, MEMBER_IN } state;
    char id[80];                /* "": none */
    int64_t life;               /* of the server, that of the generation */
    int32_t generation;
    char led[MEMBERS_LED_MAX][80];      /* the leader's: the members' ids */
    int led_count;
    uint8_t partitions;         /* its own, a bit each */
    bool is_old;                /* its generation, when it asked */
    bool is_late;               /* it asked with the one before its own */
    int64_t least[GROUP_PARTITIONS];    /* when it asked for what is committed */
};

enum { PUSH_BYTES = 256 << 10 };
struct push {
    char consumer[256];         /* its ARN */
    char continuation[64];      /* "": it begins with a shard's start */
    int32_t number;             /* in the ledger */
    bool begun;                 /* the head of the answer is there */
    size_t http_at;             /* of the answer's bytes, the chunks taken */
    size_t stream_len;
    uint8_t *stream;            /* what was taken, but for messages that were whole */
};

struct actor {
    enum kind kind;
    int index;                  /* of its kind */
    struct client *kafka;       /* NULL: at the Kinesis door */
    struct bx_client *kinesis;
    bool asks;                  /* and waits for an answer */
    enum kafka_api_index api;

    int32_t first, count;       /* records of the request */
    int32_t partition;
    bool idempotent, repeats;
    enum sends sends;
    struct sent batch, old;     /* old.count > 0: the last one of the epoch before */
    bool old_is_fenced;         /* a batch of the new epoch is stored behind it */
    int64_t producer_id;
    int16_t epoch;
    int32_t sequence[PARTITIONS];
    int64_t position[LEDGER_LOGS_MAX];
    int32_t shard;
    char iterator[1024];        /* "": none */
    int64_t offset;             /* asked for; or retention.ms; or pushed up to here */
    struct member member;
    struct push push;
};

enum { ACTORS = 2 * WRITERS + 6 + GROUP_MEMBERS };

struct sim {
    struct world world;
    struct ledger ledger;
    struct ledger_group group;
    struct random random;
    struct actor actors[ACTORS];
    uint8_t push_stream[PUSH_BYTES];
    struct kv_mem_faults faults;        /* of the engine, or of the log's files */
    bool power;
    bool logs;                  /* a write-ahead log over files; else the engine in memory */
    bool plain;                 /* no life has one */
    int64_t deaths;
    int64_t dropped;            /* records, by retention */
    int64_t late_commits;       /* of members, refused */
    int64_t refused[SENDS_OLD + 1];     /* batches that had to be */
    int64_t done[KINDS];        /* requests that succeeded */
};

static uint64_t below(struct sim *s, uint64_t bound)
{
    return random_below(&s->random, bound);
}

static struct topic *topic(struct sim *s)
{
    struct topic *t = store_topic(s->world.bx.cx.s, BYTES_LIT("s"));
    EXPECT(t != NULL);
    return t;
}

static int32_t partition_count(struct sim *s)
{
    struct topic *t = topic(s);
    int32_t count = t->partition_count;
    topic_unref(t);
    return count;
}

static int32_t shard_count(struct sim *s)
{
    struct topic *t = topic(s);
    int32_t count = t->shard_index_next;
    topic_unref(t);
    return count;
}

/* The offset that a sequence number in the text behind `at` has; it begins behind the quote. */
static int64_t offset_in(const char *at, int32_t *ret_shard)
{
    struct sequence sequence;
    EXPECT_OK(sequence_parse(bytes_of(at, strcspn(at, "\"")), &sequence));
    *ret_shard = (int32_t)sequence.shard_index;
    return sequence.offset;
}

#endif
