/* Who may commit and delete offsets, and when an offset is past its time. */
#include "broker/group/group.h"

#include "base/cursor.h"
#include "broker/mentions.h"
#include "protocol/batch/varint.h"
#include "base/check.h"

static enum err check(const struct group *g, const struct commit_in *in, struct member **ret)
{
    bool outside = in->generation < 0;      /* an admin client, or a consumer that assigns itself */
    if (outside && g->state == GROUP_EMPTY) return ERR_OK;
    if (outside && in->member_id.len == 0 && bytes_is_null(in->instance_id))
        return ERR_UNKNOWN_MEMBER_ID;
    struct member *m;
    TRY(group_check_member(g, in->member_id, in->instance_id, &m));
    if (in->generation != g->generation) return ERR_ILLEGAL_GENERATION;
    if (g->state == GROUP_COMPLETING) return ERR_REBALANCE_IN_PROGRESS;
    *ret = m;
    return ERR_OK;
}

enum err groups_commit(struct groups *gs, int64_t now_ms, const struct commit_in *in)
{
    struct group *g = groups_find(gs, in->group_id);
    if (g == NULL) {
        if (in->generation >= 0)
            return in->group_not_found_known ? ERR_GROUP_ID_NOT_FOUND : ERR_ILLEGAL_GENERATION;
        return groups_add(gs, now_ms, in->group_id) ? ERR_OK : ERR_COORDINATOR_NOT_AVAILABLE;
    }
    struct member *m = NULL;
    TRY(check(g, in, &m));
    if (m != NULL) member_keep_alive(m, now_ms, m->session_ms);
    return ERR_OK;
}

enum err groups_check_metadata(const struct groups_config *config, struct bytes metadata)
{
    /* Kafka counts UTF-16 units: a code point beyond the BMP, 4 bytes in UTF-8, is two of them. A
     * unit is one to three bytes, so few texts need counting. */
    size_t max = config->offset_metadata_chars_max, units = 0;
    if (metadata.len <= max) return ERR_OK;
    if (metadata.len / 3 > max) return ERR_OFFSET_METADATA_TOO_LARGE;
    for (size_t i = 0; i < metadata.len; i++) {
        uint8_t byte = metadata.data[i];
        units += (byte & 0xc0) != 0x80;
        units += byte >= 0xf0;
    }
    return units > max ? ERR_OFFSET_METADATA_TOO_LARGE : ERR_OK;
}

size_t groups_commit_record_bytes(size_t group_len, size_t topic_len, size_t metadata_len,
                                  bool lasts, int32_t n)
{
    /* OffsetCommitKey 1: version, group, topic, partition. OffsetCommitValue 4: version, offset,
     * leader epoch, metadata as a compact string, time, the topic's id as a tagged field; and 1:
     * version, offset, metadata, time, end. */
    enum { KEY = 2 + 2 + 2 + 4, VALUE = 2 + 8 + 4 + 8 + 19, LASTING = 2 + 8 + 2 + 8 + 8 };
    int64_t key = (int64_t)(KEY + group_len + topic_len);
    int64_t length = (int64_t)(metadata_len + 1);
    int64_t value = (int64_t)metadata_len + (lasts ? LASTING : VALUE + varint_size(length / 2));
    /* Attributes, the time's delta, the offset's, key, value, no headers. */
    int64_t body = 2 + varint_size(n) + varint_size(key) + key + varint_size(value) + value + 1;
    return (size_t)(varint_size(body) + body);
}

enum err groups_offset_delete(const struct groups *gs, struct bytes group_id)
{
    const struct group *g = groups_find(gs, group_id);
    if (g == NULL) return ERR_GROUP_ID_NOT_FOUND;
    return g->state == GROUP_EMPTY || group_is_consumer(g) ? ERR_OK : ERR_NON_EMPTY_GROUP;
}

/* ---- Subscriptions */

/* Metadata of the consumer protocol begins, in every version: version int16, topics [string].
 * left: names that may still be looked at. False: it cannot be read, or names more. */
static bool mark_subscribed(struct bytes metadata, const struct name_set *topics, int32_t *left,
                            bool *ret)
{
    struct cursor c;
    cursor_init(&c, metadata, NULL);
    cursor_i16(&c);
    int32_t count = cursor_count(&c, false, sizeof(int16_t));
    if (count > *left) return false;
    *left -= count;
    for (int32_t i = 0; i < count && c.err == ERR_OK; i++) {
        int32_t at = name_set_find(topics, cursor_string(&c, false));
        if (at >= 0) ret[at] = true;
    }
    return cursor_finish(&c) == ERR_OK;
}

enum err groups_subscribed(const struct groups *gs, struct bytes group_id, struct arena *arena,
                           const struct bytes *topics, int32_t count, bool *ret)
{
    const struct group *g = groups_find(gs, group_id);
    bool any = g != NULL && group_is_consumer(g) && g->state != GROUP_EMPTY;
    bool known = any && !bytes_is_null(g->protocol_name);
    for (int32_t i = 0; i < count; i++) ret[i] = any && !known;
    if (!known) return ERR_OK;
    struct name_set set;
    TRY(name_set_init(&set, arena, topics, count));
    int32_t left = GROUP_SUBSCRIBED_NAMES_MAX;
    for (struct member *m = g->first; m != NULL && known; m = m->next)
        known = mark_subscribed(member_metadata(m, g->protocol_name), &set, &left, ret);
    for (int32_t i = 0; i < count; i++) ret[i] = !known || ret[set.all[i].first];
    return ERR_OK;
}

/* When the offset's retention began; false: it has not. */
static bool retention_base(const struct group *g, int64_t now_ms, int64_t commit_ms,
                           int64_t *ret_ms)
{
    /* Committed under a clock that was ahead: it is not to stay until then. */
    if (commit_ms > now_ms) commit_ms = g->state_since_ms;
    if (g->restored) {
        /* How long its members had been gone is not known: count from the restart. */
        *ret_ms = commit_ms > g->state_since_ms ? commit_ms : g->state_since_ms;
        return true;
    }
    if (!bytes_is_null(g->protocol_type) && g->state == GROUP_EMPTY) {
        *ret_ms = g->state_since_ms;
        return true;
    }
    /* Without a type it is a consumer that assigns itself; with one, a topic that a Stable group of
     * consumers gave up. */
    *ret_ms = commit_ms;
    return bytes_is_null(g->protocol_type) || (group_is_consumer(g) && g->state == GROUP_STABLE);
}

bool groups_offset_expired(const struct groups *gs, int64_t now_ms, struct bytes group_id,
                           int64_t commit_ms, int64_t expire_ms)
{
    const struct group *g = groups_find(gs, group_id);
    int64_t base_ms;
    if (g == NULL || !retention_base(g, now_ms, commit_ms, &base_ms)) return false;
    if (expire_ms >= 0) return now_ms >= expire_ms;
    return now_ms - base_ms >= gs->config.offset_retention_ms;
}
