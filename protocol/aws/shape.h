/* What the codecs know of a value: generated from the files in protocol/schema/kinesis, one table a
 * shape.
 *
 * JSON and CBOR readers and writers, and the check of constraints, are small interpreters of these
 * tables: one set of code for all operations. The C value of a shape is
 *   string, enum  struct bytes (null = absent)    blob       struct bytes (null = absent)
 *   integer       int32_t                         long       int64_t
 *   boolean       bool                            timestamp  int64_t, name ending in _ms
 *   list          pointer to elements + uint32_t  map        struct aws_pair pointer + uint32_t
 *   struct        by value, or a pointer (NULL = absent) where it may be absent
 * A scalar that may be absent has a bool has_NAME beside it; a list or map that may be absent is so
 * when its pointer is NULL. Tables are constant: any thread. */
#ifndef PROTOCOL_AWS_SHAPE_H
#define PROTOCOL_AWS_SHAPE_H

#include <stdbool.h>
#include <stdint.h>
#include "base/bytes.h"

enum aws_kind {
    AWS_STRING,              /* enums too: values is set */
    AWS_BLOB,
    AWS_INTEGER,
    AWS_LONG,
    AWS_BOOLEAN,
    AWS_TIMESTAMP,
    AWS_LIST,
    AWS_MAP,
    AWS_STRUCT,
};

/* One entry of a map of strings. */
struct aws_pair {
    struct bytes key;
    struct bytes value;
};

/* A pattern as an automaton: next[state * class_count + class of the byte]; state 0 is dead, 1 the
 * start. */
struct aws_pattern {
    const char *text;        /* as AWS prints it */
    const uint8_t *classes;  /* [256] */
    const uint8_t *next;
    const bool *accepts;     /* [state] */
    uint32_t class_count;
};

enum { AWS_NONE = UINT16_MAX };

struct aws_shape;

struct aws_member {
    const char *name;        /* "StreamName" */
    const char *path;        /* "streamName", as errors spell it */
    const char *json_key;    /* "\"StreamName\":" */
    const char *cbor_key;    /* head and text */
    const struct aws_shape *shape;
    uint16_t name_len;
    uint16_t json_key_len;
    uint16_t cbor_key_len;
    uint16_t offset;         /* of the value in the struct */
    uint16_t aux_offset;     /* of has_NAME or of the count; AWS_NONE */
    uint16_t unless;         /* index of the sibling that makes absence legal; AWS_NONE */
    bool required;           /* absence breaks a constraint */
    bool by_pointer;         /* a struct that may be absent */
};

struct aws_shape {
    const char *name;
    enum aws_kind kind;
    uint32_t size;                          /* of the C value; of one element for lists */
    int64_t min;                            /* of value, length or count; INT64_MIN = no bound */
    int64_t max;                            /* INT64_MAX = no bound */
    const struct aws_pattern *pattern;      /* NULL = none */
    const char *const *values;              /* of an enum, else NULL */
    uint32_t values_count;
    const char *shown_as;                   /* what errors print for one element, or NULL */
    const struct aws_shape *element;        /* of a list, and the values of a map */
    const struct aws_shape *key;            /* of a map */
    const struct aws_member *members;
    uint32_t members_count;
};

/* Absence of a member of the struct at base, as the table above says. */
bool aws_member_absent(const struct aws_member *m, const void *base);

/* True when the whole of text is in the pattern's language. */
bool aws_pattern_matches(const struct aws_pattern *p, struct bytes text);

/* Position of text among the values of an enum, -1 when it is none of them. */
int aws_enum_index(const struct aws_shape *shape, struct bytes text);

#endif
