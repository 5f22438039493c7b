#include "broker/metrics/look_up.h"

#include "base/mem.h"
#include "base/net/loop.h"
#include "broker/metrics/arrivals.h"
#include "broker/metrics/collection.h"
#include "broker/state.h"
#include "storage/codecs.h"
#include "storage/store.h"
#include "base/check.h"

struct look_up {
    struct log_read read;
    struct page *page;
    bool under_way;
    bool wants_arrival;             /* not only the log's bounds */
};

/* One page's; lives until its last read is back. */
struct page {
    struct broker *broker;
    struct loop *loop;
    struct look_up_wait *wait;      /* NULL once told */
    struct codec_work gather;       /* makes the rows */
    struct collection rows;
    int32_t offset_at, partition_at;        /* the next rows to look at */
    int32_t under_way;
    struct loop_timer deadline;
    struct look_up look_ups[LOOK_UPS_MAX];
};

static void tell(struct page *p)
{
    struct look_up_wait *w = p->wait;
    if (w == NULL) return;
    p->wait = NULL;
    loop_timer_cancel(p->loop, &p->deadline);
    w->done(w);
}

static void look_up_done(struct log_read *r);

static void begin(struct look_up *l, struct topic *t, int32_t partition, int64_t offset,
                  bool wants_arrival)
{
    struct page *p = l->page;
    l->under_way = true;
    l->wants_arrival = wants_arrival;
    l->read = (struct log_read){
        .topic = t, .partition = partition, .offset = offset, .min_one = wants_arrival,
        .home = p->loop, .done = look_up_done};
    read_result_init(&l->read.result);
    p->under_way++;
    store_read(p->broker->store, &l->read);
}

/* Begins the next read that is wanted; false when there is none. Groups come first: a log that is
 * opened for one of them tells its bounds too. */
static bool begin_next(struct look_up *l)
{
    struct page *p = l->page;
    while (p->offset_at < p->rows.offset_count) {
        const struct offset_row *row = &p->rows.offsets[p->offset_at++];
        if (row->lag_ms >= 0) continue;
        begin(l, row->topic, row->partition, row->lag < 0 ? row->offset : row->waiting, true);
        return true;
    }
    while (p->partition_at < p->rows.partition_count) {
        const struct partition_row *row = &p->rows.partitions[p->partition_at++];
        struct log_bounds bounds;
        if (row->known || plog_bounds(row->topic->partitions[row->partition].log, &bounds) ==
                              ERR_OK)
            continue;
        begin(l, row->topic, row->partition, 0, false);
        return true;
    }
    return false;
}

/* No further read is begun. */
static void stop(struct page *p)
{
    p->offset_at = p->rows.offset_count;
    p->partition_at = p->rows.partition_count;
}

static void go_on(struct page *p)
{
    if (p->wait == NULL || p->wait->gone) stop(p);
    for (int i = 0; i < LOOK_UPS_MAX; i++)
        if (!p->look_ups[i].under_way && !begin_next(&p->look_ups[i])) break;
    if (p->under_way > 0) return;
    tell(p);
    collection_done(&p->rows);
    mem_free(p);
}

/* A read that failed leaves its number unknown; the log says why. What retention removed before the
 * group came to it is not waited for. */
static void look_up_done(struct log_read *r)
{
    struct look_up *l = CONTAINER_OF(r, struct look_up, read);
    struct page *p = l->page;
    int64_t log_start = r->result.bounds.log_start;
    bool again = r->err == ERR_OFFSET_OUT_OF_RANGE && l->wants_arrival && r->offset < log_start;
    if (r->err == ERR_OK && l->wants_arrival && r->result.count > 0)
        arrivals_put(p->broker->arrivals, r->topic->partitions[r->partition].log_id, r->offset,
                     r->result.batches[0].arrival_ms);
    read_result_done(&r->result);
    l->under_way = false;
    p->under_way--;
    if (again && !(p->wait == NULL || p->wait->gone))
        begin(l, r->topic, r->partition, log_start, true);
    go_on(p);
}

static void on_deadline(struct loop_timer *timer)
{
    tell(CONTAINER_OF(timer, struct page, deadline));
}

static enum codec_outcome gather(struct codec_work *w, struct codec_tools *tools)
{
    (void)tools;
    struct page *p = CONTAINER_OF(w, struct page, gather);
    collection_init(&p->rows, p->broker);
    return CODEC_OVER;
}

static void gathered(struct codec_work *w)
{
    go_on(CONTAINER_OF(w, struct page, gather));
}

void broker_look_up(struct broker *b, struct loop *loop, struct look_up_wait *w)
{
    struct page *p = NEW(struct page);
    *p = (struct page){
        .broker = b, .loop = loop, .wait = w, .deadline.fire = on_deadline,
        .gather = {.client = (uintptr_t)p, .lane = CODEC_QUICK, .step = gather, .home = loop,
                   .done = gathered}};
    for (int i = 0; i < LOOK_UPS_MAX; i++) p->look_ups[i].page = p;
    arrivals_turn(b->arrivals);
    loop_timer_set(loop, &p->deadline, loop_now_ms(loop) + LOOK_UP_WAIT_MS);
    store_codec(b->store, &p->gather);
}
