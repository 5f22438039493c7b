/* Host and port as text and number. */
#ifndef BASE_NET_ADDRESS_H
#define BASE_NET_ADDRESS_H

#include <stdbool.h>
#include <stdint.h>
#include "base/err.h"

enum { NET_HOST_BYTES = 256 };

struct net_address {
    char host[NET_HOST_BYTES];     /* numeric when it comes from a socket; IPv6 without brackets */
    uint16_t port;
};

/* "HOST:PORT", "[V6]:PORT" or ":PORT" (then host is 127.0.0.1).
 * Errors: ERR_CONFIG. Thread: any. */
enum err net_address_parse(const char *text, struct net_address *ret);
/* True for a loopback address, or "localhost". Thread: any. */
bool net_address_is_loopback(const struct net_address *a);
/* Of a connected or bound socket; an IPv4 address mapped into IPv6 is shown as IPv4. Empty host
 * when it is no IP socket. Thread: any. */
void net_address_local(int fd, struct net_address *ret);
void net_address_peer(int fd, struct net_address *ret);

#endif
