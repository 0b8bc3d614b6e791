/*
 * A table of two factors: Gather [V, D] -> Gather [V, r], MatMul [r, D].
 *
 * The factors are those of the least squared error: T P and P^T with P the r leading eigenvectors
 * of T^T T (Eckart and Young 1936), found by orthogonal iteration. Their span is all that counts,
 * so that near-equal eigenvalues at its edge do no harm.
 */
#include "dsc/pass.h"
#include "dsc/rng.h"
#include "passes/rewrite.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { ITERATIONS = 100 };

struct factor {
    struct dsc_device *dev;
    int64_t v, d, r;
    double *gram;  /* [d, d] */
    double *p;     /* [d, r], columns orthonormal */
    double *next;  /* [d, r] */
    double *small; /* [r, r] */
};

/* Columns of p to orthonormal ones of the same span: p R^-1 with p^T p = R^T R. */
static enum dsc_status orthonormalize(struct factor *f, struct dsc_err *err)
{
    const struct dsc_product p = {
        .dtype = DSC_F64, .is_trans_a = true, .m = f->r, .n = f->r, .k = f->d};
    const int64_t r = f->r;
    int64_t bad;

    DSC_TRY(dsc_linalg_product(f->dev, &p, f->small, f->p, f->p, err));
    DSC_TRY(dsc_linalg_cholesky(f->dev, f->small, r, &bad, err));
    if (bad >= 0)
        return dsc_fail(err, DSC_E_UNSUPPORTED, "the table has only %lld independent columns",
                        (long long)bad);
    for (int64_t row = 0; row < f->d; row++)
        for (int64_t k = 0; k < r; k++) {
            double x = f->p[row * r + k];

            for (int64_t i = 0; i < k; i++)
                x -= f->p[row * r + i] * f->small[i * r + k];
            f->p[row * r + k] = x / f->small[k * r + k];
        }
    return DSC_OK;
}

static enum dsc_status iterate(struct factor *f, struct dsc_err *err)
{
    const struct dsc_product step = {.dtype = DSC_F64, .m = f->d, .n = f->r, .k = f->d};
    struct dsc_rng rng;

    dsc_rng_init(&rng, dsc_rng_mix_text(dsc_rng_key(0), "factor table"));
    for (int64_t i = 0; i < f->d * f->r; i++)
        f->p[i] = (double)dsc_rng_normal(&rng);
    DSC_TRY(orthonormalize(f, err));
    for (int i = 0; i < ITERATIONS; i++) {
        double *last = f->p;

        DSC_TRY(dsc_linalg_product(f->dev, &step, f->next, f->gram, f->p, err));
        f->p = f->next;
        f->next = last;
        DSC_TRY(orthonormalize(f, err));
    }
    return orthonormalize(f, err); /* once more, for rounding */
}

/* T^T T in double, and the sum of squares. */
static enum dsc_status gram_of(struct factor *f, const struct dsc_tensor *t, double *wide,
                               double *total, struct dsc_err *err)
{
    const struct dsc_product p = {
        .dtype = DSC_F64, .is_trans_a = true, .m = f->d, .n = f->d, .k = f->v};

    for (int64_t i = 0; i < f->v * f->d; i++)
        wide[i] = dsc_tensor_get_f64(t, i);
    DSC_TRY(dsc_linalg_product(f->dev, &p, f->gram, wide, wide, err));
    *total = 0;
    for (int64_t i = 0; i < f->d; i++)
        *total += f->gram[i * f->d + i];
    return DSC_OK;
}

/* rows = T P, map = P^T. */
static enum dsc_status make_factors(struct factor *f, const double *wide, struct dsc_tensor *rows,
                                    struct dsc_tensor *map, double *kept, struct dsc_err *err)
{
    const struct dsc_product p = {.dtype = DSC_F64, .m = f->v, .n = f->r, .k = f->d};
    double *y = dsc_heap_alloc((size_t)f->v, (size_t)f->r * sizeof *y, err);
    enum dsc_status st = y ? DSC_OK : DSC_E_MEMORY;

    if (st == DSC_OK)
        st = dsc_linalg_product(f->dev, &p, y, wide, f->p, err);
    if (st == DSC_OK)
        st = dsc_tensor_new(rows, DSC_F32, 2, (int64_t[]){f->v, f->r}, err);
    if (st == DSC_OK)
        st = dsc_tensor_new(map, DSC_F32, 2, (int64_t[]){f->r, f->d}, err);
    *kept = 0;
    for (int64_t i = 0; st == DSC_OK && i < f->v * f->r; i++) {
        dsc_tensor_set_f64(rows, i, y[i]);
        *kept += y[i] * y[i];
    }
    for (int64_t i = 0; st == DSC_OK && i < f->d * f->r; i++)
        dsc_tensor_set_f64(map, i % f->r * f->d + i / f->r, f->p[i]);
    dsc_heap_free(y);
    return st;
}

static enum dsc_status factorize(struct dsc_device *dev, const struct dsc_tensor *t, int64_t r,
                                 struct dsc_tensor *rows, struct dsc_tensor *map, double *kept,
                                 struct dsc_err *err)
{
    struct factor f = {.dev = dev, .v = t->dim[0], .d = t->dim[1], .r = r};
    double *wide = dsc_heap_alloc((size_t)f.v, (size_t)f.d * sizeof *wide, err), total = 0;
    enum dsc_status st = DSC_E_MEMORY;

    if (wide && (f.gram = dsc_heap_alloc((size_t)f.d, (size_t)f.d * sizeof *f.gram, err)) &&
        (f.p = dsc_heap_alloc((size_t)f.d, (size_t)r * sizeof *f.p, err)) &&
        (f.next = dsc_heap_alloc((size_t)f.d, (size_t)r * sizeof *f.next, err)) &&
        (f.small = dsc_heap_alloc((size_t)r, (size_t)r * sizeof *f.small, err)))
        st = gram_of(&f, t, wide, &total, err);
    if (st == DSC_OK)
        st = iterate(&f, err);
    if (st == DSC_OK)
        st = make_factors(&f, wide, rows, map, kept, err);
    *kept /= total > 0 ? total : 1;
    dsc_heap_free(wide);
    dsc_heap_free(f.gram);
    dsc_heap_free(f.p);
    dsc_heap_free(f.next);
    dsc_heap_free(f.small);
    return st;
}

static struct dsc_node *find_lookup(const struct dsc_graph *g, int ids)
{
    for (int i = 0; i < g->n_nodes; i++) {
        struct dsc_node *n = g->nodes[i];
        const struct dsc_tensor *t =
            dsc_node_is(n, "", "Gather") ? dsc_constant(g, n->in[0]) : NULL;

        if (t && n->in[1] == ids && t->dtype == DSC_F32 && t->rank == 2 &&
            dsc_node_int(n, "axis", 0) == 0 && g->values[n->in[0]].n_uses == 1)
            return n;
    }
    return NULL;
}

static enum dsc_status put_factors(struct dsc_graph *g, struct dsc_node *n,
                                   const struct dsc_tensor *rows, const struct dsc_tensor *map,
                                   struct dsc_err *err)
{
    const int out = n->out[0];
    struct dsc_node *product;
    char name[512];
    int id, narrow;

    DSC_TRY(dsc_graph_set_init(g, n->in[0], rows, err));
    snprintf(name, sizeof name, "%.480s.map", g->values[n->in[0]].name);
    DSC_TRY(dsc_add_init(g, name, map, &id, err));
    DSC_TRY(dsc_add_value(g, name, &narrow, err));
    n->out[0] = narrow;
    snprintf(name, sizeof name, "%.480s/map", n->name);
    DSC_TRY(dsc_graph_node(g, dsc_op_find("", "MatMul"), name, 2, (int[]){narrow, id}, 1, &out,
                           &product, err));
    DSC_TRY(dsc_graph_sort(g, true, err));
    return dsc_graph_verify(g, err);
}

enum dsc_status dsc_pass_factor_table(struct dsc_graph *g, int ids, int64_t rank,
                                      struct dsc_device *dev, double *kept, struct dsc_err *err)
{
    struct dsc_node *n = find_lookup(g, ids);
    const struct dsc_tensor *t = n ? dsc_constant(g, n->in[0]) : NULL;
    struct dsc_tensor rows = {0}, map = {0};
    enum dsc_status st;

    if (!n)
        return dsc_fail(err, DSC_E_UNSUPPORTED,
                        "no float table is looked up by the token ids, and by them alone");
    if (rank < 1 || rank >= t->dim[1])
        return dsc_fail(err, DSC_E_USAGE, "a table of width %lld has no factors of width %lld",
                        (long long)t->dim[1], (long long)rank);
    st = factorize(dev, t, rank, &rows, &map, kept, err);
    if (st == DSC_OK)
        st = put_factors(g, n, &rows, &map, err);
    dsc_tensor_clear(&rows);
    dsc_tensor_clear(&map);
    return st;
}
