#include "base/err.h"

#include <string.h>
#include "test.h"

TEST(every_error_has_kafkas_name_for_its_code)
{
    EXPECT_STR(err_kafka_name(ERR_OK), "NONE");
    EXPECT_STR(err_kafka_name(ERR_CORRUPT_MESSAGE), "CORRUPT_MESSAGE");
    EXPECT_STR(err_kafka_name(ERR_DISK), "KAFKA_STORAGE_ERROR");
    EXPECT_STR(err_kafka_name(ERR_BUSY), "REQUEST_TIMED_OUT");
    EXPECT_STR(err_kafka_name(ERR_RESOURCE_IN_USE), "UNKNOWN_SERVER_ERROR");
    for (int i = 0; i < ERR_COUNT; i++) EXPECT(strlen(err_kafka_name((enum err)i)) > 0);
}

TESTS(RUN(every_error_has_kafkas_name_for_its_code))
