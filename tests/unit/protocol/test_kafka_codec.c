/* What the golden messages of Kafka's own encoder cannot show: hostile input, limits, nulls that C
 * leaves behind, records by reference. */
#include "protocol/kafka/msg/reverse.h"
#include "test.h"

static struct arena arena;

static struct cursor over(struct bytes b, size_t arena_cap)
{
    struct cursor c;
    arena_done(&arena);
    arena_init(&arena, arena_cap);
    cursor_init(&c, b, &arena);
    return c;
}

TEST(a_field_that_the_version_lacks_has_its_default)
{
    struct join_group_request q;
    struct cursor c = over(BYTES_LIT("\0\x01g\0\0\x27\x10\0\0\0\x08" "consumer\0\0\0\0"), 1 << 16);
    EXPECT_OK(join_group_request_decode(&c, 0, &q));
    EXPECT_BYTES(q.group_id, "g");
    EXPECT_EQ(q.session_timeout_ms, 10000);
    EXPECT_EQ(q.rebalance_timeout_ms, -1);
    EXPECT(bytes_is_null(q.group_instance_id));
    EXPECT(bytes_is_null(q.reason));
    EXPECT_BYTES(q.protocol_type, "consumer");
    EXPECT_EQ(q.protocols_count, 0);
}

TEST(null_and_empty_topics_are_told_apart)
{
    struct metadata_request q;
    struct cursor c = over(BYTES_LIT("\xff\xff\xff\xff"), 1 << 16);
    EXPECT_OK(metadata_request_decode(&c, 1, &q));
    EXPECT_EQ(q.topics_count, -1);
    c = over(BYTES_LIT("\0\0\0\0"), 1 << 16);
    EXPECT_OK(metadata_request_decode(&c, 1, &q));
    EXPECT_EQ(q.topics_count, 0);
    q.topics_count = 77;
    c = over(BYTES_LIT("\xff\xff\xff\xff"), 1 << 16);    /* version 0 has no null */
    EXPECT_ERR(metadata_request_decode(&c, 0, &q), ERR_INVALID_REQUEST);
    EXPECT_EQ(q.topics_count, 77);                       /* untouched on failure */
}

TEST(null_records_are_read_as_null)
{
    struct produce_request q;
    struct cursor c = over(
        BYTES_LIT("\xff\xff\0\x01\0\0\0\x01\0\0\0\x01\0\x01t\0\0\0\x01\0\0\0\0\xff\xff\xff\xff"),
        1 << 16);
    EXPECT_OK(produce_request_decode(&c, 3, &q));
    EXPECT_EQ(q.topic_data_count, 1);
    EXPECT(bytes_is_null(q.topic_data[0].partition_data[0].records));
    EXPECT(bytes_is_null(q.transactional_id));
}

TEST(unknown_tags_are_skipped_by_size)
{
    struct api_versions_request q;
    struct cursor c = over(BYTES_LIT("\x02" "a\x02" "1\x02\x00\x03xyz\x7f\x01q"), 1 << 16);
    EXPECT_OK(api_versions_request_decode(&c, 3, &q));
    EXPECT_BYTES(q.client_software_name, "a");
    EXPECT_EQ(c.left, 0);
    c = over(BYTES_LIT("\x02" "a\x02" "1\x01\x00\x04xyz"), 1 << 16);          /* a byte short */
    EXPECT_ERR(api_versions_request_decode(&c, 3, &q), ERR_INVALID_REQUEST);
    /* 2^32 - 1 tags. */
    c = over(BYTES_LIT("\x02" "a\x02" "1\xff\xff\xff\xff\x0f\x00\x00"), 1 << 16);
    EXPECT_ERR(api_versions_request_decode(&c, 3, &q), ERR_INVALID_REQUEST);
}

/* FetchRequest 12 with one tagged field, the cluster id. */
static enum err fetch_with_tag(struct bytes tag, struct fetch_request *q)
{
    static uint8_t frame[128];
    struct writer w;
    writer_init(&w, sizeof frame);
    struct fetch_request empty = FETCH_REQUEST_INIT;
    fetch_request_encode(&w, 12, &empty);
    w.len--;    /* the count of tags, 0 */
    writer_bytes_raw(&w, tag);
    assert_true(w.len <= sizeof frame);
    memcpy(frame, w.data, w.len);
    struct cursor c = over(bytes_of(frame, w.len), 1 << 16);
    writer_done(&w);
    return fetch_request_decode(&c, 12, q);
}

TEST(a_tagged_field_fills_its_size_exactly)
{
    struct fetch_request q;
    EXPECT_OK(fetch_with_tag(BYTES_LIT("\x01\0\x03\x03id"), &q));
    EXPECT_BYTES(q.cluster_id, "id");
    EXPECT_ERR(fetch_with_tag(BYTES_LIT("\x01\0\x04\x03id" "."), &q), ERR_INVALID_REQUEST);
    EXPECT_ERR(fetch_with_tag(BYTES_LIT("\x01\0\x02\x03id"), &q), ERR_INVALID_REQUEST);
    /* Tag 1 is of version 15: skipped. */
    EXPECT_OK(fetch_with_tag(BYTES_LIT("\x01\x01\x02\x03i"), &q));
    EXPECT_EQ(q.replica_state.replica_id, -1);
}

TEST(a_count_beyond_the_bytes_left_is_refused_before_memory_is_taken)
{
    struct metadata_request q;
    struct cursor c = over(BYTES_LIT("\x7f\xff\xff\xff\0\0"), 1 << 16);
    EXPECT_ERR(metadata_request_decode(&c, 1, &q), ERR_INVALID_REQUEST);
    EXPECT_EQ(arena.used, 0);
}

TEST(arrays_stop_at_the_arenas_cap)
{
    static uint8_t frame[4 + 2 * 1000] = {0, 0, 0x03, 0xe8};    /* 1000 empty topic names */
    struct metadata_request q = {.topics_count = 77};
    struct cursor c = over(bytes_of(frame, sizeof frame), 4096);
    EXPECT_ERR(metadata_request_decode(&c, 1, &q), ERR_TOO_LARGE);
    EXPECT_EQ(q.topics_count, 77);
    c = over(bytes_of(frame, sizeof frame), 1 << 16);
    EXPECT_OK(metadata_request_decode(&c, 1, &q));
    EXPECT_EQ(q.topics_count, 1000);
}

TEST(records_go_out_by_reference_and_never_as_null)
{
    CLEANUP(slab_unrefp) struct slab *s = slab_copy(BYTES_LIT("batch one, batch two"));
    struct slab_view views[] = {{s, bytes_slice(slab_bytes(s), 0, 9)},
                                {s, bytes_slice(slab_bytes(s), 11, 9)}};
    struct fetch_response_partition partitions[] = {FETCH_RESPONSE_PARTITION_INIT,
                                                    FETCH_RESPONSE_PARTITION_INIT};
    partitions[0].records = (struct records){.views = views, .view_count = 2, .bytes = 18};
    struct fetch_response_topic topic = FETCH_RESPONSE_TOPIC_INIT;
    topic.partitions = partitions;
    topic.partitions_count = 2;
    struct fetch_response r = FETCH_RESPONSE_INIT;
    r.responses = &topic;
    r.responses_count = 1;
    for (int16_t version = 4; version <= 18; version++) {
        struct writer w;
        writer_init(&w, 4096);
        fetch_response_encode(&w, version, &r, NULL);
        EXPECT_OK(w.err);
        EXPECT_EQ(w.splice_count, 2);
        EXPECT_EQ(w.splice_bytes, 18);
        EXPECT(w.splices[0].at == w.splices[1].at && w.splices[1].view.slab == s);
        EXPECT_EQ(atomic_load(&s->refs), 3);
        if (version < 12) EXPECT_EQ(load_be32(w.data + w.splices[0].at - 4), 18);
        else EXPECT_EQ(w.data[w.splices[0].at - 1], 19);
        /* The second partition's: length 0, and behind it at most the tags that end the structs. */
        const uint8_t *end = w.data + w.len;
        if (version < 12) EXPECT_EQ(load_be32(end - 4), 0);
        else EXPECT(memcmp(end - 4, "\x01\0\0\0", 4) == 0);
        writer_done(&w);
        EXPECT_EQ(atomic_load(&s->refs), 1);
    }
}

TEST(a_string_that_was_left_null_is_written_as_empty)
{
    struct find_coordinator_response r = FIND_COORDINATOR_RESPONSE_INIT;
    r.host = BYTES_NULL;
    struct writer w;
    writer_init(&w, 100);
    find_coordinator_response_encode(&w, 0, &r, NULL);
    EXPECT(bytes_equal(bytes_of(w.data, w.len), BYTES_LIT("\0\0\0\0\0\0\0\0\0\0\0\0")));
    writer_done(&w);
}

TEST(a_long_tagged_value_is_moved_behind_its_size)
{
    /* 300 node endpoints: their size takes two bytes of varint, so the value moves by two. */
    static struct produce_response_node_endpoint nodes[300];
    for (int i = 0; i < 300; i++)
        nodes[i] = (struct produce_response_node_endpoint){.node_id = i, .host = BYTES_LIT("h")};
    struct produce_response r = PRODUCE_RESPONSE_INIT, back;
    r.node_endpoints = nodes;
    r.node_endpoints_count = 300;
    struct writer w;
    writer_init(&w, 1 << 16);
    produce_response_encode(&w, 10, &r, NULL);
    EXPECT_OK(w.err);
    struct cursor c = over(bytes_of(w.data, w.len), 1 << 20);
    EXPECT_OK(produce_response_decode(&c, 10, &back));
    EXPECT_EQ(c.left, 0);
    EXPECT_EQ(back.node_endpoints_count, 300);
    EXPECT_EQ(back.node_endpoints[299].node_id, 299);
    writer_done(&w);
    writer_init(&w, 1000);    /* and a full writer stays poisoned */
    produce_response_encode(&w, 10, &r, NULL);
    EXPECT_ERR(w.err, ERR_TOO_LARGE);
    writer_done(&w);
}

static int teardown(void **state)
{
    (void)state;
    arena_done(&arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(a_field_that_the_version_lacks_has_its_default),
        RUN(null_and_empty_topics_are_told_apart),
        RUN(null_records_are_read_as_null),
        RUN(unknown_tags_are_skipped_by_size),
        RUN(a_tagged_field_fills_its_size_exactly),
        RUN(a_count_beyond_the_bytes_left_is_refused_before_memory_is_taken),
        RUN(arrays_stop_at_the_arenas_cap),
        RUN(records_go_out_by_reference_and_never_as_null),
        RUN(a_string_that_was_left_null_is_written_as_empty),
        RUN(a_long_tagged_value_is_moved_behind_its_size),
    };
    return cmocka_run_group_tests(tests, NULL, teardown);
}
