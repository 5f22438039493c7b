/* A Kafka door without connections, over a store that a test turns by hand, and its page of
 * /metrics. */
#ifndef TESTS_COLLECT_FIXTURE_H
#define TESTS_COLLECT_FIXTURE_H

#include "base/meter.h"
#include "broker/metrics/arrivals.h"
#include "broker/metrics/collect.h"
#include "broker/metrics/collection.h"
#include "broker/metrics/msk.h"
#include "broker/state.h"
#include "unit/storage/catalog_fixture.h"

static struct cx cx;
static struct broker broker;
static char page[4 << 20];

static inline void begin(void)
{
    cx_init(&cx);
    EXPECT_OK(cx_start(&cx));
    broker = (struct broker){.store = cx.s, .options.node_id = 7, .arrivals = arrivals_new(),
                             .traffic = msk_traffic_new(&broker)};
}

static inline void restart(void)
{
    cx_restart(&cx);
    arrivals_free(broker.arrivals);
    broker.store = cx.s;
    broker.arrivals = arrivals_new();
}

static inline void end(void)
{
    arrivals_free(broker.arrivals);
    meters_free(broker.traffic);
    cx_done(&cx);
}

static inline const char *scrape(void)
{
    struct writer out;
    writer_init(&out, sizeof page - 1);
    broker_collect(&out, &broker);
    EXPECT_OK(out.err);
    bytes_to_text(bytes_of(out.data, out.len), page, sizeof page);
    writer_done(&out);
    return page;
}

static inline bool has_line(const char *text, const char *line)
{
    size_t len = strlen(line);
    for (const char *at = text; (at = strstr(at, line)) != NULL; at++)
        if ((at == text || at[-1] == '\n') && at[len] == '\n') return true;
    return false;
}

static inline int count_of(const char *text, const char *word)
{
    int count = 0;
    for (const char *at = text; (at = strstr(at, word)) != NULL; at += strlen(word)) count++;
    return count;
}

static inline void commit(const char *group, const char *topic, int32_t partition, int64_t offset)
{
    struct topic *t = cx_topic(&cx, topic);
    struct offset_entry entry = {
        .topic_id = t->id, .partition = partition, .offset = offset, .metadata = BYTES_LIT(""),
        .expire_ms = -1};
    EXPECT_OK(cx_commit(&cx, group, &entry, 1));
    topic_unref(t);
}

#endif
