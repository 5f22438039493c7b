/* A line is made on the stack and leaves with one write(2), so lines of several threads never mix
 * and no lock is needed. When the line is full, the value at hand is cut, later fields are left out
 * and "cut=true" ends the line; it stays well-formed in both formats. */
#include "base/log.h"

#include <stdatomic.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/escape.h"
#include "base/mem.h"
#include "base/check.h"

enum { TAIL_BYTES = 32 };                 /* kept free for a closing quote, cut=true and newline */

struct line {
    char data[LOG_LINE_BYTES_MAX];
    size_t len;
    bool json;
    bool cut;
};

static atomic_int log_least = LOG_INFO;
static atomic_bool log_json;
static atomic_int log_fd = STDERR_FILENO;

void log_setup(enum log_level least, bool json, int fd)
{
    atomic_store(&log_least, least);
    atomic_store(&log_json, json);
    atomic_store(&log_fd, fd);
}

bool log_is_on(enum log_level level)
{
    return (int)level >= atomic_load_explicit(&log_least, memory_order_relaxed);
}

/* All of it or nothing. */
static bool put(struct line *l, const char *data, size_t len)
{
    if (l->cut || len > sizeof l->data - TAIL_BYTES - l->len) {
        l->cut = true;
        return false;
    }
    mem_copy(l->data + l->len, data, len);
    l->len += len;
    return true;
}

static bool put_text(struct line *l, const char *s)
{
    return put(l, s, strlen(s));
}

/* Both formats escape alike; what is not UTF-8 becomes U+FFFD. False when there is no room for even
 * the quotes; a value cut short has its closing quote. */
static bool put_quoted(struct line *l, struct bytes b)
{
    if (!put(l, "\"", 1)) return false;
    for (size_t i = 0; i < b.len && !l->cut;) {
        uint8_t c = b.data[i];
        struct bytes left = bytes_slice(b, i, b.len - i);
        size_t len = escape_utf8_len(left);
        char escape[8] = "";
        if (c == '"' || c == '\\') snprintf(escape, sizeof escape, "\\%c", c);
        else if (c == '\n') snprintf(escape, sizeof escape, "\\n");
        else if (escape_is_control(left, len))
            snprintf(escape, sizeof escape, "\\u%04x", left.data[len - 1]);
        else if (len == 0) snprintf(escape, sizeof escape, "\xef\xbf\xbd");
        if (escape[0]) put_text(l, escape);
        else put(l, (const char *)b.data + i, len);
        i += len ? len : 1;
    }
    l->data[l->len++] = '"';               /* the tail has room for it */
    return true;
}

static bool is_bare(struct bytes b)
{
    for (size_t i = 0; i < b.len; i++)
        if (b.data[i] <= ' ' || b.data[i] >= 0x7f || strchr("\"\\=", b.data[i])) return false;
    return b.len > 0;
}

static void put_name(struct line *l, const char *name)
{
    if (l->json) {
        put_text(l, l->len == 0 ? "{" : ",");
        put_quoted(l, bytes_str(name));
        put_text(l, ":");
    } else {
        if (l->len > 0) put_text(l, " ");
        put_text(l, name);
        put_text(l, "=");
    }
}

/* A field stays whole but for the end of a quoted value. */
static void put_field(struct line *l, const char *name, struct bytes value, bool quote)
{
    size_t before = l->len;
    put_name(l, name);
    bool fits =
        !l->cut && (quote ? put_quoted(l, value) : put(l, (const char *)value.data, value.len));
    if (!fits) l->len = before;
}

static void put_value(struct line *l, const char *name, const struct log_value *v)
{
    struct bytes b = v->kind == LOG_BYTES ? v->bytes : bytes_str(v->text);
    if (v->kind == LOG_INT) {
        char digits[24];
        snprintf(digits, sizeof digits, "%lld", (long long)v->number);
        put_field(l, name, bytes_str(digits), false);
    } else if (bytes_is_null(b)) {
        put_field(l, name, BYTES_LIT("null"), false);
    } else {
        put_field(l, name, b, l->json || !is_bare(b));
    }
}

static void put_time(struct line *l)
{
    int64_t now_ms = clock_wall_ms();
    time_t seconds = now_ms / 1000;
    struct tm tm;
    char text[40], whole[48];
    gmtime_r(&seconds, &tm);
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(whole, sizeof whole, "%s.%03dZ", text, (int)(now_ms % 1000));
    put_field(l, "time", bytes_str(whole), l->json);
}

void log_write(enum log_level level, const char *msg, const struct log_field *fields, int count)
{
    static const char *const names[] = {"debug", "info", "warn", "error"};
    struct line l = {.len = 0, .json = atomic_load_explicit(&log_json, memory_order_relaxed)};
    put_time(&l);
    put_value(&l, "level", &LOG_S(names[level]));
    put_value(&l, "msg", &LOG_S(msg));
    for (int i = 0; i < count && !l.cut; i++) put_value(&l, fields[i].name, &fields[i].value);
    const char *end = l.json ? (l.cut ? ",\"cut\":true}\n" : "}\n") : l.cut ? " cut=true\n" : "\n";
    size_t len = strlen(end);
    mem_copy(l.data + l.len, end, len);
    /* A log that cannot be written has nowhere to be reported. */
    if (write(atomic_load_explicit(&log_fd, memory_order_relaxed), l.data, l.len + len) < 0) return;
}
