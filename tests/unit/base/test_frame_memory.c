/* What connections and their requests may take of memory, and who waits for it. */
#include <sys/resource.h>
#include "frame_fixture.h"

TEST(a_frame_waits_while_the_budget_refuses_and_goes_on_when_it_gives)
{
    start("budget");
    server_start(&s);
    int fd = client_open(s.port);
    budget_fill(&s);
    send_frame(fd, "e asks for bytes that are not there");
    until_counted(&s, s.counters.budget_waits, 2);         /* refused, and asked again */
    EXPECT_EQ(metric_value(s.counters.requests), 0);
    budget_empty(&s);
    expect_frame(fd, "e asks for bytes that are not there");
    close(fd);
    server_stop(&s);
}

/* On a machine so busy that a wait of 5 ms becomes one of 300. */
TEST(who_waits_for_the_budget_is_not_slow)
{
    start("busy");
    time_stop();
    server_start(&s);
    int fd = client_open(s.port);
    client_send(fd, "\0\0\0\x08", 4);
    until_counted(&s, s.counters.bytes_in, 4);
    budget_fill(&s);
    client_text(fd, "e served");
    until_counted(&s, s.counters.budget_waits, 1);
    for (int i = 0; i < 12; i++) time_pass(&s, 300);
    budget_empty(&s);
    time_pass(&s, 300);
    expect_frame(fd, "e served");
    EXPECT_EQ(closed(NET_CLOSE_STALL), 0);
    close(fd);
    server_stop(&s);
}

/* Sizes that are announced and do not come: two hundred times the budget. */
TEST(announced_frames_take_nothing)
{
    start("announced");
    server_start(&s);
    s.budget.limit = 1 << 20;
    int fds[200];
    for (int i = 0; i < 200; i++) {
        fds[i] = client_open(s.port);
        client_send(fds[i], "\0\x10\0\0e", 5);
    }
    until_counted(&s, s.counters.bytes_in, 1000);
    EXPECT_EQ(atomic_load(&s.budget.used), 200);
    EXPECT(atomic_load(&s.budget.announced) <= 1 << 20);
    int other = client_open(s.port);
    send_frame(other, "e served");
    expect_frame(other, "e served");
    for (int i = 0; i < 200; i++) close(fds[i]);
    close(other);
    server_stop(&s);
    EXPECT_EQ(atomic_load(&s.budget.announced), 0);
}

/* The budget is full, and a half frame that comes no further has the way out. Small requests go on;
 * a large one is served once the half frame's connection was closed. */
TEST(who_stands_still_while_others_wait_is_closed)
{
    start("filled");
    server_start(&s);
    s.budget.limit = 1 << 20;
    EXPECT(budget_take(&s.budget, 1 << 20));
    char *large = mem_new(200 << 10);
    for (int i = 0; i + 1 < 200 << 10; i++) large[i] = 'e';
    int half = client_open(s.port), other = client_open(s.port);
    client_send(half, "\0\x0f\0\0", 4);
    client_send(half, large, 100 << 10);
    until_counted(&s, s.counters.bytes_in, 4 + (100 << 10));
    send_frame(other, "e served");
    expect_frame(other, "e served");
    send_frame(other, large);
    uint8_t size[4];
    client_take(other, size, 4);
    client_take(other, large, (200 << 10) - 1);
    EXPECT_EQ(closed(NET_CLOSE_STALL), 1);
    client_expect_end(half);
    close(half), close(other);
    mem_free(large);
    budget_give(&s.budget, 1 << 20);
    server_stop(&s);
}

static void park(void *at)
{
    struct frame_request *rq = held[*(int *)at];
    bool parked = frame_park(rq);
    EXPECT_EQ(parked, *(int *)at == 0);
    if (parked && rq->arena.charged == 0) EXPECT(arena_alloc(&rq->arena, 10000) != NULL);
}

/* Those that wait leave the budget to the others, up to a limit of their own. */
TEST(a_request_that_waits_counts_elsewhere)
{
    start("parked");
    static struct budget waiting;
    budget_init(&waiting, 20000);
    s.door.waiting = &waiting;
    server_start(&s);
    int fds[2] = {client_open(s.port), client_open(s.port)};
    send_frame(fds[0], "h waits");
    until_held(1);
    send_frame(fds[1], "h waits as well");
    until_held(2);
    size_t both = atomic_load(&s.budget.used);
    on_loop(s.loops[0], park, &(int){0});
    EXPECT(atomic_load(&waiting.used) > 10000 && atomic_load(&s.budget.used) < both);
    waiting.limit = atomic_load(&waiting.used);
    on_loop(s.loops[0], park, &(int){1});
    on_loop(s.loops[0], park, &(int){0});        /* again: in vain */
    release_one(0);
    release_one(1);
    expect_frame(fds[0], "h waits");
    expect_frame(fds[1], "h waits as well");
    EXPECT_EQ(atomic_load(&waiting.used), 0);
    close(fds[0]), close(fds[1]);
    server_stop(&s);
}

enum { LARGE_ANSWER = 8 << 20, LARGE_ROOM = 5 * LARGE_ANSWER };

static size_t answer_bytes(const struct frame_door *d, struct bytes body)
{
    (void)d;
    return body.data[0] == 'l' ? LARGE_ANSWER : 10;
}

static void read_queued(void *context)
{
    *(size_t *)context = loop_room(s.loops[0])->queued;
}

/* Thirty clients ask for 8 MiB each and take nothing; there is room for five such answers. */
TEST(large_answers_wait_for_room)
{
    start("room");
    static struct frame_door large;
    large = door;
    large.answer_bytes = answer_bytes;
    large.reply_bytes_max = LARGE_ANSWER;
    s.door.frames = &large;
    server_start(&s);
    loop_room(s.loops[0])->limit = LARGE_ROOM;
    int fds[30];
    for (int i = 0; i < 30; i++) {
        fds[i] = client_open(s.port);
        send_frame(fds[i], "l");
    }
    size_t most = 0, now = 0;
    UNTIL(closed(NET_CLOSE_SLOW) >= 10,
          (on_loop(s.loops[0], read_queued, &now), most = now > most ? now : most));
    EXPECT(most > LARGE_ANSWER && most <= LARGE_ROOM);
    int other = client_open(s.port);
    send_frame(other, "e small");
    expect_frame(other, "e small");
    for (int i = 0; i < 30; i++) close(fds[i]);
    close(other);
    server_stop(&s);
}

static void release_all(void *context)
{
    (void)context;
    for (int i = 0; i < held_count; i++) {
        if (held[i] == NULL) continue;
        frame_abort(TAKE(held[i]));
    }
}

struct pause {
    struct job job;
    int ends[2];
};

/* Holds the loop until the test writes a byte into the pipe. */
static void wait_for_byte(struct job *job)
{
    char byte;
    EXPECT_EQ(read(CONTAINER_OF(job, struct pause, job)->ends[0], &byte, 1), 1);
}

TEST(what_is_read_too_early_is_bounded_over_all_connections)
{
    enum { CONNS = 450, STASH_MAX = 4 << 20, EACH = 256 * 1024 };
    start("stash");
    server_start(&s);
    static int fds[CONNS];
    for (int i = 0; i < CONNS; i++) fds[i] = client_open(s.port);
    until_counted(&s, s.counters.opened, CONNS);
    struct pause pause = {.job.run = wait_for_byte};
    EXPECT_EQ(pipe(pause.ends), 0);
    loop_post(s.loops[0], &pause.job);
    char *many = mem_new(EACH);          /* a request that is held, and thousands behind it */
    for (int i = 0; i < EACH; i += 8) store_be32(many + i, 4), store_be32(many + i + 4, 0x65206565);
    many[4] = 'h';
    int64_t sent = 0;
    for (int i = 0; i < CONNS; i++) {
        ssize_t n = send(fds[i], many, EACH, MSG_DONTWAIT | MSG_NOSIGNAL);
        EXPECT(n > 0);
        sent += n;
    }
    EXPECT(sent > STASH_MAX + (8 << 20));
    EXPECT_EQ(write(pause.ends[1], "x", 1), 1);
    until_held(CONNS);
    for (int i = 0; i < 10; i++) turn_of(s.loops[0]);
    int64_t got = metric_value(s.counters.bytes_in);
    print_message("%ld KiB sent, %ld KiB read\n", (long)(sent / 1024), (long)(got / 1024));
    EXPECT(got > STASH_MAX);
    EXPECT(got < STASH_MAX + EACH + CONNS * 4096);
    for (int i = 0; i < CONNS; i++) close(fds[i]);
    close(pause.ends[0]), close(pause.ends[1]);
    mem_free(many);
    on_loop(s.loops[0], release_all, NULL);
    server_stop(&s);
}

static long memory_kib(void)
{
    long total, resident = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    EXPECT(f != NULL && fscanf(f, "%ld %ld", &total, &resident) == 2);
    fclose(f);
    return resident * (sysconf(_SC_PAGESIZE) / 1024);
}

TEST(ten_thousand_idle_connections_cost_little)
{
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    int count = files.rlim_max < 20200 ? (int)(files.rlim_max - 100) / 2 : 10000;
    start("idlers");
    s.loop_count = 2;
    server_start(&s);
    int *fds = mem_array((size_t)count, sizeof *fds);
    long before_kib = memory_kib();
    for (int i = 0; i < count; i++) {
        fds[i] = client_open(s.port);
        if (i % 2) continue;             /* half of them never send anything */
        send_frame(fds[i], "e hello");
        expect_frame(fds[i], "e hello");
    }
    until_counted(&s, s.counters.opened, count);
    long each_bytes = (memory_kib() - before_kib) * 1024 / count;
    print_message("%d idle connections, %ld bytes each\n", count, each_bytes);
#ifndef DIGLOT_SANITIZED
    EXPECT(each_bytes < 3072);
#endif
    send_frame(fds[count - 1], "e still served");
    expect_frame(fds[count - 1], "e still served");
    for (int i = 0; i < count; i++) close(fds[i]);
    mem_free(fds);
    server_stop(&s);
    EXPECT_EQ(open_count, 0);
}

static void ask_without_memory(void)
{
    int fd = client_open(s.port);
    client_try(fd, "\0\0\0\2e1", 6);
    for (int i = 0; i < 4; i++) turn_of_all(&s);
    close(fd);
    for (int i = 0; i < 4; i++) turn_of_all(&s);
}

static void be_served(void)
{
    int fd = client_open(s.port);
    send_frame(fd, "e2");
    expect_frame(fd, "e2");
    close(fd);
}

TEST(without_memory_a_connection_ends_and_the_next_one_is_served)
{
    start("no_memory");
    s.loop_count = 2;                    /* one hands connections over to the other */
    server_start(&s);
    memory_fails(&s, ask_without_memory, be_served);
    EXPECT(closed(NET_CLOSE_MEMORY) > 0);
    server_stop(&s);
}

TESTS(RUN(a_frame_waits_while_the_budget_refuses_and_goes_on_when_it_gives),
      RUN(who_waits_for_the_budget_is_not_slow), RUN(announced_frames_take_nothing),
      RUN(who_stands_still_while_others_wait_is_closed),
      RUN(a_request_that_waits_counts_elsewhere), RUN(large_answers_wait_for_room),
      RUN(what_is_read_too_early_is_bounded_over_all_connections),
      RUN(ten_thousand_idle_connections_cost_little),
      RUN(without_memory_a_connection_ends_and_the_next_one_is_served))
