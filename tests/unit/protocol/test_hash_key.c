#include "protocol/kinesis/hash_key.h"
#include <openssl/evp.h>
#include "test.h"

TEST(md5_agrees_with_openssl_at_every_length)
{
    uint8_t data[300], ours[MD5_BYTES], theirs[EVP_MAX_MD_SIZE];
    for (size_t i = 0; i < sizeof data; i++) data[i] = (uint8_t)(i * 7 + 3);
    for (size_t len = 0; len <= sizeof data; len++) {
        md5(bytes_of(data, len), ours);
        EXPECT_EQ(EVP_Digest(data, len, theirs, NULL, EVP_md5(), NULL), 1);
        EXPECT(memcmp(ours, theirs, MD5_BYTES) == 0);
    }
}

TEST(many_keys_hash_like_each_one)
{
    enum { KEYS = 300 };
    static uint8_t data[KEYS];
    struct bytes keys[KEYS];
    u128 got[KEYS];
    for (size_t i = 0; i < KEYS; i++) {
        data[i] = (uint8_t)(i ^ 0x5a);
        keys[i] = bytes_of(data + i / 2, i % 70 < KEYS - i / 2 ? i % 70 : 1);
    }
    for (size_t count = 0; count <= KEYS; count += count < 20 ? 1 : 70) {
        hash_key_of_many(keys, count, got);
        for (size_t i = 0; i < count; i++) EXPECT(got[i] == hash_key_of(keys[i]));
    }
}

TEST(a_key_lies_where_aws_puts_it)
{
    char text[U128_TEXT_BYTES];
    /* MD5("a") = 0cc175b9c0f1b6a831c399e269772661 */
    EXPECT_STR(u128_to_text(hash_key_of(BYTES_LIT("a")), text),
               "16955237001963240173058271559858726497");
}

TEST(an_explicit_key_is_a_number_below_two_to_the_128)
{
    u128 v;
    EXPECT(hash_key_parse(BYTES_LIT("340282366920938463463374607431768211455"), &v));
    EXPECT(v == U128_MAX);
    EXPECT(hash_key_parse(BYTES_LIT("0"), &v));
    EXPECT(!hash_key_parse(BYTES_LIT("340282366920938463463374607431768211456"), &v));
    EXPECT(!hash_key_parse(BYTES_LIT("x"), &v));
    EXPECT(!hash_key_parse(BYTES_LIT(""), &v));
}

TESTS(RUN(md5_agrees_with_openssl_at_every_length), RUN(many_keys_hash_like_each_one),
      RUN(a_key_lies_where_aws_puts_it), RUN(an_explicit_key_is_a_number_below_two_to_the_128))
