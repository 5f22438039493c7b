/* Target functions: frame_bytes, frame_reply, frame_abort, frame_mute, conn_*.
 * Input: the first byte is the size of the pieces, the rest is what a client sends. The first byte
 * of a frame says what the door does with it. */
#include "net_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct frame_request *held[FUZZ_HELD_MAX];

static void on_gone(struct frame_request *rq)
{
    for (int i = 0; i < fuzz_held_count; i++)
        if (held[i] == rq) held[i] = held[--fuzz_held_count];
    frame_reply(rq);
}

static void on_frame(struct frame_request *rq)
{
    struct bytes body = slab_bytes(rq->body);
    unsigned op = body.len ? body.data[0] % 8 : 0;
    struct frame_conn *conn = rq->conn;
    if (op == 1 && fuzz_held_count < FUZZ_HELD_MAX) {
        rq->on_closed = on_gone;
        held[fuzz_held_count++] = rq;
        return;
    }
    if (op == 2) frame_mute(conn, 20);
    if (op == 3) frame_close(conn);
    if (op == 4) writer_splice(&rq->reply, (struct slab_view){rq->body, body});
    else writer_bytes_raw(&rq->reply, body);
    if (op == 5) frame_abort(rq);
    else if (op == 6) frame_reply_none(rq);
    else frame_reply(rq);
}

static bool may_overlap(const struct frame_request *last, struct bytes next)
{
    return last->body->len > 0 && next.len > 0 && (last->body->data[0] ^ next.data[0]) % 2 == 0;
}

/* The youngest first: replies must wait for their elders. */
static void answer_one(void)
{
    if (fuzz_held_count == 0) return;
    frame_reply(held[--fuzz_held_count]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct frame_door door = {.frame_bytes_max = FUZZ_BODY_MAX,
                                           .reply_bytes_max = FUZZ_BODY_MAX,
                                           .arena_bytes_max = 4096,
                                           .on_frame = on_frame, .may_overlap = may_overlap};
    if (fuzz_door.name == NULL) fuzz_door_init("fuzz_frame");
    fuzz_door.frames = &door;
    if (size > 0) fuzz_feed(BYTES_LIT(""), data + 1, size - 1, data[0] + 1u, answer_one);
    return 0;
}
