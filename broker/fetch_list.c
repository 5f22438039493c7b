/* Items and topics lie in arrays, found by open addressing on (topic, partition) and on the topic's
 * name or id; the order is a list through the items. What is forgotten is marked, and the arrays
 * are packed once at the end of the request. */
#include "broker/fetch_list.h"

#include "base/mem.h"
#include "base/check.h"

enum {
    SLOT_BITS_MIN = 4,
    CAP_MIN = 8,
    FEW = 64,
    NONE = -1,
    NAME_EXTRA_BYTES = 17,          /* of an allocation */
};

void fetch_list_init(struct fetch_list *l, uint64_t seed, bool by_id)
{
    *l = (struct fetch_list){.seed = seed | 1, .by_id = by_id, .first = NONE, .last = NONE};
}

void fetch_list_done(struct fetch_list *l)
{
    for (int32_t i = 0; i < l->topic_count; i++) mem_free((void *)l->topics[i].name.data);
    mem_free(l->topics);
    mem_free(l->items);
    mem_free(l->topic_slots.at);
    mem_free(l->item_slots.at);
    fetch_list_init(l, l->seed, l->by_id);
}

static size_t slots_count(const struct fetch_slots *s)
{
    return s->bits > 0 ? (size_t)1 << s->bits : 0;
}

size_t fetch_list_bytes(const struct fetch_list *l)
{
    return (size_t)l->topic_cap * sizeof *l->topics + (size_t)l->item_cap * sizeof *l->items +
           (slots_count(&l->topic_slots) + slots_count(&l->item_slots)) * sizeof(int32_t) +
           l->name_bytes;
}

/* ---- Finding. By multiply-shift with a secret factor: the upper bits are the place. */

static size_t place_of(const struct fetch_slots *s, uint64_t key, uint64_t seed)
{
    return (size_t)(key * seed >> (64 - s->bits));
}

static size_t place_after(const struct fetch_slots *s, size_t place)
{
    return (place + 1) & (slots_count(s) - 1);
}

static uint64_t item_key(int32_t topic, int32_t partition)
{
    return (uint64_t)(uint32_t)topic << 32 | (uint32_t)partition;
}

static uint64_t topic_key(const struct fetch_list *l, struct bytes name, const struct uuid *id)
{
    return bytes_hash(l->by_id ? bytes_of(id->bytes, sizeof id->bytes) : name);
}

static bool is_topic(const struct fetch_list *l, int32_t topic, struct bytes name,
                     const struct uuid *id)
{
    const struct fetch_topic *t = &l->topics[topic];
    return l->by_id ? uuid_equal(&t->id, id) : bytes_equal(t->name, name);
}

/* The slot that holds it or would. There are slots. */
static int32_t *topic_slot(const struct fetch_list *l, struct bytes name, const struct uuid *id)
{
    const struct fetch_slots *s = &l->topic_slots;
    size_t at = place_of(s, topic_key(l, name, id), l->seed);
    while (s->at[at] != 0 && !is_topic(l, s->at[at] - 1, name, id)) at = place_after(s, at);
    return &s->at[at];
}

static int32_t *item_slot(const struct fetch_list *l, int32_t topic, int32_t partition)
{
    const struct fetch_slots *s = &l->item_slots;
    size_t at = place_of(s, item_key(topic, partition), l->seed);
    while (s->at[at] != 0) {
        const struct fetch_item *item = &l->items[s->at[at] - 1];
        if (item->topic == topic && item->partition == partition) break;
        at = place_after(s, at);
    }
    return &s->at[at];
}

static int32_t topic_find_place(const struct fetch_list *l, struct bytes name,
                                const struct uuid *id)
{
    return l->topic_slots.bits > 0 ? *topic_slot(l, name, id) - 1 : NONE;
}

static int32_t item_find_place(const struct fetch_list *l, int32_t topic, int32_t partition)
{
    return l->item_slots.bits > 0 ? *item_slot(l, topic, partition) - 1 : NONE;
}

static bool slots_have_room(const struct fetch_slots *s, int32_t count)
{
    return (size_t)count * 3 <= slots_count(s) * 2;
}

/* New, empty slots for count entries, at most two thirds full. False: memory is out. */
static bool slots_make(struct fetch_slots *s, int32_t count)
{
    int32_t bits = SLOT_BITS_MIN;
    while ((size_t)count * 3 > ((size_t)1 << bits) * 2) bits++;
    int32_t *at = mem_try_array((size_t)1 << bits, sizeof *at);
    if (at == NULL) return false;
    mem_free(s->at);
    *s = (struct fetch_slots){.at = at, .bits = bits};
    return true;
}

static bool index_topics(struct fetch_list *l, int32_t count)
{
    if (slots_have_room(&l->topic_slots, count)) return true;
    if (!slots_make(&l->topic_slots, count)) return false;
    for (int32_t i = 0; i < l->topic_count; i++)
        *topic_slot(l, l->topics[i].name, &l->topics[i].id) = i + 1;
    return true;
}

static bool index_items(struct fetch_list *l, int32_t count)
{
    if (slots_have_room(&l->item_slots, count)) return true;
    if (!slots_make(&l->item_slots, count)) return false;
    for (int32_t i = 0; i < l->item_count; i++)
        *item_slot(l, l->items[i].topic, l->items[i].partition) = i + 1;
    return true;
}

/* ---- The order */

static void link_last(struct fetch_list *l, int32_t item)
{
    l->items[item].prev = l->last;
    l->items[item].next = NONE;
    if (l->last == NONE) l->first = item;
    else l->items[l->last].next = item;
    l->last = item;
}

static void unlink_item(struct fetch_list *l, int32_t item)
{
    struct fetch_item *it = &l->items[item];
    if (it->prev == NONE) l->first = it->next;
    else l->items[it->prev].next = it->next;
    if (it->next == NONE) l->last = it->prev;
    else l->items[it->next].prev = it->prev;
}

void fetch_list_turn(struct fetch_list *l, int32_t item)
{
    unlink_item(l, item);
    link_last(l, item);
}

/* ---- Changes */

static void count_name(struct fetch_list *l, struct bytes name)
{
    if (bytes_is_null(name)) return;
    l->name_bytes += name.len + NAME_EXTRA_BYTES;
    if (name.len > l->name_len_max) l->name_len_max = name.len;
}

bool fetch_list_name(struct fetch_list *l, int32_t topic, struct bytes name)
{
    char *copy = mem_try_string((const char *)name.data, name.len);
    if (copy == NULL) return false;
    l->topics[topic].name = bytes_of(copy, name.len);
    count_name(l, name);
    return true;
}

/* An array with room for one more than count; NULL: memory is out, and all is as before. */
static void *with_room(void *array, int32_t count, int32_t *cap, size_t element)
{
    if (count < *cap) return array;
    int32_t more = *cap ? *cap * 2 : CAP_MIN;
    void *larger = mem_try_grow(array, (size_t)more * element);
    if (larger != NULL) *cap = more;
    return larger;
}

/* The request's topic, added when it is new; NONE: memory is out. */
static int32_t want_topic(struct fetch_list *l, const struct fetch_request_topic *topic)
{
    if (!index_topics(l, l->topic_count + 1)) return NONE;
    int32_t *slot = topic_slot(l, topic->topic, &topic->topic_id);
    if (*slot != 0) return *slot - 1;
    struct fetch_topic *topics =
        with_room(l->topics, l->topic_count, &l->topic_cap, sizeof *l->topics);
    if (topics == NULL) return NONE;
    l->topics = topics;
    l->topics[l->topic_count] = (struct fetch_topic){0};
    if (l->by_id) l->topics[l->topic_count].id = topic->topic_id;
    else if (!fetch_list_name(l, l->topic_count, topic->topic)) return NONE;
    l->topic_count++;
    *slot = l->topic_count;
    return l->topic_count - 1;
}

/* NULL: memory is out. */
static struct fetch_item *want_item(struct fetch_list *l, int32_t topic, int32_t partition)
{
    if (!index_items(l, l->item_count + 1)) return NULL;
    int32_t *slot = item_slot(l, topic, partition);
    if (*slot != 0) return &l->items[*slot - 1];
    struct fetch_item *items = with_room(l->items, l->item_count, &l->item_cap, sizeof *l->items);
    if (items == NULL) return NULL;
    l->items = items;
    struct fetch_item *mine = &l->items[l->item_count++];
    *mine = (struct fetch_item){.topic = topic, .partition = partition,
                                .told_high_watermark = -1, .told_log_start = -1};
    *slot = l->item_count;
    link_last(l, l->item_count - 1);
    return mine;
}

/* Gives back what growing took too much, where that needs no memory. */
static void *fitted(void *array, int32_t count, int32_t *cap, size_t element)
{
    if (*cap <= CAP_MIN || *cap / 2 <= count) return array;
    int32_t least = count > CAP_MIN ? count : CAP_MIN;
    void *smaller = mem_try_grow(array, (size_t)least * element);
    if (smaller == NULL) return array;
    *cap = least;
    return smaller;
}

static void fit(struct fetch_list *l)
{
    l->items = fitted(l->items, l->item_count, &l->item_cap, sizeof *l->items);
    l->topics = fitted(l->topics, l->topic_count, &l->topic_cap, sizeof *l->topics);
}

/* A new list of a few partitions is made at its size, without growing. False: memory is out. */
static bool make_few(struct fetch_list *l, const struct fetch_request *request)
{
    int32_t count = 0;
    for (int32_t t = 0; t < request->topics_count && count <= FEW; t++)
        count += request->topics[t].partitions_count > FEW ? FEW + 1
                                                           : request->topics[t].partitions_count;
    if (l->items != NULL || count > FEW || count <= CAP_MIN) return true;
    l->items = mem_try_array((size_t)count, sizeof *l->items);
    if (l->items == NULL) return false;
    l->item_cap = count;
    return index_items(l, count);
}

bool fetch_list_want(struct fetch_list *l, const struct fetch_request *request, int32_t item_max)
{
    if (!make_few(l, request)) return false;
    for (int32_t t = 0; t < request->topics_count; t++) {
        const struct fetch_request_topic *topic = &request->topics[t];
        if (topic->partitions_count <= 0 || l->item_count > item_max) continue;
        int32_t place = want_topic(l, topic);
        if (place == NONE) return false;
        for (int32_t p = 0; p < topic->partitions_count && l->item_count <= item_max; p++) {
            const struct fetch_request_partition *want = &topic->partitions[p];
            struct fetch_item *item = want_item(l, place, want->partition);
            if (item == NULL) return false;
            item->offset = want->fetch_offset;
            item->leader_epoch = want->current_leader_epoch;
            item->last_fetched_epoch = want->last_fetched_epoch;
            item->bytes_max = want->partition_max_bytes > 0 ? want->partition_max_bytes : 0;
        }
    }
    fit(l);
    return true;
}

/* Only what is not forgotten, in its order, and the topics that it names. False: memory is out. */
static bool pack(struct fetch_list *l)
{
    struct fetch_list old = *l;
    CLEANUP(mem_freep) int32_t *moved = mem_try_array((size_t)old.topic_count, sizeof *moved);
    CLEANUP(mem_freep)
    struct fetch_topic *topics = mem_try_array((size_t)old.topic_count, sizeof *topics);
    CLEANUP(mem_freep)
    struct fetch_item *items = mem_try_array((size_t)old.item_count, sizeof *items);
    if (moved == NULL || topics == NULL || items == NULL) return false;
    fetch_list_init(l, old.seed, old.by_id);
    l->topics = TAKE(topics);
    l->items = TAKE(items);
    l->topic_cap = old.topic_count;
    l->item_cap = old.item_count;
    for (int32_t i = old.first; i != NONE; i = old.items[i].next) {
        struct fetch_item *item = &l->items[l->item_count++];
        *item = old.items[i];
        if (moved[item->topic] == 0) {
            struct fetch_topic *from = &old.topics[item->topic];
            l->topics[l->topic_count++] = *from;
            moved[item->topic] = l->topic_count;
            count_name(l, from->name);
            from->name = BYTES_NULL;
        }
        item->topic = moved[item->topic] - 1;
        link_last(l, l->item_count - 1);
    }
    fetch_list_done(&old);
    fit(l);
    return index_topics(l, l->topic_count) && index_items(l, l->item_count);
}

bool fetch_list_forget(struct fetch_list *l, const struct fetch_request *request)
{
    bool any = false;
    for (int32_t t = 0; t < request->forgotten_topics_data_count; t++) {
        const struct fetch_request_forgotten_topic *gone = &request->forgotten_topics_data[t];
        int32_t topic = topic_find_place(l, gone->topic, &gone->topic_id);
        for (int32_t p = 0; topic != NONE && p < gone->partitions_count; p++) {
            int32_t item = item_find_place(l, topic, gone->partitions[p]);
            if (item == NONE) continue;
            unlink_item(l, item);
            l->items[item].topic = NONE;            /* matches no key */
            any = true;
        }
    }
    return !any || pack(l);
}
