/*
 * GGUF, versions 2 and 3: metadata, a list of tensors, and their bytes, aligned. Reading takes the
 * header alone; values are decoded when they are asked for.
 *
 * Source  the GGUF specification (docs/gguf.md of ggml-org/ggml)
 */
#include "dsc/checked.h"
#include "model/gguf.h"
#include "model/mapped.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { TENSOR_MIN_BYTES = 8 + 1 + 4 + 8 + 4 + 8 };

static const struct gguf_type types[] = {
#define GGUF_TYPE(id, name, n_elems, n_bytes, dtype, decode, encode, wider) \
    {id, name, n_elems, n_bytes, DSC_##dtype, decode, encode, wider},
#include "model/gguf_types.def"
#undef GGUF_TYPE
};

const struct gguf_type *gguf_type_of_id(uint32_t id)
{
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (types[i].id == id)
            return &types[i];
    return NULL;
}

const struct gguf_type *gguf_type_of_name(const char *name)
{
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (strcmp(types[i].name, name) == 0)
            return &types[i];
    return NULL;
}

/* The first axis of the file is the innermost. */
static enum dsc_status read_dims(struct dsc_rd *r, struct dsc_stored *s)
{
    const uint32_t n = dsc_rd_u32le(r);

    DSC_TRY(dsc_rd_status(r));
    if (n > GGUF_MAX_AXES)
        return dsc_rd_fail(r, DSC_E_LIMIT, "%" PRIu32 " axes, at most %d are read", n,
                           GGUF_MAX_AXES);
    s->rank = (int)n;
    for (int i = s->rank; i > 0; i--)
        s->dim[i - 1] = (int64_t)dsc_rd_u64le(r);
    return dsc_rd_status(r);
}

/* Elements are counted in whole blocks along the innermost axis. */
static enum dsc_status count_bytes(struct dsc_rd *r, struct dsc_stored *s,
                                   const struct gguf_type *type)
{
    const int64_t row = s->rank ? s->dim[s->rank - 1] : 1;
    int64_t n, n_bytes;

    if (dsc_shape_check(type->dtype ? type->dtype : DSC_F32, s->rank, s->dim, &n, r->err) != DSC_OK)
        return dsc_err_where(r->err, "byte %zu", r->base + r->pos);
    if (row % type->block_elems != 0)
        return dsc_rd_fail(r, DSC_E_SHAPE, "rows of %" PRId64 " elements are no whole blocks of %s",
                           row, type->name);
    if (!dsc_mul_i64(n / type->block_elems, type->block_bytes, &n_bytes))
        return dsc_rd_fail(r, DSC_E_OVERFLOW, "too many elements");
    s->n_bytes = (uint64_t)n_bytes;
    return DSC_OK;
}

static enum dsc_status read_tensor(struct dsc_rd *r, const struct gguf_file *f,
                                   struct dsc_stored *s)
{
    const struct gguf_type *type;
    uint32_t id;

    DSC_TRY(read_dims(r, s));
    id = dsc_rd_u32le(r);
    s->offset = dsc_rd_u64le(r);
    DSC_TRY(dsc_rd_status(r));
    type = gguf_type_of_id(id);
    if (!type)
        return dsc_rd_fail(r, DSC_E_UNSUPPORTED, "the unknown type %" PRIu32, id);
    s->type = type->name;
    s->dtype = type->dtype;
    s->coding = type;
    if (s->offset % f->align != 0)
        return dsc_rd_fail(r, DSC_E_RANGE, "the data begin at %" PRIu64 ", no multiple of %" PRIu32,
                           s->offset, f->align);
    return count_bytes(r, s, type);
}

static enum dsc_status read_tensors(struct dsc_model *m, struct dsc_rd *r, uint64_t n)
{
    if (n > dsc_rd_left(r) / TENSOR_MIN_BYTES)
        return dsc_rd_fail(r, DSC_E_TRUNC, "%" PRIu64 " tensors do not fit into %zu bytes", n,
                           dsc_rd_left(r));
    DSC_NEW(m->stored, &m->tensors.arena, n + 1, r->err);
    for (; (uint64_t)m->n_stored < n; m->n_stored++) {
        struct dsc_stored *s = &m->stored[m->n_stored];

        s->name = gguf_read_text(r, &m->tensors.arena, GGUF_MAX_NAME_BYTES, "a tensor's name");
        if (!s->name)
            return dsc_rd_status(r);
        if (read_tensor(r, m->own, s) != DSC_OK)
            return gguf_name_object(r->err, "tensor", s->name);
    }
    return DSC_OK;
}

static int by_place(const void *a, const void *b)
{
    const struct dsc_stored *x = a, *y = b;

    if (x->offset != y->offset)
        return x->offset < y->offset ? -1 : 1;
    return x->n_bytes < y->n_bytes ? -1 : x->n_bytes > y->n_bytes;
}

/* Every tensor lies in the file, behind the one before it. Offsets become those of the file. */
static enum dsc_status place_tensors(struct dsc_model *m, size_t data_at, const struct dsc_log *log,
                                     struct dsc_err *err)
{
    const uint64_t align = ((const struct gguf_file *)m->own)->align;
    const uint64_t n_data = m->file->n_bytes > data_at ? m->file->n_bytes - data_at : 0;
    uint64_t at = 0;

    qsort(m->stored, (size_t)m->n_stored, sizeof *m->stored, by_place);
    for (int i = 0; i < m->n_stored; i++) {
        struct dsc_stored *s = &m->stored[i];

        if (s->offset > n_data || s->n_bytes > n_data - s->offset)
            dsc_fail(err, DSC_E_TRUNC, "%" PRIu64 " bytes at %" PRIu64 " of %" PRIu64, s->n_bytes,
                     s->offset, n_data);
        else if (s->offset < at)
            dsc_fail(err, DSC_E_ALIAS, "it overlaps the tensor before it");
        else if (s->offset - at >= align)
            dsc_fail(err, DSC_E_RANGE, "a hole of %" PRIu64 " bytes before it", s->offset - at);
        if (err->status != DSC_OK)
            return dsc_err_where(err, "tensor '%.100s', byte %" PRIu64, s->name,
                                 data_at + s->offset);
        at = s->offset + s->n_bytes;
        s->offset += data_at;
    }
    if (n_data > at && n_data - at >= align)
        dsc_log_printf(log, DSC_LOG_WARNING, "%" PRIu64 " bytes at the end belong to no tensor",
                       n_data - at);
    return DSC_OK;
}

static enum dsc_status read_version(struct dsc_rd *r, struct gguf_file *f)
{
    dsc_rd_magic(r, "GGUF", 4);
    f->version = dsc_rd_u32le(r);
    DSC_TRY(dsc_rd_status(r));
    if (f->version == 2 || f->version == 3)
        return DSC_OK;
    if (f->version == 2u << 24 || f->version == 3u << 24)
        return dsc_rd_fail(r, DSC_E_UNSUPPORTED, "a big-endian GGUF file");
    return dsc_rd_fail(r, DSC_E_VERSION, "GGUF version %" PRIu32 ", 2 and 3 are read", f->version);
}

static enum dsc_status read_header(struct dsc_model *m, struct dsc_rd *r, const struct dsc_log *log)
{
    struct gguf_file *f;
    uint64_t n_tensors, n_keys;
    size_t data_at;

    DSC_NEW(f, &m->tensors.arena, 1, r->err);
    m->own = f;
    DSC_TRY(read_version(r, f));
    n_tensors = dsc_rd_u64le(r);
    n_keys = dsc_rd_u64le(r);
    DSC_TRY(dsc_rd_status(r));
    DSC_TRY(gguf_read_keys(r, n_keys, f, &m->tensors));
    DSC_TRY(read_tensors(m, r, n_tensors));
    data_at = r->pos + (f->align - r->pos % f->align) % f->align;
    DSC_TRY(place_tensors(m, data_at, log, r->err));
    return dsc_model_sort_stored(m, r->err);
}

static enum dsc_status read(struct dsc_model *m, const char *path, const struct dsc_read_opts *o,
                            struct dsc_err *err)
{
    struct dsc_file file;
    struct dsc_rd r;

    DSC_TRY(dsc_file_open(&file, path, 0, err));
    DSC_TRY(mapped_buffer(&file, &m->file, err));
    m->size_bytes = m->file->n_bytes;
    dsc_rd_init(&r, m->file->data, m->file->n_bytes, err);
    return read_header(m, &r, o ? o->log : NULL);
}

static enum dsc_status load(const struct dsc_model *m, const struct dsc_stored *s,
                            struct dsc_tensor *t, struct dsc_err *err)
{
    const unsigned char *src = (const unsigned char *)m->file->data + s->offset;
    const struct gguf_type *type = s->coding;
    float *dst;

    if (type->dtype == DSC_DTYPE_NONE) {
        dsc_fail(err, DSC_E_UNSUPPORTED, "values of type %s are not read", type->name);
        return dsc_err_where(err, "tensor '%s'", s->name);
    }
    if (!type->decode)
        return mapped_tensor(t, s->dtype, s->rank, s->dim, src, m->file, false, err);
    DSC_TRY(dsc_tensor_new(t, DSC_F32, s->rank, s->dim, err));
    dst = t->data;
    for (uint64_t i = 0; i < s->n_bytes / (uint64_t)type->block_bytes; i++)
        type->decode(src + i * (uint64_t)type->block_bytes, dst + i * (uint64_t)type->block_elems);
    return DSC_OK;
}

static bool probe(const struct dsc_probe *p)
{
    return !p->is_folder && p->n_head_bytes >= 4 && memcmp(p->head, "GGUF", 4) == 0;
}

const struct dsc_format dsc_format_gguf = {
    .name = "gguf",
    .text = "GGUF file (tensors alone)",
    .probe = probe,
    .read = read,
    .load = load,
};
