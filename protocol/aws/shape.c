#include "protocol/aws/shape.h"

#include "base/check.h"

static bool scalar_absent(const struct aws_member *m, const uint8_t *base)
{
    /* Without a has_ flag the value is always there. */
    return m->aux_offset != AWS_NONE && !*(const bool *)(base + m->aux_offset);
}

bool aws_member_absent(const struct aws_member *m, const void *base)
{
    const uint8_t *at = (const uint8_t *)base + m->offset;
    switch (m->shape->kind) {
    case AWS_STRING:
    case AWS_BLOB:
        return ((const struct bytes *)(const void *)at)->data == NULL;
    case AWS_INTEGER:
    case AWS_LONG:
    case AWS_BOOLEAN:
    case AWS_TIMESTAMP:
        return scalar_absent(m, base);
    case AWS_LIST:
    case AWS_MAP:
        return *(const void *const *)(const void *)at == NULL;
    case AWS_STRUCT:
        return m->by_pointer && *(const void *const *)(const void *)at == NULL;
    }
    return true;
}

bool aws_pattern_matches(const struct aws_pattern *p, struct bytes text)
{
    uint32_t state = 1;
    for (size_t i = 0; i < text.len && state != 0; i++) {
        /* Nearly all bytes leave the state as it is: only what changes it is waited for. */
        const uint8_t *row = &p->next[state * p->class_count];
        while (i < text.len && row[p->classes[text.data[i]]] == state) i++;
        if (i < text.len) state = row[p->classes[text.data[i]]];
    }
    return p->accepts[state];
}

int aws_enum_index(const struct aws_shape *shape, struct bytes text)
{
    for (uint32_t i = 0; i < shape->values_count; i++)
        if (bytes_equal_str(text, shape->values[i])) return (int)i;
    return -1;
}
