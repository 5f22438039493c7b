#include "bridge/bridge.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/random.h>
#include "base/mem.h"
#include "bridge/fanout.h"
#include "bridge/front/front.h"
#include "bridge/get.h"
#include "bridge/service.h"
#include "bridge/state.h"
#include "bridge/subscriptions.h"
#include "storage/catalog/secret.h"
#include "storage/topic/topic.h"
#include "base/check.h"

enum {
    BODY_BYTES_MAX = 16 << 20,     /* 10 MiB of data in base64, its keys and the JSON around them */
    REPLY_BYTES_MAX = 32 << 20,    /* 10 MiB of records in base64 and what comes with each */
};

static void fill_random(void *to, size_t len)
{
    if (getrandom(to, len, 0) != (ssize_t)len) abort();     /* short only above 256 bytes */
}

struct bridge *bridge_new(const struct bridge_options *options, struct store *store,
                          struct limits *limits, struct loop *const *loops, uint32_t loop_count)
{
    struct bridge *b = NEW(struct bridge);
    b->options = *options;
    b->account = bytes_str(options->account_id);
    b->region = bytes_str(options->region);
    b->store = store;
    b->limits = limits;
    static_assert((int)STORE_SECRET_BYTES == (int)TOKEN_KEY_BYTES, "one secret signs the tokens");
    /* Without the kept secret tokens are good until the next restart: no reason not to start. */
    if (store_secret(store, b->token_key.bytes) != ERR_OK)
        fill_random(b->token_key.bytes, TOKEN_KEY_BYTES);
    pthread_mutex_init(&b->deleting.lock, NULL);
    b->subscriptions = subscriptions_new();
    bridge_meters_init(&b->meters, store);
    b->loop_count = loop_count;
    b->loops = NEW_ARRAY(struct bridge_loop, loop_count);
    for (uint32_t i = 0; i < loop_count; i++) {
        b->loops[i].loop = loops[i];
        b->loops[i].bridge = b;
        budget_init(&b->loops[i].line.memory, FANOUT_LOOP_BYTES);
        inflater_init(&b->loops[i].inflater, NULL, INFLATE_BYTES_MAX);
        deflater_init(&b->loops[i].deflater);
    }
    struct front_options front = {options->access, BODY_BYTES_MAX, REPLY_BYTES_MAX, store};
    b->front = front_new(&front, loop_count);
    bridge_service_init(&b->kinesis, b);
    front_add(b->front, &b->kinesis);
    get_init();
    return b;
}

void bridge_free(struct bridge *b)
{
    if (b == NULL) return;
    for (uint32_t i = 0; i < b->loop_count; i++) {
        inflater_done(&b->loops[i].inflater);
        deflater_done(&b->loops[i].deflater);
    }
    for (uint32_t i = 0; i < DELETING_SHOWN_MAX; i++) topic_unref(b->deleting.streams[i].topic);
    pthread_mutex_destroy(&b->deleting.lock);
    subscriptions_free(b->subscriptions);
    bridge_meters_done(&b->meters);
    front_free(b->front);
    mem_free(b->loops);
    mem_free(b);
}

const struct http_door *bridge_door(struct bridge *b)
{
    return &b->front->door;
}
