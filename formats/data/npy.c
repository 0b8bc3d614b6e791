/*
 * The .npy format: magic, version, a Python dict literal, raw data.
 *
 * Source  numpy.lib.format's documentation, versions 1.0 to 3.0. The dict is read by a parser of
 *         exactly that dict; nothing is evaluated.
 */
#include "npy.h"

#include "dsc/checked.h"

#include <stdio.h>
#include <string.h>

struct type {
    const char *code; /* without the byte order */
    enum dsc_dtype dtype;
};

static const struct type types[] = {
    {"b1", DSC_BOOL}, {"i1", DSC_I8},  {"u1", DSC_U8},  {"i2", DSC_I16},
    {"u2", DSC_U16},  {"i4", DSC_I32}, {"u4", DSC_U32}, {"i8", DSC_I64},
    {"u8", DSC_U64},  {"f2", DSC_F16}, {"f4", DSC_F32}, {"f8", DSC_F64},
};

enum { N_TYPES = sizeof types / sizeof types[0] };

/* What a header says. */
struct npy {
    enum dsc_dtype dtype;
    bool is_big_endian;
    bool is_fortran;
    int rank;
    int64_t dim[DSC_MAX_RANK];
};

/* The dict's text, read from the left. After a failure s stands at the end. */
struct cursor {
    const char *s, *end;
    struct dsc_err *err;
};

static enum dsc_status bad(struct cursor *c, enum dsc_status s, const char *what)
{
    c->s = c->end;
    return dsc_fail(c->err, s, "npy header: %s", what);
}

static void skip_space(struct cursor *c)
{
    while (c->s < c->end && strchr(" \t\r\n", *c->s) && *c->s)
        c->s++;
}

static bool take(struct cursor *c, char wanted)
{
    skip_space(c);
    if (c->s == c->end || *c->s != wanted)
        return false;
    c->s++;
    return true;
}

static enum dsc_status take_string(struct cursor *c, char text[24])
{
    const char quote = take(c, '\'') ? '\'' : take(c, '"') ? '"' : '\0';
    const char *close = quote ? memchr(c->s, quote, (size_t)(c->end - c->s)) : NULL;

    if (!close || close - c->s >= 24)
        return bad(c, DSC_E_SCHEMA, "not a short string where one must be");
    snprintf(text, 24, "%.*s", (int)(close - c->s), c->s);
    c->s = close + 1;
    return DSC_OK;
}

static enum dsc_status take_descr(struct cursor *c, struct npy *h)
{
    char text[24];
    size_t i = 0;

    skip_space(c);
    if (c->s < c->end && *c->s == '[')
        return bad(c, DSC_E_UNSUPPORTED, "records are not read");
    DSC_TRY(take_string(c, text));
    h->is_big_endian = text[0] == '>';
    while (i < N_TYPES && (!text[0] || strcmp(types[i].code, text + 1) != 0))
        i++;
    if (i == N_TYPES || !strchr("<>|=", text[0])) {
        dsc_fail(c->err, DSC_E_UNSUPPORTED, "npy type '%s' is not read", text);
        dsc_err_hint(c->err, "booleans, integers and floats of up to 8 bytes are");
        return DSC_E_UNSUPPORTED;
    }
    h->dtype = types[i].dtype;
    return DSC_OK;
}

static enum dsc_status take_bool(struct cursor *c, bool *value)
{
    const char *word = "True";
    size_t n = 4;

    skip_space(c);
    if (c->s < c->end && *c->s == 'F') {
        word = "False";
        n = 5;
    }
    if ((size_t)(c->end - c->s) < n || memcmp(c->s, word, n) != 0)
        return bad(c, DSC_E_SCHEMA, "fortran_order is neither True nor False");
    c->s += n;
    *value = n == 4;
    return DSC_OK;
}

static enum dsc_status take_size(struct cursor *c, int64_t *value)
{
    const char *first;

    skip_space(c);
    first = c->s;
    *value = 0;
    for (; c->s < c->end && *c->s >= '0' && *c->s <= '9'; c->s++)
        if (!dsc_mul_i64(*value, 10, value) || !dsc_add_i64(*value, *c->s - '0', value))
            return bad(c, DSC_E_OVERFLOW, "a size that does not fit");
    if (c->s == first)
        return bad(c, DSC_E_SCHEMA, "a size that is not a whole number");
    if (c->s < c->end && *c->s == 'L') /* Python 2 */
        c->s++;
    return DSC_OK;
}

static enum dsc_status take_shape(struct cursor *c, struct npy *h)
{
    if (!take(c, '('))
        return bad(c, DSC_E_SCHEMA, "shape is not a tuple");
    while (!take(c, ')')) {
        if (h->rank == DSC_MAX_RANK)
            return bad(c, DSC_E_UNSUPPORTED, "too many axes");
        DSC_TRY(take_size(c, &h->dim[h->rank++]));
        if (!take(c, ',')) {
            if (h->rank == 1 || !take(c, ')')) /* (3) is a number, not a tuple */
                return bad(c, DSC_E_SCHEMA, "shape is not a tuple");
            break;
        }
    }
    return DSC_OK;
}

static enum dsc_status parse_header(const char *text, size_t n_bytes, struct npy *h,
                                    struct dsc_err *err)
{
    static const char *const keys[] = {"descr", "fortran_order", "shape"};
    struct cursor c = {text, text + n_bytes, err};
    unsigned seen = 0;

    *h = (struct npy){0};
    if (!take(&c, '{'))
        return bad(&c, DSC_E_SCHEMA, "not a dict");
    while (!take(&c, '}')) {
        char key[24];
        unsigned k = 0;

        DSC_TRY(take_string(&c, key));
        while (k < 3 && strcmp(key, keys[k]) != 0)
            k++;
        if (k == 3 || (seen & 1u << k) || !take(&c, ':'))
            return bad(&c, DSC_E_SCHEMA, "a key that must not be there");
        seen |= 1u << k;
        DSC_TRY(k == 0   ? take_descr(&c, h)
                : k == 1 ? take_bool(&c, &h->is_fortran)
                         : take_shape(&c, h));
        if (!take(&c, ',')) {
            if (!take(&c, '}'))
                return bad(&c, DSC_E_SCHEMA, "the dict has no end");
            break;
        }
    }
    skip_space(&c);
    if (c.s != c.end)
        return bad(&c, DSC_E_SCHEMA, "text behind the dict");
    return seen == 7 ? DSC_OK : bad(&c, DSC_E_SCHEMA, "descr, fortran_order or shape is missing");
}

static enum dsc_status get(struct dsc_npy_source *src, void *dst, size_t n_bytes,
                           struct dsc_err *err)
{
    if (n_bytes > src->n_left)
        return dsc_fail(err, DSC_E_TRUNC, "the array needs %zu more bytes, %zu are left", n_bytes,
                        src->n_left);
    src->n_left -= n_bytes;
    return n_bytes ? src->get(src->ctx, dst, n_bytes, err) : DSC_OK;
}

static enum dsc_status read_header(struct dsc_npy_source *src, struct npy *h, struct dsc_err *err)
{
    unsigned char p[12];
    size_t n_header;
    char *text;
    enum dsc_status st;

    DSC_TRY(get(src, p, 8, err));
    if (memcmp(p, "\x93NUMPY", 6) != 0)
        return dsc_fail(err, DSC_E_MAGIC, "not an npy array");
    if (p[6] < 1 || p[6] > 3 || p[7] != 0)
        return dsc_fail(err, DSC_E_VERSION, "npy version %d.%d", p[6], p[7]);
    DSC_TRY(get(src, p + 8, p[6] == 1 ? 2 : 4, err));
    n_header = p[8] | (size_t)p[9] << 8;
    if (p[6] > 1)
        n_header |= (size_t)p[10] << 16 | (size_t)p[11] << 24;
    if (n_header > DSC_NPY_HEADER_MAX_BYTES)
        return dsc_fail(err, DSC_E_LIMIT, "npy header of %zu bytes, limit %d", n_header,
                        DSC_NPY_HEADER_MAX_BYTES);
    text = dsc_heap_alloc(n_header, 1, err);
    if (!text)
        return DSC_E_MEMORY;
    st = get(src, text, n_header, err);
    if (st == DSC_OK)
        st = parse_header(text, n_header, h, err);
    dsc_heap_free(text);
    return st;
}

static void swap_bytes(unsigned char *p, size_t n_elems, size_t elem_bytes)
{
    for (size_t i = 0; i < n_elems; i++, p += elem_bytes)
        for (size_t a = 0, b = elem_bytes - 1; a < b; a++, b--) {
            const unsigned char t = p[a];

            p[a] = p[b];
            p[b] = t;
        }
}

/* Element i of C order lies at the sum of index * stride, the first axis being the fastest. */
static void from_fortran(unsigned char *dst, const unsigned char *src, const struct dsc_tensor *t,
                         size_t elem_bytes)
{
    const int64_t n = dsc_tensor_n_elems(t);
    int64_t idx[DSC_MAX_RANK] = {0}, stride[DSC_MAX_RANK], at = 0;

    for (int a = 0; a < t->rank; a++)
        stride[a] = a ? stride[a - 1] * t->dim[a - 1] : 1;
    for (int64_t i = 0; i < n; i++) {
        memcpy(dst + (size_t)i * elem_bytes, src + (size_t)at * elem_bytes, elem_bytes);
        for (int a = t->rank - 1; a >= 0; a--) {
            at += stride[a];
            if (++idx[a] < t->dim[a])
                break;
            at -= stride[a] * t->dim[a];
            idx[a] = 0;
        }
    }
}

static enum dsc_status read_fortran(struct dsc_tensor *t, struct dsc_npy_source *src,
                                    size_t n_bytes, size_t elem_bytes, struct dsc_err *err)
{
    unsigned char *tmp = dsc_heap_alloc(n_bytes, 1, err);
    enum dsc_status st;

    if (!tmp)
        return DSC_E_MEMORY;
    st = get(src, tmp, n_bytes, err);
    if (st == DSC_OK)
        from_fortran(t->data, tmp, t, elem_bytes);
    dsc_heap_free(tmp);
    return st;
}

enum dsc_status dsc_npy_load(struct dsc_tensor *t, struct dsc_npy_source *src, struct dsc_err *err)
{
    struct npy h;
    size_t n_bytes, elem_bytes;
    int64_t n_elems;
    enum dsc_status st;

    *t = (struct dsc_tensor){0};
    DSC_TRY(read_header(src, &h, err));
    DSC_TRY(dsc_shape_check(h.dtype, h.rank, h.dim, &n_elems, err));
    n_bytes = dsc_dtype_bytes(h.dtype, n_elems);
    elem_bytes = (size_t)dsc_dtype_bits(h.dtype) / 8;
    if (n_bytes != src->n_left) /* checked before memory is taken for it */
        return dsc_fail(err, n_bytes > src->n_left ? DSC_E_TRUNC : DSC_E_INCONSISTENT,
                        "the shape needs %zu bytes, the file has %zu", n_bytes, src->n_left);
    if (src->view && !h.is_big_endian && h.dtype != DSC_BOOL && (!h.is_fortran || h.rank < 2)) {
        src->n_left = 0;
        return dsc_tensor_wrap(t, h.dtype, h.rank, h.dim, src->view(src->ctx, n_bytes), NULL, err);
    }
    DSC_TRY(dsc_tensor_new(t, h.dtype, h.rank, h.dim, err));
    st = h.is_fortran && h.rank > 1 ? read_fortran(t, src, n_bytes, elem_bytes, err)
                                    : get(src, t->data, n_bytes, err);
    if (st != DSC_OK) {
        dsc_tensor_clear(t);
        return st;
    }
    if (h.is_big_endian)
        swap_bytes(t->data, (size_t)n_elems, elem_bytes);
    for (int64_t i = 0; h.dtype == DSC_BOOL && i < n_elems; i++) {
        unsigned char *b = (unsigned char *)t->data + i;

        *b = *b != 0; /* as NumPy sees it; ours are 0 and 1 */
    }
    return DSC_OK;
}

enum dsc_status dsc_npy_header(const struct dsc_tensor *t, struct dsc_bytes *b, struct dsc_err *err)
{
    const size_t from = b->n_bytes;
    size_t i = 0, n_header;

    while (i < N_TYPES && types[i].dtype != t->dtype)
        i++;
    if (i == N_TYPES)
        return dsc_fail(err, DSC_E_UNSUPPORTED, "NumPy has no type %s", dsc_dtype_text(t->dtype));
    dsc_bytes_add(b, "\x93NUMPY\x01\x00??", 10);
    dsc_bytes_printf(b, "{'descr': '%c%s', 'fortran_order': False, 'shape': (",
                     dsc_dtype_bits(t->dtype) == 8 ? '|' : '<', types[i].code);
    for (int a = 0; a < t->rank; a++)
        dsc_bytes_printf(b, "%s%lld", a ? ", " : "", (long long)t->dim[a]);
    dsc_bytes_text(b, t->rank == 1 ? ",), }" : "), }");
    while (!b->is_failed && (b->n_bytes - from) % 64 != 63) /* data begin on a multiple of 64 */
        dsc_bytes_text(b, " ");
    dsc_bytes_text(b, "\n");
    if (b->is_failed)
        return dsc_fail(err, DSC_E_MEMORY, "no memory for an npy header");
    n_header = b->n_bytes - from - 10;
    b->data[from + 8] = (unsigned char)(n_header & 0xFF);
    b->data[from + 9] = (unsigned char)(n_header >> 8);
    return DSC_OK;
}
