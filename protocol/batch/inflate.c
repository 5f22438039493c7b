/* Each codec writes into one growing slab of at most bytes_max + 1 bytes: when the last of these is
 * used, the output is too large. No codec is asked how large its output will be and believed: a
 * claim only sizes the first attempt, and only as far as the format could make it true. */
#include "protocol/batch/inflate.h"

#include <assert.h>
#include <lz4frame.h>
#include <snappy-c.h>
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>
#include "base/mem.h"
#include "base/check.h"

enum { FIRST_BYTES_MIN = 16 * 1024, FIRST_RATIO = 4, KEEP_BYTES_MAX = 1024 * 1024 };

void inflater_init(struct inflater *i, struct budget *budget, size_t bytes_max)
{
    assert(bytes_max < INT32_MAX);
    *i = (struct inflater){.budget = budget, .bytes_max = bytes_max};
}

void inflater_done(struct inflater *i)
{
    slab_unref(i->out);
    ZSTD_freeDCtx(i->zstd);
    LZ4F_freeDecompressionContext(i->lz4);
    *i = (struct inflater){.budget = i->budget, .bytes_max = i->bytes_max};
}

struct slab *inflater_take(struct inflater *i)
{
    return TAKE(i->out);
}

void inflater_trim(struct inflater *i)
{
    if (i->out != NULL && i->out->cap > KEEP_BYTES_MAX) slab_unrefp(&i->out);
}

/* Makes room for cap bytes, or for as many as the limit allows, and keeps the first used ones. */
static enum err room(struct inflater *i, size_t used, size_t cap)
{
    if (cap > i->bytes_max + 1) cap = i->bytes_max + 1;
    if (i->out != NULL && i->out->cap >= cap) return ERR_OK;
    struct slab *larger = slab_new(i->budget, cap);
    if (larger == NULL) return ERR_BUSY;
    if (i->out != NULL) mem_copy(larger->data, i->out->data, used);
    slab_unref(i->out);
    i->out = larger;
    return ERR_OK;
}

/* More room than there was. */
static enum err room_more(struct inflater *i, size_t used)
{
    if (i->out->cap > i->bytes_max) return ERR_MESSAGE_TOO_LARGE;
    return room(i, used, i->out->cap * 4);
}

static enum err room_first(struct inflater *i, size_t in_bytes)
{
    inflater_trim(i);
    size_t guess = in_bytes * FIRST_RATIO;
    return room(i, 0, guess > FIRST_BYTES_MIN ? guess : FIRST_BYTES_MIN);
}

static bool gzip_member_follows(const z_stream *z)
{
    return z->avail_in >= 2 && z->next_in[0] == 0x1f && z->next_in[1] == 0x8b;
}

static enum err gzip_run(struct inflater *i, z_stream *z, size_t *ret_len)
{
    for (size_t used = 0;;) {
        if (used == i->out->cap) TRY(room_more(i, used));
        z->next_out = i->out->data + used;
        z->avail_out = (uInt)(i->out->cap - used);
        int got = inflate(z, Z_NO_FLUSH);
        used = i->out->cap - z->avail_out;
        if (got == Z_STREAM_END && !gzip_member_follows(z)) {
            *ret_len = used;
            return ERR_OK;
        }
        if (got == Z_STREAM_END) got = inflateReset(z);
        /* Z_BUF_ERROR: no progress; with room left that means the input ended too early. */
        if (got == Z_MEM_ERROR) return ERR_BUSY;
        if (got != Z_OK && !(got == Z_BUF_ERROR && z->avail_out == 0)) return ERR_INVALID_RECORD;
    }
}

static enum err gzip(struct inflater *i, struct bytes in, size_t *ret_len)
{
    z_stream z = {.next_in = (Bytef *)in.data, .avail_in = (uInt)in.len};
    TRY(room_first(i, in.len));
    if (inflateInit2(&z, 15 + 16) != Z_OK) return ERR_BUSY;      /* 32 KiB window, gzip header */
    enum err err = gzip_run(i, &z, ret_len);
    inflateEnd(&z);
    return err;
}

/* One raw snappy block behind the used bytes. No block can unpack to more than 64 bytes for every 3
 * (a copy element), so a larger claim is a lie that would cost memory. */
static enum err snappy_block(struct inflater *i, struct bytes in, size_t *used)
{
    size_t len;
    if (snappy_uncompressed_length((const char *)in.data, in.len, &len) != SNAPPY_OK)
        return ERR_INVALID_RECORD;
    if (len / 32 > in.len) return ERR_INVALID_RECORD;
    if (len > i->bytes_max - *used) return ERR_MESSAGE_TOO_LARGE;
    size_t need = *used + len;
    if (need > i->out->cap) TRY(room(i, *used, need + i->out->cap));
    if (snappy_uncompress((const char *)in.data, in.len, (char *)i->out->data + *used, &len) !=
        SNAPPY_OK)
        return ERR_INVALID_RECORD;
    *used += len;
    return ERR_OK;
}

/* Xerial: "\x82SNAPPY\0", version and least compatible version (int32), then blocks: int32 length
 * and a raw snappy block. Anything else is one raw block. */
static enum err snappy(struct inflater *i, struct bytes in, size_t *ret_len)
{
    static const uint8_t magic[8] = {0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0};
    enum { XERIAL_HEADER_BYTES = 16 };
    size_t used = 0;
    TRY(room_first(i, in.len));
    if (in.len < XERIAL_HEADER_BYTES || memcmp(in.data, magic, sizeof magic) != 0) {
        TRY(snappy_block(i, in, &used));
    } else {
        in = bytes_slice(in, XERIAL_HEADER_BYTES, in.len - XERIAL_HEADER_BYTES);
        while (in.len > 0) {
            if (in.len < 4 || load_be32(in.data) > in.len - 4) return ERR_INVALID_RECORD;
            size_t block = load_be32(in.data);
            TRY(snappy_block(i, bytes_slice(in, 4, block), &used));
            in = bytes_slice(in, 4 + block, in.len - 4 - block);
        }
    }
    *ret_len = used;
    return ERR_OK;
}

/* What Kafka's own reader demands of the frame descriptor, and so of every frame that a Java
 * consumer will meet: version 1, independent blocks, no dictionary, the reserved bit unset. */
static bool lz4_is_kafkas(struct bytes in)
{
    return in.len > 4 && (in.data[4] & 0xe3) == 0x60;
}

static enum err lz4(struct inflater *i, struct bytes in, size_t *ret_len)
{
    if (!lz4_is_kafkas(in)) return ERR_INVALID_RECORD;
    LZ4F_dctx *context = i->lz4;
    if (context == NULL && LZ4F_isError(LZ4F_createDecompressionContext(&context, LZ4F_VERSION)))
        return ERR_BUSY;
    i->lz4 = context;
    LZ4F_resetDecompressionContext(context);
    TRY(room_first(i, in.len));
    for (size_t used = 0, at = 0;;) {
        if (used == i->out->cap) TRY(room_more(i, used));
        size_t out_bytes = i->out->cap - used, in_bytes = in.len - at;
        size_t hint = LZ4F_decompress(context, i->out->data + used, &out_bytes, in.data + at,
                                      &in_bytes, NULL);
        if (LZ4F_isError(hint)) return ERR_INVALID_RECORD;
        used += out_bytes;
        at += in_bytes;
        if (hint == 0) {                   /* the frame is whole; Kafka ignores what follows it */
            *ret_len = used;
            return ERR_OK;
        }
        if (at == in.len && used < i->out->cap) return ERR_INVALID_RECORD;
    }
}

/* Always whole frames into the whole output, started anew with more room when it was too small: the
 * streaming decoder would allocate the window that the sender claims. */
static enum err zstd(struct inflater *i, struct bytes in, size_t *ret_len)
{
    if (i->zstd == NULL) i->zstd = ZSTD_createDCtx();
    if (i->zstd == NULL) return ERR_BUSY;
    TRY(room_first(i, in.len));
    for (;;) {
        size_t len = ZSTD_decompressDCtx(i->zstd, i->out->data, i->out->cap, in.data, in.len);
        if (!ZSTD_isError(len)) {
            *ret_len = len;
            return ERR_OK;
        }
        if (ZSTD_getErrorCode(len) != ZSTD_error_dstSize_tooSmall) return ERR_INVALID_RECORD;
        TRY(room_more(i, 0));
    }
}

enum err inflater_run(struct inflater *i, enum batch_codec codec, struct bytes in,
                      struct bytes *ret_out)
{
    assert(in.len < INT32_MAX);
    enum err err;
    size_t len = 0;
    switch (codec) {
    case CODEC_GZIP: err = gzip(i, in, &len); break;
    case CODEC_SNAPPY: err = snappy(i, in, &len); break;
    case CODEC_LZ4: err = lz4(i, in, &len); break;
    case CODEC_ZSTD: err = zstd(i, in, &len); break;
    default: return ERR_UNSUPPORTED_COMPRESSION_TYPE;
    }
    if (err == ERR_OK && len > i->bytes_max) err = ERR_MESSAGE_TOO_LARGE;
    i->overran = err == ERR_MESSAGE_TOO_LARGE;
    i->spent += err == ERR_OK ? len : i->out != NULL ? i->out->cap : 0;
    TRY(err);
    i->out->len = len;
    *ret_out = slab_bytes(i->out);
    return ERR_OK;
}
