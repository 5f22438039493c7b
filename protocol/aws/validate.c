/* Constraints, checked in AWS's order: members as the schema lists them; of one member first null,
 * then pattern, value set, lower and upper bound, then its elements. The check itself builds no
 * text: only the first broken constraint makes it start over and write the message. Texts are
 * AWS's. */
#include "protocol/aws/validate.h"

#include <assert.h>
#include "base/check.h"

enum { FAULTS_MAX = 10, QUOTE_MAX = 4096 };

/* Where a value stands: "records.1.member.partitionKey". */
struct place {
    const struct place *up;
    const char *name;
    uint32_t number;         /* of an element, from 1; 0 = none */
};

struct report {
    struct writer *text;     /* NULL: only find out whether there is anything to report */
    uint32_t count;
};

static bool check_members(struct report *r, const struct aws_shape *shape, const uint8_t *base,
                          const struct place *up);

uint32_t aws_kept_max(const struct aws_shape *shape)
{
    return shape->max == INT64_MAX ? UINT32_MAX : (uint32_t)shape->max * 2;
}

static void put_place(struct writer *w, const struct place *place)
{
    if (place->up) {
        put_place(w, place->up);
        writer_text(w, ".");
    }
    if (place->number) writer_printf(w, "%u.member", place->number);
    else writer_text(w, place->name);
}

static void put_text(struct writer *w, struct bytes text)
{
    size_t len = text.len < QUOTE_MAX ? text.len : QUOTE_MAX;
    while (len < text.len && len > 0 && (text.data[len] & 0xc0) == 0x80) len--;
    writer_bytes_raw(w, bytes_is_null(text) ? BYTES_LIT("null") : bytes_of(text.data, len));
    if (len < text.len) writer_text(w, "...");
}

static uint32_t kept(const struct aws_shape *shape, uint32_t count)
{
    uint32_t max = aws_kept_max(shape);
    return count < max ? count : max;
}

static void put_list(struct writer *w, const struct aws_shape *shape, const void *data,
                     uint32_t count)
{
    writer_text(w, "[");
    for (uint32_t i = 0; i < kept(shape, count); i++) {
        if (i > 0) writer_text(w, ", ");
        if (shape->element->kind == AWS_STRING) put_text(w, ((const struct bytes *)data)[i]);
        else
            writer_text(w,
                        shape->element->shown_as ? shape->element->shown_as : shape->element->name);
    }
    writer_text(w, "]");
}

static void put_map(struct writer *w, const struct aws_shape *shape, const void *data,
                    uint32_t count)
{
    const struct aws_pair *pairs = data;
    writer_text(w, "{");
    for (uint32_t i = 0; i < kept(shape, count); i++) {
        if (i > 0) writer_text(w, ", ");
        put_text(w, pairs[i].key);
        writer_text(w, "=");
        put_text(w, pairs[i].value);
    }
    writer_text(w, "}");
}

/* A value with what counts of it: length, number or count. */
struct subject {
    const struct aws_shape *shape;
    const void *value;
    uint32_t count;          /* of a list or map */
};

static struct bytes text_of(const struct subject *s)
{
    return *(const struct bytes *)s->value;
}

static void put_value(struct writer *w, const struct subject *s)
{
    switch (s->shape->kind) {
    case AWS_STRING: put_text(w, text_of(s)); return;
    case AWS_INTEGER: writer_printf(w, "%d", *(const int32_t *)s->value); return;
    case AWS_LONG: writer_printf(w, "%lld", (long long)*(const int64_t *)s->value); return;
    case AWS_LIST: put_list(w, s->shape, *(void *const *)s->value, s->count); return;
    case AWS_MAP: put_map(w, s->shape, *(void *const *)s->value, s->count); return;
    default: assert(!"no constraint on this kind");
    }
}

/* Count a fault and begin its text. NULL when there is nothing to write: the caller must ask. */
static struct writer *begin(struct report *r, const struct subject *s, const struct place *place)
{
    if (r->count++ >= FAULTS_MAX || r->text == NULL) return NULL;
    if (r->count > 1) writer_text(r->text, "; ");
    writer_text(r->text, "Value ");
    if (s == NULL) {
        writer_text(r->text, "null ");
    } else if (s->shape->kind != AWS_BLOB) {           /* of a blob AWS shows nothing */
        writer_text(r->text, "'");
        put_value(r->text, s);
        writer_text(r->text, "' ");
    }
    writer_text(r->text, "at '");
    put_place(r->text, place);
    writer_text(r->text, "' failed to satisfy constraint: ");
    return r->text;
}

static void put_values(struct writer *w, const struct aws_shape *shape)
{
    for (uint32_t i = 0; i < shape->values_count; i++)
        writer_printf(w, "%s%s", i > 0 ? ", " : "", shape->values[i]);
}

/* What is compared with min and max. Strings count in code points, of one to four bytes: they are
 * counted only when the bytes alone do not decide. */
static int64_t extent(const struct subject *s)
{
    size_t chars;
    switch (s->shape->kind) {
    case AWS_STRING:
        if ((int64_t)text_of(s).len <= s->shape->max ||
            (int64_t)text_of(s).len / 4 > s->shape->max)
            return (int64_t)text_of(s).len;
        return bytes_is_utf8(text_of(s), &chars) ? (int64_t)chars : (int64_t)text_of(s).len;
    case AWS_BLOB: return (int64_t)text_of(s).len;
    case AWS_INTEGER: return *(const int32_t *)s->value;
    case AWS_LONG: return *(const int64_t *)s->value;
    case AWS_LIST:
    case AWS_MAP: return s->count;
    default: return 0;
    }
}

static void check_bounds(struct report *r, const struct subject *s, const struct place *place)
{
    const struct aws_shape *shape = s->shape;
    const char *noun = shape->kind == AWS_INTEGER || shape->kind == AWS_LONG ? "value"
                                                                                     : "length";
    int64_t size = extent(s);
    struct writer *w;
    if (size < shape->min && (w = begin(r, s, place)) != NULL)
        writer_printf(w, "Member must have %s greater than or equal to %lld", noun,
                      (long long)shape->min);
    if (size > shape->max && (w = begin(r, s, place)) != NULL)
        writer_printf(w, "Member must have %s less than or equal to %lld", noun,
                      (long long)shape->max);
}

static void check_own(struct report *r, const struct subject *s, const struct place *place)
{
    const struct aws_shape *shape = s->shape;
    struct writer *w;
    if (shape->pattern && !aws_pattern_matches(shape->pattern, text_of(s)) &&
        (w = begin(r, s, place)) != NULL)
        writer_printf(w, "Member must satisfy regular expression pattern: %s",
                      shape->pattern->text);
    if (shape->values && aws_enum_index(shape, text_of(s)) < 0 &&
        (w = begin(r, s, place)) != NULL) {
        writer_text(w, "Member must satisfy enum value set: [");
        put_values(w, shape);
        writer_text(w, "]");
    }
    check_bounds(r, s, place);
}

/* A string inside a list or map, by the bounds of its shape. */
static bool fits(const struct aws_shape *shape, struct bytes text)
{
    if (bytes_is_null(text)) return false;
    int64_t size = extent(&(struct subject){.shape = shape, .value = &text});
    return size >= shape->min && size <= shape->max;
}

/* AWS names the whole list or map when one of its strings is wrong, upper bound first. */
static void put_inner(struct writer *w, const char *what, const struct aws_shape *shape)
{
    if (w == NULL) return;
    writer_printf(w,
                  "%s must satisfy constraint: [Member must have length less than or equal to "
                  "%lld, Member must have length greater than or equal to %lld]",
                  what, (long long)shape->max, (long long)shape->min);
}

static void check_strings(struct report *r, const struct subject *s, const struct place *place)
{
    const struct aws_shape *shape = s->shape;
    bool keys_fit = true, values_fit = true;
    for (uint32_t i = 0; i < kept(shape, s->count); i++) {
        if (shape->kind == AWS_MAP) {
            const struct aws_pair *pair = *(struct aws_pair *const *)s->value + i;
            keys_fit &= fits(shape->key, pair->key);
            values_fit &= fits(shape->element, pair->value);
        } else {
            values_fit &= fits(shape->element, (*(struct bytes *const *)s->value)[i]);
        }
    }
    if (!keys_fit) put_inner(begin(r, s, place), "Map keys", shape->key);
    if (!values_fit)
        put_inner(begin(r, s, place), shape->kind == AWS_MAP ? "Map value" : "Member",
                  shape->element);
}

static void check_elements(struct report *r, const struct subject *s, const struct place *place)
{
    const struct aws_shape *shape = s->shape;
    if (shape->element->kind != AWS_STRUCT) {
        check_strings(r, s, place);
        return;
    }
    const uint8_t *elements = *(const uint8_t *const *)s->value;
    for (uint32_t i = 0; i < kept(shape, s->count) && r->count < FAULTS_MAX; i++) {
        struct place inner = {.up = place, .number = i + 1};
        check_members(r, shape->element, elements + (size_t)i * shape->size, &inner);
    }
}

static void check_member(struct report *r, const struct aws_shape *owner,
                         const struct aws_member *m, const uint8_t *base,
                         const struct place *up)
{
    struct place place = {.up = up, .name = m->path};
    if (aws_member_absent(m, base)) {
        bool excused = m->unless != AWS_NONE &&
                       !aws_member_absent(&owner->members[m->unless], base);
        struct writer *w;
        if (m->required && !excused && (w = begin(r, NULL, &place)) != NULL)
            writer_text(w, "Member must not be null");
        return;
    }
    struct subject s = {.shape = m->shape, .value = base + m->offset};
    switch (m->shape->kind) {
    case AWS_BOOLEAN:
    case AWS_TIMESTAMP: return;
    case AWS_STRUCT:
        check_members(r, m->shape, m->by_pointer ? *(const uint8_t *const *)s.value : s.value,
                      &place);
        return;
    case AWS_LIST:
    case AWS_MAP:
        s.count = *(const uint32_t *)(const void *)(base + m->aux_offset);
        check_own(r, &s, &place);
        check_elements(r, &s, &place);
        return;
    default: check_own(r, &s, &place);
    }
}

/* False when there is something to report. */
static bool check_members(struct report *r, const struct aws_shape *shape, const uint8_t *base,
                          const struct place *up)
{
    for (uint32_t i = 0; i < shape->members_count && r->count < FAULTS_MAX; i++)
        check_member(r, shape, &shape->members[i], base, up);
    return r->count == 0;
}

enum err aws_validate(const struct aws_shape *shape, const void *value, struct arena *arena,
                      struct aws_fault *ret_fault)
{
    struct report r = {.text = NULL};
    if (check_members(&r, shape, value, NULL)) return ERR_OK;
    struct writer text;
    writer_init(&text, AWS_FAULT_TEXT_MAX);
    uint32_t count = r.count < FAULTS_MAX ? r.count : FAULTS_MAX;
    writer_printf(&text, "%u validation error%s detected: ", count, count > 1 ? "s" : "");
    r = (struct report){.text = &text};
    check_members(&r, shape, value, NULL);
    *ret_fault = (struct aws_fault){
        .err = ERR_VALIDATION,
        .message = arena_copy(arena, bytes_of(text.data, text.len)),
    };
    writer_done(&text);
    return ERR_VALIDATION;
}
