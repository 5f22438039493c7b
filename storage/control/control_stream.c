/* What a topic has as a stream: tags and registered consumers; and the start of a partition. */
#include "base/clock.h"
#include "storage/control/controller.h"
#include "storage/threads.h"
#include "base/check.h"

static struct stream_consumer *find_consumer(const struct topic *t, struct bytes name)
{
    for (int32_t i = 0; i < t->consumer_count; i++)
        if (bytes_equal_str(name, t->consumers[i].name)) return &t->consumers[i];
    return NULL;
}

/* consumer NULL: the stream's own tags. */
static enum err set_tags(struct control *c, struct topic *draft, struct stream_consumer *consumer)
{
    for (int32_t i = 0; i < c->tag_count; i++) {
        struct bytes key = bytes_str(c->tags[i].key), value = bytes_str(c->tags[i].value);
        if (consumer != NULL) draft_set_consumer_tag(consumer, key, value);
        else draft_set_tag(draft, key, value);
        if ((consumer != NULL ? consumer->tag_count : draft->tag_count) > TOPIC_TAGS_MAX)
            return control_fail(c, ERR_INVALID_ARGUMENT, "A %s has at most %d tags.",
                                consumer != NULL ? "consumer" : "stream", TOPIC_TAGS_MAX);
    }
    return ERR_OK;
}

static enum err edit_tags(struct controller *k, struct control *c, struct topic *draft)
{
    (void)k;
    if (bytes_is_null(c->consumer)) return set_tags(c, draft, NULL);
    struct stream_consumer *consumer = find_consumer(draft, c->consumer);
    return consumer != NULL ? set_tags(c, draft, consumer) : ERR_RESOURCE_NOT_FOUND;
}

enum err control_tags(struct controller *k, struct control *c)
{
    return control_edit(k, c, edit_tags);
}

static enum err add_consumer(struct controller *k, struct control *c, struct topic *draft)
{
    (void)k;
    if (find_consumer(draft, c->consumer) != NULL) return ERR_RESOURCE_IN_USE;
    if (draft->consumer_count >= TOPIC_CONSUMERS_MAX)
        return control_fail(c, ERR_LIMIT_EXCEEDED, "A stream has at most %d consumers.",
                            TOPIC_CONSUMERS_MAX);
    c->result = clock_wall_ms();
    return set_tags(c, draft, draft_add_consumer(draft, c->consumer, c->result));
}

enum err control_add_consumer(struct controller *k, struct control *c)
{
    return control_edit(k, c, add_consumer);
}

static enum err remove_consumer(struct controller *k, struct control *c, struct topic *draft)
{
    (void)k;
    const struct stream_consumer *consumer = find_consumer(draft, c->consumer);
    if (consumer == NULL) return ERR_RESOURCE_NOT_FOUND;
    c->result = consumer->created_ms;
    draft_remove_consumer(draft, c->consumer);
    return ERR_OK;
}

enum err control_remove_consumer(struct controller *k, struct control *c)
{
    return control_edit(k, c, remove_consumer);
}

enum err control_delete_records(struct controller *k, struct control *c)
{
    CLEANUP(topic_unrefp) struct topic *t = NULL;
    TRY(control_topic(k, c, &t));
    if (c->partitions < 0 || c->partitions >= t->partition_count)
        return ERR_UNKNOWN_TOPIC_OR_PARTITION;
    if (c->offset < -1) return ERR_OFFSET_OUT_OF_RANGE;
    struct plog *log = t->partitions[c->partitions].log;
    TRY(store_log_raise_start(log, c->offset, &c->result));
    house_reclaim(store_house(k->store));
    c->topic = TAKE(t);
    return ERR_OK;
}
