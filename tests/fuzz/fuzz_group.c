/* The classic group coordinator: bytes become events, invariants are asserted after each. */
#include "tests/unit/broker/group_driver.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size <= 4096) driver_run(data, size);
    return 0;
}
