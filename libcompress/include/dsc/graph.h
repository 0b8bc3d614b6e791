/*
 * The graph: values and nodes in ONNX's vocabulary.
 *
 * Values and nodes are numbered; a node refers to values by number (DSC_NO_VALUE for an input that
 * is left out). Nodes are kept in a topological order. All metadata live in the graph's arena;
 * initializers hold references to their storage. While a graph runs it is read-only.
 *
 * Dimensions: >= 0 known; DSC_DIM_UNKNOWN; or a symbol, dsc_dim_symbol(i), named
 * graph->symbols[i] ("batch"). Equal symbols are equal sizes.
 */
#ifndef DSC_GRAPH_H
#define DSC_GRAPH_H

#include "dsc/arena.h"
#include "dsc/status.h"
#include "dsc/tensor.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { DSC_NO_VALUE = -1, DSC_DIM_UNKNOWN = -1, DSC_RANK_UNKNOWN = -1 };

static inline int64_t dsc_dim_symbol(int symbol_idx)
{
    return -2 - (int64_t)symbol_idx;
}

static inline bool dsc_dim_is_symbol(int64_t dim)
{
    return dim <= -2;
}

static inline int dsc_dim_symbol_idx(int64_t dim)
{
    return (int)(-2 - dim);
}

/** What is known of a value before it is computed. */
struct dsc_type {
    enum dsc_dtype dtype; /* DSC_DTYPE_NONE: unknown */
    int rank;             /* DSC_RANK_UNKNOWN, or 0 .. DSC_MAX_RANK */
    int64_t dim[DSC_MAX_RANK];
};

struct dsc_value {
    char *name; /* unique, never "" */
    struct dsc_type type;
    struct dsc_tensor init; /* host tensor of an initializer, else "no tensor" */
    bool is_input, is_output;
    bool is_constant; /* init came from a Constant node of the file: a number of the graph's own */
    int producer;     /* node number, -1: input or initializer. Kept by dsc_graph_sort */
    int n_uses;       /* consuming node inputs + 1 if output. Kept by dsc_graph_sort */
};

enum dsc_attr_kind {
    DSC_ATTR_FLOAT,
    DSC_ATTR_INT,
    DSC_ATTR_STRING,
    DSC_ATTR_TENSOR,
    DSC_ATTR_GRAPH,
    DSC_ATTR_FLOATS,
    DSC_ATTR_INTS,
    DSC_ATTR_STRINGS
};

struct dsc_graph;

struct dsc_attr {
    char *name;
    enum dsc_attr_kind kind;
    int n; /* elements of the plural kinds; bytes of a STRING */
    union {
        float f;
        int64_t i;
        char *s;
        float *floats;
        int64_t *ints;
        char **strings;
        struct dsc_tensor tensor;
        struct dsc_graph *graph;
    };
};

struct dsc_op;

struct dsc_node {
    char *name; /* unique within the graph; made up by the reader when the file has none */
    const struct dsc_op *op;
    int n_in, n_out;
    int *in;  /* value numbers, or DSC_NO_VALUE */
    int *out; /* value numbers, or DSC_NO_VALUE for an output that nobody wants */
    int n_attrs;
    struct dsc_attr *attrs;
};

struct dsc_opset {
    char *domain; /* "" is ai.onnx */
    int64_t version;
};

struct dsc_prop {
    char *key, *value;
};

/** Growing arrays: n used, cap allocated (in the arena; growth leaves the old array behind). */
struct dsc_graph {
    struct dsc_arena arena;
    char *name;
    char *doc;
    int64_t ir_version, model_version;
    char *producer_name, *producer_version;
    char *domain; /* of the model, "org.example" */
    int n_opsets, n_values, n_nodes, n_inputs, n_outputs, n_symbols, n_props;
    struct dsc_opset *opsets;
    struct dsc_value *values;
    struct dsc_node **nodes;
    int *inputs, *outputs; /* value numbers */
    char **symbols;
    struct dsc_prop *props; /* metadata_props, in file order */
    struct dsc_names *value_names, *node_names;
    int cap_values, cap_nodes, cap_inputs, cap_outputs, cap_symbols, cap_props;
};

/** A new, empty graph on the heap; NULL on MEMORY. Free releases initializers too. */
struct dsc_graph *dsc_graph_new(struct dsc_err *err);
void dsc_graph_free(struct dsc_graph *g);
/** A deep copy of structure; initializers share their storage. */
struct dsc_graph *dsc_graph_copy(const struct dsc_graph *g, struct dsc_err *err);

/**
 * Building. Names are copied. A name that is taken is DUP. `name` NULL or "" for dsc_graph_value
 * and dsc_graph_node: one is made from the hint ("Gelu_3"). Numbers are returned through `id`.
 */
enum dsc_status dsc_graph_value(struct dsc_graph *g, const char *name, const struct dsc_type *type,
                                int *id, struct dsc_err *err);
/** The value of that name, made on first use. */
enum dsc_status dsc_graph_value_named(struct dsc_graph *g, const char *name, int *id,
                                      struct dsc_err *err);
int dsc_graph_find_value(const struct dsc_graph *g, const char *name); /* or DSC_NO_VALUE */
int dsc_graph_find_node(const struct dsc_graph *g, const char *name);  /* or -1 */
/** A new value that holds an initializer; takes a reference of t. */
enum dsc_status dsc_graph_init(struct dsc_graph *g, const char *name, const struct dsc_tensor *t,
                               int *id, struct dsc_err *err);
/** Replace the tensor of an initializer (type follows). */
enum dsc_status dsc_graph_set_init(struct dsc_graph *g, int value, const struct dsc_tensor *t,
                                   struct dsc_err *err);
enum dsc_status dsc_graph_input(struct dsc_graph *g, int value, struct dsc_err *err);
enum dsc_status dsc_graph_output(struct dsc_graph *g, int value, struct dsc_err *err);
enum dsc_status dsc_graph_symbol(struct dsc_graph *g, const char *name, int64_t *dim,
                                 struct dsc_err *err);
/** Append a node. in/out: value numbers. Returned pointer lives as long as the graph. */
enum dsc_status dsc_graph_node(struct dsc_graph *g, const struct dsc_op *op, const char *name,
                               int n_in, const int *in, int n_out, const int *out,
                               struct dsc_node **node, struct dsc_err *err);
/** Node with one new output of unknown type, by operator name; the shortest way to build. */
enum dsc_status dsc_graph_call(struct dsc_graph *g, const char *domain, const char *op_name,
                               const char *name, int n_in, const int *in, int *out_value,
                               struct dsc_node **node, struct dsc_err *err);

/**
 * A copy of a node of any graph, with its attributes: n->n_in inputs and n->n_out outputs of g.
 * name NULL: one is made.
 */
enum dsc_status dsc_graph_import_node(struct dsc_graph *g, const struct dsc_node *n,
                                      const char *name, const int *in, const int *out,
                                      struct dsc_node **copy, struct dsc_err *err);

/** A copy of a node of this graph with the same inputs and attributes, and new outputs. */
enum dsc_status dsc_graph_clone_node(struct dsc_graph *g, const struct dsc_node *n,
                                     struct dsc_node **copy, struct dsc_err *err);

enum dsc_status dsc_node_set_int(struct dsc_graph *g, struct dsc_node *n, const char *attr,
                                 int64_t v, struct dsc_err *err);
enum dsc_status dsc_node_set_float(struct dsc_graph *g, struct dsc_node *n, const char *attr,
                                   float v, struct dsc_err *err);
enum dsc_status dsc_node_set_ints(struct dsc_graph *g, struct dsc_node *n, const char *attr,
                                  const int64_t *v, int n_v, struct dsc_err *err);
enum dsc_status dsc_node_set_string(struct dsc_graph *g, struct dsc_node *n, const char *attr,
                                    const char *v, struct dsc_err *err);
/** An attribute slot to fill by hand (readers); replaces one of the same name. */
enum dsc_status dsc_node_attr_slot(struct dsc_graph *g, struct dsc_node *n, const char *attr,
                                   struct dsc_attr **slot, struct dsc_err *err);
void dsc_node_drop_attr(struct dsc_node *n, const char *attr);

/** Reading attributes; the default when absent. A kind that does not fit counts as absent:
 *  dsc_graph_verify has refused it before. */
const struct dsc_attr *dsc_node_attr(const struct dsc_node *n, const char *name);
int64_t dsc_node_int(const struct dsc_node *n, const char *name, int64_t fallback);
float dsc_node_float(const struct dsc_node *n, const char *name, float fallback);
const char *dsc_node_string(const struct dsc_node *n, const char *name, const char *fallback);
/** Points *v at the integers, returns their number; -1 when absent. */
int dsc_node_ints(const struct dsc_node *n, const char *name, const int64_t **v);

/** Input i of the node exists (is wired). */
bool dsc_node_has_in(const struct dsc_node *n, int i);

/**
 * Editing: every use of `from` (node inputs and graph outputs) becomes `to`, which holds the same
 * and gets the type of `from` where it has none. A graph output keeps its name, unless `to` is an
 * input, an initializer or an output itself.
 */
void dsc_graph_replace_uses(struct dsc_graph *g, int from, int to);
/** Mark a node for removal (op = NULL); dsc_graph_sort drops it. */
void dsc_graph_remove_node(struct dsc_node *n);
/**
 * Drop removed nodes, sort topologically (stable: ties by current order), refresh producer and
 * n_uses. `prune` also drops nodes and initializers that no output needs.
 *
 * Errors  INCONSISTENT  a cycle, a value with two producers, or one that nothing produces
 */
enum dsc_status dsc_graph_sort(struct dsc_graph *g, bool prune, struct dsc_err *err);

/** Structure, arity, attribute kinds, and types by inference; graph's types are refreshed. */
enum dsc_status dsc_graph_verify(struct dsc_graph *g, struct dsc_err *err);

/** One node's arity, and the types of its outputs: for builders, who need them as they go. */
enum dsc_status dsc_graph_infer_node(struct dsc_graph *g, const struct dsc_node *n,
                                     struct dsc_err *err);

/** Metadata. Set replaces; NULL value removes. */
const char *dsc_graph_prop(const struct dsc_graph *g, const char *key);
enum dsc_status dsc_graph_set_prop(struct dsc_graph *g, const char *key, const char *value,
                                   struct dsc_err *err);
int64_t dsc_graph_opset(const struct dsc_graph *g, const char *domain); /* 0 when not imported */
enum dsc_status dsc_graph_set_opset(struct dsc_graph *g, const char *domain, int64_t version,
                                    struct dsc_err *err);

/** The graph as text, a line per node: for tests of passes and `inspect -v`. */
struct dsc_bytes;
void dsc_graph_print(const struct dsc_graph *g, struct dsc_bytes *text);

#endif
