/* Who may speak to an HTTP port: not any page that a browser on this machine happens to show.
 *
 * A browser tells the page's origin with each request that could change something, and the name by
 * which it reached us with every one. So an origin is refused unless it was allowed by name, and a
 * Host that is a name of somebody else's (DNS rebinding) is refused. Programs send no Origin and
 * the Host that they were given: they never notice. */
#ifndef BASE_NET_ACCESS_H
#define BASE_NET_ACCESS_H

#include "base/net/http.h"

struct http_access {
    const char *origins;         /* with commas, as "http://localhost:3000"; "*": all; "": none */
    const char *hosts;           /* names with commas that pass besides those that always do */
    bool any_host;               /* unless hosts names some */
};

/* Whether this Host passes: an address, localhost, a name below it, or one of the list. */
bool http_host_is_allowed(const struct http_access *a, struct bytes host);
bool http_origin_is_allowed(const struct http_access *a, struct bytes origin);
/* NULL: the request may run. Else why not, to be told with status 403. a: NULL allows all. */
const char *http_access_refuses(const struct http_access *a, const struct http_request *rq);

#endif
