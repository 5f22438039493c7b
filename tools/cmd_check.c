/* `diglot check`: proves the invariants of a data directory, and says what contradicts them. */
#include <inttypes.h>
#include <stdio.h>
#include "storage/check/parts_check.h"
#include "storage/check/unreadable.h"
#include "storage/check/walk.h"
#include "tools/commands.h"
#include "tools/directory.h"
#include "base/check.h"

static const char usage[] =
    "Usage: diglot check [--data-dir D]        default: DIGLOT_DATA_DIR, then ./data\n\n"
    "Reads everything in a data directory that no server uses and proves that it fits together: "
    "record\n"
    "batches and their CRCs, offsets without a hole, chunk summaries, producer state, and shards "
    "that\n"
    "cover the whole hash range, and that all that was synced is there. Changes nothing. Prints a "
    "line\n"
    "for each contradiction; exit code 1 when there is one.\n";

enum { REPORT_BYTES_MAX = 16 << 20 };

static void on_fault(void *context, uint64_t log_id, int64_t offset, const char *text)
{
    (void)context;
    printf("log %" PRIu64 ", offset %" PRId64 ": %s\n", log_id, offset, text);
}

/* What the next start would say too. Returns how many contradictions that is. */
static uint64_t report_damage(const struct kv_damage *d)
{
    char since[KV_TIME_BYTES];
    if (d->text[0] != '\0') printf("directory: %s\n", d->text);
    if (d->lost_writes > 0 || d->damaged_bytes > 0)
        printf("directory: nothing that was written before %s is lost\n",
               kv_damage_since(d, since));
    return d->text[0] != '\0';
}

int cmd_check(int arg_count, char **args)
{
    int code;
    struct kv *kv = directory_open(arg_count, args, usage, &code);
    if (kv == NULL) return code;
    struct writer report;
    writer_init(&report, REPORT_BYTES_MAX);
    struct walk_counts counts = {0};
    uint64_t damaged = report_damage(kv_damage(kv));
    int64_t wrong = 0;
    enum err parts = parts_check(kv, &report, &wrong);
    enum err logs = walk_logs(kv, on_fault, NULL, &counts);
    bool read = parts == ERR_OK && logs == ERR_OK;
    if (!read) (void)!unreadable_say(kv, &report);
    printf("%.*s", BYTES_ARGS(bytes_of(report.data, report.len)));
    writer_done(&report);
    kv_close(kv);
    if (!read)
        printf("not everything could be read: %s\n", err_text(parts != ERR_OK ? parts : logs));
    printf("%" PRIu64 " logs, %" PRIu64 " batches, %" PRIu64 " bytes, %" PRIu64 " chunks, %" PRIu64
           " producers: %" PRIu64 " contradictions\n",
           counts.logs, counts.batches, counts.bytes, counts.chunks, counts.producers,
           counts.faults + (uint64_t)wrong + damaged);
    return read && counts.faults + (uint64_t)wrong + damaged == 0 ? 0 : 1;
}
