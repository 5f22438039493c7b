/* GetShardIterator and GetRecords: windows, children, starting points, what a reshard or retention
 * does to a reader. */
#include "base/metrics.h"
#include "storage/log/worker.h"
#include "unit/bridge/bridge_fixture.h"

static struct bx f;
static struct bx_client *c;

static void begin(int shards)
{
    bx_init(&f);
    EXPECT_OK(cx_create(&f.cx, "s", shards));
    c = bx_connect(&f);
    bx_put(&f, c, "s", "AAAA");
}

/* One never comes without the other: KCL waits for ever otherwise. */
static bool shard_ended(void)
{
    bool next = strstr(c->body, "\"NextShardIterator\":\"") != NULL,
         children = strstr(c->body, "\"ChildShards\":[{") != NULL;
    EXPECT(next != children);
    return children;
}

/* Reads a shard to its end, or to where nothing more comes; returns how many records there were. */
static int read_all(int shard, bool *ret_ended)
{
    int count = 0;
    const char *at = bx_iterator(&f, c, "s", shard, "TRIM_HORIZON");
    for (int i = 0; i < 20; i++) {
        EXPECT_EQ(bx_read(&f, c, at), 200);
        int got = bx_count(c->body, "\"PartitionKey\"");
        count += got;
        *ret_ended = shard_ended();
        if (*ret_ended || got == 0) break;
        at = bx_text(c->body, "\"NextShardIterator\":\"");
    }
    return count;
}

TEST(an_open_shard_has_a_next_iterator_and_a_closed_one_children)
{
    begin(1);
    bool ended;
    EXPECT_EQ(read_all(0, &ended), 1);
    EXPECT(!ended);
    const char *before = bx_iterator(&f, c, "s", 0, "LATEST");
    EXPECT_OK(cx_split(&f.cx, "s", 0, bx_half()));
    for (int i = 0; i < 3; i++) bx_put(&f, c, "s", "AQEB");
    EXPECT_EQ(read_all(0, &ended), 1);          /* not one of the child's on the same partition */
    EXPECT(ended);
    EXPECT_HAS(c->body, "\"ShardId\":\"shardId-000000000001\"");
    EXPECT_HAS(c->body, "\"ShardId\":\"shardId-000000000002\"");
    EXPECT_EQ(bx_count(c->body, "\"ParentShards\":[\"shardId-000000000000\"]"), 2);
    EXPECT_EQ(bx_read(&f, c, before), 200);
    EXPECT(shard_ended());
    bool ended1, ended2;
    EXPECT_EQ(read_all(1, &ended1) + read_all(2, &ended2), 3);
    EXPECT(!ended1 && !ended2);
    EXPECT_OK(cx_merge(&f.cx, "s", 1, 2));
    EXPECT_EQ(read_all(1, &ended1) + read_all(2, &ended2), 3);
    EXPECT(ended1 && ended2);
    EXPECT_EQ(bx_count(c->body, "\"ShardId\":\"shardId-000000000003\""), 1);
    EXPECT_HAS(c->body, "\"ParentShards\":[\"shardId-000000000001\",\"shardId-000000000002\"]");
    EXPECT_EQ(read_all(3, &ended), 0);
    bx_done(&f);
}

/* The request found its shard open; before it was read, the shard was split and its child on the
 * same partition got a record. */
TEST(a_reshard_under_a_reader_shows_it_no_record_of_the_child)
{
    begin(1);
    bx_restart(&f);                      /* the log is not open: the request goes through storage */
    c = bx_connect(&f);
    struct bx_client *other = bx_connect(&f);
    char body[1024];
    snprintf(body, sizeof body, "{\"ShardIterator\":\"%s\"}",
             bx_iterator(&f, c, "s", 0, "TRIM_HORIZON"));
    bx_send(&f, c, "GetRecords", body);
    bx_loop_turn(&f);
    EXPECT_OK(cx_split(&f.cx, "s", 0, bx_half()));
    struct topic *t = cx_topic(&f.cx, "s");
    for (int32_t i = 0; i < t->shard_count; i++) {
        if (topic_nth(t, i)->end_offset >= 0) continue;
        struct cx_append a;
        cx_append_begin(&f.cx, &a, t, topic_nth(t, i)->partition, topic_nth(t, i)->index,
                        BYTES_LIT("child"));
        cx_turn(&f.cx);
        EXPECT(a.done);
        EXPECT_OK(a.append.err);
    }
    topic_unref(t);
    EXPECT_EQ(bx_receive(&f, c), 200);
    EXPECT_EQ(bx_count(c->body, "\"PartitionKey\""), 1);
    EXPECT(shard_ended());
    bx_disconnect(other);
    bx_done(&f);
}

TEST(a_page_is_cut_where_the_limit_says_and_goes_on_there)
{
    begin(1);
    for (int i = 0; i < 4; i++) bx_put(&f, c, "s", "AQEB");
    const char *at = bx_iterator(&f, c, "s", 0, "TRIM_HORIZON");
    for (int left = 5; left > 0; left -= 2) {
        EXPECT_EQ(BX_CALL(&f, c, "GetRecords", "{\"ShardIterator\":\"%s\",\"Limit\":2}", at), 200);
        EXPECT_EQ(bx_count(c->body, "\"PartitionKey\""), left >= 2 ? 2 : 1);
        at = bx_text(c->body, "\"NextShardIterator\":\"");
    }
    EXPECT_EQ(bx_read(&f, c, at), 200);
    EXPECT_HAS(c->body, "\"Records\":[]");
    EXPECT_HAS(c->body, "\"MillisBehindLatest\":0");
    EXPECT_EQ(BX_CALL(&f, c, "GetRecords", "{\"ShardIterator\":\"%s\",\"Limit\":10001}", at), 400);
    EXPECT_HAS(c->body, "ValidationException");
    bx_done(&f);
}

#define ITERATOR(...)                                                                              \
    BX_CALL(&f, c, "GetShardIterator",                                                             \
            "{\"StreamName\":\"s\",\"ShardId\":\"shardId-000000000000\"," __VA_ARGS__)

TEST(starting_points_read_what_they_name)
{
    begin(1);
    cx_advance_ms(1000);
    int64_t second_ms = clock_wall_ms();
    EXPECT_EQ(BX_CALL(&f, c, "PutRecord",
                      "{\"StreamName\":\"s\",\"Data\":\"AQEB\",\"PartitionKey\":\"k\"}"),
              200);
    char number[64];
    snprintf(number, sizeof number, "%s", bx_text(c->body, "\"SequenceNumber\":\""));
    cx_advance_ms(1000);
    bx_put(&f, c, "s", "AgIC");
    static const struct {
        const char *type;
        int count;
    } cases[] = {{"AT_SEQUENCE_NUMBER", 2}, {"AFTER_SEQUENCE_NUMBER", 1}};
    for (int i = 0; i < 2; i++) {
        EXPECT_EQ(ITERATOR("\"ShardIteratorType\":\"%s\",\"StartingSequenceNumber\":\"%s\"}",
                           cases[i].type, number),
                  200);
        EXPECT_EQ(bx_read(&f, c, bx_text(c->body, "\"ShardIterator\":\"")), 200);
        EXPECT_EQ(bx_count(c->body, "\"PartitionKey\""), cases[i].count);
    }
    for (int late = 0; late < 2; late++) {
        int64_t ms = second_ms + late;
        EXPECT_EQ(ITERATOR("\"ShardIteratorType\":\"AT_TIMESTAMP\",\"Timestamp\":%lld.%03lld}",
                           (long long)ms / 1000, (long long)ms % 1000),
                  200);
        EXPECT_EQ(bx_read(&f, c, bx_text(c->body, "\"ShardIterator\":\"")), 200);
        EXPECT_EQ(bx_count(c->body, "\"PartitionKey\""), 2 - late);
    }
    /* Fixed now, not at the first read. */
    const char *latest = bx_iterator(&f, c, "s", 0, "LATEST");
    bx_put(&f, c, "s", "AwMD");
    EXPECT_EQ(bx_read(&f, c, latest), 200);
    EXPECT_EQ(bx_count(c->body, "\"PartitionKey\""), 1);
    bx_done(&f);
}

TEST(starting_points_are_refused_in_the_words_of_aws)
{
    begin(2);
    struct topic *t = cx_topic(&f.cx, "s");
    char number[SEQUENCE_TEXT_BYTES];
    EXPECT_EQ(ITERATOR("\"ShardIteratorType\":\"AT_SEQUENCE_NUMBER\"}"), 400);
    EXPECT_HAS(c->body, "InvalidArgumentException");
    EXPECT_HAS(c->body, "Request specified AT_SEQUENCE_NUMBER and no StartingSequenceNumber.");
    EXPECT_EQ(ITERATOR("\"ShardIteratorType\":\"LATEST\",\"StartingSequenceNumber\":\"0\"}"), 400);
    EXPECT_HAS(c->body, "Request specified LATEST and also a StartingSequenceNumber.");
    EXPECT_EQ(ITERATOR("\"ShardIteratorType\":\"AT_TIMESTAMP\"}"), 400);
    EXPECT_HAS(c->body, "Must specify timestampInMillis parameter");
    EXPECT_EQ(ITERATOR("\"ShardIteratorType\":\"AT_TIMESTAMP\",\"Timestamp\":9999999999}"), 400);
    EXPECT_HAS(c->body, "cannot be greater than the currentTimestampInMillis");
#define NINES "99999999999999999999999999999999999999999999999999999999"
    EXPECT_EQ(ITERATOR(
                  "\"ShardIteratorType\":\"AT_SEQUENCE_NUMBER\",\"StartingSequenceNumber\":\"" NINES
                  "\"}"),
              400);
    EXPECT_HAS(c->body, "StartingSequenceNumber " NINES
                        " used in GetShardIterator on shard shardId-000000000000 in stream s");
    sequence_format(topic_nth(t, 1)->created_ms, 1, 0, topic_nth(t, 1)->created_ms, number);
    EXPECT_EQ(
        ITERATOR("\"ShardIteratorType\":\"AT_SEQUENCE_NUMBER\",\"StartingSequenceNumber\":\"%s\"}",
                 number),
        400);
    EXPECT_HAS(c->body, "It encodes shardId-000000000001, while it was used in a call to a shard "
                        "with shardId-000000000000");
    int64_t other_ms = topic_nth(t, 0)->created_ms + 5000;
    sequence_format(other_ms, 0, 0, other_ms, number);
    EXPECT_EQ(
        ITERATOR("\"ShardIteratorType\":\"AT_SEQUENCE_NUMBER\",\"StartingSequenceNumber\":\"%s\"}",
                 number),
        400);
    EXPECT_HAS(c->body, "did not come from this stream.");
    EXPECT_EQ(ITERATOR(
                  "\"ShardIteratorType\":\"AT_SEQUENCE_NUMBER\",\"StartingSequenceNumber\":\"0\"}"),
              500);
    EXPECT_EQ(BX_CALL(&f, c, "GetShardIterator",
                      "{\"StreamName\":\"s\",\"ShardId\":\"shardId-000000000009\","
                      "\"ShardIteratorType\":\"LATEST\"}"),
              400);
    EXPECT_HAS(c->body,
               "Shard shardId-000000000009 in stream s under account 000000000000 does not exist");
    topic_unref(t);
    bx_done(&f);
}

TEST(iterators_end_and_cannot_be_made_up)
{
    begin(1);
    char at[1024];
    snprintf(at, sizeof at, "%s", bx_iterator(&f, c, "s", 0, "TRIM_HORIZON"));
    EXPECT_EQ(bx_read(&f, c, at), 200);
    char forged[1024];
    snprintf(forged, sizeof forged, "%s", at);
    forged[60] = forged[60] == 'A' ? 'B' : 'A';
    EXPECT_EQ(bx_read(&f, c, forged), 400);
    EXPECT_HAS(c->body, "Invalid ShardIterator.");
    cx_advance_ms(300 * 1000 + 1);
    EXPECT_EQ(bx_read(&f, c, at), 400);
    EXPECT_HAS(c->body, "ExpiredIteratorException");
    snprintf(at, sizeof at, "%s", bx_iterator(&f, c, "s", 0, "TRIM_HORIZON"));
    EXPECT_OK(cx_delete(&f.cx, "s"));
    EXPECT_EQ(bx_read(&f, c, at), 400);
    EXPECT_HAS(c->body, "ResourceNotFoundException");
    bx_done(&f);
}

TEST(streams_show_what_they_are_going_through)
{
    bx_init(&f);
    bx_close(&f);
    kv_mem_reopen(f.cx.kv, false);
    bx_open(&f, LIMITS_OFF, 500);
    c = bx_connect(&f);
    EXPECT_EQ(BX_CALL(&f, c, "CreateStream", "{\"StreamName\":\"s\",\"ShardCount\":1}"), 200);
    const char *summary = "{\"StreamName\":\"s\"}";
    EXPECT_EQ(bx_call(&f, c, "DescribeStreamSummary", summary), 200);
    EXPECT_HAS(c->body, "\"StreamStatus\":\"CREATING\"");
    EXPECT_EQ(BX_CALL(&f, c, "PutRecord",
                      "{\"StreamName\":\"s\",\"Data\":\"\",\"PartitionKey\":\"k\"}"),
              400);
    EXPECT_HAS(c->body, "Stream s under account 000000000000 not found.");
    EXPECT_EQ(BX_CALL(&f, c, "SplitShard",
                      "{\"StreamName\":\"s\",\"ShardToSplit\":\"shardId-000000000000\","
                      "\"NewStartingHashKey\":\"99\"}"),
              400);
    EXPECT_HAS(c->body, "ResourceInUseException");
    cx_advance_ms(500);
    EXPECT_EQ(bx_call(&f, c, "DescribeStreamSummary", summary), 200);
    EXPECT_HAS(c->body, "\"StreamStatus\":\"ACTIVE\"");
    EXPECT_EQ(BX_CALL(&f, c, "SplitShard",
                      "{\"StreamName\":\"s\",\"ShardToSplit\":\"shardId-000000000000\","
                      "\"NewStartingHashKey\":\"99\"}"),
              200);
    EXPECT_EQ(bx_call(&f, c, "DescribeStreamSummary", summary), 200);
    EXPECT_HAS(c->body, "\"StreamStatus\":\"UPDATING\"");
    cx_advance_ms(1100);
    EXPECT_EQ(bx_call(&f, c, "DescribeStreamSummary", summary), 200);
    EXPECT_HAS(c->body, "\"StreamStatus\":\"ACTIVE\"");
    EXPECT_HAS(c->body, "\"OpenShardCount\":2");
    bx_done(&f);
}

static void raise_start(int64_t offset)
{
    struct topic *t = cx_topic(&f.cx, "s");
    int64_t start;
    EXPECT_OK(store_log_raise_start(t->partitions[0].log, offset, &start));
    EXPECT_EQ(start, offset);
    topic_unref(t);
}

/* The page's read has its place among the readers' jobs already when the log's start moves. */
TEST(what_is_deleted_while_it_is_read_is_skipped)
{
    begin(1);
    for (int i = 0; i < 5; i++) bx_put(&f, c, "s", "AAAA");
    bx_restart(&f);                             /* nothing is in memory */
    kv_mem_set_cold(f.cx.kv, true);
    c = bx_connect(&f);
    const char *at = bx_iterator(&f, c, "s", 0, "TRIM_HORIZON");
    EXPECT_EQ(bx_read(&f, c, at), 200);
    EXPECT_EQ(bx_count(c->body, "\"PartitionKey\""), 6);
    const char *first = bx_text(c->body, "\"SequenceNumber\":\"");
    EXPECT_EQ(BX_CALL(&f, c, "GetShardIterator",
                      "{\"StreamName\":\"s\",\"ShardId\":\"shardId-000000000000\","
                      "\"ShardIteratorType\":\"AT_SEQUENCE_NUMBER\","
                      "\"StartingSequenceNumber\":\"%s\"}",
                      first),
              200);
    char ask[1024];
    snprintf(ask, sizeof ask, "{\"ShardIterator\":\"%s\"}",
             bx_text(c->body, "\"ShardIterator\":\""));
    bx_send(&f, c, "GetRecords", ask);
    for (int i = 0; i < 8; i++) bx_loop_turn(&f);
    raise_start(4);
    EXPECT_EQ(bx_receive(&f, c), 200);
    EXPECT_EQ(bx_count(c->body, "\"PartitionKey\""), 2);
    bx_done(&f);
}

/* Its log waited to be opened when the stream went. */
TEST(a_stream_that_is_deleted_under_a_request_is_not_found)
{
    static const char shard[] = "{\"StreamName\":\"s\",\"ShardId\":\"shardId-000000000000\","
                                "\"ShardIteratorType\":\"LATEST\"}";
    begin(1);
    bx_restart(&f);
    c = bx_connect(&f);
    struct bx_client *other = bx_connect(&f);
    char ask[1024];
    snprintf(ask, sizeof ask, "{\"ShardIterator\":\"%s\"}",
             bx_iterator(&f, other, "s", 0, "TRIM_HORIZON"));
    bx_send(&f, c, "GetShardIterator", shard);
    bx_send(&f, other, "GetRecords", ask);
    for (int i = 0; i < 8; i++) bx_loop_turn(&f);
    EXPECT_OK(cx_delete(&f.cx, "s"));
    EXPECT_EQ(bx_receive(&f, c), 400);
    EXPECT_HAS(c->body, "ResourceNotFoundException");
    EXPECT_EQ(bx_receive(&f, other), 400);
    EXPECT_HAS(other->body, "ResourceNotFoundException");
    bx_done(&f);
}

static void all_leave(struct job *job)
{
    (void)job;
    while (f.home.first != NULL) conn_close(f.home.first, NET_CLOSE_SLOW);
}

/* The loop neither makes nor encodes them: whoever asks for little does not wait for one. */
TEST(large_pages_are_made_elsewhere)
{
    enum { READERS = 4, DATA_CHARS = 400 << 10, TURNS = 20 };
    begin(1);
    char *data = NEW_ARRAY(char, DATA_CHARS + 1);
    memset(data, 'A', DATA_CHARS);
    char *put = NULL;
    EXPECT(asprintf(&put, "{\"StreamName\":\"s\",\"PartitionKey\":\"k\",\"Data\":\"%s\"}",
                    data) > 0);
    EXPECT_EQ(bx_call(&f, c, "PutRecord", put), 200);
    char ask[1024];
    snprintf(ask, sizeof ask, "{\"ShardIterator\":\"%s\"}",
             bx_iterator(&f, c, "s", 0, "TRIM_HORIZON"));
    struct bx_client *readers[READERS];
    for (int i = 0; i < READERS; i++) readers[i] = bx_connect(&f);
    for (int i = 0; i < READERS; i++) bx_send(&f, readers[i], "GetRecords", ask);
    for (int i = 0; i < TURNS; i++) bx_loop_turn(&f);
    for (int i = 0; i < READERS; i++) EXPECT_EQ(readers[i]->len, 0);
    bx_send(&f, c, "DescribeLimits", "{}");
    for (int i = 0; i < TURNS; i++) bx_loop_turn(&f);
    EXPECT(c->len > 0);
    EXPECT_EQ(bx_receive(&f, c), 200);
    for (int i = 0; i < READERS; i++) EXPECT_EQ(bx_receive(&f, readers[i]), 200);
    /* Nobody waits for these: they come to their end all the same, and are no errors. */
    for (int i = 0; i < READERS; i++) bx_send(&f, readers[i], "GetRecords", ask);
    bx_loop_turn(&f);
    struct job leave = {.run = all_leave};
    loop_post(f.loop, &leave);
    bx_loop_turn(&f);
    const struct metric *errors = metric_get(METRIC_COUNTER, "diglot_kinesis_errors_total", "",
                                             "exception=\"InternalFailure\"");
    int64_t before = metric_value(errors);
    bx_turn(&f);
    EXPECT_EQ(metric_value(errors), before);
    free(put);
    mem_free(data);
    bx_done(&f);
}

TESTS(RUN(an_open_shard_has_a_next_iterator_and_a_closed_one_children),
      RUN(a_reshard_under_a_reader_shows_it_no_record_of_the_child),
      RUN(a_page_is_cut_where_the_limit_says_and_goes_on_there),
      RUN(starting_points_read_what_they_name),
      RUN(starting_points_are_refused_in_the_words_of_aws),
      RUN(iterators_end_and_cannot_be_made_up), RUN(streams_show_what_they_are_going_through),
      RUN(what_is_deleted_while_it_is_read_is_skipped),
      RUN(a_stream_that_is_deleted_under_a_request_is_not_found),
      RUN(large_pages_are_made_elsewhere))
