#include "base/log.h"
#include <fcntl.h>
#include <jansson.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>
#include "base/clock.h"
#include "test.h"

static char got[LOG_LINE_BYTES_MAX * 4];
static int ends[2];

static void log_to_pipe(enum log_level least, bool json)
{
    static const int64_t at_us = 1795341600123456;             /* 2026-11-22T10:00:00.123456Z */
    assert_int_equal(pipe(ends), 0);
    clock_fake(&at_us);
    log_setup(least, json, ends[1]);
}

/* What was logged since; logging goes back to stderr. */
static const char *logged(void)
{
    log_setup(LOG_INFO, false, STDERR_FILENO);
    clock_fake(NULL);
    close(ends[1]);
    ssize_t len = read(ends[0], got, sizeof got - 1);
    close(ends[0]);
    got[len > 0 ? len : 0] = '\0';
    return got;
}

TEST(a_logfmt_line)
{
    log_to_pipe(LOG_INFO, false);
    log_info("listening", {"door", LOG_S("kafka")}, {"port", LOG_I(9092)});
    EXPECT_STR(logged(),
               "time=2026-11-22T10:00:00.123Z level=info msg=listening door=kafka port=9092\n");
}

TEST(logfmt_quotes_what_would_be_misread)
{
    log_to_pipe(LOG_INFO, false);
    log_warn("two words", {"a", LOG_S("x=\"y\"\\\n\x01")}, {"empty", LOG_S("")},
             {"null", LOG_S(NULL)}, {"nothing", LOG_B(BYTES_NULL)}, {"least", LOG_I(INT64_MIN)});
    EXPECT_STR(logged(), "time=2026-11-22T10:00:00.123Z level=warn msg=\"two words\" "
                         "a=\"x=\\\"y\\\"\\\\\\n\\u0001\" empty=\"\" null=null nothing=null "
                         "least=-9223372036854775808\n");
}

TEST(a_json_line_parses_and_makes_bad_utf8_good)
{
    log_to_pipe(LOG_INFO, true);
    log_error("b\xc3\xa4r", {"bad", LOG_B(BYTES_LIT("a\xff\xc3"))}, {"n", LOG_I(-1)},
              {"null", LOG_S(NULL)});
    json_error_t why;
    json_t *line = json_loads(logged(), 0, &why);
    assert_non_null(line);
    EXPECT_STR(json_string_value(json_object_get(line, "level")), "error");
    EXPECT_STR(json_string_value(json_object_get(line, "msg")), "b\xc3\xa4r");
    EXPECT_STR(json_string_value(json_object_get(line, "bad")), "a\xef\xbf\xbd\xef\xbf\xbd");
    EXPECT_EQ(json_integer_value(json_object_get(line, "n")), -1);
    EXPECT(json_is_null(json_object_get(line, "null")));
    json_decref(line);
}

TEST(below_the_level_nothing_is_written)
{
    log_to_pipe(LOG_WARN, false);
    log_info("no");
    log_debug("no", {"n", LOG_I(1)});
    EXPECT(!log_is_on(LOG_INFO));
    EXPECT(log_is_on(LOG_ERROR));
    EXPECT_STR(logged(), "");
}

/* Each length around the limit, so that every way to run out of room is taken. */
TEST(a_long_line_is_cut_and_stays_well_formed)
{
    char *value = malloc(LOG_LINE_BYTES_MAX + 1);
    for (int json = 0; json < 2; json++)
        for (int len = LOG_LINE_BYTES_MAX - 300; len < LOG_LINE_BYTES_MAX; len++) {
            memset(value, len % 2 ? '"' : 'x', (size_t)len);
            value[len] = '\0';
            log_to_pipe(LOG_INFO, json);
            log_info("long", {"value", LOG_S(value)}, {"number", LOG_I(123456)},
                     {"last", LOG_S("z z")});
            const char *line = logged();
            size_t total = strlen(line);
            EXPECT(total <= LOG_LINE_BYTES_MAX && line[total - 1] == '\n');
            EXPECT(strchr(line, '\n') == line + total - 1);
            bool cut = strstr(line, json ? ",\"cut\":true}\n" : " cut=true\n") != NULL;
            EXPECT_EQ(cut, strstr(line, "z z") == NULL);
            if (json) {
                json_t *parsed = json_loads(line, 0, NULL);
                assert_non_null(parsed);
                json_decref(parsed);
            }
        }
    free(value);
}

static void *talk(void *arg)
{
    for (int i = 0; i < 50; i++) log_info("line", {"from", LOG_I((intptr_t)arg)}, {"i", LOG_I(i)});
    return NULL;
}

TEST(lines_of_several_threads_do_not_mix)
{
    log_to_pipe(LOG_INFO, false);
    pthread_t threads[4];
    for (intptr_t i = 0; i < 4; i++) pthread_create(&threads[i], NULL, talk, (void *)i);
    for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
    char *text = malloc(65536);
    log_setup(LOG_INFO, false, STDERR_FILENO);
    clock_fake(NULL);
    close(ends[1]);
    size_t len = 0;
    for (ssize_t n; (n = read(ends[0], text + len, 65535 - len)) > 0;) len += (size_t)n;
    close(ends[0]);
    text[len] = '\0';
    int lines = 0;
    for (char *at = text, *next; (next = strchr(at, '\n')) != NULL; at = next + 1, lines++)
        EXPECT(strncmp(at, "time=2026-11-22T10:00:00.123Z level=info msg=line from=", 55) == 0);
    EXPECT_EQ(lines, 200);
    free(text);
}

TESTS(RUN(a_logfmt_line), RUN(logfmt_quotes_what_would_be_misread),
      RUN(a_json_line_parses_and_makes_bad_utf8_good), RUN(below_the_level_nothing_is_written),
      RUN(a_long_line_is_cut_and_stays_well_formed), RUN(lines_of_several_threads_do_not_mix))
