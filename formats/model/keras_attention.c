/*
 * MultiHeadAttention of Keras: kernels [D,H,K] are those of products [D,H*K].
 * Source  keras/src/layers/attention/multi_head_attention.py; Vaswani et al. 2017, arXiv:1706.03762
 */
#include "model/keras.h"

#include <math.h>
#include <stdio.h>

struct attention {
    int64_t n_heads, n_key, n_value;
    bool has_bias;
};

/* A weight as the product wants it; dim: in its file, -1: any. */
static int flat_param(struct keras_build *b, const struct keras_part *part, const char *name,
                      int idx, int rank, const int64_t *dim, int n_flat, const int64_t *flat)
{
    char text[KERAS_NAME_BYTES];
    struct dsc_tensor t, view;
    int64_t n[2] = {flat[0]};

    if (!keras_weight(b, part, name, idx, rank, dim, &t))
        return DSC_NO_VALUE;
    n[n_flat - 1] = flat[n_flat - 1] < 0 ? t.dim[rank - 1] : flat[n_flat - 1];
    snprintf(text, sizeof text, "%s/%s", part->scope, name);
    keras_step(b, dsc_tensor_reshape(&view, &t, n_flat, n, b->err));
    dsc_tensor_clear(&t);
    return b->st == DSC_OK ? keras_init(b, text, &view) : DSC_NO_VALUE;
}

static int with_bias(struct keras_build *b, int x, int bias)
{
    return bias == DSC_NO_VALUE ? x : keras_op2(b, "Add", x, bias);
}

/* [B,T,D] to [B,H,T,n]; is_key: to [B,H,n,T]. */
static int heads(struct keras_build *b, const struct attention *a, int x,
                 const struct keras_part *part, int64_t n, bool is_key)
{
    const int64_t dim[] = {keras_dim(b, x, -1), a->n_heads, n};
    const int64_t flat[] = {dim[0], a->n_heads * n}, shape[] = {0, 0, a->n_heads, n};
    const int w = flat_param(b, part, "kernel", 0, 3, dim, 2, flat);
    const int bias =
        a->has_bias ? flat_param(b, part, "bias", 1, 2, dim + 1, 1, flat + 1) : DSC_NO_VALUE;
    const int y = with_bias(b, keras_op2(b, "MatMul", x, w), bias);

    return keras_transpose(b, keras_reshape(b, y, 4, shape),
                           is_key ? (int64_t[]){0, 2, 3, 1} : (int64_t[]){0, 2, 1, 3});
}

static int project_out(struct keras_build *b, const struct attention *a, int x)
{
    static const struct keras_part part = {"attention_output", "output_dense"};
    const int64_t dim[] = {a->n_heads, a->n_value, -1}, any = -1;
    const int64_t flat[] = {a->n_heads * a->n_value, -1}, shape[] = {0, 0, flat[0]};
    const int w = flat_param(b, &part, "kernel", 0, 3, dim, 2, flat);
    const int bias = a->has_bias ? flat_param(b, &part, "bias", 1, 1, &any, 1, &any) : DSC_NO_VALUE;

    x = keras_reshape(b, keras_transpose(b, x, (int64_t[]){0, 2, 1, 3}), 3, shape);
    return with_bias(b, keras_op2(b, "MatMul", x, w), bias);
}

static bool check(struct keras_build *b, const struct attention *a, int n_in, const int *in)
{
    int64_t axis = 1;

    if (n_in < 2 || n_in > 3)
        keras_fail(b, DSC_E_SCHEMA, "%d inputs, not query, value and key", n_in);
    for (int i = 0; i < n_in && b->st == DSC_OK; i++)
        if (keras_rank(b, in[i]) != 3 || keras_dim(b, in[i], -1) < 0)
            keras_fail(b, DSC_E_UNSUPPORTED, "an input that is not [batch, time, features]");
    if (keras_ints(b, "attention_axes", 1, &axis) && axis != 1)
        keras_fail(b, DSC_E_UNSUPPORTED, "attention over another axis than time");
    if (a->n_heads < 1 || a->n_heads > 65536 || a->n_key < 1 || a->n_key > 65536 ||
        a->n_value < 1 || a->n_value > 65536)
        keras_fail(b, DSC_E_RANGE, "heads, or their sizes");
    return b->st == DSC_OK;
}

int keras_attention(struct keras_build *b, int n_in, const int *in)
{
    static const struct keras_part query = {"query", "query_dense"}, key = {"key", "key_dense"};
    static const struct keras_part value = {"value", "value_dense"};
    const int64_t n_key = keras_int(b, "key_dim", 0);
    const struct attention a = {.n_heads = keras_int(b, "num_heads", 0),
                                .n_key = n_key,
                                .n_value = keras_int(b, "value_dim", n_key),
                                .has_bias = keras_bool(b, "use_bias", true)};
    const double rate = keras_float(b, "dropout", 0);
    int p, v;

    if (!check(b, &a, n_in, in))
        return DSC_NO_VALUE;
    p = keras_op2(b, "MatMul", heads(b, &a, in[0], &query, a.n_key, false),
                  heads(b, &a, in[n_in == 3 ? 2 : 1], &key, a.n_key, true));
    p = keras_op2(b, "Mul", p, keras_f32(b, "scale", 1 / sqrt((double)a.n_key)));
    p = keras_op(b, "Softmax", 1, &p, 1, (struct keras_attr[]){KERAS_INT("axis", -1)});
    if (rate > 0)
        p = keras_op2(b, "Dropout", p, keras_f32(b, "rate", rate));
    v = heads(b, &a, in[1], &value, a.n_value, false);
    return project_out(b, &a, keras_op2(b, "MatMul", p, v));
}
