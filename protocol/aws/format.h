/* What encode.c asks of an output format. Private to this folder. Thread: the writer's owner. */
#ifndef PROTOCOL_AWS_FORMAT_H
#define PROTOCOL_AWS_FORMAT_H

#include "base/writer.h"
#include "protocol/aws/shape.h"

struct format {
    void (*map_begin)(struct writer *w, uint32_t count);
    void (*map_end)(struct writer *w);
    void (*list_begin)(struct writer *w, uint32_t count);
    void (*list_end)(struct writer *w);
    void (*separate)(struct writer *w);                  /* between two elements */
    void (*member_key)(struct writer *w, const struct aws_member *m);
    void (*pair_key)(struct writer *w, struct bytes key);
    void (*text)(struct writer *w, struct bytes text);   /* UTF-8; null is written as empty */
    void (*blob)(struct writer *w, struct bytes data);
    void (*integer)(struct writer *w, int64_t v);
    void (*boolean)(struct writer *w, bool v);
    void (*timestamp)(struct writer *w, int64_t ms);
    bool needs_count;                                    /* of a struct's members, in map_begin */
};

extern const struct format json_output;
extern const struct format cbor_output;

#endif
