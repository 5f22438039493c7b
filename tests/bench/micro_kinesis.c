/* What one record costs in the Kinesis codec: nanoseconds of CPU, best of several runs. Not a
 * test. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include "protocol/aws/base64.h"
#include "protocol/kinesis/api.gen.h"
#include "protocol/kinesis/hash_key.h"
#include "protocol/kinesis/sequence.h"
#include "protocol/kinesis/token.h"

enum { RECORDS = 100, DATA_BYTES = 100, ROUNDS = 2000, RUNS = 7 };

static struct kinesis_put_records_request_entry entries[RECORDS];
static struct kinesis_put_records_result_entry results[RECORDS];
static struct kinesis_record records[RECORDS];
static struct writer json, cbor, out;
static char sequences[RECORDS][SEQUENCE_TEXT_BYTES];
static volatile uint64_t sink;

static double cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void decode(enum aws_codec codec, struct writer *body)
{
    static struct arena arena;
    struct put_records_input in;
    struct aws_fault fault;
    arena_init(&arena, aws_decode_arena(body->len));
    enum err err = aws_decode(&put_records_input_shape, codec, bytes_of(body->data, body->len),
                              &arena, &in, &fault);
    if (err != ERR_OK || in.records_count != RECORDS) abort();
    sink += in.records[RECORDS - 1].data.len;
    arena_done(&arena);
}

static void json_decode(void) { decode(AWS_JSON, &json); }
static void cbor_decode(void) { decode(AWS_CBOR, &cbor); }

static void encode_results(enum aws_codec codec)
{
    struct put_records_output o = {.records = results, .records_count = RECORDS};
    writer_reset(&out);
    aws_encode(&put_records_output_shape, codec, &o, &out);
    sink += out.len;
}

static void json_results(void) { encode_results(AWS_JSON); }
static void cbor_results(void) { encode_results(AWS_CBOR); }

static void encode_records(enum aws_codec codec)
{
    struct get_records_output o = {.records = records, .records_count = RECORDS};
    writer_reset(&out);
    aws_encode(&get_records_output_shape, codec, &o, &out);
    sink += out.len;
}

static void json_records(void) { encode_records(AWS_JSON); }
static void cbor_records(void) { encode_records(AWS_CBOR); }

static void sequence_text(void)
{
    for (int i = 0; i < RECORDS; i++)
        sequence_format(1795305600000, 3, 1000000 + i, 1795305700000, sequences[i]);
}

static void hash_each(void)
{
    for (int i = 0; i < RECORDS; i++) sink += (uint64_t)hash_key_of(entries[i].partition_key);
}

static void hash_many(void)
{
    struct bytes keys[RECORDS];
    u128 got[RECORDS];
    for (int i = 0; i < RECORDS; i++) keys[i] = entries[i].partition_key;
    hash_key_of_many(keys, RECORDS, got);
    sink += (uint64_t)got[5];
}

static void token_pair(void)
{
    static const struct token_key key = {{1}};
    static struct arena arena;
    char text[ITERATOR_TEXT_BYTES];
    struct iterator_token t = {.stream_name = BYTES_LIT("stream"), .created_ms = 5};
    arena_init(&arena, 4096);
    struct bytes b = iterator_format(&key, &t, text);
    if (iterator_parse(&key, b, 5, &arena, &t) != ERR_OK) abort();
    arena_done(&arena);
}

static const char *only;     /* measure what has this in its name */

static void measure(const char *name, void (*work)(void), int items)
{
    if (only && strstr(name, only) == NULL) return;
    double best = 1e300;
    for (int run = 0; run < RUNS; run++) {
        double from = cpu_ns();
        for (int i = 0; i < ROUNDS; i++) work();
        double ns = (cpu_ns() - from) / ROUNDS / items;
        if (ns < best) best = ns;
    }
    printf("%-44s %8.1f ns\n", name, best);
}

int main(int argc, char **argv)
{
    only = argc > 1 ? argv[1] : NULL;
    static char keys[RECORDS][32];
    static uint8_t data[DATA_BYTES];
    for (int i = 0; i < DATA_BYTES; i++) data[i] = (uint8_t)(i * 37);
    for (int i = 0; i < RECORDS; i++) {
        snprintf(keys[i], sizeof keys[i], "partition-key-%d", i);
        entries[i] = (struct kinesis_put_records_request_entry){.partition_key = bytes_str(keys[i]),
                                                                .data = bytes_of(data, DATA_BYTES)};
        struct bytes sequence = sequence_format(1795305600000, 3, i, 1795305700000, sequences[i]);
        results[i] = (struct kinesis_put_records_result_entry){.sequence_number = sequence,
                                                               .shard_id = BYTES_LIT(
                                                                   "shardId-000000000003")};
        records[i] = (struct kinesis_record){.sequence_number = sequence,
                                             .data = bytes_of(data, DATA_BYTES),
                                             .partition_key = bytes_str(keys[i]),
                                             .approximate_arrival_timestamp_ms = 1795305600123 + i,
                                             .has_approximate_arrival_timestamp = true};
    }
    struct put_records_input in = {.records = entries, .records_count = RECORDS,
                                   .stream_name = BYTES_LIT("stream")};
    writer_init(&json, 1 << 20);
    writer_init(&cbor, 1 << 20);
    writer_init(&out, 1 << 20);
    aws_encode(&put_records_input_shape, AWS_JSON, &in, &json);
    aws_encode(&put_records_input_shape, AWS_CBOR, &in, &cbor);
    printf("%d records of %d bytes: JSON body %zu, CBOR body %zu bytes\n", RECORDS, DATA_BYTES,
           json.len, cbor.len);
    measure("PutRecords JSON decode, a record", json_decode, RECORDS);
    measure("PutRecords CBOR decode, a record", cbor_decode, RECORDS);
    measure("PutRecords JSON result, a record", json_results, RECORDS);
    measure("PutRecords CBOR result, a record", cbor_results, RECORDS);
    measure("GetRecords JSON encode, a record", json_records, RECORDS);
    measure("GetRecords CBOR encode, a record", cbor_records, RECORDS);
    measure("sequence number", sequence_text, RECORDS);
    measure("hash of a key, one by one", hash_each, RECORDS);
    measure("hash of a key, many", hash_many, RECORDS);
    measure("iterator out and back", token_pair, 1);
    return 0;
}
