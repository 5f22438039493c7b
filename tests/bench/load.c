/* Load on a Kafka broker, through librdkafka, one kind of work a run:
 *
 *   load produce ADDRESS TOPIC SECONDS SIZE PER_REQUEST   as fast as it goes, acks all
 *   load consume ADDRESS TOPIC RECORDS                     every partition from its beginning
 *   load latency ADDRESS TOPIC SECONDS SIZE RATE           one at a time at a steady rate, linger 0
 *   load create  ADDRESS PREFIX COUNT PARTITIONS           topics, one after the other
 *
 * Prints one line of name=value pairs. PER_REQUEST 0 leaves batching to librdkafka. A record that
 * the broker refuses ends the run: a rate with errors in it means nothing. */
#include <librdkafka/rdkafka.h>
#include "load.h"
#include "base/mem.h"
#include "base/check.h"

enum { ERROR_TEXT = 512, REQUESTS_WAITING = 5000, BURST = 100, FLUSH_MS = 60000, WAIT_MS = 30000 };

struct load {
    rd_kafka_t *client;
    const char *topic;
    char *payload;
    size_t size;
    int64_t acked;
    int64_t *latency_ns;                /* NULL: not asked for */
    size_t latency_count;
    size_t latency_max;
};

static void set(rd_kafka_conf_t *conf, const char *name, const char *value)
{
    char error[ERROR_TEXT];
    if (rd_kafka_conf_set(conf, name, value, error, sizeof error) != RD_KAFKA_CONF_OK)
        fail("%s", error);
}

static void set_number(rd_kafka_conf_t *conf, const char *name, int64_t value)
{
    char text[32];
    snprintf(text, sizeof text, "%lld", (long long)value);
    set(conf, name, text);
}

static rd_kafka_t *client_new(rd_kafka_type_t type, rd_kafka_conf_t *conf)
{
    char error[ERROR_TEXT];
    rd_kafka_t *client = rd_kafka_new(type, conf, error, sizeof error);
    if (client == NULL) fail("%s", error);
    return client;
}

static void on_delivery(rd_kafka_t *client, const rd_kafka_message_t *message, void *opaque)
{
    (void)client;
    struct load *load = opaque;
    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR)
        fail("not delivered: %s", rd_kafka_err2str(message->err));
    load->acked++;
    if (load->latency_ns != NULL && load->latency_count < load->latency_max) {
        load->latency_ns[load->latency_count++] = now_ns() - (int64_t)(intptr_t)message->_private;
    }
}

static void producer_init(struct load *load, char **args, int64_t size, int64_t per_request)
{
    load->topic = args[1];
    load->size = (size_t)size;
    load->payload = mem_array(load->size + 1, 1);
    for (size_t i = 0; i < load->size; i++) load->payload[i] = (char)('a' + i * 7 % 26);
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    set(conf, "bootstrap.servers", args[0]);
    set(conf, "acks", "all");
    /* What waits at the end of a run has to be sent within it. */
    set_number(conf, "queue.buffering.max.messages",
               per_request > 0 ? per_request * REQUESTS_WAITING : 1000000);
    set(conf, "queue.buffering.max.kbytes", "262144");
    set_number(conf, "batch.num.messages", per_request > 0 ? per_request : 10000);
    set(conf, "linger.ms", per_request == 1 ? "0" : "5");
    rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    rd_kafka_conf_set_opaque(conf, load);
    load->client = client_new(RD_KAFKA_PRODUCER, conf);
}

/* One record to a partition that the client picks; waits while the client's queue is full. */
static void send_one(struct load *load, int64_t stamp_ns)
{
    rd_kafka_resp_err_t err;
    while ((err = rd_kafka_producev(load->client, RD_KAFKA_V_TOPIC(load->topic),
                                    RD_KAFKA_V_VALUE(load->payload, load->size),
                                    RD_KAFKA_V_OPAQUE((void *)(intptr_t)stamp_ns),
                                    RD_KAFKA_V_END)) == RD_KAFKA_RESP_ERR__QUEUE_FULL) {
        rd_kafka_poll(load->client, 10);
    }
    if (err != RD_KAFKA_RESP_ERR_NO_ERROR) fail("%s", rd_kafka_err2str(err));
}

static void flush(struct load *load)
{
    if (rd_kafka_flush(load->client, FLUSH_MS) != RD_KAFKA_RESP_ERR_NO_ERROR)
        fail("not all was acknowledged");
}

static void producer_done(struct load *load)
{
    rd_kafka_destroy(load->client);
    mem_free(load->payload);
    mem_free(load->latency_ns);
}

static void produce(char **args)
{
    struct load load = {0};
    producer_init(&load, args, number(args[3]), number(args[4]));
    int64_t start_ns = now_ns(), until_ns = start_ns + number(args[2]) * NS_PER_S;
    while (now_ns() < until_ns) {
        for (int i = 0; i < BURST; i++) send_one(&load, 0);
        rd_kafka_poll(load.client, 0);
    }
    flush(&load);
    double took_s = seconds_since(start_ns);
    printf("records=%lld seconds=%.3f bytes=%lld\n", (long long)load.acked, took_s,
           (long long)load.acked * (long long)load.size);
    producer_done(&load);
}

/* The time of a record runs from the moment it was due, not from when the client came to send it: a
 * stall is then seen by every record that it held up. The first second warms up and is not
 * counted. */
static void latency(char **args)
{
    struct load load = {0};
    int64_t seconds = number(args[2]), rate = number(args[4]);
    producer_init(&load, args, number(args[3]), 1);
    load.latency_max = (size_t)(seconds * rate);
    load.latency_ns = NEW_ARRAY(int64_t, load.latency_max);
    int64_t start_ns = now_ns(), sent = 0, skip = rate;
    for (int64_t due_ns = start_ns; sent < seconds * rate + skip;
         due_ns += NS_PER_S / rate, sent++) {
        int64_t left_ns;
        while ((left_ns = due_ns - now_ns()) > 0) {
            if (rd_kafka_poll(load.client, 0) == 0 && left_ns > 50000) {
                nanosleep(&(struct timespec){.tv_nsec = 20000}, NULL);
            }
        }
        if (sent == skip) load.latency_count = 0;
        send_one(&load, due_ns);
    }
    flush(&load);
    print_latency(load.latency_ns, load.latency_count);
    producer_done(&load);
}

static void assign_all(rd_kafka_t *client, const char *topic)
{
    const struct rd_kafka_metadata *metadata;
    rd_kafka_topic_t *handle = rd_kafka_topic_new(client, topic, NULL);
    rd_kafka_resp_err_t err = rd_kafka_metadata(client, 0, handle, &metadata, WAIT_MS);
    if (err != RD_KAFKA_RESP_ERR_NO_ERROR) fail("%s", rd_kafka_err2str(err));
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(
        metadata->topics[0].partition_cnt);
    for (int i = 0; i < metadata->topics[0].partition_cnt; i++) {
        rd_kafka_topic_partition_list_add(list, topic, i)->offset = RD_KAFKA_OFFSET_BEGINNING;
    }
    rd_kafka_assign(client, list);
    rd_kafka_topic_partition_list_destroy(list);
    rd_kafka_metadata_destroy(metadata);
    rd_kafka_topic_destroy(handle);
}

static void consume(char **args)
{
    int64_t wanted = number(args[2]), bytes = 0, records = 0;
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    set(conf, "bootstrap.servers", args[0]);
    set(conf, "group.id", "load");
    set(conf, "enable.auto.commit", "false");
    set(conf, "queued.min.messages", "1000000");
    rd_kafka_t *client = client_new(RD_KAFKA_CONSUMER, conf);
    rd_kafka_poll_set_consumer(client);
    assign_all(client, args[1]);
    rd_kafka_queue_t *queue = rd_kafka_queue_get_consumer(client);
    rd_kafka_message_t *batch[1000];
    int64_t start_ns = now_ns();
    while (records < wanted) {
        ssize_t count = rd_kafka_consume_batch_queue(queue, WAIT_MS, batch, 1000);
        if (count <= 0) fail("%lld of %lld records came", (long long)records, (long long)wanted);
        for (ssize_t i = 0; i < count; i++) {
            if (batch[i]->err != RD_KAFKA_RESP_ERR_NO_ERROR)
                fail("%s", rd_kafka_err2str(batch[i]->err));
            records++;
            bytes += (int64_t)batch[i]->len;
            rd_kafka_message_destroy(batch[i]);
        }
    }
    printf("records=%lld seconds=%.3f bytes=%lld\n", (long long)records,
           (double)(now_ns() - start_ns) / (double)NS_PER_S, (long long)bytes);
    rd_kafka_queue_destroy(queue);
    rd_kafka_consumer_close(client);
    rd_kafka_destroy(client);
}

static void create_one(rd_kafka_t *client, rd_kafka_queue_t *queue, const char *name,
                       int partitions)
{
    char error[ERROR_TEXT];
    rd_kafka_NewTopic_t *topic = rd_kafka_NewTopic_new(name, partitions, 1, error, sizeof error);
    if (topic == NULL) fail("%s", error);
    rd_kafka_CreateTopics(client, &topic, 1, NULL, queue);
    rd_kafka_event_t *event = rd_kafka_queue_poll(queue, WAIT_MS);
    if (event == NULL || rd_kafka_event_error(event) != RD_KAFKA_RESP_ERR_NO_ERROR)
        fail("%s was not created", name);
    size_t count;
    const rd_kafka_topic_result_t **results =
        rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event), &count);
    if (rd_kafka_topic_result_error(results[0]) != RD_KAFKA_RESP_ERR_NO_ERROR) {
        fail("%s: %s", name, rd_kafka_topic_result_error_string(results[0]));
    }
    rd_kafka_event_destroy(event);
    rd_kafka_NewTopic_destroy(topic);
}

static void create(char **args)
{
    int64_t wanted = number(args[2]), partitions = number(args[3]);
    struct load load = {.latency_ns = NEW_ARRAY(int64_t, (size_t)wanted)};
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    set(conf, "bootstrap.servers", args[0]);
    load.client = client_new(RD_KAFKA_PRODUCER, conf);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(load.client);
    char name[256];
    /* The first one pays for the connection and is not counted. */
    for (int64_t i = -1; i < wanted; i++) {
        snprintf(name, sizeof name, "%s-%lld", args[1], (long long)(i + 1));
        int64_t start_ns = now_ns();
        create_one(load.client, queue, name, (int)partitions);
        if (i >= 0) load.latency_ns[load.latency_count++] = now_ns() - start_ns;
    }
    print_latency(load.latency_ns, load.latency_count);
    rd_kafka_queue_destroy(queue);
    producer_done(&load);
}

int main(int argc, char **argv)
{
    static const struct work works[] = {{"produce", 5, produce},
                                        {"consume", 3, consume},
                                        {"latency", 5, latency},
                                        {"create", 4, create}};
    return run_work(works, sizeof works / sizeof works[0], argc, argv, "tests/bench/load.c");
}
