/*
 * dsc.QConv: the integer form of Conv between DequantizeLinear nodes.
 *
 * Inputs as those of dsc.QGemm (ops/op_qgemm.c), x u8 or i8 [N, C, ..], the weight packed as a
 * matrix of kernel positions times C rows and M columns; attributes of Conv, k, act. Output
 * [N, M, ..]. Channels go last, patches of a block of windows are unfolded, and multiplied as rows:
 * one image of codes and BLOCK_BYTES of patches is what it takes. Made by dsc_quant_lower for
 * running here, the epilogue by dsc_pass_fuse_product; never written.
 */
#include "ops/elementwise.h"
#include "ops/epilogue.h"
#include "ops/window.h"

enum { IN_EPILOGUE = DSC_PACKED_BIAS + 1, BLOCK_BYTES = 1 << 20, BLOCK_ROWS = 64 };

static enum dsc_status window_of(struct dsc_window *w, const struct dsc_node *n, int rank,
                                 const int64_t *dim, struct dsc_err *err)
{
    int64_t kernel[DSC_MAX_RANK];

    DSC_TRY(dsc_window_kernel(n, rank - 2, kernel, err));
    return dsc_window_read(w, n, rank - 2, kernel, dim + 2, err);
}

static enum dsc_status infer(struct dsc_infer *q, struct dsc_err *err)
{
    const struct dsc_type *x = &q->in[0];
    const int64_t k = dsc_node_int(q->node, "k", -1);
    const int64_t m = q->in[2].rank == 1 ? q->in[2].dim[0] : -1;
    struct dsc_type *y = &q->out[0];
    int64_t n_taps = 1;
    struct dsc_window w;
    enum dsc_dtype code;

    DSC_TRY(dsc_epilogue_infer(q, IN_EPILOGUE, m, &code, err));
    if (dsc_node_has_in(q->node, IN_EPILOGUE))
        return dsc_fail(err, DSC_E_UNSUPPORTED, "factors along the last axis of an image");
    y->dtype = dsc_node_has_in(q->node, IN_EPILOGUE + 2) ? code : DSC_F32;
    if (q->in[2].rank >= 0 && q->in[2].rank != 1)
        return dsc_fail(err, DSC_E_SHAPE, "the column sums are no vector");
    if (m >= 0)
        DSC_TRY(dsc_packed_check(q, k, m, err));
    if (x->rank < 0)
        return DSC_OK;
    if (x->dtype && x->dtype != DSC_U8 && x->dtype != DSC_I8)
        return dsc_fail(err, DSC_E_TYPE, "x is %s", dsc_dtype_text(x->dtype));
    if (x->rank < 3)
        return dsc_fail(err, DSC_E_SHAPE, "an image of rank %d, less than 3", x->rank);
    DSC_TRY(window_of(&w, q->node, x->rank, x->dim, err));
    for (int i = 0; i < w.rank && n_taps <= k; i++)
        n_taps *= w.kernel[i];
    if (x->dim[1] >= 0 && (n_taps > k || x->dim[1] * n_taps != k))
        return dsc_fail(err, DSC_E_SHAPE, "%lld channels, a weight of %lld rows",
                        (long long)x->dim[1], (long long)k);
    y->rank = x->rank;
    y->dim[0] = x->dim[0];
    y->dim[1] = m;
    for (int i = 0; i < w.rank; i++)
        y->dim[i + 2] = w.out[i];
    return DSC_OK;
}

struct run {
    struct dsc_exec *x;
    const struct dsc_node *n;
    const struct dsc_tensor *const *in;
    struct dsc_window w;
    struct dsc_qgemm_spec s; /* of a block: m windows */
    struct dsc_epilogue ep;
    int64_t c, n_in, n_out, block;
    struct dsc_tensor *last, *rows,
        *y; /* one image, channels last; a block of patches, of results */
};

static enum dsc_status run_init(struct run *r, const struct dsc_tensor *y, struct dsc_err *err)
{
    const struct dsc_tensor *x = r->in[0];

    DSC_TRY(window_of(&r->w, r->n, x->rank, x->dim, err));
    r->c = x->dim[1];
    r->n_in = r->n_out = 1;
    for (int i = 0; i < r->w.rank; i++) {
        r->n_in *= r->w.in[i];
        r->n_out *= r->w.out[i];
    }
    r->ep = dsc_epilogue_of(r->n, r->in, IN_EPILOGUE);
    r->s = (struct dsc_qgemm_spec){.n = y->dim[1],
                                   .k = dsc_node_int(r->n, "k", 0),
                                   .x_scale = (float)dsc_tensor_get_f64(r->in[3], 0),
                                   .x_zero = (int32_t)dsc_tensor_get_i64(r->in[4], 0)};
    r->block = r->s.k > 0 ? BLOCK_BYTES / r->s.k / BLOCK_ROWS * BLOCK_ROWS : BLOCK_ROWS;
    r->block = r->block < BLOCK_ROWS ? BLOCK_ROWS : r->block;
    r->block = r->block < r->n_out ? r->block : r->n_out;
    DSC_TRY(dsc_exec_temp(r->x, x->dtype, 2, (int64_t[]){r->n_in, r->c}, &r->last, err));
    DSC_TRY(dsc_exec_temp(r->x, x->dtype, 2, (int64_t[]){r->block, r->s.k}, &r->rows, err));
    return dsc_exec_temp(r->x, y->dtype, 2, (int64_t[]){r->block, r->s.n}, &r->y, err);
}

/* Windows first .. first + n of image i. */
static enum dsc_status run_block(struct run *r, struct dsc_tensor *out, int64_t i, int64_t first,
                                 struct dsc_err *err)
{
    const struct dsc_tensor *bias =
        dsc_node_has_in(r->n, DSC_PACKED_BIAS) ? r->in[DSC_PACKED_BIAS] : NULL;
    const struct dsc_walk to = {.offset = i * r->s.n * r->n_out + first, .stride = {r->n_out, 1}};
    const struct dsc_walk from = {.stride = {1, r->s.n}};
    struct dsc_tensor rows = *r->rows, y = *r->y;

    r->s.m = r->n_out - first < r->block ? r->n_out - first : r->block;
    rows.dim[0] = y.dim[0] = r->s.m;
    DSC_TRY(dsc_unfold(r->x->dev, &r->w, r->c, r->s.x_zero, first, &rows, r->last, err));
    DSC_TRY(dsc_qgemm_packed(r->x->dev, &r->s, &y, &rows, r->in[1], r->in[2], r->in[5], bias,
                             &r->ep, err));
    return dsc_copy(r->x->dev, 2, (int64_t[]){r->s.n, r->s.m}, out, &to, &y, &from, err);
}

static enum dsc_status forward(DSC_FORWARD_PARAMS)
{
    struct run r = {.x = x, .n = n, .in = in};

    if (dsc_tensor_n_elems(out[0]) == 0)
        return DSC_OK;
    DSC_TRY(run_init(&r, out[0], err));
    for (int64_t i = 0; i < in[0]->dim[0]; i++) {
        const struct dsc_walk from = {.offset = i * r.c * r.n_in, .stride = {1, r.n_in}};
        const struct dsc_walk to = {.stride = {r.c, 1}};

        DSC_TRY(dsc_copy(x->dev, 2, (int64_t[]){r.n_in, r.c}, r.last, &to, in[0], &from, err));
        for (int64_t first = 0; first < r.n_out; first += r.block)
            DSC_TRY(run_block(&r, out[0], i, first, err));
    }
    return DSC_OK;
}

const struct dsc_op dsc_op_qconv = {
    .onnx = "QConv",
    .domain = "dsc",
    .n_in = 6,
    .n_in_optional = 4,
    .n_out = 1,
    .host_in = DSC_IN(3) | DSC_IN(4) | DSC_IN(8) | DSC_IN(9),
    .is_rowwise = true,
    .infer = infer,
    .forward = forward,
    .flops = dsc_packed_flops,
};
