/* What the clients of both doors know of a topic's records: what was sent, what was acknowledged,
 * where each was seen. What does not agree is kept as words; the first of them stays.
 *
 * Each record is sent once, or again and again by an idempotent producer: so it has one place,
 * which both doors give the same offset. */
#ifndef TESTS_SIM_LEDGER_H
#define TESTS_SIM_LEDGER_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum {
    LEDGER_RECORDS_MAX = 2048,
    LEDGER_LOGS_MAX = 64,
    LEDGER_TEXT_BYTES = 24,
    LEDGER_PUSHES_MAX = 64          /* subscriptions: a bit each */
};
enum ledger_door { LEDGER_KAFKA, LEDGER_KINESIS, LEDGER_DOORS };

struct ledger_place {
    int32_t log;                /* partition, or shard; -1: not known */
    int64_t offset;
};

struct ledger_record {
    int32_t lane;               /* records of a lane are sent one after the other; -1: of none */
    bool acknowledged;
    bool never;                 /* sent so that it has to be refused */
    int64_t offset;             /* by its acknowledgement; -1 */
    int64_t sent_ms;            /* its timestamp is this or a later one */
    uint64_t pushed;            /* by these subscriptions */
    struct ledger_place seen[LEDGER_DOORS];
    bool last[LEDGER_DOORS];    /* found by the last reading */
};

/* What a subscription had to bring: the records of the shard in [from, to). */
struct ledger_push {
    int32_t shard;
    int64_t from, to;
};

struct ledger {
    struct ledger_record records[LEDGER_RECORDS_MAX];
    int32_t count;
    int64_t may_be_deleted[LEDGER_LOGS_MAX];    /* below: asked for */
    int64_t is_deleted[LEDGER_LOGS_MAX];        /* below: acknowledged */
    int64_t log_start[LEDGER_LOGS_MAX];         /* as the last reading told */
    int64_t retention_ms;       /* the least that may be in force; -1: for ever */
    int64_t may_expire_ms;      /* what is older may have been dropped */
    int32_t expired;            /* records that were, and nobody deleted them */
    int64_t commit_sent, commit_acknowledged;   /* a group's offset, which only grows */
    struct ledger_push pushes[LEDGER_PUSHES_MAX];
    int32_t push_count;
    char wrong[256];            /* "": nothing */
};

[[gnu::format(printf, 2, 3)]] static inline void ledger_wrong(struct ledger *l, const char *text,
                                                              ...)
{
    if (l->wrong[0] != '\0') return;
    va_list args;
    va_start(args, text);
    vsnprintf(l->wrong, sizeof l->wrong, text, args);
    va_end(args);
}

/* A new record's number; its key and its value are made of it. */
static inline int32_t ledger_new(struct ledger *l, int32_t lane, int64_t now_ms)
{
    l->records[l->count] = (struct ledger_record){
        .lane = lane, .offset = -1, .sent_ms = now_ms, .seen = {{.log = -1}, {.log = -1}}};
    return l->count++;
}

/* ---- Retention: what is asked for may be in force from then on, what is acknowledged is, alone */

static inline void ledger_retention_asked(struct ledger *l, int64_t ms)
{
    if (ms >= 0 && (l->retention_ms < 0 || ms < l->retention_ms)) l->retention_ms = ms;
}

static inline void ledger_retention_is(struct ledger *l, int64_t ms)
{
    l->retention_ms = ms;
}

/* To be called whenever time has gone by. */
static inline void ledger_time(struct ledger *l, int64_t now_ms)
{
    if (l->retention_ms >= 0 && now_ms - l->retention_ms > l->may_expire_ms)
        l->may_expire_ms = now_ms - l->retention_ms;
}

static inline void ledger_key(int32_t number, char to[LEDGER_TEXT_BYTES])
{
    snprintf(to, LEDGER_TEXT_BYTES, "key-%05d", (int)number);
}

static inline void ledger_value(int32_t number, char to[LEDGER_TEXT_BYTES])
{
    snprintf(to, LEDGER_TEXT_BYTES, "value-%06d", (int)number);
}

/* The record was found there. */
static inline void ledger_see(struct ledger *l, enum ledger_door door, int32_t log, int64_t offset,
                              const char *key, const char *value)
{
    char expected[LEDGER_TEXT_BYTES];
    int number = -1;
    if (sscanf(key, "key-%d", &number) != 1 || number < 0 || number >= l->count) {
        ledger_wrong(l, "a record that nobody sent: %.20s", key);
        return;
    }
    ledger_value(number, expected);
    if (strcmp(expected, value) != 0)
        ledger_wrong(l, "record %d has the value %.20s", number, value);
    struct ledger_record *r = &l->records[number];
    if (r->never) ledger_wrong(l, "record %d had to be refused and is there", number);
    struct ledger_place *at = &r->seen[door];
    if (at->log >= 0 && (at->log != log || at->offset != offset))
        ledger_wrong(l, "record %d is at %d:%lld and at %d:%lld of door %d", number, at->log,
                     (long long)at->offset, log, (long long)offset, (int)door);
    const struct ledger_place *other = &r->seen[LEDGER_DOORS - 1 - door];
    if (r->offset < 0) r->offset = offset;
    if (r->offset != offset || (other->log >= 0 && other->offset != offset))
        ledger_wrong(l, "record %d has the offsets %lld and %lld", number, (long long)r->offset,
                     (long long)offset);
    *at = (struct ledger_place){log, offset};
}

static inline void ledger_acknowledge(struct ledger *l, int32_t number, int64_t offset)
{
    struct ledger_record *r = &l->records[number];
    if (r->offset >= 0 && r->offset != offset)
        ledger_wrong(l, "record %d was seen at %lld and acknowledged at %lld", (int)number,
                     (long long)r->offset, (long long)offset);
    r->offset = offset;
    r->acknowledged = true;
}

/* ---- Subscriptions */

static inline int32_t ledger_push_begin(struct ledger *l, int32_t shard, int64_t from)
{
    l->pushes[l->push_count] = (struct ledger_push){shard, from, from};
    return l->push_count++;
}

/* All in front of offset has come. */
static inline void ledger_push_is_at(struct ledger *l, int32_t push, int64_t offset)
{
    struct ledger_push *p = &l->pushes[push];
    if (offset < p->to)
        ledger_wrong(l, "subscription %d goes back from %lld to %lld", (int)push,
                     (long long)p->to, (long long)offset);
    p->to = offset;
}

static inline void ledger_pushed(struct ledger *l, int32_t push, const char *key, int64_t offset)
{
    int number = -1;
    ledger_push_is_at(l, push, offset);
    l->pushes[push].to = offset + 1;
    if (sscanf(key, "key-%d", &number) == 1 && number >= 0 && number < l->count)
        l->records[number].pushed |= (uint64_t)1 << push;
}

/* ---- The last reading, of everything from the start */

static inline void ledger_last(struct ledger *l, enum ledger_door door, const char *key)
{
    int number = -1;
    if (sscanf(key, "key-%d", &number) == 1 && number >= 0 && number < l->count)
        l->records[number].last[door] = true;
}

static inline bool ledger_may_be_deleted(const struct ledger *l, const struct ledger_record *r)
{
    int32_t log = r->seen[LEDGER_KAFKA].log;
    if (log >= 0) return r->offset < l->may_be_deleted[log];
    for (int i = 0; i < LEDGER_LOGS_MAX; i++)
        if (r->offset < l->may_be_deleted[i]) return true;
    return false;
}

static inline bool ledger_may_be_gone(const struct ledger *l, const struct ledger_record *r)
{
    return r->sent_ms < l->may_expire_ms || ledger_may_be_deleted(l, r);
}

/* Did every subscription bring what it said it did? */
static inline void ledger_check_pushes(struct ledger *l, int32_t number)
{
    const struct ledger_record *r = &l->records[number];
    for (int32_t i = 0; i < l->push_count; i++) {
        const struct ledger_push *p = &l->pushes[i];
        if (r->seen[LEDGER_KINESIS].log == p->shard && r->offset >= p->from && r->offset < p->to &&
            (r->pushed >> i & 1) == 0 && !ledger_may_be_gone(l, r))
            ledger_wrong(l, "record %d was not pushed by subscription %d", (int)number, (int)i);
    }
}

/* Compares the last reading with all that was promised. */
static inline void ledger_close(struct ledger *l)
{
    int32_t before[LEDGER_LOGS_MAX];            /* of each lane, the latest acknowledged record */
    memset(before, -1, sizeof before);
    for (int32_t i = 0; i < l->count; i++) {
        const struct ledger_record *r = &l->records[i];
        const struct ledger_place *at = &r->seen[LEDGER_KAFKA];
        bool was_there = r->acknowledged || at->log >= 0 || r->seen[LEDGER_KINESIS].log >= 0;
        if (r->last[LEDGER_KAFKA] != r->last[LEDGER_KINESIS])
            ledger_wrong(l, "record %d is at one door alone", (int)i);
        if (was_there && !r->last[LEDGER_KAFKA] && !ledger_may_be_gone(l, r))
            ledger_wrong(l, "record %d is lost: it was %s at offset %lld", (int)i,
                         r->acknowledged ? "acknowledged" : "read", (long long)r->offset);
        l->expired += was_there && !r->last[LEDGER_KAFKA] && !ledger_may_be_deleted(l, r);
        if (r->last[LEDGER_KAFKA] && r->offset < l->is_deleted[at->log])
            ledger_wrong(l, "record %d was deleted and is there", (int)i);
        if (at->log >= 0 && r->last[LEDGER_KAFKA] != (r->offset >= l->log_start[at->log]))
            ledger_wrong(l, "record %d is %s at offset %lld, the log starts at %lld", (int)i,
                         r->last[LEDGER_KAFKA] ? "there" : "gone", (long long)r->offset,
                         (long long)l->log_start[at->log]);
        ledger_check_pushes(l, i);
        if (r->lane < 0 || !r->acknowledged || at->log < 0) continue;
        int32_t earlier = before[r->lane];
        if (earlier >= 0 && l->records[earlier].seen[LEDGER_KAFKA].log == at->log &&
            l->records[earlier].offset >= r->offset)
            ledger_wrong(l, "record %d stands in front of %d", (int)i, (int)earlier);
        before[r->lane] = i;
    }
}

#endif
