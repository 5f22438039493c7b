/* Series of streams: sums, maxima that fade, the limit, streams that are gone. */
#include "bridge/meter.h"
#include "unit/storage/catalog_fixture.h"

static struct cx cx;
static char page[8 << 20];

static const char *show(struct meters *m)
{
    struct writer out;
    writer_init(&out, sizeof page - 1);
    stream_meters_write(m, cx.s, &out);
    EXPECT_OK(out.err);
    bytes_to_text(bytes_of(out.data, out.len), page, sizeof page);
    writer_done(&out);
    return page;
}
#define EXPECT_HAS(text, word) EXPECT(strstr((text), (word)) != NULL)
#define EXPECT_LACKS(text, word) EXPECT(strstr((text), (word)) == NULL)

TEST(sums_add_up_and_go_with_their_stream)
{
    cx_init(&cx);
    EXPECT_OK(cx_start(&cx));
    EXPECT_OK(cx_create(&cx, "s", 1));
    struct meters *m = stream_meters_new();
    EXPECT_STR(show(m), "");
    struct topic *t = cx_topic(&cx, "s");
    struct meter_delta d = {.sums[METER_INCOMING_BYTES] = 7, .sums[METER_PUT_RECORD_CALLS] = 1};
    stream_meter_add(m, t, &d);
    stream_meter_add(m, t, &d);
    EXPECT_HAS(show(m), "\naws_kinesis_incoming_bytes_sum{stream_name=\"s\"} 14\n");
    EXPECT_HAS(page, "\naws_kinesis_put_record_success_sample_count{stream_name=\"s\"} 2\n");
    EXPECT_LACKS(page, "iterator_age_milliseconds_maximum{");
    EXPECT_OK(cx_delete(&cx, "s"));
    EXPECT_STR(show(m), "");
    stream_meter_add(m, t, &d);            /* a request that ended late: counted, and forgotten again */
    EXPECT_STR(show(m), "");
    EXPECT_OK(cx_create(&cx, "s", 1));      /* another stream of the same name begins at 0 */
    topic_unref(t);
    t = cx_topic(&cx, "s");
    stream_meter_add(m, t, &d);
    EXPECT_HAS(show(m), "\naws_kinesis_incoming_bytes_sum{stream_name=\"s\"} 7\n");
    topic_unref(t);
    stream_meters_free(m);
    cx_done(&cx);
}

TEST(a_maximum_is_of_this_minute_and_the_last)
{
#define AGE "\naws_kinesis_get_records_iterator_age_milliseconds_maximum{stream_name=\"s\"} "
    cx_init(&cx);
    EXPECT_OK(cx_start(&cx));
    EXPECT_OK(cx_create(&cx, "s", 1));
    struct meters *m = stream_meters_new();
    struct topic *t = cx_topic(&cx, "s");
    struct meter_delta d = {.seen[METER_ITERATOR_AGE] = true};
    for (int i = 0; i < 3; i++) {
        d.maxima[METER_ITERATOR_AGE] = i == 1 ? 900 : 5;
        stream_meter_add(m, t, &d);
    }
    EXPECT_HAS(show(m), AGE "900\n");
    cx_advance_ms(60 * 1000);
    d.maxima[METER_ITERATOR_AGE] = 0;
    stream_meter_add(m, t, &d);
    EXPECT_HAS(show(m), AGE "900\n");
    cx_advance_ms(60 * 1000);
    EXPECT_HAS(show(m), AGE "0\n");
    cx_advance_ms(60 * 1000);
    EXPECT_LACKS(show(m), AGE);
    topic_unref(t);
    stream_meters_free(m);
    cx_done(&cx);
}

TEST(streams_beyond_the_limit_share_one_name)
{
    cx_init(&cx);
    EXPECT_OK(cx_start(&cx));
    struct meters *m = stream_meters_new();
    struct topic t = {.name = (char *)"any", .name_len = 3};
    struct meter_delta d = {.sums[METER_INCOMING_RECORDS] = 1};
    for (int i = 0; i < METERS_MAX + 5; i++) {
        store_be32(t.id.bytes, (uint32_t)i + 1);
        stream_meter_add(m, &t, &d);
    }
    EXPECT_HAS(show(m), "\naws_kinesis_incoming_records_sum{stream_name=\"\"} 5\n");
    EXPECT_LACKS(page, "\"any\"");      /* the store knows none of them */
    stream_meters_free(m);
    cx_done(&cx);
}

TESTS(RUN(sums_add_up_and_go_with_their_stream), RUN(a_maximum_is_of_this_minute_and_the_last),
      RUN(streams_beyond_the_limit_share_one_name))
