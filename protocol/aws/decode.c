/* Reads a body by the table of its shape, whatever the format.
 *
 * One pass. A value of the wrong type is remembered (the first one only) and reading goes on,
 * because a body that is not well-formed at all must be answered as such, wherever that shows.
 * Lists grow by doubling; elements far beyond the list's constraint are read, counted and dropped.
 * Blobs of JSON are decoded one behind another into one piece of the arena, as large as the rest of
 * the body can fill. */
#include "protocol/aws/codec.h"

#include <assert.h>
#include "base/mem.h"
#include "protocol/aws/fault.h"
#include "protocol/aws/reader.h"
#include "protocol/aws/validate.h"
#include "base/check.h"

enum { LIST_ROOM_FIRST = 8, ELEMENT_BYTES_MAX = 128 };

struct decoder {
    struct reader reader;
    struct aws_fault *fault;
    uint8_t *blobs;          /* room for what base64 still to come can become; NULL until needed */
    uint32_t depth;
};

/* A value that is being read into the struct or element that holds it. */
struct slot {
    const struct aws_shape *shape;
    void *value;
    void *aux;               /* has_ flag or count; NULL when there is none */
    bool by_pointer;
};

static void read_value(struct decoder *d, const struct value *v, const struct slot *slot);

static void *allocate(struct decoder *d, size_t bytes)
{
    void *p = arena_alloc(d->reader.arena, bytes);
    if (p == NULL) reader_break(&d->reader);
    return p;
}

static bool descend(struct decoder *d)
{
    if (++d->depth > AWS_DEPTH_MAX) reader_break(&d->reader);
    return !d->reader.broken;
}

static void skip(struct decoder *d, const struct value *v)
{
    struct reader *r = &d->reader;
    if (v->kind != VALUE_LIST && v->kind != VALUE_MAP) return;
    if (!descend(d)) return;
    struct nest nest = v->nest;
    struct value inner;
    struct bytes key;
    while (v->kind == VALUE_LIST ? r->format->list_next(r, &nest)
                                 : r->format->map_next(r, &nest, &key)) {
        r->format->next(r, &inner);
        skip(d, &inner);
    }
    d->depth--;
}

static void mismatch(struct decoder *d, const struct value *v, const struct slot *slot)
{
    fault_of_type(d->fault, d->reader.arena, slot->shape, v);
    skip(d, v);
}

static void set_present(const struct slot *slot)
{
    if (slot->aux) *(bool *)slot->aux = true;
}

/* Cut towards zero and to the range, as AWS does. */
static int64_t whole(const struct value *v, int64_t min, int64_t max)
{
    if (v->kind == VALUE_INTEGER)
        return v->integer < min ? min : v->integer > max ? max : v->integer;
    if (!(v->real > (double)min)) return v->real == v->real ? min : 0;
    return v->real < (double)max ? (int64_t)v->real : max;
}

static int64_t timestamp(const struct reader *r, const struct value *v)
{
    const int64_t bound = (int64_t)1 << 52;         /* keeps sums of times far from overflow */
    int64_t unit = r->format->timestamp_unit_ms;
    if (v->kind == VALUE_INTEGER) return whole(v, -bound / unit, bound / unit) * unit;
    double ms = v->real * 1000;
    struct value rounded = {.kind = VALUE_REAL, .real = ms < 0 ? ms - 0.5 : ms + 0.5};
    return whole(&rounded, -bound, bound);
}

static void read_number(struct decoder *d, const struct value *v, const struct slot *slot)
{
    if (v->kind != VALUE_INTEGER && v->kind != VALUE_REAL) {
        mismatch(d, v, slot);
        return;
    }
    if (slot->shape->kind == AWS_INTEGER)
        *(int32_t *)slot->value = (int32_t)whole(v, INT32_MIN, INT32_MAX);
    else if (slot->shape->kind == AWS_LONG)
        *(int64_t *)slot->value = whole(v, INT64_MIN, INT64_MAX);
    else
        *(int64_t *)slot->value = timestamp(&d->reader, v);
    set_present(slot);
}

/* AWS takes some words for a Boolean, and a fraction for true. */
static bool text_boolean(struct bytes text, bool *ret)
{
    static const char *const yes[] = {"true", "1", "yes"}, *const no[] = {"false", "0", "no"};
    for (size_t i = 0; i < 3; i++) {
        bool is_yes = text.len == strlen(yes[i]) &&
                      strncasecmp((const char *)text.data, yes[i], text.len) == 0;
        bool is_no = text.len == strlen(no[i]) &&
                     strncasecmp((const char *)text.data, no[i], text.len) == 0;
        if (is_yes || is_no) {
            *ret = is_yes;
            return true;
        }
    }
    return false;
}

static void read_boolean(struct decoder *d, const struct value *v, const struct slot *slot)
{
    bool flag = v->kind == VALUE_REAL || (v->kind == VALUE_BOOLEAN && v->flag);
    bool legal = v->kind == VALUE_BOOLEAN || v->kind == VALUE_REAL ||
                 (v->kind == VALUE_TEXT && text_boolean(v->bytes, &flag));
    if (!legal) {
        mismatch(d, v, slot);
        return;
    }
    *(bool *)slot->value = flag;
    set_present(slot);
}

static void read_blob(struct decoder *d, const struct value *v, const struct slot *slot)
{
    struct bytes *blob = slot->value;
    if (v->kind == VALUE_BYTES) {
        *blob = v->bytes;
        return;
    }
    if (v->kind != VALUE_TEXT) {
        mismatch(d, v, slot);
        return;
    }
    if (d->blobs == NULL) {
        size_t left = v->bytes.len + (size_t)(d->reader.end - d->reader.at);
        d->blobs = allocate(d, base64_decoded_max(left));
        if (d->blobs == NULL) return;
    }
    size_t len = 0, at = 0;
    enum base64_fault why = base64_decode(v->bytes, d->blobs, &len, &at);
    if (why != BASE64_OK) fault_of_base64(d->fault, d->reader.arena, v->bytes, why, at);
    *blob = bytes_of(d->blobs, len);
    d->blobs += len;
}

/* A growing array of elements: those beyond kept_max are counted only. */
struct array {
    uint8_t *data;
    size_t element_bytes;
    uint32_t room;
    uint32_t kept_max;
    uint32_t count;
};

/* Room for one more element, zeroed; scratch (ELEMENT_BYTES_MAX) where it is not kept. NULL when
 * the arena is full. */
static void *array_add(struct decoder *d, struct array *a, void *scratch)
{
    if (a->count >= a->kept_max) {
        a->count += a->count < UINT32_MAX;
        memset(scratch, 0, a->element_bytes);
        return scratch;
    }
    if (a->count == a->room) {
        uint32_t room = a->room ? a->room * 2 : LIST_ROOM_FIRST;
        if (room > a->kept_max) room = a->kept_max;
        uint8_t *data = allocate(d, room * a->element_bytes);
        if (data == NULL) return NULL;
        mem_copy(data, a->data, a->count * a->element_bytes);
        a->data = data;
        a->room = room;
    }
    return a->data + (size_t)a->count++ * a->element_bytes;
}

static void array_store(struct decoder *d, const struct array *a, const struct slot *slot)
{
    void *data = a->data ? a->data : allocate(d, 0);     /* empty is not absent */
    *(void **)slot->value = data;
    *(uint32_t *)slot->aux = a->count;
}

static void read_list(struct decoder *d, const struct value *v, const struct slot *slot)
{
    if (v->kind != VALUE_LIST) {
        mismatch(d, v, slot);
        return;
    }
    if (!descend(d)) return;
    struct reader *r = &d->reader;
    struct nest nest = v->nest;
    struct array list = {.element_bytes = slot->shape->size,
                         .kept_max = aws_kept_max(slot->shape)};
    struct slot element = {.shape = slot->shape->element};
    _Alignas(16) uint8_t scratch[ELEMENT_BYTES_MAX];
    assert(list.element_bytes <= sizeof scratch);
    while (r->format->list_next(r, &nest)) {
        struct value inner;
        r->format->next(r, &inner);
        element.value = array_add(d, &list, scratch);
        if (element.value != NULL) read_value(d, &inner, &element);
    }
    array_store(d, &list, slot);
    d->depth--;
}

/* Where the pair with this key belongs. Keys are searched for among the kept ones only, and only
 * kept_max times: a map that goes on repeating keys beyond that costs too much and is refused. */
static struct aws_pair *pair_of(struct decoder *d, struct array *map, uint32_t seen,
                                struct bytes key, void *scratch)
{
    struct aws_pair *pairs = (struct aws_pair *)(void *)map->data;
    if (map->count < map->kept_max) {
        if (seen >= map->kept_max) {
            reader_break(&d->reader);
            return NULL;
        }
        for (uint32_t i = 0; i < map->count; i++)
            if (bytes_equal(pairs[i].key, key)) return &pairs[i];
    }
    struct aws_pair *pair = array_add(d, map, scratch);
    if (pair) pair->key = key;
    return pair;
}

static void read_map(struct decoder *d, const struct value *v, const struct slot *slot)
{
    if (v->kind != VALUE_MAP) {
        mismatch(d, v, slot);
        return;
    }
    if (!descend(d)) return;
    struct reader *r = &d->reader;
    struct nest nest = v->nest;
    struct array map = {.element_bytes = sizeof(struct aws_pair),
                        .kept_max = aws_kept_max(slot->shape)};
    struct slot element = {.shape = slot->shape->element};
    struct aws_pair scratch;
    struct bytes key;
    for (uint32_t seen = 0; r->format->map_next(r, &nest, &key); seen++) {
        struct value inner;
        r->format->next(r, &inner);
        struct aws_pair *pair = pair_of(d, &map, seen, key, &scratch);
        if (pair == NULL) continue;
        pair->value = BYTES_NULL;
        element.value = &pair->value;
        read_value(d, &inner, &element);
    }
    array_store(d, &map, slot);
    d->depth--;
}

static const struct aws_member *find_member(const struct aws_shape *shape, struct bytes key)
{
    for (uint32_t i = 0; i < shape->members_count; i++) {
        const struct aws_member *m = &shape->members[i];
        if (m->name_len == key.len && memcmp(m->name, key.data, key.len) == 0) return m;
    }
    return NULL;
}

static void read_members(struct decoder *d, struct nest nest, const struct aws_shape *shape,
                         uint8_t *base)
{
    struct reader *r = &d->reader;
    struct bytes key;
    while (r->format->map_next(r, &nest, &key)) {
        struct value v;
        r->format->next(r, &v);
        const struct aws_member *m = find_member(shape, key);
        if (m == NULL) {
            skip(d, &v);
            continue;
        }
        struct slot slot = {
            .shape = m->shape,
            .value = base + m->offset,
            .aux = m->aux_offset == AWS_NONE ? NULL : base + m->aux_offset,
            .by_pointer = m->by_pointer,
        };
        read_value(d, &v, &slot);
    }
}

static void read_struct(struct decoder *d, const struct value *v, const struct slot *slot)
{
    if (v->kind != VALUE_MAP) {
        mismatch(d, v, slot);
        return;
    }
    if (!descend(d)) return;
    uint8_t *base = slot->value;
    if (slot->by_pointer) {
        base = allocate(d, slot->shape->size);
        if (base == NULL) return;
        *(void **)slot->value = base;
    }
    read_members(d, v->nest, slot->shape, base);
    d->depth--;
}

static void read_null(const struct slot *slot)
{
    switch (slot->shape->kind) {
    case AWS_STRING:
    case AWS_BLOB: *(struct bytes *)slot->value = BYTES_NULL; return;
    case AWS_LIST:
    case AWS_MAP:
        *(void **)slot->value = NULL;
        *(uint32_t *)slot->aux = 0;
        return;
    case AWS_STRUCT:
        if (slot->by_pointer) *(void **)slot->value = NULL;
        return;
    default:
        if (slot->aux) *(bool *)slot->aux = false;
    }
}

static void read_value(struct decoder *d, const struct value *v, const struct slot *slot)
{
    if (v->kind == VALUE_NULL) {
        read_null(slot);
        return;
    }
    switch (slot->shape->kind) {
    case AWS_STRING:
        if (v->kind == VALUE_TEXT) *(struct bytes *)slot->value = v->bytes;
        else mismatch(d, v, slot);
        return;
    case AWS_BLOB: read_blob(d, v, slot); return;
    case AWS_BOOLEAN: read_boolean(d, v, slot); return;
    case AWS_LIST: read_list(d, v, slot); return;
    case AWS_MAP: read_map(d, v, slot); return;
    case AWS_STRUCT: read_struct(d, v, slot); return;
    default: read_number(d, v, slot);
    }
}

/* Reads the one value that a body is. */
static void read_root(struct decoder *d, const struct aws_shape *shape, void *ret_value)
{
    struct reader *r = &d->reader;
    struct value root;
    r->format->next(r, &root);
    if (root.kind != VALUE_MAP && root.kind != VALUE_LIST) {
        reader_break(r);
        return;
    }
    struct slot slot = {.shape = shape, .value = ret_value};
    if (shape) read_struct(d, &root, &slot);
    else skip(d, &root);
    if (!r->broken && !(r->format == &json_format ? json_at_end(r) : r->at == r->end))
        reader_break(r);
}

static struct decoder decoder_of(enum aws_codec codec, struct bytes body, struct arena *arena,
                                 struct aws_fault *fault)
{
    if (bytes_is_null(body)) body = BYTES_LIT("");
    return (struct decoder){
        .reader = {.at = body.data,
                   .end = body.data + body.len,
                   .format = codec == AWS_JSON ? &json_format : &cbor_format,
                   .arena = arena,
                   .parts_left = AWS_PARTS_MAX},
        .fault = fault,
    };
}

enum err aws_decode(const struct aws_shape *shape, enum aws_codec codec,
                    struct bytes body, struct arena *arena, void *ret_value,
                    struct aws_fault *ret_fault)
{
    struct aws_fault fault = {.err = ERR_OK};
    struct decoder d = decoder_of(codec, body, arena, &fault);
    memset(ret_value, 0, shape->size);
    read_root(&d, shape, ret_value);
    if (d.reader.broken)
        fault = (struct aws_fault){.err = ERR_SERIALIZATION, .unparsable = true,
                                   .capital = true};
    if (fault.err != ERR_OK) {
        *ret_fault = fault;
        return fault.err;
    }
    return aws_validate(shape, ret_value, arena, ret_fault);
}

enum err aws_check(enum aws_codec codec, struct bytes body, struct arena *arena)
{
    struct aws_fault fault = {.err = ERR_OK};
    struct decoder d = decoder_of(codec, body, arena, &fault);
    read_root(&d, NULL, NULL);
    return d.reader.broken ? ERR_SERIALIZATION : ERR_OK;
}
