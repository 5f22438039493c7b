/* Each run writes into one slab that has room for the worst case, so no codec meets the end of its
 * output and the size is compared with a limit once, by the caller, as Kafka does. Untouched pages
 * of the slab cost nothing, and a large one is not kept.
 *
 * lz4 frames are put together here from raw blocks instead of by the library's frame writer:
 * Kafka's level 9 means the fast compressor and 1 to 8 the thorough one, which that writer cannot
 * be told. */
#include "protocol/batch/deflate.h"

#include <assert.h>
#include <lz4.h>
#include <lz4hc.h>
#include <snappy-c.h>
#include <zlib.h>
#include <zstd.h>
#include "base/mem.h"
#include "base/check.h"

enum {
    KEEP_BYTES_MAX = 1024 * 1024,
    CONTEXT_BYTES_MAX = 4 * 1024 * 1024,
    SNAPPY_BLOCK_BYTES = 32 * 1024,
    LZ4_BLOCK_BYTES = 64 * 1024,
    /* From this level on zstd's window would grow up to 128 MiB, and its tables with it. */
    ZSTD_WIDE_LEVEL = 17,
    ZSTD_WINDOW_LOG_MAX = 22,
    /* Between two of these a run looks whether it shall stop. */
    SLICE_BYTES = 128 * 1024,
};

void deflater_init(struct deflater *d)
{
    *d = (struct deflater){0};
}

void deflater_done(struct deflater *d)
{
    slab_unref(d->out);
    if (d->gzip != NULL) deflateEnd(d->gzip);
    mem_free(d->gzip);
    mem_free(d->lz4);
    mem_free(d->lz4_thorough);
    ZSTD_freeCCtx(d->zstd);
    deflater_init(d);
}

void deflater_trim(struct deflater *d)
{
    if (d->out != NULL && d->out->cap > KEEP_BYTES_MAX) slab_unrefp(&d->out);
    if (d->zstd == NULL || ZSTD_sizeof_CCtx(d->zstd) <= CONTEXT_BYTES_MAX) return;
    ZSTD_freeCCtx(d->zstd);
    d->zstd = NULL;
}

static enum err room(struct deflater *d, size_t cap)
{
    if (d->out != NULL && d->out->cap >= cap) return ERR_OK;
    slab_unrefp(&d->out);
    d->out = slab_new(NULL, cap);
    return d->out != NULL ? ERR_OK : ERR_BUSY;
}

static bool is_stopped(const struct deflater *d)
{
    return d->stop != NULL && atomic_load_explicit(d->stop, memory_order_relaxed);
}

static size_t slice(size_t left)
{
    return left < SLICE_BYTES ? left : SLICE_BYTES;
}

static enum err gzip(struct deflater *d, int level, struct bytes in, size_t *ret_len)
{
    enum { WINDOW_BITS = 15 + 16, MEMORY_LEVEL = 8 };       /* 32 KiB, gzip header */
    if (d->gzip == NULL) {
        z_stream *made = NEW(z_stream);
        if (deflateInit2(made, level, Z_DEFLATED, WINDOW_BITS, MEMORY_LEVEL, Z_DEFAULT_STRATEGY) !=
            Z_OK) {
            mem_free(made);
            return ERR_BUSY;
        }
        d->gzip = made;
    }
    z_stream *z = d->gzip;
    deflateReset(z);
    deflateParams(z, level, Z_DEFAULT_STRATEGY);
    TRY(room(d, deflateBound(z, in.len)));
    z->next_in = (Bytef *)in.data;
    z->next_out = d->out->data;
    z->avail_out = (uInt)d->out->cap;
    int got = Z_OK;
    for (size_t at = 0; got != Z_STREAM_END;) {
        if (is_stopped(d)) return ERR_CLOSED;
        size_t step = slice(in.len - at);
        at += step;
        z->avail_in = (uInt)step;
        got = deflate(z, at < in.len ? Z_NO_FLUSH : Z_FINISH);
        assert(z->avail_in == 0 && (got == Z_OK || got == Z_STREAM_END));
    }
    *ret_len = d->out->cap - z->avail_out;
    return ERR_OK;
}

/* Xerial: "\x82SNAPPY\0", version and least compatible version (int32), then blocks: int32 length
 * and a raw snappy block. */
static enum err snappy(struct deflater *d, struct bytes in, size_t *ret_len)
{
    static const uint8_t head[16] = {0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0, 0, 0, 0, 1, 0, 0, 0, 1};
    size_t block_bytes = 4 + snappy_max_compressed_length(SNAPPY_BLOCK_BYTES);
    TRY(room(d, sizeof head + (in.len / SNAPPY_BLOCK_BYTES + 1) * block_bytes));
    mem_copy(d->out->data, head, sizeof head);
    size_t used = sizeof head;
    for (size_t at = 0; at < in.len; at += SNAPPY_BLOCK_BYTES) {
        size_t step = in.len - at < SNAPPY_BLOCK_BYTES ? in.len - at : SNAPPY_BLOCK_BYTES;
        size_t len = block_bytes - 4;
        uint8_t *to = d->out->data + used;
        snappy_status got = snappy_compress((const char *)in.data + at, step, (char *)to + 4, &len);
        assert(got == SNAPPY_OK);
        store_be32(to, (uint32_t)len);
        used += 4 + len;
    }
    *ret_len = used;
    return ERR_OK;
}

static void store_le32(uint8_t *to, uint32_t v)
{
    for (int i = 0; i < 4; i++) to[i] = (uint8_t)(v >> 8 * i);
}

/* One block without its length. 0: it does not get smaller. */
static int lz4_block(struct deflater *d, int level, const uint8_t *in, int len, uint8_t *to)
{
    if (level != LZ4_LEVEL_DEFAULT)
        return LZ4_compress_HC_extStateHC(d->lz4_thorough, (const char *)in, (char *)to, len,
                                          len - 1, level);
    return LZ4_compress_fast_extState(d->lz4, (const char *)in, (char *)to, len, len - 1, 1);
}

static enum err lz4(struct deflater *d, int level, struct bytes in, size_t *ret_len)
{
    /* Magic number; version 1, independent blocks; blocks of 64 KiB; check sum of these two. */
    static const uint8_t head[7] = {0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82};
    const uint32_t not_compressed = 0x80000000;
    if (level == LZ4_LEVEL_DEFAULT && d->lz4 == NULL) d->lz4 = mem_new((size_t)LZ4_sizeofState());
    if (level != LZ4_LEVEL_DEFAULT && d->lz4_thorough == NULL)
        d->lz4_thorough = mem_new((size_t)LZ4_sizeofStateHC());
    TRY(room(d, sizeof head + in.len + 4 * (in.len / LZ4_BLOCK_BYTES + 1) + 4));
    mem_copy(d->out->data, head, sizeof head);
    uint8_t *to = d->out->data + sizeof head;
    for (size_t at = 0; at < in.len; at += LZ4_BLOCK_BYTES) {
        if (is_stopped(d)) return ERR_CLOSED;
        size_t step = in.len - at < LZ4_BLOCK_BYTES ? in.len - at : LZ4_BLOCK_BYTES;
        size_t len = (size_t)lz4_block(d, level, in.data + at, (int)step, to + 4);
        store_le32(to, len > 0 ? (uint32_t)len : (uint32_t)step | not_compressed);
        if (len == 0) mem_copy(to + 4, in.data + at, step);
        to += 4 + (len > 0 ? len : step);
    }
    store_le32(to, 0);
    *ret_len = (size_t)(to + 4 - d->out->data);
    return ERR_OK;
}

static enum err zstd_slices(struct deflater *d, struct bytes in, size_t *ret_len)
{
    ZSTD_CCtx_setPledgedSrcSize(d->zstd, in.len);
    ZSTD_outBuffer out = {.dst = d->out->data, .size = d->out->cap};
    for (size_t at = 0, left = 1; left > 0;) {
        if (is_stopped(d)) return ERR_CLOSED;
        ZSTD_inBuffer part = {.src = in.data + at, .size = slice(in.len - at)};
        at += part.size;
        left = ZSTD_compressStream2(d->zstd, &out, &part,
                                    at < in.len ? ZSTD_e_continue : ZSTD_e_end);
        if (ZSTD_isError(left)) return ERR_BUSY;
        assert(part.pos == part.size);
        left |= at < in.len;
    }
    *ret_len = out.pos;
    return ERR_OK;
}

static enum err zstd(struct deflater *d, int level, struct bytes in, size_t *ret_len)
{
    if (d->zstd == NULL) d->zstd = ZSTD_createCCtx();
    if (d->zstd == NULL) return ERR_BUSY;
    TRY(room(d, ZSTD_compressBound(in.len)));
    ZSTD_CCtx_reset(d->zstd, ZSTD_reset_session_and_parameters);
    ZSTD_CCtx_setParameter(d->zstd, ZSTD_c_compressionLevel, level);
    if (level >= ZSTD_WIDE_LEVEL && in.len > (size_t)1 << ZSTD_WINDOW_LOG_MAX)
        ZSTD_CCtx_setParameter(d->zstd, ZSTD_c_windowLog, ZSTD_WINDOW_LOG_MAX);
    if (d->stop == NULL || in.len <= SLICE_BYTES) {
        size_t len = ZSTD_compress2(d->zstd, d->out->data, d->out->cap, in.data, in.len);
        if (ZSTD_isError(len)) return ERR_BUSY;     /* there is room, so memory for tables is out */
        *ret_len = len;
        return ERR_OK;
    }
    return zstd_slices(d, in, ret_len);
}

/* Nanoseconds a byte, measured at 1 MiB and 16 KiB of JSON, zeros, noise and runs of two letters:
 * the slowest of them. */
static uint64_t byte_cost_ns(enum batch_codec codec, int level)
{
    static const struct {
        enum batch_codec codec;
        int level_max;
        uint32_t ns;
    } rows[] = {
        {CODEC_SNAPPY, INT32_MAX, 3},
        {CODEC_GZIP, GZIP_LEVEL_DEFAULT, 45},   {CODEC_GZIP, 2, 15},
        {CODEC_GZIP, 6, 45},                    {CODEC_GZIP, INT32_MAX, 480},
        {CODEC_LZ4, 8, 200},                    {CODEC_LZ4, LZ4_LEVEL_DEFAULT, 2},
        {CODEC_LZ4, INT32_MAX, 1100},
        {CODEC_ZSTD, 2, 6},                     {CODEC_ZSTD, 4, 12},
        {CODEC_ZSTD, 7, 35},                    {CODEC_ZSTD, 10, 75},
        {CODEC_ZSTD, 12, 110},                  {CODEC_ZSTD, 15, 650},
        {CODEC_ZSTD, 18, 1200},                 {CODEC_ZSTD, INT32_MAX, 4000},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].codec == codec && level <= rows[i].level_max) return rows[i].ns;
    return 0;
}

uint64_t deflate_cost_us(enum batch_codec codec, int level, size_t bytes)
{
    return byte_cost_ns(codec, level) * bytes / 1000;
}

enum err deflater_run(struct deflater *d, enum batch_codec codec, int level, struct bytes in,
                      struct bytes *ret_out)
{
    assert(in.len < INT32_MAX && codec > CODEC_NONE && codec < CODEC_COUNT);
    deflater_trim(d);
    size_t len = 0;
    enum err err = codec == CODEC_GZIP     ? gzip(d, level, in, &len)
                   : codec == CODEC_SNAPPY ? snappy(d, in, &len)
                   : codec == CODEC_LZ4    ? lz4(d, level, in, &len)
                                           : zstd(d, level, in, &len);
    TRY(err);
    d->out->len = len;
    *ret_out = slab_bytes(d->out);
    return ERR_OK;
}
