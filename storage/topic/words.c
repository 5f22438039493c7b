#include "storage/topic/words.h"

#include <string.h>
#include "base/mem.h"
#include "base/check.h"

bool words_next(struct bytes *rest, struct bytes *ret)
{
    if (bytes_is_null(*rest)) return false;
    const uint8_t *comma = rest->len > 0 ? memchr(rest->data, ',', rest->len) : NULL;
    size_t len = comma ? (size_t)(comma - rest->data) : rest->len;
    *ret = bytes_trim(bytes_of(rest->data, len));
    *rest = comma ? bytes_slice(*rest, len + 1, rest->len - len - 1) : BYTES_NULL;
    return true;
}

bool words_have(struct bytes list, struct bytes word)
{
    struct bytes at;
    while (words_next(&list, &at))
        if (bytes_equal(at, word)) return true;
    return false;
}

void word_set_init(struct word_set *s, struct bytes list)
{
    uint32_t count = 1;
    for (size_t i = 0; i < list.len; i++) count += list.data[i] == ',';
    *s = (struct word_set){.cap = 4};
    while (s->cap < 2 * count) s->cap *= 2;
    s->slots = NEW_ARRAY(struct bytes, s->cap);
}

void word_set_init_of(struct word_set *s, struct bytes list)
{
    struct bytes word;
    word_set_init(s, list);
    while (words_next(&list, &word)) (void)word_set_add(s, word);
}

void word_set_done(struct word_set *s)
{
    mem_free(s->slots);
}

/* The slot that has it, or the free one where it would go. */
static struct bytes *slot_of(const struct word_set *s, struct bytes word)
{
    uint32_t at = (uint32_t)bytes_hash(word) & (s->cap - 1);
    while (!bytes_is_null(s->slots[at]) && !bytes_equal(s->slots[at], word))
        at = (at + 1) & (s->cap - 1);
    return &s->slots[at];
}

bool word_set_add(struct word_set *s, struct bytes word)
{
    struct bytes *slot = slot_of(s, word);
    if (!bytes_is_null(*slot)) return false;
    *slot = word;
    return true;
}

bool word_set_has(const struct word_set *s, struct bytes word)
{
    return !bytes_is_null(*slot_of(s, word));
}
