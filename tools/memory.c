#include "tools/memory.h"

#include <inttypes.h>
#include "base/budget.h"
#include "base/net/limits.h"
#include "base/net/loop.h"
#include "bridge/fanout.h"
#include "bridge/subscriptions.h"
#include "policy/limits.h"
#include "protocol/batch/inflate.h"
#include "storage/catalog/catalog.h"
#include "storage/codecs.h"
#include "base/check.h"

/* Measured, where no constant of the code says it: bytes for each. */
enum {
    MIB = 1 << 20,
    FRAME_BYTES_MAX = 100 * MIB,         /* one that goes beyond the budget */
    ROOM_OVER_BYTES = 16 * MIB,          /* small answers beside a full room */
    FRAME_SPARES_MAX = 64,
    FRAME_SPARE_BYTES = 16 * 1024,
    ENGINE_BUFFER_BYTES = 2 * (4 * 8) * 2 * MIB,   /* FLUSH_TIMES_MAX of FLUSH_TABLES_BYTES, twice:
                                                      what fills up and what is written out; as
                                                      much again for their lists */
    ENGINE_CACHE_BYTES = 16 * MIB,
    ENGINE_SURVEY_BYTES = 16 * MIB,     /* SURVEY_ENTRIES_MAX of 56 bytes while they are grown, and
                                           their holes */
    ENGINE_FILES_MAX = 512,
    ENGINE_FILE_BYTES = 256 * 1024,
    TOPIC_BYTES = 1280,
    PARTITION_BYTES = 2560,              /* of a log that is open and was written to */
    SHARD_BYTES = 112,
    SUBSCRIPTION_BYTES = 10 * 1024,      /* asleep; its stream counts as a request */
    GAUGE_BYTES = 192,
    CODEC_TIMES = 2,                     /* what a step unpacks, and packs anew or moves to grow */
    CODEC_CONTEXT_BYTES = 96 * MIB,      /* of zstd at level 22: one lane has that */
    LOOP_CODEC_BYTES = 8 * MIB,          /* what the doors unpack on a loop; each keeps 1 MiB */
    METRICS_BYTES = 128 * MIB,
    DOORS = 3,
};

struct holder {
    const char *name, *setting, *at_limit, *test;
};

static const struct holder holders[] = {
#define HOLDER(name, bytes, setting, at_limit, test) {name, setting, at_limit, test},
#include "tools/memory.def"
#undef HOLDER
};
enum { HOLDERS = sizeof holders / sizeof holders[0] };

static void sizes(const struct settings *set, int64_t loops, int64_t conns, int64_t to[HOLDERS])
{
    int64_t doors = DOORS;
    int at = 0;
#define HOLDER(name, bytes, setting, at_limit, test) to[at++] = (int64_t)(bytes);
#include "tools/memory.def"
#undef HOLDER
}

int64_t memory_sum(const struct settings *set, int64_t loops, int64_t conns)
{
    int64_t bytes[HOLDERS], sum = 0;
    sizes(set, loops, conns, bytes);
    for (int i = 0; i < HOLDERS; i++) sum += bytes[i];
    return sum;
}

void memory_page(FILE *out, const struct settings *set, int64_t loops, int64_t conns)
{
    int64_t bytes[HOLDERS];
    sizes(set, loops, conns, bytes);
    fprintf(out,
            "# Memory of `diglot serve`\n\n"
            "Made by `diglot memory`; do not edit. Each holder of memory whose size somebody\n"
            "outside decides, its limit with its settings (here %" PRId64 " loops, %" PRId64
            "\nconnections), and what happens there. Address space is not memory: what was\n"
            "announced and has not come is in no row. Nothing is set aside: a server that is\n"
            "asked little holds little. `diglot serve` prints the sum for its own settings.\n\n"
            "| holder | limit | set by | at the limit | test |\n|---|---|---|---|---|\n",
            loops, conns);
    for (int i = 0; i < HOLDERS; i++)
        fprintf(out, "| %s | %" PRId64 " MiB | %s | %s | %s |\n", holders[i].name,
                (bytes[i] + MIB - 1) / MIB, holders[i].setting, holders[i].at_limit,
                holders[i].test);
    fprintf(out, "\nTogether: %" PRId64 " MiB.\n", memory_sum(set, loops, conns) / MIB);
}
