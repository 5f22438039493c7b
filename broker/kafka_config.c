#include "broker/kafka_config.h"

#include "base/check.h"

#define CONFIG(name, type, usual, documentation)                                                   \
    {name, KAFKA_CONFIG_##type, usual, documentation},
static const struct kafka_config configs[] = {
#include "broker/kafka_config.def"
};
#undef CONFIG
enum { COUNT = sizeof configs / sizeof configs[0] };

int32_t kafka_config_count(void)
{
    return COUNT;
}

const struct kafka_config *kafka_config(int32_t index)
{
    return &configs[index];
}

int32_t kafka_config_find(struct bytes name)
{
    int32_t low = 0, high = COUNT;
    while (low < high) {
        int32_t middle = low + (high - low) / 2;
        int order = bytes_compare(bytes_str(configs[middle].name), name);
        if (order == 0) return middle;
        if (order < 0) low = middle + 1;
        else high = middle;
    }
    return -1;
}
