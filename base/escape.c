#include "base/escape.h"

#include "base/check.h"

size_t escape_utf8_len(struct bytes b)
{
    for (size_t len = 1; len <= 4 && len <= b.len; len++)
        if (bytes_is_utf8(bytes_slice(b, 0, len), NULL)) return len;
    return 0;
}

bool escape_is_control(struct bytes b, size_t len)
{
    if (len == 1) return b.data[0] < 0x20 || b.data[0] == 0x7f;
    return len == 2 && b.data[0] == 0xc2 && b.data[1] < 0xa0;
}

void escape_write(struct writer *out, struct bytes text)
{
    for (size_t i = 0; i < text.len;) {
        struct bytes left = bytes_slice(text, i, text.len - i);
        size_t len = escape_utf8_len(left);
        uint8_t c = left.data[0];
        if (c == '\n') writer_text(out, "\\n");
        else if (c == '\t') writer_text(out, "\\t");
        else if (c == '"' || c == '\\') writer_printf(out, "\\%c", c);
        else if (len > 0 && !escape_is_control(left, len)) writer_raw(out, left.data, len);
        else
            for (size_t k = 0; k < (len ? len : 1); k++)
                writer_printf(out, "\\x%02x", left.data[k]);
        i += len ? len : 1;
    }
}
