/* A whole Kinesis door on one thread: a store in memory that is turned by hand, a loop that is
 * turned by hand, a clock that only the test moves, and clients over socket pairs. */
#ifndef TESTS_UNIT_BRIDGE_FIXTURE_H
#define TESTS_UNIT_BRIDGE_FIXTURE_H

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include "bridge/bridge.h"
#include "bridge/state.h"
#include "policy/limits.h"
#include "protocol/kinesis/api.gen.h"
#include "protocol/kinesis/sequence.h"
#include "conn_pair.h"
#include "unit/storage/catalog_fixture.h"

enum { BX_CLIENTS_MAX = 8, BX_BYTES_MAX = 24 << 20 };

struct bx_client {
    int fd;                     /* -1: closed */
    bool paused;                /* takes no bytes */
    size_t len;
    char *bytes;                /* all that came since the last request, NUL-terminated */
    char *body;                 /* of the latest answer, NUL-terminated; in bytes */
    enum kinesis_op op;         /* asked; KINESIS_OP_COUNT: none by its name */
};

struct bx {
    struct cx cx;
    struct loop *loop;
    struct limits *limits;
    struct bridge *bridge;
    struct budget budget;
    struct door door;
    struct net_counters counters;
    struct conn_home home;
    struct bx_client clients[BX_CLIENTS_MAX];
    int client_count;
};

/* Opens the store of f->cx again, with a bridge on it. */
static inline void bx_open(struct bx *f, enum limits_profile profile, int64_t stream_create_ms)
{
    EXPECT_OK(cx_start(&f->cx));
    f->loop = loop_new("test");
    f->limits = limits_new(profile);
    struct bridge_options options = {.account_id = "000000000000", .region = "us-east-1",
                                     .shard_limit = 100,
                                     .stream_create_ms = stream_create_ms};
    f->bridge = bridge_new(&options, f->cx.s, f->limits, &f->loop, 1);
    budget_init(&f->budget, 64 << 20);
    f->door = (struct door){.name = "kinesis", .budget = &f->budget,
                            .http = bridge_door(f->bridge)};
    net_limits_init(&f->door.limits);
    net_counters_init(&f->counters, "kinesis");
    f->home = conn_pair_home(f->loop, &f->door, &f->counters);
    f->client_count = 0;
}

static inline void bx_init(struct bx *f)
{
    *f = (struct bx){0};
    cx_init(&f->cx);
    bx_open(f, LIMITS_OFF, 0);
}

static inline void bx_drain(struct bx_client *c)
{
    while (c->fd >= 0 && !c->paused) {
        EXPECT(c->len < BX_BYTES_MAX - 1);
        ssize_t got = recv(c->fd, c->bytes + c->len, BX_BYTES_MAX - 1 - c->len, MSG_DONTWAIT);
        if (got <= 0) break;
        c->len += (size_t)got;
    }
    c->bytes[c->len] = '\0';
}

static inline void bx_loop_turn(struct bx *f)
{
    conn_pair_turn(&f->home);
    for (int i = 0; i < f->client_count; i++) bx_drain(&f->clients[i]);
}

/* Until storage, the loop and the clients have nothing left to tell each other. */
static inline void bx_turn(struct bx *f)
{
    for (int i = 0; i < 8; i++) {
        cx_turn(&f->cx);
        bx_loop_turn(f);
    }
}

/* Virtual time goes by in steps short enough for every timer to be on time. */
static inline void bx_advance(struct bx *f, int64_t ms)
{
    for (int64_t passed = 0; passed < ms; passed += 50) {
        cx_advance_ms(50);
        bx_loop_turn(f);
        cx_turn(&f->cx);
    }
    bx_turn(f);
}

static inline struct bx_client *bx_connect(struct bx *f)
{
    EXPECT(f->client_count < BX_CLIENTS_MAX);
    struct bx_client *c = &f->clients[f->client_count++];
    *c = (struct bx_client){.fd = conn_pair_open(&f->home),
                            .bytes = NEW_ARRAY(char, BX_BYTES_MAX)};
    return c;
}

static inline void bx_disconnect(struct bx_client *c)
{
    if (c->fd >= 0) close(c->fd);
    c->fd = -1;
}

/* The same client at a new connection. */
static inline void bx_reconnect(struct bx *f, struct bx_client *c)
{
    bx_disconnect(c);
    c->fd = conn_pair_open(&f->home);
    c->len = 0;
    c->bytes[0] = '\0';
}

/* Closes everything; what is stored stays for bx_open(). Asserts that nothing is left of any
 * request. */
static inline void bx_close(struct bx *f)
{
    for (int i = 0; i < f->client_count; i++) bx_disconnect(&f->clients[i]);
    for (int i = 0; i < 100 && f->home.count > 0; i++) bx_turn(f);
    EXPECT_EQ(f->home.count, 0);
    bx_turn(f);
    for (int i = 0; i < f->client_count; i++) mem_free(f->clients[i].bytes);
    frame_home_done(&f->home);
    bridge_free(f->bridge);
    cx_stop(&f->cx);
    loop_free(f->loop);
    limits_free(f->limits);
    EXPECT_EQ(atomic_load(&f->budget.used), 0);
}

static inline void bx_restart(struct bx *f)
{
    bx_close(f);
    kv_mem_reopen(f->cx.kv, false);
    bx_open(f, LIMITS_OFF, 0);
}

static inline void bx_done(struct bx *f)
{
    bx_close(f);
    cx_done(&f->cx);
}

/* ---- Requests: HTTP/1.1 and JSON */

#define BX_SIGNED                                                                                  \
    "x-amz-date: 20260101T000000Z\r\n"                                                             \
    "authorization: AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/kinesis/aws4_request, "       \
    "SignedHeaders=host, Signature=0\r\n"

static inline void bx_send_raw(struct bx *f, struct bx_client *c, const char *head,
                               const char *body)
{
    char lines[2048];
    size_t body_len = strlen(body);
    int head_len = snprintf(lines, sizeof lines, "%s%scontent-length: %zu\r\n\r\n", head,
                            strstr(head, "\r\nhost:") ? "" : "host: here\r\n", body_len);
    c->len = 0;
    c->bytes[0] = '\0';
    c->op = KINESIS_OP_COUNT;
    EXPECT_EQ(send(c->fd, lines, (size_t)head_len, MSG_NOSIGNAL), head_len);
    for (size_t sent = 0; sent < body_len;) {
        ssize_t n = send(c->fd, body + sent, body_len - sent, MSG_NOSIGNAL);
        if (n > 0) sent += (size_t)n;
        else bx_loop_turn(f);
    }
}

static inline void bx_send(struct bx *f, struct bx_client *c, const char *operation,
                           const char *body)
{
    char head[1024];
    snprintf(head, sizeof head,
             "POST / HTTP/1.1\r\ncontent-type: application/x-amz-json-1.1\r\nx-amz-target: "
             "Kinesis_20131202.%s\r\n" BX_SIGNED,
             operation);
    bx_send_raw(f, c, head, body);
    c->op = kinesis_op_find(bytes_str(operation));
}

/* Every operation may answer these, which no operation lists. */
static inline bool bx_is_common(const char *exception)
{
    static const char *const common[] = {
        "InternalFailure", "IncompleteSignatureException", "InvalidSignatureException",
        "MissingAuthenticationTokenException", "SerializationException", "ValidationException"};
    for (size_t i = 0; i < sizeof common / sizeof *common; i++)
        if (strcmp(common[i], exception) == 0) return true;
    return false;
}

/* What a client of the operation is told is one of the exceptions that its schema lists: code made
 * of AWS's model knows no other. */
static inline void bx_expect_listed(const struct bx_client *c)
{
    const char *at = strstr(c->body, "\"__type\":\"");
    if (c->op == KINESIS_OP_COUNT || at == NULL) return;
    char exception[64];
    size_t len = strcspn(at += strlen("\"__type\":\""), "\"");
    bytes_to_text(bytes_of(at, len), exception, sizeof exception);
    const struct aws_operation *op = &kinesis_operations[c->op];
    bool listed = bx_is_common(exception);
    for (const char *const *e = op->errors; *e != NULL; e++)
        if (strcmp(*e, exception) == 0) listed = true;
    if (!listed) fail_msg("%s does not list %s", op->name, exception);
}

/* The status of the answer, once all of it is there; 0 before. */
static inline int bx_answered(struct bx_client *c)
{
    char *end = strstr(c->bytes, "\r\n\r\n");
    const char *length = end ? strstr(c->bytes, "content-length: ") : NULL;
    if (length == NULL || length > end) return 0;
    c->body = end + 4;
    if (strlen(c->body) < strtoul(length + 16, NULL, 10)) return 0;
    int status = (int)strtol(c->bytes + 9, NULL, 10);
    if (status != 200) bx_expect_listed(c);
    return status;
}

/* The status of the answer that is waited for; 0: the server closed the connection, or none
 * came. */
static inline int bx_receive(struct bx *f, struct bx_client *c)
{
    int status = 0;
    for (int i = 0; i < 200 && status == 0; i++) {
        bx_turn(f);
        status = bx_answered(c);
    }
    return status;
}

static inline int bx_call(struct bx *f, struct bx_client *c, const char *operation,
                          const char *body)
{
    bx_send(f, c, operation, body);
    return bx_receive(f, c);
}
#define BX_CALL(f, c, operation, ...)                                                              \
    ({                                                                                             \
        char body_[2048];                                                                          \
        snprintf(body_, sizeof body_, __VA_ARGS__);                                                \
        bx_call((f), (c), (operation), body_);                                                     \
    })

/* The text behind `before`, up to the next quote; "" when it is not there. Overwritten by the 8th
 * next call. */
static inline const char *bx_text(const char *in, const char *before)
{
    static char texts[8][1024];
    static int turn;
    char *to = texts[turn++ % 8];
    const char *at = strstr(in, before);
    size_t len = at ? strcspn(at + strlen(before), "\"") : 0;
    EXPECT(len < sizeof texts[0]);
    return bytes_to_text(bytes_of(at ? at + strlen(before) : "", len), to, sizeof texts[0]);
}

static inline int bx_count(const char *in, const char *word)
{
    int count = 0;
    for (const char *at = in; (at = strstr(at, word)) != NULL; at += strlen(word)) count++;
    return count;
}
#define EXPECT_HAS(text, word) EXPECT(strstr((text), (word)) != NULL)
#define EXPECT_LACKS(text, word) EXPECT(strstr((text), (word)) == NULL)

/* ---- Short forms */

static inline void bx_put(struct bx *f, struct bx_client *c, const char *stream,
                          const char *data_base64)
{
    EXPECT_EQ(BX_CALL(f, c, "PutRecord",
                      "{\"StreamName\":\"%s\",\"Data\":\"%s\",\"PartitionKey\":\"k\"}", stream,
                      data_base64),
              200);
}

/* TRIM_HORIZON, LATEST. */
static inline const char *bx_iterator(struct bx *f, struct bx_client *c, const char *stream,
                                      int shard, const char *type)
{
    EXPECT_EQ(
        BX_CALL(
            f, c, "GetShardIterator",
            "{\"StreamName\":\"%s\",\"ShardId\":\"shardId-%012d\",\"ShardIteratorType\":\"%s\"}",
            stream, shard, type),
        200);
    return bx_text(c->body, "\"ShardIterator\":\"");
}

static inline int bx_read(struct bx *f, struct bx_client *c, const char *iterator)
{
    return BX_CALL(f, c, "GetRecords", "{\"ShardIterator\":\"%s\"}", iterator);
}

/* Hash keys in the middle. */
static inline u128 bx_half(void)
{
    return (u128)1 << 127;
}

#endif
