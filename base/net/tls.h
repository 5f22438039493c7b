/* TLS for every door: OpenSSL, 1.2 and up; ALPN h2 and http/1.1 where HTTP is spoken.
 *
 * Without files of its own a server makes a CA and a separate leaf (not a CA: rustls refuses a leaf
 * that is one) with SAN localhost, 127.0.0.1, ::1 and the host's name, P-256, in a directory, keys
 * with mode 0600; later starts use the same ones. Clients trust ca.pem there. */
#ifndef BASE_NET_TLS_H
#define BASE_NET_TLS_H

#include <stdbool.h>
#include "base/err.h"

struct tls;
struct tls_start;

struct tls_config {
    const char *cert_path;     /* PEM chain, leaf first; NULL together with key_path: made in dir */
    const char *key_path;
    const char *dir;           /* for ca.pem, ca.key, server.pem, server.key; made when missing */
};

/* ret_tls: for any number of doors and loops; tls_free() after the last connection.
 * Errors: ERR_CONFIG - a file is missing or no PEM, or key and certificate do not belong together;
 * ERR_DISK - dir cannot be written. Thread: any; takes a few ms. */
enum err tls_new(const struct tls_config *config, struct tls **ret_tls);
/* The same on a thread of its own: OpenSSL takes several ms to set itself up, and a server has
 * other things to do meanwhile. config and what it points at stay valid until tls_started(). Never
 * NULL. */
struct tls_start *tls_start(const struct tls_config *config);
/* Waits for that thread, frees start and gives tls_new()'s outcome.
 * Errors: tls_new()'s. Thread: the one that called tls_start(). */
enum err tls_started(struct tls_start *start, struct tls **ret_tls);
void tls_free(struct tls *tls);      /* NULL is a no-op */

#endif
