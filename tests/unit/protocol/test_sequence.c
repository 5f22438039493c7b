#include "protocol/kinesis/sequence.h"
#include <stdlib.h>
#include <time.h>
#include "base/u128.h"
#include "test.h"

static struct sequence parse(const char *text)
{
    struct sequence s;
    EXPECT_OK(sequence_parse(bytes_str(text), &s));
    return s;
}

static void expect_invalid(const char *text)
{
    struct sequence s = {.offset = 77};
    EXPECT_ERR(sequence_parse(bytes_str(text), &s), ERR_INVALID_ARGUMENT);
    EXPECT_EQ(s.offset, 77);
}

TEST(numbers_have_the_layout_of_aws)
{
    char text[SEQUENCE_TEXT_BYTES];
    const int64_t created_ms = 1795305600000;
    EXPECT_BYTES(sequence_format(created_ms, 7, 0, created_ms + 5000, text),
                 "49680443751690070915816637912640379836780444015761817714");
    EXPECT_BYTES(sequence_format(created_ms, 7, 1, created_ms + 5999, text),
                 "49680443751690070915816637912641588762600058644936523890");
    EXPECT_EQ(strlen(text), 56);
}

TEST(numbers_that_aws_printed_are_read)
{
    struct sequence s = parse("49590338271490256608559692538361571095921575989136588898");
    EXPECT_EQ(s.kind, SEQUENCE_RECORD);
    EXPECT_EQ(s.shard_index, 6);
    EXPECT_EQ(s.offset, 1734642199 - 1);
    EXPECT_EQ(s.shard_created_s / 86400, 17856);     /* 2018-11-21 */
    EXPECT_EQ(s.time_s / 86400, 17882);              /* 2018-12-17 */
    s = parse("49543463076548007577105092703039560359975228518395019266");
    EXPECT_EQ(s.shard_index, 0);
    EXPECT_EQ(s.offset, 5500);
    s = parse("49546986683135544286507457936321625675700192471156785154");
    EXPECT_EQ(s.shard_index, 0);
    EXPECT_EQ(s.offset, 468);
}

TEST(what_is_written_reads_back_and_order_is_offset_order)
{
    unsigned seed = getenv("DIGLOT_SEED") ? (unsigned)strtoul(getenv("DIGLOT_SEED"), NULL, 10)
                                          : (unsigned)time(NULL);
    print_message("DIGLOT_SEED=%u\n", seed);
    for (int i = 0; i < 20000; i++) {
        int64_t created_ms = (int64_t)rand_r(&seed) * 1000 + rand_r(&seed) % 1000;
        int64_t time_ms = created_ms + rand_r(&seed);
        int64_t offset = (int64_t)((uint64_t)rand_r(&seed) << 32 ^ (uint64_t)rand_r(&seed) << 8) >>
                         rand_r(&seed) % 63;
        if (offset > SEQUENCE_OFFSET_MAX - 1 || offset < 0) offset = SEQUENCE_OFFSET_MAX - 1;
        uint32_t shard = (uint32_t)rand_r(&seed) >> rand_r(&seed) % 31;
        char text[SEQUENCE_TEXT_BYTES], next[SEQUENCE_TEXT_BYTES], start[SEQUENCE_TEXT_BYTES],
            end[SEQUENCE_TEXT_BYTES];
        sequence_format(created_ms, shard, offset, time_ms, text);
        sequence_format(created_ms, shard, offset + 1, created_ms, next);
        sequence_format_start(created_ms, shard, start);
        sequence_format_end(created_ms, shard, time_ms, end);
        struct sequence s = parse(text);
        EXPECT_EQ(s.kind, SEQUENCE_RECORD);
        EXPECT_EQ(s.version, 2);
        EXPECT_EQ(s.shard_index, shard);
        EXPECT_EQ(s.offset, offset);
        EXPECT_EQ(s.shard_created_s, created_ms / 1000);
        EXPECT_EQ(s.time_s, time_ms / 1000);
        EXPECT(strlen(text) == strlen(start) && strlen(text) == strlen(end));
        EXPECT(strcmp(start, text) < 0 && strcmp(text, next) < 0 && strcmp(next, end) < 0);
    }
}

TEST(a_number_lies_between_two_records)
{
    char text[SEQUENCE_TEXT_BYTES];
    const int64_t created_ms = 1795305600000;
    /* 2 06b023080 7 0000000000000002 01 06b023080 00000007 2 in hexadecimal. */
    EXPECT_BYTES(sequence_format_between(created_ms, 7, 2, text),
                 "49680443751690070915816637912641593484966541170984353906");
    struct sequence s = parse(text);
    EXPECT_EQ(s.kind, SEQUENCE_BETWEEN);
    EXPECT_EQ(s.offset, 2);
    EXPECT_EQ(s.shard_index, 7);
    EXPECT_EQ(s.shard_created_s, created_ms / 1000);
    unsigned seed = getenv("DIGLOT_SEED") ? (unsigned)strtoul(getenv("DIGLOT_SEED"), NULL, 10)
                                          : (unsigned)time(NULL);
    print_message("DIGLOT_SEED=%u\n", seed);
    for (int i = 0; i < 20000; i++) {
        int64_t offset = (int64_t)((uint64_t)rand_r(&seed) << 32 ^ (uint64_t)rand_r(&seed) << 8) >>
                         rand_r(&seed) % 63;
        if (offset > SEQUENCE_OFFSET_MAX - 1 || offset < 1) offset = SEQUENCE_OFFSET_MAX - 1;
        if (i < 3) offset = i + 1;
        /* Whatever time the records have. */
        int64_t before_ms = (int64_t)rand_r(&seed) * 30000, after_ms = rand_r(&seed);
        char start[SEQUENCE_TEXT_BYTES], before[SEQUENCE_TEXT_BYTES], after[SEQUENCE_TEXT_BYTES],
            next[SEQUENCE_TEXT_BYTES], end[SEQUENCE_TEXT_BYTES];
        sequence_format_start(created_ms, 7, start);
        sequence_format(created_ms, 7, offset - 1, before_ms, before);
        sequence_format_between(created_ms, 7, offset, text);
        sequence_format(created_ms, 7, offset, after_ms, after);
        sequence_format_between(created_ms, 7, offset + 1, next);
        sequence_format_end(created_ms, 7, 0, end);
        EXPECT(strcmp(start, before) < 0 && strcmp(before, text) < 0 && strcmp(text, after) < 0 &&
               strcmp(after, next) < 0 && strcmp(next, end) < 0);
        s = parse(text);
        EXPECT(s.kind == SEQUENCE_BETWEEN && s.offset == offset);
    }
    /* In front of the first record too. */
    char start[SEQUENCE_TEXT_BYTES], first[SEQUENCE_TEXT_BYTES];
    sequence_format_start(created_ms, 7, start);
    sequence_format_between(created_ms, 7, 0, text);
    sequence_format(created_ms, 7, 0, 0, first);
    EXPECT(strcmp(start, text) < 0 && strcmp(text, first) < 0);
    EXPECT_EQ(parse(text).kind, SEQUENCE_BETWEEN);
    EXPECT_EQ(parse(text).offset, 0);
}

/* A clock that was never set, or that stands far ahead. */
TEST(times_are_cut_to_what_the_fields_hold)
{
    static const int64_t times_ms[] = {INT64_MIN, -2000, -1, 0, 1999, 16025174999999,
                                       16025175000000, 16756675200000,
                                       (INT64_C(1) << 36) * 1000, INT64_MAX};
    char text[SEQUENCE_TEXT_BYTES];
    for (size_t i = 0; i < sizeof times_ms / sizeof *times_ms; i++) {
        sequence_format(times_ms[i], 5, 41, times_ms[i], text);
        struct sequence s = parse(text);
        EXPECT_EQ(s.kind, SEQUENCE_RECORD);
        EXPECT_EQ(s.offset, 41);
        EXPECT_EQ(s.shard_index, 5);
        EXPECT_EQ(s.shard_created_s, sequence_created_s(times_ms[i]));
        EXPECT(s.shard_created_s >= 0 && s.shard_created_s < 16025175000);
        EXPECT(s.time_s >= 0 && s.time_s < INT64_C(1) << 36);
        EXPECT(times_ms[i] < 0 || times_ms[i] / 1000 >= INT64_C(1) << 36 ||
               s.time_s == times_ms[i] / 1000);
        sequence_format_start(times_ms[i], 5, text);
        EXPECT_EQ(parse(text).kind, SEQUENCE_SHARD_START);
        sequence_format_end(times_ms[i], 5, times_ms[i], text);
        EXPECT_EQ(parse(text).kind, SEQUENCE_SHARD_END);
    }
}

TEST(a_shard_has_a_start_and_an_end)
{
    char text[SEQUENCE_TEXT_BYTES];
    sequence_format_start(1795305600000, 3, text);
    struct sequence s = parse(text);
    EXPECT_EQ(s.kind, SEQUENCE_SHARD_START);
    EXPECT_EQ(s.time_s, 1795305600);
    sequence_format_end(1795305600000, 3, 1795305700000, text);
    s = parse(text);
    EXPECT_EQ(s.kind, SEQUENCE_SHARD_END);
    EXPECT_EQ(s.shard_index, 3);
    EXPECT_EQ(s.time_s, 1795305700);
    sequence_format(1795305600000, 3, SEQUENCE_OFFSET_MAX, 0, text);
    EXPECT_EQ(parse(text).kind, SEQUENCE_RECORD);
}

TEST(old_forms_are_told_apart)
{
    struct sequence s = parse("0");
    EXPECT_EQ(s.kind, SEQUENCE_OLD);
    EXPECT_EQ(s.version, 0);
    EXPECT_EQ(s.shard_index, 0);
    /* 2 000000001 5 00 000000002 00000000000000 00 00000005 1 in hexadecimal */
    s = parse("49039857308176759116636250490083344415984070494907269201");
    EXPECT_EQ(s.kind, SEQUENCE_OLD);
    EXPECT_EQ(s.version, 1);
    EXPECT_EQ(s.shard_index, 5);
    EXPECT_EQ(s.shard_created_s, 1);
    EXPECT_EQ(s.time_s, 2);
    /* shard index 80000000 */
    s = parse("49039857307708443467467104868809893875799651944235008002");
    EXPECT_EQ(s.shard_index, -2147483648);
    EXPECT_EQ(s.kind, SEQUENCE_SHARD_START);
}

TEST(what_is_no_sequence_number_is_refused)
{
    expect_invalid("");
    expect_invalid("a");
    expect_invalid("-1");
    expect_invalid("4968044375169007091581663791264037983678044401576181771x");
    expect_invalid("49039857307708443467467104868809893875799651909875269632");   /* 2 and zeros */
    expect_invalid("49039857307708443467467104868809893875799651909875269635");   /* version 3 */
    expect_invalid("49039857307708443467467104868809893875799651909875269636");   /* version 4 */
    expect_invalid("26227199374822427428162556223570313216");        /* version 0, date too large */
    expect_invalid("680564733841876926926749214863536422912");                    /* 2^129 */
    expect_invalid("6277101735386680763835789423207666416102355444464034512896"); /* 2^192 */
    char digits[131];
    memset(digits, '9', 130);
    digits[130] = '\0';
    expect_invalid(digits);
    /* Top bit of the index. */
    expect_invalid("49039857307719593840066370180380661734935976090628259842");
    expect_invalid("73559785961551514828601391991642864028743539089244946418");   /* all ones */
    expect_invalid("73559785961562665201200657303214840813699477864812904450");   /* 3 in front */
}

TESTS(RUN(numbers_have_the_layout_of_aws), RUN(numbers_that_aws_printed_are_read),
      RUN(what_is_written_reads_back_and_order_is_offset_order),
      RUN(a_number_lies_between_two_records), RUN(times_are_cut_to_what_the_fields_hold),
      RUN(a_shard_has_a_start_and_an_end), RUN(old_forms_are_told_apart),
      RUN(what_is_no_sequence_number_is_refused))
