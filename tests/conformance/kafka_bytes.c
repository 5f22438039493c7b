/* Decodes and re-encodes messages that Kafka's own classes made: reads lines of KafkaBytes.java
 * from stdin and holds each to the canonical bytes on it, and each truncation of those to a
 * refusal. Prints the first differences and a closing count; exits 1 when there is one or nothing
 * was read. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "protocol/kafka/msg/reverse.h"

enum { LINE_MAX_BYTES = 1 << 24, SHOWN_MAX = 10, ARENA_BYTES = 1 << 24 };

static uint8_t *from_hex(char *text, size_t *ret_len)
{
    size_t len = strcmp(text, "-") == 0 ? 0 : strlen(text) / 2;
    for (size_t i = 0; i < len; i++) {
        unsigned byte = 0;
        sscanf(text + 2 * i, "%2x", &byte);
        ((uint8_t *)text)[i] = (uint8_t)byte;
    }
    *ret_len = len;
    return (uint8_t *)text;
}

static enum err pass(int key, int version, bool response, struct bytes in, struct writer *w)
{
    struct arena arena;
    struct cursor c;
    arena_init(&arena, ARENA_BYTES);
    cursor_init(&c, in, &arena);
    writer_reset(w);
    enum err err = kafka_pass((int16_t)key, (int16_t)version, response, &c, w);
    /* Kafka's bytes are read to their end. */
    if (err == ERR_OK && c.left != 0) err = ERR_TOO_LARGE;
    arena_done(&arena);
    return err;
}

/* NULL when the message passes, else what is wrong. */
static const char *check(int key, int version, bool response, struct bytes laid,
                         struct bytes canonical, struct writer *w)
{
    if (pass(key, version, response, laid, w) != ERR_OK) return "is refused";
    if (!bytes_equal(bytes_of(w->data, w->len), canonical) && (w->len | canonical.len) != 0)
        return "is written otherwise";
    for (size_t len = 0; len < canonical.len; len++) {
        /* A copy, so that a sanitizer sees a read beyond the end. */
        uint8_t *part = malloc(len ? len : 1);
        memcpy(part, canonical.data, len);
        enum err err = pass(key, version, response, bytes_of(part, len), w);
        free(part);
        if (err == ERR_OK) return "is accepted when cut short";
    }
    return NULL;
}

int main(void)
{
    char *line = malloc(LINE_MAX_BYTES);
    long count = 0, bad = 0;
    struct writer w;
    writer_init(&w, LINE_MAX_BYTES);
    while (fgets(line, LINE_MAX_BYTES, stdin) != NULL) {
        int key, version, at;
        char direction;
        if (sscanf(line, "%d %d %c %n", &key, &version, &direction, &at) != 3) continue;
        char *laid_text = strtok_r(line + at, " \n", &(char *){NULL});
        char *canonical_text = laid_text + strlen(laid_text) + 1;
        canonical_text[strcspn(canonical_text, "\n")] = '\0';
        struct bytes laid, canonical;
        laid.data = from_hex(laid_text, &laid.len);
        canonical.data = from_hex(canonical_text, &canonical.len);
        const char *wrong = check(key, version, direction == 'R', laid, canonical, &w);
        count++;
        if (wrong != NULL && ++bad <= SHOWN_MAX)
            printf("API %d version %d %s: %s (line %ld)\n", key, version,
                   direction == 'R' ? "response" : "request", wrong, count);
    }
    writer_done(&w);
    free(line);
    printf("%ld messages of Kafka's own encoder, %ld differ\n", count, bad);
    return bad != 0 || count == 0;
}
