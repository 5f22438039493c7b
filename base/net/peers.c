#include "base/net/peers.h"

#include <netinet/in.h>
#include <pthread.h>
#include <string.h>
#include "base/bytes.h"
#include "base/mailbox.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/check.h"

struct peer {
    struct map_node node;
    uint8_t address[16];             /* of IPv4, as mapped into IPv6 */
    uint32_t conns;
};

struct peers {
    pthread_mutex_t lock;
    struct map map;
    uint32_t max;
};

struct peers *peers_new(uint32_t max)
{
    struct peers *p = NEW(struct peers);
    pthread_mutex_init(&p->lock, NULL);
    p->max = max;
    return p;
}

void peers_free(struct peers *p)
{
    if (p == NULL) return;
    map_done(&p->map);
    pthread_mutex_destroy(&p->lock);
    mem_free(p);
}

static void key_of(const struct sockaddr *address, uint8_t to[16])
{
    memset(to, 0, 16);
    if (address->sa_family == AF_INET6) {
        mem_copy(to, &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr, 16);
    } else if (address->sa_family == AF_INET) {
        to[10] = to[11] = 0xff;
        mem_copy(to + 12, &((const struct sockaddr_in *)(const void *)address)->sin_addr, 4);
    }
}

static struct peer *find(struct peers *p, const uint8_t key[16], uint64_t hash)
{
    for (struct map_node *n = map_first(&p->map, hash); n != NULL; n = map_next(n)) {
        struct peer *peer = CONTAINER_OF(n, struct peer, node);
        if (memcmp(peer->address, key, 16) == 0) return peer;
    }
    return NULL;
}

static struct peer *add(struct peers *p, const uint8_t key[16])
{
    uint64_t hash = bytes_hash(bytes_of(key, 16));
    struct peer *peer = find(p, key, hash);
    if (peer == NULL && p->max > 0) {
        peer = mem_try_array(1, sizeof *peer);
        if (peer == NULL) return NULL;
        mem_copy(peer->address, key, 16);
        map_put(&p->map, &peer->node, hash);
    }
    if (peer == NULL || peer->conns >= p->max) return NULL;
    peer->conns++;
    return peer;
}

struct peer *peers_add(struct peers *p, const struct sockaddr *address)
{
    uint8_t key[16];
    key_of(address, key);
    pthread_mutex_lock(&p->lock);
    struct peer *peer = add(p, key);
    pthread_mutex_unlock(&p->lock);
    return peer;
}

void peers_remove(struct peers *p, struct peer *peer)
{
    pthread_mutex_lock(&p->lock);
    if (--peer->conns == 0) map_remove(&p->map, &peer->node);
    else peer = NULL;
    pthread_mutex_unlock(&p->lock);
    mem_free(peer);
}
