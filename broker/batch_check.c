#include "broker/batch_check.h"

#include "base/clock.h"
#include "protocol/batch/recode.h"
#include "base/check.h"

/* Makes records, a batch that passed, what the log of this topic takes. False: too costly here. */
static bool prepare(struct batch_check *c, const struct batch_check_tools *tools,
                    const struct batch_verdict *verdict)
{
    const struct topic *t = c->topic;
    if (verdict->info.is_transactional) {
        c->err = ERR_INVALID_PRODUCER_ID_MAPPING;   /* none is */
    } else if (topic_repacks(t, verdict->info.codec)) {
        struct batch_packing packing = topic_packing(t);
        c->pack_us = deflate_cost_us(packing.codec, packing.level, verdict->records.len);
        if (c->pack_us > tools->pack_us_max) return false;
        struct batch_info info = verdict->info;
        info.max_timestamp = verdict->max_timestamp;
        c->err = batch_recode(&info, verdict->records, &packing, tools->deflater, c->budget,
                              &c->repacked);
    } else if (!t->config.log_append_time) {
        batch_set_time((uint8_t *)c->records.data, false, verdict->max_timestamp);
    }
    return true;
}

static void keep_faults(struct batch_check *c, const struct batch_faults *faults)
{
    c->in_log = faults->in_log;
    if (faults->listed == 0) return;
    c->faults = ARENA_NEW(c->arena, struct batch_faults);
    if (c->faults != NULL) *c->faults = *faults;
}

bool batch_check(struct batch_check *c, const struct batch_check_tools *tools, size_t *unpack_left)
{
    const struct topic_config *config = &c->topic->config;
    struct batch_rules rules = {
        .produce_version = c->produce_version,
        .is_compacted = (config->cleanup & CLEANUP_COMPACT) != 0,
        .is_log_append_time = config->log_append_time,
        .batch_bytes_max = (uint32_t)config->max_message_bytes,
        .now_ms = c->now_ms = clock_wall_ms(),
        .timestamp_before_max_ms = config->timestamp_before_max_ms,
        .timestamp_after_max_ms = config->timestamp_after_max_ms,
    };
    struct inflater *inflater = tools->inflater;
    bool by_sum = *unpack_left < tools->unpack_max;
    bool is_last = by_sum || tools->unpack_max >= INFLATE_BYTES_MAX;     /* none unpack more */
    inflater->bytes_max = by_sum ? *unpack_left : tools->unpack_max;
    inflater->spent = 0;
    inflater->overran = false;
    struct batch_faults faults;
    struct batch_verdict verdict;
    bool decided = true;
    c->err = batch_validate(c->records, &rules, inflater, &faults, &verdict);
    if (c->err == ERR_OK) {
        c->count = verdict.info.count;
        decided = prepare(c, tools, &verdict);
    } else if (inflater->overran && !is_last) {
        decided = false;
    } else {
        c->unpacks_too_much = inflater->overran && by_sum;
        keep_faults(c, &faults);
    }
    inflater_trim(inflater);
    if (decided) *unpack_left -= inflater->spent < *unpack_left ? inflater->spent : *unpack_left;
    return decided;
}
