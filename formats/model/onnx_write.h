/* Writing ONNX: the message emitters, shared by model files and single tensors. */
#ifndef ONNX_WRITE_H
#define ONNX_WRITE_H

#include "dsc/graph.h"
#include "model/onnx_wire.h"

/** A tensor as a TensorProto. `location` NULL: the bytes stand in the message. */
struct onnx_tensor_out {
    const struct dsc_tensor *tensor;
    const char *name; /* "" : none */
    const char *location;
    uint64_t offset;
    bool is_placed; /* its bytes are to stand at a multiple of 8, by wire_put_placed_message */
};

/** An initializer by its elements that are not 0; zero-initialise. */
struct onnx_sparse {
    bool is_used; /* else it is smaller as it is */
    const char *name;
    int rank;
    const int64_t *dim;                /* of the dense tensor */
    struct dsc_tensor values, indices; /* [n], i64 [n] by the dense element's number */
};

/* Names, dims and lengths of the message, about. */
enum { ONNX_SPARSE_OVERHEAD_BYTES = 64 };

/* Initializers from here on are placed, so that they can be used where they are mapped. */
enum { ONNX_PLACED_MIN_BYTES = 4096, ONNX_PLACE_BYTES = 8 };

/** Errors: MEMORY. Clear it in any case; name stays the caller's to set. */
enum dsc_status onnx_make_sparse(const struct dsc_tensor *t, struct onnx_sparse *s,
                                 struct dsc_err *err);
void onnx_sparse_clear(struct onnx_sparse *s);

/** A model. ext_offsets[value]: place of its bytes in the data file, or UINT64_MAX: inline. */
struct onnx_model_out {
    const struct dsc_graph *g;
    const uint64_t *ext_offsets; /* NULL: everything inline */
    const char *ext_name;
    const struct onnx_sparse *sparse; /* [n_values], or NULL: all dense */
    bool has_placed;                  /* is set by onnx_emit_model */
};

wire_emit_fn onnx_emit_tensor; /* ctx: struct onnx_tensor_out */
wire_emit_fn onnx_emit_sparse; /* ctx: struct onnx_sparse */
wire_emit_fn onnx_emit_model;  /* ctx: struct onnx_model_out */

/** Initializers that are written: those that something uses. */
bool onnx_is_written_init(const struct dsc_graph *g, int value);
/** True when a node has a graph attribute (which may use any value by name). */
bool onnx_has_subgraphs(const struct dsc_graph *g);

#endif
