/* Layers of Keras that join several inputs. */
#include "model/keras.h"

/* Layers join tensors of the same rank; keras.ops broadcast as ONNX does. */
static bool check_ranks(struct keras_build *b, int n_in, const int *in)
{
    for (int i = 1; i < n_in && !b->layer->is_op; i++)
        if (keras_rank(b, in[i]) != keras_rank(b, in[0]))
            keras_fail(b, DSC_E_UNSUPPORTED, "inputs of %d and %d axes", keras_rank(b, in[0]),
                       keras_rank(b, in[i]));
    if (n_in < 2)
        keras_fail(b, DSC_E_SCHEMA, "one input, or none");
    return b->st == DSC_OK;
}

/* Where all inputs are at hand with channels first, so is the result. */
static int fold(struct keras_build *b, const char *op, int n_in, const int *in)
{
    int first[KERAS_MAX_INPUTS], y;
    bool is_first;

    if (!check_ranks(b, n_in, in))
        return DSC_NO_VALUE;
    is_first = keras_has_channels_first(b, n_in, in, first);
    for (int i = 1; i < n_in; i++)
        is_first &= keras_rank(b, in[i]) == keras_rank(b, in[0]);
    in = is_first ? first : in;
    y = in[0];
    for (int i = 1; i < n_in; i++)
        y = keras_op2(b, op, y, in[i]);
    return is_first ? keras_channels_last(b, y) : y;
}

static int join(struct keras_build *b, const char *op, int n_in, const int *in)
{
    return check_ranks(b, n_in, in) ? keras_op(b, op, n_in, in, 0, NULL) : DSC_NO_VALUE;
}

int keras_add(struct keras_build *b, int n_in, const int *in)
{
    return fold(b, "Add", n_in, in);
}

int keras_subtract(struct keras_build *b, int n_in, const int *in)
{
    if (n_in != 2)
        return keras_fail(b, DSC_E_SCHEMA, "%d inputs, not 2", n_in);
    return fold(b, "Sub", n_in, in);
}

int keras_multiply(struct keras_build *b, int n_in, const int *in)
{
    return fold(b, "Mul", n_in, in);
}

int keras_average(struct keras_build *b, int n_in, const int *in)
{
    return join(b, "Mean", n_in, in);
}

int keras_maximum(struct keras_build *b, int n_in, const int *in)
{
    return join(b, "Max", n_in, in);
}

int keras_minimum(struct keras_build *b, int n_in, const int *in)
{
    return join(b, "Min", n_in, in);
}

int keras_concatenate(struct keras_build *b, int n_in, const int *in)
{
    const int64_t axis = keras_int(b, "axis", -1);
    const struct keras_attr here = KERAS_INT("axis", axis), channels = KERAS_INT("axis", 1);
    int first[KERAS_MAX_INPUTS];

    if (!check_ranks(b, n_in, in))
        return DSC_NO_VALUE;
    if ((axis == -1 || axis == keras_rank(b, in[0]) - 1) &&
        keras_has_channels_first(b, n_in, in, first))
        return keras_channels_last(b, keras_op(b, "Concat", n_in, first, 1, &channels));
    return keras_op(b, "Concat", n_in, in, 1, &here);
}
