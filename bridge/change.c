#include "bridge/change.h"

#include "base/check.h"

struct change {
    struct control control;
    struct front_request *rq;
    void (*done)(struct front_request *rq, struct control *c);
};

static void on_done(struct control *c)
{
    struct change *mine = CONTAINER_OF(c, struct change, control);
    struct front_request *rq = mine->rq;
    front_hold(rq);
    mine->done(rq, c);
    topic_unref(c->topic);
    front_release(rq);
}

void change_start(struct front_request *rq, const struct control *change,
                  void (*done)(struct front_request *rq, struct control *c))
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

void change_fail(struct front_request *rq, const struct control *c)
{
    front_fail(rq, c->err, "%s", c->text[0] ? c->text : err_text(c->err));
}

void change_reply_empty(struct front_request *rq, struct control *c)
{
    if (c->err == ERR_OK) front_reply(rq, NULL);
    else change_fail(rq, c);
}
