#include "bridge/tags.h"

#include "bridge/change.h"
#include "bridge/stream.h"
#include "base/check.h"

/* One character at text[*at], moved past; text is well-formed UTF-8 (the codec saw to that). */
static uint32_t next_char(struct bytes text, size_t *at)
{
    uint8_t lead = text.data[(*at)++];
    if (lead < 0x80) return lead;
    uint32_t c = lead < 0xe0 ? lead & 0x1f : lead < 0xf0 ? lead & 0x0f : lead & 0x07;
    while (*at < text.len && (text.data[*at] & 0xc0) == 0x80)
        c = c << 6 | (text.data[(*at)++] & 0x3f);
    return c;
}

/* What AWS counts as letters, digits and blanks, and _ . / = + - % @ */
static bool is_legal(struct bytes text)
{
    for (size_t at = 0; at < text.len;) {
        uint32_t c = next_char(text, &at);
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                      (c >= 0xc0 && c <= 0x1fff) || (c >= 0x2c00 && c <= 0xd7ff);
        if (!letter && (c == 0 || c >= 0x80 || strchr(" _./=+-%@", (int)c) == NULL)) return false;
    }
    return true;
}

static bool has_percent(struct bytes text)
{
    return text.len > 0 && memchr(text.data, '%', text.len) != NULL;
}

/* AWS looks twice: for characters that no tag may have, and then for '%', which it has just
 * allowed.
 * False: answered. verb: "add tags to" or "remove tags from". */
static bool check_texts(struct kinesis_request *rq, struct bytes stream,
                        const struct bytes *texts, uint32_t count, const char *verb)
{
    bool legal = true, percent = false;
    for (uint32_t i = 0; i < count; i++) {
        legal = legal && is_legal(texts[i]);
        percent = percent || has_percent(texts[i]);
    }
    if (!legal)
        kinesis_fail(rq, ERR_INVALID_ARGUMENT,
                     "Some tags contain invalid characters. Valid characters: Unicode letters, "
                     "digits, white space, _ . / = + - %% @.");
    else if (percent)
        kinesis_fail(rq, ERR_INVALID_ARGUMENT,
                     "Failed to %s stream %.*s under account %.*s because some tags contained "
                     "illegal characters. The allowed characters are Unicode letters, "
                     "white-spaces, '_',',','/','=','+','-','@'.",
                     verb, BYTES_ARGS(stream), BYTES_ARGS(rq->bridge->account));
    return legal && !percent;
}

/* How many tags the stream would have; t NULL: a new one. */
static int32_t count_after(const struct topic *t, const struct kinesis_pair *tags, uint32_t count)
{
    if (t == NULL) return (int32_t)count;
    int32_t total = t->tag_count;
    for (uint32_t i = 0; i < count; i++) {
        bool known = false;
        for (int32_t k = 0; k < t->tag_count && !known; k++)
            known = bytes_equal_str(tags[i].key, t->tags[k].key);
        total += !known;
    }
    return total;
}

/* t: the stream as it is, or NULL when it is to be made. False: answered. */
static bool check_added(struct kinesis_request *rq, struct bytes stream, const struct topic *t,
                        const struct kinesis_pair *tags, uint32_t count)
{
    struct bytes *texts = ARENA_ARRAY(rq->arena, struct bytes, 2 * (size_t)count);
    if (texts == NULL) {
        kinesis_fail_plain(rq, ERR_UNKNOWN_SERVER_ERROR);
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        texts[2 * i] = tags[i].key;
        texts[2 * i + 1] = tags[i].value;
    }
    if (!check_texts(rq, stream, texts, 2 * count, "add tags to")) return false;
    if (count_after(t, tags, count) <= TOPIC_TAGS_MAX) return true;
    /* The limit is 50; AWS's text says 10. */
    kinesis_fail(rq, ERR_INVALID_ARGUMENT,
                 "Failed to add tags to stream %.*s under account %.*s because a given stream "
                 "cannot have more than 10 tags associated with it.",
                 BYTES_ARGS(stream), BYTES_ARGS(rq->bridge->account));
    return false;
}

bool tags_check_new(struct kinesis_request *rq, struct bytes stream,
                    const struct kinesis_pair *tags, uint32_t count)
{
    return check_added(rq, stream, NULL, tags, count);
}

void tags_add(struct kinesis_request *rq, const struct topic *t, const struct kinesis_pair *tags,
              uint32_t count)
{
    struct topic_tag *list = ARENA_ARRAY(rq->arena, struct topic_tag, count);
    if (list == NULL) {
        kinesis_fail_plain(rq, ERR_UNKNOWN_SERVER_ERROR);
        return;
    }
    if (!check_added(rq, topic_name(t), t, tags, count)) return;
    for (uint32_t i = 0; i < count; i++)
        list[i] = (struct topic_tag){(char *)arena_copy(rq->arena, tags[i].key).data,
                                     (char *)arena_copy(rq->arena, tags[i].value).data};
    struct control change = {.kind = CONTROL_TAGS, .id = t->id, .tags = list,
                             .tag_count = (int32_t)count};
    change_start(rq, &change, change_reply_empty);
}

void tags_remove(struct kinesis_request *rq, const struct topic *t, const struct bytes *keys,
                 uint32_t count)
{
    struct topic_tag *list = ARENA_ARRAY(rq->arena, struct topic_tag, count);
    if (list == NULL) {
        kinesis_fail_plain(rq, ERR_UNKNOWN_SERVER_ERROR);
        return;
    }
    if (!check_texts(rq, topic_name(t), keys, count, "remove tags from")) return;
    for (uint32_t i = 0; i < count; i++)
        list[i] = (struct topic_tag){(char *)arena_copy(rq->arena, keys[i]).data, NULL};
    struct control change = {.kind = CONTROL_TAGS, .id = t->id, .tags = list,
                             .tag_count = (int32_t)count};
    change_start(rq, &change, change_reply_empty);
}

struct kinesis_tag *tags_list(struct arena *arena, const struct topic *t, struct bytes after,
                              uint32_t *ret_count)
{
    struct kinesis_tag *list = ARENA_ARRAY(arena, struct kinesis_tag, (size_t)t->tag_count);
    uint32_t count = 0;
    for (int32_t i = 0; list != NULL && i < t->tag_count; i++) {
        struct kinesis_tag tag = {bytes_str(t->tags[i].key), bytes_str(t->tags[i].value)};
        if (!bytes_is_null(after) && bytes_compare(tag.key, after) <= 0) continue;
        uint32_t at = count++;
        for (; at > 0 && bytes_compare(tag.key, list[at - 1].key) < 0; at--)
            list[at] = list[at - 1];
        list[at] = tag;
    }
    *ret_count = count;
    return list;
}
