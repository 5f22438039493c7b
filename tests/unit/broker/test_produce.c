/* Produce requests that cost more than a loop has: what they may unpack together, their order, and
 * batches packed anew. */
#include "protocol/batch/build.h"
#include "protocol/batch/recode.h"
#include "protocol/kafka/msg/create_topics.h"
#include "protocol/kafka/msg/produce.h"
#include "unit/broker/broker_fixture.h"

enum { PARTITIONS = 4, VERSION = 9, MESSAGE_TOO_LARGE = 10, REQUESTS = 24 };

static struct door_fixture door;

/* One record of so many zeros, packed. */
static struct slab *zeros(size_t bytes, enum batch_codec codec)
{
    struct deflater deflater;
    deflater_init(&deflater);
    struct batch_size size;
    batch_size_init(&size, 0);
    batch_size_add(&size, 0, BYTES_NULL, (int64_t)bytes, NULL, 0);
    struct slab *plain = slab_new(NULL, size.bytes), *packed = NULL;
    struct batch_builder b;
    batch_builder_init(&b, plain->data, size.bytes, 0);
    uint8_t *value = batch_builder_reserve(&b, 0, BYTES_NULL, bytes, NULL, 0);
    memset(value, 0, bytes);
    plain->len = batch_builder_finish(&b);
    struct batch_info info;
    batch_read_header(plain->data, &info);
    struct batch_packing to = {.codec = codec, .level = codec == CODEC_ZSTD ? 3 : 9,
                               .bytes_max = 1 << 30};
    struct bytes records = bytes_slice(slab_bytes(plain), BATCH_HEADER_BYTES,
                                       plain->len - BATCH_HEADER_BYTES);
    EXPECT_OK(batch_recode(&info, records, &to, &deflater, NULL, &packed));
    slab_unref(plain);
    deflater_done(&deflater);
    return packed;
}

static void produce(struct client *c, const struct slab *const *batches, int32_t count)
{
    struct produce_request_partition parts[PARTITIONS];
    for (int32_t i = 0; i < count; i++) {
        parts[i] = PRODUCE_REQUEST_PARTITION_INIT;
        parts[i].index = i;
        parts[i].records = slab_bytes(batches[i]);
    }
    struct produce_request_topic topic = PRODUCE_REQUEST_TOPIC_INIT;
    topic.name = BYTES_LIT("t");
    topic.partition_data = parts;
    topic.partition_data_count = count;
    struct produce_request in = PRODUCE_REQUEST_INIT;
    in.acks = -1;
    in.timeout_ms = 30000;
    in.topic_data = &topic;
    in.topic_data_count = 1;
    SEND(c, PRODUCE, produce, VERSION, &in);
}

/* Takes the answer to a request with this correlation id. */
static struct produce_response answer(struct client *c, int32_t correlation)
{
    struct produce_response out;
    int32_t last = c->correlation;
    c->correlation = correlation;
    RECEIVE(c, produce, &out);
    c->correlation = last;
    EXPECT_EQ(out.responses_count, 1);
    return out;
}

/* With topic "t", which has this config. */
static struct client *begin_with(const char *name, const char *value)
{
    door_init(&door);
    door_open(&door);
    struct client *c = client_open(&door);
    struct create_topics_request_config config = CREATE_TOPICS_REQUEST_CONFIG_INIT;
    config.name = bytes_str(name);
    config.value = bytes_str(value);
    struct create_topics_request_topic topic = CREATE_TOPICS_REQUEST_TOPIC_INIT;
    topic.name = BYTES_LIT("t");
    topic.num_partitions = PARTITIONS;
    topic.replication_factor = 1;
    topic.configs = &config;
    topic.configs_count = 1;
    struct create_topics_request in = CREATE_TOPICS_REQUEST_INIT;
    in.topics = &topic;
    in.topics_count = 1;
    struct create_topics_response out;
    EXCHANGE(c, CREATE_TOPICS, create_topics, 7, &in, &out);
    EXPECT_EQ(out.topics[0].error_code, 0);
    return c;
}

static struct client *begin(const char *compression)
{
    return begin_with("compression.type", compression);
}

static void end(struct client *c)
{
    client_close(c);
    door_done(&door);
}

/* 60 MiB each: two fit into what a request may unpack, the third and the fourth do not. */
TEST(the_batches_of_a_request_share_what_it_may_unpack)
{
    struct client *c = begin("producer");
    struct slab *bomb = zeros(60 << 20, CODEC_ZSTD);
    const struct slab *four[PARTITIONS] = {bomb, bomb, bomb, bomb};
    produce(c, four, PARTITIONS);
    struct produce_response out = answer(c, c->correlation);
    for (int i = 0; i < PARTITIONS; i++)
        EXPECT_EQ(out.responses[0].partition_responses[i].error_code,
                  i < 2 ? 0 : MESSAGE_TOO_LARGE);
    EXPECT_EQ(out.responses[0].partition_responses[1].base_offset, 0);
    produce(c, four, 1);                /* the next request has a sum of its own */
    EXPECT_EQ(answer(c, c->correlation).responses[0].partition_responses[0].base_offset, 1);
    slab_unref(bomb);
    end(c);
}

TEST(one_batch_is_refused_beyond_what_any_may_unpack_to)
{
    struct client *c = begin("producer");
    struct slab *most = zeros(INFLATE_BYTES_MAX - 64, CODEC_ZSTD),
                *more = zeros(INFLATE_BYTES_MAX, CODEC_ZSTD);
    const struct slab *one = more;
    produce(c, &one, 1);
    EXPECT_EQ(answer(c, c->correlation).responses[0].partition_responses[0].error_code,
              MESSAGE_TOO_LARGE);
    one = most;
    produce(c, &one, 1);
    EXPECT_EQ(answer(c, c->correlation).responses[0].partition_responses[0].error_code, 0);
    slab_unref(most);
    slab_unref(more);
    end(c);
}

/* The second one is looked at on a codec lane. */
TEST(what_is_wrong_with_records_is_told_from_a_codec_lane_too)
{
    struct client *c = begin_with("message.timestamp.before.max.ms", "1000");
    struct slab *small = zeros(10, CODEC_LZ4), *large = zeros(4 << 20, CODEC_ZSTD);
    const struct slab *two[] = {small, large};
    produce(c, two, 2);
    struct produce_response out = answer(c, c->correlation);
    for (int i = 0; i < 2; i++) {
        const struct produce_response_partition *told = &out.responses[0].partition_responses[i];
        EXPECT_EQ(told->error_code, err_kafka(ERR_INVALID_TIMESTAMP));
        EXPECT_EQ(told->record_errors_count, 1);
        EXPECT(told->record_errors[0].batch_index_error_message.len > 0);
    }
    slab_unref(small);
    slab_unref(large);
    end(c);
}

/* All sent at once: every third one takes a codec lane, and the long one at that. */
static void pipelined(const char *compression, size_t large_bytes)
{
    struct client *c = begin(compression);
    struct slab *large = zeros(large_bytes, CODEC_GZIP), *small = zeros(10, CODEC_LZ4);
    int32_t first = c->correlation + 1;
    for (int i = 0; i < REQUESTS; i++) {
        const struct slab *one = i % 3 == 1 ? large : small;
        produce(c, &one, 1);
    }
    for (int i = 0; i < REQUESTS; i++) {
        struct produce_response out = answer(c, first + i);
        EXPECT_EQ(out.responses[0].partition_responses[0].error_code, 0);
        EXPECT_EQ(out.responses[0].partition_responses[0].base_offset, i);
    }
    slab_unref(large);
    slab_unref(small);
    end(c);
}

TEST(requests_of_a_connection_keep_their_order_when_one_takes_longer)
{
    pipelined("producer", 17 << 20);
}

TEST(so_they_do_when_one_is_packed_anew)
{
    pipelined("zstd", 3 << 20);
}

/* Whoever leaves while its batches are checked, or packed anew, leaves nothing behind that keeps
 * the server. */
static void leave(const char *compression, size_t bytes, int32_t count)
{
    struct client *c = begin(compression);
    struct slab *large = zeros(bytes, CODEC_GZIP);
    const struct slab *all[PARTITIONS];
    for (int32_t i = 0; i < count; i++) all[i] = large;
    for (int i = 0; i < 4; i++) {
        struct client *leaver = client_open(&door);
        produce(leaver, all, count);
        client_close(leaver);
    }
    struct slab *small = zeros(10, CODEC_LZ4);
    const struct slab *one = small;
    produce(c, &one, 1);
    EXPECT_EQ(answer(c, c->correlation).responses[0].partition_responses[0].error_code, 0);
    slab_unref(large);
    slab_unref(small);
    client_close(c);
    listener_close(door.listener, 0);
    for (uint32_t i = 0; i < DOOR_LOOPS; i++) loop_stop(door.loops[i]);
    store_finish(door.store, door.loops, DOOR_LOOPS);
    broker_free(door.broker);
    store_close(door.store);
    for (uint32_t i = 0; i < DOOR_LOOPS; i++) loop_free(door.loops[i]);
    listener_free(door.listener);
    EXPECT_EQ(atomic_load(&door.budget.used), 0);
    kv_close(door.kv);
}

TEST(a_client_that_leaves_is_forgotten)
{
    leave("producer", 60 << 20, 1);
}

TEST(so_is_what_was_packed_anew_for_one)
{
    leave("zstd", 20 << 20, PARTITIONS);
}

/* In a map of partitions the last one counts: the broken ones in front of it are not looked at. */
TEST(of_a_partition_that_is_named_twice_the_last_records_count)
{
    struct client *c = begin("producer");
    struct slab *small = zeros(10, CODEC_LZ4);
    static const int32_t indexes[] = {0, 1, 0, 0};
    struct produce_request_partition parts[4];
    for (int i = 0; i < 4; i++) {
        parts[i] = PRODUCE_REQUEST_PARTITION_INIT;
        parts[i].index = indexes[i];
        parts[i].records = i == 1 || i == 3 ? slab_bytes(small) : BYTES_LIT("no batch");
    }
    struct produce_request_topic topics[2] = {PRODUCE_REQUEST_TOPIC_INIT,
                                              PRODUCE_REQUEST_TOPIC_INIT};
    topics[0].name = topics[1].name = BYTES_LIT("t");
    topics[0].partition_data = parts;
    topics[0].partition_data_count = 3;
    topics[1].partition_data = &parts[3];
    topics[1].partition_data_count = 1;
    struct produce_request in = PRODUCE_REQUEST_INIT;
    in.acks = -1;
    in.timeout_ms = 30000;
    in.topic_data = topics;
    in.topic_data_count = 2;
    SEND(c, PRODUCE, produce, VERSION, &in);
    struct produce_response out = answer(c, c->correlation);
    EXPECT_EQ(out.responses[0].partition_responses_count, 2);
    for (int i = 0; i < 2; i++) {
        EXPECT_EQ(out.responses[0].partition_responses[i].index, i);
        EXPECT_EQ(out.responses[0].partition_responses[i].error_code, 0);
        EXPECT_EQ(out.responses[0].partition_responses[i].base_offset, 0);
    }
    const struct slab *one = small;
    produce(c, &one, 1);
    EXPECT_EQ(answer(c, c->correlation).responses[0].partition_responses[0].base_offset, 1);
    slab_unref(small);
    end(c);
}

TESTS(RUN(what_is_wrong_with_records_is_told_from_a_codec_lane_too),
      RUN(the_batches_of_a_request_share_what_it_may_unpack),
      RUN(one_batch_is_refused_beyond_what_any_may_unpack_to),
      RUN(requests_of_a_connection_keep_their_order_when_one_takes_longer),
      RUN(so_they_do_when_one_is_packed_anew), RUN(a_client_that_leaves_is_forgotten),
      RUN(so_is_what_was_packed_anew_for_one),
      RUN(of_a_partition_that_is_named_twice_the_last_records_count))
