/* Our codecs against jansson and libcbor, over random values of every shape that is served: what
 * the oracle writes we read, what we write it reads, and what it refuses we refuse. */
#include "kinesis_random.h"
#include <cbor.h>
#include <jansson.h>
#include "protocol/aws/base64.h"

enum { ROUNDS = 60, MUTATIONS = 40000 };

static json_t *json_of_struct(const struct aws_shape *shape, const uint8_t *base);

static json_t *json_of_text(struct bytes b)
{
    return json_stringn((const char *)b.data, b.len);
}

static json_t *json_of_list(const struct aws_shape *shape, const uint8_t *data, uint32_t count)
{
    json_t *list = shape->kind == AWS_MAP ? json_object() : json_array();
    for (uint32_t i = 0; i < count; i++, data += shape->size) {
        if (shape->kind == AWS_MAP) {
            const struct aws_pair *pair = (const void *)data;
            char key[16];
            json_object_set_new(list, bytes_to_text(pair->key, key, sizeof key),
                                json_of_text(pair->value));
        } else if (shape->element->kind == AWS_STRUCT) {
            json_array_append_new(list, json_of_struct(shape->element, data));
        } else {
            json_array_append_new(list, json_of_text(*(const struct bytes *)(const void *)data));
        }
    }
    return list;
}

static json_t *json_of(const struct aws_member *m, const uint8_t *base)
{
    const void *at = base + m->offset;
    switch (m->shape->kind) {
    case AWS_STRING: return json_of_text(*(const struct bytes *)at);
    case AWS_BLOB: {
        struct bytes blob = *(const struct bytes *)at;
        uint8_t text[1024];
        base64_encode(blob, text);
        return json_of_text(bytes_of(text, base64_encoded(blob.len)));
    }
    case AWS_INTEGER: return json_integer(*(const int32_t *)at);
    case AWS_LONG: return json_integer(*(const int64_t *)at);
    case AWS_BOOLEAN: return json_boolean(*(const bool *)at);
    case AWS_TIMESTAMP: {
        int64_t ms = *(const int64_t *)at;
        return ms % 1000 ? json_real((double)ms / 1000) : json_integer(ms / 1000);
    }
    case AWS_LIST:
    case AWS_MAP:
        return json_of_list(m->shape, *(const uint8_t *const *)at,
                            *(const uint32_t *)(const void *)(base + m->aux_offset));
    case AWS_STRUCT:
        return json_of_struct(m->shape, m->by_pointer ? *(const uint8_t *const *)at : at);
    }
    return NULL;
}

static json_t *json_of_struct(const struct aws_shape *shape, const uint8_t *base)
{
    json_t *object = json_object();
    for (uint32_t i = 0; i < shape->members_count; i++) {
        const struct aws_member *m = &shape->members[i];
        if (!aws_member_absent(m, base)) json_object_set_new(object, m->name, json_of(m, base));
    }
    return object;
}

static cbor_item_t *cbor_of_struct(struct dice *d, const struct aws_shape *shape,
                                   const uint8_t *base);

/* Sometimes in chunks, as AWS's own CBOR may be. Chunks end between characters. */
static cbor_item_t *cbor_of_text(struct dice *d, struct bytes b, bool text)
{
    size_t cut = roll(d, b.len + 1);
    while (text && cut < b.len && (b.data[cut] & 0xc0) == 0x80) cut++;
    const char *chars = (const char *)b.data;
    if (roll(d, 3))
        return text ? cbor_build_stringn(chars, b.len) : cbor_build_bytestring(b.data, b.len);
    cbor_item_t *item = text ? cbor_new_indefinite_string() : cbor_new_indefinite_bytestring();
    for (int half = 0; half < 2; half++) {
        size_t from = half ? cut : 0, len = half ? b.len - cut : cut;
        bool added =
            text ? cbor_string_add_chunk(item, cbor_move(cbor_build_stringn(chars + from, len)))
                 : cbor_bytestring_add_chunk(item,
                                             cbor_move(cbor_build_bytestring(b.data + from, len)));
        EXPECT(added);
    }
    return item;
}

static cbor_item_t *cbor_of_number(int64_t v)
{
    if (v < 0) return cbor_build_negint64((uint64_t)(-1 - v));
    return v < 200 ? cbor_build_uint8((uint8_t)v) : cbor_build_uint64((uint64_t)v);
}

static void cbor_add(cbor_item_t *map, cbor_item_t *key, cbor_item_t *value)
{
    EXPECT(cbor_map_add(map, (struct cbor_pair){cbor_move(key), cbor_move(value)}));
}

static cbor_item_t *cbor_of_list(struct dice *d, const struct aws_shape *shape,
                                 const uint8_t *data, uint32_t count)
{
    bool open_ended = roll(d, 2);
    cbor_item_t *list = shape->kind == AWS_MAP ? (open_ended ? cbor_new_indefinite_map()
                                                                 : cbor_new_definite_map(count))
                        : open_ended               ? cbor_new_indefinite_array()
                                                   : cbor_new_definite_array(count);
    for (uint32_t i = 0; i < count; i++, data += shape->size) {
        if (shape->kind == AWS_MAP) {
            const struct aws_pair *pair = (const void *)data;
            cbor_add(list, cbor_of_text(d, pair->key, true), cbor_of_text(d, pair->value, true));
        } else if (shape->element->kind == AWS_STRUCT) {
            EXPECT(cbor_array_push(list, cbor_move(cbor_of_struct(d, shape->element, data))));
        } else {
            struct bytes text = *(const struct bytes *)(const void *)data;
            EXPECT(cbor_array_push(list, cbor_move(cbor_of_text(d, text, true))));
        }
    }
    return list;
}

static cbor_item_t *cbor_of(struct dice *d, const struct aws_member *m, const uint8_t *base)
{
    const void *at = base + m->offset;
    switch (m->shape->kind) {
    case AWS_STRING: return cbor_of_text(d, *(const struct bytes *)at, true);
    case AWS_BLOB: return cbor_of_text(d, *(const struct bytes *)at, false);
    case AWS_INTEGER: return cbor_of_number(*(const int32_t *)at);
    case AWS_LONG: return cbor_of_number(*(const int64_t *)at);
    case AWS_BOOLEAN: return cbor_build_bool(*(const bool *)at);
    case AWS_TIMESTAMP:
        return cbor_build_tag(1, cbor_move(cbor_of_number(*(const int64_t *)at)));
    case AWS_LIST:
    case AWS_MAP:
        return cbor_of_list(d, m->shape, *(const uint8_t *const *)at,
                            *(const uint32_t *)(const void *)(base + m->aux_offset));
    case AWS_STRUCT:
        return cbor_of_struct(d, m->shape, m->by_pointer ? *(const uint8_t *const *)at : at);
    }
    return NULL;
}

static cbor_item_t *cbor_of_struct(struct dice *d, const struct aws_shape *shape,
                                   const uint8_t *base)
{
    uint32_t count = 1;
    for (uint32_t i = 0; i < shape->members_count; i++)
        count += !aws_member_absent(&shape->members[i], base);
    cbor_item_t *map = roll(d, 2) ? cbor_new_indefinite_map() : cbor_new_definite_map(count);
    cbor_add(map, cbor_build_string("Unknown"), cbor_build_float8(1.5));
    for (uint32_t i = 0; i < shape->members_count; i++) {
        const struct aws_member *m = &shape->members[i];
        if (!aws_member_absent(m, base))
            cbor_add(map, cbor_build_string(m->name), cbor_of(d, m, base));
    }
    return map;
}

static void expect_read(const struct aws_shape *shape, enum aws_codec codec,
                        struct bytes body, const void *want)
{
    struct arena arena;
    union kinesis_input got;
    struct aws_fault fault = {.message = BYTES_NULL};
    arena_init(&arena, aws_decode_arena(body.len));
    enum err err = aws_decode(shape, codec, body, &arena, &got, &fault);
    if (err != ERR_OK) print_error("%s: %.*s\n", shape->name, BYTES_ARGS(fault.message));
    EXPECT_OK(err);
    expect_same(shape, want, (const uint8_t *)&got);
    arena_done(&arena);
}

static void check_json(struct dice *d, const struct aws_shape *shape, const void *value,
                       bool is_input)
{
    struct writer w;
    writer_init(&w, 16 << 20);
    aws_encode(shape, AWS_JSON, value, &w);
    EXPECT_OK(w.err);
    json_t *theirs = json_of_struct(shape, value);
    json_t *ours = json_loadb((const char *)w.data, w.len, JSON_ALLOW_NUL, NULL);
    EXPECT(ours != NULL && json_equal(ours, theirs));
    if (is_input) {
        static const size_t styles[] = {JSON_COMPACT, JSON_INDENT(3), JSON_ENSURE_ASCII,
                                        JSON_ESCAPE_SLASH};
        char *text = json_dumps(theirs, styles[roll(d, 4)]);
        expect_read(shape, AWS_JSON, bytes_str(text), value);
        expect_read(shape, AWS_JSON, bytes_of(w.data, w.len), value);
        free(text);
    }
    json_decref(ours);
    json_decref(theirs);
    writer_done(&w);
}

static void check_cbor(struct dice *d, const struct aws_shape *shape, const void *value,
                       bool is_input)
{
    struct writer w;
    writer_init(&w, 16 << 20);
    aws_encode(shape, AWS_CBOR, value, &w);
    EXPECT_OK(w.err);
    struct cbor_load_result result;
    cbor_item_t *ours = cbor_load(w.data, w.len, &result);
    EXPECT(ours != NULL && result.read == w.len);
    cbor_decref(&ours);
    if (is_input) {
        unsigned char *text = NULL;
        size_t room_bytes = 0;
        cbor_item_t *theirs = cbor_of_struct(d, shape, value);
        size_t len = cbor_serialize_alloc(theirs, &text, &room_bytes);
        expect_read(shape, AWS_CBOR, bytes_of(text, len), value);
        expect_read(shape, AWS_CBOR, bytes_of(w.data, w.len), value);
        free(text);
        cbor_decref(&theirs);
    }
    writer_done(&w);
}

static void check_shape(struct dice *d, const struct aws_shape *shape, bool is_input)
{
    if (shape == NULL) return;
    for (int round = 0; round < ROUNDS; round++) {
        arena_reset(&d->arena);
        void *value = room(d, shape->size);
        random_value(d, shape, value, NULL);
        check_json(d, shape, value, is_input);
        check_cbor(d, shape, value, is_input);
    }
}

TEST(every_shape_goes_both_ways_through_both_oracles)
{
    struct dice d;
    dice_init(&d);
    for (int op = 0; op < KINESIS_OP_COUNT; op++) {
        check_shape(&d, kinesis_operations[op].input, true);
        check_shape(&d, kinesis_operations[op].output, false);
    }
    check_shape(&d, &kinesis_subscribe_to_shard_event_shape, false);
    arena_done(&d.arena);
}

/* A body with a few bytes changed, cut or put in. */
static struct bytes mutate(struct dice *d, const char *text, size_t len, uint8_t *to)
{
    static const char spice[] =
        "{}[]\",:\\u0123eE+-.tfn \x80\xff\x1f\x5f\x7f\x9f\xbf\xc1\xf9\xfa\xfb";
    mem_copy(to, text, len);
    for (uint64_t n = 1 + roll(d, 3); n > 0; n--) {
        size_t at = roll(d, len);
        switch (roll(d, 3)) {
        case 0:
            to[at] = roll(d, 2) ? (uint8_t)roll(d, 256) : (uint8_t)spice[roll(d, sizeof spice - 1)];
            break;
        case 1: len = len > 2 ? at + 1 : len; break;
        default:
            mem_move(to + at + 1, to + at, len - at);
            to[at] = (uint8_t)spice[roll(d, sizeof spice - 1)];
            len++;
        }
    }
    return bytes_of(to, len);
}

static bool ours_takes(enum aws_codec codec, struct bytes body)
{
    struct arena arena;
    arena_init(&arena, aws_decode_arena(body.len));
    bool taken = aws_check(codec, body, &arena) == ERR_OK;
    arena_done(&arena);
    return taken;
}

TEST(what_jansson_refuses_is_refused_and_nothing_else)
{
    static const char text[] = "{\"a\":[1,-2.5e3,true,false,null,\"x\\u00e9\\n\"],\"b\":{\"c\":"
                               "\"\xc3\xa9\",\"d\":{}},\"e\":[]}";
    struct dice d;
    dice_init(&d);
    int taken = 0;
    for (int i = 0; i < MUTATIONS; i++) {
        uint8_t copy[sizeof text + 8];
        struct bytes body = mutate(&d, text, sizeof text - 1, copy);
        json_error_t error;
        json_t *theirs = json_loadb((const char *)body.data, body.len, JSON_ALLOW_NUL, &error);
        if (memchr(body.data, 0, body.len)) {        /* jansson takes "true" with a NUL behind it */
            json_decref(theirs);
            continue;
        }
        bool ours = ours_takes(AWS_JSON, body);
        /* jansson has no place for numbers beyond its types, and none for lone surrogates. */
        bool excused = theirs == NULL &&
                       (json_error_code(&error) == json_error_numeric_overflow ||
                        strstr(error.text, "surrogate") || strstr(error.text, "Unicode") ||
                        strstr(error.text, "unicode"));
        if (!excused && ours != (theirs != NULL))
            print_error("%.*s: ours %d, jansson: %s at %d\n", BYTES_ARGS(body), ours, error.text,
                        error.position);
        if (!excused) EXPECT_EQ(ours, theirs != NULL);
        taken += ours;
        json_decref(theirs);
    }
    EXPECT(taken > MUTATIONS / 50);
    arena_done(&d.arena);
}

TEST(what_libcbor_refuses_is_refused)
{
    static const char text[] = "\xbf\x61"
                               "a\x85\x01\x20\xf5\xf6\x62\xc3\xa9\x61"
                               "b\xa1\x61"
                               "c\x7f\x61x\x61y\xff\x61"
                               "d\xc1\x1b\x00\x00\x01\x4f\x98\xd0\x00\x00\x61"
                               "e\xfb\x3f\xf8\x00\x00\x00\x00\x00\x00\x61"
                               "f\x43zzz\xff";
    struct dice d;
    dice_init(&d);
    int taken = 0;
    for (int i = 0; i < MUTATIONS; i++) {
        uint8_t copy[sizeof text + 8];
        struct bytes body = mutate(&d, text, sizeof text - 1, copy);
        if (!ours_takes(AWS_CBOR, body)) continue;
        struct cbor_load_result result;
        cbor_item_t *theirs = cbor_load(body.data, body.len, &result);
        /* libcbor takes no tags that were unassigned once. */
        uint8_t stopped = theirs ? 0 : body.data[result.error.position];
        if (stopped >= 0xc6 && stopped <= 0xd4) continue;
        if (theirs == NULL) {
            for (size_t j = 0; j < body.len; j++) print_error("%02x", body.data[j]);
            print_error(": libcbor error %d at %zu\n", (int)result.error.code,
                        result.error.position);
        }
        EXPECT(theirs != NULL);
        EXPECT_EQ(result.read, body.len);
        cbor_decref(&theirs);
        taken++;
    }
    EXPECT(taken > MUTATIONS / 50);
    arena_done(&d.arena);
}

TESTS(RUN(every_shape_goes_both_ways_through_both_oracles),
      RUN(what_jansson_refuses_is_refused_and_nothing_else), RUN(what_libcbor_refuses_is_refused))
