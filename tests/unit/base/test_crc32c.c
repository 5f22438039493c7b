#include "base/crc32c.h"
#include <stdlib.h>
#include "random.h"
#include "test.h"

/* One bit at a time, straight from the definition. */
static uint32_t slow(uint32_t crc, const uint8_t *p, size_t len)
{
    crc = ~crc;
    for (size_t i = 0; i < len; i++) {
        crc ^= p[i];
        for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
    }
    return ~crc;
}

/* RFC 3720 B.4, read as little-endian numbers there. */
TEST(the_vectors_of_rfc_3720)
{
    uint8_t b[32];
    memset(b, 0, sizeof b);
    EXPECT_EQ(crc32c(b, sizeof b), 0x8a9136aa);
    memset(b, 0xff, sizeof b);
    EXPECT_EQ(crc32c(b, sizeof b), 0x62a8ab43);
    for (int i = 0; i < 32; i++) b[i] = (uint8_t)i;
    EXPECT_EQ(crc32c(b, sizeof b), 0x46dd794e);
    for (int i = 0; i < 32; i++) b[i] = (uint8_t)(31 - i);
    EXPECT_EQ(crc32c(b, sizeof b), 0x113fdb5c);
    static const uint8_t scsi_read[48] = {
        0x01, 0xc0, 0, 0, 0, 0, 0, 0, 0, 0, 0,    0, 0, 0, 0,    0, 0x14, 0, 0, 0, 0, 0, 4, 0,
        0,    0,    0, 0x14, 0, 0, 0, 0x18, 0x28, 0, 0, 0, 0, 0, 0, 0,    2, 0, 0, 0, 0, 0, 0, 0};
    EXPECT_EQ(crc32c(scsi_read, sizeof scsi_read), 0xd9963a56);
    EXPECT_EQ(crc32c("123456789", 9), 0xe3069283);
    EXPECT_EQ(crc32c("", 0), 0);
    EXPECT_EQ(crc32c_extend(0x12345678, "", 0), 0x12345678);
}

TEST(every_length_and_alignment_gives_what_the_definition_gives)
{
    struct random rnd = random_seeded();
    enum { BYTES = 20000 };
    uint8_t *b = malloc(BYTES);
    for (int i = 0; i < BYTES; i++) b[i] = (uint8_t)random_next(&rnd);
    for (size_t len = 0; len < 1600; len++) {
        size_t at = random_below(&rnd, 17);
        uint32_t crc = (uint32_t)random_next(&rnd);
        uint32_t want = slow(crc, b + at, len);
        EXPECT_EQ(crc32c_extend(crc, b + at, len), want);
        EXPECT_EQ(crc32c_extend_tables(crc, b + at, len), want);
    }
    for (int round = 0; round < 200; round++) {
        size_t at = random_below(&rnd, 64), len = random_below(&rnd, BYTES - 64);
        uint32_t want = slow(0, b + at, len);
        EXPECT_EQ(crc32c(b + at, len), want);
        EXPECT_EQ(crc32c_extend_tables(0, b + at, len), want);
        size_t cut = random_below(&rnd, len + 1);
        EXPECT_EQ(crc32c_extend(crc32c(b + at, cut), b + at + cut, len - cut), want);
    }
    free(b);
}

TEST(the_instruction_is_used_where_the_processor_has_it)
{
#if defined(__x86_64__)
    EXPECT_EQ(crc32c_is_hardware(), __builtin_cpu_supports("sse4.2") != 0);
#endif
}

TESTS(RUN(the_vectors_of_rfc_3720), RUN(every_length_and_alignment_gives_what_the_definition_gives),
      RUN(the_instruction_is_used_where_the_processor_has_it))
