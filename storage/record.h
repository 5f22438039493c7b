/* The catalog's own entries as bytes: topics, and the numbers that count up. Layouts: keys.h.
 * Fuzz: fuzz_catalog */
#ifndef STORAGE_RECORD_H
#define STORAGE_RECORD_H

#include "base/writer.h"
#include "storage/topic.h"

/* Appends the record of a topic. Its config is not part of it: settings are. */
void topic_record_write(const struct topic *t, struct writer *w);
/* ret: a draft, not finished, without logs and with a zeroed config.
 * Errors: ERR_FORMAT - not a record, or one of a newer version. Thread: any. */
enum err topic_record_read(struct bytes value, struct topic **ret);

#endif
