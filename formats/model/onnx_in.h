/*
 * Reading ONNX: what the parts of the reader share.
 *
 * fmt_onnx.c    the model message, opsets, metadata
 * onnx_graph.c  graphs, nodes, attributes
 * onnx_inline.c model-local functions and their scopes
 * onnx_sparse.c SparseTensorProto, read and written
 * onnx_tensor.c TensorProto; onnx_external.c data beside the model
 */
#ifndef ONNX_IN_H
#define ONNX_IN_H

#include "formats_model.h"
#include "model/onnx_wire.h"

enum {
    ONNX_MAX_IR = 14,
    ONNX_MAX_OPSET = 28,
    ONNX_MAX_DEPTH = 32, /* subgraphs and function calls */
    /* After inlining: what functions may make of a small file, and that many bytes for each more.
     */
    ONNX_SMALL_NODES = 50000,
    ONNX_NODE_BYTES = 256,
    ONNX_MAX_NODES = 1000000,
    ONNX_MAX_ARITY = 65536,
    ONNX_MAX_INLINED_NAME_BYTES = 256 * 1024 * 1024,
    ONNX_MISALIGN_MIN_BYTES = 64 * 1024
};

/** Fields of onnx.proto that the reader and the writer name. */
enum {
    MODEL_IR_VERSION = 1,
    MODEL_PRODUCER_NAME = 2,
    MODEL_PRODUCER_VERSION = 3,
    MODEL_DOMAIN = 4,
    MODEL_VERSION = 5,
    MODEL_DOC = 6,
    MODEL_GRAPH = 7,
    MODEL_OPSET = 8,
    MODEL_PROPS = 14,
    MODEL_FUNCTIONS = 25,

    OPSET_DOMAIN = 1,
    OPSET_VERSION = 2,

    PROP_KEY = 1,
    PROP_VALUE = 2,

    GRAPH_NODE = 1,
    GRAPH_NAME = 2,
    GRAPH_INIT = 5,
    GRAPH_INPUT = 11,
    GRAPH_OUTPUT = 12,
    GRAPH_VALUE = 13,
    GRAPH_SPARSE_INIT = 15,

    VALUE_NAME = 1,
    VALUE_TYPE = 2,
    TYPE_TENSOR = 1,
    TYPE_DENOTATION = 6,
    TENSOR_TYPE_ELEM = 1,
    TENSOR_TYPE_SHAPE = 2,
    SHAPE_DIM = 1,
    DIM_VALUE = 1,
    DIM_PARAM = 2,

    NODE_INPUT = 1,
    NODE_OUTPUT = 2,
    NODE_NAME = 3,
    NODE_OP = 4,
    NODE_ATTR = 5,
    NODE_DOMAIN = 7,
    NODE_OVERLOAD = 8,

    ATTR_NAME = 1,
    ATTR_F = 2,
    ATTR_I = 3,
    ATTR_S = 4,
    ATTR_T = 5,
    ATTR_G = 6,
    ATTR_FLOATS = 7,
    ATTR_INTS = 8,
    ATTR_STRINGS = 9,
    ATTR_TYPE = 20,
    ATTR_REF = 21,

    TENSOR_DIMS = 1,
    TENSOR_DTYPE = 2,
    TENSOR_SEGMENT = 3,
    TENSOR_FLOATS = 4,
    TENSOR_INT32S = 5,
    TENSOR_STRINGS = 6,
    TENSOR_INT64S = 7,
    TENSOR_NAME = 8,
    TENSOR_RAW = 9,
    TENSOR_DOUBLES = 10,
    TENSOR_UINT64S = 11,
    TENSOR_EXTERNAL = 13,
    TENSOR_LOCATION = 14,

    SPARSE_VALUES = 1,
    SPARSE_INDICES = 2,
    SPARSE_DIMS = 3,

    FUNC_NAME = 1,
    FUNC_INPUT = 4,
    FUNC_OUTPUT = 5,
    FUNC_NODE = 7,
    FUNC_OPSET = 9,
    FUNC_DOMAIN = 10,
    FUNC_ATTR_DEFAULT = 11,
    FUNC_OVERLOAD = 13
};

/** AttributeProto.AttributeType */
enum {
    ONNX_ATTR_FLOAT = 1,
    ONNX_ATTR_INT = 2,
    ONNX_ATTR_STRING = 3,
    ONNX_ATTR_TENSOR = 4,
    ONNX_ATTR_GRAPH = 5,
    ONNX_ATTR_FLOATS = 6,
    ONNX_ATTR_INTS = 7,
    ONNX_ATTR_STRINGS = 8
};

/** A model-local function: windows into the file, and the opsets of its body. */
struct onnx_func {
    char *domain, *name, *overload;
    struct dsc_rd body;
    int n_in, n_out;
    char **in, **out; /* formal names */
    int n_opsets;
    struct dsc_opset *opsets;
};

/** Something valid that is not implemented, and how often it was met. */
struct onnx_missing {
    char *what;
    int64_t n;
    struct onnx_missing *next;
};

struct onnx_mapping; /* an external file, mapped */

/** One reading of one file. */
struct onnx_in {
    const char *path; /* NULL: external data cannot be resolved */
    struct dsc_buffer *file;
    struct dsc_arena tmp;
    struct dsc_err *err;
    const struct dsc_log *log;
    bool may_misalign;
    int64_t ir_version;
    int n_opsets;
    struct dsc_opset *opsets;
    int n_funcs, cap_funcs;
    struct onnx_func *funcs;
    struct onnx_missing *missing;
    struct onnx_mapping *mappings;
    uint64_t external_bytes;
    int64_t n_nodes, max_nodes;
    size_t inlined_name_bytes;
    int n_renamed;
};

/** A name in a function's body, and what it stands for where the function is called. */
struct onnx_binding {
    const char *formal, *actual; /* actual "": left out */
};

struct onnx_scope;

/** An attribute that a function call gives: its window, and the scope whose names it uses. */
struct onnx_arg {
    const char *name;
    struct dsc_rd attr;
    const struct onnx_scope *scope;
};

/** Where names are looked up: the model itself (prefix NULL) or one call of a function. */
struct onnx_scope {
    const char *prefix;
    int n_bindings, n_args;
    const struct onnx_binding *bindings;
    const struct onnx_arg *args;
    int n_opsets;
    const struct dsc_opset *opsets;
    int depth;
};

/** A graph while it is read; opsets[i] is the opset that node i was written in. */
struct onnx_build {
    struct dsc_graph *g;
    int64_t *opsets;
    int cap_opsets;
    int depth;
};

/** A NodeProto taken apart: names as the file has them, attributes as windows. */
struct onnx_node {
    char *name, *op, *domain, *overload;
    int n_in, n_out, n_attrs;
    char **in, **out;
    struct dsc_rd msg;
};

/** Count something that is missing; reading goes on so that all are reported together. */
enum dsc_status onnx_note_missing(struct onnx_in *in, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/** Version of a domain in a scope; 1 for a custom domain that is not imported, 0 for ai.onnx. */
int64_t onnx_opset_of(const struct onnx_scope *s, const char *domain);
/** Repeated OperatorSetIdProto fields `number` of msg, in the arena `tmp`. */
enum dsc_status onnx_read_opsets(struct onnx_in *in, struct dsc_rd msg, uint32_t number, int *n,
                                 struct dsc_opset **opsets);
/** Repeated text fields `number` of msg, in the arena `tmp`. */
enum dsc_status onnx_read_texts(struct onnx_in *in, struct dsc_rd msg, uint32_t number, int *n,
                                char ***texts);

/** A GraphProto into an empty graph. Initializers first, then nodes, upgraded; not yet verified. */
enum dsc_status onnx_read_graph(struct onnx_in *in, struct dsc_graph *g, struct dsc_rd msg,
                                const struct onnx_scope *scope, int depth);
/** The nodes of a graph or function body: repeated field `number` of msg. */
enum dsc_status onnx_read_nodes(struct onnx_in *in, struct onnx_build *b, struct dsc_rd msg,
                                uint32_t number, const struct onnx_scope *scope);

/** The graph's name for a name of the scope; NULL after MEMORY or LIMIT. */
const char *onnx_map_name(struct onnx_in *in, const struct onnx_scope *scope, const char *name);
/** Attribute `ref` of the call that `scope` is, or NULL: the call does not give it. */
const struct onnx_arg *onnx_find_arg(const struct onnx_scope *scope, const char *ref);
enum dsc_status onnx_read_func(struct onnx_in *in, struct dsc_rd msg);
const struct onnx_func *onnx_find_func(const struct onnx_in *in, const struct onnx_node *n);
/** Put the function's body in place of the call. */
enum dsc_status onnx_inline_call(struct onnx_in *in, struct onnx_build *b,
                                 const struct onnx_node *n, const struct onnx_func *f,
                                 const struct onnx_scope *scope);

/**
 * A TensorProto. `what` names it in messages; `name` (may be NULL) is of the arena `tmp`. A type
 * that tensors do not have is noted as missing, and *t stays "no tensor".
 */
enum dsc_status onnx_read_tensor(struct onnx_in *in, struct dsc_rd msg, const char *what,
                                 char **name, struct dsc_tensor *t);
/**
 * A SparseTensorProto as a dense tensor. Indices must be inside the shape and ascend.
 * Errors  LIMIT  more zeros than so few bytes are believed to stand for
 */
enum dsc_status onnx_read_sparse(struct onnx_in *in, struct dsc_rd msg, char **name,
                                 struct dsc_tensor *t);
/** ONNX's name of an element type number, for messages. */
const char *onnx_type_text(int64_t code);
/**
 * Bytes of an external file. keys: repeated StringStringEntryProto of the tensor's message.
 * Errors  PATH  a location that is not a plain file inside the model's folder
 */
enum dsc_status onnx_external_bytes(struct onnx_in *in, struct dsc_rd msg, uint64_t n_bytes,
                                    const unsigned char **data, struct dsc_buffer **owner);

void onnx_external_close(struct onnx_in *in);

#endif
