/*
 * Writing GGUF version 3: keys, tensors sorted by name, their blocks. A tensor is in memory while
 * it is written, no other.
 */
#include "dsc/pool.h"
#include "model/gguf.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { VERSION = 3, ALIGN = 32, TILE_BLOCKS = 256, QUANTIZATION_VERSION = 2 };

/* general.file_type: what most tensors are. */
static const struct {
    const char *type;
    uint32_t number;
} file_types[] = {{"f32", 0},  {"f16", 1},  {"q4_0", 2},  {"q4_1", 3},  {"q8_0", 7},
                  {"q5_0", 8}, {"q5_1", 9}, {"q4_K", 14}, {"q6_K", 18}, {"bf16", 32}};

/* Keys that are written anew, not copied. */
static const char *const own_keys[] = {"general.alignment", "general.file_type",
                                       "general.quantization_version"};

static void put_int(struct dsc_bytes *b, uint64_t v, size_t n_bytes)
{
    unsigned char le[8];

    for (size_t i = 0; i < n_bytes; i++)
        le[i] = (unsigned char)(v >> 8 * i);
    dsc_bytes_add(b, le, n_bytes);
}

static void put_text(struct dsc_bytes *b, const char *text)
{
    put_int(b, strlen(text), 8);
    dsc_bytes_text(b, text);
}

static void put_u32_key(struct dsc_bytes *b, const char *name, uint32_t value)
{
    put_text(b, name);
    put_int(b, GGUF_U32, 4);
    put_int(b, value, 4);
}

static void put_text_key(struct dsc_bytes *b, const char *name, const char *value)
{
    put_text(b, name);
    put_int(b, GGUF_STRING, 4);
    put_text(b, value);
}

static bool is_own_key(const char *name)
{
    for (size_t i = 0; i < sizeof own_keys / sizeof own_keys[0]; i++)
        if (strcmp(own_keys[i], name) == 0)
            return true;
    return false;
}

static uint64_t n_elems_of(const struct dsc_stored *s)
{
    uint64_t n = 1;

    for (int i = 0; i < s->rank; i++)
        n *= (uint64_t)s->dim[i];
    return n;
}

/* The type that holds the most elements names the file; none, where it has no number. */
static int file_type(const struct dsc_tensor_source *src)
{
    uint64_t n[sizeof file_types / sizeof file_types[0]] = {0}, n_other = 0;
    int best = 0;

    for (int i = 0; i < src->n; i++) {
        size_t k = 0;

        while (k < sizeof n / sizeof n[0] && strcmp(file_types[k].type, src->items[i].type) != 0)
            k++;
        *(k < sizeof n / sizeof n[0] ? &n[k] : &n_other) += n_elems_of(&src->items[i]);
    }
    for (size_t k = 1; k < sizeof n / sizeof n[0]; k++)
        best = n[k] > n[best] ? (int)k : best;
    return n[best] >= n_other ? (int)file_types[best].number : -1;
}

static bool has_codes(const struct dsc_tensor_source *src)
{
    for (int i = 0; i < src->n; i++)
        if (gguf_type_of_name(src->items[i].type)->decode)
            return true;
    return false;
}

/* Keys of a GGUF file as they are, or texts; then what describes the tensors. */
static void put_keys(struct dsc_bytes *b, const struct dsc_tensor_source *src, uint64_t *n_keys)
{
    const struct gguf_file *f =
        src->model && src->model->format == &dsc_format_gguf ? src->model->own : NULL;
    const int type = file_type(src);

    *n_keys = 0;
    for (int i = 0; f && i < f->n_keys; i++) {
        if (is_own_key(f->keys[i].name))
            continue;
        dsc_bytes_add(b, f->keys[i].raw, f->keys[i].n_raw_bytes);
        ++*n_keys;
    }
    for (int i = 0; i < src->n_meta; i++, ++*n_keys)
        put_text_key(b, src->meta[i].key, src->meta[i].value);
    if (type >= 0) {
        put_u32_key(b, "general.file_type", (uint32_t)type);
        ++*n_keys;
    }
    if (has_codes(src)) {
        put_u32_key(b, "general.quantization_version", QUANTIZATION_VERSION);
        ++*n_keys;
    }
}

static uint64_t bytes_of(const struct dsc_stored *s)
{
    const struct gguf_type *t = gguf_type_of_name(s->type);

    return n_elems_of(s) / (uint64_t)t->block_elems * (uint64_t)t->block_bytes;
}

static enum dsc_status make_header(struct dsc_bytes *b, const struct dsc_tensor_source *src,
                                   struct dsc_err *err)
{
    struct dsc_bytes keys = {0};
    uint64_t n_keys, at = 0;

    put_keys(&keys, src, &n_keys);
    dsc_bytes_text(b, "GGUF");
    put_int(b, VERSION, 4);
    put_int(b, (uint64_t)src->n, 8);
    put_int(b, n_keys, 8);
    dsc_bytes_add(b, keys.data, keys.n_bytes);
    b->is_failed |= keys.is_failed;
    dsc_bytes_clear(&keys);
    for (int i = 0; i < src->n; i++) {
        const struct dsc_stored *s = &src->items[i];

        put_text(b, s->name);
        put_int(b, (uint64_t)s->rank, 4);
        for (int k = s->rank; k > 0; k--)
            put_int(b, (uint64_t)s->dim[k - 1], 8);
        put_int(b, gguf_type_of_name(s->type)->id, 4);
        put_int(b, at, 8);
        at += (bytes_of(s) + ALIGN - 1) / ALIGN * ALIGN;
    }
    return b->is_failed ? dsc_fail(err, DSC_E_MEMORY, "out of memory for the header") : DSC_OK;
}

/* ---- blocks ---- */

struct encode {
    const struct gguf_type *type;
    const float *src;
    unsigned char *dst;
    int64_t n_blocks;
    double *signal, *noise; /* of each tile */
};

static void encode_tile(void *ctx, int64_t tile)
{
    const struct encode *e = ctx;
    const int64_t end =
        (tile + 1) * TILE_BLOCKS < e->n_blocks ? (tile + 1) * TILE_BLOCKS : e->n_blocks;
    const int n = e->type->block_elems;
    float back[256];

    for (int64_t k = tile * TILE_BLOCKS; k < end; k++) {
        const float *x = e->src + k * n;
        unsigned char *block = e->dst + k * e->type->block_bytes;

        e->type->encode(x, block);
        e->type->decode(block, back);
        for (int i = 0; i < n; i++) {
            const double gap = (double)x[i] - (double)back[i];

            e->signal[tile] += (double)x[i] * (double)x[i];
            e->noise[tile] += gap * gap;
        }
    }
}

static enum dsc_status encode_blocks(struct encode *e, struct dsc_pool *pool, double *sqnr_db,
                                     struct dsc_err *err)
{
    const int64_t n_tiles = (e->n_blocks + TILE_BLOCKS - 1) / TILE_BLOCKS;
    double signal = 0, noise = 0;

    e->signal = dsc_heap_alloc((size_t)n_tiles * 2 + 1, sizeof *e->signal, err);
    if (!e->signal)
        return DSC_E_MEMORY;
    e->noise = e->signal + n_tiles;
    dsc_parallel_for(pool, n_tiles, encode_tile, e);
    for (int64_t i = 0; i < n_tiles; i++) {
        signal += e->signal[i];
        noise += e->noise[i];
    }
    dsc_heap_free(e->signal);
    *sqnr_db = noise > 0 ? 10 * log10(signal / noise) : INFINITY;
    if (!isfinite(signal))
        return dsc_fail(err, DSC_E_NONFINITE, "NaN or infinity among the values");
    return isfinite(noise) ? DSC_OK
                           : dsc_fail(err, DSC_E_RANGE, "values beyond what the scales of %s hold",
                                      e->type->name);
}

static enum dsc_status put_codes(struct dsc_out *out, const struct gguf_type *type,
                                 const struct dsc_tensor *t, struct dsc_pool *pool, double *sqnr_db,
                                 struct dsc_err *err)
{
    struct encode e = {
        .type = type, .src = t->data, .n_blocks = dsc_tensor_n_elems(t) / type->block_elems};
    const size_t n_bytes = (size_t)e.n_blocks * (size_t)type->block_bytes;
    enum dsc_status st;

    e.dst = dsc_heap_alloc(n_bytes + 1, 1, err);
    if (!e.dst)
        return DSC_E_MEMORY;
    st = encode_blocks(&e, pool, sqnr_db, err);
    if (st == DSC_OK)
        dsc_out_write(out, e.dst, n_bytes);
    dsc_heap_free(e.dst);
    return st;
}

static enum dsc_status put_tensor(struct dsc_out *out, const struct dsc_tensor_source *src, int idx,
                                  struct dsc_pool *pool, struct dsc_err *err)
{
    const struct gguf_type *type = gguf_type_of_name(src->items[idx].type);
    const void *raw = src->raw ? src->raw(src->ctx, idx) : NULL;
    double sqnr_db = INFINITY;
    struct dsc_tensor t = {0};
    enum dsc_status st = DSC_OK;

    if (raw) {
        dsc_out_write(out, raw, (size_t)bytes_of(&src->items[idx]));
    } else {
        DSC_TRY(src->load(src->ctx, idx, &t, err));
        if (type->decode)
            st = put_codes(out, type, &t, pool, &sqnr_db, err);
        else
            dsc_out_write(out, t.data, dsc_tensor_n_bytes(&t));
    }
    dsc_tensor_clear(&t);
    dsc_out_pad(out, ALIGN);
    if (st == DSC_OK && src->done)
        src->done(src->ctx, idx, sqnr_db);
    return st;
}

/* The file is read by the ordinary reader, and has what was to be written. */
static enum dsc_status read_back(const struct dsc_tensor_source *src, const char *path,
                                 struct dsc_err *err)
{
    struct dsc_err why = {0};
    struct dsc_model m;
    bool is_same;

    if (dsc_model_open(&m, path, NULL, &why) != DSC_OK)
        return dsc_model_not_read_back(&why, err);
    is_same = m.format == &dsc_format_gguf && m.n_stored == src->n;
    for (int i = 0; i < src->n && is_same; i++) {
        const struct dsc_stored *a = &src->items[i], *b = &m.stored[i];

        is_same = strcmp(a->name, b->name) == 0 && strcmp(a->type, b->type) == 0 &&
                  a->rank == b->rank && bytes_of(a) == b->n_bytes &&
                  memcmp(a->dim, b->dim, (size_t)a->rank * sizeof a->dim[0]) == 0;
    }
    dsc_model_close(&m);
    return is_same ? DSC_OK : dsc_fail(err, DSC_E_INTERNAL, "the file read back differs");
}

static enum dsc_status write_all(struct dsc_out *out, const struct dsc_tensor_source *src,
                                 const struct dsc_bytes *header, struct dsc_pool *pool,
                                 struct dsc_err *err)
{
    dsc_out_write(out, header->data, header->n_bytes);
    dsc_out_pad(out, ALIGN);
    for (int i = 0; i < src->n; i++)
        if (put_tensor(out, src, i, pool, err) != DSC_OK)
            return dsc_err_where(err, "tensor '%.100s'", src->items[i].name);
    DSC_TRY(dsc_out_flush(out, err));
    return out->temp_path[0] ? read_back(src, out->temp_path, err) : DSC_OK;
}

enum dsc_status dsc_gguf_fit(const char **type, enum dsc_dtype *dtype, const struct dsc_stored *s,
                             struct dsc_err *err)
{
    const struct gguf_type *t = gguf_type_of_name(*type);
    const int64_t row = s->rank ? s->dim[s->rank - 1] : 1;

    if (!t || (t->decode && !t->encode))
        return dsc_fail(err, DSC_E_UNSUPPORTED, "GGUF tensors of type %s are not written", *type);
    if (s->rank > GGUF_MAX_AXES)
        return dsc_fail(err, DSC_E_UNSUPPORTED, "tensor '%s' has %d axes, GGUF has %d", s->name,
                        s->rank, GGUF_MAX_AXES);
    while (row % t->block_elems != 0)
        t = gguf_type_of_name(t->wider);
    *type = t->name;
    *dtype = t->dtype;
    return DSC_OK;
}

enum dsc_status dsc_gguf_write(const struct dsc_tensor_source *src, const char *path,
                               bool may_replace, int n_threads, uint64_t *size_bytes,
                               struct dsc_err *err)
{
    struct dsc_pool *pool = NULL;
    struct dsc_bytes header = {0};
    struct dsc_out out = {.fd = -1};
    enum dsc_status st;

    DSC_TRY(dsc_pool_open(&pool, n_threads, err));
    DSC_TRY_OUT(st, make_header(&header, src, err));
    DSC_TRY_OUT(st, dsc_out_open(&out, path, may_replace, err));
    DSC_TRY_OUT(st, write_all(&out, src, &header, pool, err));
    *size_bytes = out.n_written;
    st = dsc_out_commit(&out, err);
out:
    dsc_out_abort(&out);
    dsc_bytes_clear(&header);
    dsc_pool_close(pool);
    return st;
}
