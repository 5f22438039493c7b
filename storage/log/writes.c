#include "storage/log/writes.h"

#include <assert.h>
#include "base/clock.h"
#include "storage/log/worker.h"
#include "base/check.h"

enum { LARGE_WAIT_MS = 1000 };

static void write_add(struct store_write ***last, struct store_write *write)
{
    write->next = NULL;
    **last = write;
    *last = &write->next;
}

void writes_init(struct writes *ws)
{
    *ws = (struct writes){0};
    ws->turn_last = &ws->turn;
    ws->large_last = &ws->large;
}

void writes_done(struct writes *ws)
{
    assert(ws->turn == NULL && ws->large == NULL);
    map_done(&ws->held);
}

bool writes_hold(struct writes *ws, struct store_write *write)
{
    struct map_node *held = map_first(&ws->held, write->affinity);
    if (held != NULL) {
        write_add(&CONTAINER_OF(held, struct store_write, held)->behind_last, write);
        return true;
    }
    if (!write->large) return false;
    write->behind = NULL;
    write->behind_last = &write->behind;
    map_put(&ws->held, &write->held, write->affinity);
    if (ws->large == NULL) ws->large_since_ms = clock_mono_ms();
    write_add(&ws->large_last, write);
    return true;
}

bool writes_wait(const struct writes *ws)
{
    return ws->large != NULL;
}

bool writes_may_go(const struct writes *ws, struct kv *kv)
{
    return writes_wait(ws) &&
           (clock_mono_ms() - ws->large_since_ms >= LARGE_WAIT_MS || !kv_behind(kv));
}

struct store_write *writes_take(struct writes *ws)
{
    struct store_write *write = ws->large;
    ws->large = write->next;
    if (ws->large == NULL) ws->large_last = &ws->large;
    ws->large_since_ms = clock_mono_ms();
    map_remove(&ws->held, &write->held);
    return write;
}

void writes_stage(struct writes *ws, struct store_write *write, struct kv_batch *b)
{
    write->stage(write, b);
    write_add(&ws->turn_last, write);
}

void writes_answer(struct writes *ws, enum err err)
{
    struct store_write *write = ws->turn;
    ws->turn = NULL;
    ws->turn_last = &ws->turn;
    while (write != NULL) {
        struct store_write *next = write->next;
        write->done(write, err == ERR_OK ? ERR_OK : ERR_KAFKA_STORAGE_ERROR);
        write = next;
    }
}
