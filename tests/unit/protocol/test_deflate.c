#include "protocol/batch/deflate.h"
#include "golden.h"
#include "protocol/batch/inflate.h"
#include "random.h"

static const struct {
    enum batch_codec codec;
    int level;
} rows[] = {
    {CODEC_GZIP, GZIP_LEVEL_DEFAULT}, {CODEC_GZIP, GZIP_LEVEL_MIN}, {CODEC_GZIP, GZIP_LEVEL_MAX},
    {CODEC_SNAPPY, 0},
    {CODEC_LZ4, LZ4_LEVEL_DEFAULT},   {CODEC_LZ4, LZ4_LEVEL_MIN},   {CODEC_LZ4, LZ4_LEVEL_MAX},
    {CODEC_ZSTD, ZSTD_LEVEL_DEFAULT}, {CODEC_ZSTD, ZSTD_LEVEL_MIN}, {CODEC_ZSTD, ZSTD_LEVEL_MAX},
};
enum { ROWS = sizeof rows / sizeof rows[0] };

static struct deflater deflater;
static struct inflater inflater;

static void begin(void)
{
    deflater_init(&deflater);
    inflater_init(&inflater, NULL, INFLATE_BYTES_MAX);
}

static void end(void)
{
    deflater_done(&deflater);
    inflater_done(&inflater);
}

static struct bytes pack(enum batch_codec codec, int level, struct bytes in)
{
    struct bytes packed;
    EXPECT_OK(deflater_run(&deflater, codec, level, in, &packed));
    return packed;
}

/* Packs and unpacks; returns the packed size. in has its own allocation of exact size. */
static size_t there_and_back(int row, struct bytes in)
{
    struct bytes out, packed = pack(rows[row].codec, rows[row].level, in);
    EXPECT_OK(inflater_run(&inflater, rows[row].codec, packed, &out));
    EXPECT_EQ(out.len, in.len);
    assert_memory_equal(out.data, in.data, in.len);
    return packed.len;
}

TEST(everything_comes_back)
{
    static const size_t sizes[] = {1,     2,     3,     12,    13,    100,    4096,   32767,
                                   32768, 32769, 65535, 65536, 65537, 131072, 131073, 200000};
    struct random rnd = random_seeded();
    begin();
    for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++)
        for (int kind = 0; kind < 3; kind++) {
            uint8_t *data = malloc(sizes[s]);
            for (size_t i = 0; i < sizes[s]; i++)
                data[i] = kind == 0 ? 0 : (uint8_t)random_below(&rnd, kind == 1 ? 4 : 256);
            for (int row = 0; row < ROWS; row++) {
                size_t packed = there_and_back(row, bytes_of(data, sizes[s]));
                /* What does not shrink grows by framing alone. */
                EXPECT(packed <= sizes[s] + sizes[s] / 100 + 64);
                bool weak = rows[row].level == ZSTD_LEVEL_MIN;
                if (kind == 0 && sizes[s] >= 4096 && !weak) EXPECT(packed < sizes[s] / 15);
            }
            free(data);
        }
    end();
}

TEST(a_large_level_or_window_costs_no_memory_afterwards)
{
    enum { BYTES = 5 << 20 };           /* beyond the window that the highest levels are held to */
    struct random rnd = random_seeded();
    uint8_t *data = malloc(BYTES);
    for (size_t i = 0; i < BYTES; i++)
        data[i] = (uint8_t)(i % 4096 < 64 ? random_next(&rnd) : i / 4096);
    begin();
    for (int row = 0; row < ROWS; row++) {
        there_and_back(row, bytes_of(data, BYTES));
        EXPECT(deflater.out != NULL);
        deflater_trim(&deflater);
        EXPECT(deflater.out == NULL);
    }
    EXPECT(deflater.zstd == NULL);          /* the last row's tables */
    EXPECT(deflater.gzip != NULL && deflater.lz4 != NULL && deflater.lz4_thorough != NULL);
    there_and_back(0, bytes_of(data, 1000));
    deflater_trim(&deflater);
    EXPECT(deflater.out != NULL);           /* a small one stays */
    end();
    free(data);
}

TEST(the_frames_are_those_of_kafka)
{
    static const struct {
        enum batch_codec codec;
        size_t len;
        const char *bytes;
    } golden_rows[] = {
        {CODEC_SNAPPY, 16 + 4 + 5, "\x82SNAPPY\0\0\0\0\1\0\0\0\1\0\0\0\5\3\x08"
                                   "abc"},
        /* 3 bytes get no smaller, so the block is stored: the highest bit of its length. */
        {CODEC_LZ4, 7 + 4 + 3 + 4, "\x04\x22\x4d\x18\x60\x40\x82\3\0\0\x80"
                                   "abc\0\0\0\0"},
        /* One segment of 3 bytes, no checksum; one last block, raw. */
        {CODEC_ZSTD, 12, "\x28\xb5\x2f\xfd\x20\x03\x19\0\0abc"},
    };
    begin();
    for (size_t i = 0; i < sizeof golden_rows / sizeof golden_rows[0]; i++) {
        int level = golden_rows[i].codec == CODEC_LZ4 ? LZ4_LEVEL_DEFAULT : ZSTD_LEVEL_DEFAULT;
        struct bytes got = pack(golden_rows[i].codec, level, BYTES_LIT("abc"));
        EXPECT_EQ(got.len, golden_rows[i].len);
        assert_memory_equal(got.data, golden_rows[i].bytes, got.len);
    }
    /* gzip: deflate, no flags, no time; the trailer is CRC-32 and size of what was packed. */
    struct bytes got = pack(CODEC_GZIP, GZIP_LEVEL_DEFAULT, BYTES_LIT("abc"));
    assert_memory_equal(got.data, "\x1f\x8b\x08\0\0\0\0\0\0", 9);
    assert_memory_equal(got.data + got.len - 8, "\xc2\x41\x24\x35\3\0\0\0", 8);
    end();
}

/* Sizes of the blocks of a whole lz4 frame; the size bit is left out. */
static int lz4_blocks(struct bytes frame, uint32_t *sizes, int max)
{
    int count = 0;
    for (size_t at = 7;; count++) {
        assert_in_range(at + 4, 0, frame.len);
        uint32_t size = __builtin_bswap32(load_be32(frame.data + at)) & 0x7fffffff;
        if (size == 0) {
            EXPECT_EQ(at + 4, frame.len);
            return count;
        }
        EXPECT(count < max);
        sizes[count] = size;
        at += 4 + size;
    }
}

TEST(blocks_are_cut_where_kafka_cuts_them)
{
    enum { BYTES = 200000 };
    uint8_t *data = malloc(BYTES);
    struct random rnd = random_seeded();
    for (int i = 0; i < BYTES; i++) data[i] = (uint8_t)random_next(&rnd);
    begin();
    uint32_t sizes[8];
    EXPECT_EQ(lz4_blocks(pack(CODEC_LZ4, LZ4_LEVEL_DEFAULT, bytes_of(data, BYTES)), sizes, 8), 4);
    for (int i = 0; i < 3; i++) EXPECT_EQ(sizes[i], 65536);         /* noise: stored */
    EXPECT_EQ(sizes[3], BYTES - 3 * 65536);
    struct bytes xerial = pack(CODEC_SNAPPY, 0, bytes_of(data, BYTES));
    int blocks = 0;
    for (size_t at = 16; at < xerial.len; blocks++) at += 4 + load_be32(xerial.data + at);
    EXPECT_EQ(blocks, 7);
    end();
    free(data);
}

/* Kafka's own writer at its default levels made the golden files. The library versions differ a
 * little, so the bytes may; the sizes may not by much. */
TEST(sizes_are_those_of_kafkas_writer)
{
    static const struct {
        const char *file;
        enum batch_codec codec;
        int level;
    } files[] = {{"batch/gzip-large.bin", CODEC_GZIP, GZIP_LEVEL_DEFAULT},
                 {"batch/snappy-large.bin", CODEC_SNAPPY, 0},
                 {"batch/lz4-large.bin", CODEC_LZ4, LZ4_LEVEL_DEFAULT},
                 {"batch/zstd-large.bin", CODEC_ZSTD, ZSTD_LEVEL_DEFAULT}};
    begin();
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        struct bytes b = golden(files[i].file), records;
        struct bytes kafkas = bytes_slice(b, BATCH_HEADER_BYTES, b.len - BATCH_HEADER_BYTES);
        EXPECT_OK(inflater_run(&inflater, files[i].codec, kafkas, &records));
        struct bytes ours = pack(files[i].codec, files[i].level, records);
        assert_in_range(ours.len, kafkas.len - kafkas.len / 10, kafkas.len + kafkas.len / 10);
        golden_free(b);
    }
    end();
}

TEST(levels_count)
{
    struct bytes b = golden("batch/gzip-large.bin"), records;
    begin();
    EXPECT_OK(inflater_run(&inflater, CODEC_GZIP,
                           bytes_slice(b, BATCH_HEADER_BYTES, b.len - BATCH_HEADER_BYTES),
                           &records));
    EXPECT(pack(CODEC_GZIP, 9, records).len < pack(CODEC_GZIP, 1, records).len);
    /* 9 is the fast compressor, below it is the thorough one. */
    EXPECT(pack(CODEC_LZ4, 8, records).len < pack(CODEC_LZ4, LZ4_LEVEL_DEFAULT, records).len);
    EXPECT(pack(CODEC_LZ4, 17, records).len <= pack(CODEC_LZ4, 1, records).len);
    EXPECT(pack(CODEC_ZSTD, 22, records).len < pack(CODEC_ZSTD, -131072, records).len);
    /* A context used before with another level packs as a new one. */
    size_t before = pack(CODEC_GZIP, 5, records).len;
    pack(CODEC_GZIP, 1, records);
    EXPECT_EQ(pack(CODEC_GZIP, 5, records).len, before);
    end();
    golden_free(b);
}

TESTS(RUN(everything_comes_back), RUN(a_large_level_or_window_costs_no_memory_afterwards),
      RUN(the_frames_are_those_of_kafka), RUN(blocks_are_cut_where_kafka_cuts_them),
      RUN(sizes_are_those_of_kafkas_writer), RUN(levels_count))
