#include "protocol/kinesis/token.h"
#include "protocol/aws/base64.h"
#include "test.h"

static const struct token_key key = {{1, 2, 3, 4, 5}}, other_key = {{1, 2, 3, 4, 6}};
static struct arena arena;
enum { NOW = 1000000000 };

static struct arena *fresh(void)
{
    arena_done(&arena);
    arena_init(&arena, 4096);
    return &arena;
}

static struct iterator_token sample(struct bytes name)
{
    return (struct iterator_token){
        .stream_name = name, .topic_id = {9, 8, 7}, .shard_index = 42,
        .kind = ITERATOR_AT_TIMESTAMP,
        .position = INT64_MAX - 3, .created_ms = NOW,
    };
}

TEST(an_iterator_comes_back_as_it_went_out)
{
    char name[TOKEN_STREAM_NAME_MAX];
    memset(name, 'n', sizeof name);
    for (size_t len = 1; len <= sizeof name; len++) {
        struct iterator_token in = sample(bytes_of(name, len)), out;
        char text[ITERATOR_TEXT_BYTES];
        struct bytes b = iterator_format(&key, &in, text);
        EXPECT_EQ(strlen(text), b.len);
        EXPECT_OK(iterator_parse(&key, b, NOW + TOKEN_LIFE_MS, fresh(), &out));
        EXPECT(bytes_equal(out.stream_name, in.stream_name));
        EXPECT(memcmp(out.topic_id, in.topic_id, sizeof in.topic_id) == 0);
        EXPECT_EQ(out.shard_index, 42);
        EXPECT_EQ(out.kind, ITERATOR_AT_TIMESTAMP);
        EXPECT_EQ(out.position, in.position);
        EXPECT_EQ(out.created_ms, NOW);
    }
}

TEST(an_iterator_looks_like_one_of_aws)
{
    char text[ITERATOR_TEXT_BYTES];
    uint8_t raw[ITERATOR_TEXT_BYTES];
    size_t len, at;
    struct iterator_token in = sample(BYTES_LIT("__kinesalite_test_1"));
    struct bytes b = iterator_format(&key, &in, text);
    EXPECT_EQ(base64_decode(b, raw, &len, &at), BASE64_OK);
    EXPECT(len >= 152 && (len - 152) % 16 == 0);
    EXPECT(memcmp(raw, "\0\0\0\0\0\0\0\1", 8) == 0);
}

TEST(quotes_around_an_iterator_are_taken)
{
    char text[ITERATOR_TEXT_BYTES], quoted[ITERATOR_TEXT_BYTES + 2];
    struct iterator_token in = sample(BYTES_LIT("s")), out;
    iterator_format(&key, &in, text);
    snprintf(quoted, sizeof quoted, "\"%s\"", text);
    EXPECT_OK(iterator_parse(&key, bytes_str(quoted), NOW, fresh(), &out));
    snprintf(quoted, sizeof quoted, "\"%s", text);
    EXPECT_ERR(iterator_parse(&key, bytes_str(quoted), NOW, fresh(), &out), ERR_INVALID_ARGUMENT);
}

TEST(an_iterator_expires)
{
    char text[ITERATOR_TEXT_BYTES];
    struct iterator_token in = sample(BYTES_LIT("s")), out = {0};
    struct bytes b = iterator_format(&key, &in, text);
    EXPECT_ERR(iterator_parse(&key, b, NOW + TOKEN_LIFE_MS + 1, fresh(), &out),
               ERR_EXPIRED_ITERATOR);
    EXPECT_EQ(out.created_ms, NOW);
    EXPECT_ERR(iterator_parse(&key, b, NOW - TOKEN_LIFE_MS - 1, fresh(), &out),
               ERR_EXPIRED_ITERATOR);
}

TEST(a_changed_token_is_refused_wherever_it_was_changed)
{
    char text[ITERATOR_TEXT_BYTES], page[PAGE_TEXT_BYTES];
    struct iterator_token in = sample(BYTES_LIT("stream")), out = {.shard_index = 5};
    struct bytes b = iterator_format(&key, &in, text);
    for (size_t i = 0; i < b.len; i++) {
        text[i] ^= 1;
        EXPECT_ERR(iterator_parse(&key, b, NOW, fresh(), &out), ERR_INVALID_ARGUMENT);
        text[i] ^= 1;
        EXPECT_ERR(iterator_parse(&key, bytes_of(text, i), NOW, fresh(), &out),
                   ERR_INVALID_ARGUMENT);
    }
    EXPECT_EQ(out.shard_index, 5);
    EXPECT_ERR(iterator_parse(&other_key, b, NOW, fresh(), &out), ERR_INVALID_ARGUMENT);
    struct page_token token = {.kind = PAGE_LIST_SHARDS, .created_ms = NOW,
                               .stream_name = BYTES_LIT("s")}, back;
    struct bytes p = page_format(&key, &token, page);
    for (size_t i = 0; i < p.len; i++) {
        page[i] ^= 1;
        EXPECT_ERR(page_parse(&key, PAGE_LIST_SHARDS, p, NOW, fresh(), &back),
                   ERR_INVALID_ARGUMENT);
        page[i] ^= 1;
    }
    EXPECT_ERR(iterator_parse(&key, p, NOW, fresh(), &out), ERR_INVALID_ARGUMENT);
    EXPECT_ERR(page_parse(&key, PAGE_LIST_SHARDS, b, NOW, fresh(), &back), ERR_INVALID_ARGUMENT);
}

TEST(a_next_token_comes_back_to_its_own_listing_only)
{
    char text[PAGE_TEXT_BYTES], name[TOKEN_STREAM_NAME_MAX], after[PAGE_AFTER_MAX];
    memset(name, 'n', sizeof name);
    memset(after, 'a', sizeof after);
    struct page_token in = {
        .kind = PAGE_LIST_STREAM_CONSUMERS, .filter = 3, .shard_index = UINT32_MAX, .filter_ms = -5,
        .created_ms = NOW, .topic_id = {1, 2}, .stream_name = bytes_of(name, sizeof name),
        .after = bytes_of(after, sizeof after),
    }, out;
    struct bytes b = page_format(&key, &in, text);
    EXPECT_OK(page_parse(&key, PAGE_LIST_STREAM_CONSUMERS, b, NOW, fresh(), &out));
    EXPECT_EQ(out.filter, 3);
    EXPECT_EQ(out.shard_index, UINT32_MAX);
    EXPECT_EQ(out.filter_ms, -5);
    EXPECT(bytes_equal(out.stream_name, in.stream_name));
    EXPECT(bytes_equal(out.after, in.after));
    EXPECT(memcmp(out.topic_id, in.topic_id, sizeof in.topic_id) == 0);
    EXPECT_ERR(page_parse(&key, PAGE_LIST_STREAMS, b, NOW, fresh(), &out), ERR_INVALID_ARGUMENT);
    EXPECT_ERR(page_parse(&key, PAGE_LIST_STREAM_CONSUMERS, b, NOW + TOKEN_LIFE_MS + 1, fresh(),
                          &out),
               ERR_EXPIRED_NEXT_TOKEN);
}

TEST(garbage_is_no_token)
{
    static char long_text[700];
    struct iterator_token out;
    struct page_token page;
    memset(long_text, 'A', sizeof long_text);
    const struct bytes texts[] = {BYTES_LIT(""),
                                  BYTES_LIT("\""),
                                  BYTES_LIT("\"\""),
                                  BYTES_LIT("AAAA"),
                                  BYTES_LIT("x"),
                                  bytes_of(long_text, 512),
                                  bytes_of(long_text, 580),
                                  bytes_of(long_text, 584),
                                  bytes_of(long_text, 700)};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        EXPECT_ERR(iterator_parse(&key, texts[i], NOW, fresh(), &out), ERR_INVALID_ARGUMENT);
        EXPECT_ERR(page_parse(&key, PAGE_LIST_SHARDS, texts[i], NOW, fresh(), &page),
                   ERR_INVALID_ARGUMENT);
    }
}

TESTS(RUN(an_iterator_comes_back_as_it_went_out), RUN(an_iterator_looks_like_one_of_aws),
      RUN(quotes_around_an_iterator_are_taken), RUN(an_iterator_expires),
      RUN(a_changed_token_is_refused_wherever_it_was_changed),
      RUN(a_next_token_comes_back_to_its_own_listing_only), RUN(garbage_is_no_token))
