#include "base/err.h"

#include <assert.h>
#include "base/check.h"

struct err_row {
    const char *name;
    enum err_class class;
    int16_t kafka;
    const char *kinesis;
    const char *text;
};

#define ERR_ROW(name, cls, kafka, kinesis, text) {#name, ERR_CLASS_##cls, kafka, kinesis, text},
static const struct err_row rows[] = {
    {"NONE", ERR_CLASS_NONE, 0, "", "no error"},
    ERR_TABLE(ERR_ROW)
};
static_assert(sizeof rows / sizeof rows[0] == ERR_COUNT, "one row an error");

static const struct err_row *row(enum err err)
{
    assert(err >= 0 && err < ERR_COUNT);
    return &rows[err];
}

const char *err_name(enum err err)
{
    return row(err)->name;
}

const char *err_text(enum err err)
{
    return row(err)->text;
}

const char *err_kinesis(enum err err)
{
    return row(err)->kinesis;
}

int16_t err_kafka(enum err err)
{
    return row(err)->kafka;
}

/* Rows that exist in Kafka stand before those that borrow its codes. */
const char *err_kafka_name(enum err err)
{
    int same = 0;
    while (rows[same].kafka != row(err)->kafka) same++;
    return rows[same].name;
}

enum err_class err_class(enum err err)
{
    return row(err)->class;
}
