/* What must hold of every connection between two turns of its loop, as code. */
#include "base/net/conn.h"

#include <assert.h>
#include "base/check.h"

static void times_check(const struct conn *c)
{
    const int64_t times[] = {c->deadline_ms, c->out_check_ms, c->mute_until_ms, c->retry_at_ms,
                             c->body.check_ms};
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++)
        assert(times[i] == 0 || (loop_timer_is_set(&c->timer) && c->timer.at_ms <= times[i]));
    /* A body that is looked at has begun; output that is looked at waits. */
    assert((c->body.check_ms == 0) == (c->body.began_ms == 0));
    assert(c->out_check_ms == 0 || c->out.bytes > 0);
}

static void conn_check(const struct conn *c)
{
    assert(!conn_is_closed(c) && !c->feeding && c->fd >= 0);
    assert(c->prev == NULL || c->prev->next == c);
    /* Fresh: nothing is known of it. A handshake is TLS's, and TLS came with the first byte. */
    assert(c->life != CONN_FRESH || (c->ssl == NULL && !c->tls && c->stash_len == 0));
    assert(c->life != CONN_HANDSHAKING || c->ssl != NULL);
    assert(c->ssl == NULL || c->tls);
    /* Who is at its end reads no more, and lingers only then. */
    assert(!c->reading || (!c->eof && !conn_is_finishing(c) && !conn_is_muted(c)));
    assert(!c->linger || conn_is_finishing(c));
    /* What lies in the stash is in it; an empty one takes no memory. */
    assert(c->stash_at + c->stash_len <= c->stash_cap);
    assert((c->stash_len == 0) == (c->stash == NULL));
    /* Output goes on: the socket is to say when, or the turn's end sends it. */
    assert(c->out.bytes == 0 || c->write_blocked || c->flush_queued ||
           c->life == CONN_HANDSHAKING);
    assert(!c->write_blocked || (c->out.bytes > 0 && c->out_check_ms != 0));
    times_check(c);
    if (c->protocol->check != NULL) c->protocol->check(c);
}

void conn_home_check(const struct conn_home *home)
{
    uint32_t count = 0, handshakes = 0;
    size_t stash_bytes = 0;
    for (const struct conn *c = home->first; c != NULL; c = c->next) {
        assert(c->home == home);
        conn_check(c);
        count++;
        handshakes += c->life == CONN_HANDSHAKING;
        stash_bytes += c->stash_cap;
    }
    assert(count == home->count && handshakes == home->handshakes);
    assert(stash_bytes == home->stash_bytes);
}
