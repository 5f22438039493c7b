#include "storage/engine/wal_sync.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>
#include "base/mem.h"
#include "test.h"

static void make(const char *dir, const char *name)
{
    char path[96];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    int fd = open(path, O_CREAT | O_WRONLY, 0600);
    EXPECT(fd >= 0);
    close(fd);
}

TEST(each_file_is_synced_until_a_newer_one_was)
{
    char dir[64] = "/tmp/diglot-test-wal-XXXXXX", path[96];
    assert_non_null(mkdtemp(dir));
    struct wal_sync w;
    wal_sync_init(&w, dir);
    EXPECT_OK(wal_sync_now(&w));
    EXPECT_EQ(w.newest, 0);
    make(dir, "000004.log");
    make(dir, "000012.log");
    make(dir, "000099.sst");
    make(dir, "LOG");
    make(dir, "x.log");
    make(dir, "77.log.old");
    EXPECT_OK(wal_sync_now(&w));
    EXPECT_EQ(w.newest, 12);
    /* A file that cannot be opened is noticed, unless it is older than what was synced. */
    snprintf(path, sizeof path, "%s/000005.log", dir);
    EXPECT_EQ(symlink("000005.log", path), 0);
    EXPECT_OK(wal_sync_now(&w));
    snprintf(path, sizeof path, "%s/000013.log", dir);
    EXPECT_EQ(symlink("000013.log", path), 0);
    EXPECT_ERR(wal_sync_now(&w), ERR_DISK);
    EXPECT_EQ(w.newest, 12);
    unlink(path);
    EXPECT_EQ(symlink("gone", path), 0);                  /* as one that went since it was listed */
    EXPECT_OK(wal_sync_now(&w));
    wal_sync_done(&w);
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", dir);
    EXPECT_EQ(system(command), 0);
}

TEST(a_directory_that_is_gone_is_an_error)
{
    struct wal_sync w;
    wal_sync_init(&w, "/tmp/diglot-test-wal/not/there");
    EXPECT_ERR(wal_sync_now(&w), ERR_DISK);
    wal_sync_done(&w);
}

TESTS(RUN(each_file_is_synced_until_a_newer_one_was), RUN(a_directory_that_is_gone_is_an_error))
