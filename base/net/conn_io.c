#include "base/net/conn.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/check.h"

enum { VECTORS_MAX = 64, TLS_RECORD_BYTES = 16 * 1024 };

static bool again(void)
{
    return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
}

/* What an SSL call that did not succeed means. The error queue is per thread: it must be empty
 * before each call, or a stale entry would be taken for this one's. */
static int ssl_outcome(struct conn *c, int result)
{
    switch (SSL_get_error(c->ssl, result)) {
    case SSL_ERROR_WANT_READ:
        return IO_AGAIN;
    case SSL_ERROR_WANT_WRITE:
        c->write_blocked = true;
        event_add(&c->write_event, NULL);
        return IO_AGAIN;
    case SSL_ERROR_ZERO_RETURN:
        return 0;
    default:
        return IO_FAILED;
    }
}

int conn_io_handshake(struct conn *c)
{
    ERR_clear_error();
    int result = SSL_do_handshake(c->ssl);
    if (result == 1) return 1;
    int outcome = ssl_outcome(c, result);
    return outcome == 0 ? IO_FAILED : outcome;
}

ssize_t conn_io_read(struct conn *c, struct iovec *vectors, int count)
{
    if (c->ssl != NULL) {
        ERR_clear_error();
        size_t len = 0;
        int result = SSL_read_ex(c->ssl, vectors[0].iov_base, vectors[0].iov_len, &len);
        return result == 1 ? (ssize_t)len : ssl_outcome(c, 0);
    }
    ssize_t len = count > 1 ? readv(c->fd, vectors, count)
                            : recv(c->fd, vectors[0].iov_base, vectors[0].iov_len, 0);
    if (len >= 0) return len;
    return again() ? IO_AGAIN : IO_FAILED;
}

static ssize_t tls_write(struct conn *c, bool *ret_more)
{
    struct iovec first;
    outq_vectors(&c->out, &first, 1);
    if (first.iov_len < TLS_RECORD_BYTES && c->out.count > 1) {
        first.iov_base = loop_scratch(c->home->loop);
        first.iov_len = outq_peek(&c->out, first.iov_base, TLS_RECORD_BYTES);
    }
    ERR_clear_error();
    size_t len = 0;
    int result = SSL_write_ex(c->ssl, first.iov_base, first.iov_len, &len);
    *ret_more = result == 1;
    if (result == 1) return (ssize_t)len;
    int outcome = ssl_outcome(c, 0);
    return outcome == 0 ? IO_FAILED : outcome;
}

/* The first max bytes of them: how many vectors they take, and how many bytes they are. */
static int cut(struct iovec *vectors, int count, size_t max, size_t *ret_bytes)
{
    size_t bytes = 0;
    int i = 0;
    while (i < count && bytes < max) {
        if (vectors[i].iov_len > max - bytes) vectors[i].iov_len = max - bytes;
        bytes += vectors[i++].iov_len;
    }
    *ret_bytes = bytes;
    return i;
}

ssize_t conn_io_write(struct conn *c, size_t max, bool *ret_more)
{
    if (c->ssl != NULL) return tls_write(c, ret_more);
    struct iovec vectors[VECTORS_MAX];
    size_t offered;
    int count = cut(vectors, outq_vectors(&c->out, vectors, VECTORS_MAX), max, &offered);
    struct msghdr msg = {.msg_iov = vectors, .msg_iovlen = (size_t)count};
    ssize_t len = count > 1 ? sendmsg(c->fd, &msg, MSG_NOSIGNAL)
                            : send(c->fd, vectors[0].iov_base, vectors[0].iov_len, MSG_NOSIGNAL);
    *ret_more = len >= 0 && (size_t)len == offered;
    if (len >= 0) return len;
    return again() ? IO_AGAIN : IO_FAILED;
}

void conn_io_end(struct conn *c, bool says_goodbye)
{
    if (c->ssl == NULL) return;
    ERR_clear_error();
    if (says_goodbye) SSL_shutdown(c->ssl);
    ERR_clear_error();
    SSL_free(c->ssl);
    c->ssl = NULL;
}
