/* Building blocks of the graphs of Keras models. */
#include "dsc/op.h"
#include "model/keras.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

bool keras_step(struct keras_build *b, enum dsc_status st)
{
    if (b->st == DSC_OK)
        b->st = st;
    return b->st == DSC_OK;
}

int keras_fail(struct keras_build *b, enum dsc_status s, const char *fmt, ...)
{
    va_list ap;

    if (b->st != DSC_OK)
        return DSC_NO_VALUE;
    va_start(ap, fmt);
    b->st = dsc_vfail(b->err, s, fmt, ap);
    va_end(ap);
    if (b->layer)
        dsc_err_where(b->err, "layer '%.100s' (%.60s)", b->layer->name, b->layer->class_name);
    return DSC_NO_VALUE;
}

void *keras_alloc(struct keras_build *b, size_t n, size_t elem_bytes)
{
    void *p = b->st == DSC_OK ? dsc_arena_alloc(&b->tmp, n, elem_bytes, b->err) : NULL;

    if (!p)
        keras_step(b, DSC_E_MEMORY);
    return p;
}

/* "dense", "dense/MatMul"; a second call of a layer, "dense/MatMul_1" */
static const char *node_name(struct keras_build *b, const char *op, char text[KERAS_NAME_BYTES])
{
    for (int i = b->layer->first_name; i <= b->layer->n_names + b->g->n_nodes + 2; i++) {
        const int n = i ? snprintf(text, KERAS_NAME_BYTES, "%s/%s_%d", b->layer->name, op, i)
                        : snprintf(text, KERAS_NAME_BYTES, "%s/%s", b->layer->name, op);

        if (n >= KERAS_NAME_BYTES)
            break;
        if (dsc_graph_find_node(b->g, text) >= 0 || dsc_graph_find_value(b->g, text) >= 0)
            continue;
        b->layer->n_names = i < b->layer->n_names ? b->layer->n_names : i + 1;
        return text;
    }
    keras_fail(b, DSC_E_LIMIT, "a name of over %d bytes", KERAS_NAME_BYTES);
    return NULL;
}

static enum dsc_status set_attr(struct dsc_graph *g, struct dsc_node *n, const struct keras_attr *a,
                                struct dsc_err *err)
{
    switch (a->kind) {
    case DSC_ATTR_INT:
        return dsc_node_set_int(g, n, a->key, a->i, err);
    case DSC_ATTR_FLOAT:
        return dsc_node_set_float(g, n, a->key, (float)a->f, err);
    case DSC_ATTR_STRING:
        return dsc_node_set_string(g, n, a->key, a->s, err);
    default:
        return dsc_node_set_ints(g, n, a->key, a->ints, a->n, err);
    }
}

void keras_node(struct keras_build *b, const char *op, int n_in, const int *in, int n_out, int *out,
                int n_attrs, const struct keras_attr *attrs)
{
    const struct dsc_op *row = dsc_op_find(NULL, op);
    char text[KERAS_NAME_BYTES];
    const char *name = b->st == DSC_OK ? node_name(b, op, text) : NULL;
    struct dsc_node *n = NULL;

    for (int i = 0; i < n_out; i++)
        out[i] = DSC_NO_VALUE;
    if (!name)
        return;
    if (!row) {
        keras_fail(b, DSC_E_UNSUPPORTED, "there is no operator %s", op);
        return;
    }
    for (int i = 0; i < n_out; i++)
        keras_step(b, dsc_graph_value(b->g, i ? NULL : name, NULL, &out[i], b->err));
    if (b->st == DSC_OK)
        keras_step(b, dsc_graph_node(b->g, row, name, n_in, in, n_out, out, &n, b->err));
    for (int i = 0; i < n_attrs && b->st == DSC_OK; i++)
        keras_step(b, set_attr(b->g, n, &attrs[i], b->err));
    if (b->st == DSC_OK && !keras_step(b, dsc_graph_infer_node(b->g, n, b->err)))
        dsc_err_where(b->err, "layer '%.100s' (%.60s)", b->layer->name, b->layer->class_name);
}

int keras_op(struct keras_build *b, const char *op, int n_in, const int *in, int n_attrs,
             const struct keras_attr *attrs)
{
    int out;

    keras_node(b, op, n_in, in, 1, &out, n_attrs, attrs);
    return out;
}

int keras_op1(struct keras_build *b, const char *op, int x)
{
    return keras_op(b, op, 1, &x, 0, NULL);
}

int keras_op2(struct keras_build *b, const char *op, int x, int y)
{
    return keras_op(b, op, 2, (int[]){x, y}, 0, NULL);
}

int keras_init(struct keras_build *b, const char *name, struct dsc_tensor *t)
{
    char text[KERAS_NAME_BYTES];
    int id = DSC_NO_VALUE;

    if (b->st == DSC_OK &&
        snprintf(text, sizeof text, "%s/%s", b->layer->name, name) >= (int)sizeof text)
        keras_fail(b, DSC_E_LIMIT, "a name of over %d bytes", KERAS_NAME_BYTES);
    if (b->st == DSC_OK)
        id = dsc_graph_find_value(b->g, text);
    if (b->st == DSC_OK && id == DSC_NO_VALUE)
        keras_step(b, dsc_graph_init(b->g, text, t, &id, b->err));
    dsc_tensor_clear(t);
    return id;
}

/* Constants of different calls of one layer may differ: each has a name of its own. */
static int constant(struct keras_build *b, const char *what, struct dsc_tensor *t)
{
    char text[KERAS_NAME_BYTES];
    const char *name = b->st == DSC_OK ? node_name(b, what, text) : NULL;
    int id = DSC_NO_VALUE;

    if (name)
        keras_step(b, dsc_graph_init(b->g, name, t, &id, b->err));
    dsc_tensor_clear(t);
    return id;
}

int keras_i64s(struct keras_build *b, const char *what, int64_t n, const int64_t *v)
{
    struct dsc_tensor t = {0};

    if (b->st != DSC_OK || !keras_step(b, dsc_tensor_new(&t, DSC_I64, 1, &n, b->err)))
        return DSC_NO_VALUE;
    memcpy(t.data, v, (size_t)n * sizeof *v);
    return constant(b, what, &t);
}

int keras_f32(struct keras_build *b, const char *what, double v)
{
    struct dsc_tensor t = {0};

    if (b->st != DSC_OK || !keras_step(b, dsc_tensor_new(&t, DSC_F32, 0, NULL, b->err)))
        return DSC_NO_VALUE;
    *(float *)t.data = (float)v;
    return constant(b, what, &t);
}

int keras_reshape(struct keras_build *b, int x, int n, const int64_t *dim)
{
    return keras_op2(b, "Reshape", x, keras_i64s(b, "shape", n, dim));
}

int keras_transpose(struct keras_build *b, int x, const int64_t *perm)
{
    return keras_op(b, "Transpose", 1, &x, 1,
                    (struct keras_attr[]){KERAS_INTS("perm", perm, keras_rank(b, x))});
}

int keras_cast(struct keras_build *b, int x, enum dsc_dtype dtype)
{
    return keras_op(b, "Cast", 1, &x, 1,
                    (struct keras_attr[]){KERAS_INT("to", dsc_dtype_onnx(dtype))});
}

const struct dsc_type *keras_type(const struct keras_build *b, int x)
{
    static const struct dsc_type none = {.rank = DSC_RANK_UNKNOWN};

    return x == DSC_NO_VALUE ? &none : &b->g->values[x].type;
}

int keras_rank(const struct keras_build *b, int x)
{
    const int rank = keras_type(b, x)->rank;

    return rank < 0 ? 0 : rank;
}

int64_t keras_dim(const struct keras_build *b, int x, int axis)
{
    const struct dsc_type *t = keras_type(b, x);

    axis += axis < 0 ? t->rank : 0;
    return axis >= 0 && axis < t->rank && t->dim[axis] >= 0 ? t->dim[axis] : -1;
}

/* ---- channels ---- */

static void note_turned(struct keras_build *b, int last, int first)
{
    int *more;

    if (b->n_turned == b->cap_turned) {
        const int cap = b->cap_turned ? 2 * b->cap_turned : 64;

        more = dsc_arena_alloc(&b->tmp, 2 * (size_t)cap, sizeof *more, b->err);
        if (!more) {
            keras_step(b, DSC_E_MEMORY);
            return;
        }
        if (b->n_turned)
            memcpy(more, b->channels_first, 2 * (size_t)b->n_turned * sizeof *more);
        b->channels_first = more;
        b->cap_turned = cap;
    }
    b->channels_first[2 * b->n_turned] = last;
    b->channels_first[2 * b->n_turned++ + 1] = first;
}

bool keras_has_channels_first(const struct keras_build *b, int n, const int *in, int *first)
{
    int n_found = 0;

    for (int k = 0; k < n; k++)
        for (int i = 0; i < b->n_turned; i++)
            if (b->channels_first[2 * i] == in[k]) {
                first[k] = b->channels_first[2 * i + 1];
                n_found++;
                break;
            }
    return n_found == n;
}

int keras_channels_first(struct keras_build *b, int x)
{
    const int rank = keras_rank(b, x);
    int64_t perm[DSC_MAX_RANK] = {0, rank - 1};
    int first;

    if (keras_has_channels_first(b, 1, &x, &first))
        return first;
    for (int i = 2; i < rank; i++)
        perm[i] = i - 1;
    first = keras_transpose(b, x, perm);
    note_turned(b, x, first);
    return first;
}

int keras_channels_last(struct keras_build *b, int x)
{
    const int rank = keras_rank(b, x);
    int64_t perm[DSC_MAX_RANK] = {0};
    int last;

    for (int i = 1; i < rank; i++)
        perm[i] = i + 1 < rank ? i + 1 : 1;
    last = keras_transpose(b, x, perm);
    note_turned(b, last, x);
    return last;
}

/* ---- activations ---- */

static int hard_sigmoid(struct keras_build *b, int x)
{
    const double slope = b->version < 3 ? 0.2 : 1.0 / 6.0;

    return keras_op(b, "HardSigmoid", 1, &x, 2,
                    (struct keras_attr[]){KERAS_FLOAT("alpha", slope), KERAS_FLOAT("beta", 0.5)});
}

static int silu(struct keras_build *b, int x)
{
    return keras_op2(b, "Mul", x, keras_op1(b, "Sigmoid", x));
}

static int mish(struct keras_build *b, int x)
{
    return keras_op2(b, "Mul", x, keras_op1(b, "Tanh", keras_op1(b, "Softplus", x)));
}

static int softsign(struct keras_build *b, int x)
{
    const int one = keras_f32(b, "one", 1.0);

    return keras_op2(b, "Div", x, keras_op2(b, "Add", one, keras_op1(b, "Abs", x)));
}

static int relu6(struct keras_build *b, int x)
{
    return keras_op(b, "Clip", 3, (int[]){x, keras_f32(b, "low", 0.0), keras_f32(b, "high", 6.0)},
                    0, NULL);
}

static int leaky_relu(struct keras_build *b, int x)
{
    return keras_op(b, "LeakyRelu", 1, &x, 1, (struct keras_attr[]){KERAS_FLOAT("alpha", 0.2)});
}

static int over_last_axis(struct keras_build *b, int x, const char *op)
{
    return keras_op(b, op, 1, &x, 1, (struct keras_attr[]){KERAS_INT("axis", -1)});
}

static int softmax(struct keras_build *b, int x)
{
    return over_last_axis(b, x, "Softmax");
}

static int log_softmax(struct keras_build *b, int x)
{
    return over_last_axis(b, x, "LogSoftmax");
}

bool keras_is_pointwise(const char *activation)
{
    return strcmp(activation, "softmax") != 0 && strcmp(activation, "log_softmax") != 0;
}

int keras_activation(struct keras_build *b, int x, const char *name)
{
    static const struct {
        const char *name, *op;
        int (*build)(struct keras_build *, int);
    } rows[] = {
        {"relu", "Relu", NULL},
        {"sigmoid", "Sigmoid", NULL},
        {"tanh", "Tanh", NULL},
        {"elu", "Elu", NULL},
        {"selu", "Selu", NULL},
        {"gelu", "Gelu", NULL},
        {"softplus", "Softplus", NULL},
        {"exponential", "Exp", NULL},
        {"softmax", NULL, softmax},
        {"log_softmax", NULL, log_softmax},
        {"hard_sigmoid", NULL, hard_sigmoid},
        {"silu", NULL, silu},
        {"swish", NULL, silu},
        {"mish", NULL, mish},
        {"softsign", NULL, softsign},
        {"relu6", NULL, relu6},
        {"leaky_relu", NULL, leaky_relu},
    };

    if (strcmp(name, "linear") == 0)
        return x;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (strcmp(rows[i].name, name) == 0)
            return rows[i].op ? keras_op1(b, rows[i].op, x) : rows[i].build(b, x);
    return keras_fail(b, DSC_E_UNSUPPORTED, "the activation '%.60s'", name);
}
