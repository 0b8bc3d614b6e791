/* Nodes that terms share. */
#include "train/terms_build.h"

#include "dsc/rng.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum dsc_status dsc_dterm_number(struct dsc_graph *g, const struct dsc_dterm_args *a, double v,
                                 int *out, struct dsc_err *err)
{
    return dsc_loss_const(g, a->dtype, 0, v, out, err);
}

enum dsc_status dsc_dterm_reduce(struct dsc_graph *g, const char *op, int x, int axis, bool keeps,
                                 int *out, struct dsc_err *err)
{
    struct dsc_node *n;
    int axes;

    DSC_TRY(dsc_loss_const_i64(g, axis, &axes, err));
    DSC_TRY(dsc_graph_call(g, "", op, NULL, 2, (int[]){x, axes}, out, &n, err));
    return dsc_node_set_int(g, n, "keepdims", keeps, err);
}

enum dsc_status dsc_dterm_transpose(struct dsc_graph *g, int x, int n, const int64_t *perm,
                                    int *out, struct dsc_err *err)
{
    struct dsc_node *node;

    DSC_TRY(dsc_graph_call(g, "", "Transpose", NULL, 1, &x, out, &node, err));
    return dsc_node_set_ints(g, node, "perm", perm, n, err);
}

enum dsc_status dsc_dterm_square_diff(struct dsc_graph *g, int a, int b, int *out,
                                      struct dsc_err *err)
{
    int diff;

    DSC_TRY(dsc_loss_call(g, "Sub", 2, (int[]){a, b}, &diff, err));
    return dsc_loss_call(g, "Mul", 2, (int[]){diff, diff}, out, err);
}

enum dsc_status dsc_dterm_normalize(struct dsc_graph *g, const struct dsc_dterm_args *a, int x,
                                    int *out, struct dsc_err *err)
{
    int square, sum, least, norm;

    DSC_TRY(dsc_loss_call(g, "Mul", 2, (int[]){x, x}, &square, err));
    DSC_TRY(dsc_dterm_reduce(g, "ReduceSum", square, -1, true, &sum, err));
    DSC_TRY(dsc_dterm_number(g, a, 1e-24, &least, err));
    DSC_TRY(dsc_loss_call(g, "Max", 2, (int[]){sum, least}, &sum, err));
    DSC_TRY(dsc_loss_call(g, "Sqrt", 1, &sum, &norm, err));
    return dsc_loss_call(g, "Div", 2, (int[]){x, norm}, out, err);
}

static enum dsc_status draw(struct dsc_tensor *t, double deviation, struct dsc_rng_key key)
{
    struct dsc_rng r;

    dsc_rng_init(&r, key);
    for (int64_t i = 0; i < dsc_tensor_n_elems(t); i++)
        dsc_tensor_set_f64(t, i, deviation * (double)dsc_rng_normal(&r));
    return DSC_OK;
}

enum dsc_status dsc_dterm_project(struct dsc_graph *g, const struct dsc_dterm_args *a,
                                  const char *name, int x, int64_t from, int64_t to, int *out,
                                  struct dsc_err *err)
{
    struct dsc_tensor t;
    enum dsc_status st;
    char full[128];
    int w;

    snprintf(full, sizeof full, "%s.%s", a->name, name);
    w = dsc_graph_find_value(g, full);
    if (w == DSC_NO_VALUE) {
        DSC_TRY(dsc_tensor_new(&t, a->dtype, 2, (int64_t[]){from, to}, err));
        draw(&t, 1 / sqrt((double)from), dsc_rng_mix_text(dsc_rng_key(a->seed), full));
        st = dsc_graph_init(g, full, &t, &w, err);
        dsc_tensor_clear(&t);
        DSC_TRY(st);
    }
    return dsc_loss_call(g, "MatMul", 2, (int[]){x, w}, out, err);
}

enum dsc_status dsc_dterm_fit(struct dsc_graph *g, const struct dsc_dterm_args *a,
                              const struct dsc_dterm_pair *p, enum dsc_tap tap, int *out,
                              struct dsc_err *err)
{
    const struct dsc_dterm_site *s = &p->student[tap], *t = &p->teacher[tap];

    *out = s->value;
    return s->width == t->width
               ? DSC_OK
               : dsc_dterm_project(g, a, "map", s->value, s->width, t->width, out, err);
}

enum dsc_status dsc_dterm_over_tokens(struct dsc_graph *g, const struct dsc_dterm_args *a, int x,
                                      int *out, struct dsc_err *err)
{
    int weighed, sums;

    DSC_TRY(dsc_loss_call(g, "Mul", 2, (int[]){x, a->tokens}, &weighed, err));
    DSC_TRY(dsc_dterm_reduce(g, "ReduceSum", weighed, 1, false, &sums, err));
    return dsc_loss_mean(g, sums, out, err);
}

enum dsc_status dsc_dterm_over_queries(struct dsc_graph *g, const struct dsc_dterm_args *a, int x,
                                       int *out, struct dsc_err *err)
{
    DSC_TRY(dsc_dterm_reduce(g, "ReduceMean", x, 1, false, &x, err));
    return dsc_dterm_over_tokens(g, a, x, out, err);
}

enum dsc_status dsc_dterm_add(struct dsc_graph *g, int *sum, int x, struct dsc_err *err)
{
    if (*sum == DSC_NO_VALUE) {
        *sum = x;
        return DSC_OK;
    }
    return dsc_loss_call(g, "Add", 2, (int[]){*sum, x}, sum, err);
}

/* 1 - cos, or the mean of squares, over the width: [B, T]. */
static enum dsc_status compare_states(struct dsc_graph *g, const struct dsc_dterm_args *a,
                                      int student, int teacher, int *out, struct dsc_err *err)
{
    int square, product, one;

    if (strcmp(a->loss, "mse") == 0) {
        DSC_TRY(dsc_dterm_square_diff(g, student, teacher, &square, err));
        return dsc_dterm_reduce(g, "ReduceMean", square, -1, false, out, err);
    }
    DSC_TRY(dsc_dterm_normalize(g, a, student, &student, err));
    DSC_TRY(dsc_dterm_normalize(g, a, teacher, &teacher, err));
    DSC_TRY(dsc_loss_call(g, "Mul", 2, (int[]){student, teacher}, &product, err));
    DSC_TRY(dsc_dterm_reduce(g, "ReduceSum", product, -1, false, &product, err));
    DSC_TRY(dsc_dterm_number(g, a, 1, &one, err));
    return dsc_loss_call(g, "Sub", 2, (int[]){one, product}, out, err);
}

enum dsc_status dsc_dterm_states(struct dsc_graph *g, const struct dsc_dterm_args *a, int *loss,
                                 struct dsc_err *err)
{
    *loss = DSC_NO_VALUE;
    for (int i = 0; i < a->n_pairs; i++) {
        int x;

        DSC_TRY(dsc_dterm_fit(g, a, &a->pairs[i], DSC_TAP_HIDDEN, &x, err));
        DSC_TRY(compare_states(g, a, x, a->pairs[i].teacher[DSC_TAP_HIDDEN].value, &x, err));
        DSC_TRY(dsc_dterm_over_tokens(g, a, x, &x, err));
        DSC_TRY(dsc_dterm_add(g, loss, x, err));
    }
    return DSC_OK;
}

/* log softmax(x x^T / sqrt(d)) over the keys that are compared. */
static enum dsc_status relation_of(struct dsc_graph *g, const struct dsc_dterm_args *a, int x,
                                   int64_t d, int bias, int *out, struct dsc_err *err)
{
    static const int64_t turn[] = {0, 1, 3, 2};
    int turned, scores, scale;

    DSC_TRY(dsc_dterm_transpose(g, x, 4, turn, &turned, err));
    DSC_TRY(dsc_loss_call(g, "MatMul", 2, (int[]){x, turned}, &scores, err));
    DSC_TRY(dsc_dterm_number(g, a, 1 / sqrt((double)d), &scale, err));
    DSC_TRY(dsc_loss_call(g, "Mul", 2, (int[]){scores, scale}, &scores, err));
    DSC_TRY(dsc_loss_call(g, "Add", 2, (int[]){scores, bias}, &scores, err));
    return dsc_loss_call(g, "LogSoftmax", 1, &scores, out, err);
}

enum dsc_status dsc_dterm_of_keys(struct dsc_graph *g, int x, int *out, struct dsc_err *err)
{
    struct dsc_tensor axes;
    int axis;
    enum dsc_status st;

    DSC_TRY(dsc_tensor_new(&axes, DSC_I64, 1, (int64_t[]){2}, err));
    dsc_tensor_set_i64(&axes, 0, 1);
    dsc_tensor_set_i64(&axes, 1, 2);
    st = dsc_graph_init(g, NULL, &axes, &axis, err);
    dsc_tensor_clear(&axes);
    DSC_TRY(st);
    return dsc_loss_call(g, "Unsqueeze", 2, (int[]){x, axis}, out, err);
}

/* [B, 1, 1, T]: 0 for tokens that are compared, else far below any score. */
static enum dsc_status key_bias(struct dsc_graph *g, const struct dsc_dterm_args *a, int *out,
                                struct dsc_err *err)
{
    int zero, far, is_key, bias;

    DSC_TRY(dsc_dterm_number(g, a, 0, &zero, err));
    DSC_TRY(dsc_dterm_number(g, a, -1e9, &far, err));
    DSC_TRY(dsc_loss_call(g, "Greater", 2, (int[]){a->tokens, zero}, &is_key, err));
    DSC_TRY(dsc_loss_call(g, "Where", 3, (int[]){is_key, zero, far}, &bias, err));
    return dsc_dterm_of_keys(g, bias, out, err);
}

/* sum over the last axis of p (log p - log q), over queries. */
static enum dsc_status kl_of(struct dsc_graph *g, const struct dsc_dterm_args *a, int p, int log_p,
                             int log_q, int *loss, struct dsc_err *err)
{
    int diff, terms, sums;

    DSC_TRY(dsc_loss_call(g, "Sub", 2, (int[]){log_p, log_q}, &diff, err));
    DSC_TRY(dsc_loss_call(g, "Mul", 2, (int[]){p, diff}, &terms, err));
    DSC_TRY(dsc_dterm_reduce(g, "ReduceSum", terms, -1, false, &sums, err));
    return dsc_dterm_over_queries(g, a, sums, loss, err);
}

enum dsc_status dsc_dterm_relate(struct dsc_graph *g, const struct dsc_dterm_args *a, int student,
                                 int64_t d_student, int teacher, int64_t d_teacher, int *loss,
                                 struct dsc_err *err)
{
    int bias, log_p, log_q, p;

    DSC_TRY(key_bias(g, a, &bias, err));
    DSC_TRY(relation_of(g, a, student, d_student, bias, &log_q, err));
    DSC_TRY(relation_of(g, a, teacher, d_teacher, bias, &log_p, err));
    DSC_TRY(dsc_loss_call(g, "Exp", 1, &log_p, &p, err));
    return kl_of(g, a, p, log_p, log_q, loss, err);
}

/* Probabilities of padding are 0: their logarithm is bounded. */
static enum dsc_status bounded_log(struct dsc_graph *g, const struct dsc_dterm_args *a, int x,
                                   int *out, struct dsc_err *err)
{
    int least;

    DSC_TRY(dsc_dterm_number(g, a, 1e-12, &least, err));
    DSC_TRY(dsc_loss_call(g, "Max", 2, (int[]){x, least}, out, err));
    return dsc_loss_call(g, "Log", 1, (int[]){*out}, out, err);
}

enum dsc_status dsc_dterm_maps_kl(struct dsc_graph *g, const struct dsc_dterm_args *a, int student,
                                  int teacher, int *loss, struct dsc_err *err)
{
    int log_p, log_q;

    DSC_TRY(bounded_log(g, a, student, &log_q, err));
    DSC_TRY(bounded_log(g, a, teacher, &log_p, err));
    return kl_of(g, a, teacher, log_p, log_q, loss, err);
}

enum dsc_status dsc_dterm_same_heads(const struct dsc_dterm_args *a, const struct dsc_dterm_pair *p,
                                     enum dsc_tap tap, struct dsc_err *err)
{
    const int64_t s = p->student[tap].n_heads, t = p->teacher[tap].n_heads;

    if (s == t && s > 0)
        return DSC_OK;
    dsc_fail(err, DSC_E_INCONSISTENT,
             "the student has %" PRId64 " attention heads in a layer, the teacher %" PRId64, s, t);
    return dsc_err_hint(err, "relation2 compares layers of other numbers of heads");
}

enum dsc_status dsc_dterm_smooth_l1(struct dsc_graph *g, const struct dsc_dterm_args *a, int x,
                                    int y, int *out, struct dsc_err *err)
{
    int diff, size, one, half, low, square, sum;

    /* m = min(|d|, 1): m^2 / 2 + |d| - m */
    DSC_TRY(dsc_dterm_number(g, a, 1, &one, err));
    DSC_TRY(dsc_dterm_number(g, a, 0.5, &half, err));
    DSC_TRY(dsc_loss_call(g, "Sub", 2, (int[]){x, y}, &diff, err));
    DSC_TRY(dsc_loss_call(g, "Abs", 1, &diff, &size, err));
    DSC_TRY(dsc_loss_call(g, "Min", 2, (int[]){size, one}, &low, err));
    DSC_TRY(dsc_loss_call(g, "Mul", 2, (int[]){low, low}, &square, err));
    DSC_TRY(dsc_loss_call(g, "Mul", 2, (int[]){square, half}, &square, err));
    DSC_TRY(dsc_loss_call(g, "Sub", 2, (int[]){size, low}, &sum, err));
    DSC_TRY(dsc_loss_call(g, "Add", 2, (int[]){sum, square}, &sum, err));
    return dsc_loss_mean(g, sum, out, err);
}
