/*
 * MiniLMv2: relations of queries, keys and values among themselves, softmax(X X^T / sqrt(d)) with X
 * cut anew into relation heads, so that both may have other numbers of heads and other widths; the
 * sum of the three KL(R_T || R_S). Wang et al. 2021, arXiv:2012.15828. By default the largest
 * number of relation heads up to 48 that divides both widths.
 */
#include "train/terms_build.h"

#include <inttypes.h>

enum { HEADS_BY_DEFAULT = 48 };

/* [B, H, T, d] as [B, R, T, H d / R] */
static enum dsc_status recut(struct dsc_graph *g, int x, int64_t n_heads, int64_t d, int *out,
                             struct dsc_err *err)
{
    static const int64_t swap[] = {0, 2, 1, 3};
    struct dsc_tensor t;
    enum dsc_status st;
    int shape;

    DSC_TRY(dsc_dterm_transpose(g, x, 4, swap, &x, err));
    DSC_TRY(dsc_tensor_new(&t, DSC_I64, 1, (int64_t[]){4}, err));
    dsc_tensor_set_i64(&t, 2, n_heads); /* 0: the size stays */
    dsc_tensor_set_i64(&t, 3, d);
    st = dsc_graph_init(g, NULL, &t, &shape, err);
    dsc_tensor_clear(&t);
    DSC_TRY(st);
    DSC_TRY(dsc_loss_call(g, "Reshape", 2, (int[]){x, shape}, &x, err));
    return dsc_dterm_transpose(g, x, 4, swap, out, err);
}

static enum dsc_status choose_heads(const struct dsc_dterm_args *a, int64_t w_student,
                                    int64_t w_teacher, int64_t *n, struct dsc_err *err)
{
    *n = a->n_heads ? a->n_heads : HEADS_BY_DEFAULT;
    while (!a->n_heads && (w_student % *n || w_teacher % *n))
        --*n;
    if (w_student % *n || w_teacher % *n)
        return dsc_fail(err, DSC_E_INCONSISTENT,
                        "heads=%" PRId64 " does not divide the widths %" PRId64 " and %" PRId64, *n,
                        w_student, w_teacher);
    return DSC_OK;
}

static enum dsc_status relate(struct dsc_graph *g, const struct dsc_dterm_args *a,
                              const struct dsc_dterm_site *s, const struct dsc_dterm_site *t,
                              int *loss, struct dsc_err *err)
{
    const int64_t w_student = s->n_heads * s->width, w_teacher = t->n_heads * t->width;
    int64_t n;
    int x, y;

    DSC_TRY(choose_heads(a, w_student, w_teacher, &n, err));
    DSC_TRY(recut(g, s->value, n, w_student / n, &x, err));
    DSC_TRY(recut(g, t->value, n, w_teacher / n, &y, err));
    return dsc_dterm_relate(g, a, x, w_student / n, y, w_teacher / n, loss, err);
}

static enum dsc_status build(struct dsc_graph *g, const struct dsc_dterm_args *a, int *loss,
                             struct dsc_err *err)
{
    static const enum dsc_tap taps[] = {DSC_TAP_QUERY, DSC_TAP_KEY, DSC_TAP_VALUE};

    *loss = DSC_NO_VALUE;
    for (int i = 0; i < a->n_pairs; i++)
        for (int k = 0; k < 3; k++) {
            int one;

            DSC_TRY(relate(g, a, &a->pairs[i].student[taps[k]], &a->pairs[i].teacher[taps[k]], &one,
                           err));
            DSC_TRY(dsc_dterm_add(g, loss, one, err));
        }
    return DSC_OK;
}

const struct dsc_dterm dsc_dterm_relation2 = {
    .name = "relation2",
    .taps = 1u << DSC_TAP_QUERY | 1u << DSC_TAP_KEY | 1u << DSC_TAP_VALUE,
    .map = DSC_LAYERS_TOP,
    .takes_heads = true,
    .has_tokens = true,
    .build = build,
};
