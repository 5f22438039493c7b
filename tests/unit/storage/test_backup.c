/* Backups of a directory that is open, and what they keep from whoever gives space back. */
#include "storage/engine/backup.h"

#include <fcntl.h>
#include <glob.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/mem.h"
#include "storage/engine/kv.h"
#include "storage/engine/log_keys.h"
#include "storage/engine/sync_mark.h"
#include "storage/wal/files.h"
#include "storage/wal/frame.h"
#include "test.h"

enum { VALUE_BYTES = 20000, RUNS = 40 };

static const struct kv_options small = {.extent_bytes = 64 << 10};

struct place {
    char folder[64];
    char dir[96], to[96];
    struct kv *kv;
};

static void place_new(struct place *p)
{
    snprintf(p->folder, sizeof p->folder, "/tmp/diglot-test-backup-XXXXXX");
    assert_non_null(mkdtemp(p->folder));
    snprintf(p->dir, sizeof p->dir, "%s/data", p->folder);
    snprintf(p->to, sizeof p->to, "%s/copy", p->folder);
    EXPECT_OK(kv_open(p->dir, &small, &p->kv, NULL));
}

static void place_done(struct place *p)
{
    char command[128];
    kv_close(p->kv);
    snprintf(command, sizeof command, "rm -rf '%s'", p->folder);
    EXPECT_EQ(system(command), 0);
}

static void put(struct kv *kv, int64_t offset)
{
    static uint8_t run[VALUE_BYTES];
    memset(run, (int)offset + 1, sizeof run);
    struct log_key key = log_key(1, offset);
    struct kv_batch *b = kv_batch_new(kv);
    kv_batch_put(b, KV_LOG, KEY_BYTES(key), bytes_of(run, sizeof run));
    EXPECT_OK(kv_commit(kv, b, KV_NO_SYNC));
    kv_batch_free(b);
}

static void delete_up_to(struct kv *kv, int64_t offset)
{
    struct log_range_key from = log_range_first(1);
    struct log_key to = log_key(1, offset);
    struct kv_batch *b = kv_batch_new(kv);
    kv_batch_delete_range(b, KV_LOG, KEY_BYTES(from), KEY_BYTES(to));
    EXPECT_OK(kv_commit(kv, b, KV_NO_SYNC));
    kv_batch_free(b);
}

static bool has(struct kv *kv, int64_t offset)
{
    CLEANUP(slab_unrefp) struct slab *value = NULL;
    struct log_key key = log_key(1, offset);
    enum err err = kv_get(kv, KV_LOG, KEY_BYTES(key), &value);
    if (err == ERR_NOT_FOUND) return false;
    EXPECT_OK(err);
    EXPECT_EQ(value->len, VALUE_BYTES);
    for (int i = 0; i < VALUE_BYTES; i++)
        if (value->data[i] != (uint8_t)(offset + 1)) return false;
    return true;
}

static void no_fault(void *context, const char *text)
{
    (void)context;
    fprintf(stderr, "check: %s\n", text);
    EXPECT(text == NULL);
}

static void reclaim(struct kv *kv)
{
    static const atomic_bool go_on;
    EXPECT_OK(kv_reclaim(kv, &go_on));
}

TEST(a_backup_has_what_was_there_and_keeps_it)
{
    struct place p;
    struct backup told;
    struct kv *copy;
    CLEANUP(mem_freep) char *text = NULL;
    place_new(&p);
    for (int64_t i = 0; i < RUNS; i++) put(p.kv, i);
    EXPECT_OK(backup_make(p.dir, p.to, "tls", NULL, &told, &text));
    EXPECT(told.log_files > 5 && told.linked_bytes > RUNS / 2 * VALUE_BYTES);
    put(p.kv, RUNS);
    /* Most of each file, then the files. */
    for (int64_t i = 1; i < RUNS; i++) {
        delete_up_to(p.kv, i);
        if (i % 5 == 4) reclaim(p.kv);
    }
    EXPECT_OK(kv_open(p.to, &small, &copy, NULL));
    EXPECT_STR(kv_damage(copy)->text, "");
    for (int64_t i = 0; i < RUNS; i++) EXPECT(has(copy, i));
    EXPECT(!has(copy, RUNS));
    EXPECT_OK(kv_check(copy, NULL, no_fault));
    put(copy, RUNS + 1);            /* of its own, while the other one goes on */
    put(p.kv, RUNS + 2);
    EXPECT(has(copy, RUNS + 1) && !has(copy, RUNS + 2));
    EXPECT(has(p.kv, RUNS + 2) && !has(p.kv, RUNS + 1));
    kv_close(copy);
    place_done(&p);
}

TEST(while_a_backup_is_made_nothing_leaves_the_disk)
{
    struct place p;
    struct kv_stats stats;
    place_new(&p);
    for (int64_t i = 0; i < RUNS; i++) put(p.kv, i);
    kv_stats(p.kv, &stats);
    uint64_t extents = stats.extents;
    delete_up_to(p.kv, RUNS - 1);
    int lock = sync_mark_lock(p.dir, /* wait= */ false);
    EXPECT(lock >= 0 && sync_mark_lock(p.dir, false) < 0);
    reclaim(p.kv);
    kv_stats(p.kv, &stats);
    EXPECT_EQ(stats.extents, extents);
    close(lock);
    reclaim(p.kv);
    kv_stats(p.kv, &stats);
    EXPECT(stats.extents < extents);
    place_done(&p);
}

TEST(a_file_with_two_names_gets_no_holes)
{
    enum { BYTES = 1 << 20 };
    struct place p;
    char from[192], to[192];
    place_new(&p);
    struct files *files = files_os_new(p.folder);
    struct file *f;
    static uint8_t data[BYTES];
    uint8_t byte;
    bool done = false;
    memset(data, 7, sizeof data);
    struct iovec part = {data, sizeof data};
    EXPECT_OK(files_open(files, "one", FILE_CREATE, &f));
    EXPECT_OK(file_write(f, &part, 1, 0));
    snprintf(from, sizeof from, "%s/one", p.folder);
    snprintf(to, sizeof to, "%s/two", p.folder);
    EXPECT_EQ(link(from, to), 0);
    EXPECT_OK(file_punch(f, 0, BYTES / 2, &done));
    EXPECT(done);
    EXPECT_OK(file_read(f, &byte, 1, 0));
    EXPECT_EQ(byte, 7);
    unlink(to);
    EXPECT_OK(file_punch(f, 0, BYTES / 2, &done));
    EXPECT_OK(file_read(f, &byte, 1, 0));
    EXPECT(byte == 0 || !done);
    file_close(f);
    files_free(files);
    place_done(&p);
}

TEST(an_earlier_copy_or_nothing_to_copy_is_told)
{
    struct place p;
    struct backup told;
    char *text = NULL;
    char part[128];
    place_new(&p);
    EXPECT_ERR(backup_make(p.dir, p.dir, "tls", NULL, &told, &text), ERR_CONFIG);
    EXPECT(strstr(text, "is there already") != NULL);
    mem_free(text);
    EXPECT_ERR(backup_make(p.folder, p.to, "tls", NULL, &told, &text), ERR_NOT_FOUND);
    EXPECT(text == NULL);
    snprintf(part, sizeof part, "%s.partial", p.to);
    EXPECT_EQ(mkdir(part, 0700), 0);
    EXPECT_ERR(backup_make(p.dir, p.to, "tls", NULL, &told, &text), ERR_CONFIG);
    EXPECT(strstr(text, "remove it") != NULL);
    EXPECT(access(part, F_OK) == 0 && access(p.to, F_OK) != 0);
    mem_free(text);
    place_done(&p);
}

static void flip(const struct place *p, const char *name, off_t at)
{
    char path[192];
    uint8_t byte;
    snprintf(path, sizeof path, "%s/%s", p->dir, name);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    EXPECT_EQ(pread(fd, &byte, 1, at), 1);
    byte ^= 1;
    EXPECT_EQ(pwrite(fd, &byte, 1, at), 1);
    close(fd);
}

/* What stands behind it is read by the server still, and is in a file that the copy shares. */
TEST(a_copy_that_ends_at_damage_takes_nothing_from_the_directory)
{
    struct place p;
    struct backup told;
    CLEANUP(mem_freep) char *text = NULL;
    char part[128];
    place_new(&p);
    for (int64_t i = 0; i < RUNS; i++) put(p.kv, i);
    EXPECT_OK(kv_sync_now(p.kv));
    flip(&p, "0000000000000002.extent", EXTENT_HEADER_BYTES + 8);
    EXPECT_ERR(backup_make(p.dir, p.to, "tls", NULL, &told, &text), ERR_DISK);
    EXPECT(text != NULL && strstr(text, "damaged") != NULL);
    for (int64_t i = 0; i < RUNS; i++) EXPECT(has(p.kv, i));
    snprintf(part, sizeof part, "%s.partial", p.to);
    EXPECT(access(part, F_OK) != 0);
    place_done(&p);
}

/* The first half of the directory's first table, as an earlier try left it that copied it while it
 * was written. */
static struct place *halved;
static int halves;

static void put_half(const struct backup *told)
{
    static char half[64 << 10];
    char from[128], to[512];
    glob_t tables;
    (void)told;
    snprintf(from, sizeof from, "%s/*.sst", halved->dir);
    if (halves++ > 0 || glob(from, 0, NULL, &tables) != 0) return;
    const char *name = strrchr(tables.gl_pathv[0], '/');
    snprintf(to, sizeof to, "%s.partial%s", halved->to, name);
    int in = open(tables.gl_pathv[0], O_RDONLY | O_CLOEXEC);
    int out = open(to, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    ssize_t len = read(in, half, sizeof half) / 2;
    EXPECT(len > 0 && write(out, half, (size_t)len) == len);
    close(in);
    close(out);
    globfree(&tables);
}

TEST(a_table_that_was_copied_while_it_was_written_is_copied_again)
{
    struct place p;
    struct backup told;
    struct kv *copy;
    CLEANUP(mem_freep) char *text = NULL;
    place_new(&p);
    for (int64_t i = 0; i < RUNS; i++) put(p.kv, i);
    kv_close(p.kv);
    EXPECT_OK(kv_open(p.dir, &small, &p.kv, NULL));
    halved = &p;
    EXPECT_OK(backup_make(p.dir, p.to, NULL, put_half, &told, &text));
    EXPECT(halves > 1);
    EXPECT_OK(kv_open(p.to, &small, &copy, NULL));
    for (int64_t i = 0; i < RUNS; i++) EXPECT(has(copy, i));
    kv_close(copy);
    place_done(&p);
}

TESTS(RUN(a_backup_has_what_was_there_and_keeps_it),
      RUN(a_copy_that_ends_at_damage_takes_nothing_from_the_directory),
      RUN(a_table_that_was_copied_while_it_was_written_is_copied_again),
      RUN(while_a_backup_is_made_nothing_leaves_the_disk),
      RUN(a_file_with_two_names_gets_no_holes), RUN(an_earlier_copy_or_nothing_to_copy_is_told))
