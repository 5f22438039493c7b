#include "protocol/aws/shape.h"

#include "base/check.h"

static bool scalar_absent(const struct kinesis_member *m, const uint8_t *base)
{
    /* Without a has_ flag the value is always there. */
    return m->aux_offset != KINESIS_NONE && !*(const bool *)(base + m->aux_offset);
}

bool kinesis_member_absent(const struct kinesis_member *m, const void *base)
{
    const uint8_t *at = (const uint8_t *)base + m->offset;
    switch (m->shape->kind) {
    case KINESIS_STRING:
    case KINESIS_BLOB:
        return ((const struct bytes *)(const void *)at)->data == NULL;
    case KINESIS_INTEGER:
    case KINESIS_LONG:
    case KINESIS_BOOLEAN:
    case KINESIS_TIMESTAMP:
        return scalar_absent(m, base);
    case KINESIS_LIST:
    case KINESIS_MAP:
        return *(const void *const *)(const void *)at == NULL;
    case KINESIS_STRUCT:
        return m->by_pointer && *(const void *const *)(const void *)at == NULL;
    }
    return true;
}

bool kinesis_pattern_matches(const struct kinesis_pattern *p, struct bytes text)
{
    uint32_t state = 1;
    for (size_t i = 0; i < text.len && state != 0; i++)
        state = p->next[state * p->class_count + p->classes[text.data[i]]];
    return p->accepts[state];
}

int kinesis_enum_index(const struct kinesis_shape *shape, struct bytes text)
{
    for (uint32_t i = 0; i < shape->values_count; i++)
        if (bytes_equal_str(text, shape->values[i])) return (int)i;
    return -1;
}
