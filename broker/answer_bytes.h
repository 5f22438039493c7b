/* About how large the answer to a request will be, from its bytes alone: frame.h asks when a loop
 * has much to send. */
#ifndef BROKER_ANSWER_BYTES_H
#define BROKER_ANSWER_BYTES_H

#include "base/bytes.h"
#include "storage/store.h"

/* What names little is looked at, what names much or all counts as all there is. A body that cannot
 * be read counts as nothing: it is refused. Thread: any. */
size_t broker_answer_bytes(struct store *s, struct bytes body);

#endif
