/* The controller's thread: it takes one operation after the other off its mailbox, settles what is
 * in doubt, and looks after closed shards. */
#include "storage/control/controller.h"

#include <assert.h>
#include "base/clock.h"
#include "base/mem.h"
#include "base/net/loop.h"
#include "base/check.h"

enum { DOUBT_RETRY_MS = 200, EXPIRE_PAGE = 64 };

enum err control_producer_id(struct controller *k, struct control *c)
{
    return catalog_producer_id(k->catalog, &c->result);
}

static enum err (*const operations[CONTROL_KIND_COUNT])(struct controller *k, struct control *c) = {
#define CONTROL(KIND, function) [CONTROL_##KIND] = control_##function,
#include "storage/control/control.def"
};

/* ---- Jobs */

static void control_done(struct job *job)
{
    struct control *c = CONTAINER_OF(job, struct control, job);
    c->done(c);
}

/* Where nobody appends, nobody else asks whether there is room again. */
static bool ready(struct controller *k)
{
    if (!control_settle(k)) return false;
    struct kv *kv = store_kv(k->store);
    bool refuses = kv_writes_stopped(kv) || kv_is_full(kv);
    if (refuses) (void)!kv_resume(kv);      /* a delete may go nevertheless */
    return true;
}

static void control_run(struct controller *k, struct control *c)
{
    c->text[0] = '\0';
    c->topic = NULL;
    c->result = 0;
    c->err = ready(k) ? operations[c->kind](k, c) : ERR_KAFKA_STORAGE_ERROR;
    assert(c->err == ERR_OK || c->topic == NULL);
    c->job.run = control_done;
    loop_answer(c->home, &c->job);
}

static void control_begin(struct job *job)
{
    struct control *c = CONTAINER_OF(job, struct control, job);
    control_run(c->controller, c);
}

void store_control(struct store *s, struct control *c)
{
    assert((size_t)c->kind < CONTROL_KIND_COUNT);
    c->controller = store_controller(s);
    c->job.run = control_begin;
    mailbox_post(&c->controller->inbox, &c->job);
}

static void expire_all(struct controller *k)
{
    struct topic *page[EXPIRE_PAGE];
    CLEANUP(topic_unrefp) struct topic *last = NULL;
    int32_t count = EXPIRE_PAGE;
    /* Settled before a page is read and never within one: a doubt that turns out true makes another
     * value of its topic than the page has, and expiry from the old one would undo it. */
    while (count == EXPIRE_PAGE && control_settle(k)) {
        struct bytes after = last ? topic_name(last) : BYTES_NULL;
        count = store_topics(k->store, after, EXPIRE_PAGE, page);
        for (int32_t i = 0; i < count; i++) {
            if (k->doubt == NULL) (void)!control_expire_shards(k, page[i], clock_wall_ms());
            topic_unref(last);
            last = page[i];
        }
    }
}

/* Closed shards are looked at as often as retention is. */
static bool expire_if_due(struct controller *k)
{
    int64_t now_ms = clock_mono_ms();
    if (now_ms < k->expire_at_ms) return false;
    k->expire_at_ms = now_ms + store_options(k->store)->retention_check_ms;
    expire_all(k);
    return true;
}

static bool turn(struct controller *k, struct job *job)
{
    bool any = jobs_run(job);
    if (k->doubt != NULL) (void)!control_settle(k);
    return expire_if_due(k) || any;
}

bool controller_turn(struct controller *k)
{
    return turn(k, mailbox_take(&k->inbox));
}

static void *controller_main(void *arg)
{
    struct controller *k = arg;
    while (!k->stopping) {
        int64_t wait_ms = k->expire_at_ms - clock_mono_ms();
        if (wait_ms < 0) wait_ms = 0;
        if (k->doubt != NULL && wait_ms > DOUBT_RETRY_MS) wait_ms = DOUBT_RETRY_MS;
        turn(k, mailbox_wait(&k->inbox, wait_ms < INT32_MAX ? (int)wait_ms : INT32_MAX));
    }
    return NULL;
}

/* ---- Life */

enum err controller_open(struct store *s, struct controller **ret)
{
    struct controller *k = NEW(struct controller);
    k->store = s;
    k->catalog = store_catalog(s);
    k->expire_at_ms = clock_mono_ms() + store_options(s)->retention_check_ms;
    mailbox_init(&k->inbox);
    catalog_publish_all(k->catalog);
    *ret = k;
    if (store_options(s)->manual) return ERR_OK;
    int failed = pthread_create(&k->thread, NULL, controller_main, k);
    assert(!failed);
    pthread_setname_np(k->thread, "controller");
    k->started = true;
    return ERR_OK;
}

void controller_stop(struct controller *k)
{
    if (k == NULL) return;
    if (k->started) {
        mailbox_stop(&k->inbox, &k->stopping, k->thread);
        k->started = false;
    }
    controller_turn(k);
}

void controller_close(struct controller *k)
{
    if (k == NULL) return;
    assert(!k->started);
    topic_unref(k->doubt);
    topic_unref(k->doubt_before);
    mailbox_done(&k->inbox);
    mem_free(k);
}
