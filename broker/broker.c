#include "broker/broker.h"

#include <stdio.h>
#include <string.h>
#include "base/mem.h"
#include "base/meter.h"
#include "base/net/limits.h"
#include "broker/dispatch.h"
#include "broker/fetch_session.h"
#include "broker/group/groups_loop.h"
#include "broker/metrics/arrivals.h"
#include "broker/metrics/collect.h"
#include "broker/metrics/msk.h"
#include "broker/state.h"
#include "protocol/batch/inflate.h"
#include "storage/topic/config.h"
#include "base/check.h"

void broker_options_default(struct broker_options *ret)
{
    struct topic_config topic;
    struct net_limits net;
    config_defaults(&topic);
    net_limits_init(&net);
    *ret = (struct broker_options){
        .node_id = 1,
        .auto_create_topics = true,
        .fetch_sessions_max = 1000,
        .fetch_session_bytes_max = 64u << 20,
        .fetch_memory_bytes_max = 64u << 20,
        .connections_idle_ms = net.idle_ms,
        .connections_max = net.conns_max,
        .connections_max_per_ip = INT32_MAX,
        .request_bytes_max = 104857600,
        .request_elements_max = 1 << 16,
        .fetch_bytes_max = 57671680,
    };
    groups_config_default(&ret->groups);
    ret->groups.commit_bytes_max = (size_t)topic.max_message_bytes;
}

/* The loop's share; the first ones get what does not divide. */
static struct fetch_sessions *sessions_new(const struct broker_options *options, uint32_t loop,
                                           uint32_t loop_count)
{
    uint32_t all = (uint32_t)options->fetch_sessions_max;
    uint32_t mine = all / loop_count + (loop < all % loop_count);
    return fetch_sessions_new(loop, loop_count, (int32_t)mine,
                              options->fetch_session_bytes_max / loop_count);
}

struct broker *broker_new(const struct broker_options *options, struct store *store,
                          struct loop *const *loops, uint32_t loop_count)
{
    struct broker *b = NEW(struct broker);
    b->options = *options;
    b->options.groups.bytes_all = &b->group_bytes;
    b->options.groups.on_members = collect_members;
    b->store = store;
    b->arrivals = arrivals_new();
    b->traffic = msk_traffic_new(b);
    budget_init(&b->fetches, options->fetch_memory_bytes_max);
    b->loop_count = loop_count;
    b->loops = NEW_ARRAY(struct broker_loop, loop_count);
    for (uint32_t i = 0; i < loop_count; i++) {
        struct broker_loop *l = &b->loops[i];
        *l = (struct broker_loop){.loop = loops[i], .broker = b};
        inflater_init(&l->inflater, NULL, INFLATE_BYTES_MAX);
        deflater_init(&l->deflater);
        l->sessions = sessions_new(options, i, loop_count);
        groups_loop_new(l);
    }
    broker_dispatch_init();
    return b;
}

void broker_free(struct broker *b)
{
    if (b == NULL) return;
    for (uint32_t i = 0; i < b->loop_count; i++) {
        groups_loop_free(groups_loop_at(&b->loops[i]));
        fetch_sessions_free(b->loops[i].sessions);
        inflater_done(&b->loops[i].inflater);
        deflater_done(&b->loops[i].deflater);
    }
    for (uint32_t i = 0; i < b->door_count; i++) mem_free(b->doors[i]);
    mem_free(b->doors);
    mem_free(b->listeners);
    arrivals_free(b->arrivals);
    meters_free(b->traffic);
    mem_free(b->loops);
    mem_free(b);
}

const struct frame_door *broker_door_new(struct broker *b, const struct net_address *advertised)
{
    struct broker_door *door = NEW(struct broker_door);
    door->broker = b;
    if (advertised != NULL) door->advertised = *advertised;
    door->frames = (struct frame_door){
        .frame_bytes_max = b->options.request_bytes_max,
        .reply_bytes_max = 64u << 20,       /* record bytes are spliced and do not count */
        .arena_bytes_max = 64u << 20,
        .context = door,
        .on_frame = broker_dispatch_frame,
        .may_overlap = broker_dispatch_may_overlap,
        .answer_bytes = broker_dispatch_answer_bytes,
    };
    b->doors = mem_grow(b->doors, (b->door_count + 1) * sizeof *b->doors);
    b->doors[b->door_count++] = door;
    return &door->frames;
}

void broker_listens(struct broker *b, const struct net_address *at)
{
    size_t before = b->listeners ? strlen(b->listeners) : 0;
    size_t room = before + NET_HOST_BYTES + sizeof ",PLAINTEXT://[]:65535";
    b->listeners = mem_grow(b->listeners, room);
    snprintf(b->listeners + before, room - before,
             strchr(at->host, ':') ? "%sPLAINTEXT://[%s]:%u" : "%sPLAINTEXT://%s:%u",
             before > 0 ? "," : "", at->host, at->port);
}
