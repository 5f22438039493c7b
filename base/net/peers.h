/* How many connections each address has, over all listeners that share the table: an address gets
 * no more than its share (Kafka's max.connections.per.ip). Thread: any; a short lock. */
#ifndef BASE_NET_PEERS_H
#define BASE_NET_PEERS_H

#include <stdint.h>
#include <sys/socket.h>

struct peer;
struct peers;

struct peers *peers_new(uint32_t max);                  /* of one address. Never NULL */
void peers_free(struct peers *p);                       /* none is counted; NULL is a no-op */
/* One more connection; NULL: the address has as many as it may have, or memory is out. Addresses
 * that are neither IPv4 nor IPv6 count as one. */
struct peer *peers_add(struct peers *p, const struct sockaddr *address);
void peers_remove(struct peers *p, struct peer *peer);

#endif
