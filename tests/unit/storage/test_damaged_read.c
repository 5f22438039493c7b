/* A damaged log: what lies in front of the damage is still given out, the place is named, once. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "base/log.h"
#include "log_fixture.h"
#include "storage/check/unreadable.h"
#include "storage/engine/log_keys.h"
#include "storage/topic/record.h"

enum { BATCHES = 4, DAMAGED_AT = 2, READ_BYTES = 1 << 20 };

static int log_ends[2];

/* What the server's log got since the last time. */
static const char *logged(void)
{
    static char text[LOG_LINE_BYTES_MAX];
    ssize_t len = read(log_ends[0], text, sizeof text - 1);
    text[len > 0 ? len : 0] = '\0';
    return text;
}

static void put(struct fx *f, enum kv_family family, struct bytes key, struct bytes value)
{
    struct kv_batch *b = kv_batch_new(f->kv);
    kv_batch_put(b, family, key, value);
    EXPECT_OK(kv_commit(f->kv, b, KV_NO_SYNC));
    kv_batch_free(b);
}

static uint64_t log_id(const struct fx *f, int partition)
{
    return f->topic->partitions[partition].log_id;
}

/* Two partitions with a batch a commit; the second one is no longer what it was. */
static void begin(struct fx *f)
{
    EXPECT_EQ(pipe2(log_ends, O_NONBLOCK), 0);
    log_setup(LOG_ERROR, false, log_ends[1]);
    fx_init(f, 2);
    f->options.tail_bytes_max = 0;
    EXPECT_OK(fx_start(f));
    for (int i = 0; i < BATCHES; i++)
        for (int p = 0; p < 2; p++) EXPECT_OK(fx_append(f, p, &(struct fx_batch){0}, NULL));
    struct log_key key = log_key(log_id(f, 1), DAMAGED_AT);
    put(f, KV_LOG, KEY_BYTES(key), BYTES_LIT("not what it was"));
}

static void end(struct fx *f)
{
    EXPECT_STR(logged(), "");
    fx_done(f);
    log_setup(LOG_INFO, false, STDERR_FILENO);
    close(log_ends[0]);
    close(log_ends[1]);
}

static enum err read_from(struct fx *f, int partition, int64_t offset, int32_t *ret_count)
{
    struct read_result r;
    enum err err = fx_read(f, partition, offset, READ_BYTES, &r);
    *ret_count = r.count;
    read_result_done(&r);
    return err;
}

TEST(what_is_in_front_of_the_damage_is_read)
{
    struct fx f;
    int32_t count;
    begin(&f);
    EXPECT_OK(read_from(&f, 1, 0, &count));
    EXPECT_EQ(count, DAMAGED_AT);
    EXPECT_OK(read_from(&f, 1, DAMAGED_AT + 1, &count));        /* and what is behind it */
    EXPECT_EQ(count, BATCHES - DAMAGED_AT - 1);
    EXPECT_OK(read_from(&f, 0, 0, &count));
    EXPECT_EQ(count, BATCHES);
    end(&f);
}

TEST(the_log_names_the_place_once)
{
    struct fx f;
    int32_t count;
    begin(&f);
    EXPECT_ERR(read_from(&f, 1, DAMAGED_AT, &count), ERR_KAFKA_STORAGE_ERROR);
    EXPECT(strstr(logged(), "topic=t partition=1 offset=2 err=FORMAT") != NULL);
    for (int i = 0; i < 3; i++)         /* as a client does that goes on trying */
        EXPECT_ERR(read_from(&f, 1, DAMAGED_AT, &count), ERR_KAFKA_STORAGE_ERROR);
    EXPECT_STR(logged(), "");
    struct log_key key = log_key(log_id(&f, 1), DAMAGED_AT + 1);
    put(&f, KV_LOG, KEY_BYTES(key), BYTES_LIT("nor this"));
    EXPECT_ERR(read_from(&f, 1, DAMAGED_AT + 1, &count), ERR_KAFKA_STORAGE_ERROR);
    EXPECT(strstr(logged(), "topic=t partition=1 offset=3 err=FORMAT") != NULL);
    end(&f);
}

TEST(a_partition_that_cannot_be_opened_is_named_once)
{
    struct fx f;
    int32_t count;
    begin(&f);
    struct start_key key = start_key(log_id(&f, 1));
    put(&f, KV_INDEX, KEY_BYTES(key), BYTES_LIT("?"));
    fx_stop(&f);
    EXPECT_OK(fx_start(&f));
    for (int i = 0; i < 3; i++)
        EXPECT_ERR(read_from(&f, 1, 0, &count), ERR_KAFKA_STORAGE_ERROR);
    const char *text = logged();
    EXPECT(strstr(text, "cannot be opened") != NULL);
    EXPECT(strstr(text, "topic=t partition=1") != NULL);
    EXPECT(strchr(text, '\n') == text + strlen(text) - 1);
    end(&f);
}

TEST(check_says_from_where_a_partition_cannot_be_read)
{
    struct fx f;
    begin(&f);
    struct kv_batch *b = kv_batch_new(f.kv);
    topic_stage(f.topic, NULL, b);
    EXPECT_OK(kv_commit(f.kv, b, KV_NO_SYNC));
    kv_batch_free(b);
    struct writer out;
    writer_init(&out, 1 << 16);
    EXPECT_OK(unreadable_say(f.kv, &out));
    writer_i8(&out, 0);
    EXPECT_STR((char *)out.data,
               "topic t, partition 1, offset 2: the records from there on cannot be read\n");
    writer_reset(&out);
    struct start_key key = start_key(log_id(&f, 0));
    put(&f, KV_INDEX, KEY_BYTES(key), BYTES_LIT("?"));
    EXPECT_OK(unreadable_say(f.kv, &out));
    writer_i8(&out, 0);
    EXPECT_STR((char *)out.data,
               "topic t, partition 0, offset 0: its start cannot be read\n"
               "topic t, partition 1, offset 2: the records from there on cannot be read\n");
    writer_done(&out);
    end(&f);
}

TESTS(RUN(what_is_in_front_of_the_damage_is_read), RUN(the_log_names_the_place_once),
      RUN(a_partition_that_cannot_be_opened_is_named_once),
      RUN(check_says_from_where_a_partition_cannot_be_read))
