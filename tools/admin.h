/* The admin door: /livez, /readyz and /metrics. */
#ifndef TOOLS_ADMIN_H
#define TOOLS_ADMIN_H

#include <stdatomic.h>
#include "base/net/access.h"
#include "base/net/http.h"

struct broker;
struct store;

struct admin {
    struct http_door door;
    struct store *store;
    struct broker *broker;
    const struct http_access *access;
    atomic_size_t page_bytes;   /* of the last page of /metrics */
    atomic_uint pages;          /* of it that are being made: each may take megabytes and seconds */
    atomic_bool ready;          /* both doors are open and none is closing */
};

/* Fills a; it lives as long as its listener. Thread: main. */
void admin_init(struct admin *a, struct store *store, struct broker *broker,
                const struct http_access *access);

#endif
