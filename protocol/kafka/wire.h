/* What the generated Kafka codec needs beyond base/cursor.h and base/writer.h: tagged fields,
 * uuids, nullable structs, strings that C leaves null, records by reference.
 * Thread: the owner of the cursor or writer. */
#ifndef PROTOCOL_KAFKA_WIRE_H
#define PROTOCOL_KAFKA_WIRE_H

#include "base/cursor.h"
#include "base/uuid.h"
#include "base/writer.h"

/* Record bytes of a response: sent in place, never copied. bytes is the sum of the views. A view
 * without a slab is copied. The writer takes references of its own. */
struct records {
    const struct slab_view *views;
    int32_t view_count;
    size_t bytes;
};

/* The errors that an answer tells, by code. */
enum { WIRE_ERRORS_MAX = 16 };
struct wire_errors {
    struct {
        int16_t code;
        int64_t count;
    } all[WIRE_ERRORS_MAX];     /* of more codes than that in one answer the last place counts */
    uint32_t used;
};
/* 0 is none. */
void wire_error_count(struct wire_errors *to, int16_t code);

struct uuid wire_uuid(struct cursor *c);
/* The byte before a nullable struct: true when it follows. */
bool wire_present(struct cursor *c);
/* One view without a slab, in the arena; null reads as empty. */
struct records wire_records(struct cursor *c, bool flexible);

/* Iterates over tagged fields; whoever takes one reads exactly t.size bytes of it or poisons. */
struct wire_tag {
    uint32_t tag;
    uint32_t size;
    uint32_t count;     /* tags not begun yet */
    size_t left_after;  /* c->left when the current one has been read */
};
struct wire_tag wire_tags(struct cursor *c);
bool wire_tag_next(struct cursor *c, struct wire_tag *t);

/* Null is written as empty: in a field that cannot be null, null is how C says "not set". */
void wire_put_string(struct writer *w, struct bytes b, bool flexible);
void wire_put_bytes(struct writer *w, struct bytes b, bool flexible);
/* Never null on the wire: librdkafka takes null records of a fetch response for an error. */
void wire_put_records(struct writer *w, const struct records *r, bool flexible);
/* Writes the tag; what is written until wire_tag_end() is its value. at: what begin returned. */
size_t wire_tag_begin(struct writer *w, uint32_t tag);
void wire_tag_end(struct writer *w, size_t at);

#endif
