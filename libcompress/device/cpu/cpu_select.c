/* select: y = c ? a : b with broadcasting. */
#include "device/cpu/cpu.h"

enum { N_SELECT = 3 }; /* c, a, b */

/* The broadcast as a loop nest: axes that all three walk on evenly are merged. */
struct select_job {
    int rank;
    int64_t dim[DSC_MAX_RANK], stride[N_SELECT][DSC_MAX_RANK];
    char *y;
    const char *in[N_SELECT];
    size_t elem_bytes;
    int64_t n_inner, n_rows, rows_per_tile, cols_per_tile, tiles_per_row;
};

static bool walks_on(const struct select_job *j, int r, const struct dsc_walk *w, int axis,
                     int64_t dim)
{
    for (int k = 0; k < N_SELECT; k++)
        if (j->stride[k][r] != w[k].stride[axis] * dim)
            return false;
    return true;
}

static void make_nest(struct select_job *j, const struct dsc_tensor *y,
                      const struct dsc_tensor *const *in)
{
    struct dsc_walk w[N_SELECT];

    for (int k = 0; k < N_SELECT; k++)
        w[k] = dsc_walk_broadcast(in[k], y->rank);
    for (int i = 0; i < y->rank; i++) {
        if (y->dim[i] == 1)
            continue;
        if (j->rank > 0 && walks_on(j, j->rank - 1, w, i, y->dim[i]))
            j->dim[j->rank - 1] *= y->dim[i];
        else
            j->dim[j->rank++] = y->dim[i];
        for (int k = 0; k < N_SELECT; k++)
            j->stride[k][j->rank - 1] = w[k].stride[i];
    }
    if (j->rank == 0)
        j->dim[j->rank++] = 1;
}

#define SELECT_ROW(T_)              \
    for (int64_t i = 0; i < n; i++) \
        ((T_ *)y)[i] = c[i * s[0]] ? ((const T_ *)a)[i * s[1]] : ((const T_ *)b)[i * s[2]];

/* s: strides of c, a, b along the row, 0 or 1. */
static void select_row(size_t elem_bytes, int64_t n, void *y, const uint8_t *c, const void *a,
                       const void *b, const int64_t *s)
{
    switch (elem_bytes) { /* sizes, not types */
    case 1:
        SELECT_ROW(uint8_t)
        break;
    case 2:
        SELECT_ROW(uint16_t)
        break;
    case 4:
        SELECT_ROW(uint32_t)
        break;
    default:
        SELECT_ROW(uint64_t)
        break;
    }
}

static void select_tile(void *ctx, int64_t tile)
{
    const struct select_job *j = ctx;
    const int inner = j->rank - 1;
    const int64_t col = tile % j->tiles_per_row * j->cols_per_tile;
    const int64_t left = j->n_inner - col, first = tile / j->tiles_per_row * j->rows_per_tile;
    const int64_t n = left < j->cols_per_tile ? left : j->cols_per_tile;
    const int64_t last =
        first + j->rows_per_tile < j->n_rows ? first + j->rows_per_tile : j->n_rows;
    const int64_t s[N_SELECT] = {j->stride[0][inner], j->stride[1][inner], j->stride[2][inner]};

    for (int64_t r = first; r < last; r++) {
        int64_t rest = r, at[N_SELECT] = {col * s[0], col * s[1], col * s[2]};

        for (int i = inner - 1; i >= 0; i--) {
            for (int k = 0; k < N_SELECT; k++)
                at[k] += rest % j->dim[i] * j->stride[k][i];
            rest /= j->dim[i];
        }
        select_row(j->elem_bytes, n, j->y + (size_t)(r * j->n_inner + col) * j->elem_bytes,
                   (const uint8_t *)j->in[0] + at[0], j->in[1] + (size_t)at[1] * j->elem_bytes,
                   j->in[2] + (size_t)at[2] * j->elem_bytes, s);
    }
}

enum dsc_status dsc_cpu_select(struct dsc_device *d, const struct dsc_tensor *y,
                               const struct dsc_tensor *c, const struct dsc_tensor *a,
                               const struct dsc_tensor *b, struct dsc_err *e)
{
    const struct dsc_tensor *const in[N_SELECT] = {c, a, b};
    struct select_job j = {.y = y->data, .in = {c->data, a->data, b->data}};
    const int64_t n = dsc_tensor_n_elems(y);

    if (dsc_dtype_bits(y->dtype) < 8)
        return dsc_cpu_no_dtype("select", y, e);
    if (n == 0)
        return DSC_OK;
    make_nest(&j, y, in);
    j.elem_bytes = dsc_dtype_bytes(y->dtype, 1);
    j.n_inner = j.dim[j.rank - 1];
    j.n_rows = n / j.n_inner;
    j.cols_per_tile = j.n_inner < DSC_CPU_TILE ? j.n_inner : DSC_CPU_TILE;
    j.rows_per_tile = j.n_inner < DSC_CPU_TILE ? DSC_CPU_TILE / j.n_inner : 1;
    j.tiles_per_row = (j.n_inner + j.cols_per_tile - 1) / j.cols_per_tile;
    dsc_parallel_for(d->pool, (j.n_rows + j.rows_per_tile - 1) / j.rows_per_tile * j.tiles_per_row,
                     select_tile, &j);
    return DSC_OK;
}
