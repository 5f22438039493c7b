#include "bridge/change.h"

#include "base/check.h"

struct change {
    struct control control;
    struct kinesis_request *rq;
    void (*done)(struct kinesis_request *rq, struct control *c);
};

static void on_done(struct control *c)
{
    struct change *mine = CONTAINER_OF(c, struct change, control);
    struct kinesis_request *rq = mine->rq;
    kinesis_hold(rq);
    mine->done(rq, c);
    topic_unref(c->topic);
    kinesis_release(rq);
}

void change_start(struct kinesis_request *rq, const struct control *change,
                  void (*done)(struct kinesis_request *rq, struct control *c))
{
    struct change *mine = ARENA_NEW(rq->arena, struct change);
    if (mine == NULL) {         /* done() is what gives back what the caller took */
        struct control failed = *change;
        failed.err = ERR_UNKNOWN_SERVER_ERROR;
        done(rq, &failed);
        return;
    }
    *mine = (struct change){.control = *change, .rq = rq, .done = done};
    mine->control.home = rq->http->loop;
    mine->control.done = on_done;
    store_control(rq_store(rq), &mine->control);
}

void change_fail(struct kinesis_request *rq, const struct control *c)
{
    kinesis_fail(rq, c->err, "%s", c->text[0] ? c->text : err_text(c->err));
}

void change_reply_empty(struct kinesis_request *rq, struct control *c)
{
    if (c->err == ERR_OK) kinesis_reply(rq, NULL);
    else change_fail(rq, c);
}
