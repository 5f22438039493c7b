#include "bridge/tags.h"

#include "bridge/change.h"
#include "bridge/stream.h"
#include "protocol/kinesis/arn.h"
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
static bool check_texts(struct front_request *rq, struct bytes stream,
                        const struct bytes *texts, uint32_t count, const char *verb)
{
    bool legal = true, percent = false;
    for (uint32_t i = 0; i < count; i++) {
        legal = legal && is_legal(texts[i]);
        percent = percent || has_percent(texts[i]);
    }
    if (!legal)
        front_fail(rq, ERR_INVALID_ARGUMENT,
                   "Some tags contain invalid characters. Valid characters: Unicode letters, "
                   "digits, white space, _ . / = + - %% @.");
    else if (percent)
        front_fail(rq, ERR_INVALID_ARGUMENT,
                   "Failed to %s stream %.*s under account %.*s because some tags contained "
                   "illegal characters. The allowed characters are Unicode letters, "
                   "white-spaces, '_',',','/','=','+','-','@'.",
                   verb, BYTES_ARGS(stream), BYTES_ARGS(rq_bridge(rq)->account));
    return legal && !percent;
}

/* What is tagged by now. */
static int32_t tagged(const struct consumer_ref *of, const struct topic_tag **ret_tags)
{
    *ret_tags = of->consumer ? of->consumer->tags : of->topic->tags;
    return of->consumer ? of->consumer->tag_count : of->topic->tag_count;
}

/* How many tags there would be. */
static int32_t count_after(const struct consumer_ref *of, const struct aws_pair *tags,
                           uint32_t count)
{
    const struct topic_tag *now;
    int32_t now_count = tagged(of, &now), total = now_count;
    for (uint32_t i = 0; i < count; i++) {
        bool known = false;
        for (int32_t k = 0; k < now_count && !known; k++)
            known = bytes_equal_str(tags[i].key, now[k].key);
        total += !known;
    }
    return total;
}

static bool check_count(struct front_request *rq, struct bytes stream, int32_t count)
{
    if (count <= TOPIC_TAGS_MAX) return true;
    /* The limit is 50; AWS's text says 10. */
    front_fail(rq, ERR_INVALID_ARGUMENT,
               "Failed to add tags to stream %.*s under account %.*s because a given stream "
               "cannot have more than 10 tags associated with it.",
               BYTES_ARGS(stream), BYTES_ARGS(rq_bridge(rq)->account));
    return false;
}

/* The list for a change, its texts checked. NULL: answered. */
static struct topic_tag *added(struct front_request *rq, struct bytes stream,
                               const struct aws_pair *tags, uint32_t count)
{
    struct topic_tag *list = ARENA_ARRAY(rq->arena, struct topic_tag, count);
    struct bytes *texts = ARENA_ARRAY(rq->arena, struct bytes, 2 * (size_t)count);
    if (list == NULL || texts == NULL) {
        front_fail_plain(rq, ERR_UNKNOWN_SERVER_ERROR);
        return NULL;
    }
    for (uint32_t i = 0; i < count; i++) {
        texts[2 * i] = tags[i].key;
        texts[2 * i + 1] = tags[i].value;
        list[i] = (struct topic_tag){(char *)arena_copy(rq->arena, tags[i].key).data,
                                     (char *)arena_copy(rq->arena, tags[i].value).data};
    }
    return check_texts(rq, stream, texts, 2 * count, "add tags to") ? list : NULL;
}

struct topic_tag *tags_of_new(struct front_request *rq, struct bytes stream,
                              const struct aws_pair *tags, uint32_t count)
{
    struct topic_tag *list = added(rq, stream, tags, count);
    return list != NULL && check_count(rq, stream, (int32_t)count) ? list : NULL;
}

bool tags_find(struct front_request *rq, struct bytes resource_arn, struct consumer_ref *ret)
{
    struct arn arn;
    if (arn_parse(resource_arn, &arn) == ERR_OK && !bytes_is_null(arn.consumer))
        return consumer_find(rq, BYTES_NULL, BYTES_NULL, resource_arn, ret);
    *ret = (struct consumer_ref){.topic = stream_find(rq, BYTES_NULL, resource_arn)};
    return ret->topic != NULL;
}

static void start(struct front_request *rq, const struct consumer_ref *of,
                  const struct topic_tag *list, uint32_t count)
{
    struct control change = {.kind = CONTROL_TAGS, .id = of->topic->id, .tags = list,
                             .tag_count = (int32_t)count};
    if (of->consumer != NULL)
        change.consumer = arena_copy(rq->arena, bytes_str(of->consumer->name));
    change_start(rq, &change, change_reply_empty);
}

void tags_add(struct front_request *rq, const struct consumer_ref *of,
              const struct aws_pair *tags, uint32_t count)
{
    struct bytes stream = topic_name(of->topic);
    struct topic_tag *list = added(rq, stream, tags, count);
    if (list != NULL && check_count(rq, stream, count_after(of, tags, count)))
        start(rq, of, list, count);
}

void tags_remove(struct front_request *rq, const struct consumer_ref *of,
                 const struct bytes *keys, uint32_t count)
{
    struct topic_tag *list = ARENA_ARRAY(rq->arena, struct topic_tag, count);
    if (list == NULL) {
        front_fail_plain(rq, ERR_UNKNOWN_SERVER_ERROR);
        return;
    }
    if (!check_texts(rq, topic_name(of->topic), keys, count, "remove tags from")) return;
    for (uint32_t i = 0; i < count; i++)
        list[i] = (struct topic_tag){(char *)arena_copy(rq->arena, keys[i]).data, NULL};
    start(rq, of, list, count);
}

struct kinesis_tag *tags_list(struct arena *arena, const struct consumer_ref *of,
                              struct bytes after, uint32_t *ret_count)
{
    const struct topic_tag *tags;
    int32_t tag_count = tagged(of, &tags);
    struct kinesis_tag *list = ARENA_ARRAY(arena, struct kinesis_tag, (size_t)tag_count);
    uint32_t count = 0;
    for (int32_t i = 0; list != NULL && i < tag_count; i++) {
        struct kinesis_tag tag = {bytes_str(tags[i].key), bytes_str(tags[i].value)};
        if (!bytes_is_null(after) && bytes_compare(tag.key, after) <= 0) continue;
        uint32_t at = count++;
        for (; at > 0 && bytes_compare(tag.key, list[at - 1].key) < 0; at--)
            list[at] = list[at - 1];
        list[at] = tag;
    }
    *ret_count = count;
    return list;
}
