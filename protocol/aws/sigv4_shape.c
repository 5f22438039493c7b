/* The header reads "AWS4-HMAC-SHA256 Credential=.., SignedHeaders=.., Signature=..". AWS splits it
 * at blanks and commas, lets the first word be the algorithm whatever it says, and takes what
 * stands between the first and second '=' of each part as its value; so do we. */
#include "protocol/aws/sigv4_shape.h"

#include "base/writer.h"
#include "base/check.h"

enum { MESSAGE_MAX = 16 * 1024 };

/* The part of text before the first mark; text moves behind it. */
static struct bytes take_part(struct bytes *text, char mark)
{
    const uint8_t *at = text->len > 0 ? memchr(text->data, mark, text->len) : NULL;
    size_t len = at != NULL ? (size_t)(at - text->data) : text->len;
    struct bytes part = bytes_slice(*text, 0, len);
    *text = bytes_slice(*text, len < text->len ? len + 1 : len,
                        text->len - len - (len < text->len));
    return part;
}

struct pair {
    struct bytes name;
    struct bytes value;
};

static struct pair pair_of(struct bytes part)
{
    struct pair pair;
    pair.name = take_part(&part, '=');
    pair.value = take_part(&part, '=');
    return pair;
}

static bool is_given(struct bytes b)
{
    return b.len > 0;
}

static void lack(struct writer *w, bool given, const char *text)
{
    if (!given) writer_text(w, text);
}

static void finish_shape(struct sigv4_shape *shape)
{
    struct bytes rest = shape->credential;
    shape->access_key = take_part(&rest, '/');
}

/* The name that a part of the header has, or NULL. */
static struct bytes *header_field(struct sigv4_shape *shape, struct bytes name)
{
    if (bytes_equal_str(name, "Credential")) return &shape->credential;
    if (bytes_equal_str(name, "Signature")) return &shape->signature;
    if (bytes_equal_str(name, "SignedHeaders")) return &shape->signed_headers;
    return NULL;
}

static void check_header(const struct sigv4_request *request, struct sigv4_shape *shape,
                         struct writer *w)
{
    bool algorithm = true;
    for (struct bytes rest = request->authorization; rest.len > 0;) {
        struct bytes words = take_part(&rest, ',');
        do {
            struct pair pair = pair_of(take_part(&words, ' '));
            struct bytes *field = algorithm ? NULL : header_field(shape, pair.name);
            if (field) *field = pair.value;
            algorithm = false;
        } while (words.len > 0);
    }
    lack(w, is_given(shape->credential), "Authorization header requires 'Credential' parameter. ");
    lack(w, is_given(shape->signature), "Authorization header requires 'Signature' parameter. ");
    lack(w, is_given(shape->signed_headers),
         "Authorization header requires 'SignedHeaders' parameter. ");
    lack(w, is_given(request->date),
         "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. ");
    if (w->len == 0) return;
    writer_text(w, "Authorization=");
    writer_bytes_raw(w, request->authorization);
}

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9') return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Undoes percent-encoding; what is no escape stays as it is. Null when the arena is full. */
static struct bytes decoded(struct arena *arena, struct bytes text)
{
    struct bytes copy = arena_copy(arena, text);
    uint8_t *to = (uint8_t *)copy.data;
    size_t len = 0;
    for (size_t i = 0; i < copy.len; i++) {
        int high = i + 2 < copy.len && copy.data[i] == '%' ? hex_digit(copy.data[i + 1]) : -1;
        int low = high >= 0 ? hex_digit(copy.data[i + 2]) : -1;
        uint8_t plain = copy.data[i] == '+' ? ' ' : copy.data[i];
        to[len++] = low >= 0 ? (uint8_t)(high << 4 | low) : plain;
        if (low >= 0) i += 2;
    }
    return bytes_of(copy.data, len);
}

struct query {
    bool has_algorithm;
    struct bytes algorithm, credential, signature, signed_headers, date;
};

static struct query read_query(struct bytes text)
{
    struct query q = {0};
    while (text.len > 0) {
        struct pair pair = pair_of(take_part(&text, '&'));
        if (bytes_equal_str(pair.name, "X-Amz-Algorithm")) {
            q.has_algorithm = true;
            q.algorithm = pair.value;
        } else if (bytes_equal_str(pair.name, "X-Amz-Credential")) {
            q.credential = pair.value;
        } else if (bytes_equal_str(pair.name, "X-Amz-Signature")) {
            q.signature = pair.value;
        } else if (bytes_equal_str(pair.name, "X-Amz-SignedHeaders")) {
            q.signed_headers = pair.value;
        } else if (bytes_equal_str(pair.name, "X-Amz-Date")) {
            q.date = pair.value;
        }
    }
    return q;
}

static void check_query(const struct query *q, struct arena *arena, struct sigv4_shape *shape,
                        struct writer *w)
{
    lack(w, is_given(q->algorithm), "AWS query-string parameters must include 'X-Amz-Algorithm'. ");
    lack(w, is_given(q->credential),
         "AWS query-string parameters must include 'X-Amz-Credential'. ");
    lack(w, is_given(q->signature), "AWS query-string parameters must include 'X-Amz-Signature'. ");
    lack(w, is_given(q->signed_headers),
         "AWS query-string parameters must include 'X-Amz-SignedHeaders'. ");
    lack(w, is_given(q->date), "AWS query-string parameters must include 'X-Amz-Date'. ");
    if (w->len > 0) {
        writer_text(w, "Re-examine the query-string parameters.");
        return;
    }
    shape->in_query = true;
    shape->credential = decoded(arena, q->credential);
    shape->signature = decoded(arena, q->signature);
    shape->signed_headers = decoded(arena, q->signed_headers);
}

static enum err refuse(enum err err, struct bytes message, struct arena *arena,
                       struct bytes *ret_message)
{
    *ret_message = arena_copy(arena, message);
    return err;
}

enum err sigv4_shape_check(const struct sigv4_request *request, struct arena *arena,
                           struct sigv4_shape *ret_shape, struct bytes *ret_message)
{
    struct query query = read_query(request->query);
    bool in_header = is_given(request->authorization);
    if (in_header && query.has_algorithm)
        return refuse(ERR_INVALID_SIGNATURE,
                      BYTES_LIT("Found both 'X-Amz-Algorithm' as a query-string param and "
                                "'Authorization' as HTTP header."),
                      arena, ret_message);
    if (!in_header && !query.has_algorithm)
        return refuse(ERR_MISSING_AUTHENTICATION_TOKEN, BYTES_LIT("Missing Authentication Token"),
                      arena, ret_message);
    struct sigv4_shape shape = {0};
    CLEANUP(writer_done) struct writer lacking;
    writer_init(&lacking, MESSAGE_MAX);
    if (in_header) check_header(request, &shape, &lacking);
    else check_query(&query, arena, &shape, &lacking);
    if (lacking.len > 0)
        return refuse(ERR_INCOMPLETE_SIGNATURE, bytes_of(lacking.data, lacking.len), arena,
                      ret_message);
    finish_shape(&shape);
    *ret_shape = shape;
    return ERR_OK;
}
