/* What JSON and CBOR have in common, as a stream of values for decode.c.
 *
 * A reader is sticky: the first byte that is not well-formed, a depth beyond the limit, a full
 * arena or one part too many sets broken, after which every value is null and every list and map
 * ends. Private to this folder.
 * Thread: one owner. */
#ifndef PROTOCOL_AWS_READER_H
#define PROTOCOL_AWS_READER_H

#include <stdbool.h>
#include "base/arena.h"
#include "base/bytes.h"

enum value_kind {
    VALUE_NULL,
    VALUE_BOOLEAN,           /* flag */
    VALUE_INTEGER,           /* integer, cut to the type's range */
    VALUE_REAL,              /* real: a number with fraction or exponent */
    VALUE_TEXT,              /* bytes: well-formed UTF-8 */
    VALUE_BYTES,             /* bytes (CBOR only) */
    VALUE_LIST,              /* nest: go on with list_next */
    VALUE_MAP,               /* nest: go on with map_next */
};

/* A list or map that is being read. */
struct nest {
    uint64_t left;           /* CBOR: elements or pairs still to come */
    bool open_ended;         /* CBOR: ends with a break; JSON: always */
    bool begun;              /* JSON: the next element needs a comma */
};

struct value {
    enum value_kind kind;
    bool flag;
    int64_t integer;
    double real;
    struct bytes bytes;
    struct nest nest;
};

struct reader;

struct reader_format {
    void (*next)(struct reader *r, struct value *ret);
    /* Is there another element? Consumes what stands between, and the end. */
    bool (*list_next)(struct reader *r, struct nest *nest);
    /* The same, and its key. A key that is no text is given as empty. */
    bool (*map_next)(struct reader *r, struct nest *nest, struct bytes *ret_key);
    int64_t timestamp_unit_ms;       /* what a whole number means as a time */
};

struct reader {
    const uint8_t *at;
    const uint8_t *end;
    const struct reader_format *format;
    struct arena *arena;
    uint32_t parts_left;             /* AWS_PARTS_MAX of a body */
    bool broken;
};

extern const struct reader_format json_format;
extern const struct reader_format cbor_format;

/* Only white space, or nothing, is left. */
bool json_at_end(struct reader *r);

static inline void reader_break(struct reader *r)
{
    r->broken = true;
    r->at = r->end;
}

/* One more part: a value, a key, CBOR's tag or chunk of a string. */
static inline void reader_count(struct reader *r)
{
    if (r->parts_left > 0) r->parts_left--;
    else reader_break(r);
}

#endif
