/* What a small request waits for, seen by clients that do nothing but ask now and then:
 *
 *   probe PERIOD_MS OUT < SPEC
 *
 * Each line of SPEC is one connection: NAME kafka|http ADDRESS FILE. FILE holds requests, each
 * behind its length (4 bytes, big-endian); they are asked in turn, one each PERIOD_MS. OUT gets a
 * line an answer:
 *
 *   NAME DUE_NS WAIT_NS ok|bad|closed|open
 *
 * DUE_NS is when the request was due by the monotonic clock, WAIT_NS from then on, so that one that
 * could not be sent because the one before it waited counts with what it would have waited. bad:
 * another HTTP status than 200, or a Kafka answer of another size than the first. open: still not
 * answered when SIGTERM ended it. Runs with real-time priority when it may, so that it measures the
 * server and not the scheduler; it sleeps but for some microseconds each period. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>
#include "load.h"
#include "base/mem.h"
#include "base/check.h"

enum { LINES_MAX = 64, TEXT_MAX = 256, ANSWER_MAX = 1 << 20, REQUESTS_MAX = 1 << 16 };

struct line {
    char name[TEXT_MAX];
    struct sockaddr_in to;
    bool is_http;
    const char *requests;               /* of the file */
    size_t requests_len, at;
    char *in;
    size_t len;
    size_t first_len;                   /* of the first answer; 0: none yet */
    int fd;
    bool asked;
    int64_t due_ns;                     /* of what is asked, else of what is asked next */
};

static volatile sig_atomic_t ended;

static void on_end(int signal_number)
{
    (void)signal_number;
    ended = 1;
}

static void dial(struct line *l)
{
    l->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (l->fd < 0 || connect(l->fd, (struct sockaddr *)&l->to, sizeof l->to) != 0)
        fail("%s: cannot connect: %s", l->name, strerror(errno));
    setsockopt(l->fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    fcntl(l->fd, F_SETFL, O_NONBLOCK);
    l->len = 0;
}

static void read_file(struct line *l, const char *path)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL) fail("%s: %s", path, strerror(errno));
    fseek(file, 0, SEEK_END);
    l->requests_len = (size_t)ftell(file);
    rewind(file);
    char *data = mem_array(l->requests_len, 1);
    if (fread(data, 1, l->requests_len, file) != l->requests_len) fail("%s: cut", path);
    fclose(file);
    l->requests = data;
}

static void line_init(struct line *l, char *text)
{
    char kind[TEXT_MAX], host[TEXT_MAX], path[TEXT_MAX];
    unsigned port;
    if (sscanf(text, "%255s %255s %255[^:]:%u %255s", l->name, kind, host, &port, path) != 5)
        fail("not NAME kafka|http ADDRESS FILE: %s", text);
    l->is_http = strcmp(kind, "http") == 0;
    l->to = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    if (inet_pton(AF_INET, host, &l->to.sin_addr) != 1) fail("not an IPv4 address: %s", host);
    l->in = mem_array(ANSWER_MAX + 1, 1);
    read_file(l, path);
    dial(l);
}

static uint32_t be32(const char *at)
{
    uint32_t n = 0;
    for (int i = 0; i < 4; i++) n = n << 8 | (uint8_t)at[i];
    return n;
}

static void ask(struct line *l)
{
    size_t size = be32(l->requests + l->at);
    const char *data = l->requests + l->at + 4;
    if (send(l->fd, data, size, MSG_NOSIGNAL) != (ssize_t)size && errno != EPIPE &&
        errno != ECONNRESET)
        fail("%s: not sent: %s", l->name, strerror(errno));
    l->at = (l->at + 4 + size) % l->requests_len;
    l->asked = true;
}

/* The size of the whole answer at the begin of what came in; 0: not known yet. */
static size_t answer_size(struct line *l)
{
    if (!l->is_http) return l->len < 4 ? 0 : 4 + be32(l->in);
    l->in[l->len] = '\0';
    const char *end = strstr(l->in, "\r\n\r\n");
    if (end == NULL) return 0;
    static const char name[] = "\r\ncontent-length:";
    const char *field = strcasestr(l->in, name);
    bool has_body = field != NULL && field < end;
    size_t body = has_body ? strtoul(field + sizeof name - 1, NULL, 10) : 0;
    return (size_t)(end + 4 - l->in) + body;
}

/* Writes what the answer's request waited, and those that were due behind it meanwhile. */
static void answered(struct line *l, FILE *out, int64_t period_ns, const char *how)
{
    int64_t now = now_ns();
    do {
        fprintf(out, "%s %lld %lld %s\n", l->name, (long long)l->due_ns,
                (long long)(now - l->due_ns), how);
        l->due_ns += period_ns;
    } while (l->due_ns <= now);
    l->asked = false;
}

static const char *judge(struct line *l, size_t size)
{
    if (l->is_http) return strncmp(l->in + strlen("HTTP/1.1 "), "200", 3) == 0 ? "ok" : "bad";
    if (l->first_len == 0) l->first_len = size;
    return size == l->first_len ? "ok" : "bad";
}

static void take(struct line *l, FILE *out, int64_t period_ns)
{
    ssize_t got = recv(l->fd, l->in + l->len, ANSWER_MAX - l->len, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got <= 0) {
        if (l->asked) answered(l, out, period_ns, "closed");
        close(l->fd);
        dial(l);
        return;
    }
    l->len += (size_t)got;
    size_t size = answer_size(l);
    if (size > ANSWER_MAX) fail("%s: an answer of %zu bytes", l->name, size);
    if (size == 0 || l->len < size) return;
    answered(l, out, period_ns, judge(l, size));
    l->len = 0;
}

static void turn(struct line *lines, size_t count, FILE *out, int64_t period_ns)
{
    struct pollfd fds[LINES_MAX];
    int64_t next = INT64_MAX, now = now_ns();
    for (size_t i = 0; i < count; i++) {
        if (!lines[i].asked && lines[i].due_ns <= now) ask(&lines[i]);
        if (!lines[i].asked && lines[i].due_ns < next) next = lines[i].due_ns;
        fds[i] = (struct pollfd){.fd = lines[i].fd, .events = POLLIN};
    }
    int64_t wait_ns = next == INT64_MAX ? NS_PER_S : next - now;
    struct timespec wait = {.tv_sec = wait_ns / NS_PER_S, .tv_nsec = wait_ns % NS_PER_S};
    if (ppoll(fds, count, &wait, NULL) <= 0) return;
    for (size_t i = 0; i < count; i++)
        if (fds[i].revents != 0) take(&lines[i], out, period_ns);
}

int main(int argc, char **argv)
{
    static struct line lines[LINES_MAX];
    size_t count = 0;
    if (argc != 3) fail("usage: see the head of tests/bench/probe.c");
    int64_t period_ns = number(argv[1]) * 1000000;
    FILE *out = fopen(argv[2], "w");
    if (out == NULL) fail("%s: %s", argv[2], strerror(errno));
    char text[4 * TEXT_MAX];
    while (count < LINES_MAX && fgets(text, sizeof text, stdin) != NULL)
        line_init(&lines[count++], text);
    sigaction(SIGTERM, &(struct sigaction){.sa_handler = on_end}, NULL);
    mlockall(MCL_CURRENT);
    sched_setscheduler(0, SCHED_FIFO, &(struct sched_param){.sched_priority = 1});
    int64_t start = now_ns();
    for (size_t i = 0; i < count; i++)          /* not all at once */
        lines[i].due_ns = start + period_ns * (int64_t)(i + 1) / (int64_t)count;
    while (!ended) turn(lines, count, out, period_ns);
    for (size_t i = 0; i < count; i++)
        if (lines[i].asked) answered(&lines[i], out, period_ns, "open");
    fclose(out);
    for (size_t i = 0; i < count; i++) {
        close(lines[i].fd);
        mem_free(lines[i].in);
        mem_free((char *)lines[i].requests);
    }
    return 0;
}
