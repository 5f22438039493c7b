#include "base/net/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include "base/bytes.h"
#include "base/check.h"

static bool parse_port(struct bytes text, uint16_t *ret)
{
    uint64_t port;
    if (text.len > 5 || !bytes_to_u64(text, &port) || port > 65535) return false;
    *ret = (uint16_t)port;
    return true;
}

enum err net_address_parse(const char *text, struct net_address *ret)
{
    struct net_address a = {.host = "127.0.0.1"};
    const char *colon = strrchr(text, ':');
    if (colon == NULL || !parse_port(bytes_str(colon + 1), &a.port)) return ERR_CONFIG;
    struct bytes host = bytes_of(text, (size_t)(colon - text));
    if (host.len >= 2 && host.data[0] == '[' && host.data[host.len - 1] == ']')
        host = bytes_slice(host, 1, host.len - 2);
    else if (memchr(host.data, ':', host.len) != NULL) return ERR_CONFIG;   /* bare IPv6 */
    if (host.len >= sizeof a.host || memchr(host.data, '\0', host.len) != NULL) return ERR_CONFIG;
    if (host.len > 0) bytes_to_text(host, a.host, sizeof a.host);
    *ret = a;
    return ERR_OK;
}

bool net_address_is_loopback(const struct net_address *a)
{
    struct in_addr v4;
    struct in6_addr v6;
    if (strcasecmp(a->host, "localhost") == 0) return true;
    if (inet_pton(AF_INET, a->host, &v4) == 1) return ntohl(v4.s_addr) >> 24 == 127;
    return inet_pton(AF_INET6, a->host, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

static void from_socket(const struct sockaddr_storage *s, struct net_address *ret)
{
    *ret = (struct net_address){0};
    if (s->ss_family == AF_INET) {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)s;
        inet_ntop(AF_INET, &v4->sin_addr, ret->host, sizeof ret->host);
        ret->port = ntohs(v4->sin_port);
    } else if (s->ss_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)s;
        if (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr))
            inet_ntop(AF_INET, &v6->sin6_addr.s6_addr[12], ret->host, sizeof ret->host);
        else inet_ntop(AF_INET6, &v6->sin6_addr, ret->host, sizeof ret->host);
        ret->port = ntohs(v6->sin6_port);
    }
}

void net_address_local(int fd, struct net_address *ret)
{
    struct sockaddr_storage s = {.ss_family = AF_UNSPEC};
    socklen_t len = sizeof s;
    if (getsockname(fd, (struct sockaddr *)&s, &len) != 0) s.ss_family = AF_UNSPEC;
    from_socket(&s, ret);
}

void net_address_peer(int fd, struct net_address *ret)
{
    struct sockaddr_storage s = {.ss_family = AF_UNSPEC};
    socklen_t len = sizeof s;
    if (getpeername(fd, (struct sockaddr *)&s, &len) != 0) s.ss_family = AF_UNSPEC;
    from_socket(&s, ret);
}
