/* Between the requests of base/net and the handlers. */
#ifndef BRIDGE_FRONT_DISPATCH_H
#define BRIDGE_FRONT_DISPATCH_H

#include "base/net/http.h"

/* Makes the metrics of every operation. Thread: main, once. */
void bridge_dispatch_init(void);
/* struct http_door's on_request. */
void bridge_dispatch_request(struct http_request *http);
/* Its answer_bytes. */
size_t bridge_dispatch_answer_bytes(const struct http_request *http);

#endif
