/* Who subscribes to a shard, to another one when that ends, and sometimes leaves and continues. */
#ifndef TESTS_SIM_SUBSCRIBERS_H
#define TESTS_SIM_SUBSCRIBERS_H

#include "sim/readers.h"

static void register_consumer(struct sim *s, struct actor *a)
{
    EXPECT_EQ(BX_CALL(&s->world.bx, a->kinesis, "RegisterStreamConsumer",
                      "{\"StreamARN\":\"arn:aws:kinesis:us-east-1:000000000000:stream/s\","
                      "\"ConsumerName\":\"c\"}"), 200);
    snprintf(a->push.consumer, sizeof a->push.consumer, "%s",
             bx_text(a->kinesis->body, "\"ConsumerARN\":\""));
}

/* From the start of a shard, or where the subscription before ended. */
static void send_subscribe(struct sim *s, struct actor *a, int32_t shard)
{
    struct push *p = &a->push;
    char body[1024];
    bool continues = p->continuation[0] != '\0';
    if (!continues) a->shard = shard;
    p->number = ledger_push_begin(&s->ledger, a->shard, continues ? a->offset : 0);
    p->http_at = p->stream_len = 0;
    p->begun = false;
    p->stream = s->push_stream;
    if (continues)
        snprintf(body, sizeof body,
                 "{\"ConsumerARN\":\"%s\",\"ShardId\":\"shardId-%012d\",\"StartingPosition\":"
                 "{\"Type\":\"%s_SEQUENCE_NUMBER\",\"SequenceNumber\":\"%s\"}}", p->consumer,
                 (int)a->shard, below(s, 2) ? "AT" : "AFTER", p->continuation);
    else
        snprintf(body, sizeof body,
                 "{\"ConsumerARN\":\"%s\",\"ShardId\":\"shardId-%012d\",\"StartingPosition\":"
                 "{\"Type\":\"TRIM_HORIZON\"}}", p->consumer, (int)a->shard);
    bx_send(&s->world.bx, a->kinesis, "SubscribeToShard", body);
}

/* An event: records, and where it goes on, or that the shard is at its end. */
static void see_event(struct sim *s, struct actor *a, const char *text)
{
    const char *each = "\"ApproximateArrivalTimestamp\"";
    const char *next = "\"ContinuationSequenceNumber\":\"";
    for (const char *at = text; (at = strstr(at, each)) != NULL; at++) {
        const char *begin = at;
        while (*begin != '{') begin--;
        struct seen_record r = see_record(s, begin, false);
        if (r.shard != a->shard)
            ledger_wrong(&s->ledger, "a record of shard %d came from %d", (int)r.shard,
                         (int)a->shard);
        ledger_pushed(&s->ledger, a->push.number, r.key, r.offset);
        s->done[SUBSCRIBER]++;
    }
    bool ends = strstr(text, "\"ChildShards\"") != NULL;
    snprintf(a->push.continuation, sizeof a->push.continuation, "%s", bx_text(text, next));
    if (ends == (a->push.continuation[0] != '\0'))
        ledger_wrong(&s->ledger, "an event says both or neither of end and continuation");
    int32_t shard = a->shard;
    a->offset = ends ? INT64_MAX : offset_in(a->push.continuation, &shard);
    ledger_push_is_at(&s->ledger, a->push.number, a->offset);
}

/* Messages that are whole (eventstream.h). */
static void see_messages(struct sim *s, struct actor *a)
{
    struct push *p = &a->push;
    size_t at = 0;
    while (p->stream_len - at >= 16) {
        size_t total = load_be32(p->stream + at), headers = load_be32(p->stream + at + 4);
        EXPECT(total >= 16 + headers && total <= PUSH_BYTES);
        if (p->stream_len - at < total) break;
        uint8_t *end = p->stream + at + total - 4;
        *end = '\0';                /* of the checksum, which tests of the codec look at */
        const char *payload = (const char *)p->stream + at + 12 + headers;
        if (strstr(payload, "\"MillisBehindLatest\"") != NULL) see_event(s, a, payload);
        at += total;
    }
    p->stream_len -= at;
    mem_move(p->stream, p->stream + at, p->stream_len);
}

/* Moves the chunks that are whole into the stream. True: that was the last one. */
static bool take_chunks(struct push *p, const struct bx_client *c)
{
    for (;;) {
        const char *at = c->bytes + p->http_at, *line_end = strstr(at, "\r\n");
        if (line_end == NULL) return false;
        size_t len = strtoul(at, NULL, 16), begin = (size_t)(line_end + 2 - c->bytes);
        if (c->len < begin + len + 2) return false;
        EXPECT(p->stream_len + len <= PUSH_BYTES);
        mem_copy(p->stream + p->stream_len, c->bytes + begin, len);
        p->stream_len += len;
        p->http_at = begin + len + 2;
        if (len == 0) return true;
    }
}

/* False: the subscription is over, or there was none. */
static bool take_push(struct sim *s, struct actor *a)
{
    struct push *p = &a->push;
    struct bx_client *c = a->kinesis;
    if (!p->begun) {
        const char *end = strstr(c->bytes, "\r\n\r\n");
        if (end == NULL) return true;
        if (strncmp(c->bytes, "HTTP/1.1 200", 12) != 0) {
            if (bx_answered(c) == 0) return true;
            if (strstr(c->body, "ResourceInUse") == NULL) p->continuation[0] = '\0';
            return false;
        }
        p->begun = true;
        p->http_at = (size_t)(end + 4 - c->bytes);
    }
    bool over = take_chunks(p, c);
    see_messages(s, a);
    return !over;
}

/* Sometimes it leaves, and comes back at a new connection. */
static void follow_push(struct sim *s, struct actor *a)
{
    a->asks = take_push(s, a);
    if (!a->asks || below(s, 16) > 0) return;
    bx_reconnect(&s->world.bx, a->kinesis);
    if (below(s, 4) == 0) a->push.continuation[0] = '\0';
    a->asks = false;
}

#endif
