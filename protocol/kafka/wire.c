#include "protocol/kafka/wire.h"

#include <assert.h>
#include "base/mem.h"
#include "base/check.h"

struct uuid wire_uuid(struct cursor *c)
{
    struct uuid id = {};
    struct bytes b = cursor_take(c, sizeof id.bytes);
    if (!bytes_is_null(b)) mem_copy(id.bytes, b.data, sizeof id.bytes);
    return id;
}

bool wire_present(struct cursor *c)
{
    return cursor_i8(c) >= 0;
}

struct records wire_records(struct cursor *c, bool flexible)
{
    struct bytes b = cursor_bytes_or_null(c, flexible);
    if (b.len == 0) return (struct records){};
    struct slab_view *view = cursor_array(c, 1, sizeof *view);
    if (view == NULL) return (struct records){};
    view->bytes = b;
    return (struct records){.views = view, .view_count = 1, .bytes = b.len};
}

struct wire_tag wire_tags(struct cursor *c)
{
    struct wire_tag t = {.count = cursor_uvarint(c)};
    t.left_after = c->left;
    return t;
}

bool wire_tag_next(struct cursor *c, struct wire_tag *t)
{
    if (c->left != t->left_after) cursor_fail(c);
    if (c->err != ERR_OK || t->count == 0) return false;
    t->count--;
    t->tag = cursor_uvarint(c);
    t->size = cursor_uvarint(c);
    if (t->size > c->left) cursor_fail(c);
    else t->left_after = c->left - t->size;
    return c->err == ERR_OK;
}

void wire_put_string(struct writer *w, struct bytes b, bool flexible)
{
    writer_string(w, bytes_is_null(b) ? BYTES_LIT("") : b, flexible);
}

void wire_put_bytes(struct writer *w, struct bytes b, bool flexible)
{
    writer_bytes(w, bytes_is_null(b) ? BYTES_LIT("") : b, flexible);
}

void wire_put_records(struct writer *w, const struct records *r, bool flexible)
{
    size_t bytes = 0;
    assert(r->bytes < INT32_MAX);
    writer_count(w, (int32_t)r->bytes, flexible);
    for (int32_t i = 0; i < r->view_count; i++) {
        struct slab_view view = r->views[i];
        if (view.slab != NULL) writer_splice(w, view);
        else writer_bytes_raw(w, view.bytes);
        bytes += view.bytes.len;
    }
    assert(bytes == r->bytes);
}

size_t wire_tag_begin(struct writer *w, uint32_t tag)
{
    writer_uvarint(w, tag);
    return w->len;
}

/* The size stands before the value and is known after it, so the value moves up by the bytes of its
 * size: values are a few bytes, and counting them first would be a second encoder. Nothing spliced
 * may stand in a tagged field. */
void wire_tag_end(struct writer *w, size_t at)
{
    if (w->err != ERR_OK) return;
    assert(at <= w->len);
    assert(w->splice_count == 0 || w->splices[w->splice_count - 1].at <= at);
    size_t size = w->len - at, end = w->len;
    writer_uvarint(w, (uint32_t)size);
    if (w->err != ERR_OK) return;
    uint8_t prefix[5];
    size_t prefix_len = w->len - end;
    mem_copy(prefix, w->data + end, prefix_len);
    mem_move(w->data + at + prefix_len, w->data + at, size);
    mem_copy(w->data + at, prefix, prefix_len);
}

void wire_error_count(struct wire_errors *to, int16_t code)
{
    if (code == 0) return;
    uint32_t i = 0;
    while (i < to->used && to->all[i].code != code) i++;
    if (i == to->used) {
        if (i == WIRE_ERRORS_MAX) i--;
        else to->all[to->used++].code = code;
    }
    to->all[i].count++;
}
