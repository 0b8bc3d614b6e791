/* Products of 8-bit codes. */
#include "ops/integer_matmul.h"

enum dsc_status dsc_integer_matmul_check(const char *what, const struct dsc_tensor *t, int64_t n,
                                         int64_t n_batch, struct dsc_err *err)
{
    const int64_t n_t = t ? dsc_tensor_n_elems(t) : 1;

    if (n_t != 1 && n_t != n && n_t != n * n_batch)
        return dsc_fail(err, DSC_E_SHAPE, "%s has %lld values, not 1 or %lld", what, (long long)n_t,
                        (long long)n);
    return DSC_OK;
}

enum dsc_status dsc_integer_matmul(struct dsc_exec *x, const struct dsc_tensor *c,
                                   const struct dsc_tensor *a, const struct dsc_tensor *b,
                                   const struct dsc_tensor *za, const struct dsc_tensor *zb,
                                   struct dsc_err *err)
{
    struct dsc_matmul p;
    struct dsc_type at, bt;
    enum dsc_status st;

    dsc_type_of_tensor(&at, a);
    dsc_type_of_tensor(&bt, b);
    DSC_TRY(dsc_matmul_init(&p, &at, &bt, !za || dsc_tensor_n_elems(za) == 1, err));
    const struct dsc_igemm_spec s = {
        .m = p.m, .n = p.n, .k = p.k, .n_batch = p.n_batch, .batch_a = p.at_a, .batch_b = p.at_b};

    DSC_TRY_OUT(st, dsc_integer_matmul_check("a's zero point", za, p.m, p.n_batch, err));
    DSC_TRY_OUT(st, dsc_integer_matmul_check("b's zero point", zb, p.n, p.n_batch, err));
    st = dsc_igemm(x->dev, &s, c, a, b, za, zb, err);
out:
    dsc_matmul_clear(&p);
    return st;
}
