/*
 * Models on disk: bytes to graphs and tensors, and back.
 *
 * A MODEL argument is a file or a folder; the first row of model/formats.def whose probe knows it
 * reads it. No byte of a file is trusted: every size and offset is checked against the file, and
 * no allocation is sized by a number that was not.
 *
 * Adding a format: formats/model/fmt_<name>.c with one `const struct dsc_format dsc_format_<name>`
 * and one row in formats/model/formats.def.
 */
#ifndef FORMATS_MODEL_H
#define FORMATS_MODEL_H

#include "dsc/bundle.h"
#include "dsc/graph.h"
#include "dsc/log.h"
#include "dsc/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dsc_format;

/**
 * A tensor as its file stores it, in blocks of codes or anywhere in the file: dsc_model_load gives
 * its values.
 */
struct dsc_stored {
    const char *name;
    const char *type;     /* as the format calls it: "q4_K" */
    enum dsc_dtype dtype; /* of the values; NONE: they cannot be read */
    int rank;
    int64_t dim[DSC_MAX_RANK];
    uint64_t n_bytes;   /* in the file */
    uint64_t offset;    /* in the file, checked to hold n_bytes */
    const void *coding; /* the format's own */
};

/**
 * What was read. Exactly one of graph, tensors and stored is filled (`tensors` then holds the
 * file's metadata alone). Zero-initialise.
 */
struct dsc_model {
    const struct dsc_format *format;
    struct dsc_graph *graph;   /* verified; NULL for a file of tensors alone */
    struct dsc_bundle tensors; /* sorted by name */
    struct dsc_stored *stored; /* [n_stored] sorted by name, in the arena of `tensors` */
    int n_stored;
    struct dsc_buffer *file; /* what `stored` points into */
    const void *own;         /* the format's, in the arena of `tensors` */
    uint64_t size_bytes;     /* the model's file(s), external data included */
};

struct dsc_read_opts {
    const struct dsc_log *log; /* warnings; may be NULL */
    /* Tensors over 64 KiB may point into the mapped file at any byte, also where the element type
     * wants alignment: for readers that only compare or copy bytes. */
    bool may_misalign;
    /* A file of tensors whose values the graph gets in place of its own; may be NULL. A folder
     * needs no weights then. */
    const char *weights;
};

/**
 * What g's weights hold of mapped files is not needed in memory for now, be it that they were
 * replaced: it comes back when it is read.
 */
void dsc_model_forget(const struct dsc_graph *g);

/**
 * The error for a model that was written and then not read back, or not as it was, for the reason
 * `why`: memory and the disk are named as such, all else is a defect of ours. Returns its class.
 */
enum dsc_status dsc_model_not_read_back(const struct dsc_err *why, struct dsc_err *err);

/** Called with the file as read back, before it gets its name: a failure leaves nothing behind. */
typedef enum dsc_status dsc_write_check_fn(void *ctx, const struct dsc_graph *reread,
                                           struct dsc_err *err);

struct dsc_write_opts {
    bool may_replace;              /* -f */
    int64_t min_opset;             /* of ai.onnx; 0: the source's, or what the nodes need */
    uint64_t max_bytes;            /* a larger model is CHECK, and not written; 0: no limit */
    uint64_t external_above_bytes; /* tensor bytes from which data go beside; 0: 1.5 GiB */
    bool sparse_initializers;      /* .onnx: float tensors of many zeros by what is not 0 */
    enum dsc_dtype folder_dtype;   /* of a folder's weights, F16 or BF16; else f32 */
    const struct dsc_log *log;     /* the opset is raised aloud; may be NULL */
    dsc_write_check_fn *check;     /* may be NULL */
    void *check_ctx;
};

/** What writing did. Zero-initialise; may be NULL. */
struct dsc_write_report {
    int64_t opset_before, opset_after; /* of ai.onnx; before is 0 for a graph of our own */
    int64_t ir_version;
    uint64_t size_bytes;    /* model and external data */
    int n_sparse;           /* initializers that are written sparse */
    char external_name[96]; /* data file beside the model, "" when none */
};

/** What a probe sees: the path, and the first bytes of a regular file. */
struct dsc_probe {
    const char *path;
    bool is_folder;
    const unsigned char *head;
    size_t n_head_bytes;
};

/** A row of formats.def. NULL functions: that direction is not supported. */
struct dsc_format {
    const char *name;   /* "onnx" */
    const char *text;   /* one line for help */
    bool takes_weights; /* reads dsc_read_opts.weights itself */
    bool (*probe)(const struct dsc_probe *p);
    /** Fills graph or tensors, and size_bytes. On failure the caller clears m. */
    enum dsc_status (*read)(struct dsc_model *m, const char *path, const struct dsc_read_opts *o,
                            struct dsc_err *err);
    /** Values of a stored tensor; NULL for formats that store none. */
    enum dsc_status (*load)(const struct dsc_model *m, const struct dsc_stored *s,
                            struct dsc_tensor *t, struct dsc_err *err);
    bool (*is_target)(const char *path); /* an output path of this format */
    enum dsc_status (*write)(const struct dsc_graph *g, const char *path,
                             const struct dsc_write_opts *o, struct dsc_write_report *report,
                             struct dsc_err *err);
    /** NULL: any graph. */
    enum dsc_status (*can_write)(const struct dsc_graph *g, const char *path, struct dsc_err *err);
};

const struct dsc_format *const *dsc_format_all(void); /* NULL ends them */

/**
 * Open a model. opts may be NULL. `m` holds nothing after a failure.
 *
 * Memory  initializers point into the mapped file where their alignment allows
 * Errors  NOINPUT; MAGIC (no format knows it); UNSUPPORTED names every operator and type that is
 *         not there, all at once; TRUNC, LIMIT, OVERFLOW, RANGE, DUP, TYPE, SHAPE, SCHEMA,
 * ENCODING, PATH, VERSION, INCONSISTENT for broken files
 */
enum dsc_status dsc_model_open(struct dsc_model *m, const char *path,
                               const struct dsc_read_opts *opts, struct dsc_err *err);
/** As dsc_model_open, and UNSUPPORTED when the file holds tensors without a graph. */
enum dsc_status dsc_model_open_graph(struct dsc_model *m, const char *path,
                                     const struct dsc_read_opts *opts, struct dsc_err *err);
void dsc_model_close(struct dsc_model *m);

/**
 * The values of m->stored[idx]: a view of the mapped file where they lie there as they are, else
 * decoded into memory.
 *
 * Memory  t is the caller's to clear; it may outlive m
 * Errors  UNSUPPORTED  an element type whose values are not read
 */
enum dsc_status dsc_model_load(const struct dsc_model *m, int idx, struct dsc_tensor *t,
                               struct dsc_err *err);
/** For readers: bring m->stored into order. Errors: DUP, a name that stands twice. */
enum dsc_status dsc_model_sort_stored(struct dsc_model *m, struct dsc_err *err);

/**
 * Write a graph in the format that the path asks for: ".onnx" a file, "DIR/" a folder.
 *
 * The graph is unchanged. Lowered operators are expanded on a copy. The file is read back by the
 * ordinary reader and compared with the graph before it gets its name.
 *
 * Errors  USAGE     no format has such a path
 *         CHECK     it is larger than opts->max_bytes
 *         EXISTS, IO, NOSPACE
 *         INTERNAL  an operator has no spelling in the format, or the file read back differs
 */
enum dsc_status dsc_model_write(const struct dsc_graph *g, const char *path,
                                const struct dsc_write_opts *opts, struct dsc_write_report *report,
                                struct dsc_err *err);

/**
 * The graph is no longer what the config.json builds that it came with: no folder can be written of
 * it.
 */
enum dsc_status dsc_model_forget_config(struct dsc_graph *g, struct dsc_err *err);

/** For writers: CHECK where the options want a smaller model. */
enum dsc_status dsc_model_check_size(const struct dsc_write_opts *o, uint64_t n_bytes,
                                     struct dsc_err *err);

/**
 * Would the format of that path hold such a graph? For verbs that run long before they write.
 * Errors  USAGE, UNSUPPORTED: as dsc_model_write would give
 */
enum dsc_status dsc_model_can_write(const struct dsc_graph *g, const char *path,
                                    struct dsc_err *err);

/**
 * ONNX, directly. `size_bytes` may be NULL.
 * Source  onnx.proto of onnx 1.23 (IR version 14)
 */
enum dsc_status dsc_onnx_read(struct dsc_graph **g, const char *path,
                              const struct dsc_read_opts *opts, uint64_t *size_bytes,
                              struct dsc_err *err);
enum dsc_status dsc_onnx_write(const struct dsc_graph *g, const char *path,
                               const struct dsc_write_opts *opts, struct dsc_write_report *report,
                               struct dsc_err *err);
/** Bytes that dsc_onnx_write would write, its data file with them; nothing is written. */
enum dsc_status dsc_onnx_size(const struct dsc_graph *g, uint64_t *n_bytes, struct dsc_err *err);

/** Two graphs are the same: names, order, attributes, types of inputs, bytes of tensors.
 *  Errors  INCONSISTENT, naming the first difference */
enum dsc_status dsc_graph_same(const struct dsc_graph *a, const struct dsc_graph *b,
                               struct dsc_err *err);

/**
 * One ONNX TensorProto in a file (input_0.pb of ONNX test data). `name` NULL: not wanted; else a
 * string of the arena, "" when the file has none.
 * Errors  UNSUPPORTED  strings and other types that tensors do not have
 */
enum dsc_status dsc_tensor_pb_read(struct dsc_tensor *t, char **name, struct dsc_arena *arena,
                                   const char *path, struct dsc_err *err);
enum dsc_status dsc_tensor_pb_write(const struct dsc_tensor *t, const char *name, const char *path,
                                    bool may_replace, struct dsc_err *err);

/** HDF5 and pickles are parsed in a child without privileges: does this system give one?
 *  Errors  DEVICE, MEMORY */
enum dsc_status dsc_jail_check(struct dsc_err *err);

/**
 * Safetensors. Read takes a file or "model.safetensors.index.json" with its shards; the bundle is
 * initialised by read, sorted, and points into the mapped files. Write sorts by name.
 *
 * Errors  ALIAS, RANGE (tensors overlap, leave holes, or leave the file), SCHEMA, DUP, PATH, LIMIT
 *         UNSUPPORTED  float8 and other element types
 * Source  https://github.com/huggingface/safetensors, "Format"
 */
enum dsc_status dsc_safetensors_read(struct dsc_bundle *b, const char *path, uint64_t *size_bytes,
                                     struct dsc_err *err);
enum dsc_status dsc_safetensors_write(const struct dsc_bundle *b, const char *path,
                                      bool may_replace, struct dsc_err *err);

/** Tensors to write, one in memory at a time. */
struct dsc_tensor_source {
    const struct dsc_stored
        *items; /* [n] by name: name, type, dtype, rank, dim of what is written */
    int n;
    const struct dsc_bundle_meta *meta; /* texts to write; may be NULL */
    int n_meta;
    const struct dsc_model *model; /* of a GGUF file: its metadata are kept; may be NULL */
    void *ctx;
    /** Values in the item's dtype. */
    enum dsc_status (*load)(void *ctx, int idx, struct dsc_tensor *t, struct dsc_err *err);
    /** The bytes as they are to be written, or NULL: values are loaded. May be NULL. */
    const void *(*raw)(void *ctx, int idx);
    /** Told when a tensor is written: 10 log10 of squares to squared errors. May be NULL. */
    void (*done)(void *ctx, int idx, double sqnr_db);
};

/**
 * Does the ordinary reader find in a written file as many tensors as src has, of their names (of
 * HDF5 without a '/' in front), element types and shapes? size_bytes may be NULL.
 *
 * Errors  INTERNAL  it does not; IO, MEMORY  as dsc_model_not_read_back
 */
enum dsc_status dsc_source_read_back(const struct dsc_tensor_source *src, const char *path,
                                     uint64_t *size_bytes, struct dsc_err *err);

/** dsc_safetensors_write of tensors that come one at a time; size_bytes may be NULL. The file is
 * read back before it gets its name. Errors also: as `load` gives */
enum dsc_status dsc_safetensors_write_from(const struct dsc_tensor_source *src, const char *path,
                                           bool may_replace, uint64_t *size_bytes,
                                           struct dsc_err *err);

/**
 * GGUF version 3. Types are those of gguf_types.def that have a writer; dtype is F32 where they are
 * codes. The file is read back before it gets its name. Bytes do not depend on n_threads.
 *
 * Errors  RANGE, NONFINITE  values that codes cannot hold
 *         as dsc_out_open, dsc_out_commit, and `load`
 */
enum dsc_status dsc_gguf_write(const struct dsc_tensor_source *src, const char *path,
                               bool may_replace, int n_threads, uint64_t *size_bytes,
                               struct dsc_err *err);

/**
 * HDF5: a dataset for each tensor, contiguous and little endian; texts are attributes of the root.
 * A '/' in a name makes groups, one in front is not kept. The file is read back before it gets its
 * name.
 *
 * Errors  USAGE  a stream; as dsc_out_open, dsc_out_commit, and `load`
 */
enum dsc_status dsc_h5_write(const struct dsc_tensor_source *src, const char *path,
                             bool may_replace, uint64_t *size_bytes, struct dsc_err *err);
/** Errors  UNSUPPORTED  a type or a name that HDF5 does not have */
enum dsc_status dsc_h5_fit(const struct dsc_stored *s, struct dsc_err *err);

/**
 * The type that s can be written as, for the one that is asked for: a wider one, where rows are no
 * whole blocks (q4_K q5_0 f16; q6_K q8_0 f16). `*dtype` is what its values are loaded as.
 *
 * Errors  UNSUPPORTED  a type that is not written, or more than 4 axes
 */
enum dsc_status dsc_gguf_fit(const char **type, enum dsc_dtype *dtype, const struct dsc_stored *s,
                             struct dsc_err *err);

#endif
