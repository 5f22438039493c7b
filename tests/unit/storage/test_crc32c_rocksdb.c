/* Proof that RocksDB computes its checksums with our function, and that they are right. */
#include <rocksdb/c.h>
#include <stdlib.h>
#include <unistd.h>
#include "base/crc32c.h"
#include "test.h"

static void expect_no_error(char *err)
{
    if (err != NULL) print_error("rocksdb: %s\n", err);
    assert_null(err);
}

TEST(rocksdb_calls_our_crc_when_it_writes_and_reads)
{
    char dir[] = "/tmp/diglot-crc-XXXXXX";
    assert_non_null(mkdtemp(dir));
    char *err = NULL;
    rocksdb_options_t *options = rocksdb_options_create();
    rocksdb_options_set_create_if_missing(options, 1);
    rocksdb_options_set_enable_blob_files(options, 1);     /* as the log family has it */
    rocksdb_options_set_min_blob_size(options, 1024);
    uint64_t calls = crc32c_rocksdb_calls();

    rocksdb_t *db = rocksdb_open(options, dir, &err);
    expect_no_error(err);
    rocksdb_writeoptions_t *writing = rocksdb_writeoptions_create();
    static const char value[5000] = "value";
    rocksdb_put(db, writing, "key", 3, value, sizeof value, &err);
    expect_no_error(err);
    EXPECT(crc32c_rocksdb_calls() > calls);

    calls = crc32c_rocksdb_calls();
    rocksdb_flushoptions_t *flushing = rocksdb_flushoptions_create();
    rocksdb_flush(db, flushing, &err);
    expect_no_error(err);
    EXPECT(crc32c_rocksdb_calls() > calls);
    rocksdb_close(db);

    /* A fresh open has nothing in its cache, so the read verifies what lies in the blob file. */
    db = rocksdb_open(options, dir, &err);
    expect_no_error(err);
    calls = crc32c_rocksdb_calls();
    rocksdb_readoptions_t *reading = rocksdb_readoptions_create();
    size_t len = 0;
    char *got = rocksdb_get(db, reading, "key", 3, &len, &err);
    expect_no_error(err);
    EXPECT_EQ(len, sizeof value);
    assert_memory_equal(got, value, len);
    EXPECT(crc32c_rocksdb_calls() > calls);
    rocksdb_free(got);
    rocksdb_close(db);

    rocksdb_destroy_db(options, dir, &err);
    expect_no_error(err);
    rmdir(dir);
    rocksdb_readoptions_destroy(reading);
    rocksdb_flushoptions_destroy(flushing);
    rocksdb_writeoptions_destroy(writing);
    rocksdb_options_destroy(options);
}

TESTS(RUN(rocksdb_calls_our_crc_when_it_writes_and_reads))
