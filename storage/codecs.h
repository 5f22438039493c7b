/* Threads that unpack and pack, whatever of it takes longer than a loop, a worker or a reader may
 * be held, at both doors and in look-ups by time; and what else would hold a loop: requests that
 * name very much, their answers, pages of /metrics.
 *
 * Work goes to a lane by what one step of it may cost, so that it waits for work of its own kind
 * only: QUICK some tens of ms, LONG about a second, SLOW what it takes (zstd at level 22: minutes).
 * In a lane clients take turns by the time that their steps took (base/fair.h). The threads have a
 * lower priority than loops and workers.
 *
 * Memory: each thread has one inflater and one deflater. Work that waits has none; the requests it
 * is for are counted where they were read. */
#ifndef STORAGE_CODECS_H
#define STORAGE_CODECS_H

#include <stdatomic.h>
#include "base/mailbox.h"
#include "protocol/batch/deflate.h"
#include "protocol/batch/inflate.h"

struct store;
struct loop;

enum codec_lane { CODEC_QUICK, CODEC_LONG, CODEC_SLOW, CODEC_LANES };

/* Two lanes have a thread each. Quick work is what many clients may have at once. */
enum { CODEC_QUICK_THREADS = 2, CODEC_LONG_THREADS = 1, CODEC_SLOW_THREADS = 1 };

/* What one step in a lane may unpack, and what it may take to pack by deflate_cost_us(). */
enum {
    CODEC_QUICK_BYTES_MAX = 16 << 20,
    CODEC_QUICK_US_MAX = 50 * 1000,
    CODEC_LONG_BYTES_MAX = INFLATE_BYTES_MAX,
    CODEC_LONG_US_MAX = 1000 * 1000,
};

enum codec_outcome {
    CODEC_OVER,         /* done() comes */
    CODEC_AGAIN,        /* another step, in the lane that the work names now: the next one, or this
                         * one once more, if it found that it takes a longer lane */
    CODEC_TAKEN,        /* the work is somebody else's now */
};

/* A thread's. Unpacking is limited to what the lane allows; a step may set a lower limit. */
struct codec_tools {
    enum codec_lane lane;
    struct inflater inflater;
    struct deflater deflater;
};

/* Owner: the threads from store_codec() until done(). */
struct codec_work {
    struct job job;                 /* codecs.c's */
    uint64_t client;                /* whose turn it is, as for fair_post() */
    enum codec_lane lane;           /* of the next step */
    /* Does one step: one batch, for example. Thread: a lane's, one at a time. */
    enum codec_outcome (*step)(struct codec_work *w, struct codec_tools *tools);
    struct loop *home;              /* NULL: done() runs on the lane's thread (tests) */
    void (*done)(struct codec_work *w);
    /* Set by whoever waits, on any thread: no step begins any more, packing ends with ERR_CLOSED,
     * and done() comes soon. */
    atomic_bool abandoned;
};

/* Thread: any. */
void store_codec(struct store *s, struct codec_work *w);
/* Where a step belongs that packs for so long. Thread: any. */
enum codec_lane codec_lane_for_cost(uint64_t us);

#endif
