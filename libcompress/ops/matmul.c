/* Shapes of batched matrix products. */
#include "ops/matmul.h"

#include <inttypes.h>

enum dsc_status dsc_matmul_type(struct dsc_type *y, const struct dsc_type *a,
                                const struct dsc_type *b, struct dsc_err *err)
{
    struct dsc_type ab = *a, bb = *b;
    const int ra = a->rank, rb = b->rank;
    int64_t ka, kb;

    dsc_type_unknown(y);
    y->dtype = a->dtype;
    if (ra < 0 || rb < 0)
        return DSC_OK;
    if (ra == 0 || rb == 0)
        return dsc_fail(err, DSC_E_SHAPE, "a matrix product of a scalar");
    ka = a->dim[ra - 1];
    kb = b->dim[rb == 1 ? 0 : rb - 2];
    if (ka >= 0 && kb >= 0 && ka != kb)
        return dsc_fail(err, DSC_E_SHAPE, "inner sizes %" PRId64 " and %" PRId64 " differ", ka, kb);
    ab.rank = ra > 2 ? ra - 2 : 0;
    bb.rank = rb > 2 ? rb - 2 : 0;
    DSC_TRY(dsc_type_broadcast(y, &ab, &bb, err));
    y->dtype = a->dtype;
    if (ra > 1)
        y->dim[y->rank++] = a->dim[ra - 2];
    if (rb > 1)
        y->dim[y->rank++] = b->dim[rb - 1];
    return DSC_OK;
}

int64_t dsc_matmul_flops(const struct dsc_infer *q)
{
    int64_t n = 2;

    if (!dsc_type_is_known(&q->in[0]) || !dsc_type_is_known(&q->out[0]) || q->in[0].rank == 0)
        return -1;
    for (int i = 0; i < q->out[0].rank; i++)
        n *= q->out[0].dim[i];
    return n * q->in[0].dim[q->in[0].rank - 1];
}

/* Strides, in matrices, of t's batch axes within the result's. */
static int64_t batch_strides(const struct dsc_type *t, int rank, int64_t *stride)
{
    const int own = t->rank > 2 ? t->rank - 2 : 0;
    int64_t step = 1;

    for (int i = rank - 1; i >= 0; i--) {
        const int k = i - (rank - own);
        const int64_t dim = k >= 0 ? t->dim[k] : 1;

        stride[i] = dim == 1 ? 0 : step;
        step *= dim;
    }
    return step;
}

static enum dsc_status offsets(const struct dsc_matmul *p, const int64_t *stride, int64_t n_matrix,
                               int64_t **at, struct dsc_err *err)
{
    *at = dsc_heap_alloc((size_t)p->n_batch + 1, sizeof **at, err);
    if (!*at)
        return DSC_E_MEMORY;
    for (int64_t b = 0; b < p->n_batch; b++) {
        int64_t rest = b;

        for (int i = p->rank - 1; i >= 0; i--) {
            (*at)[b] += rest % p->dim[i] * stride[i] * n_matrix;
            rest /= p->dim[i];
        }
    }
    return DSC_OK;
}

enum dsc_status dsc_matmul_init(struct dsc_matmul *p, const struct dsc_type *a,
                                const struct dsc_type *b, bool folds, struct dsc_err *err)
{
    struct dsc_type ab = *a, bb = *b, y;
    enum dsc_status st = DSC_OK;

    *p = (struct dsc_matmul){.n_batch = 1};
    p->m = a->rank > 1 ? a->dim[a->rank - 2] : 1;
    p->k = a->dim[a->rank - 1];
    p->n = b->rank > 1 ? b->dim[b->rank - 1] : 1;
    ab.rank = a->rank > 2 ? a->rank - 2 : 0;
    bb.rank = b->rank > 2 ? b->rank - 2 : 0;
    DSC_TRY(dsc_type_broadcast(&y, &ab, &bb, err));
    p->rank = y.rank;
    for (int i = 0; i < y.rank; i++) {
        p->dim[i] = y.dim[i];
        p->n_batch *= y.dim[i];
    }
    p->n_batch_a = batch_strides(a, p->rank, p->sa);
    p->n_batch_b = batch_strides(b, p->rank, p->sb);
    if (folds && p->n_batch_b == 1 && p->n_batch_a == p->n_batch) {
        p->m *= p->n_batch;
        p->n_batch = p->n_batch_a = 1;
        p->rank = 0;
    }
    if (p->n_batch_a != p->n_batch)
        st = offsets(p, p->sa, p->m * p->k, &p->at_a, err);
    if (st == DSC_OK && p->n_batch_b != p->n_batch)
        st = offsets(p, p->sb, p->k * p->n, &p->at_b, err);
    if (st != DSC_OK)
        dsc_matmul_clear(p);
    return st;
}

void dsc_matmul_clear(struct dsc_matmul *p)
{
    dsc_heap_free(p->at_a);
    dsc_heap_free(p->at_b);
    p->at_a = p->at_b = NULL;
}
