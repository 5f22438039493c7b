/* Load on a Kinesis server, as JSON over raw HTTP/1.1, one kind of work a run:
 *
 *   put  ADDRESS STREAM SECONDS CONNECTIONS RECORDS SIZE   PutRecords as fast as it goes
 *   get  ADDRESS STREAM SHARDS                every shard from TRIM_HORIZON to its tip
 *   poll ADDRESS STREAM COUNT                 PutRecord until GetRecords brings it
 *   push ADDRESS STREAM COUNT CONSUMER_ARN    PutRecord until SubscribeToShard brings it
 *
 * Prints one line of name=value pairs. An answer that is no success ends the run: a rate with
 * errors in it means nothing. No SDK: at these rates the client would be what is measured. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>
#include "load.h"
#include "base/mem.h"
#include "base/check.h"

enum {
    CONNECTIONS_MAX = 64, BODIES = 16, HEAD_MAX = 1024, ANSWER_MAX = 32 << 20, RECORD_EXTRA = 64,
    WAIT_MS = 30000
};

struct connection {
    int fd;
    char *in;                   /* NUL-terminated at len */
    size_t len;
};

static struct connection dial(const char *address)
{
    const char *colon = strrchr(address, ':');
    char host[64];
    if (colon == NULL || (size_t)(colon - address) >= sizeof host)
        fail("not HOST:PORT: %s", address);
    mem_copy(host, address, (size_t)(colon - address));
    host[colon - address] = '\0';
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)number(colon + 1))};
    struct connection c = {.fd = socket(AF_INET, SOCK_STREAM, 0),
                           .in = mem_array(ANSWER_MAX + 1, 1)};
    if (inet_pton(AF_INET, host, &to.sin_addr) != 1) fail("not an IPv4 address: %s", host);
    if (connect(c.fd, (struct sockaddr *)&to, sizeof to) != 0)
        fail("cannot connect to %s", address);
    setsockopt(c.fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    return c;
}

static void hang_up(struct connection *c)
{
    close(c->fd);
    mem_free(c->in);
}

static void send_all(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t sent = send(fd, data, len, MSG_NOSIGNAL);
        if (sent <= 0) fail("the server closed the connection");
        data += sent;
        len -= (size_t)sent;
    }
}

static void send_call(struct connection *c, const char *operation, const char *body, size_t len)
{
    char head[HEAD_MAX];
    int n = snprintf(
        head, sizeof head,
        "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-amz-json-1.1\r\n"
        "X-Amz-Target: Kinesis_20131202.%s\r\nX-Amz-Date: 20260101T000000Z\r\n"
        "Authorization: AWS4-HMAC-SHA256 Credential=load/20260101/us-east-1/kinesis/aws4_request, "
        "SignedHeaders=host;x-amz-date, Signature=%064d\r\nContent-Length: %zu\r\n\r\n",
        operation, 0, len);
    send_all(c->fd, head, (size_t)n);
    send_all(c->fd, body, len);
}

static void receive(struct connection *c)
{
    if (c->len == ANSWER_MAX) fail("an answer is too long");
    ssize_t n = recv(c->fd, c->in + c->len, ANSWER_MAX - c->len, 0);
    if (n <= 0) fail("the server closed the connection");
    c->len += (size_t)n;
    c->in[c->len] = '\0';
}

/* The body of an answer that is there as a whole, else NULL. */
static const char *answer_body(const struct connection *c)
{
    const char *end = strstr(c->in, "\r\n\r\n");
    if (c->len == 0 || end == NULL) return NULL;
    if (strncmp(c->in, "HTTP/1.1 200", 12) != 0) fail("refused: %.500s", c->in);
    const char *length = strcasestr(c->in, "\r\ncontent-length:");
    if (length == NULL || length > end) fail("an answer without a length: %.300s", c->in);
    size_t body = (size_t)(end + 4 - c->in), wanted = (size_t)strtoull(length + 17, NULL, 10);
    if (c->len < body + wanted) return NULL;
    if (c->len > body + wanted) fail("bytes behind an answer");
    return c->in + body;
}

static const char *call(struct connection *c, const char *operation, const char *body)
{
    const char *answer;
    c->len = 0;
    send_call(c, operation, body, strlen(body));
    do receive(c);
    while ((answer = answer_body(c)) == NULL);
    return answer;
}

/* The text member of that name; false when it is not there or null. */
static bool member(const char *json, const char *name, char *to, size_t cap)
{
    char quoted[64];
    snprintf(quoted, sizeof quoted, "\"%s\":\"", name);
    const char *at = strstr(json, quoted);
    if (at == NULL) return false;
    at += strlen(quoted);
    size_t len = strcspn(at, "\"");
    if (len >= cap) fail("%s is too long", name);
    mem_copy(to, at, len);
    to[len] = '\0';
    return true;
}

static size_t put_body(char *to, size_t cap, const char *stream, int64_t records, int64_t size)
{
    int n = snprintf(to, cap, "{\"StreamName\":\"%s\",\"Records\":[", stream);
    for (int64_t i = 0; i < records; i++) {
        n += snprintf(to + n, cap - (size_t)n, "%s{\"Data\":\"", i ? "," : "");
        /* The bits that padding leaves over must be zero: the last group is of 'A' alone. */
        for (int64_t j = 0, chars = (size + 2) / 3 * 4, padding = (3 - size % 3) % 3; j < chars;
             j++)
            to[n++] = j >= chars - padding ? '='
                      : j >= chars - 4     ? 'A'
                                           : (char)('A' + (i + j) % 26);
        n += snprintf(to + n, cap - (size_t)n, "\",\"PartitionKey\":\"%08lx\"}", random());
    }
    return (size_t)n + (size_t)snprintf(to + n, cap - (size_t)n, "]}");
}

static void put(char **args)
{
    int64_t seconds = number(args[2]), count = number(args[3]), records = number(args[4]),
            size = number(args[5]);
    struct connection connections[CONNECTIONS_MAX];
    struct pollfd polled[CONNECTIONS_MAX];
    char *bodies[BODIES];
    size_t lengths[BODIES],
        cap = HEAD_MAX + (size_t)records * ((size_t)size * 4 / 3 + RECORD_EXTRA);
    int64_t answered = 0, sent = 0, start_ns = now_ns(), waiting = count;
    if (count > CONNECTIONS_MAX) fail("too many connections");
    for (int i = 0; i < BODIES; i++) {
        bodies[i] = mem_array(cap, 1);
        lengths[i] = put_body(bodies[i], cap, args[1], records, size);
    }
    for (int64_t i = 0; i < count; i++) {
        connections[i] = dial(args[0]);
        polled[i] = (struct pollfd){.fd = connections[i].fd, .events = POLLIN};
        send_call(&connections[i], "PutRecords", bodies[sent % BODIES], lengths[sent % BODIES]);
        sent++;
    }
    while (waiting > 0) {
        if (poll(polled, (nfds_t)count, WAIT_MS) <= 0) fail("no answer in time");
        for (int64_t i = 0; i < count; i++) {
            if (polled[i].revents == 0) continue;
            receive(&connections[i]);
            const char *answer = answer_body(&connections[i]);
            if (answer == NULL) continue;
            if (strstr(answer, "\"FailedRecordCount\":0") == NULL)
                fail("records failed: %.300s", answer);
            answered++;
            connections[i].len = 0;
            if (now_ns() - start_ns < seconds * NS_PER_S) {
                send_call(&connections[i], "PutRecords", bodies[sent % BODIES],
                          lengths[sent % BODIES]);
                sent++;
            } else {
                waiting--;
            }
        }
    }
    printf("records=%lld seconds=%.3f bytes=%lld\n", (long long)(answered * records),
           seconds_since(start_ns), (long long)(answered * records * size));
    for (int64_t i = 0; i < count; i++) hang_up(&connections[i]);
    for (int i = 0; i < BODIES; i++) mem_free(bodies[i]);
}

static void iterator(struct connection *c, const char *stream, int64_t shard, const char *type,
                     char *to, size_t cap)
{
    char body[HEAD_MAX];
    snprintf(body, sizeof body,
             "{\"StreamName\":\"%s\",\"ShardId\":\"shardId-%012lld\",\"ShardIteratorType\":\"%s\"}",
             stream, (long long)shard, type);
    if (!member(call(c, "GetShardIterator", body), "ShardIterator", to, cap)) fail("no iterator");
}

static int64_t count_of(const char *text, const char *part)
{
    int64_t count = 0;
    for (size_t len = strlen(part); (text = strstr(text, part)) != NULL; text += len) count++;
    return count;
}

static void get(char **args)
{
    int64_t records = 0, calls = 0, start_ns = now_ns();
    struct connection c = dial(args[0]);
    char at[HEAD_MAX], body[2 * HEAD_MAX];
    for (int64_t shard = 0; shard < number(args[2]); shard++) {
        iterator(&c, args[1], shard, "TRIM_HORIZON", at, sizeof at);
        for (;;) {
            snprintf(body, sizeof body, "{\"ShardIterator\":\"%s\"}", at);
            const char *answer = call(&c, "GetRecords", body);
            int64_t found = count_of(answer, "\"PartitionKey\":");
            calls++;
            records += found;
            if (found == 0 || !member(answer, "NextShardIterator", at, sizeof at)) break;
        }
    }
    printf("records=%lld calls=%lld seconds=%.3f\n", (long long)records, (long long)calls,
           seconds_since(start_ns));
    hang_up(&c);
}

static void send_one(struct connection *c, const char *stream)
{
    char body[HEAD_MAX];
    int n = snprintf(body, sizeof body,
                     "{\"StreamName\":\"%s\",\"PartitionKey\":\"k\",\"Data\":\"%0*d\"}", stream,
                     136, 0);
    c->len = 0;
    send_call(c, "PutRecord", body, (size_t)n);
}

/* Times records one by one, from PutRecord until arrive() has seen it at the reader; hangs up. */
static void time_records(char **args, struct connection *reader, char *iterator,
                         void (*arrive)(struct connection *reader, char *iterator))
{
    int64_t count = number(args[2]), *latency_ns = NEW_ARRAY(int64_t, (size_t)count);
    struct connection writer = dial(args[0]);
    for (int64_t i = 0; i < count; i++) {
        int64_t start_ns = now_ns();
        send_one(&writer, args[1]);
        arrive(reader, iterator);
        latency_ns[i] = now_ns() - start_ns;
        while (answer_body(&writer) == NULL) receive(&writer);
    }
    print_latency(latency_ns, (size_t)count);
    mem_free(latency_ns);
    hang_up(&writer);
    hang_up(reader);
}

/* Asks again as soon as it was answered, while the record is on its way. */
static void arrive_polled(struct connection *reader, char *iterator)
{
    char body[2 * HEAD_MAX];
    for (int64_t found = 0; found == 0;) {
        snprintf(body, sizeof body, "{\"ShardIterator\":\"%s\"}", iterator);
        const char *answer = call(reader, "GetRecords", body);
        found = count_of(answer, "\"PartitionKey\":");
        if (!member(answer, "NextShardIterator", iterator, HEAD_MAX)) fail("the shard ended");
    }
}

static void poll_reader(char **args)
{
    struct connection reader = dial(args[0]);
    char at[HEAD_MAX];
    iterator(&reader, args[1], 0, "LATEST", at, sizeof at);
    time_records(args, &reader, at, arrive_polled);
}

/* The bytes of the stream are searched, not parsed: a record's key ends each of its events. */
static void arrive_pushed(struct connection *reader, char *iterator)
{
    static const char KEY[] = "\"PartitionKey\":";
    (void)iterator;
    reader->len = 0;
    while (memmem(reader->in, reader->len, KEY, sizeof KEY - 1) == NULL) receive(reader);
}

static void push_reader(char **args)
{
    struct connection reader = dial(args[0]);
    char body[2 * HEAD_MAX];
    int n = snprintf(body, sizeof body,
                     "{\"ConsumerARN\":\"%s\",\"ShardId\":\"shardId-000000000000\","
                     "\"StartingPosition\":{\"Type\":\"LATEST\"}}",
                     args[3]);
    send_call(&reader, "SubscribeToShard", body, (size_t)n);
    while (memmem(reader.in, reader.len, "initial-response", 16) == NULL) {
        receive(&reader);
        if (strncmp(reader.in, "HTTP/1.1 200", reader.len < 12 ? reader.len : 12) != 0)
            fail("refused: %.300s", reader.in);
    }
    time_records(args, &reader, NULL, arrive_pushed);
}

int main(int argc, char **argv)
{
    static const struct work works[] = {
        {"put", 6, put}, {"get", 3, get}, {"poll", 3, poll_reader}, {"push", 4, push_reader}};
    return run_work(works, sizeof works / sizeof works[0], argc, argv,
                    "tests/bench/load_kinesis.c");
}
