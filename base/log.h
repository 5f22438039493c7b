/* The server's own log: one line an event, to stderr or a file, as logfmt or JSON.
 *
 * log_info("listening", {"door", LOG_S("kafka")}, {"port", LOG_I(9092)}) prints
 *   time=2026-11-22T10:00:00.000Z level=info msg=listening door=kafka port=9092
 * Only the handler that ends an error logs it, once. Record bytes, keys and credentials never go
 * in. */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>
#include "base/bytes.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

struct log_value {
    enum { LOG_INT, LOG_TEXT, LOG_BYTES } kind;
    int64_t number;
    const char *text;
    struct bytes bytes;
};

#define LOG_I(v) (struct log_value){.kind = LOG_INT, .number = (int64_t)(v)}
#define LOG_S(v) (struct log_value){.kind = LOG_TEXT, .text = (v)}
#define LOG_B(v) (struct log_value){.kind = LOG_BYTES, .bytes = (v)}

struct log_field {
    const char *name;
    struct log_value value;
};

enum { LOG_LINE_BYTES_MAX = 4096 };

/* Before threads start. fd is not owned. Until then: LOG_INFO, logfmt, stderr. */
void log_setup(enum log_level least, bool json, int fd);
bool log_is_on(enum log_level level);
/* One write(2) a line; a longer line is cut, stays well-formed and ends with cut=true. Text that is
 * not UTF-8 is made so; null text shows as null. Thread: any. */
void log_write(enum log_level level, const char *msg, const struct log_field *fields, int count);

/* Fields are braces, none is legal too. */
#define LOG_(level, msg, ...)                                                                      \
    do {                                                                                           \
        if (!log_is_on(level)) break;                                                              \
        const struct log_field fields_[] = {{NULL, LOG_I(0)}, __VA_ARGS__};                        \
        log_write(level, msg, fields_ + 1, (int)(sizeof fields_ / sizeof fields_[0]) - 1);         \
    } while (0)
#define log_debug(msg, ...) LOG_(LOG_DEBUG, msg, ##__VA_ARGS__)
#define log_info(msg, ...) LOG_(LOG_INFO, msg, ##__VA_ARGS__)
#define log_warn(msg, ...) LOG_(LOG_WARN, msg, ##__VA_ARGS__)
#define log_error(msg, ...) LOG_(LOG_ERROR, msg, ##__VA_ARGS__)

#endif
