/* Stepping through all topics, a page at a time, so that no lock is held meanwhile. */
#include "storage/parts.h"

#include "base/check.h"

void store_topics_each(struct store *s, void *context,
                       void (*each)(void *context, struct topic *topic))
{
    enum { PAGE = 64 };
    struct topic *page[PAGE];
    CLEANUP(topic_unrefp) struct topic *last = NULL;
    int32_t count = PAGE;
    while (count == PAGE) {
        count = store_topics(s, last != NULL ? topic_name(last) : BYTES_NULL, PAGE, page);
        for (int32_t i = 0; i < count; i++) {
            each(context, page[i]);
            topic_unref(last);
            last = page[i];
        }
    }
}
