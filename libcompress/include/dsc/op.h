/*
 * The operator record. One operator is one file ops/op_<name>.c with one `const struct dsc_op`,
 * and one row in ops/ops.def. Everything that must be known of an operator stands here: dispatch,
 * shape inference, autograd, cost, quantization and pruning follow from the record.
 *
 * Nodes are in the newest form that the table knows ("internal dialect"): the reader upgrades
 * older ones (`upgrade`), so forward has one semantics. Lowered operators live in domain "dsc" and
 * never leave the program: `expand` writes them as ONNX.
 */
#ifndef DSC_OP_H
#define DSC_OP_H

#include "dsc/device.h"
#include "dsc/graph.h"
#include "dsc/status.h"
#include "dsc/tensor.h"

#include <stdbool.h>
#include <stdint.h>

enum { DSC_MAX_SAVED = 16 };

/** Bits for masks over inputs and outputs; DSC_ALL_IN covers variadic operators. */
#define DSC_IN(i) (1u << (i))
#define DSC_OUT(i) (1u << (16 + (i)))
#define DSC_ALL_IN 0xFFFFu

/** Inference: types (and host values, where known) of the inputs give the outputs' types. */
struct dsc_infer {
    const struct dsc_node *node;
    int n_in, n_out;
    const struct dsc_type *in;             /* [n_in]; dtype NONE for an absent input */
    const struct dsc_tensor *const *value; /* [n_in]; a host tensor, or NULL: not known yet */
    struct dsc_type *out;                  /* [n_out], to be filled; starts as all unknown */
};

/** What a node may use while it runs. */
struct dsc_exec {
    struct dsc_device *dev; /* where the node's tensors are, but for inputs of `host_in` */
    bool is_training;       /* Dropout drops */
    uint64_t seed;
    uint64_t step;              /* of the optimizer: draws differ from step to step */
    const int64_t *example_ids; /* [n_examples] host; NULL: 0, 1, 2 .. */
    int64_t n_examples;         /* first axis of batched values; 0: unknown */
    struct dsc_tensor **temps;  /* taken by dsc_exec_temp, released after the node */
    int n_temps, cap_temps;
};

/**
 * A temporary device tensor, uninitialised, released after the node has run.
 * Errors  MEMORY
 */
enum dsc_status dsc_exec_temp(struct dsc_exec *x, enum dsc_dtype dtype, int rank,
                              const int64_t *dim, struct dsc_tensor **t, struct dsc_err *err);

/** What backward gets of the forward pass: the tensors named by `saves`, else NULL. */
struct dsc_saved {
    const struct dsc_tensor *in[DSC_MAX_SAVED];
    const struct dsc_tensor *out[DSC_MAX_SAVED];
    int n_in, n_out;
    const struct dsc_type *in_type; /* shapes of all inputs, saved or not */
    const struct dsc_type *out_type;
};

/** How a quantizer treats the operator. */
enum dsc_quant_rule {
    DSC_QUANT_NONE,      /* stays float: Q/DQ never next to it */
    DSC_QUANT_INPUTS,    /* Q/DQ on its float inputs where the target has an integer kernel */
    DSC_QUANT_WEIGHT,    /* matrix product: activations and weights (inputs 0 and 1), bias 2 */
    DSC_QUANT_CONV,      /* convolution: as a product, and its output, behind a Relu where one is */
    DSC_QUANT_TABLE,     /* lookup of rows of input 0: int8 rows, DQ behind */
    DSC_QUANT_RECURRENT, /* weights 1 and 2 [D, gates, K] by gate; activations stay float */
    DSC_QUANT_PASS       /* moves data: the output has the input's scale */
};

/** How axes of inputs and outputs are tied when a channel is removed. */
enum dsc_prune_rule {
    DSC_PRUNE_NONE,      /* axes cannot be removed through this operator */
    DSC_PRUNE_SAME_AXES, /* element-wise with broadcasting: axis k everywhere */
    DSC_PRUNE_MATMUL,    /* [.., M, K] x [.., K, N] */
    DSC_PRUNE_GEMM,      /* as attributes transA, transB say */
    DSC_PRUNE_NORM,      /* normalised axes: parameters follow */
    DSC_PRUNE_TRANSPOSE, /* axes move by `perm` */
    DSC_PRUNE_RESHAPE,   /* axes split and merge: groups follow */
    DSC_PRUNE_GATHER,    /* axis 0 of input 0 is a vocabulary */
    DSC_PRUNE_CONCAT,    /* joins along `axis` */
    DSC_PRUNE_PAD,       /* adds to some axes */
    DSC_PRUNE_SPLIT,     /* cuts along `axis` */
    DSC_PRUNE_REDUCE,    /* the axes of input 1 go */
    DSC_PRUNE_ALONG,     /* computes along `axis` (-1), the others stay */
    DSC_PRUNE_SLICE,     /* the axes of input 3 are cut */
    DSC_PRUNE_SHAPE,     /* reads sizes alone */
    DSC_PRUNE_RECURRENT, /* LSTM, GRU, RNN: units of the state, on all that has a gate or a state */
    DSC_PRUNE_CONV,      /* channels of x and y, in groups, with the filters that meet them */
    DSC_PRUNE_CHANNELS /* each channel (axis 1) by itself; one value of the other inputs for each */
};

struct dsc_op {
    const char *onnx;   /* operator type, "Gemm" */
    const char *domain; /* NULL: ai.onnx; "com.microsoft"; "dsc" */
    int n_in, n_in_optional, n_out, n_out_optional;
    bool is_variadic_in, is_variadic_out; /* the last one may repeat */
    int since; /* first opset in which a node of our form is valid; 0: any */

    uint32_t host_in;  /* DSC_IN bits: read by the host (shapes, axes, k); never on a device */
    uint32_t shape_in; /* DSC_IN bits: only type and shape are read; the data stay where they are */
    bool is_host;      /* runs on the host: Shape, Size, NonZero .. */
    uint32_t saves;    /* DSC_IN / DSC_OUT bits that backward reads */
    uint32_t param_in; /* DSC_IN bits: inputs that are weights when they are initializers */
    uint32_t
        param_scalar_in; /* DSC_IN bits: weights even with one element (a bias of one output) */
    uint32_t no_grad;    /* DSC_IN bits: float inputs without a gradient by definition */
    bool is_view;        /* output 0 is input 0 with the inferred shape; forward may be NULL */
    bool is_rowwise;     /* row i of the output depends on row i of the batched inputs alone */
    bool is_random;      /* draws numbers: never folded, never merged with an equal node */
    enum dsc_quant_rule quant;
    enum dsc_prune_rule prune;
    int fn;            /* for shared forward functions: DSC_MAP_x, DSC_BINARY_x or DSC_REDUCE_x */
    float alpha, beta; /* for them: what the attributes of that name are when absent */

    /** Bring a node of an older opset to our form; `opset` is the model's. May add nodes. */
    enum dsc_status (*upgrade)(struct dsc_graph *g, struct dsc_node *n, int64_t opset,
                               struct dsc_err *err);
    /** Required. Unknown inputs give unknown outputs; contradictions are SHAPE or TYPE. At run
     *  time everything is known (and `value` set for host inputs) and every output must be. */
    enum dsc_status (*infer)(struct dsc_infer *q, struct dsc_err *err);
    /** Outputs are allocated; an unwanted optional output is NULL, as is an absent input. */
    enum dsc_status (*forward)(struct dsc_exec *x, const struct dsc_node *n,
                               const struct dsc_tensor *const *in, struct dsc_tensor **out,
                               struct dsc_err *err);
    /** Adds to din[i] (NULL: not wanted). dout[i] NULL: that output has no gradient. NULL
     *  backward: the operator is not differentiable. For is_view: NULL means "reshape back". */
    enum dsc_status (*backward)(struct dsc_exec *x, const struct dsc_node *n,
                                const struct dsc_saved *saved, const struct dsc_tensor *const *dout,
                                struct dsc_tensor **din, struct dsc_err *err);
    /** Multiply-adds count 2. NULL: one per output element. -1: shapes not known. */
    int64_t (*flops)(const struct dsc_infer *q);
    /** Opset that this node needs beyond `since` (types, attributes); NULL: `since`. */
    int64_t (*min_opset)(const struct dsc_graph *g, const struct dsc_node *n);
    /** Write a "dsc" node as ONNX nodes; the node is removed by the caller. */
    enum dsc_status (*expand)(struct dsc_graph *g, struct dsc_node *n, struct dsc_err *err);
};

/** The operator of that name, or NULL. domain NULL, "" and "ai.onnx" are the same. */
const struct dsc_op *dsc_op_find(const char *domain, const char *onnx);
/** All rows, in table order; NULL ends them. */
const struct dsc_op *const *dsc_op_all(void);
const char *dsc_op_domain(const struct dsc_op *op); /* "" for ai.onnx */

/* Inference helpers, shared by many rows (graph/infer_*.c). */
void dsc_type_unknown(struct dsc_type *t);
bool dsc_type_is_known(const struct dsc_type *t); /* dtype, rank and every dimension >= 0 */
void dsc_type_of_tensor(struct dsc_type *t, const struct dsc_tensor *x);
enum dsc_status dsc_type_broadcast(struct dsc_type *out, const struct dsc_type *a,
                                   const struct dsc_type *b, struct dsc_err *err);
/** Axis in [-rank, rank) to [0, rank); RANGE otherwise. */
enum dsc_status dsc_axis_check(int64_t axis, int rank, int *out, struct dsc_err *err);
/** A host tensor of one element as an integer; SHAPE (with `what`) when it is not one. */
enum dsc_status dsc_scalar_check(const struct dsc_tensor *t, const char *what, int64_t *v,
                                 struct dsc_err *err);
/** Host tensor of axes to a bit mask; RANGE outside the rank, DUP when one stands twice. */
enum dsc_status dsc_axes_mask(const struct dsc_tensor *axes, int rank, uint32_t *mask,
                              struct dsc_err *err);
/** TYPE where two of the inputs (DSC_IN bits; those from 16 on always) have other types. */
enum dsc_status dsc_same_dtype(const struct dsc_infer *q, uint32_t inputs, struct dsc_err *err);
enum dsc_status dsc_infer_like_input(struct dsc_infer *q, struct dsc_err *err); /* all outputs */
enum dsc_status dsc_infer_broadcast(struct dsc_infer *q, struct dsc_err *err);
enum dsc_status dsc_infer_compare(struct dsc_infer *q, struct dsc_err *err); /* broadcast, bool */

#endif
