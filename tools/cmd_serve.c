/* `diglot serve`: the composition root. Opens the data directory, makes the loops, the broker, the
 * bridge and the admin door, prints where they listen, and waits for a signal.
 *
 * Stop: SIGTERM or SIGINT closes the doors, which finish what they accepted; then the threads of
 * the loops and of storage end, what is still in their mailboxes runs to its end on the main one,
 * and all is freed in the opposite order, so that nothing outlives what it uses. A second signal
 * ends the process at once: by then only what was never acknowledged is lost. */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include "base/budget.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "base/uuid.h"
#include "base/net/listener.h"
#include "base/net/peers.h"
#include "bridge/bridge.h"
#include "bridge/meter.h"
#include "broker/broker.h"
#include "broker/metrics/collect.h"
#include "policy/limits.h"
#include "storage/store.h"
#include "tools/admin.h"
#include "tools/commands.h"
#include "tools/directory.h"
#include "tools/memory.h"
#include "tools/settings.h"
#include "base/check.h"

enum { DESCRIPTORS_KEPT = 1024, ADMIN_CONNECTIONS_MAX = 256 };
enum {
    LOOPS_MAX = 64, LISTENERS_MAX = 16, STOP_GRACE_MS = 10000, MIB = 1 << 20, LOOPS_DEFAULT_MAX = 4
};
enum { ADDRESS_TEXT_BYTES = NET_HOST_BYTES + 10 };

struct server {
    struct settings settings;
    struct store *store;
    struct budget requests;
    struct budget waiting;               /* requests that wait for others: long polls, joins */
    struct budget sessions;              /* of connections: TLS, HTTP */
    struct budget connections;           /* of the Kafka and the Kinesis door */
    struct peers *peers;                 /* of the same; NULL: no limit */
    struct tls *tls;
    struct tls_start *tls_start;         /* until open_tls() */
    struct tls_config tls_config;
    char tls_dir[4096];
    struct loop *loops[LOOPS_MAX];
    uint32_t loop_count;
    struct broker *broker;
    struct limits *limits;
    struct bridge *bridge;
    struct admin admin;
    struct http_access access;
    char hosts[4096];                    /* names of this server's, with commas */
    struct listener *listeners[LISTENERS_MAX];
    uint32_t listener_count;
};

static const char *address_text(const struct net_address *a, char to[ADDRESS_TEXT_BYTES])
{
    snprintf(to, ADDRESS_TEXT_BYTES, strchr(a->host, ':') ? "[%s]:%u" : "%s:%u", a->host, a->port);
    return to;
}

static long cores(void)
{
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n > 0 ? n : 1;
}

static enum log_level log_level_of(const char *name)
{
    static const char *const names[] = {"debug", "info", "warn", "error"};
    int level = 0;
    while (level < LOG_ERROR && strcmp(names[level], name) != 0) level++;
    return (enum log_level)level;
}

/* Ten thousand connections want as many descriptors; the soft limit is often 1024. Returns how many
 * connections there is room for: a store that finds none left for a file of its own stops
 * writing. */
static size_t raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return DESCRIPTORS_KEPT / 2;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_max == RLIM_INFINITY) return SIZE_MAX;
    return limit.rlim_max > 2 * DESCRIPTORS_KEPT ? limit.rlim_max - DESCRIPTORS_KEPT
                                                 : limit.rlim_max / 2;
}

static int worker_count(const struct settings *set)
{
    long count = set->workers ? (long)set->workers : cores() / 2;
    if (count > STORE_THREADS_MAX) return STORE_THREADS_MAX;
    return count > 0 ? (int)count : 1;
}

static enum err open_store(struct server *s)
{
    const struct settings *set = &s->settings;
    struct store_options options;
    settings_store(set, &options);
    options.data_dir = set->data_dir;
    options.worker_count = worker_count(set);
    options.durability_power = strcmp(set->durability, "power") == 0;
    char *text = NULL;
    enum err err = store_open(&options, &s->store, &text);
    if (err != ERR_OK) directory_complain(set->data_dir, err, text);
    mem_free(text);
    return err;
}

/* Beside the opening of the store: both take some milliseconds. */
static void begin_tls(struct server *s)
{
    const struct settings *set = &s->settings;
    snprintf(s->tls_dir, sizeof s->tls_dir, "%s/tls", set->data_dir);
    bool given = set->tls_cert[0] != '\0';
    s->tls_config = (struct tls_config){
        .cert_path = given ? set->tls_cert : NULL, .key_path = given ? set->tls_key : NULL,
        .dir = s->tls_dir};
    s->tls_start = tls_start(&s->tls_config);
}

static enum err open_tls(struct server *s, bool stored)
{
    enum err err = tls_started(TAKE(s->tls_start), &s->tls);
    if (err != ERR_OK && s->settings.tls_cert[0] != '\0')
        fprintf(stderr,
                "diglot: --tls-cert %s and --tls-key %s cannot be used: they must be PEM files "
                "that belong together\n",
                s->settings.tls_cert, s->settings.tls_key);
    else if (err != ERR_OK && stored)
        fprintf(stderr,
                "diglot: the certificates in %s cannot be used; without that folder new ones are "
                "made at the next start\n",
                s->tls_dir);
    return err;
}

static void make_loops(struct server *s)
{
    long count = s->settings.loops ? (long)s->settings.loops : cores();
    if (s->settings.loops == 0 && count > LOOPS_DEFAULT_MAX) count = LOOPS_DEFAULT_MAX;
    for (long i = 0; i < count; i++) {
        char name[32];
        snprintf(name, sizeof name, "loop-%ld", i);
        s->loops[i] = loop_new(name);
        loop_index_set(s->loops[i], (uint32_t)i);
        loop_room(s->loops[i])->limit = (size_t)s->settings.answer_memory_mib * MIB / (size_t)count;
        s->loop_count++;
    }
}

/* The item at this place of a list with commas; empty behind its end. Into to. */
static const char *item_of(const char *list, int at, char *to, size_t cap)
{
    for (; at > 0 && list != NULL; at--) {
        list = strchr(list, ',');
        if (list != NULL) list++;
    }
    size_t len = list ? strcspn(list, ",") : 0;
    return bytes_to_text(bytes_of(list, len), to, cap);
}

/* The names under which this server is reached: those that it was told, and those where it listens
 * and that it tells. */
static void set_access(struct server *s)
{
    const struct settings *set = &s->settings;
    const char *lists[] = {set->kinesis, set->admin, set->kafka, set->advertised_kafka};
    size_t len = (size_t)snprintf(s->hosts, sizeof s->hosts, "%s", set->http_hosts);
    s->access = (struct http_access){
        .origins = set->cors_origins, .hosts = s->hosts,
        .any_host = set->listen_beyond_loopback && set->http_hosts[0] == '\0'};
    if (s->access.any_host) s->access.hosts = NULL;
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        char item[NET_HOST_BYTES + 8];
        struct net_address a;
        for (int at = 0; item_of(lists[i], at, item, sizeof item)[0] != '\0'; at++)
            if (net_address_parse(item, &a) == ERR_OK && len < sizeof s->hosts)
                len += (size_t)snprintf(s->hosts + len, sizeof s->hosts - len, ",%s", a.host);
    }
}

static void make_doors(struct server *s)
{
    const struct settings *set = &s->settings;
    struct broker_options broker;
    settings_broker(set, &broker);
    s->broker = broker_new(&broker, s->store, s->loops, s->loop_count);
    set_access(s);
    s->limits = limits_new(strcmp(set->limits, "kinesis") == 0 ? LIMITS_KINESIS : LIMITS_OFF);
    struct bridge_options bridge = {
        .account_id = set->account_id, .region = set->region,
        .access = &s->access,
        .shard_limit = (int32_t)set->shard_limit, .stream_create_ms = set->stream_create_ms};
    s->bridge = bridge_new(&bridge, s->store, s->limits, s->loops, s->loop_count);
    metrics_collector(broker_collect, s->broker);
    metrics_collector(bridge_collect, s->bridge);
    admin_init(&s->admin, s->store, s->broker, &s->access);
}

static void set_limits(struct server *s, struct door *door)
{
    struct net_limits *l = &door->limits;
    settings_limits(&s->settings, l);
    door->conns = &s->connections;
    door->peers = s->peers;
    door->sessions = &s->sessions;
    if (door->http != &s->admin.door) return;
    door->peers = NULL;
    door->sessions = NULL;
    door->conns = NULL;                  /* whoever looks after a full server gets in */
    if (l->conns_max > ADMIN_CONNECTIONS_MAX) l->conns_max = ADMIN_CONNECTIONS_MAX;
}

/* Opens one address, and says where it is. */
static enum err listen_on(struct server *s, const char *name, const char *address,
                          const struct frame_door *frames, const struct http_door *http)
{
    struct door door = {.name = name, .budget = &s->requests, .waiting = &s->waiting,
                        .tls = s->tls, .frames = frames,
                        .http = http};
    set_limits(s, &door);
    if (s->listener_count == LISTENERS_MAX) {
        fprintf(stderr,
                "diglot: --%s %s: that is one address more than the %d that can be listened on\n",
                name, address, LISTENERS_MAX);
        return ERR_CONFIG;
    }
    struct listener **slot = &s->listeners[s->listener_count];
    if (listener_open(address, &door, s->loops, s->loop_count, slot) != ERR_OK) {
        fprintf(stderr,
                "diglot: --%s %s: cannot listen there, for the reason above; end what uses the "
                "port, or give another one (0 takes a free one)\n",
                name, address);
        return ERR_CONFIG;
    }
    s->listener_count++;
    struct net_address real;
    char text[ADDRESS_TEXT_BYTES];
    listener_address(*slot, &real);
    printf("%s %s\n", name, address_text(&real, text));
    return ERR_OK;
}

/* Nothing may be open to other machines without leave. */
static bool may_listen(const struct server *s, const char *name, const char *address)
{
    struct net_address asked;
    if (s->settings.listen_beyond_loopback || net_address_parse(address, &asked) != ERR_OK ||
        net_address_is_loopback(&asked))
        return true;
    fprintf(stderr,
            "diglot: --%s %s would be open to other machines, and nothing asks them who they are; "
            "add --listen-beyond-loopback if that is wanted\n",
            name, address);
    return false;
}

/* What settings say together, before anything is made or opened: how to use diglot, not its
 * fate. */
static bool settings_fit(const struct server *s)
{
    const struct settings *set = &s->settings;
    char address[NET_HOST_BYTES + 8];
    for (int i = 0; item_of(set->kafka, i, address, sizeof address)[0] != '\0'; i++)
        if (!may_listen(s, "kafka", address)) return false;
    if (!may_listen(s, "kinesis", set->kinesis) || !may_listen(s, "admin", set->admin))
        return false;
    if ((set->tls_cert[0] == '\0') == (set->tls_key[0] == '\0')) return true;
    fprintf(stderr, "diglot: --tls-cert and --tls-key belong together: give both or none\n");
    return false;
}

static enum err open_kafka(struct server *s)
{
    char address[NET_HOST_BYTES + 8], told[NET_HOST_BYTES + 8];
    for (int i = 0; item_of(s->settings.kafka, i, address, sizeof address)[0] != '\0'; i++) {
        struct net_address advertised = {0};
        item_of(s->settings.advertised_kafka, i, told, sizeof told);
        if (told[0] != '\0') TRY(net_address_parse(told, &advertised));
        TRY(listen_on(s, "kafka", address, broker_door_new(s->broker, &advertised), NULL));
        struct net_address real;
        listener_address(s->listeners[s->listener_count - 1], &real);
        broker_listens(s->broker, &real);
    }
    return ERR_OK;
}

static enum err open_doors(struct server *s)
{
    TRY(open_kafka(s));
    TRY(listen_on(s, "kinesis", s->settings.kinesis, NULL, bridge_door(s->bridge)));
    return listen_on(s, "admin", s->settings.admin, NULL, &s->admin.door);
}

static void print_hints(const struct server *s)
{
    struct net_address kafka, kinesis;
    char kafka_text[ADDRESS_TEXT_BYTES], kinesis_text[ADDRESS_TEXT_BYTES];
    listener_address(s->listeners[0], &kafka);
    listener_address(s->listeners[s->listener_count - 2], &kinesis);
    int64_t conns = 2 * s->settings.connections_max;
    if (s->connections.limit < (size_t)conns) conns = (int64_t)s->connections.limit;
    printf("memory at most %lld MiB\n",
           (long long)(memory_sum(&s->settings, s->loop_count, conns) / MIB));
    printf("\ntry:  kcat -b %s -L\n"
           "      AWS_ACCESS_KEY_ID=x AWS_SECRET_ACCESS_KEY=x aws --region %s --endpoint-url "
           "http://%s kinesis list-streams\n"
           "data in %s, TLS on the same ports (trust %s/tls/ca.pem); Ctrl-C stops\n",
           address_text(&kafka, kafka_text), s->settings.region,
           address_text(&kinesis, kinesis_text), s->settings.data_dir, s->settings.data_dir);
    fflush(stdout);
}

/* All of them at once, with one time of grace; but the admin door, the last one, goes on telling
 * that the server stops. */
static void close_doors(struct server *s)
{
    int64_t end_ms = clock_mono_ms() + STOP_GRACE_MS;
    for (uint32_t i = 0; i + 1 < s->listener_count; i++) listener_stop(s->listeners[i]);
    for (uint32_t i = 0; i < s->listener_count; i++) {
        int64_t left_ms = end_ms - clock_mono_ms();
        listener_close(s->listeners[i], left_ms > 0 ? (uint32_t)left_ms : 0);
    }
}

/* Where the disk takes no more writes nothing is left to do but to sync what it took. RocksDB's
 * close would wait, as RocksDB sleeps for a second after each table that it could not write. */
static void leave_full_disk(const struct server *s, int code)
{
    struct kv *kv = store_kv(s->store);
    if (!kv_writes_stopped(kv)) return;
    (void)!kv_sync_now(kv);
    fflush(stdout);
    _exit(code);
}

static void close_all(struct server *s, int code)
{
    atomic_store(&s->admin.ready, false);
    close_doors(s);
    for (uint32_t i = 0; i < s->loop_count; i++) loop_stop(s->loops[i]);
    /* Requests of clients that left may be on their way between loops and storage: they come to
     * their end before either goes. */
    store_finish(s->store, s->loops, s->loop_count);
    leave_full_disk(s, code);
    bridge_free(s->bridge);
    broker_free(s->broker);
    store_close(s->store);
    for (uint32_t i = 0; i < s->loop_count; i++) loop_free(s->loops[i]);
    for (uint32_t i = 0; i < s->listener_count; i++) listener_free(s->listeners[i]);
    peers_free(s->peers);
    limits_free(s->limits);
    tls_free(s->tls);
    settings_done(&s->settings);
}

static int serve(struct server *s, const sigset_t *stops)
{
    if (!directory_make(s->settings.data_dir)) return 1;
    directory_keep_to_owner(s->settings.data_dir);
    begin_tls(s);
    bool stored = open_store(s) == ERR_OK, secured = open_tls(s, stored) == ERR_OK;
    if (!stored) {
        tls_free(s->tls);
        return 1;
    }
    make_loops(s);
    make_doors(s);
    int code = secured && open_doors(s) == ERR_OK ? 0 : 1;
    for (uint32_t i = 0; i < s->loop_count; i++) loop_start(s->loops[i]);
    if (code == 0) {
        atomic_store(&s->admin.ready, true);
        print_hints(s);
        log_info("ready", {"version", LOG_S(DIGLOT_VERSION)},
                 {"data_dir", LOG_S(s->settings.data_dir)},
                 {"durability", LOG_S(s->settings.durability)},
                 {"limits", LOG_S(s->settings.limits)});
        int signal_number;
        sigwait(stops, &signal_number);
        log_info("stopping", {"signal", LOG_I(signal_number)});
        pthread_sigmask(SIG_UNBLOCK, stops, NULL);
    }
    close_all(s, code);
    return code;
}

static void seed_tables(void)
{
    struct uuid random = uuid_random();
    bytes_hash_seed(load_be64(random.bytes), load_be64(random.bytes + 8));
}

int cmd_serve(int arg_count, char **args)
{
    seed_tables();
    for (int i = 0; i < arg_count; i++)
        if (strcmp(args[i], "--help") == 0 || strcmp(args[i], "-h") == 0) {
            settings_help(stdout);
            return 0;
        }
    static struct server s;
    if (settings_read(arg_count, args, stderr, &s.settings) != ERR_OK || !settings_fit(&s))
        return 2;
    log_setup(log_level_of(s.settings.log_level), strcmp(s.settings.log_format, "json") == 0,
              STDERR_FILENO);
    budget_init(&s.connections, raise_descriptor_limit());
    if (s.settings.connections_max_per_ip < INT32_MAX)
        s.peers = peers_new((uint32_t)s.settings.connections_max_per_ip);
    budget_init(&s.sessions, (size_t)s.settings.connection_memory_mib * MIB);
    budget_init(&s.waiting, (size_t)s.settings.waiting_memory_mib * MIB);
    budget_init(&s.requests, (size_t)s.settings.request_memory_mib * MIB);
    /* Blocked in every thread that is made from here on: only this one waits for them. */
    sigset_t stops;
    sigemptyset(&stops);
    sigaddset(&stops, SIGTERM);
    sigaddset(&stops, SIGINT);
    pthread_sigmask(SIG_BLOCK, &stops, NULL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);       /* a file size limit is a write that fails, as a full disk is */
    return serve(&s, &stops);
}
