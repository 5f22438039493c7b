#include "protocol/aws/base64.h"
#include <openssl/evp.h>
#include <stdlib.h>
#include <time.h>
#include "test.h"

TEST(both_directions_agree_with_openssl_at_every_length)
{
    uint8_t data[400], back[410], ours[600], theirs[600];
    unsigned seed = 5;
    for (size_t i = 0; i < sizeof data; i++) data[i] = (uint8_t)rand_r(&seed);
    for (size_t len = 0; len <= sizeof data; len++) {
        base64_encode(bytes_of(data, len), ours);
        int chars = EVP_EncodeBlock(theirs, data, (int)len);
        EXPECT_EQ(chars, base64_encoded(len));
        EXPECT(memcmp(ours, theirs, (size_t)chars) == 0);
        size_t got = 999, at;
        memset(back, 0xee, sizeof back);
        EXPECT_EQ(base64_decode(bytes_of(ours, (size_t)chars), back, &got, &at), BASE64_OK);
        EXPECT_EQ(got, len);
        EXPECT(memcmp(back, data, len) == 0);
        EXPECT_EQ(back[base64_decoded_max((size_t)chars)], 0xee);
    }
}

TEST(every_byte_at_every_place_is_known_or_refused)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t place = 0; place < 40; place++) {
        for (int c = 0; c < 256; c++) {
            uint8_t text[44], to[64];
            size_t len, at = 99;
            memset(text, 'Q', sizeof text);
            text[place] = (uint8_t)c;
            bool known = c != 0 && strchr(alphabet, c) != NULL;
            EXPECT_EQ(base64_decode(bytes_of(text, sizeof text), to, &len, &at),
                      known ? BASE64_OK : BASE64_CHARACTER);
            EXPECT_EQ(at, known ? 99 : place);
        }
    }
}

TEST(what_is_wrong_is_told_apart)
{
    static const struct { const char *text; enum base64_fault fault; size_t at;
    } rows[] = {
        {"", BASE64_OK, 0},
        {"QQ==", BASE64_OK, 0},
        {"QUE=", BASE64_OK, 0},
        {"Q", BASE64_LENGTH, 0},
        {"QQ=", BASE64_LENGTH, 0},
        {"QQQQQ", BASE64_LENGTH, 0},
        {"=+/=", BASE64_CHARACTER, 0},
        {"+/+=", BASE64_LAST, 0},
        {"QR==", BASE64_LAST, 0},
        {"Q===", BASE64_LAST, 0},
        {"====", BASE64_LAST, 0},
        {"Q=QQ", BASE64_CHARACTER, 1},
        {"QQ==QQ==", BASE64_CHARACTER, 2},
        {"QQQQ Q==", BASE64_CHARACTER, 4},
        {"QQ======", BASE64_LAST, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint8_t to[16];
        size_t len, at = 0;
        EXPECT_EQ(base64_decode(bytes_str(rows[i].text), to, &len, &at), rows[i].fault);
        if (rows[i].fault == BASE64_CHARACTER) EXPECT_EQ(at, rows[i].at);
    }
}

TESTS(RUN(both_directions_agree_with_openssl_at_every_length),
      RUN(every_byte_at_every_place_is_known_or_refused), RUN(what_is_wrong_is_told_apart))
