/* How much CPU an append costs in storage alone: no sockets, no protocol.
 *
 *   micro_storage DIR RECORD_BYTES APPENDS IN_FLIGHT PARTITIONS [RETENTION_BYTES [WORKERS]]
 *
 * Each of IN_FLIGHT appends is handed in again by the worker as soon as it is done, so a turn
 * carries about that many. Prints rates, CPU of the whole process and the engine's sizes. Build:
 *   cmake --build BUILD --target micro_storage */
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include "base/clock.h"
#include "base/mem.h"
#include "protocol/batch/build.h"
#include "storage/control/control.h"
#include "storage/store.h"

static struct store *store;
static struct topic *topic;
static struct slab *sample;
static atomic_long left;
static atomic_int running;
static sem_t finished;

static void submit(struct append *a);

static void on_append(struct append *a)
{
    if (a->err != ERR_OK) {
        fprintf(stderr, "append: %s\n", err_name(a->err));
        exit(1);
    }
    slab_unref(a->batch.slab);
    if (atomic_fetch_sub(&left, 1) > 0) submit(a);
    else if (atomic_fetch_sub(&running, 1) == 1) sem_post(&finished);
}

/* As a door would: the request's own slab. */
static void submit(struct append *a)
{
    struct slab *slab = slab_copy(slab_bytes(sample));
    *a = (struct append){.topic = topic, .partition = a->partition,
                         .partition_addressed = a->partition, .shard = -1,
                         .batch = {.slab = slab, .bytes = slab_bytes(slab)}, .done = on_append};
    store_append(store, a);
}

static void on_control(struct control *c)
{
    (void)c;
    sem_post(&finished);
}

static void make_topic(int partitions, const char *retention_bytes)
{
    struct config_change change = {.name = BYTES_LIT("retention.bytes"),
                                   .value = bytes_str(retention_bytes)};
    struct control c = {.kind = CONTROL_CREATE_TOPIC, .name = BYTES_LIT("bench"),
                        .partitions = partitions, .configs = &change, .config_count = 1,
                        .done = on_control};
    store_control(store, &c);
    sem_wait(&finished);
    if (c.err != ERR_OK && c.err != ERR_TOPIC_ALREADY_EXISTS) {
        fprintf(stderr, "create: %s %s\n", err_name(c.err), c.text);
        exit(1);
    }
    topic_unref(c.topic);
    topic = store_topic(store, BYTES_LIT("bench"));
}

static void make_sample(size_t record_bytes)
{
    struct slab *value = slab_new(NULL, record_bytes);
    for (size_t i = 0; i < record_bytes; i++) value->data[i] = (uint8_t)(i * 2654435761u >> 13);
    value->len = record_bytes;
    struct batch_size size;
    batch_size_init(&size, clock_wall_ms());
    batch_size_add(&size, clock_wall_ms(), BYTES_NULL, (int64_t)record_bytes, NULL, 0);
    sample = slab_new(NULL, size.bytes + 64);
    struct batch_builder b;
    batch_builder_init(&b, sample->data, size.bytes + 64, clock_wall_ms());
    batch_builder_add(&b, clock_wall_ms(), BYTES_NULL, slab_bytes(value), NULL, 0);
    sample->len = batch_builder_finish(&b);
    slab_unref(value);
}

static double rss_mb(void)
{
    FILE *f = fopen("/proc/self/statm", "r");
    long all = 0, resident = 0;
    if (f == NULL || fscanf(f, "%ld %ld", &all, &resident) != 2) resident = 0;
    if (f != NULL) fclose(f);
    return (double)resident * 4096 / 1e6;
}

static double cpu_seconds(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)u.ru_utime.tv_sec + (double)u.ru_utime.tv_usec / 1e6 +
           (double)u.ru_stime.tv_sec + (double)u.ru_stime.tv_usec / 1e6;
}

int main(int argc, char **argv)
{
    if (argc < 6) {
        fprintf(stderr, "micro_storage DIR RECORD_BYTES APPENDS IN_FLIGHT PARTITIONS "
                        "[RETENTION_BYTES [WORKERS]]\n");
        return 2;
    }
    long appends = strtol(argv[3], NULL, 10);
    int in_flight = (int)strtol(argv[4], NULL, 10), partitions = (int)strtol(argv[5], NULL, 10);
    sem_init(&finished, 0, 0);
    struct store_options o;
    store_options_default(&o);
    o.data_dir = argv[1];
    o.retention_check_ms = 2000;
    if (argc > 7) o.worker_count = (int)strtol(argv[7], NULL, 10);
    char *text = NULL;
    int64_t opening_us = clock_mono_us();
    if (store_open(&o, &store, &text) != ERR_OK) {
        fprintf(stderr, "%s\n", text);
        return 1;
    }
    printf("opened in %.1f ms (CPU %.1f ms), RSS %.1f MB\n",
           (double)(clock_mono_us() - opening_us) / 1e3, cpu_seconds() * 1e3, rss_mb());
    opening_us = clock_mono_us();
    make_topic(partitions, argc > 6 ? argv[6] : "-1");
    printf("topic ready in %.1f ms, RSS %.1f MB\n", (double)(clock_mono_us() - opening_us) / 1e3,
           rss_mb());
    make_sample((size_t)strtoul(argv[2], NULL, 10));
    struct append *all = NEW_ARRAY(struct append, (size_t)in_flight);
    atomic_store(&left, appends - in_flight);
    atomic_store(&running, in_flight);
    double cpu = cpu_seconds();
    int64_t us = clock_mono_us();
    for (int i = 0; i < in_flight; i++) {
        all[i].partition = i % partitions;
        submit(&all[i]);
    }
    sem_wait(&finished);
    double wall = (double)(clock_mono_us() - us) / 1e6;
    cpu = cpu_seconds() - cpu;
    double bytes = (double)appends * (double)sample->len;
    struct kv_stats stats;
    kv_stats(store_kv(store), &stats);
    printf("appends/s %.0f  MB/s %.0f  CPU us each %.2f  CPU s/GB %.2f  disk MB %.0f (blobs %.0f)  "
           "RSS MB %.0f\n",
           (double)appends / wall, bytes / wall / 1e6, cpu * 1e6 / (double)appends,
           cpu / (bytes / 1e9), (double)stats.disk_bytes / 1e6, (double)stats.log_bytes / 1e6,
           rss_mb());
    topic_unref(topic);
    store_close(store);
    mem_free(all);
    slab_unref(sample);
    return 0;
}
