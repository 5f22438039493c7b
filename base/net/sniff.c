/* What an HTTP connection speaks is known from its first bytes, in the clear or inside TLS: the
 * preface of HTTP/2 begins with a method that HTTP/1.1 does not have. ALPN is not asked: clients
 * are known that speak HTTP/2 over TLS without it. */
#include <string.h>
#include "base/net/conn.h"
#include "base/check.h"

static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
enum { PREFACE_BYTES = sizeof preface - 1 };

static size_t sniff_bytes(struct conn *c, const uint8_t *data, size_t len)
{
    if (c->home->door->frames != NULL) {
        frame_start(c);
        return 0;
    }
    size_t same = len < PREFACE_BYTES ? len : PREFACE_BYTES;
    bool is_http1 = memcmp(data, preface, same) != 0;
    if (!is_http1 && same < PREFACE_BYTES) return 0;
    if (!conn_charge(c, is_http1 ? CONN_HTTP1_BYTES : CONN_HTTP2_BYTES)) return 0;
    if (is_http1) http1_start(c);
    else http2_start(c);
    return 0;
}

static void sniff_stop(struct conn *c)
{
    conn_close(c, NET_CLOSE_STOP);
}

const struct conn_protocol sniff_protocol = {
    .on_bytes = sniff_bytes,
    .on_stop = sniff_stop,
};
