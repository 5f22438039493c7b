#include "base/uuid.h"
#include "test.h"

static const struct uuid sample = {{0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 0xfe, 0xdc,
                                    0xba, 0x98, 0x76, 0x54, 0x32, 0x10}};

TEST(text_is_base64url_as_kafka_prints_it)
{
    char text[UUID_TEXT_LEN + 1];
    EXPECT_STR(uuid_to_text(&sample, text), "ASNFZ4mrze_-3LqYdlQyEA");
    EXPECT_STR(uuid_to_text(&(struct uuid){}, text), "AAAAAAAAAAAAAAAAAAAAAA");
    struct uuid back;
    EXPECT(uuid_from_text(BYTES_LIT("ASNFZ4mrze_-3LqYdlQyEA"), &back));
    EXPECT(uuid_equal(&back, &sample));
}

TEST(what_is_not_22_characters_of_128_bits_is_refused)
{
    struct uuid id = sample;
    EXPECT(!uuid_from_text(BYTES_NULL, &id));
    EXPECT(!uuid_from_text(BYTES_LIT("ASNFZ4mrze_-3LqYdlQyE"), &id));
    EXPECT(!uuid_from_text(BYTES_LIT("ASNFZ4mrze_-3LqYdlQyEA="), &id));
    EXPECT(!uuid_from_text(BYTES_LIT("ASNFZ4mrze/-3LqYdlQyEA"), &id));
    EXPECT(!uuid_from_text(BYTES_LIT("ASNFZ4mrze\0-3LqYdlQyEA"), &id));
    EXPECT(!uuid_from_text(BYTES_LIT("ASNFZ4mrze_-3LqYdlQyEB"), &id));   /* bits beyond the 128th */
    EXPECT(uuid_equal(&id, &sample));
}

TEST(random_ids_differ_and_can_stand_on_a_command_line)
{
    struct uuid last = {};
    for (int i = 0; i < 2000; i++) {
        char text[UUID_TEXT_LEN + 1];
        struct uuid id = uuid_random(), back;
        EXPECT(!uuid_is_zero(&id) && !uuid_equal(&id, &last));
        EXPECT(uuid_to_text(&id, text)[0] != '-');
        EXPECT(uuid_from_text(bytes_str(text), &back) && uuid_equal(&back, &id));
        last = id;
    }
}

TESTS(RUN(text_is_base64url_as_kafka_prints_it),
      RUN(what_is_not_22_characters_of_128_bits_is_refused),
      RUN(random_ids_differ_and_can_stand_on_a_command_line))
