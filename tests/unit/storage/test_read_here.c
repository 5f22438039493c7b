/* What a loop reads by itself, and what it leaves to the reader threads. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "base/log.h"
#include "log_fixture.h"

enum { BATCHES = 12, VALUE_BYTES = 400 << 10, TURN_BYTES = 2 << 20 };

static struct loop loop;

/* Two partitions with the same batches, a run each, that are in no tail. */
static void begin_of(struct fx *f, int batches, size_t value_bytes)
{
    fx_init(f, 2);
    f->files = files_mem_new();
    files_mem_set_plain(f->files, true);        /* files are as long as what was written */
    f->options.tail_bytes_max = 0;
    EXPECT_OK(fx_start(f));
    for (int i = 0; i < batches; i++)
        for (int p = 0; p < 2; p++)
            EXPECT_OK(fx_append(f, p, &(struct fx_batch){.value_bytes = value_bytes}, NULL));
    mailbox_init(&loop.inbox);
    loop.posts = 0;
    fx_loop = &loop;
}

static void begin(struct fx *f)
{
    begin_of(f, BATCHES, VALUE_BYTES);
}

static void end(struct fx *f)
{
    fx_loop = NULL;
    mailbox_done(&loop.inbox);
    fx_done(f);
}

static void ask(struct fx *f, struct log_read *r, int partition, int64_t offset, size_t bytes_max)
{
    *r = (struct log_read){.topic = topic_ref(f->topic), .partition = partition, .offset = offset,
                           .bytes_max = bytes_max, .min_one = true, .home = &loop,
                           .done = fx_read_done, .err = ERR_COUNT};
    read_result_init(&r->result);
    store_read(f->s, r);
}

/* Runs the readers too. */
static void settle(struct fx *f)
{
    do fx_turn(f);
    while (loop_run_posted(&loop));
}

TEST(what_is_in_memory_needs_no_reader)
{
    struct fx f;
    struct log_read r;
    begin(&f);
    ask(&f, &r, 0, 1, 2 * (VALUE_BYTES + 200));
    EXPECT(r.topic != NULL);                    /* not done within the call */
    EXPECT(!store_turn(f.s));
    EXPECT(loop_run_posted(&loop));
    EXPECT(r.topic == NULL);
    EXPECT_OK(r.err);
    EXPECT_EQ(r.result.count, 2);
    EXPECT_EQ(r.result.batches[0].base_offset, 1);
    EXPECT_EQ(r.result.bounds.high_watermark, BATCHES);
    read_result_done(&r.result);
    end(&f);
}

TEST(what_a_disk_has_to_be_waited_for_is_a_readers)
{
    struct fx f;
    begin(&f);
    for (int cold_tables = 0; cold_tables < 2; cold_tables++) {
        struct log_read r;
        files_mem_set_cold(f.files, !cold_tables);
        kv_mem_set_cold(f.kv, cold_tables);
        loop.posts = 0;
        ask(&f, &r, 0, 0, VALUE_BYTES);
        EXPECT_EQ(loop.posts, 0);
        settle(&f);
        EXPECT_OK(r.err);
        EXPECT_EQ(r.result.count, 1);
        read_result_done(&r.result);
    }
    end(&f);
}

TEST(another_threads_read_is_a_readers)
{
    struct fx f;
    struct log_read r;
    begin(&f);
    fx_loop = NULL;
    ask(&f, &r, 0, 0, VALUE_BYTES);
    EXPECT_EQ(loop.posts, 0);
    settle(&f);
    EXPECT_OK(r.err);
    read_result_done(&r.result);
    end(&f);
}

TEST(a_turn_reads_no_more_than_its_share)
{
    struct fx f;
    struct log_read r[BATCHES];
    begin(&f);
    for (int turn = 0; turn < 2; turn++) {
        loop.posts = 0;
        fx_loop_turn++;
        for (int i = 0; i < BATCHES; i++) ask(&f, &r[i], 0, i, 1);
        EXPECT_EQ(loop.posts, TURN_BYTES / (VALUE_BYTES + 2 * PLOG_RUN_COST));
        settle(&f);
        EXPECT_EQ(loop.posts, BATCHES);
        for (int i = 0; i < BATCHES; i++) {
            EXPECT_OK(r[i].err);
            EXPECT_EQ(r[i].result.count, 1);
            EXPECT_EQ(r[i].result.batches[0].base_offset, i);
            read_result_done(&r[i].result);
        }
    }
    end(&f);
}

/* Each looks into tables, which takes longer than to be answered from there. */
TEST(tries_in_vain_have_a_share_too)
{
    enum { TRIES = TURN_BYTES / PLOG_RUN_COST };
    struct fx f;
    static struct log_read r[TRIES + 1];
    begin(&f);
    fx_loop_turn++;
    kv_mem_set_cold(f.kv, true);
    for (int i = 0; i < TRIES; i++) ask(&f, &r[i], 0, 0, 1);
    kv_mem_set_cold(f.kv, false);
    settle(&f);
    loop.posts = 0;
    ask(&f, &r[TRIES], 0, 0, 1);
    EXPECT_EQ(loop.posts, 0);
    settle(&f);
    for (int i = 0; i <= TRIES; i++) {
        EXPECT_OK(r[i].err);
        read_result_done(&r[i].result);
    }
    fx_loop_turn++;
    loop.posts = 0;
    ask(&f, &r[0], 0, 0, 1);
    EXPECT_EQ(loop.posts, 1);
    settle(&f);
    read_result_done(&r[0].result);
    end(&f);
}

TEST(a_reader_goes_on_where_the_loop_had_enough)
{
    struct fx f;
    struct log_read r;
    begin(&f);
    fx_loop_turn++;
    ask(&f, &r, 0, 0, BATCHES * (VALUE_BYTES + 200));
    EXPECT_EQ(loop.posts, 0);
    EXPECT(r.read_bytes > TURN_BYTES / 2 && r.read_bytes <= TURN_BYTES);
    settle(&f);
    EXPECT_OK(r.err);
    EXPECT_EQ(r.result.count, BATCHES);
    for (int i = 0; i < BATCHES; i++) EXPECT_EQ(r.result.batches[i].base_offset, i);
    read_result_done(&r.result);
    end(&f);
}

/* The first read finds out that they are. */
TEST(logs_with_short_runs_are_the_readers)
{
    struct fx f;
    struct log_read r;
    begin_of(&f, BATCHES, 2000);
    fx_loop_turn++;
    ask(&f, &r, 0, 0, SIZE_MAX);
    EXPECT_EQ(loop.posts, 1);
    settle(&f);
    EXPECT_EQ(r.result.count, BATCHES);
    read_result_done(&r.result);
    ask(&f, &r, 0, 0, SIZE_MAX);
    EXPECT_EQ(loop.posts, 1);
    settle(&f);
    EXPECT_OK(r.err);
    EXPECT_EQ(r.result.count, BATCHES);
    read_result_done(&r.result);
    end(&f);
}

TEST(damage_is_answered_as_a_reader_does)
{
    static const char extent[] = "0000000000000001.extent";
    struct fx f;
    struct log_read r;
    int ends[2];
    char text[LOG_LINE_BYTES_MAX];
    EXPECT_EQ(pipe2(ends, O_NONBLOCK), 0);
    log_setup(LOG_ERROR, false, ends[1]);
    begin_of(&f, 2, VALUE_BYTES);
    EXPECT_OK(fx_append(&f, 1, &(struct fx_batch){.value_bytes = VALUE_BYTES}, NULL));
    size_t bytes = files_mem_bytes(f.files, extent).len;
    files_mem_damage(f.files, extent, bytes - VALUE_BYTES / 2, 1);
    ask(&f, &r, 1, 0, SIZE_MAX);                /* what lies in front of it is there */
    settle(&f);
    EXPECT_OK(r.err);
    EXPECT_EQ(r.result.count, 2);
    read_result_done(&r.result);
    for (int i = 0; i < 2; i++) {
        fx_loop_turn++;
        ask(&f, &r, 1, 2, SIZE_MAX);
        settle(&f);
        EXPECT_ERR(r.err, ERR_KAFKA_STORAGE_ERROR);
        read_result_done(&r.result);
        ssize_t len = read(ends[0], text, sizeof text - 1);
        text[len > 0 ? len : 0] = '\0';
        EXPECT_EQ(strstr(text, "topic=t partition=1 offset=2 err=DISK") != NULL, i == 0);
    }
    end(&f);
    log_setup(LOG_INFO, false, STDERR_FILENO);
    close(ends[0]);
    close(ends[1]);
}

/* Calls that read files for as much as that; by a reader. */
static int64_t calls_for(struct fx *f, size_t bytes_max, int32_t count)
{
    struct read_result read;
    files_mem_set_faults(f->files, &(struct files_mem_faults){.fail_at = -1});
    EXPECT_OK(fx_read(f, 0, 0, bytes_max, &read));
    EXPECT_EQ(read.count, count);
    read_result_done(&read);
    return files_mem_calls(f->files);
}

TEST(what_does_not_fit_into_the_answer_is_not_read)
{
    struct fx f;
    begin_of(&f, 4, 100 << 10);
    int64_t one = calls_for(&f, 1, 1);
    EXPECT(one > 0);
    EXPECT_EQ(calls_for(&f, 150 << 10, 1), one);
    EXPECT_EQ(calls_for(&f, 250 << 10, 2), 2 * one);
    end(&f);
}

TEST(a_read_that_finds_no_memory_is_no_damage)
{
    struct fx f;
    struct read_result read;
    begin(&f);
    mem_fail_after(0);
    enum err err = fx_read(&f, 0, 0, 1, &read);
    mem_fail_after(-1);
    EXPECT_ERR(err, ERR_BUSY);
    read_result_done(&read);
    end(&f);
}

TESTS(RUN(what_is_in_memory_needs_no_reader), RUN(what_a_disk_has_to_be_waited_for_is_a_readers),
      RUN(another_threads_read_is_a_readers), RUN(a_turn_reads_no_more_than_its_share),
      RUN(tries_in_vain_have_a_share_too),
      RUN(a_reader_goes_on_where_the_loop_had_enough), RUN(logs_with_short_runs_are_the_readers),
      RUN(damage_is_answered_as_a_reader_does), RUN(what_does_not_fit_into_the_answer_is_not_read),
      RUN(a_read_that_finds_no_memory_is_no_damage))
