/* Text that somebody else chose, on its way to a terminal: what would break the line or speak to
 * the terminal is written as \n, \t, \" , \\ or \xNN. */
#ifndef BASE_ESCAPE_H
#define BASE_ESCAPE_H

#include "base/bytes.h"
#include "base/writer.h"

/* Does the UTF-8 sequence at the front of b, len bytes, stand for a control character? C1 ones,
 * U+0080 to U+009F, are: some terminals take them for the start of a command. Thread: any. */
bool escape_is_control(struct bytes b, size_t len);
/* Bytes of the well-formed UTF-8 sequence that b begins with, 0 when there is none. Thread: any. */
size_t escape_utf8_len(struct bytes b);
/* Without quotes; what is not UTF-8 is \xNN too. Thread: the writer's owner. */
void escape_write(struct writer *out, struct bytes text);

#endif
