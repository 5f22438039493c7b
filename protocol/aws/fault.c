#include "protocol/aws/fault.h"

#include <stdarg.h>
#include <stdio.h>
#include "base/check.h"

/* A client's value as it is quoted back to it. */
static struct bytes quoted(struct bytes text)
{
    size_t len = text.len < AWS_FAULT_TEXT_MAX / 2 ? text.len : AWS_FAULT_TEXT_MAX / 2;
    while (len < text.len && len > 0 && (text.data[len] & 0xc0) == 0x80) len--;
    return bytes_of(text.data, len);
}

__attribute__((format(printf, 3, 4)))
static void say(struct aws_fault *fault, struct arena *arena, const char *format, ...)
{
    if (fault->err != ERR_OK) return;
    char *text = arena_alloc(arena, AWS_FAULT_TEXT_MAX);
    int len = 0;
    if (text != NULL) {
        va_list args;
        va_start(args, format);
        len = vsnprintf(text, AWS_FAULT_TEXT_MAX, format, args);
        va_end(args);
    }
    *fault = (struct aws_fault){
        .err = ERR_SERIALIZATION,
        .capital = true,
        .message = text && len > 0 ? bytes_of(text, (size_t)len) : BYTES_NULL,
    };
}

static const char *java_class(enum value_kind kind)
{
    switch (kind) {
    case VALUE_BOOLEAN: return "java.lang.Boolean";
    case VALUE_INTEGER:
    case VALUE_REAL: return "com.amazon.coral.value.json.numbers.TruncatingBigNumber";
    case VALUE_TEXT: return "java.lang.String";
    default: return "java.nio.HeapByteBuffer";
    }
}

/* AWS prints the text in capitals when it is no Boolean. */
static void say_not_boolean(struct aws_fault *fault, struct arena *arena, struct bytes text)
{
    struct bytes copy = arena_copy(arena, quoted(text));
    uint8_t *upper = (uint8_t *)copy.data;
    for (size_t i = 0; i < copy.len; i++)
        if (upper[i] >= 'a' && upper[i] <= 'z') upper[i] -= 'a' - 'A';
    say(fault, arena, "'%.*s' can not be converted to an Boolean", BYTES_ARGS(copy));
}

void fault_of_type(struct aws_fault *fault, struct arena *arena,
                   const struct aws_shape *wanted, const struct value *found)
{
    if (fault->err != ERR_OK) return;
    if (found->kind == VALUE_LIST) {
        say(fault, arena, "Start of list found where not expected");
        return;
    }
    if (found->kind == VALUE_MAP) {
        say(fault, arena, "Start of structure or map found where not expected.");
        return;
    }
    const char *class = java_class(found->kind);
    switch (wanted->kind) {
    case AWS_LIST: say(fault, arena, "Expected list or null"); return;
    case AWS_MAP: say(fault, arena, "Expected map or null"); return;
    case AWS_STRUCT: say(fault, arena, "Expected null"); return;
    case AWS_STRING:
        say(fault, arena, "class %s can not be converted to an String", class);
        return;
    case AWS_BLOB: say(fault, arena, "class %s can not be converted to a Blob", class); return;
    case AWS_INTEGER:
        say(fault, arena, "class %s can not be converted to an Integer", class);
        return;
    case AWS_LONG: say(fault, arena, "class %s can not be converted to an Long", class); return;
    case AWS_TIMESTAMP:
        say(fault, arena, "class %s can not be converted to milliseconds since epoch", class);
        return;
    case AWS_BOOLEAN:
        if (found->kind == VALUE_TEXT) say_not_boolean(fault, arena, found->bytes);
        else say(fault, arena, "class %s can not be converted to an Boolean", class);
        return;
    }
}

void fault_of_base64(struct aws_fault *fault, struct arena *arena, struct bytes text,
                     enum base64_fault why, size_t at)
{
    if (fault->err != ERR_OK) return;
    struct bytes shown = quoted(text);
    size_t chars = text.len;
    switch (why) {
    case BASE64_LENGTH:
        bytes_is_utf8(text, &chars);
        say(fault, arena,
            "'%.*s' can not be converted to a Blob: Base64 encoded length is expected a multiple "
            "of 4 bytes but found: %zu",
            BYTES_ARGS(shown), chars);
        return;
    case BASE64_CHARACTER: {
        size_t len = 1;
        while (at + len < text.len && (text.data[at + len] & 0xc0) == 0x80) len++;
        say(fault, arena, "'%.*s' can not be converted to a Blob: Invalid Base64 character: '%.*s'",
            BYTES_ARGS(shown), (int)len, (const char *)text.data + at);
        return;
    }
    default:
        say(fault, arena,
            "'%.*s' can not be converted to a Blob: Invalid last non-pad Base64 character "
            "dectected",
            BYTES_ARGS(shown));
    }
}
