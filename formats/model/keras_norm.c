/* Layers of Keras: normalizations and pooling over everything. */
#include "model/keras.h"

enum { MAX_FILLED = 1 << 22 }; /* ones and zeros that no file holds */

static int filled(struct keras_build *b, const char *name, int64_t n, float v)
{
    struct dsc_tensor t = {0};

    if (n > MAX_FILLED)
        keras_fail(b, DSC_E_LIMIT, "%lld channels, at most %d without weights are read",
                   (long long)n, MAX_FILLED);
    if (b->st != DSC_OK || !keras_step(b, dsc_tensor_new(&t, DSC_F32, 1, &n, b->err)))
        return DSC_NO_VALUE;
    for (int64_t i = 0; i < n; i++)
        ((float *)t.data)[i] = v;
    return keras_init(b, name, &t);
}

/* The axis that is normalized or kept, counted from the first. */
static int axis_of(struct keras_build *b, int x)
{
    int64_t axis = -1;

    if (!keras_ints(b, "axis", 1, &axis))
        axis = -1;
    return (int)(axis < 0 ? axis + keras_rank(b, x) : axis);
}

/* Variables that a layer does not have are not counted. */
int keras_batch_norm(struct keras_build *b, int n_in, const int *in)
{
    const int axis = axis_of(b, in[0]), rank = keras_rank(b, in[0]);
    const bool has_scale = keras_bool(b, "scale", true), has_bias = keras_bool(b, "center", true);
    const struct keras_attr eps = KERAS_FLOAT("epsilon", keras_float(b, "epsilon", 1e-3));
    const int64_t n = keras_dim(b, in[0], axis);
    const bool is_turned = axis != 1;
    int idx = 0, v[5], y;

    if (rank < 2 || n < 0 || (is_turned && axis != rank - 1))
        return keras_fail(b, DSC_E_UNSUPPORTED, "the axis %d of %d, of size %d", axis, rank,
                          (int)n);
    v[1] =
        has_scale ? keras_param(b, &keras_whole, "gamma", idx++, 1, &n) : filled(b, "gamma", n, 1);
    v[2] = has_bias ? keras_param(b, &keras_whole, "beta", idx++, 1, &n) : filled(b, "beta", n, 0);
    v[3] = keras_param(b, &keras_whole, "moving_mean", idx++, 1, &n);
    v[4] = keras_param(b, &keras_whole, "moving_variance", idx, 1, &n);
    v[0] = is_turned ? keras_channels_first(b, in[0]) : in[0];
    y = keras_op(b, "BatchNormalization", 5, v, 1, &eps);
    return is_turned ? keras_channels_last(b, y) : y;
}

int keras_layer_norm(struct keras_build *b, int n_in, const int *in)
{
    const int64_t n = keras_dim(b, in[0], -1);
    const bool has_scale = keras_bool(b, "scale", true), has_bias = keras_bool(b, "center", true);
    int v[3] = {in[0]};

    if (axis_of(b, in[0]) != keras_rank(b, in[0]) - 1 || n < 0)
        return keras_fail(b, DSC_E_UNSUPPORTED, "an axis that is not the last");
    v[1] = has_scale ? keras_param(b, &keras_whole, "gamma", 0, 1, &n) : filled(b, "gamma", n, 1);
    if (has_bias)
        v[2] = keras_param(b, &keras_whole, "beta", has_scale ? 1 : 0, 1, &n);
    return keras_op(b, "LayerNormalization", has_bias ? 3 : 2, v, 2,
                    (struct keras_attr[]){KERAS_INT("axis", -1),
                                          KERAS_FLOAT("epsilon", keras_float(b, "epsilon", 1e-3))});
}

/* Axes between the batch and the channels. */
static int pool_all(struct keras_build *b, const char *op, int x)
{
    const struct keras_attr keeps = KERAS_INT("keepdims", keras_bool(b, "keepdims", false));
    int64_t axes[DSC_MAX_RANK];
    const int n = keras_rank(b, x) - 2;

    if (n < 1)
        return keras_fail(b, DSC_E_SHAPE, "an input of %d axes", n + 2);
    for (int i = 0; i < n; i++)
        axes[i] = i + 1;
    return keras_op(b, op, 2, (int[]){x, keras_i64s(b, "axes", n, axes)}, 1, &keeps);
}

int keras_global_mean(struct keras_build *b, int n_in, const int *in)
{
    return pool_all(b, "ReduceMean", in[0]);
}

int keras_global_max(struct keras_build *b, int n_in, const int *in)
{
    return pool_all(b, "ReduceMax", in[0]);
}
