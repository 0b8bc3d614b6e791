/*
 * Hugging Face folders: what the parts of the reader and the writer share.
 *
 * fmt_hf.c      the folder: which files, in which order
 * hf_family.c   one row per model family
 * hf_config.c   config.json
 * hf_weights.c  tensors of the folder under the names that the graph uses
 * hf_build.c    building blocks: linear, normalization, dropout, constants
 * hf_encoder.c  embeddings and layers; hf_head.c poolers and heads
 * hf_meta.c     tokenizer, labels, pooling, length: metadata of the graph
 * hf_write.c    a graph back to a folder
 *
 * Names: an initializer is called as in the bare encoder ("encoder.layer.0.output.dense.weight"),
 * whatever the file puts in front ("bert."), so that an encoder and a classifier made of it agree.
 */
#ifndef HF_H
#define HF_H

#include "dsc/bundle.h"
#include "dsc/graph.h"
#include "dsc/io.h"
#include "dsc/log.h"
#include "formats_model.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#define HF_PROP_CONFIG "dscompress.hf.config"
/* 15 digits: 0.1 stays 0.1 */
#define HF_JSON (JSON_SORT_KEYS | JSON_REAL_PRECISION(15))
#define HF_PROP_MODULES "dscompress.hf.modules"
#define HF_PROPS_FILE "dscompress.json" /* metadata for which the other files have no place */

enum {
    HF_TEXT_MAX_BYTES = 256 * 1024 * 1024, /* tokenizer.json of a large vocabulary: 20 MB */
    HF_MAX_LAYERS = 1000,
    HF_MAX_POSITIONS = 65536,
    HF_MAX_BIAS_POSITIONS = 4096, /* a table of positions times positions */
    HF_BUCKETS = 32,
    HF_BUCKET_DISTANCE = 128
};

enum hf_positions {
    HF_POS_INDEX,    /* 0, 1, 2 .. */
    HF_POS_FROM_PAD, /* counted over tokens other than padding, from pad_token_id + 1 */
};

enum hf_head {
    HF_HEAD_POOLER,     /* pooler (dense, tanh), dropout, classifier */
    HF_HEAD_PRE_RELU,   /* pre_classifier, relu, dropout, classifier */
    HF_HEAD_DENSE_TANH, /* dropout, classifier.dense, tanh, dropout, classifier.out_proj */
    HF_HEAD_DENSE_GELU
};

/** Names in config.json; the numbers are what transformers takes when a key is absent. */
struct hf_keys {
    const char *hidden, *n_layers, *n_heads, *inner, *act, *dropout, *attn_dropout;
    const char *head_dropout; /* null or absent: as head_dropout_default says */
    const char *norm_eps;     /* NULL: always 1e-12 */
    int64_t hidden_default, n_layers_default, n_heads_default, inner_default, vocab_default;
    double head_dropout_default; /* < 0: the dropout of the encoder */
};

/** Names of tensors in a layer, without ".weight" and ".bias". */
struct hf_layer_names {
    const char *layer; /* "encoder.layer" */
    const char *query, *key, *value, *attn_out, *attn_norm, *inner, *out, *out_norm;
};

struct hf_family {
    const char *model_type;
    const char *prefix; /* of the encoder's tensors in a model with a head */
    const char *arch_base, *arch_classify;
    const struct hf_keys *keys;
    const struct hf_layer_names *names;
    enum hf_positions positions;
    enum hf_head head;
    bool has_types_input, has_types, has_pooler, has_projection, has_bias_table;
    bool is_attn_sum_plain; /* no dropout between attention and its residual sum */
    int64_t pad_default;
    int64_t fixed_pad; /* >= 0: whatever config.json says */
};

/** A checked config.json. */
struct hf_config {
    json_t *json;
    const struct hf_family *family;
    bool is_classifier;
    int64_t vocab, hidden, embedding, n_layers, n_heads, inner, n_positions, n_types, pad, n_labels;
    const char *act;
    double dropout, attn_dropout, head_dropout, norm_eps;
};

/** Weights under the graph's names. */
struct hf_weights {
    struct dsc_bundle tensors; /* sorted */
    bool *is_used;             /* [tensors.n], in the bundle's arena */
    enum dsc_dtype widened;    /* DSC_F16 or DSC_BF16 when such tensors were met */
};

/** One building of one graph. After a failure `st` is set and every step does nothing. */
struct hf_build {
    struct dsc_graph *g;
    const struct hf_config *c;
    struct hf_weights *w;
    struct dsc_bytes *problems; /* missing tensors and other shapes, one after another */
    int n_problems;
    int ids, mask, types;
    int64_t batch, sequence; /* symbols */
    int shape;               /* [2]: batch, sequence */
    int heads_shape;         /* [4]: batch, sequence, heads, size of a head */
    int flat_shape;          /* [2]: -1, hidden */
    int scale, mask_bias, position_bias;
    int dropout, attn_dropout, head_dropout;
    const char *out_name; /* of the next node's output; NULL: made of the node's name */
    enum dsc_status st;
    struct dsc_err *err;
};

extern const struct hf_family hf_families[];
extern const int hf_n_families;

/**
 * Read and check a config. Memory: hf_config_clear.
 * Errors  SCHEMA, RANGE; UNSUPPORTED naming the key
 */
enum dsc_status hf_config_read(struct hf_config *c, const char *json, size_t n_bytes,
                               const struct dsc_log *log, struct dsc_err *err);
void hf_config_clear(struct hf_config *c);

/** Tensors of a file to the graph's names and to f32; those of other heads are left out, aloud. */
enum dsc_status hf_weights_init(struct hf_weights *w, const struct dsc_bundle *file,
                                const struct hf_config *c, const struct dsc_log *log,
                                struct dsc_err *err);
void hf_weights_clear(struct hf_weights *w);

/** The graph of a config with these weights, verified. Errors: INCONSISTENT lists all tensors that
 *  are missing, unexpected or of another shape. */
enum dsc_status hf_graph_build(struct dsc_graph **g, const struct hf_config *c,
                               struct hf_weights *w, struct dsc_err *err);

/* Building blocks; each returns a value number, DSC_NO_VALUE after a failure. */
int hf_call(struct hf_build *b, const char *op, const char *name, int n_in, const int *in,
            struct dsc_node **node);
/** hf_call with attribute `key` = v. */
int hf_call_int(struct hf_build *b, const char *op, const char *name, int n_in, const int *in,
                const char *key, int64_t v);
/** What shape inference cannot see: the value is f32 [batch, sequence, d0(, d1)]. d1 0: rank 3. */
void hf_by_sequence(struct hf_build *b, int value, int64_t d0, int64_t d1);
int hf_i64s(struct hf_build *b, const char *name, int rank, int64_t n, const int64_t *v);
int hf_f32(struct hf_build *b, const char *name, double v);
/** The weight "NAME.SUFFIX" of that shape; a problem is noted, and building goes on. */
int hf_param(struct hf_build *b, const char *name, const char *suffix, int rank,
             const int64_t *dim);
/** x [N, n_in] to [N, n_out]: Gemm with the weight [n_out, n_in] as the file has it. */
int hf_linear(struct hf_build *b, int x, const char *name, int64_t n_in, int64_t n_out);
int hf_norm(struct hf_build *b, int x, const char *name, int64_t n);
int hf_dropout(struct hf_build *b, int x, const char *name, int ratio);
int hf_activation(struct hf_build *b, int x, const char *name, const char *act);
bool hf_activation_is_known(const char *act);
/** A name in the graph's arena; "" after a failure. */
const char *hf_name(struct hf_build *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/** Embeddings and layers: [batch * sequence, hidden]. */
int hf_encoder(struct hf_build *b);
/** Outputs: last_hidden_state and pooler_output where there is one, or logits. */
void hf_outputs(struct hf_build *b, int hidden);

/** Metadata from the files of a folder. */
enum dsc_status hf_meta_read(struct dsc_graph *g, const char *folder, const struct hf_config *c,
                             const struct dsc_log *log, struct dsc_err *err);
/** Files that are kept as metadata; a NULL name ends them. */
struct hf_kept {
    const char *name, *key;
};
extern const struct hf_kept hf_kept_files[];

/** The metadata of that key stands in config.json, tokenizer.json or a kept file. */
bool hf_prop_is_in_files(const char *key);

/** JSON as text with a final 0 (counted); jansson's dump flags. */
enum dsc_status hf_json_text(struct dsc_bytes *text, const json_t *j, size_t flags,
                             struct dsc_err *err);
/** FOLDER/NAME mapped; f->data NULL and no failure when there is no such file. */
enum dsc_status hf_open(struct dsc_file *f, struct dsc_arena *tmp, const char *folder,
                        const char *name, struct dsc_err *err);

bool hf_is_target(const char *path);
enum dsc_status hf_can_write(const struct dsc_graph *g, const char *path, struct dsc_err *err);
enum dsc_status hf_write(const struct dsc_graph *g, const char *path,
                         const struct dsc_write_opts *o, struct dsc_write_report *report,
                         struct dsc_err *err);

#endif
