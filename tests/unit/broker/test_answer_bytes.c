/* What names little does not wait for room as if it named all that there is. */
#include "broker/answer_bytes.h"
#include "base/net/room.h"
#include "base/writer.h"
#include "unit/storage/catalog_fixture.h"

enum { PARTITIONS = 3000, METADATA = 3, OFFSET_FETCH = 9, LIST_GROUPS = 16,
       DESCRIBE_CONFIGS = 32 };

static struct cx cx;
static struct writer w;

static int set_up(void **state)
{
    (void)state;
    cx_init(&cx);
    EXPECT_OK(cx_start(&cx));
    EXPECT_OK(cx_create(&cx, "small", 2));
    EXPECT_OK(cx_create(&cx, "large", PARTITIONS));
    writer_init(&w, 1 << 20);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    writer_done(&w);
    cx_done(&cx);
    return 0;
}

static void head(int16_t key, int16_t version)
{
    writer_reset(&w);
    writer_i16(&w, key);
    writer_i16(&w, version);
    writer_i32(&w, 1);
    writer_i16(&w, -1);
}

static void string(const char *text)
{
    writer_string(&w, bytes_str(text), false);
}

static size_t asked(void)
{
    return broker_answer_bytes(cx.s, bytes_of(w.data, w.len));
}

static size_t metadata_of(const char *topic)
{
    head(METADATA, 1);
    writer_i32(&w, 1);
    string(topic);
    return asked();
}

TEST(metadata_of_a_topic_is_as_large_as_the_topic)
{
    EXPECT(metadata_of("small") < 1000);
    EXPECT(metadata_of("missing") < 1000);
    EXPECT(metadata_of("large") > ROOM_ANSWER_BYTES_MIN);
    head(METADATA, 1);
    writer_i32(&w, -1);
    EXPECT(asked() > ROOM_ANSWER_BYTES_MIN);
    head(METADATA, 0);
    writer_i32(&w, 0);
    EXPECT(asked() > ROOM_ANSWER_BYTES_MIN);
}

TEST(offsets_of_named_partitions_are_few)
{
    head(OFFSET_FETCH, 2);
    string("group");
    writer_i32(&w, 1);
    string("large");
    writer_i32(&w, 1);
    writer_i32(&w, 7);
    EXPECT(asked() < 1000);
    head(OFFSET_FETCH, 2);
    string("group");
    writer_i32(&w, -1);
    EXPECT(asked() > ROOM_ANSWER_BYTES_MIN);
}

/* Measured: 342 configs, with their synonyms 29 KB, with their documentation 90 KB. */
TEST(configs_of_a_broker_are_many)
{
    for (int broker = 0; broker < 2; broker++) {
        head(DESCRIBE_CONFIGS, 1);
        writer_i32(&w, 1);
        writer_i8(&w, broker ? 4 : 2);
        string("1");
        writer_i32(&w, -1);
        writer_i8(&w, 1);
        EXPECT(broker ? asked() > 30000 : asked() < 10000);
    }
}

TEST(what_names_much_is_not_looked_at)
{
    head(METADATA, 1);
    writer_i32(&w, 500);
    for (int i = 0; i < 500; i++) string("small");
    EXPECT(asked() > ROOM_ANSWER_BYTES_MIN);
    head(LIST_GROUPS, 0);
    EXPECT(asked() > ROOM_ANSWER_BYTES_MIN);
}

/* It is refused: nobody waits for that. */
TEST(what_cannot_be_read_takes_nothing)
{
    head(METADATA, 1);
    writer_i32(&w, INT32_MAX);
    EXPECT_EQ(asked(), 0);
    head(METADATA, 99);
    EXPECT_EQ(asked(), 0);
    EXPECT_EQ(broker_answer_bytes(cx.s, BYTES_LIT("")), 0);
}

TESTS(cmocka_unit_test_setup_teardown(metadata_of_a_topic_is_as_large_as_the_topic, set_up,
                                      tear_down),
      cmocka_unit_test_setup_teardown(offsets_of_named_partitions_are_few, set_up, tear_down),
      cmocka_unit_test_setup_teardown(configs_of_a_broker_are_many, set_up, tear_down),
      cmocka_unit_test_setup_teardown(what_names_much_is_not_looked_at, set_up, tear_down),
      cmocka_unit_test_setup_teardown(what_cannot_be_read_takes_nothing, set_up, tear_down))
