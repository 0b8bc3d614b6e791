/* Moving elements: copy, add_copy, fill, cast, select, axpy. */
#include "device/cpu/cpu.h"

#include <math.h>
#include <string.h>

/*
 * An index space as a loop nest: axes of size 1 dropped, neighbours merged where both tensors walk
 * on evenly. Strides in elements.
 */
struct walk_nest {
    int rank;
    int64_t dim[DSC_MAX_RANK], sy[DSC_MAX_RANK], sx[DSC_MAX_RANK];
};

static void make_nest(struct walk_nest *s, int rank, const int64_t *dim, const struct dsc_walk *yw,
                      const struct dsc_walk *xw)
{
    int r = 0;

    for (int i = 0; i < rank; i++) {
        if (dim[i] == 1)
            continue;
        if (r > 0 && s->sy[r - 1] == yw->stride[i] * dim[i] &&
            s->sx[r - 1] == xw->stride[i] * dim[i]) {
            s->dim[r - 1] *= dim[i];
            s->sy[r - 1] = yw->stride[i];
            s->sx[r - 1] = xw->stride[i];
            continue;
        }
        s->dim[r] = dim[i];
        s->sy[r] = yw->stride[i];
        s->sx[r++] = xw->stride[i];
    }
    if (r == 0) {
        s->dim[0] = 1;
        s->sy[0] = s->sx[0] = 1;
        r = 1;
    }
    s->rank = r;
}

static int64_t n_of(int rank, const int64_t *dim)
{
    int64_t n = 1;

    for (int i = 0; i < rank; i++)
        n *= dim[i];
    return n;
}

struct copy_job {
    struct walk_nest nest;
    char *y;
    const char *x;
    size_t elem_bytes;
    int64_t n_rows, rows_per_tile;
};

static void copy_row(const struct copy_job *j, char *y, const char *x)
{
    const int inner = j->nest.rank - 1;
    const int64_t n = j->nest.dim[inner], sy = j->nest.sy[inner], sx = j->nest.sx[inner];

    if (sy == 1 && sx == 1) {
        memcpy(y, x, (size_t)n * j->elem_bytes);
        return;
    }
    switch (j->elem_bytes) { /* sizes, not types */
    case 1:
        for (int64_t i = 0; i < n; i++)
            ((uint8_t *)y)[i * sy] = ((const uint8_t *)x)[i * sx];
        break;
    case 2:
        for (int64_t i = 0; i < n; i++)
            ((uint16_t *)y)[i * sy] = ((const uint16_t *)x)[i * sx];
        break;
    case 4:
        for (int64_t i = 0; i < n; i++)
            ((uint32_t *)y)[i * sy] = ((const uint32_t *)x)[i * sx];
        break;
    default:
        for (int64_t i = 0; i < n; i++)
            ((uint64_t *)y)[i * sy] = ((const uint64_t *)x)[i * sx];
        break;
    }
}

static void offsets_of(const struct walk_nest *s, int64_t row, int64_t *oy, int64_t *ox)
{
    *oy = *ox = 0;
    for (int i = s->rank - 2; i >= 0; i--) {
        const int64_t k = row % s->dim[i];

        row /= s->dim[i];
        *oy += k * s->sy[i];
        *ox += k * s->sx[i];
    }
}

static void copy_tile(void *ctx, int64_t tile)
{
    const struct copy_job *j = ctx;
    const int64_t end = (tile + 1) * j->rows_per_tile;

    for (int64_t r = tile * j->rows_per_tile; r < end && r < j->n_rows; r++) {
        int64_t oy, ox;

        offsets_of(&j->nest, r, &oy, &ox);
        copy_row(j, j->y + oy * (int64_t)j->elem_bytes, j->x + ox * (int64_t)j->elem_bytes);
    }
}

static bool is_whole(const struct dsc_tensor *t, const struct dsc_walk *w,
                     const struct walk_nest *s, const int64_t *stride)
{
    return s->rank == 1 && stride[0] == 1 && w->offset == 0 && s->dim[0] == dsc_tensor_n_elems(t);
}

/* Two elements to a byte: unless the whole tensor moves, one by one. */
static void copy_nibbles(const struct walk_nest *s, const struct dsc_tensor *y, int64_t y0,
                         const struct dsc_tensor *x, int64_t x0)
{
    const int inner = s->rank - 1;
    const int64_t n_rows = n_of(inner, s->dim);
    struct dsc_tensor out = *y;

    for (int64_t r = 0; r < n_rows; r++) {
        int64_t oy, ox;

        offsets_of(s, r, &oy, &ox);
        for (int64_t i = 0; i < s->dim[inner]; i++)
            dsc_tensor_set_i64(&out, y0 + oy + i * s->sy[inner],
                               dsc_tensor_get_i64(x, x0 + ox + i * s->sx[inner]));
    }
}

enum dsc_status dsc_cpu_copy(struct dsc_device *d, int rank, const int64_t *dim,
                             const struct dsc_tensor *y, const struct dsc_walk *yw,
                             const struct dsc_tensor *x, const struct dsc_walk *xw,
                             struct dsc_err *e)
{
    struct copy_job j = {.elem_bytes = (size_t)dsc_dtype_bits(x->dtype) / 8};

    if (n_of(rank, dim) == 0)
        return DSC_OK;
    make_nest(&j.nest, rank, dim, yw, xw);
    if (is_whole(y, yw, &j.nest, j.nest.sy) && is_whole(x, xw, &j.nest, j.nest.sx)) {
        memcpy(y->data, x->data, dsc_tensor_n_bytes(y));
        return DSC_OK;
    }
    if (j.elem_bytes == 0) {
        copy_nibbles(&j.nest, y, yw->offset, x, xw->offset);
        return DSC_OK;
    }
    j.y = (char *)y->data + yw->offset * (int64_t)j.elem_bytes;
    j.x = (const char *)x->data + xw->offset * (int64_t)j.elem_bytes;
    j.n_rows = n_of(j.nest.rank - 1, j.nest.dim);
    j.rows_per_tile = DSC_CPU_TILE / j.nest.dim[j.nest.rank - 1] + 1;
    dsc_parallel_for(d->pool, (j.n_rows + j.rows_per_tile - 1) / j.rows_per_tile, copy_tile, &j);
    return DSC_OK;
}

/*
 * add_copy: tiles are ranges of the outermost axis along which y moves; axes along which y stands
 * still are summed inside, in index order, so that no two tiles meet in one element.
 */
struct add_job {
    struct walk_nest
        nest; /* moving axes first, then standing ones; the inner loop is a moving one */
    int n_moving;
    enum dsc_dtype dtype;
    char *y;
    const char *x;
    int64_t per_tile;
};

static void add_row(const struct add_job *j, int64_t oy, int64_t ox, int64_t n, int64_t sy,
                    int64_t sx)
{
    if (j->dtype == DSC_F32) {
        float *y = (float *)j->y + oy;
        const float *x = (const float *)j->x + ox;

        if (sy == 1 && sx == 1)
            for (int64_t i = 0; i < n; i++)
                y[i] += x[i];
        else
            for (int64_t i = 0; i < n; i++)
                y[i * sy] += x[i * sx];
    } else {
        double *y = (double *)j->y + oy;
        const double *x = (const double *)j->x + ox;

        for (int64_t i = 0; i < n; i++)
            y[i * sy] += x[i * sx];
    }
}

/* All of the nest but the inner moving axis, whose range is given. */
static void add_range(const struct add_job *j, int inner, int64_t first, int64_t last)
{
    const struct walk_nest *s = &j->nest;
    int64_t n_rows = 1;

    for (int i = 0; i < s->rank; i++)
        n_rows *= i == inner ? 1 : s->dim[i];
    for (int64_t r = 0; r < n_rows; r++) {
        int64_t rest = r, oy = first * s->sy[inner], ox = first * s->sx[inner];

        for (int i = s->rank - 1; i >= 0; i--) {
            if (i == inner)
                continue;
            oy += rest % s->dim[i] * s->sy[i];
            ox += rest % s->dim[i] * s->sx[i];
            rest /= s->dim[i];
        }
        add_row(j, oy, ox, last - first, s->sy[inner], s->sx[inner]);
    }
}

static void add_tile(void *ctx, int64_t tile)
{
    struct add_job j = *(const struct add_job *)ctx;
    const int inner = j.n_moving - 1;

    if (j.n_moving == 1) {
        const int64_t first = tile * j.per_tile, last = first + j.per_tile;

        add_range(&j, 0, first, last < j.nest.dim[0] ? last : j.nest.dim[0]);
        return;
    }
    /* one index of the outermost moving axis */
    j.y += tile * j.nest.sy[0] * (int64_t)dsc_dtype_bytes(j.dtype, 1);
    j.x += tile * j.nest.sx[0] * (int64_t)dsc_dtype_bytes(j.dtype, 1);
    j.nest.dim[0] = 1;
    add_range(&j, inner, 0, j.nest.dim[inner]);
}

static void add_sum(void *ctx, int64_t tile)
{
    const struct add_job *j = ctx; /* y stands still everywhere: one sum */

    (void)tile;
    add_range(j, j->nest.rank - 1, 0, j->nest.dim[j->nest.rank - 1]);
}

static void moving_axes_first(struct add_job *j)
{
    const struct walk_nest s = j->nest;
    int k = 0;

    for (int pass = 0; pass < 2; pass++) {
        for (int i = 0; i < s.rank; i++) {
            if ((s.sy[i] == 0) != (pass == 1))
                continue;
            j->nest.dim[k] = s.dim[i];
            j->nest.sy[k] = s.sy[i];
            j->nest.sx[k++] = s.sx[i];
            j->n_moving += pass == 0;
        }
    }
}

enum dsc_status dsc_cpu_add_copy(struct dsc_device *d, int rank, const int64_t *dim,
                                 const struct dsc_tensor *y, const struct dsc_walk *yw,
                                 const struct dsc_tensor *x, const struct dsc_walk *xw,
                                 struct dsc_err *e)
{
    struct add_job j = {.dtype = x->dtype};
    int64_t n_tiles;

    if (n_of(rank, dim) == 0)
        return DSC_OK;
    if (dsc_cpu_is_half(y)) {
        struct dsc_cpu_wide w = {.n = 2, .arg = {y, x}, .outs = 1};

        DSC_TRY(dsc_cpu_widen(&w, e));
        return dsc_cpu_narrow(&w, dsc_cpu_add_copy(d, rank, dim, dsc_cpu_wide(&w, 0), yw,
                                                   dsc_cpu_wide(&w, 1), xw, e));
    }
    if (x->dtype != DSC_F32 && x->dtype != DSC_F64)
        return dsc_cpu_no_dtype("add_copy", x, e);
    make_nest(&j.nest, rank, dim, yw, xw);
    j.y = (char *)y->data + (size_t)yw->offset * dsc_dtype_bytes(j.dtype, 1);
    j.x = (const char *)x->data + (size_t)xw->offset * dsc_dtype_bytes(j.dtype, 1);
    moving_axes_first(&j);
    if (j.n_moving == 0) {
        add_sum(&j, 0);
        return DSC_OK;
    }
    j.per_tile = 64;
    n_tiles = j.n_moving == 1 ? (j.nest.dim[0] + j.per_tile - 1) / j.per_tile : j.nest.dim[0];
    if (j.n_moving == 1 && j.nest.rank == 1) {
        j.per_tile = DSC_CPU_TILE;
        n_tiles = dsc_cpu_n_tiles(j.nest.dim[0]);
    }
    dsc_parallel_for(d->pool, n_tiles, add_tile, &j);
    return DSC_OK;
}

struct flat_job {
    const struct dsc_tensor *y, *x, *c;
    double alpha;
    int64_t n;
};

static void axpy_tile(void *ctx, int64_t tile)
{
    const struct flat_job *j = ctx;
    const int64_t end = dsc_cpu_tile_end(tile, j->n);

    if (j->y->dtype == DSC_F32) {
        float *y = j->y->data;
        const float *x = j->x->data, a = (float)j->alpha;

        for (int64_t i = tile * DSC_CPU_TILE; i < end; i++)
            y[i] += a * x[i];
    } else {
        double *y = j->y->data;
        const double *x = j->x->data;

        for (int64_t i = tile * DSC_CPU_TILE; i < end; i++)
            y[i] += j->alpha * x[i];
    }
}

enum dsc_status dsc_cpu_axpy(struct dsc_device *d, double alpha, const struct dsc_tensor *y,
                             const struct dsc_tensor *x, struct dsc_err *e)
{
    struct flat_job j = {.y = y, .x = x, .alpha = alpha, .n = dsc_tensor_n_elems(y)};

    if (dsc_cpu_is_half(y)) {
        struct dsc_cpu_wide w = {.n = 2, .arg = {y, x}, .outs = 1};

        DSC_TRY(dsc_cpu_widen(&w, e));
        return dsc_cpu_narrow(&w,
                              dsc_cpu_axpy(d, alpha, dsc_cpu_wide(&w, 0), dsc_cpu_wide(&w, 1), e));
    }
    if (y->dtype != DSC_F32 && y->dtype != DSC_F64)
        return dsc_cpu_no_dtype("axpy", y, e);
    dsc_parallel_for(d->pool, dsc_cpu_n_tiles(j.n), axpy_tile, &j);
    return DSC_OK;
}

enum dsc_status dsc_cpu_fill(struct dsc_device *d, const struct dsc_tensor *y, const void *value,
                             struct dsc_err *e)
{
    const size_t elem_bytes = (size_t)dsc_dtype_bits(y->dtype) / 8;
    const size_t n_bytes = dsc_tensor_n_bytes(y);
    const unsigned char *v = value;
    size_t done;

    if (n_bytes == 0)
        return DSC_OK;
    if (elem_bytes <= 1) { /* a nibble fills both halves */
        memset(y->data, elem_bytes ? v[0] : (v[0] & 15) * 17, n_bytes);
        return DSC_OK;
    }
    memcpy(y->data, value, elem_bytes);
    for (done = elem_bytes; done < n_bytes; done *= 2)
        memcpy((char *)y->data + done, y->data, done < n_bytes - done ? done : n_bytes - done);
    return DSC_OK;
}

/* C's conversion is undefined outside the target's range; ONNX leaves it open. We wrap integers
 * through 64 bits and saturate floats at 64 bits, which is what NumPy shows on x86-64 for values
 * that fit. */
static void cast_element(struct dsc_tensor *y, const struct dsc_tensor *x, int64_t i)
{
    int64_t v;

    if (dsc_dtype_is_float(y->dtype)) {
        dsc_tensor_set_f64(y, i, dsc_tensor_get_f64(x, i));
        return;
    }
    if (y->dtype == DSC_BOOL) {
        ((uint8_t *)y->data)[i] = dsc_tensor_get_f64(x, i) != 0;
        return;
    }
    v = dsc_tensor_get_i64(x, i); /* floats truncate toward zero */
    if (dsc_dtype_bits(y->dtype) == 4 && dsc_dtype_is_float(x->dtype))
        v = (int64_t)rint(dsc_tensor_get_f64(x, i));
    if (dsc_dtype_bits(y->dtype) == 4) {
        dsc_tensor_set_i64(y, i, v); /* 4-bit types saturate */
        return;
    }
    memcpy((char *)y->data + (size_t)i * dsc_dtype_bytes(y->dtype, 1), &v,
           dsc_dtype_bytes(y->dtype, 1)); /* little endian: the low bytes */
}

static void cast_tile(void *ctx, int64_t tile)
{
    const struct flat_job *j = ctx;
    const int64_t first = tile * DSC_CPU_TILE, end = dsc_cpu_tile_end(tile, j->n);
    struct dsc_tensor y = *j->y;

    if (y.dtype == DSC_F32 && j->x->dtype == DSC_I32) {
        for (int64_t i = first; i < end; i++)
            ((float *)y.data)[i] = (float)((const int32_t *)j->x->data)[i];
        return;
    }
    for (int64_t i = first; i < end; i++)
        cast_element(&y, j->x, i);
}

enum dsc_status dsc_cpu_cast(struct dsc_device *d, const struct dsc_tensor *y,
                             const struct dsc_tensor *x, struct dsc_err *e)
{
    struct flat_job j = {.y = y, .x = x, .n = dsc_tensor_n_elems(x)};

    if (y->dtype == x->dtype) {
        memcpy(y->data, x->data, dsc_tensor_n_bytes(x));
        return DSC_OK;
    }
    dsc_cpu_clear_padding(y);
    dsc_parallel_for(d->pool, dsc_cpu_n_tiles(j.n), cast_tile, &j);
    return DSC_OK;
}

static int64_t broadcast_at(const struct dsc_tensor *t, const struct dsc_tensor *y, int64_t i)
{
    int64_t step = 1, at = 0;

    for (int k = y->rank - 1; k >= 0; k--) {
        const int kt = k - (y->rank - t->rank);
        const int64_t c = i % y->dim[k];

        i /= y->dim[k];
        if (kt < 0)
            continue;
        at += t->dim[kt] == 1 ? 0 : c * step;
        step *= t->dim[kt];
    }
    return at;
}

struct select_job {
    const struct dsc_tensor *y, *c, *a, *b;
    int64_t n;
    bool is_plain; /* one shape everywhere */
};

static void select_tile(void *ctx, int64_t tile)
{
    const struct select_job *j = ctx;
    const size_t size = dsc_dtype_bytes(j->y->dtype, 1);
    const int64_t end = dsc_cpu_tile_end(tile, j->n);

    for (int64_t i = tile * DSC_CPU_TILE; i < end; i++) {
        const int64_t ic = j->is_plain ? i : broadcast_at(j->c, j->y, i);
        const struct dsc_tensor *s = ((const uint8_t *)j->c->data)[ic] ? j->a : j->b;
        const int64_t is = j->is_plain ? i : broadcast_at(s, j->y, i);

        memcpy((char *)j->y->data + (size_t)i * size, (const char *)s->data + (size_t)is * size,
               size);
    }
}

enum dsc_status dsc_cpu_select(struct dsc_device *d, const struct dsc_tensor *y,
                               const struct dsc_tensor *c, const struct dsc_tensor *a,
                               const struct dsc_tensor *b, struct dsc_err *e)
{
    struct select_job j = {.y = y, .c = c, .a = a, .b = b, .n = dsc_tensor_n_elems(y)};

    if (dsc_dtype_bits(y->dtype) < 8)
        return dsc_cpu_no_dtype("select", y, e);
    j.is_plain =
        dsc_tensor_same_shape(y, c) && dsc_tensor_same_shape(y, a) && dsc_tensor_same_shape(y, b);
    dsc_parallel_for(d->pool, dsc_cpu_n_tiles(j.n), select_tile, &j);
    return DSC_OK;
}
