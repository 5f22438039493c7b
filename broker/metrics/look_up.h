/* What a page of /metrics needs from the disk, read before the page is written: logs that nobody
 * used since the start are opened, for their offsets, and the record that each group waits for
 * tells when it arrived.
 *
 * At most LOOK_UPS_MAX reads are under way for a page. After LOOK_UP_WAIT_MS the page is written
 * with what is known by then, and no further read is begun: the next page goes on from there. So a
 * disk that hangs costs a page its newest numbers and never the page. */
#ifndef BROKER_METRICS_LOOK_UP_H
#define BROKER_METRICS_LOOK_UP_H

#include <stdbool.h>

struct broker;
struct loop;

enum { LOOK_UPS_MAX = 8, LOOK_UP_WAIT_MS = 1000 };

/* The caller's, until done(). */
struct look_up_wait {
    void (*done)(struct look_up_wait *w);   /* once: the page may be written */
    bool gone;                              /* set by the caller: nobody wants the page any more */
};

/* w->done() comes later; what there is to look for is gathered on a codec lane. Thread: the
 * loop's. */
void broker_look_up(struct broker *b, struct loop *loop, struct look_up_wait *w);

#endif
