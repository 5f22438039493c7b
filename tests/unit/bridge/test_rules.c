/* What members say about each other and about the state of a stream: refusals that no shape can
 * express, and what DryRun, MaxRecordSizeInKiB and the filters of ListShards do. */
#include "unit/bridge/bridge_fixture.h"

static struct bx f;
static struct bx_client *c;

static void begin(int64_t stream_create_ms)
{
    bx_init(&f);
    bx_close(&f);
    kv_mem_reopen(f.cx.kv, false);
    bx_open(&f, LIMITS_OFF, stream_create_ms);
    c = bx_connect(&f);
}

/* says: a part of the answer, which is an error unless status is 200. */
static void call(const char *operation, const char *body, int status, const char *says)
{
    int got = bx_call(&f, c, operation, body);
    if (got != status || strstr(c->body, says) == NULL)
        print_error("%s %s: %d %s\n", operation, body, got, c->body);
    EXPECT_EQ(got, status);
    EXPECT_HAS(c->body, says);
}

#define ARN "arn:aws:kinesis:us-east-1:000000000000:stream/"
#define SHARD(n) "shardId-00000000000" #n

TEST(a_new_stream_is_refused_for_what_does_not_go_together)
{
    begin(0);
#define PROVISIONED "\"StreamName\":\"s\",\"StreamModeDetails\":{\"StreamMode\":\"PROVISIONED\"}"
#define ON_DEMAND "\"StreamName\":\"s\",\"StreamModeDetails\":{\"StreamMode\":\"ON_DEMAND\"}"
    call("CreateStream", "{" PROVISIONED "}", 400,
         "\"ValidationException\",\"message\":\"1 validation error detected: Value null at "
         "'shardCount' failed to satisfy constraint: Member must not be null\"");
    call("CreateStream", "{" ON_DEMAND ",\"ShardCount\":1}", 400, "InvalidArgumentException");
    call("CreateStream", "{" PROVISIONED ",\"ShardCount\":1,\"RecordDistributionStrategy\":"
                         "\"AUTO\"}", 400, "InvalidArgumentException");
    call("CreateStream", "{" ON_DEMAND ",\"RecordDistributionStrategy\":\"AUTO\"}", 400,
         "InvalidArgumentException");
    call("CreateStream", "{" ON_DEMAND ",\"WarmThroughputMiBps\":10}", 400, "ValidationException");
    call("CreateStream", "{" PROVISIONED ",\"ShardCount\":1,\"Tags\":{\"a;b\":\"c\"}}", 400,
         "Some tags contain invalid characters.");
    char tags[4096] = "{" PROVISIONED ",\"ShardCount\":1,\"Tags\":{\"k\":\"v\"";
    for (int i = 0; i < 50; i++)
        snprintf(tags + strlen(tags), 32, ",\"k%d\":\"v\"", i);
    strcat(tags, "}}");
    call("CreateStream", tags, 400, "Failed to add tags to stream s under account 000000000000");
    call("CreateStream", "{\"StreamName\":\"s\",\"ShardCount\":501}", 400,
         "LimitExceededException\",\"message\":\"This request would exceed the shard limit");
    call("ListStreams", "{}", 200, "\"StreamNames\":[]");
    call("CreateStream", "{" PROVISIONED ",\"ShardCount\":1,\"Tags\":{\"a\":\"b\"}}", 200, "");
    call("DescribeStreamSummary", "{\"StreamName\":\"s\"}", 200, "\"MaxRecordSizeInKiB\":1024");
    EXPECT_LACKS(c->body, "RecordDistributionStrategy");
    bx_done(&f);
}

TEST(the_shards_of_an_on_demand_stream_are_its_own)
{
    begin(0);
    call("CreateStream", "{\"StreamName\":\"s\"}", 200, "");
    static const char text[] = "\"ValidationException\",\"message\":\"Request is invalid. Stream s "
                               "under AccountId 000000000000 is in On-Demand mode.\"";
    call("SplitShard", "{\"StreamName\":\"s\",\"ShardToSplit\":\"" SHARD(0) "\","
                       "\"NewStartingHashKey\":\"99\"}", 400, text);
    call("MergeShards", "{\"StreamName\":\"s\",\"ShardToMerge\":\"" SHARD(0) "\","
                        "\"AdjacentShardToMerge\":\"" SHARD(1) "\"}", 400, text);
    call("UpdateShardCount", "{\"StreamName\":\"s\",\"TargetShardCount\":8,"
                             "\"ScalingType\":\"UNIFORM_SCALING\"}", 400, text);
    call("DescribeStreamSummary", "{\"StreamName\":\"s\"}", 200,
         "\"RecordDistributionStrategy\":\"USER_PARTITION_KEY\"");
    EXPECT_HAS(c->body, "\"OpenShardCount\":4");
    bx_done(&f);
}

TEST(an_account_has_fifty_on_demand_streams)
{
    begin(0);
    char body[64];
    for (int i = 0; i < STREAMS_ON_DEMAND_MAX; i++) {
        snprintf(body, sizeof body, "{\"StreamName\":\"s%d\"}", i);
        call("CreateStream", body, 200, "");
    }
    call("CreateStream", "{\"StreamName\":\"one-more\"}", 400, "LimitExceededException");
    call("CreateStream", "{\"StreamName\":\"provisioned\",\"ShardCount\":1}", 200, "");
    bx_done(&f);
}

/* Whatever else is wrong is told first; nothing is done. */
TEST(a_dry_run_finds_out_and_does_nothing)
{
    begin(0);
    EXPECT_OK(cx_create(&f.cx, "s", 1));
    static const char text[] =
        "{\"__type\":\"DryRunOperationException\",\"message\":\"The request was rejected because "
        "the `DryRun` parameter was specified.\"}";
#define RECORD "\"Data\":\"AAAA\",\"PartitionKey\":\"k\""
    call("PutRecord", "{\"StreamName\":\"s\"," RECORD ",\"DryRun\":true}", 400, text);
    call("PutRecord", "{\"StreamName\":\"none\"," RECORD ",\"DryRun\":true}", 400,
         "ResourceNotFoundException");
    call("PutRecord", "{\"StreamName\":\"s\"," RECORD ",\"SequenceNumberForOrdering\":\"3\","
                      "\"DryRun\":true}", 400, "DryRunOperationException");
    call("PutRecords", "{\"StreamName\":\"s\",\"Records\":[{" RECORD "}],\"DryRun\":true}", 400,
         text);
    call("PutRecords", "{\"StreamName\":\"s\",\"Records\":[],\"DryRun\":true}", 400,
         "ValidationException");
    call("GetShardIterator", "{\"StreamName\":\"s\",\"ShardId\":\"" SHARD(0) "\","
                             "\"ShardIteratorType\":\"LATEST\",\"DryRun\":true}", 400, text);
    call("GetShardIterator", "{\"StreamName\":\"s\",\"ShardId\":\"" SHARD(0) "\","
                             "\"ShardIteratorType\":\"AT_TIMESTAMP\",\"DryRun\":true}", 400,
         "Must specify timestampInMillis");
    const char *at = bx_iterator(&f, c, "s", 0, "TRIM_HORIZON");
    EXPECT_EQ(BX_CALL(&f, c, "GetRecords", "{\"ShardIterator\":\"%s\",\"DryRun\":true}", at), 400);
    EXPECT_HAS(c->body, text);
    call("RegisterStreamConsumer", "{\"StreamARN\":\"" ARN "s\",\"ConsumerName\":\"c\"}", 200, "");
    const char *consumer = bx_text(c->body, "\"ConsumerARN\":\"");
    EXPECT_EQ(BX_CALL(&f, c, "SubscribeToShard",
                      "{\"ConsumerARN\":\"%s\",\"ShardId\":\"" SHARD(0) "\",\"StartingPosition\":"
                      "{\"Type\":\"LATEST\"},\"DryRun\":true}", consumer),
              400);
    EXPECT_HAS(c->body, text);
    EXPECT_EQ(bx_read(&f, c, at), 200);
    EXPECT_HAS(c->body, "\"Records\":[]");
    call("PutRecord", "{\"StreamName\":\"s\"," RECORD ",\"DryRun\":false}", 200, "");
    bx_done(&f);
}

TEST(the_size_of_a_record_is_the_streams_own)
{
    enum { RECORD_BYTES = 3 << 20, LEN = RECORD_BYTES / 3 * 4 };
    begin(0);
    char *body = NEW_ARRAY(char, LEN + 128);
    int at = snprintf(body, 128, "{\"StreamName\":\"s\",\"PartitionKey\":\"k\",\"Data\":\"");
    memset(body + at, 'A', LEN);
    snprintf(body + at + LEN, 8, "\"}");
    call("CreateStream", "{\"StreamName\":\"s\",\"ShardCount\":1,\"MaxRecordSizeInKiB\":3073}", 200,
         "");
    call("PutRecord", body, 200, "");
    EXPECT_EQ(bx_read(&f, c, bx_iterator(&f, c, "s", 0, "TRIM_HORIZON")), 200);
    EXPECT(strlen(c->body) > LEN);
    call("UpdateMaxRecordSize", "{\"StreamARN\":\"" ARN "s\",\"MaxRecordSizeInKiB\":3072}", 200,
         "");
    call("DescribeStreamSummary", "{\"StreamName\":\"s\"}", 200, "\"MaxRecordSizeInKiB\":3072");
    call("PutRecord", body, 400,        /* the partition key counts */
         "{\"__type\":\"ValidationException\",\"message\":\"1 validation error detected: Value at "
         "'data' failed to satisfy constraint: Member must have length less than or equal to "
         "3145728\"}");
    call("UpdateMaxRecordSize", "{\"StreamARN\":\"" ARN "s\",\"MaxRecordSizeInKiB\":1023}", 400,
         "Value '1023' at 'maxRecordSizeInKiB' failed to satisfy constraint: Member must have "
         "value greater than or equal to 1024");
    call("UpdateMaxRecordSize", "{\"StreamARN\":\"" ARN "s\",\"MaxRecordSizeInKiB\":10241}", 400,
         "Member must have value less than or equal to 10240");
    call("UpdateMaxRecordSize", "{\"MaxRecordSizeInKiB\":2048}", 400,
         "Value null at 'streamARN' failed to satisfy constraint: Member must not be null");
    call("UpdateMaxRecordSize", "{\"StreamARN\":\"" ARN "t\",\"MaxRecordSizeInKiB\":2048}", 400,
         "Stream t under account 000000000000 not found.");
    mem_free(body);
    bx_done(&f);
}

TEST(a_consumers_names_have_to_agree)
{
    begin(0);
    EXPECT_OK(cx_create(&f.cx, "s", 1));
    EXPECT_OK(cx_create(&f.cx, "t", 1));
    call("RegisterStreamConsumer", "{\"StreamARN\":\"" ARN "s\",\"ConsumerName\":\"c\"}", 200, "");
    const char *arn = bx_text(c->body, "\"ConsumerARN\":\"");
    const char *second = strrchr(arn, ':') + 1;
    static const struct {
        const char *account, *more;
        const char *says;
    } cases[] = {
        {"us-east-1:000000000000", "", "\"ConsumerStatus\":\"ACTIVE\""},
        {"us-east-1:000000000000", ",\"StreamARN\":\"" ARN "s\",\"ConsumerName\":\"c\"",
         "\"ConsumerStatus\":\"ACTIVE\""},
        {"us-east-1:000000000000", ",\"StreamARN\":\"" ARN "t\"", "InvalidArgumentException"},
        {"us-east-1:000000000000", ",\"ConsumerName\":\"d\"", "InvalidArgumentException"},
        {"us-east-1:111111111111", "", "Stream s under account 111111111111 not found."},
        {"eu-west-1:000000000000", "", "ResourceNotFoundException"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char body[512];
        snprintf(body, sizeof body, "{\"ConsumerARN\":\"arn:aws:kinesis:%s:stream/s/consumer/c:%s\""
                 "%s}", cases[i].account, second, cases[i].more);
        call("DescribeStreamConsumer", body, i < 2 ? 200 : 400, cases[i].says);
    }
    call("DescribeStreamSummary", "{\"StreamARN\":\"" ARN "s/consumer/c:1\"}", 400,
         "InvalidArgumentException");
    bx_done(&f);
}

TEST(a_consumer_has_tags_of_its_own)
{
    begin(0);
    EXPECT_OK(cx_create(&f.cx, "s", 1));
    call("RegisterStreamConsumer", "{\"StreamARN\":\"" ARN "s\",\"ConsumerName\":\"bad\",\"Tags\":"
                                   "{\"a;b\":\"c\"}}", 400, "Some tags contain invalid");
    call("RegisterStreamConsumer", "{\"StreamARN\":\"" ARN "s\",\"ConsumerName\":\"c\",\"Tags\":"
                                   "{\"team\":\"blue\"}}", 200, "");
    char arn[256], body[512];
    snprintf(arn, sizeof arn, "%s", bx_text(c->body, "\"ConsumerARN\":\""));
#define TAGS(operation, of, more, status, says)                                                    \
    do {                                                                                           \
        snprintf(body, sizeof body, "{\"ResourceARN\":\"%s\"" more "}", of);                       \
        call(operation, body, status, says);                                                       \
    } while (0)
    TAGS("ListTagsForResource", arn, "", 200,
         "{\"Tags\":[{\"Key\":\"team\",\"Value\":\"blue\"}]}");
    TAGS("TagResource", arn, ",\"Tags\":{\"cost\":\"1\",\"team\":\"red\"}", 200, "");
    TAGS("UntagResource", arn, ",\"TagKeys\":[\"cost\",\"none\"]", 200, "");
    TAGS("ListTagsForResource", ARN "s", "", 200, "{\"Tags\":[]}");
    char many[2048] = "{\"k0\":\"\"";
    for (int i = 1; i < TOPIC_TAGS_MAX; i++)
        snprintf(many + strlen(many), 16, ",\"k%d\":\"\"", i);
    char request[4096];
    snprintf(request, sizeof request, "{\"ResourceARN\":\"%s\",\"Tags\":%s}}", arn, many);
    call("TagResource", request, 400, "cannot have more than 10 tags");
    bx_restart(&f);
    c = bx_connect(&f);
    TAGS("ListTagsForResource", arn, "", 200,
         "{\"Tags\":[{\"Key\":\"team\",\"Value\":\"red\"}]}");
    TAGS("ListTagsForResource", ARN "s/consumer/c:1", "", 400, "ResourceNotFoundException");
    call("DeregisterStreamConsumer", "{\"StreamARN\":\"" ARN "s\",\"ConsumerName\":\"c\"}", 200,
         "");
    TAGS("TagResource", arn, ",\"Tags\":{\"a\":\"b\"}", 400, "ResourceNotFoundException");
    bx_done(&f);
}

TEST(a_page_of_consumers_goes_on_in_its_own_stream_alone)
{
    begin(0);
    EXPECT_OK(cx_create(&f.cx, "s", 1));
    EXPECT_OK(cx_create(&f.cx, "t", 1));
    call("RegisterStreamConsumer", "{\"StreamARN\":\"" ARN "s\",\"ConsumerName\":\"a\"}", 200, "");
    call("RegisterStreamConsumer", "{\"StreamARN\":\"" ARN "s\",\"ConsumerName\":\"b\"}", 200, "");
    call("ListStreamConsumers", "{\"StreamARN\":\"" ARN "s\",\"MaxResults\":1}", 200,
         "\"ConsumerName\":\"a\"");
    char token[512], body[1024];
    snprintf(token, sizeof token, "%s", bx_text(c->body, "\"NextToken\":\""));
    snprintf(body, sizeof body, "{\"StreamARN\":\"" ARN "s\",\"NextToken\":\"%s\"}", token);
    call("ListStreamConsumers", body, 200, "\"ConsumerName\":\"b\"");
    EXPECT_LACKS(c->body, "\"ConsumerName\":\"a\"");
    snprintf(body, sizeof body, "{\"StreamARN\":\"" ARN "t\",\"NextToken\":\"%s\"}", token);
    call("ListStreamConsumers", body, 400, "NextToken is invalid.");
    snprintf(body, sizeof body, "{\"StreamARN\":\"" ARN "s\",\"NextToken\":\"%s\","
             "\"StreamCreationTimestamp\":1}", token);
    call("ListStreamConsumers", body, 400, "InvalidArgumentException");
    call("ListStreamConsumers", "{\"StreamARN\":\"" ARN "s\",\"StreamCreationTimestamp\":1}", 400,
         "Stream s under account 000000000000 with creation timestamp 1 not found.");
    cx_advance_ms(301 * 1000);
    snprintf(body, sizeof body, "{\"StreamARN\":\"" ARN "s\",\"NextToken\":\"%s\"}", token);
    call("ListStreamConsumers", body, 400, "ExpiredNextTokenException");
    bx_done(&f);
}

TEST(retention_has_bounds_once_the_stream_is_found)
{
    begin(0);
    call("CreateStream", "{\"StreamName\":\"s\",\"ShardCount\":1}", 200, "");
    static const struct {
        const char *hours, *exception, *text;
    } cases[] = {
        {"9999", "InvalidArgumentException",
         "Maximum allowed retention period is 8760 hours. Requested retention period (9999 hours) "
         "is too long."},
        {"0", "InvalidArgumentException",
         "Minimum allowed retention period is 24 hours. Requested retention period (0 hours) is "
         "too short."},
        {"-1", "InvalidArgumentException",
         "Minimum allowed retention period is 24 hours. Requested retention period (-1 hours) is "
         "too short."},
        {"2147483647", "InvalidArgumentException", "(2147483647 hours) is too long."},
    };
    static const char *const operations[] = {"IncreaseStreamRetentionPeriod",
                                             "DecreaseStreamRetentionPeriod"};
    char body[128];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        for (size_t j = 0; j < 2; j++) {
            snprintf(body, sizeof body, "{\"StreamName\":\"s\",\"RetentionPeriodHours\":%s}",
                     cases[i].hours);
            call(operations[j], body, 400, cases[i].exception);
            call(operations[j], body, 400, cases[i].text);
            snprintf(body, sizeof body, "{\"StreamName\":\"t\",\"RetentionPeriodHours\":%s}",
                     cases[i].hours);
            call(operations[j], body, 400, "ResourceNotFoundException");
        }
    bx_done(&f);
}

TEST(what_is_on_its_way_has_to_be_waited_for)
{
    enum { SHOWN_MS = 500 };
    begin(SHOWN_MS);
    call("CreateStream", "{\"StreamName\":\"s\",\"ShardCount\":1}", 200, "");
    static const char text[] = "Stream s under account 000000000000 not ACTIVE, instead in state "
                               "CREATING";
    call("IncreaseStreamRetentionPeriod", "{\"StreamName\":\"s\",\"RetentionPeriodHours\":48}", 400,
         text);
    call("DecreaseStreamRetentionPeriod", "{\"StreamName\":\"s\",\"RetentionPeriodHours\":24}", 400,
         text);
    call("UpdateMaxRecordSize", "{\"StreamARN\":\"" ARN "s\",\"MaxRecordSizeInKiB\":2048}", 400,
         text);
    call("RegisterStreamConsumer", "{\"StreamARN\":\"" ARN "s\",\"ConsumerName\":\"c\"}", 400,
         text);
    cx_advance_ms(SHOWN_MS);
    char body[512];
    for (int i = 0; i < 5; i++) {
        snprintf(body, sizeof body, "{\"StreamARN\":\"" ARN "s\",\"ConsumerName\":\"c%d\"}", i);
        call("RegisterStreamConsumer", body, 200, "\"ConsumerStatus\":\"CREATING\"");
    }
    const char *arn = bx_text(c->body, "\"ConsumerARN\":\"");
    call("RegisterStreamConsumer", "{\"StreamARN\":\"" ARN "s\",\"ConsumerName\":\"c5\"}", 400,
         "LimitExceededException");
    snprintf(body, sizeof body, "{\"ConsumerARN\":\"%s\"}", arn);
    call("DescribeStreamConsumer", body, 200, "\"ConsumerStatus\":\"CREATING\"");
    call("ListStreamConsumers", "{\"StreamARN\":\"" ARN "s\"}", 200,
         "\"ConsumerStatus\":\"CREATING\"");
    snprintf(body, sizeof body, "{\"ConsumerARN\":\"%s\",\"ShardId\":\"" SHARD(0) "\","
             "\"StartingPosition\":{\"Type\":\"LATEST\"}}", arn);
    call("SubscribeToShard", body, 400, "is not in ACTIVE status.");
    EXPECT_HAS(c->body, "ResourceInUseException");
    cx_advance_ms(SHOWN_MS);
    call("ListStreamConsumers", "{\"StreamARN\":\"" ARN "s\"}", 200,
         "\"ConsumerStatus\":\"ACTIVE\"");
    call("RegisterStreamConsumer", "{\"StreamARN\":\"" ARN "s\",\"ConsumerName\":\"c5\"}", 200, "");
    bx_done(&f);
}

TEST(a_name_is_taken_until_its_stream_is_gone)
{
    begin(500);
    call("CreateStream", "{\"StreamName\":\"s\",\"ShardCount\":1}", 200, "");
    cx_advance_ms(500);
    call("DeleteStream", "{\"StreamName\":\"s\"}", 200, "");
    call("DescribeStreamSummary", "{\"StreamName\":\"s\"}", 200, "\"StreamStatus\":\"DELETING\"");
    call("CreateStream", "{\"StreamName\":\"s\",\"ShardCount\":1}", 400,
         "ResourceInUseException\",\"message\":\"Stream s under account 000000000000 already "
         "exists.");
    cx_advance_ms(500);
    call("CreateStream", "{\"StreamName\":\"s\",\"ShardCount\":1}", 200, "");
    bx_done(&f);
}

TEST(an_operation_of_aws_that_is_not_served_is_told_apart)
{
    begin(0);
    call("UpdateStreamMode", "{}", 400,
         "{\"__type\":\"UnknownOperationException\",\"message\":\"UpdateStreamMode is not served "
         "here.\"}");
    call("UpdateStream", "{}", 400, "{\"__type\":\"UnknownOperationException\"}");
    bx_done(&f);
}

/* The indices of the shards that a filter lists, as digits. */
static const char *listed(const char *type, int64_t at_ms)
{
    static char indices[16];
    EXPECT_EQ(BX_CALL(&f, c, "ListShards",
                      "{\"StreamName\":\"s\",\"ShardFilter\":{\"Type\":\"%s\",\"Timestamp\":"
                      "%lld.%03d}}", type, (long long)at_ms / 1000, (int)(at_ms % 1000)),
              200);
    size_t count = 0;
    for (const char *at = c->body; (at = strstr(at, "{\"ShardId\":\"shardId-")) != NULL; at++)
        indices[count++] = at[strlen("{\"ShardId\":\"shardId-") + 11];
    indices[count] = '\0';
    return indices;
}

/* KCL starts from such a list and insists on one that covers every hash key. */
TEST(every_moment_has_shards_for_all_hash_keys)
{
    begin(0);
    int64_t born_ms = clock_wall_ms();
    EXPECT_OK(cx_create(&f.cx, "s", 1));
    cx_advance_ms(60 * 1000);
    int64_t split_ms = clock_wall_ms();
    EXPECT_OK(cx_split(&f.cx, "s", 0, bx_half()));
    cx_advance_ms(60 * 1000);
    EXPECT_STR(listed("AT_TIMESTAMP", born_ms - 3600 * 1000), "0");     /* older than the stream */
    EXPECT_STR(listed("FROM_TIMESTAMP", born_ms - 3600 * 1000), "012");
    EXPECT_STR(listed("AT_TIMESTAMP", born_ms), "0");
    EXPECT_STR(listed("AT_TIMESTAMP", split_ms - 1), "0");
    for (int64_t at = split_ms; at < split_ms + 3000; at += 100) {
        const char *shards = listed("AT_TIMESTAMP", at);
        EXPECT(strcmp(shards, "0") == 0 || strcmp(shards, "12") == 0 || strcmp(shards, "012") == 0);
    }
    EXPECT_STR(listed("AT_TIMESTAMP", split_ms + 3000), "12");
    EXPECT_STR(listed("AT_TIMESTAMP", clock_wall_ms() + 3600 * 1000), "12");
    call("ListShards",
         "{\"StreamName\":\"s\",\"ExclusiveStartShardId\":\"" SHARD(0) "\",\"ShardFilter\":{"
         "\"Type\":\"AFTER_SHARD_ID\",\"ShardId\":\"" SHARD(1) "\"}}",
         200, SHARD(2));
    EXPECT_LACKS(c->body, "{\"ShardId\":\"" SHARD(1));
    EXPECT_STR(listed("FROM_TIMESTAMP", split_ms - 1), "012");
    EXPECT_STR(listed("FROM_TIMESTAMP", split_ms + 3000), "12");
    bx_done(&f);
}

TEST(a_subscription_tells_its_own_name_about_a_number)
{
    begin(0);
    EXPECT_OK(cx_create(&f.cx, "s", 1));
    call("RegisterStreamConsumer", "{\"StreamARN\":\"" ARN "s\",\"ConsumerName\":\"c\"}", 200, "");
    const char *consumer = bx_text(c->body, "\"ConsumerARN\":\"");
    char number[SEQUENCE_TEXT_BYTES], body[1024];
    sequence_format(1000, 0, 5, 1000, number);              /* of a stream long ago */
    snprintf(body, sizeof body,
             "{\"ConsumerARN\":\"%s\",\"ShardId\":\"" SHARD(0) "\",\"StartingPosition\":{"
             "\"Type\":\"AT_SEQUENCE_NUMBER\",\"SequenceNumber\":\"%s\"}}", consumer, number);
    call("SubscribeToShard", body, 400,
         "used in SubscribeToShard on shard " SHARD(0) " in stream s under account "
         "000000000000 is invalid because it did not come from this stream.");
    bx_done(&f);
}

TEST(an_iterator_is_of_the_stream_that_is_named_with_it)
{
    begin(0);
    EXPECT_OK(cx_create(&f.cx, "s", 1));
    EXPECT_OK(cx_create(&f.cx, "t", 1));
    const char *at = bx_iterator(&f, c, "s", 0, "TRIM_HORIZON");
    static const char *const says[][2] = {{"s", "\"Records\":[]"}, {"t", "InvalidArgument"},
                                          {"u", "Stream u under account 000000000000 not found."}};
    for (int i = 0; i < 3; i++) {
        char body[1024];
        snprintf(body, sizeof body, "{\"ShardIterator\":\"%s\",\"StreamARN\":\"" ARN "%s\"}", at,
                 says[i][0]);
        call("GetRecords", body, i == 0 ? 200 : 400, says[i][1]);
    }
    bx_done(&f);
}

/* As recorded of AWS. */
TEST(words_that_users_look_for)
{
    begin(0);
    EXPECT_OK(cx_create(&f.cx, "s", 2));
    call("ListShards", "{\"StreamName\":\"s\",\"MaxResults\":1}", 200, "");
    char token[1024];
    snprintf(token, sizeof token, "%s", bx_text(c->body, "\"NextToken\":\""));
    static const struct {
        const char *member, *name;
    } cases[] = {
        {"\"StreamName\":\"s\"", "StreamName"},
        {"\"StreamARN\":\"" ARN "s\"", "StreamARN"},
        {"\"ExclusiveStartShardId\":\"" SHARD(0) "\"", "ExclusiveStartShardId"},
        {"\"StreamCreationTimestamp\":1", "StreamCreationTimestamp"},
        {"\"ShardFilter\":{\"Type\":\"AT_LATEST\"}", "ShardFilter"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[256];
        snprintf(text, sizeof text,
                 "{\"__type\":\"InvalidArgumentException\",\"message\":\"NextToken and %s "
                 "cannot be provided together.\"}",
                 cases[i].name);
        EXPECT_EQ(BX_CALL(&f, c, "ListShards", "{\"NextToken\":\"%s\",%s}", token,
                          cases[i].member),
                  400);
        EXPECT_STR(c->body, text);
    }
    call("RegisterStreamConsumer", "{\"StreamARN\":\"" ARN "s\",\"ConsumerName\":\"c\"}", 200,
         "");
    call("DeleteStream", "{\"StreamName\":\"s\"}", 400,
         "{\"__type\":\"ResourceInUseException\",\"message\":\"DeleteStream can\u2019t delete "
         "000000000000:s because there are consumers associated with this data stream. To delete s "
         "anyway, set the EnforceConsumerDeletion parameter to true to force the deletion of all "
         "the consumers that are associated with it.\"}");
    call("DeleteStream", "{\"StreamName\":\"s\",\"EnforceConsumerDeletion\":true}", 200, "");
    bx_done(&f);
}

TESTS(RUN(words_that_users_look_for), RUN(a_new_stream_is_refused_for_what_does_not_go_together),
      RUN(the_shards_of_an_on_demand_stream_are_its_own),
      RUN(an_account_has_fifty_on_demand_streams), RUN(a_dry_run_finds_out_and_does_nothing),
      RUN(the_size_of_a_record_is_the_streams_own), RUN(a_consumers_names_have_to_agree),
      RUN(a_consumer_has_tags_of_its_own),
      RUN(a_page_of_consumers_goes_on_in_its_own_stream_alone),
      RUN(retention_has_bounds_once_the_stream_is_found),
      RUN(what_is_on_its_way_has_to_be_waited_for),
      RUN(a_name_is_taken_until_its_stream_is_gone),
      RUN(an_operation_of_aws_that_is_not_served_is_told_apart),
      RUN(every_moment_has_shards_for_all_hash_keys),
      RUN(a_subscription_tells_its_own_name_about_a_number),
      RUN(an_iterator_is_of_the_stream_that_is_named_with_it))
