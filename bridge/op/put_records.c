/* PutRecords: neither ordered nor atomic; one entry that fails stops no other one. */
#include "bridge/put.h"
#include "bridge/stream.h"
#include "base/check.h"

enum { REQUEST_BYTES_MAX = 10 << 20 };      /* data and partition keys together */

static void done(struct put *p)
{
    struct put_records_output out = {.records_count = p->count};
    out.records = ARENA_ARRAY(p->rq->arena, struct kinesis_put_records_result_entry, p->count);
    if (out.records == NULL) {
        front_fail_plain(p->rq, ERR_UNKNOWN_SERVER_ERROR);
        return;
    }
    int32_t shard = -1;
    struct bytes shard_id = BYTES_NULL;
    for (uint32_t i = 0; i < p->count; i++) {
        const struct put_record *r = &p->records[i];
        if (r->err != ERR_OK) {
            out.failed_record_count++;
            out.records[i].error_code = bytes_str(err_kinesis(r->err));
            out.records[i].error_message = bytes_str(r->text);
            continue;
        }
        if (r->shard != shard) shard_id = shard_id_text(p->rq->arena, r->shard);
        shard = r->shard;
        out.records[i].shard_id = shard_id;
        out.records[i].sequence_number = put_sequence(p, r);
    }
    front_reply(p->rq, &out);
}

void kinesis_put_records(struct front_request *rq)
{
    const struct put_records_input *in = &rq_input(rq)->put_records;
    struct put *p = ARENA_NEW(rq->arena, struct put);
    struct put_record *records = ARENA_ARRAY(rq->arena, struct put_record, in->records_count);
    if (p == NULL || records == NULL) {
        front_fail_plain(rq, ERR_UNKNOWN_SERVER_ERROR);
        return;
    }
    size_t bytes = 0;
    for (uint32_t i = 0; i < in->records_count; i++) {
        records[i] = (struct put_record){.partition_key = in->records[i].partition_key,
                                         .explicit_hash_key = in->records[i].explicit_hash_key,
                                         .data = in->records[i].data};
        bytes += records[i].data.len + records[i].partition_key.len;
    }
    if (put_hash(rq, records, in->records_count) != ERR_OK) return;
    if (bytes > REQUEST_BYTES_MAX) {
        front_fail(rq, ERR_INVALID_ARGUMENT, "Records size exceeds 10 MB limit");
        return;
    }
    struct topic *t = stream_find_readable(rq, in->stream_name, in->stream_arn);
    if (t == NULL) return;
    if (put_check_sizes(rq, t, records, in->records_count) != ERR_OK ||
        front_is_dry_run(rq, in->dry_run)) {
        topic_unref(t);
        return;
    }
    *p = (struct put){.rq = rq, .topic = t, .records = records, .count = in->records_count,
                      .done = done};
    put_start(p);
}
