/* Moving elements: copy, add_copy, fill, axpy. */
#include "device/cpu/cpu.h"

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

/*
 * A copy in rows along the last axis, or, where y and x are dense along different axes (a
 * transpose of matrices), in blocks that both fit in the cache.
 */
enum { COPY_BLOCK = 32, COPY_MIN_BLOCK = 8, COPY_ROW_ELEMS = 1 << 16 };

struct copy_job {
    struct walk_nest nest; /* blocks: the last two axes are x's dense one and y's dense one */
    char *y;
    const char *x;
    size_t elem_bytes;
    int64_t n_rows, rows_per_tile, cols_per_tile, tiles_per_row;
};

#define COPY_STRIDED(T_)            \
    for (int64_t i = 0; i < n; i++) \
        ((T_ *)y)[i * sy] = ((const T_ *)x)[i * sx];

static void copy_row(size_t elem_bytes, int64_t n, char *y, int64_t sy, const char *x, int64_t sx)
{
    if (sy == 1 && sx == 1) {
        memcpy(y, x, (size_t)n * elem_bytes);
        return;
    }
    switch (elem_bytes) { /* sizes, not types */
    case 1:
        COPY_STRIDED(uint8_t)
        break;
    case 2:
        COPY_STRIDED(uint16_t)
        break;
    case 4:
        COPY_STRIDED(uint32_t)
        break;
    default:
        COPY_STRIDED(uint64_t)
        break;
    }
}

/* y[i * sy + k] = x[i + k * sx]: block by block, so that lines of both are used while they are in
 * the cache. */
#define COPY_BLOCKS(T_)                                                  \
    for (int64_t k0 = 0; k0 < n_cols; k0 += COPY_BLOCK)                  \
        for (int64_t i = 0; i < n; i++)                                  \
            for (int64_t k = k0; k < k0 + COPY_BLOCK && k < n_cols; k++) \
                ((T_ *)y)[i * sy + k] = ((const T_ *)x)[i + k * sx];

static void copy_blocks(size_t elem_bytes, int64_t n, int64_t n_cols, char *y, int64_t sy,
                        const char *x, int64_t sx)
{
    switch (elem_bytes) {
    case 1:
        COPY_BLOCKS(uint8_t)
        break;
    case 2:
        COPY_BLOCKS(uint16_t)
        break;
    case 4:
        COPY_BLOCKS(uint32_t)
        break;
    default:
        COPY_BLOCKS(uint64_t)
        break;
    }
}

/* A position in the outer axes of a nest, counted on like a meter. */
struct place {
    int64_t idx[DSC_MAX_RANK], oy, ox;
};

static void place_at(const struct walk_nest *s, int n_outer, int64_t row, struct place *p)
{
    p->oy = p->ox = 0;
    for (int i = n_outer - 1; i >= 0; i--) {
        p->idx[i] = row % s->dim[i];
        row /= s->dim[i];
        p->oy += p->idx[i] * s->sy[i];
        p->ox += p->idx[i] * s->sx[i];
    }
}

static void place_next(const struct walk_nest *s, int n_outer, struct place *p)
{
    for (int i = n_outer - 1; i >= 0; i--) {
        p->oy += s->sy[i];
        p->ox += s->sx[i];
        if (++p->idx[i] < s->dim[i])
            return;
        p->idx[i] = 0;
        p->oy -= s->sy[i] * s->dim[i];
        p->ox -= s->sx[i] * s->dim[i];
    }
}

static void copy_tile(void *ctx, int64_t tile)
{
    const struct copy_job *j = ctx;
    const struct walk_nest *s = &j->nest;
    const int inner = s->rank - 1;
    const int64_t first = tile / j->tiles_per_row * j->rows_per_tile;
    const int64_t last = first + j->rows_per_tile;
    const int64_t col = tile % j->tiles_per_row * j->cols_per_tile, left = s->dim[inner] - col;
    const int64_t n = left < j->cols_per_tile ? left : j->cols_per_tile;
    const int64_t bytes = (int64_t)j->elem_bytes;
    struct place p;

    place_at(s, inner, first, &p);
    for (int64_t r = first; r < last && r < j->n_rows; r++) {
        copy_row(j->elem_bytes, n, j->y + (p.oy + col * s->sy[inner]) * bytes, s->sy[inner],
                 j->x + (p.ox + col * s->sx[inner]) * bytes, s->sx[inner]);
        place_next(s, inner, &p);
    }
}

/* A tile: COPY_BLOCK rows of y of one matrix. */
static void block_tile(void *ctx, int64_t tile)
{
    const struct copy_job *j = ctx;
    const struct walk_nest *s = &j->nest;
    const int rows = s->rank - 2, cols = s->rank - 1;
    const int64_t first = tile % j->tiles_per_row * COPY_BLOCK, left = s->dim[rows] - first;
    const int64_t bytes = (int64_t)j->elem_bytes;
    struct place p;

    place_at(s, rows, tile / j->tiles_per_row, &p);
    copy_blocks(j->elem_bytes, left < COPY_BLOCK ? left : COPY_BLOCK, s->dim[cols],
                j->y + (p.oy + first * s->sy[rows]) * bytes, s->sy[rows],
                j->x + (p.ox + first) * bytes, s->sx[cols]);
}

/* Axis `from` behind the others but the last. */
static void move_axis_in(struct walk_nest *s, int from)
{
    const int64_t dim = s->dim[from], sy = s->sy[from], sx = s->sx[from];

    for (int i = from; i < s->rank - 2; i++) {
        s->dim[i] = s->dim[i + 1];
        s->sy[i] = s->sy[i + 1];
        s->sx[i] = s->sx[i + 1];
    }
    s->dim[s->rank - 2] = dim;
    s->sy[s->rank - 2] = sy;
    s->sx[s->rank - 2] = sx;
}

/* y is dense along the last axis, x along another one: put that next to it. */
static bool make_blocks(struct walk_nest *s)
{
    const int inner = s->rank - 1;

    if (s->sy[inner] != 1 || s->sx[inner] == 1 || s->sx[inner] == 0)
        return false;
    for (int i = 0; i < inner; i++) {
        if (s->sx[i] == 1 && s->dim[i] >= COPY_MIN_BLOCK && s->dim[inner] >= COPY_MIN_BLOCK) {
            move_axis_in(s, i);
            return true;
        }
    }
    return false;
}

static void offsets_of(const struct walk_nest *s, int64_t row, int64_t *oy, int64_t *ox)
{
    struct place p;

    place_at(s, s->rank - 1, row, &p);
    *oy = p.oy;
    *ox = p.ox;
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
    int64_t n_inner;

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
    if (make_blocks(&j.nest)) {
        const int64_t n_rows = j.nest.dim[j.nest.rank - 2];

        j.tiles_per_row = (n_rows + COPY_BLOCK - 1) / COPY_BLOCK;
        dsc_parallel_for(d->pool, n_of(j.nest.rank - 2, j.nest.dim) * j.tiles_per_row, block_tile,
                         &j);
        return DSC_OK;
    }
    n_inner = j.nest.dim[j.nest.rank - 1];
    j.n_rows = n_of(j.nest.rank - 1, j.nest.dim);
    j.rows_per_tile = n_inner < COPY_ROW_ELEMS ? COPY_ROW_ELEMS / n_inner : 1;
    j.cols_per_tile = n_inner < COPY_ROW_ELEMS ? n_inner : COPY_ROW_ELEMS;
    j.tiles_per_row = (n_inner + j.cols_per_tile - 1) / j.cols_per_tile;
    dsc_parallel_for(d->pool, (j.n_rows + j.rows_per_tile - 1) / j.rows_per_tile * j.tiles_per_row,
                     copy_tile, &j);
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
    const struct dsc_tensor *y, *x;
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
