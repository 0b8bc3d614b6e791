/*
 * Convolutions and pools of Keras: channels are last there and first in ONNX, kernels are [size ..,
 * in, out] there and [out, in, size ..] in ONNX.
 * Source  keras/src/layers/convolutional, pooling
 */
#include "model/keras.h"

#include <stdio.h>
#include <string.h>

enum { MAX_AXES = 3, MAX_ATTRS = 6, MAX_SIZE = 1 << 16 };

struct window {
    int n; /* axes */
    int64_t size[MAX_AXES], stride[MAX_AXES], dilation[MAX_AXES];
    int64_t pads[2 * MAX_AXES];
    bool is_same, is_causal, has_pads;
};

/* ---- windows ---- */

static void read_window(struct keras_build *b, struct window *w, int x, const char *size_key,
                        const char *stride_key)
{
    const char *padding = keras_text(b, "padding", "valid");

    w->n = keras_rank(b, x) - 2;
    if (w->n < 1 || w->n > MAX_AXES) {
        keras_fail(b, DSC_E_SHAPE, "an input of %d axes", w->n + 2);
        return;
    }
    if (!keras_ints(b, size_key, w->n, w->size))
        keras_fail(b, DSC_E_SCHEMA, "no '%s'", size_key);
    if (!keras_ints(b, stride_key, w->n, w->stride))
        for (int i = 0; i < w->n; i++)
            w->stride[i] = strcmp(size_key, "pool_size") == 0 ? w->size[i] : 1;
    if (!keras_ints(b, "dilation_rate", w->n, w->dilation))
        for (int i = 0; i < w->n; i++)
            w->dilation[i] = 1;
    for (int i = 0; i < w->n; i++)
        if (w->size[i] < 1 || w->size[i] > MAX_SIZE || w->stride[i] < 1 ||
            w->stride[i] > MAX_SIZE || w->dilation[i] < 1 || w->dilation[i] > MAX_SIZE)
            keras_fail(b, DSC_E_RANGE, "a window's size, stride or dilation");
    w->is_same = strcmp(padding, "same") == 0;
    w->is_causal = strcmp(padding, "causal") == 0;
    if (!w->is_same && !w->is_causal && strcmp(padding, "valid") != 0)
        keras_fail(b, DSC_E_UNSUPPORTED, "padding '%.20s'", padding);
}

/* Before and behind each axis of x, whose channels are first. What depends on a size that is not
 * known is left to the operator. */
static void find_pads(const struct keras_build *b, struct window *w, int x)
{
    w->has_pads = true;
    for (int i = 0; i < w->n; i++) {
        const int64_t reach = (w->size[i] - 1) * w->dilation[i] + 1;
        const int64_t n = keras_dim(b, x, 2 + i), rest = n < 0 ? 0 : n % w->stride[i];
        int64_t total = reach - (rest ? rest : w->stride[i]);

        w->has_pads &= !w->is_same || n >= 0 || w->stride[i] == 1;
        total = w->is_causal ? reach - 1 : w->is_same && total > 0 ? total : 0;
        w->pads[i] = w->is_causal ? total : total / 2;
        w->pads[w->n + i] = total - w->pads[i];
    }
}

static int window_attrs(const struct window *w, struct keras_attr a[MAX_ATTRS])
{
    int n = 0;

    a[n++] = (struct keras_attr)KERAS_INTS("kernel_shape", w->size, w->n);
    a[n++] = (struct keras_attr)KERAS_INTS("strides", w->stride, w->n);
    a[n++] = w->has_pads ? (struct keras_attr)KERAS_INTS("pads", w->pads, 2 * w->n)
                         : (struct keras_attr)KERAS_TEXT("auto_pad", "SAME_UPPER");
    return n;
}

/* ---- kernels ---- */

/* dst axis i is src axis perm[i]. */
static enum dsc_status turn(const struct dsc_tensor *src, const int *perm, struct dsc_tensor *dst,
                            struct dsc_err *err)
{
    int64_t dim[DSC_MAX_RANK], stride[DSC_MAX_RANK], step[DSC_MAX_RANK], at[DSC_MAX_RANK] = {0};
    int64_t from = 0, n = 1;
    const int rank = src->rank;

    for (int i = rank - 1; i >= 0; i--) {
        stride[i] = n;
        n *= src->dim[i];
    }
    for (int i = 0; i < rank; i++) {
        dim[i] = src->dim[perm[i]];
        step[i] = stride[perm[i]];
    }
    DSC_TRY(dsc_tensor_new(dst, DSC_F32, rank, dim, err));
    for (int64_t k = 0; k < n; k++) {
        ((float *)dst->data)[k] = ((const float *)src->data)[from];
        for (int i = rank - 1; i >= 0; i--) {
            from += step[i];
            if (++at[i] < dim[i])
                break;
            from -= step[i] * dim[i];
            at[i] = 0;
        }
    }
    return DSC_OK;
}

/* [size .., c, d] as [d, c, size ..]; is_depth: as [c * d, 1, size ..]. */
static int kernel(struct keras_build *b, const struct window *w, const char *name, int idx,
                  int64_t c, int64_t d, bool is_depth)
{
    int64_t want[MAX_AXES + 2], flat[MAX_AXES + 2] = {0, 1};
    int perm[MAX_AXES + 2] = {is_depth ? w->n : w->n + 1, is_depth ? w->n + 1 : w->n};
    struct dsc_tensor t, turned = {0}, view = {0};

    for (int i = 0; i < w->n; i++) {
        want[i] = flat[2 + i] = w->size[i];
        perm[2 + i] = i;
    }
    want[w->n] = c;
    want[w->n + 1] = d;
    if (!keras_weight(b, &keras_whole, name, idx, w->n + 2, want, &t))
        return DSC_NO_VALUE;
    keras_step(b, turn(&t, perm, &turned, b->err));
    dsc_tensor_clear(&t);
    if (b->st != DSC_OK || !is_depth)
        return keras_init(b, name, &turned);
    flat[0] = turned.dim[0] * turned.dim[1];
    keras_step(b, dsc_tensor_reshape(&view, &turned, w->n + 2, flat, b->err));
    dsc_tensor_clear(&turned);
    return keras_init(b, name, &view);
}

static int bias_of(struct keras_build *b, int idx, int64_t n)
{
    return keras_bool(b, "use_bias", true) ? keras_param(b, &keras_whole, "bias", idx, 1, &n)
                                           : DSC_NO_VALUE;
}

/* ---- convolutions ---- */

static int conv(struct keras_build *b, const struct window *w, int x, int k, int bias,
                int64_t n_groups)
{
    struct keras_attr a[MAX_ATTRS];
    int n = window_attrs(w, a);

    a[n++] = (struct keras_attr)KERAS_INTS("dilations", w->dilation, w->n);
    a[n++] = (struct keras_attr)KERAS_INT("group", n_groups);
    return keras_op(b, "Conv", bias == DSC_NO_VALUE ? 2 : 3, (int[]){x, k, bias}, n, a);
}

/* Element by element before the channels are turned back, where that is the same. */
static int finish(struct keras_build *b, int y)
{
    const char *name = keras_function(b, "activation", "linear");

    if (keras_is_pointwise(name))
        return keras_channels_last(b, keras_activation(b, y, name));
    return keras_activation(b, keras_channels_last(b, y), name);
}

int keras_conv(struct keras_build *b, int n_in, const int *in)
{
    const int x = keras_channels_first(b, in[0]);
    const int64_t n_out = keras_int(b, "filters", 0), n_groups = keras_int(b, "groups", 1);
    const int64_t n_channels = keras_dim(b, in[0], -1);
    struct window w = {0};
    int k, bias;

    read_window(b, &w, in[0], "kernel_size", "strides");
    if (b->st == DSC_OK && (n_channels < 1 || n_groups < 1 || n_channels % n_groups != 0))
        return keras_fail(b, DSC_E_SHAPE, "%lld channels in %lld groups", (long long)n_channels,
                          (long long)n_groups);
    if (b->st != DSC_OK)
        return DSC_NO_VALUE;
    find_pads(b, &w, x);
    k = kernel(b, &w, "kernel", 0, n_channels / n_groups, n_out, false);
    bias = bias_of(b, 1, n_out);
    return finish(b, conv(b, &w, x, k, bias, n_groups));
}

/* The window over the output: what a "same" one gives more or less than x times the stride is cut
 * or added, as the gradient of such a convolution has it. */
int keras_conv_transpose(struct keras_build *b, int n_in, const int *in)
{
    const int x = keras_channels_first(b, in[0]);
    const int64_t n_out = keras_int(b, "filters", 0), n_channels = keras_dim(b, in[0], -1);
    int64_t extra[MAX_AXES] = {0};
    struct keras_attr a[MAX_ATTRS];
    struct window w = {.has_pads = true};
    int n, k, bias;

    read_window(b, &w, in[0], "kernel_size", "strides");
    if (b->st == DSC_OK && w.is_causal)
        return keras_fail(b, DSC_E_UNSUPPORTED, "padding 'causal'");
    for (int i = 0; i < w.n && b->st == DSC_OK; i++) {
        const int64_t over = (w.size[i] - 1) * w.dilation[i] + 1 - w.stride[i];

        extra[i] = over < 0 ? -over : 0;
        w.pads[i] = w.is_same && over > 0 ? over / 2 : 0;
        w.pads[w.n + i] = w.is_same && over > 0 ? over - over / 2 : 0;
    }
    if (b->st != DSC_OK)
        return DSC_NO_VALUE;
    k = kernel(b, &w, "kernel", 0, n_out, n_channels, false);
    bias = bias_of(b, 1, n_out);
    n = window_attrs(&w, a);
    a[n++] = (struct keras_attr)KERAS_INTS("dilations", w.dilation, w.n);
    a[n++] = (struct keras_attr)KERAS_INTS("output_padding", extra, w.n);
    return finish(
        b, keras_op(b, "ConvTranspose", bias == DSC_NO_VALUE ? 2 : 3, (int[]){x, k, bias}, n, a));
}

/* Each channel by itself; then, of a separable one, a product over the channels. */
static int depthwise(struct keras_build *b, const int *in, bool is_separable)
{
    const int x = keras_channels_first(b, in[0]);
    const int64_t n_channels = keras_dim(b, in[0], -1), times = keras_int(b, "depth_multiplier", 1);
    struct window w = {0}, point = {.size = {1, 1, 1}, .stride = {1, 1, 1}, .has_pads = true};
    int y, k, bias;

    read_window(b, &w, in[0], "kernel_size", "strides");
    if (b->st == DSC_OK &&
        (n_channels < 1 || times < 1 || times > MAX_SIZE || n_channels > INT64_MAX / times))
        return keras_fail(b, DSC_E_RANGE, "a depth_multiplier of %lld for %lld channels",
                          (long long)times, (long long)n_channels);
    if (b->st != DSC_OK)
        return DSC_NO_VALUE;
    find_pads(b, &w, x);
    k = kernel(b, &w, "depthwise_kernel", 0, n_channels, times, true);
    if (!is_separable) {
        bias = bias_of(b, 1, n_channels * times);
        return finish(b, conv(b, &w, x, k, bias, n_channels));
    }
    y = conv(b, &w, x, k, DSC_NO_VALUE, n_channels);
    point.n = w.n;
    for (int i = 0; i < w.n; i++)
        point.dilation[i] = 1;
    k = kernel(b, &point, "pointwise_kernel", 1, n_channels * times, keras_int(b, "filters", 0),
               false);
    bias = bias_of(b, 2, keras_int(b, "filters", 0));
    return finish(b, conv(b, &point, y, k, bias, 1));
}

int keras_depthwise(struct keras_build *b, int n_in, const int *in)
{
    return depthwise(b, in, false);
}

int keras_separable(struct keras_build *b, int n_in, const int *in)
{
    return depthwise(b, in, true);
}

/* ---- pools and borders ---- */

static int pool(struct keras_build *b, const char *op, const int *in)
{
    const int x = keras_channels_first(b, in[0]);
    struct keras_attr a[MAX_ATTRS];
    struct window w = {0};

    read_window(b, &w, in[0], "pool_size", "strides");
    if (b->st != DSC_OK)
        return DSC_NO_VALUE;
    if (w.is_causal)
        return keras_fail(b, DSC_E_UNSUPPORTED, "padding 'causal'");
    find_pads(b, &w, x);
    return keras_channels_last(b, keras_op(b, op, 1, &x, window_attrs(&w, a), a));
}

int keras_max_pool(struct keras_build *b, int n_in, const int *in)
{
    return pool(b, "MaxPool", in);
}

int keras_average_pool(struct keras_build *b, int n_in, const int *in)
{
    return pool(b, "AveragePool", in);
}

/* n, [n, m] or [[before, behind], ..] */
static bool read_borders(struct keras_build *b, const char *key, int n, int64_t *before,
                         int64_t *behind)
{
    const json_t *v = keras_option(b, key);
    const size_t n_given = json_array_size(v);

    if (json_is_array(v) && n_given != (size_t)n && !(n == 1 && n_given == 2)) {
        keras_fail(b, DSC_E_SCHEMA, "'%s' is a list of %zu for %d axes", key, n_given, n);
        return false;
    }
    for (int i = 0; i < n; i++) {
        const json_t *axis = json_is_array(v) ? json_array_get(v, (size_t)i) : v;
        const bool is_pair = json_is_array(axis) || (n == 1 && json_array_size(v) == 2);
        const json_t *pair = json_is_array(axis) ? axis : v;
        const json_t *from = is_pair ? json_array_get(pair, 0) : axis;
        const json_t *to = is_pair ? json_array_get(pair, 1) : axis;

        before[i] = json_integer_value(from);
        behind[i] = json_integer_value(to);
        if (!json_is_integer(from) || !json_is_integer(to) || before[i] < 0 || behind[i] < 0 ||
            before[i] > MAX_SIZE || behind[i] > MAX_SIZE) {
            keras_fail(b, DSC_E_SCHEMA, "'%s' is no list of borders", key);
            return false;
        }
    }
    return true;
}

int keras_pad(struct keras_build *b, int n_in, const int *in)
{
    const int rank = keras_rank(b, in[0]), n = rank - 2;
    int64_t pads[2 * DSC_MAX_RANK] = {0};

    if (n < 1 || n > MAX_AXES)
        return keras_fail(b, DSC_E_SHAPE, "an input of %d axes", rank);
    if (!read_borders(b, "padding", n, pads + 1, pads + rank + 1))
        return DSC_NO_VALUE;
    return keras_op2(b, "Pad", in[0], keras_i64s(b, "pads", 2 * rank, pads));
}

int keras_crop(struct keras_build *b, int n_in, const int *in)
{
    int64_t from[MAX_AXES], to[MAX_AXES], axes[MAX_AXES];
    const int n = keras_rank(b, in[0]) - 2;

    if (n < 1 || n > MAX_AXES)
        return keras_fail(b, DSC_E_SHAPE, "an input of %d axes", n + 2);
    if (!read_borders(b, "cropping", n, from, to))
        return DSC_NO_VALUE;
    for (int i = 0; i < n; i++) {
        to[i] = to[i] ? -to[i] : INT64_MAX;
        axes[i] = i + 1;
    }
    return keras_op(b, "Slice", 4,
                    (int[]){in[0], keras_i64s(b, "starts", n, from), keras_i64s(b, "ends", n, to),
                            keras_i64s(b, "axes", n, axes)},
                    0, NULL);
}

/* Each element of an axis n times: an axis of n behind it, joined with it. */
int keras_upsample(struct keras_build *b, int n_in, const int *in)
{
    int64_t times[MAX_AXES], split[DSC_MAX_RANK] = {0}, wide[DSC_MAX_RANK] = {1}, joined[5] = {0};
    const int n = keras_rank(b, in[0]) - 2;
    int x;

    if (n < 1 || n > MAX_AXES)
        return keras_fail(b, DSC_E_SHAPE, "an input of %d axes", n + 2);
    if (strcmp(keras_text(b, "interpolation", "nearest"), "nearest") != 0)
        return keras_fail(b, DSC_E_UNSUPPORTED, "another interpolation than nearest");
    if (!keras_ints(b, "size", n, times))
        return keras_fail(b, DSC_E_SCHEMA, "no 'size'");
    for (int i = 0; i < n; i++) {
        const int64_t size = keras_dim(b, in[0], 1 + i);

        if (size < 0 || keras_dim(b, in[0], -1) < 0)
            return keras_fail(b, DSC_E_UNSUPPORTED, "an axis whose size is not known");
        if (times[i] < 1 || times[i] > MAX_SIZE || size > MAX_SIZE)
            return keras_fail(b, DSC_E_RANGE, "a size of %lld", (long long)times[i]);
        split[1 + 2 * i] = size;
        split[2 + 2 * i] = wide[1 + 2 * i] = 1;
        wide[2 + 2 * i] = times[i];
        joined[1 + i] = size * times[i];
    }
    split[1 + 2 * n] = joined[1 + n] = keras_dim(b, in[0], -1);
    wide[1 + 2 * n] = 1;
    x = keras_reshape(b, in[0], 2 * n + 2, split);
    x = keras_op2(b, "Expand", x, keras_i64s(b, "times", 2 * n + 2, wide));
    return keras_reshape(b, x, n + 2, joined);
}
