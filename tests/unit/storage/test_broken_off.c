/* A write-ahead log that breaks off behind its last sync mark: damage where the system has run ever
 * since, what a power cut leaves where it has not. */
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>
#include "storage/engine/damage.h"
#include "storage/engine/kv.h"
#include "storage/engine/log_keys.h"
#include "storage/wal/files.h"
#include "storage/wal/frame.h"
#include "test.h"

enum { VALUE_BYTES = 20000, RUNS = 40, FILE_OF_THEM = 5 };

static const struct kv_options small = {.extent_bytes = 64 << 10};
static char folder[64], dir[96];

/* What a kill leaves: the files as they are while the engine that wrote them is open. */
static void begin(void)
{
    static uint8_t run[VALUE_BYTES];
    char alive[96], command[256];
    struct kv *kv;
    snprintf(folder, sizeof folder, "/tmp/diglot-test-broken-XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(dir, sizeof dir, "%s/data", folder);
    snprintf(alive, sizeof alive, "%s/alive", folder);
    EXPECT_OK(kv_open(alive, &small, &kv, NULL));
    struct kv_batch *b = kv_batch_new(kv);
    for (int64_t i = 0; i < RUNS; i++) {
        struct log_key key = log_key(1, i);
        kv_batch_put(b, KV_LOG, KEY_BYTES(key), bytes_of(run, sizeof run));
        EXPECT_OK(kv_commit(kv, b, KV_NO_SYNC));
        kv_batch_clear(b);
    }
    snprintf(command, sizeof command, "cp -r '%s' '%s'", alive, dir);
    EXPECT_EQ(system(command), 0);
    kv_batch_free(b);
    kv_close(kv);
    /* As if it had been killed before the first sync: the mark says nothing of what was written. */
    struct sync_mark m;
    sync_mark_read(&m, dir);
    EXPECT_OK(sync_mark_write(&m, 1, &m.file, 1000));
    sync_mark_done(&m);
}

static void end(void)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    EXPECT_EQ(system(command), 0);
}

static void flip_a_bit(uint64_t extent)
{
    char name[EXTENT_NAME_BYTES], path[192];
    extent_name(extent, name);
    snprintf(path, sizeof path, "%s/%s", dir, name);
    int fd = open(path, O_RDWR);
    char byte;
    EXPECT_EQ(pread(fd, &byte, 1, EXTENT_HEADER_BYTES), 1);
    byte ^= 1;
    EXPECT_EQ(pwrite(fd, &byte, 1, EXTENT_HEADER_BYTES), 1);
    close(fd);
}

static void the_system_was_started_anew(void)
{
    struct sync_mark m;
    sync_mark_read(&m, dir);
    m.boot_now = m.boot + 1;
    EXPECT_OK(sync_mark_write(&m, 2, &m.file, 2000));
    sync_mark_done(&m);
}

static int runs_left(struct kv *kv)
{
    int count = 0;
    struct log_key from = log_key_first(1), to = log_key_first(2);
    struct kv_iter *it = kv_iter_new(kv, KV_LOG, KEY_BYTES(from), KEY_BYTES(to), false);
    while (kv_iter_next(it)) count++;
    EXPECT_OK(kv_iter_error(it));
    kv_iter_free(it);
    return count;
}

static void expect_start(bool damaged, bool all)
{
    struct kv *kv;
    EXPECT_OK(kv_open(dir, &small, &kv, NULL));
    const struct kv_damage *d = kv_damage(kv);
    int left = runs_left(kv);
    EXPECT_EQ(left == RUNS, all);
    EXPECT_EQ(d->lost_writes > 0, damaged);
    EXPECT_EQ(d->aside[0] != '\0', damaged);
    if (damaged) {
        EXPECT(d->lost_writes + (uint64_t)left + 5 >= RUNS);      /* but those of the last file */
        EXPECT(strstr(d->text, "writes before what was written") != NULL);
    }
    kv_close(kv);
}

TEST(after_a_kill_what_was_written_is_there)
{
    begin();
    expect_start(/* damaged= */ false, /* all= */ true);
    end();
}

TEST(a_log_that_breaks_off_between_its_files_is_damaged_while_the_system_has_run)
{
    begin();
    flip_a_bit(FILE_OF_THEM);
    expect_start(/* damaged= */ true, /* all= */ false);
    end();
}

TEST(after_a_power_cut_the_same_is_none)
{
    begin();
    flip_a_bit(FILE_OF_THEM);
    the_system_was_started_anew();
    expect_start(/* damaged= */ false, /* all= */ false);
    end();
}

TEST(the_last_file_may_break_off)
{
    begin();
    uint64_t last = FILE_OF_THEM;
    char name[EXTENT_NAME_BYTES], path[192];
    for (;; last++) {
        extent_name(last + 1, name);
        snprintf(path, sizeof path, "%s/%s", dir, name);
        if (access(path, F_OK) != 0) break;
    }
    flip_a_bit(last);
    expect_start(/* damaged= */ false, /* all= */ false);
    end();
}

TESTS(RUN(after_a_kill_what_was_written_is_there),
      RUN(a_log_that_breaks_off_between_its_files_is_damaged_while_the_system_has_run),
      RUN(after_a_power_cut_the_same_is_none), RUN(the_last_file_may_break_off))
