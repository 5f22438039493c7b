/* Cross-origin requests: answers that a web page may read (https://fetch.spec.whatwg.org, CORS
 * protocol; Access-Control-Expose-Headers as AWS sends it). */
#ifndef BRIDGE_FRONT_CORS_H
#define BRIDGE_FRONT_CORS_H

#include "bridge/front/request.h"

/* What an answer to a page says of who may read it: none without an Origin or for one that is not
 * allowed (http_access.origins). to: room for CORS_HEADERS_MAX. Returns how many. */
enum { CORS_HEADERS_MAX = 3 };
uint32_t cors_headers(struct front_request *rq, struct http_header *to);

/* Answers a preflight (OPTIONS with an Origin); rq is gone afterwards. Thread: the
 * connection's loop. */
void cors_preflight(struct front_request *rq);

#endif
