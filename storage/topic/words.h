/* The elements of a config that is a list: "a, b,c". */
#ifndef STORAGE_WORDS_H
#define STORAGE_WORDS_H

#include <stdbool.h>
#include <stdint.h>
#include "base/bytes.h"

/* Takes the next element of a comma list, trimmed. False at its end; an empty list has none. */
bool words_next(struct bytes *rest, struct bytes *ret);
/* Whether the list has it: for short lists, each look is a walk. */
bool words_have(struct bytes list, struct bytes word);

/* A set of words, which are borrowed, so that long lists cost what they are long. */
struct word_set {
    struct bytes *slots;
    uint32_t cap;               /* a power of two */
};
/* Empty, with room for all words of the list. */
void word_set_init(struct word_set *s, struct bytes list);
/* With all of them. */
void word_set_init_of(struct word_set *s, struct bytes list);
void word_set_done(struct word_set *s);
/* False: it is in there already. */
bool word_set_add(struct word_set *s, struct bytes word);
bool word_set_has(const struct word_set *s, struct bytes word);

#endif
