/* What a connection asks of tls.c. Inside base/net only. */
#ifndef BASE_NET_TLS_INNER_H
#define BASE_NET_TLS_INNER_H

#include <openssl/types.h>
#include <stdbool.h>
#include "base/net/tls.h"

/* A server side session over fd; http: offer ALPN. NULL when memory is out. Thread: any. */
SSL *tls_session(struct tls *tls, int fd, bool http);

#endif
