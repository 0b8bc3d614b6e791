/* Layers of Keras: dense, embeddings, activations, dropout, shapes. */
#include "model/keras.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const json_t *config_of(const json_t *layer, const char *key)
{
    return json_object_get(json_object_get(layer, "config"), key);
}

int keras_dense(struct keras_build *b, int n_in, const int *in)
{
    const int64_t dim[] = {keras_dim(b, in[0], -1), keras_int(b, "units", 0)};
    const int w = keras_param(b, &keras_whole, "kernel", 0, 2, dim);
    const int bias =
        keras_bool(b, "use_bias", true) ? keras_param(b, &keras_whole, "bias", 1, 1, &dim[1]) : -1;
    int y;

    if (keras_rank(b, in[0]) == 2) {
        y = keras_op(b, "Gemm", bias < 0 ? 2 : 3, (int[]){in[0], w, bias}, 0, NULL);
    } else {
        y = keras_op2(b, "MatMul", in[0], w);
        y = bias < 0 ? y : keras_op2(b, "Add", y, bias);
    }
    return keras_activation(b, y, keras_function(b, "activation", "linear"));
}

/* Ids that come as floats are whole numbers. */
int keras_embedding(struct keras_build *b, int n_in, const int *in)
{
    const int64_t dim[] = {keras_int(b, "input_dim", 0), keras_int(b, "output_dim", 0)};
    const enum dsc_dtype dtype = keras_type(b, in[0])->dtype;
    const int w = keras_param(b, &keras_whole, "embeddings", 0, 2, dim);
    const int ids = dtype == DSC_I32 || dtype == DSC_I64 ? in[0] : keras_cast(b, in[0], DSC_I64);

    return keras_op2(b, "Gather", w, ids);
}

/* ---- activations ---- */

/* Between convolutions it is computed with channels first, where the value is at hand so. */
int keras_activate(struct keras_build *b, int n_in, const int *in)
{
    const char *name = keras_function(b, "activation", "linear");
    int first;

    if (keras_is_pointwise(name) && keras_has_channels_first(b, 1, in, &first))
        return keras_channels_last(b, keras_activation(b, first, name));
    return keras_activation(b, in[0], name);
}

int keras_softmax(struct keras_build *b, int n_in, const int *in)
{
    int64_t axis = -1;

    if (!keras_ints(b, "axis", 1, &axis))
        axis = -1;
    return keras_op(b, "Softmax", 1, in, 1, (struct keras_attr[]){KERAS_INT("axis", axis)});
}

int keras_relu(struct keras_build *b, int n_in, const int *in)
{
    const double slope = keras_float(b, "negative_slope", 0),
                 most = keras_float(b, "max_value", -1);
    int y = in[0];
    const bool is_first = keras_has_channels_first(b, 1, in, &y);

    if (keras_float(b, "threshold", 0) != 0)
        return keras_fail(b, DSC_E_UNSUPPORTED, "a threshold other than 0");
    if (slope != 0)
        y = keras_op(b, "LeakyRelu", 1, &y, 1, (struct keras_attr[]){KERAS_FLOAT("alpha", slope)});
    else
        y = keras_op1(b, "Relu", y);
    y = most < 0 ? y : keras_op2(b, "Min", y, keras_f32(b, "max", most));
    return is_first ? keras_channels_last(b, y) : y;
}

/* Named alpha before Keras 3. */
int keras_leaky_relu(struct keras_build *b, int n_in, const int *in)
{
    const double slope = keras_float(b, "negative_slope", keras_float(b, "alpha", 0.3));

    return keras_op(b, "LeakyRelu", 1, in, 1, (struct keras_attr[]){KERAS_FLOAT("alpha", slope)});
}

int keras_elu(struct keras_build *b, int n_in, const int *in)
{
    return keras_op(b, "Elu", 1, in, 1,
                    (struct keras_attr[]){KERAS_FLOAT("alpha", keras_float(b, "alpha", 1))});
}

int keras_prelu(struct keras_build *b, int n_in, const int *in)
{
    const int64_t dim[DSC_MAX_RANK] = {-1, -1, -1, -1, -1, -1, -1, -1};

    return keras_op2(b, "PRelu", in[0],
                     keras_param(b, &keras_whole, "alpha", 0, keras_rank(b, in[0]) - 1, dim));
}

/* ---- what acts in training ---- */

int keras_dropout(struct keras_build *b, int n_in, const int *in)
{
    const double rate = keras_float(b, "rate", 0);

    if (!(rate >= 0 && rate < 1))
        return keras_fail(b, DSC_E_RANGE, "a rate of %g", rate);
    return keras_op2(b, "Dropout", in[0], keras_f32(b, "rate", rate));
}

int keras_nothing(struct keras_build *b, int n_in, const int *in)
{
    dsc_log_printf(b->log, DSC_LOG_WARNING,
                   "the layer '%s' (%s) acts in training alone, and is left out", b->layer->name,
                   b->layer->class_name);
    return in[0];
}

int keras_identity(struct keras_build *b, int n_in, const int *in)
{
    return in[0];
}

/* ---- shapes ---- */

int keras_flatten(struct keras_build *b, int n_in, const int *in)
{
    if (keras_rank(b, in[0]) < 2)
        return keras_fail(b, DSC_E_UNSUPPORTED, "an input without axes");
    return keras_rank(b, in[0]) == 2 ? in[0] : keras_op1(b, "Flatten", in[0]);
}

int keras_reshape_to(struct keras_build *b, int n_in, const int *in)
{
    const int n = (int)json_array_size(keras_option(b, "target_shape"));
    int64_t dim[DSC_MAX_RANK] = {0};

    if (n >= DSC_MAX_RANK)
        return keras_fail(b, DSC_E_LIMIT, "more than %d axes", DSC_MAX_RANK);
    if (!keras_ints(b, "target_shape", n, dim + 1))
        return keras_fail(b, DSC_E_SCHEMA, "no target_shape");
    for (int i = 1; i <= n; i++) /* ONNX would copy a size for 0 */
        if (dim[i] < 1 && dim[i] != -1)
            return keras_fail(b, DSC_E_RANGE, "a size in target_shape is %lld", (long long)dim[i]);
    return keras_reshape(b, in[0], n + 1, dim);
}

int keras_permute(struct keras_build *b, int n_in, const int *in)
{
    const int rank = keras_rank(b, in[0]);
    int64_t perm[DSC_MAX_RANK] = {0};

    if (rank < 2)
        return keras_fail(b, DSC_E_SHAPE, "an input of %d axes", rank);
    if (!keras_ints(b, "dims", rank - 1, perm + 1))
        return keras_fail(b, DSC_E_SCHEMA, "no dims");
    return keras_transpose(b, in[0], perm);
}

int keras_repeat(struct keras_build *b, int n_in, const int *in)
{
    const int64_t one = 1, shape[] = {1, keras_int(b, "n", 1), 1};
    int x;

    if (keras_rank(b, in[0]) != 2)
        return keras_fail(b, DSC_E_SHAPE, "an input of %d axes, not 2", keras_rank(b, in[0]));
    if (shape[1] < 1)
        return keras_fail(b, DSC_E_RANGE, "%lld times", (long long)shape[1]);
    x = keras_op2(b, "Unsqueeze", in[0], keras_i64s(b, "axes", 1, &one));
    return keras_op2(b, "Expand", x, keras_i64s(b, "shape", 3, shape));
}

int keras_rescale(struct keras_build *b, int n_in, const int *in)
{
    const double scale = keras_float(b, "scale", 1), offset = keras_float(b, "offset", 0);
    int x = keras_type(b, in[0])->dtype == DSC_F32 ? in[0] : keras_cast(b, in[0], DSC_F32);

    x = keras_op2(b, "Mul", x, keras_f32(b, "scale", scale));
    return offset == 0 ? x : keras_op2(b, "Add", x, keras_f32(b, "offset", offset));
}

/* A layer that looks at the last axis alone does the same at every time. */
int keras_by_time(struct keras_build *b, int n_in, const int *in)
{
    static const char *const pointwise[] = {"Dense", "Activation", "Dropout"};
    struct keras_layer *around = b->layer, inner = *b->layer;
    const json_t *layer = keras_option(b, "layer");
    const char *name = json_string_value(json_object_get(layer, "class_name"));
    bool is_pointwise = false;
    int y = DSC_NO_VALUE;

    for (size_t i = 0; name && i < sizeof pointwise / sizeof pointwise[0]; i++)
        is_pointwise |= strcmp(name, pointwise[i]) == 0;
    inner.row = is_pointwise ? keras_find_class(layer) : NULL;
    if (!inner.row)
        return keras_fail(b, DSC_E_UNSUPPORTED, "by time: %.60s", name ? name : "no layer");
    inner.config = json_object_get(layer, "config");
    inner.path = dsc_arena_printf(&b->tmp, b->err, "%s/layer", around->path);
    if (!inner.path || !config_of(layer, "name"))
        return keras_fail(b, inner.path ? DSC_E_SCHEMA : DSC_E_MEMORY, "a layer without a name");
    b->layer = &inner;
    keras_check_options(b);
    if (b->st == DSC_OK)
        y = inner.row->build(b, n_in, in);
    b->layer = around;
    around->n_names = inner.n_names;
    return y;
}
