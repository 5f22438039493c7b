/* What http.c, http1.c and http2.c share. Inside base/net only. */
#ifndef BASE_NET_HTTP_INNER_H
#define BASE_NET_HTTP_INNER_H

#include "base/net/conn.h"
#include "base/net/http.h"

/* One HTTP version. All get a request whose connection is there. */
struct http_version {
    uint8_t major;
    void (*reply)(struct http_request *rq, uint16_t status, const struct http_header *headers,
                  uint32_t header_count);
    void (*abort)(struct http_request *rq);
    void (*start)(struct http_request *rq, uint16_t status, const struct http_header *headers,
                  uint32_t header_count);
    size_t (*write)(struct http_request *rq, struct writer *w);
    size_t (*queued)(const struct http_request *rq);
    void (*end)(struct http_request *rq);
    /* One more, or one fewer, reply of the request's connection is under way; may be NULL. */
    void (*promise)(struct http_request *rq, int by);
};
extern const struct http_version http1_version;
extern const struct http_version http2_version;

struct http_request *http_request_new(struct conn *c, const struct http_version *version);
void http_request_free(struct http_request *rq);
/* Hands it to the door. */
void http_request_run(struct http_request *rq);
/* The client has gone: rq belongs to the door alone. */
void http_request_gone(struct http_request *rq);
/* The server stops: asks the door to come to an end with rq, which may be gone afterwards. */
void http_request_stop(struct http_request *rq);
/* Splits a request target at its '?'. */
void http_request_target(struct http_request *rq, struct bytes target);
/* The value of content-length. False: none, or not a number. */
bool http_content_length(const struct http_request *rq, uint64_t *ret);
/* Whether the loop has room for the answer to a request that is whole: a large one waits. */
bool http_has_room(const struct http_request *rq);

bool http_name_is(struct bytes name, const char *lower);
/* A value that would break the head of a message: CR, LF or NUL. */
bool http_value_is_legal(struct bytes value);
/* Replies to HEAD, and those with status 1xx, 204 and 304, have no body. */
bool http_has_body(const struct http_request *rq, uint16_t status);
/* "Sun, 22 Nov 2026 10:00:00 GMT"; of this thread, until the next call. */
const char *http_date(void);

#endif
