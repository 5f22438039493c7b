/* What /metrics shows of a door, for tests. */
#ifndef TESTS_UNIT_BRIDGE_METER_FIXTURE_H
#define TESTS_UNIT_BRIDGE_METER_FIXTURE_H

#include "bridge/meter.h"
#include "unit/bridge/bridge_fixture.h"

/* The door's series as text; the next call overwrites it. */
static inline const char *meter_page(struct bridge *b)
{
    static char page[8 << 20];
    struct writer out;
    writer_init(&out, sizeof page - 1);
    bridge_collect(&out, b);
    EXPECT_OK(out.err);
    bytes_to_text(bytes_of(out.data, out.len), page, sizeof page);
    writer_done(&out);
    return page;
}

/* name: without "aws_kinesis_". The value as text; "none": there is no such series. */
static inline const char *meter_shown(struct bridge *b, const char *name, const char *labels)
{
    static char value[32];
    char line[512];
    snprintf(line, sizeof line, "\naws_kinesis_%s{%s} ", name, labels);
    const char *at = strstr(meter_page(b), line);
    if (at == NULL) return "none";
    at += strlen(line);
    return bytes_to_text(bytes_of(at, strcspn(at, "\n")), value, sizeof value);
}
#define EXPECT_METER(bridge, name, labels, want) EXPECT_STR(meter_shown(bridge, name, labels), want)

#endif
