#include "storage/engine/sync_mark.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/mem.h"
#include "storage/engine/damage.h"
#include "test.h"

static char dir[64], mark_path[96], file_path[96];

static void begin(void)
{
    snprintf(dir, sizeof dir, "/tmp/diglot-test-mark-XXXXXX");
    assert_non_null(mkdtemp(dir));
    snprintf(mark_path, sizeof mark_path, "%s/sync-mark", dir);
    snprintf(file_path, sizeof file_path, "%s/grows", dir);
}

static void end(void)
{
    unlink(mark_path);
    unlink(file_path);
    EXPECT_EQ(rmdir(dir), 0);
}

static void write_at(const char *path, off_t at, const char *text, size_t len)
{
    int fd = open(path, O_WRONLY | O_CREAT, 0600);
    EXPECT_EQ(pwrite(fd, text, len, at), (ssize_t)len);
    close(fd);
}

static void mark(uint64_t position, int64_t now_ms)
{
    struct sync_mark m;
    sync_mark_read(&m, dir);
    EXPECT_OK(sync_mark_write(&m, position, &(struct sync_file){0}, now_ms));
    sync_mark_done(&m);
}

static uint64_t position_read(int *ret_slots)
{
    struct sync_mark m;
    sync_mark_read(&m, dir);
    *ret_slots = m.slots_read;
    uint64_t position = sync_mark_position(&m);
    sync_mark_done(&m);
    return position;
}

TEST(the_last_mark_is_read_and_with_it_broken_the_one_before)
{
    begin();
    int slots;
    EXPECT_EQ(position_read(&slots), 0);
    EXPECT_EQ(slots, 0);
    mark(5, 1000);
    EXPECT_EQ(position_read(&slots), 5);
    EXPECT_EQ(slots, SYNC_MARK_SLOTS);
    mark(9, 2000);
    EXPECT_EQ(position_read(&slots), 9);
    /* Each byte of a slot counts, used or not. */
    for (off_t at = 0; at < SYNC_MARK_SLOTS * SYNC_SLOT_BYTES; at += 61) {
        int fd = open(mark_path, O_RDWR);
        char was, other;
        EXPECT_EQ(pread(fd, &was, 1, at), 1);
        other = (char)(was ^ 16);
        EXPECT_EQ(pwrite(fd, &other, 1, at), 1);
        uint64_t position = position_read(&slots);
        EXPECT_EQ(slots, 1);
        EXPECT(position == 5 || position == 9);
        EXPECT_EQ(pwrite(fd, &was, 1, at), 1);
        close(fd);
    }
    EXPECT_EQ(truncate(mark_path, SYNC_SLOT_BYTES + 100), 0);
    (void)position_read(&slots);
    EXPECT_EQ(slots, 1);
    mark(11, 3000);                     /* a whole one is made again */
    EXPECT_EQ(position_read(&slots), 11);
    EXPECT_EQ(slots, SYNC_MARK_SLOTS);
    end();
}

TEST(it_tells_until_when_nothing_is_lost_however_long_ago)
{
    begin();
    struct sync_mark m;
    sync_mark_read(&m, dir);
    enum { MARKS = 5000 };
    for (int i = 1; i <= MARKS; i++)
        EXPECT_OK(sync_mark_write(&m, (uint64_t)(i * 10), &(struct sync_file){0}, i * 1000));
    EXPECT_EQ(sync_mark_time(&m, MARKS * 10), MARKS * 1000);
    EXPECT_EQ(sync_mark_time(&m, MARKS * 10 - 1), (MARKS - 1) * 1000);
    EXPECT_EQ(sync_mark_time(&m, 5), 0);
    for (int i = 1; i <= MARKS; i += 7) {
        int64_t at_ms = sync_mark_time(&m, (uint64_t)(i * 10));
        EXPECT(at_ms <= i * 1000);      /* never later than it was */
        EXPECT(at_ms >= 1000);
        if (MARKS - i < SYNC_POINTS_MAX / 2) EXPECT_EQ(at_ms, i * 1000);
    }
    /* After a loss positions are given anew: the old ones mean nothing any more. */
    EXPECT_OK(sync_mark_write(&m, 100, &(struct sync_file){0}, 9000000));
    EXPECT_EQ(sync_mark_position(&m), 100);
    EXPECT(sync_mark_time(&m, 99) < 9000000);
    sync_mark_done(&m);
    end();
}

TEST(a_file_that_grows_is_held_to_what_it_was)
{
    begin();
    struct sync_file f = {0};
    EXPECT(sync_file_fault(&f, dir) == NULL);
    EXPECT_ERR(sync_file_extend(&f, dir, "grows"), ERR_DISK);
    write_at(file_path, 0, "hello", 5);
    EXPECT_OK(sync_file_extend(&f, dir, "grows"));
    write_at(file_path, 5, " world", 6);
    EXPECT(sync_file_fault(&f, dir) == NULL);   /* more is fine */
    EXPECT_OK(sync_file_extend(&f, dir, "grows"));
    EXPECT_EQ(f.bytes, 11);
    write_at(file_path, 0, "H", 1);
    EXPECT_STR(sync_file_fault(&f, dir), "is altered");
    write_at(file_path, 0, "h", 1);
    EXPECT(sync_file_fault(&f, dir) == NULL);
    EXPECT_EQ(truncate(file_path, 10), 0);
    EXPECT_STR(sync_file_fault(&f, dir), "is cut short");
    unlink(file_path);
    EXPECT_STR(sync_file_fault(&f, dir), "is missing");
    end();
}

static enum err may_open(const char *list, bool *ret_may_make)
{
    struct sync_mark m;
    sync_mark_read(&m, dir);
    CLEANUP(mem_freep) char *text = NULL;
    enum err err = damage_before(&m, dir, list, ret_may_make, &text);
    EXPECT(err == ERR_OK || strstr(text, "Nothing was changed") != NULL);
    sync_mark_done(&m);
    return err;
}

TEST(a_used_directory_is_never_taken_for_a_new_one)
{
    begin();
    bool may_make = false;
    EXPECT_OK(may_open(NULL, &may_make));          /* empty */
    EXPECT(may_make);
    snprintf(file_path, sizeof file_path, "%s/MANIFEST-000001", dir);
    write_at(file_path, 0, "x", 1);
    EXPECT_ERR(may_open(NULL, &may_make), ERR_DISK);   /* what names the engine, and the mark */
    mark(0, 1000);
    EXPECT_OK(may_open(NULL, &may_make));          /* a first start that was ended */
    mark(7, 2000);
    EXPECT_ERR(may_open(NULL, &may_make), ERR_DISK);
    end();
}

/* A new list comes with each start, and the one before goes: the mark is written a while later. */
TEST(a_start_that_was_ended_before_its_first_mark_is_no_damage)
{
    begin();
    bool may_make = true;
    struct sync_mark m;
    struct sync_file list = {0};
    snprintf(file_path, sizeof file_path, "%s/MANIFEST-000999", dir);
    write_at(file_path, 0, "x", 1);
    EXPECT_OK(sync_file_extend(&list, dir, "MANIFEST-000999"));
    sync_mark_read(&m, dir);
    EXPECT_OK(sync_mark_write(&m, 7, &list, 1000));
    sync_mark_done(&m);
    EXPECT_OK(may_open("MANIFEST-000999", &may_make));
    unlink(file_path);
    EXPECT_ERR(may_open("MANIFEST-000999", &may_make), ERR_DISK);
    EXPECT_ERR(may_open("MANIFEST-001000", &may_make), ERR_DISK);   /* is not there either */
    snprintf(file_path, sizeof file_path, "%s/MANIFEST-001000", dir);
    write_at(file_path, 0, "y", 1);
    EXPECT_OK(may_open("MANIFEST-001000", &may_make));
    EXPECT(!may_make);
    unlink(file_path);
    snprintf(file_path, sizeof file_path, "%s/MANIFEST-000998", dir);
    write_at(file_path, 0, "z", 1);
    EXPECT_ERR(may_open("MANIFEST-000998", &may_make), ERR_DISK);   /* an older copy */
    end();
}

/* Opening a FIFO waits for who writes into it. */
TEST(a_mark_that_is_no_file_is_damage_and_not_waited_for)
{
    begin();
    EXPECT_EQ(mkfifo(mark_path, 0600), 0);
    struct sync_mark m;
    sync_mark_read(&m, dir);
    EXPECT(m.found);
    EXPECT_EQ(m.slots_read, 0);
    EXPECT_ERR(sync_mark_write(&m, 5, &(struct sync_file){0}, 1000), ERR_DISK);
    sync_mark_done(&m);
    end();
}

TESTS(RUN(a_mark_that_is_no_file_is_damage_and_not_waited_for),
      RUN(the_last_mark_is_read_and_with_it_broken_the_one_before),
      RUN(it_tells_until_when_nothing_is_lost_however_long_ago),
      RUN(a_file_that_grows_is_held_to_what_it_was),
      RUN(a_start_that_was_ended_before_its_first_mark_is_no_damage),
      RUN(a_used_directory_is_never_taken_for_a_new_one))
