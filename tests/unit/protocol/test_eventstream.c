#include "protocol/aws/eventstream.h"
#include <zlib.h>
#include "protocol/kinesis/api.gen.h"
#include "test.h"

static struct writer w;

/* One whole message: lengths and check sums hold. Returns its payload. */
static struct bytes payload(struct bytes message)
{
    EXPECT_EQ(load_be32(message.data), message.len);
    uint32_t headers = load_be32(message.data + 4);
    EXPECT_EQ(load_be32(message.data + 8), crc32(0, message.data, 8));
    EXPECT_EQ(load_be32(message.data + message.len - 4),
              crc32(0, message.data, (uInt)(message.len - 4)));
    return bytes_slice(message, 12 + headers, message.len - 16 - headers);
}

TEST(a_message_has_the_bytes_that_the_format_asks_for)
{
    writer_init(&w, 4096);
    eventstream_message(&w, (struct eventstream_header[]){{"a", "bc"}}, 1, BYTES_LIT("xyz"));
    EXPECT_EQ(w.len, 12 + 7 + 3 + 4);
    EXPECT(memcmp(w.data, "\0\0\0\x1a\0\0\0\x07", 8) == 0);
    EXPECT(memcmp(w.data + 12, "\1a\7\0\2bc" "xyz", 10) == 0);
    EXPECT_BYTES(payload(bytes_of(w.data, w.len)), "xyz");
    writer_done(&w);
}

TEST(an_empty_event_is_as_long_as_that_of_aws)
{
    writer_init(&w, 4096);
    struct kinesis_subscribe_to_shard_event event = {
        .continuation_sequence_number = BYTES_LIT(
            "49680443751690070915816637912640379836780444015761817714"),
    };
    eventstream_event(&w, "SubscribeToShardEvent", &kinesis_subscribe_to_shard_event_shape,
                      &event);
    EXPECT_EQ(w.len, 242);
    EXPECT_BYTES(payload(bytes_of(w.data, w.len)),
                 "{\"ContinuationSequenceNumber\":"
                 "\"49680443751690070915816637912640379836780444015761817714\","
                 "\"MillisBehindLatest\":0,\"Records\":[]}");
    writer_done(&w);
}

TEST(messages_follow_each_other)
{
    writer_init(&w, 4096);
    eventstream_initial_response(&w);
    size_t first = w.len;
    eventstream_exception(&w, "ResourceInUseException", BYTES_LIT("taken over"));
    EXPECT_BYTES(payload(bytes_of(w.data, first)), "{}");
    struct bytes last = bytes_of(w.data + first, w.len - first);
    EXPECT_BYTES(payload(last), "{\"message\":\"taken over\"}");
    EXPECT(memmem(last.data, last.len, ":exception-type\7\0\x16ResourceInUseException", 40) !=
           NULL);
    EXPECT(memmem(last.data, last.len, ":message-type\7\0\x09" "exception", 24) != NULL);
    writer_done(&w);
}

TEST(a_full_writer_stays_poisoned)
{
    writer_init(&w, 64);
    eventstream_initial_response(&w);
    EXPECT_ERR(w.err, ERR_TOO_LARGE);
    writer_done(&w);
}

TESTS(RUN(a_message_has_the_bytes_that_the_format_asks_for),
      RUN(an_empty_event_is_as_long_as_that_of_aws), RUN(messages_follow_each_other),
      RUN(a_full_writer_stays_poisoned))
