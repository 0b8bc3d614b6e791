/*
 * SparseTensorProto: the elements that are not 0 and their places, as initializers have them. What
 * is read becomes dense, since no kernel here works on anything else.
 */
#include "model/onnx_in.h"
#include "model/onnx_write.h"

#include <inttypes.h>
#include <string.h>

/*
 * A few bytes could ask for any amount of memory: more zeros than this for a byte of the file are
 * not believed. Half a per mille of f32 elements needs a tenth of it.
 */
enum { ZEROS_PER_BYTE_MAX = 1600, ZEROS_ALWAYS = 1 << 20 };

/* ---- reading ---- */

struct sparse {
    char *name;
    struct dsc_tensor values, indices;
    int rank;
    int64_t dim[DSC_MAX_RANK], n_elems;
};

static enum dsc_status read_parts(struct onnx_in *in, struct dsc_rd msg, struct sparse *s)
{
    struct dsc_rd r = msg;
    struct wire_field f;
    size_t rank;

    s->name = dsc_arena_strdup(&in->tmp, "", in->err);
    while (wire_next(&r, &f)) {
        if (f.number == SPARSE_VALUES && !dsc_tensor_is_present(&s->values))
            DSC_TRY(onnx_read_tensor(in, wire_bytes(&r, &f), "sparse initializer", &s->name,
                                     &s->values));
        else if (f.number == SPARSE_INDICES && !dsc_tensor_is_present(&s->indices))
            DSC_TRY(onnx_read_tensor(in, wire_bytes(&r, &f), "sparse initializer's indices", NULL,
                                     &s->indices));
    }
    DSC_TRY(dsc_rd_status(&r));
    rank = wire_repeated(msg, SPARSE_DIMS, 0, s->dim, DSC_MAX_RANK);
    if (rank > DSC_MAX_RANK)
        return dsc_fail(in->err, DSC_E_LIMIT,
                        "sparse tensor '%s' has %zu axes, at most %d are "
                        "supported",
                        s->name, rank, DSC_MAX_RANK);
    s->rank = (int)rank;
    return DSC_OK;
}

static enum dsc_status check_shapes(struct onnx_in *in, struct dsc_rd msg, struct sparse *s)
{
    const struct dsc_tensor *v = &s->values, *idx = &s->indices;
    const bool is_linear = idx->rank == 1;

    if (v->rank != 1 || idx->dtype != DSC_I64 || (idx->rank != 1 && idx->rank != 2) ||
        idx->dim[0] != v->dim[0] || (!is_linear && idx->dim[1] != s->rank))
        return dsc_fail(in->err, DSC_E_SHAPE,
                        "sparse tensor '%s': values are [n], indices i64 [n] or [n, axes]",
                        s->name);
    if (dsc_dtype_bits(v->dtype) < 8)
        return onnx_note_missing(in, "sparse initializer of element type %s",
                                 dsc_dtype_text(v->dtype));
    DSC_TRY(dsc_shape_check(v->dtype, s->rank, s->dim, &s->n_elems, in->err));
    if (s->n_elems > ZEROS_ALWAYS && (uint64_t)s->n_elems / ZEROS_PER_BYTE_MAX > msg.n_bytes)
        return dsc_fail(in->err, DSC_E_LIMIT,
                        "sparse tensor '%s' has %" PRId64 " elements in %zu bytes", s->name,
                        s->n_elems, msg.n_bytes);
    return DSC_OK;
}

/* The place of element i among all; -1: it is outside. */
static int64_t place_of(const struct sparse *s, int64_t i)
{
    const int64_t *idx = s->indices.data;
    int64_t at = 0;

    if (s->indices.rank == 1)
        return idx[i] >= 0 && idx[i] < s->n_elems ? idx[i] : -1;
    for (int a = 0; a < s->rank; a++) {
        const int64_t k = idx[i * s->rank + a];

        if (k < 0 || k >= s->dim[a])
            return -1;
        at = at * s->dim[a] + k;
    }
    return at;
}

static enum dsc_status fill(struct onnx_in *in, const struct sparse *s, struct dsc_tensor *t)
{
    const size_t n_bytes = dsc_dtype_bytes(s->values.dtype, 1);
    int64_t last = -1;

    DSC_TRY(dsc_tensor_new(t, s->values.dtype, s->rank, s->dim, in->err));
    memset(t->data, 0, dsc_tensor_n_bytes(t));
    for (int64_t i = 0; i < s->values.dim[0]; i++) {
        const int64_t at = place_of(s, i);

        if (at < 0)
            return dsc_fail(in->err, DSC_E_RANGE,
                            "sparse tensor '%s': index %" PRId64 " is outside its shape", s->name,
                            i);
        if (at <= last)
            return dsc_fail(in->err, at == last ? DSC_E_DUP : DSC_E_INCONSISTENT,
                            "sparse tensor '%s': index %" PRId64 " does not ascend", s->name, i);
        memcpy((char *)t->data + (size_t)at * n_bytes,
               (const char *)s->values.data + (size_t)i * n_bytes, n_bytes);
        last = at;
    }
    return DSC_OK;
}

enum dsc_status onnx_read_sparse(struct onnx_in *in, struct dsc_rd msg, char **name,
                                 struct dsc_tensor *t)
{
    struct sparse s = {0};
    enum dsc_status st;

    *t = (struct dsc_tensor){0};
    st = read_parts(in, msg, &s);
    *name = s.name;
    if (st == DSC_OK && !in->missing) {
        st = dsc_tensor_is_present(&s.values) && dsc_tensor_is_present(&s.indices)
                 ? check_shapes(in, msg, &s)
                 : dsc_fail(in->err, DSC_E_SCHEMA, "a sparse tensor without values or indices");
        if (st == DSC_OK && !in->missing)
            st = fill(in, &s, t);
    }
    dsc_tensor_clear(&s.values);
    dsc_tensor_clear(&s.indices);
    if (st != DSC_OK)
        dsc_tensor_clear(t);
    return st;
}

/* ---- writing ---- */

/* By its bits: a zero with a sign would not come back. */
static bool is_zero(const unsigned char *p, size_t n_bytes)
{
    for (size_t i = 0; i < n_bytes; i++)
        if (p[i])
            return false;
    return true;
}

enum dsc_status onnx_make_sparse(const struct dsc_tensor *t, struct onnx_sparse *s,
                                 struct dsc_err *err)
{
    const size_t n_bytes = dsc_dtype_bytes(t->dtype, 1);
    const int64_t n = dsc_tensor_n_elems(t);
    int64_t n_kept = 0;

    *s = (struct onnx_sparse){.rank = t->rank, .dim = t->dim};
    if (!dsc_dtype_is_float(t->dtype) || t->rank == 0)
        return DSC_OK;
    for (int64_t i = 0; i < n; i++)
        n_kept += !is_zero((const unsigned char *)t->data + (size_t)i * n_bytes, n_bytes);
    if ((uint64_t)n_kept * (n_bytes + sizeof(int64_t)) + ONNX_SPARSE_OVERHEAD_BYTES >=
        (uint64_t)n * n_bytes)
        return DSC_OK;
    DSC_TRY(dsc_tensor_new(&s->values, t->dtype, 1, &n_kept, err));
    DSC_TRY(dsc_tensor_new(&s->indices, DSC_I64, 1, &n_kept, err));
    for (int64_t i = 0, k = 0; i < n; i++) {
        const unsigned char *from = (const unsigned char *)t->data + (size_t)i * n_bytes;

        if (is_zero(from, n_bytes))
            continue;
        memcpy((char *)s->values.data + (size_t)k * n_bytes, from, n_bytes);
        ((int64_t *)s->indices.data)[k++] = i;
    }
    s->is_used = true;
    return DSC_OK;
}

void onnx_sparse_clear(struct onnx_sparse *s)
{
    dsc_tensor_clear(&s->values);
    dsc_tensor_clear(&s->indices);
}

void onnx_emit_sparse(struct wire_out *w, const void *ctx)
{
    const struct onnx_sparse *s = ctx;

    wire_put_message(w, SPARSE_VALUES, onnx_emit_tensor,
                     &(struct onnx_tensor_out){.tensor = &s->values, .name = s->name});
    wire_put_message(w, SPARSE_INDICES, onnx_emit_tensor,
                     &(struct onnx_tensor_out){.tensor = &s->indices, .name = ""});
    for (int i = 0; i < s->rank; i++)
        wire_put_int(w, SPARSE_DIMS, s->dim[i]);
}
