#include "broker/changes.h"

#include "base/check.h"

struct change {
    struct control control;
    struct changes *owner;
    int32_t at;
    struct change *next;                /* spare */
};

static struct loop *loop_of(const struct changes *ch)
{
    return ch->rq->frame->loop;
}

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

static void walk(struct job *job)
{
    struct changes *ch = CONTAINER_OF(job, struct changes, turn);
    for (int32_t left = CHANGES_A_TURN; ch->at < ch->count; left--) {
        ch->full = ch->pending > CHANGES_UNDER_WAY_MAX;
        if (ch->full) return;
        if (left == 0) {
            loop_defer_long(loop_of(ch), &ch->turn);
            return;
        }
        ch->one(ch, ch->at++);
    }
    changes_end(ch);
}

void changes_each(struct changes *ch, int32_t count, void (*one)(struct changes *ch, int32_t at))
{
    ch->count = count;
    ch->one = one;
    ch->turn.run = walk;
    walk(&ch->turn);
}

static void done(struct control *c)
{
    struct change *mine = CONTAINER_OF(c, struct change, control);
    struct changes *ch = mine->owner;
    ch->answered(ch, mine->at, c);
    topic_unref(c->topic);
    mine->next = ch->spare;
    ch->spare = mine;
    /* Half of them are gone before more are asked for: a turn for many, not for each. */
    if (ch->full && ch->pending <= CHANGES_UNDER_WAY_MAX / 2) {
        ch->full = false;
        loop_defer_long(loop_of(ch), &ch->turn);
    }
    changes_end(ch);
}

enum err changes_ask(struct changes *ch, int32_t at, const struct control *change)
{
    struct change *mine = ch->spare;
    if (mine != NULL) ch->spare = mine->next;
    else mine = ARENA_NEW(ch->rq->arena, struct change);
    if (mine == NULL) return ERR_TOO_LARGE;
    *mine = (struct change){.control = *change, .owner = ch, .at = at};
    mine->control.home = loop_of(ch);
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
