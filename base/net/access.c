#include "base/net/access.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>
#include "base/check.h"

enum { HOST_BYTES_MAX = 256 };

static bool is_same(struct bytes a, const char *b, size_t len)
{
    return a.len == len && strncasecmp((const char *)a.data, b, len) == 0;
}

static bool is_in(const char *list, struct bytes item)
{
    for (const char *at = list ? list : ""; *at != '\0';) {
        size_t len = strcspn(at, ",");
        if (len > 0 && is_same(item, at, len)) return true;
        at += len + (at[len] == ',');
    }
    return false;
}

/* Without the port, brackets and the dot at the end. */
static struct bytes name_of(struct bytes host)
{
    if (host.len > 0 && host.data[0] == '[') {
        const uint8_t *end = memchr(host.data, ']', host.len);
        return end ? bytes_of(host.data + 1, (size_t)(end - host.data) - 1) : host;
    }
    const uint8_t *colon = host.len > 0 ? memchr(host.data, ':', host.len) : NULL;
    size_t len = colon ? (size_t)(colon - host.data) : host.len;
    if (len > 0 && host.data[len - 1] == '.') len--;
    return bytes_slice(host, 0, len);
}

static bool is_address(struct bytes name)
{
    char text[HOST_BYTES_MAX];
    struct in6_addr address;
    if (name.len >= sizeof text) return false;
    bytes_to_text(name, text, sizeof text);
    return inet_pton(AF_INET, text, &address) == 1 || inet_pton(AF_INET6, text, &address) == 1;
}

static bool is_local(struct bytes name)
{
    static const char local[] = "localhost", below[] = ".localhost";
    size_t len = sizeof below - 1;
    return is_same(name, local, sizeof local - 1) ||
           (name.len > len && is_same(bytes_slice(name, name.len - len, len), below, len));
}

bool http_host_is_allowed(const struct http_access *a, struct bytes host)
{
    struct bytes name = name_of(host);
    if (a->any_host && (a->hosts == NULL || a->hosts[0] == '\0')) return true;
    return is_address(name) || is_local(name) || is_in(a->hosts, name);
}

bool http_origin_is_allowed(const struct http_access *a, struct bytes origin)
{
    return strcmp(a->origins, "*") == 0 || is_in(a->origins, origin);
}

const char *http_access_refuses(const struct http_access *a, const struct http_request *rq)
{
    if (a == NULL) return NULL;
    struct bytes host = http_header(rq, "host"), origin = http_header(rq, "origin");
    if (host.len > 0 && !http_host_is_allowed(a, host))
        return "The Host is not a name of this server; --http-hosts can name it.";
    if (origin.len > 0 && !http_origin_is_allowed(a, origin))
        return "Web pages of this Origin may not use this server; --cors-origins can name it.";
    return NULL;
}
