/* TensorProto: raw bytes, typed fields, or data beside the model. */
#include "model/mapped.h"
#include "model/onnx_in.h"

#include <inttypes.h>
#include <string.h>

const char *onnx_type_text(int64_t code)
{
    static const char *const text[] = {
        "undefined",      "float32",    "uint8",          "int8",       "uint16",    "int16",
        "int32",          "int64",      "string",         "bool",       "float16",   "float64",
        "uint32",         "uint64",     "complex64",      "complex128", "bfloat16",  "float8e4m3fn",
        "float8e4m3fnuz", "float8e5m2", "float8e5m2fnuz", "uint4",      "int4",      "float4e2m1",
        "float8e8m0",     "uint2",      "int2",           "float6e2m3", "float6e3m2"};

    return code >= 0 && code < (int64_t)(sizeof text / sizeof text[0]) ? text[code] : "unknown";
}

/* The message's fields but for the data. */
struct proto {
    int64_t dtype_code;
    enum dsc_dtype dtype;
    int rank;
    int64_t dim[DSC_MAX_RANK];
    int64_t n_elems;
    bool is_external, has_raw, has_segment;
    struct dsc_rd raw;
    char *name;
};

static enum dsc_status read_fields(struct onnx_in *in, struct dsc_rd msg, struct proto *p)
{
    struct dsc_rd r = msg;
    struct wire_field f;
    size_t rank;

    p->name = dsc_arena_strdup(&in->tmp, "", in->err);
    while (wire_next(&r, &f)) {
        if (f.number == TENSOR_DTYPE)
            p->dtype_code = wire_int(&r, &f);
        else if (f.number == TENSOR_NAME)
            p->name = wire_text(&r, &f, &in->tmp);
        else if (f.number == TENSOR_LOCATION)
            p->is_external = wire_int(&r, &f) == 1;
        else if (f.number == TENSOR_SEGMENT)
            p->has_segment = true;
        else if (f.number == TENSOR_RAW) {
            p->raw = wire_bytes(&r, &f);
            p->has_raw = true;
        }
    }
    rank = wire_repeated(msg, TENSOR_DIMS, 0, p->dim, DSC_MAX_RANK);
    DSC_TRY(dsc_rd_status(&r));
    if (rank > DSC_MAX_RANK)
        return dsc_fail(in->err, DSC_E_LIMIT, "tensor '%s' has %zu axes, at most %d are supported",
                        p->name, rank, DSC_MAX_RANK);
    p->rank = (int)rank;
    p->dtype = dsc_dtype_from_onnx(p->dtype_code);
    return DSC_OK;
}

/* The field that holds elements of a type, and the size of its numbers on the wire (0: varint). */
static uint32_t typed_field(enum dsc_dtype d, size_t *elem_bytes)
{
    *elem_bytes = d == DSC_F32 ? 4 : d == DSC_F64 ? 8 : 0;
    switch (d) {
    case DSC_F32:
        return TENSOR_FLOATS;
    case DSC_F64:
        return TENSOR_DOUBLES;
    case DSC_I64:
        return TENSOR_INT64S;
    case DSC_U32:
    case DSC_U64:
        return TENSOR_UINT64S;
    default:
        return TENSOR_INT32S;
    }
}

/* Narrow 64-bit wire numbers to the element's bits; the bits above must repeat the sign. */
static enum dsc_status narrow(struct onnx_in *in, const struct proto *p, const int64_t *wide,
                              size_t n, struct dsc_tensor *t)
{
    const int bits = dsc_dtype_bits(p->dtype) < 8 ? 8 : dsc_dtype_bits(p->dtype);
    const bool is_signed =
        dsc_dtype_kind(p->dtype) == DSC_KIND_SIGNED && dsc_dtype_bits(p->dtype) >= 8;
    const int64_t lo = is_signed ? -((int64_t)1 << (bits - 1)) : 0;
    const int64_t hi = ((int64_t)1 << (is_signed ? bits - 1 : bits)) - 1;

    for (size_t i = 0; i < n; i++) {
        const bool is_packed_pair = dsc_dtype_bits(p->dtype) < 8 && wide[i] >= -128;

        if ((wide[i] < lo && !is_packed_pair) || wide[i] > hi)
            return dsc_fail(in->err, DSC_E_RANGE,
                            "element %zu of tensor '%s' is %" PRId64 ", which is no %s", i, p->name,
                            wide[i], dsc_dtype_text(p->dtype));
        if (bits == 8)
            ((uint8_t *)t->data)[i] = (uint8_t)wide[i];
        else if (bits == 16)
            ((uint16_t *)t->data)[i] = (uint16_t)wide[i];
        else
            ((uint32_t *)t->data)[i] = (uint32_t)wide[i];
    }
    return DSC_OK;
}

static enum dsc_status read_typed(struct onnx_in *in, struct dsc_rd msg, const struct proto *p,
                                  struct dsc_tensor *t)
{
    size_t elem_bytes, n;
    const uint32_t field = typed_field(p->dtype, &elem_bytes);
    const uint64_t n_wanted = dsc_dtype_bits(p->dtype) < 8
                                  ? (uint64_t)dsc_dtype_bytes(p->dtype, p->n_elems)
                                  : (uint64_t)p->n_elems;
    enum dsc_status st;
    int64_t *wide;

    n = wire_repeated(msg, field, elem_bytes, NULL, 0);
    DSC_TRY(dsc_rd_status(&msg));
    if (n != n_wanted)
        return dsc_fail(in->err, n < n_wanted ? DSC_E_TRUNC : DSC_E_INCONSISTENT,
                        "tensor '%s' has %zu numbers for a shape of %" PRIu64, p->name, n,
                        n_wanted);
    DSC_TRY(dsc_tensor_new(t, p->dtype, p->rank, p->dim, in->err));
    if (elem_bytes || dsc_dtype_bits(p->dtype) == 64) {
        wire_repeated(msg, field, elem_bytes, t->data, n);
        return dsc_rd_status(&msg);
    }
    wide = dsc_heap_alloc(n + 1, sizeof *wide, in->err);
    if (!wide)
        return DSC_E_MEMORY;
    wire_repeated(msg, field, 0, wide, n);
    st = dsc_rd_status(&msg);
    if (st == DSC_OK)
        st = narrow(in, p, wide, n, t);
    dsc_heap_free(wide);
    return st;
}

/* bool bytes other than 0 and 1 would make comparisons of equal values differ. */
static enum dsc_status check_bools(struct onnx_in *in, const struct proto *p,
                                   const struct dsc_tensor *t)
{
    const uint8_t *v = t->data;

    if (p->dtype == DSC_BOOL)
        for (int64_t i = 0; i < p->n_elems; i++)
            if (v[i] > 1)
                return dsc_fail(in->err, DSC_E_RANGE,
                                "element %" PRId64 " of tensor '%s' is %u, "
                                "not a bool",
                                i, p->name, v[i]);
    return DSC_OK;
}

static enum dsc_status read_data(struct onnx_in *in, struct dsc_rd msg, const struct proto *p,
                                 struct dsc_tensor *t)
{
    const size_t n_bytes = dsc_dtype_bytes(p->dtype, p->n_elems);
    const unsigned char *data = p->raw.data;
    struct dsc_buffer *owner = in->file;

    if (p->is_external) {
        DSC_TRY(onnx_external_bytes(in, msg, n_bytes, &data, &owner));
    } else if (p->has_raw && (p->raw.n_bytes > 0 || n_bytes == 0)) {
        if (p->raw.n_bytes != n_bytes)
            return dsc_fail(in->err, p->raw.n_bytes < n_bytes ? DSC_E_TRUNC : DSC_E_INCONSISTENT,
                            "tensor '%s' has %zu bytes of data for a shape of %zu", p->name,
                            p->raw.n_bytes, n_bytes);
    } else {
        DSC_TRY(read_typed(in, msg, p, t));
        return check_bools(in, p, t);
    }
    if (n_bytes == 0)
        return dsc_tensor_new(t, p->dtype, p->rank, p->dim, in->err);
    DSC_TRY(mapped_tensor(t, p->dtype, p->rank, p->dim, data, owner,
                          in->may_misalign && n_bytes > ONNX_MISALIGN_MIN_BYTES, in->err));
    return check_bools(in, p, t);
}

enum dsc_status onnx_read_tensor(struct onnx_in *in, struct dsc_rd msg, const char *what,
                                 char **name, struct dsc_tensor *t)
{
    struct proto p = {0};
    enum dsc_status st;

    *t = (struct dsc_tensor){0};
    DSC_TRY(read_fields(in, msg, &p));
    if (name)
        *name = p.name;
    if (p.dtype_code == 0)
        return dsc_fail(in->err, DSC_E_TYPE, "tensor '%s' has no element type", p.name);
    if (p.dtype == DSC_DTYPE_NONE)
        return onnx_note_missing(in, "%s of element type %s", what, onnx_type_text(p.dtype_code));
    if (p.has_segment)
        return onnx_note_missing(in, "%s in segments", what);
    st = dsc_shape_check(p.dtype, p.rank, p.dim, &p.n_elems, in->err);
    if (st == DSC_OK)
        st = read_data(in, msg, &p, t);
    if (st != DSC_OK) {
        dsc_tensor_clear(t);
        dsc_err_where(in->err, "tensor '%s'", p.name);
    }
    return st;
}
