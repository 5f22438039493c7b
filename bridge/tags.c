#include "bridge/tags.h"

#include "bridge/change.h"
#include "bridge/stream.h"
#include "base/check.h"

/* Letters, digits, blanks and _ . / = + - % @ ; bytes above 127 are letters of other scripts. */
static bool is_legal(struct bytes text, bool percent)
{
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];
        bool plain = c >= 0x80 || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!plain && (c == 0 || strchr(percent ? " \t_./=+-%@:" : " \t_./=+-@:", c) == NULL)) return false;
    }
    return true;
}

static bool all_legal(const struct kinesis_pair *tags, uint32_t count, bool percent)
{
    for (uint32_t i = 0; i < count; i++)
        if (!is_legal(tags[i].key, percent) || !is_legal(tags[i].value, percent)) return false;
    return true;
}

/* How many tags the stream would have. */
static int32_t count_after(const struct topic *t, const struct kinesis_pair *tags, uint32_t count)
{
    int32_t total = t->tag_count;
    for (uint32_t i = 0; i < count; i++) {
        bool known = false;
        for (int32_t k = 0; k < t->tag_count && !known; k++) known = bytes_equal_str(tags[i].key, t->tags[k].key);
        total += !known;
    }
    return total;
}

void tags_add(struct kinesis_request *rq, const struct topic *t, const struct kinesis_pair *tags, uint32_t count)
{
    struct topic_tag *list = ARENA_ARRAY(rq->arena, struct topic_tag, count);
    const char *because = NULL;
    if (!all_legal(tags, count, false))
        because = "some tags contained illegal characters. The allowed characters are Unicode letters, "
                  "white-spaces, '_',',','/','=','+','-','@'.";
    else if (count_after(t, tags, count) > TOPIC_TAGS_MAX)
        because = "a given stream cannot have more than 50 tags associated with it.";
    if (because != NULL || list == NULL) {
        kinesis_fail(rq, ERR_INVALID_ARGUMENT, "Failed to add tags to stream %s under account %.*s because %s", t->name,
                     BYTES_ARGS(rq->bridge->account), because ? because : "they are too large.");
        return;
    }
    for (uint32_t i = 0; i < count; i++)
        list[i] = (struct topic_tag){(char *)arena_copy(rq->arena, tags[i].key).data,
                                     (char *)arena_copy(rq->arena, tags[i].value).data};
    struct control change = {.kind = CONTROL_TAGS, .id = t->id, .tags = list, .tag_count = (int32_t)count};
    change_start(rq, &change, change_reply_empty);
}

void tags_remove(struct kinesis_request *rq, const struct topic *t, const struct bytes *keys, uint32_t count)
{
    struct topic_tag *list = ARENA_ARRAY(rq->arena, struct topic_tag, count);
    for (uint32_t i = 0; i < count; i++) {
        if (list != NULL && is_legal(keys[i], true)) {
            list[i] = (struct topic_tag){(char *)arena_copy(rq->arena, keys[i]).data, NULL};
            continue;
        }
        kinesis_fail(rq, ERR_INVALID_ARGUMENT,
                     "Failed to remove tags from stream %s under account %.*s because some tags contained illegal characters. "
                     "The allowed characters are Unicode letters, white-spaces, '_',',','/','=','+','-','@'.",
                     t->name, BYTES_ARGS(rq->bridge->account));
        return;
    }
    struct control change = {.kind = CONTROL_TAGS, .id = t->id, .tags = list, .tag_count = (int32_t)count};
    change_start(rq, &change, change_reply_empty);
}

struct kinesis_tag *tags_list(struct arena *arena, const struct topic *t, struct bytes after, uint32_t *ret_count)
{
    struct kinesis_tag *list = ARENA_ARRAY(arena, struct kinesis_tag, (size_t)t->tag_count);
    uint32_t count = 0;
    for (int32_t i = 0; list != NULL && i < t->tag_count; i++) {
        struct kinesis_tag tag = {bytes_str(t->tags[i].key), bytes_str(t->tags[i].value)};
        if (!bytes_is_null(after) && bytes_compare(tag.key, after) <= 0) continue;
        uint32_t at = count++;
        for (; at > 0 && bytes_compare(tag.key, list[at - 1].key) < 0; at--) list[at] = list[at - 1];
        list[at] = tag;
    }
    *ret_count = count;
    return list;
}
