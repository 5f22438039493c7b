#include "protocol/batch/inflate.h"
#include <snappy-c.h>
#include <zlib.h>
#include "base/budget.h"
#include "golden.h"
#include "random.h"

enum { LARGE_BYTES_MIN = 250000 };

static const struct {
    const char *file;
    enum batch_codec codec;
} rows[] = {
    {"batch/gzip-large.bin", CODEC_GZIP},     {"batch/snappy-large.bin", CODEC_SNAPPY},
    {"batch/snappy-raw-large.bin", CODEC_SNAPPY}, {"batch/lz4-large.bin", CODEC_LZ4},
    {"batch/zstd-large.bin", CODEC_ZSTD},
};
enum { ROWS = sizeof rows / sizeof rows[0] };

/* The compressed part of a golden batch as an allocation of its own and exact size. */
static struct bytes packed(const char *file)
{
    struct bytes b = golden(file);
    size_t len = b.len - BATCH_HEADER_BYTES;
    uint8_t *exact = malloc(len);
    memcpy(exact, b.data + BATCH_HEADER_BYTES, len);
    golden_free(b);
    return bytes_of(exact, len);
}

TEST(the_limit_is_exact)
{
    for (int i = 0; i < ROWS; i++) {
        struct bytes in = packed(rows[i].file), out;
        struct inflater inf;
        inflater_init(&inf, NULL, INFLATE_BYTES_MAX);
        EXPECT_OK(inflater_run(&inf, rows[i].codec, in, &out));
        size_t len = out.len;
        EXPECT(len > LARGE_BYTES_MIN);
        inflater_done(&inf);
        inflater_init(&inf, NULL, len);
        EXPECT_OK(inflater_run(&inf, rows[i].codec, in, &out));
        EXPECT_EQ(out.len, len);
        inflater_done(&inf);
        inflater_init(&inf, NULL, len - 1);
        EXPECT_ERR(inflater_run(&inf, rows[i].codec, in, &out), ERR_MESSAGE_TOO_LARGE);
        inflater_done(&inf);
        golden_free(in);
    }
}

TEST(every_cut_is_refused_and_the_inflater_works_on)
{
    for (int i = 0; i < ROWS; i++) {
        struct bytes in = packed(rows[i].file), out;
        struct inflater inf;
        inflater_init(&inf, NULL, INFLATE_BYTES_MAX);
        for (size_t len = 0; len < in.len; len += 1 + len / 16) {
            uint8_t *cut = malloc(len + !len);
            memcpy(cut, in.data, len);
            enum err err = inflater_run(&inf, rows[i].codec, bytes_of(cut, len), &out);
            /* Xerial blocks and nothing at all end well at some cuts: with less than the whole. */
            if (err == ERR_OK) EXPECT(out.len < LARGE_BYTES_MIN);
            else EXPECT_ERR(err, ERR_INVALID_RECORD);
            free(cut);
        }
        EXPECT_OK(inflater_run(&inf, rows[i].codec, in, &out));
        EXPECT(out.len > LARGE_BYTES_MIN);
        inflater_done(&inf);
        golden_free(in);
    }
}

TEST(flipped_bits_never_do_harm)
{
    struct random rnd = random_seeded();
    for (int i = 0; i < ROWS; i++) {
        struct bytes in = packed(rows[i].file), out;
        struct inflater inf;
        inflater_init(&inf, NULL, 1 << 20);
        for (int round = 0; round < 500; round++) {
            size_t at = random_below(&rnd, in.len);
            uint8_t bit = (uint8_t)(1u << random_below(&rnd, 8));
            ((uint8_t *)in.data)[at] ^= bit;
            enum err err = inflater_run(&inf, rows[i].codec, in, &out);
            EXPECT(err == ERR_OK || err == ERR_INVALID_RECORD || err == ERR_MESSAGE_TOO_LARGE);
            ((uint8_t *)in.data)[at] ^= bit;
        }
        inflater_done(&inf);
        golden_free(in);
    }
}

TEST(a_bomb_stops_at_the_limit)
{
    enum { BOMB_BYTES = 64 << 20, CAP = 1 << 20 };
    uint8_t *zeros = calloc(1, BOMB_BYTES), *small = malloc(CAP);
    uLongf len = CAP;
    z_stream z = {.next_in = zeros, .avail_in = BOMB_BYTES, .next_out = small, .avail_out = CAP};
    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    len = CAP - z.avail_out;
    deflateEnd(&z);
    free(zeros);

    struct budget budget;
    budget_init(&budget, 16 << 20);
    struct inflater inf;
    struct bytes out;
    inflater_init(&inf, &budget, 4 << 20);
    EXPECT_ERR(inflater_run(&inf, CODEC_GZIP, bytes_of(small, len), &out), ERR_MESSAGE_TOO_LARGE);
    EXPECT(atomic_load(&budget.used) <= 8 << 20);
    inflater_trim(&inf);
    EXPECT_EQ(atomic_load(&budget.used), 0);
    inflater_done(&inf);
    free(small);
}

TEST(without_budget_it_is_busy)
{
    struct bytes in = packed("batch/zstd-large.bin"), out;
    struct budget budget;
    budget_init(&budget, 100000);
    struct inflater inf;
    inflater_init(&inf, &budget, INFLATE_BYTES_MAX);
    EXPECT(budget_take(&budget, 50000));
    EXPECT_ERR(inflater_run(&inf, CODEC_ZSTD, in, &out), ERR_BUSY);
    inflater_done(&inf);
    EXPECT_EQ(atomic_load(&budget.used), 50000);
    golden_free(in);
}

TEST(lying_sizes_cost_no_memory)
{
    struct inflater inf;
    struct bytes out;
    inflater_init(&inf, NULL, INFLATE_BYTES_MAX);
    /* snappy: claims 100 MiB out of six bytes; then a length beyond the type */
    EXPECT_ERR(inflater_run(&inf, CODEC_SNAPPY, BYTES_LIT("\x80\x80\x80\x32\x00x"), &out),
               ERR_INVALID_RECORD);
    EXPECT_ERR(inflater_run(&inf, CODEC_SNAPPY, BYTES_LIT("\xff\xff\xff\xff\xff\xff"), &out),
               ERR_INVALID_RECORD);
    /* xerial: a block beyond the end, a block length cut short */
    EXPECT_ERR(inflater_run(&inf, CODEC_SNAPPY,
                            BYTES_LIT("\x82SNAPPY\0\0\0\0\1\0\0\0\1\0\0\0\x7fxx"), &out),
               ERR_INVALID_RECORD);
    EXPECT_ERR(
        inflater_run(&inf, CODEC_SNAPPY, BYTES_LIT("\x82SNAPPY\0\0\0\0\1\0\0\0\1\0\0"), &out),
        ERR_INVALID_RECORD);
    EXPECT(inf.out->cap <= 1 << 20);
    inflater_done(&inf);
}

TEST(lz4_frames_that_no_java_consumer_reads_are_refused)
{
    struct bytes in = packed("batch/lz4-large.bin"), out;
    struct inflater inf;
    inflater_init(&inf, NULL, INFLATE_BYTES_MAX);
    uint8_t *flags = (uint8_t *)in.data + 4, right = *flags;
    static const uint8_t wrong[] = {0x40, 0x20, 0xe0, 0x61,
                                    0x62}; /* dependent blocks, version, dictionary, reserved */
    for (size_t i = 0; i < sizeof wrong; i++) {
        *flags = wrong[i];
        EXPECT_ERR(inflater_run(&inf, CODEC_LZ4, in, &out), ERR_INVALID_RECORD);
    }
    *flags = right;
    EXPECT_OK(inflater_run(&inf, CODEC_LZ4, in, &out));
    inflater_done(&inf);
    golden_free(in);
}

TEST(gzip_members_are_joined)
{
    struct bytes in = packed("batch/gzip.bin"), out;
    uint8_t *twice = malloc(in.len * 2);
    memcpy(twice, in.data, in.len);
    memcpy(twice + in.len, in.data, in.len);
    struct inflater inf;
    inflater_init(&inf, NULL, INFLATE_BYTES_MAX);
    EXPECT_OK(inflater_run(&inf, CODEC_GZIP, in, &out));
    size_t len = out.len;
    EXPECT_OK(inflater_run(&inf, CODEC_GZIP, bytes_of(twice, in.len * 2), &out));
    EXPECT_EQ(out.len, 2 * len);
    free(twice);
    inflater_done(&inf);
    golden_free(in);
}

TEST(an_unknown_codec_is_named)
{
    struct inflater inf;
    struct bytes out;
    inflater_init(&inf, NULL, INFLATE_BYTES_MAX);
    for (int codec = CODEC_COUNT; codec < 8; codec++)
        EXPECT_ERR(inflater_run(&inf, codec, BYTES_LIT("x"), &out),
                   ERR_UNSUPPORTED_COMPRESSION_TYPE);
    inflater_done(&inf);
}

TESTS(RUN(the_limit_is_exact), RUN(every_cut_is_refused_and_the_inflater_works_on),
      RUN(flipped_bits_never_do_harm), RUN(a_bomb_stops_at_the_limit),
      RUN(without_budget_it_is_busy), RUN(lying_sizes_cost_no_memory),
      RUN(lz4_frames_that_no_java_consumer_reads_are_refused), RUN(gzip_members_are_joined),
      RUN(an_unknown_codec_is_named))
