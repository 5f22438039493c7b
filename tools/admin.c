/* Plain GETs of fixed paths, answered on the connection's loop; but the page of /metrics is written
 * on a codec lane: what the registry and its collectors hold in memory, after what only the disk
 * knows was looked up. */
#include "tools/admin.h"

#include "base/mailbox.h"
#include "base/metrics.h"
#include "broker/metrics/look_up.h"
#include "storage/codecs.h"
#include "storage/store.h"
#include "base/check.h"

/* Beyond the sum of what is shown at most: 8 names a committed offset (30 MiB), 7 a partition (20),
 * and the registry (14). */
enum { METRICS_BYTES_MAX = 96 << 20 };

static void answer(struct http_request *rq, uint16_t status, const char *type)
{
    struct http_header header = {BYTES_LIT("content-type"), bytes_str(type)};
    http_reply(rq, status, &header, 1);
}

static void answer_text(struct http_request *rq, uint16_t status, const char *text)
{
    writer_text(&rq->reply, text);
    answer(rq, status, "text/plain; charset=utf-8");
}

/* Ready: requests are taken and writes reach the disk. */
static void readyz(struct http_request *rq, struct admin *a)
{
    if (!atomic_load(&a->ready)) {
        answer_text(rq, 503, "not ready: starting or stopping\n");
        return;
    }
    if (kv_writes_stopped(store_kv(a->store)))
        answer_text(rq, 503, "not ready: the disk refuses writes; see the log\n");
    else answer_text(rq, 200, "ok\n");
}

enum { PAGES_MAX = 4 };

struct metrics_page {
    struct look_up_wait wait;
    struct codec_work work;
    struct http_request *rq;
};

static enum codec_outcome metrics_step(struct codec_work *w, struct codec_tools *tools)
{
    (void)tools;
    metrics_write(&CONTAINER_OF(w, struct metrics_page, work)->rq->reply);
    return CODEC_OVER;
}

static void metrics_written(struct codec_work *w)
{
    const struct metrics_page *page = CONTAINER_OF(w, struct metrics_page, work);
    struct http_request *rq = page->rq;
    atomic_fetch_sub(&((struct admin *)rq->door->context)->pages, 1);
    if (page->wait.gone) {
        http_abort(rq);
        return;
    }
    if (rq->reply.err != ERR_OK) {
        writer_reset(&rq->reply);
        answer_text(rq, 503, "the page of metrics became too large\n");
        return;
    }
    atomic_store(&((struct admin *)rq->door->context)->page_bytes, rq->reply.len);
    answer(rq, 200, "text/plain; version=0.0.4; charset=utf-8");
}

static void metrics_ready(struct look_up_wait *w)
{
    struct metrics_page *page = CONTAINER_OF(w, struct metrics_page, wait);
    struct admin *a = page->rq->door->context;
    if (!w->gone) {
        store_codec(a->store, &page->work);
        return;
    }
    atomic_fetch_sub(&a->pages, 1);
    http_abort(page->rq);
}

static void metrics_gone(struct http_request *rq)
{
    struct metrics_page *page = rq->context;
    page->wait.gone = true;
}

static void metrics(struct http_request *rq, struct admin *a)
{
    struct metrics_page *page = ARENA_NEW(&rq->arena, struct metrics_page);
    if (page == NULL) {
        http_abort(rq);
        return;
    }
    if (atomic_fetch_add(&a->pages, 1) >= PAGES_MAX) {
        atomic_fetch_sub(&a->pages, 1);
        answer_text(rq, 503, "other pages of metrics are being made: ask again\n");
        return;
    }
    *page = (struct metrics_page){
        .wait.done = metrics_ready, .rq = rq,
        .work = {.client = (uintptr_t)a, .lane = CODEC_QUICK, .step = metrics_step,
                 .home = rq->loop, .done = metrics_written}};
    rq->context = page;
    rq->on_closed = metrics_gone;
    broker_look_up(a->broker, rq->loop, &page->wait);
}

static void on_request(struct http_request *rq)
{
    struct admin *a = rq->door->context;
    const char *stranger = http_access_refuses(a->access, rq);
    if (rq->refused != 0) answer_text(rq, rq->refused, "bad request\n");
    else if (stranger != NULL) answer_text(rq, 403, stranger);
    else if (!bytes_equal_str(rq->method, "GET") && !bytes_equal_str(rq->method, "HEAD"))
        answer_text(rq, 405, "only GET\n");
    else if (bytes_equal_str(rq->path, "/livez")) answer_text(rq, 200, "ok\n");
    else if (bytes_equal_str(rq->path, "/readyz")) readyz(rq, a);
    else if (bytes_equal_str(rq->path, "/metrics")) metrics(rq, a);
    else answer_text(rq, 404, "not here; try /livez, /readyz or /metrics\n");
}

/* The next page of /metrics is about as large as the last one. */
static size_t answer_bytes(const struct http_request *rq)
{
    struct admin *a = rq->door->context;
    return bytes_equal_str(rq->path, "/metrics") ? atomic_load(&a->page_bytes) : 0;
}

void admin_init(struct admin *a, struct store *store, struct broker *broker,
                const struct http_access *access)
{
    *a = (struct admin){
        .door = {.body_bytes_max = 4096,
                 .reply_bytes_max = METRICS_BYTES_MAX,
                 .arena_bytes_max = 64 << 10,
                 .context = a,
                 .answer_bytes = answer_bytes,
                 .on_request = on_request},
        .access = access,
        .store = store,
        .broker = broker,
    };
}
