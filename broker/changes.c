#include "broker/changes.h"

#include "base/check.h"

struct change {
    struct control control;
    struct changes *owner;
    int32_t at;
};

void changes_begin(struct changes *ch, struct kafka_request *rq,
                   void (*answered)(struct changes *ch, int32_t at, struct control *c),
                   void (*finished)(struct changes *ch))
{
    *ch = (struct changes){.rq = rq, .pending = 1, .answered = answered, .finished = finished};
}

void changes_end(struct changes *ch)
{
    if (--ch->pending == 0) ch->finished(ch);
}

static void done(struct control *c)
{
    struct change *mine = CONTAINER_OF(c, struct change, control);
    mine->owner->answered(mine->owner, mine->at, c);
    topic_unref(c->topic);
    changes_end(mine->owner);
}

enum err changes_ask(struct changes *ch, int32_t at, const struct control *change)
{
    struct change *mine = ARENA_NEW(ch->rq->arena, struct change);
    if (mine == NULL) return ERR_TOO_LARGE;
    *mine = (struct change){.control = *change, .owner = ch, .at = at};
    mine->control.home = ch->rq->frame->loop;
    mine->control.done = done;
    ch->pending++;
    store_control(rq_store(ch->rq), &mine->control);
    return ERR_OK;
}

struct bytes changes_text(struct changes *ch, const struct control *c)
{
    const char *text = c->text[0] != '\0' ? c->text : err_text(c->err);
    return c->err == ERR_OK ? BYTES_NULL : arena_copy(ch->rq->arena, bytes_str(text));
}
