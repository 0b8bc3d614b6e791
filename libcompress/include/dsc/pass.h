/*
 * Graph rewrites that are not quantization (dsc/quant.h): each takes a sorted, verified graph and
 * leaves one; running it twice changes nothing more.
 */
#ifndef DSC_PASS_H
#define DSC_PASS_H

#include "dsc/graph.h"
#include "dsc/linalg.h"
#include "dsc/status.h"

#include <stdint.h>

/** Dropout nodes become plain uses of their input (they pass it on outside training). */
enum dsc_status dsc_pass_strip_dropout(struct dsc_graph *g, struct dsc_err *err);

/**
 * BatchNormalization with constant statistics into the Gemm, MatMul of matrices, Conv or
 * ConvTranspose in front of it; those that have another product, or none, stay. Needs a sorted
 * graph; n_folded may be NULL.
 */
enum dsc_status dsc_pass_fold_batchnorm(struct dsc_graph *g, int *n_folded, struct dsc_err *err);

/** Where dsc_pass_put_dropout has put nodes, and how many the graph had. */
struct dsc_dropout_places {
    int n_embeddings; /* after the LayerNorm of the embeddings */
    int n_attention;  /* on attention probabilities */
    int n_residual;   /* before residual sums: attention output, feed-forward */
    int n_classifier; /* before the layer of a graph output, put or there already */
    int n_set;        /* nodes that were there: they got the rate, and none was put */
};

/**
 * Dropout of one rate where training of BERT-like encoders has it. A graph with Dropout nodes
 * elsewhere than before its classifier keeps its places; their rate is set. The places are found by
 * structure (pass_dropout.c), which is BERT's recipe: DistilBERT has none behind attention,
 * RoBERTa's head has a second one.
 *
 * Errors  UNSUPPORTED  no place was found
 */
enum dsc_status dsc_pass_put_dropout(struct dsc_graph *g, double rate,
                                     struct dsc_dropout_places *found, struct dsc_err *err);

/**
 * Products of f32 with a constant matrix -> dsc.PackedGemm, a following Add of a bias with them.
 * Values that others than such an Add read keep their numbers.
 */
enum dsc_status dsc_pass_pack_product(struct dsc_graph *g, struct dsc_err *err);

/** LSTM, GRU, RNN with a constant f32 R -> dsc.PackedRecurrent. */
enum dsc_status dsc_pass_pack_recurrent(struct dsc_graph *g, struct dsc_err *err);

/**
 * What eval, gate and bench run: dropout stripped, quantized products on integers.
 * n_int (may be NULL): products that run on integers.
 */
enum dsc_status dsc_pass_inference(struct dsc_graph *g, int *n_int, struct dsc_err *err);

/**
 * Cross-layer equalization: channels between two linear layers that have only Relu, LeakyRelu,
 * PRelu, or nothing that changes a number between them are scaled to the same range on both sides.
 * Results are the same but for the rounding of the weights. Weights and biases that others read as
 * well, and what is read by others than layers, stay.
 *
 * n_pairs  pairs that were found; a second run changes nothing
 * Source   Nagel et al. 2019, arXiv:1906.04721, section 4.1
 */
enum dsc_status dsc_pass_equalize(struct dsc_graph *g, int *n_pairs, struct dsc_err *err);
/** How many such pairs a sorted graph has. */
int dsc_pass_equalizable(const struct dsc_graph *g);

/**
 * The table [V, D] that the graph input `ids` looks up as two factors, [V, rank] looked up and
 * [rank, D] multiplied with it, named NAME and NAME.map: those of the least squared error.
 *
 * kept    part of the table's squared norm that the factors have
 * Errors  UNSUPPORTED  no such f32 table, or one that others read, too
 *         USAGE        rank is not below D
 * Source  Lan et al. 2019, arXiv:1909.11942 (factorized embeddings); Eckart and Young 1936
 */
enum dsc_status dsc_pass_factor_table(struct dsc_graph *g, int ids, int64_t rank,
                                      struct dsc_device *dev, double *kept, struct dsc_err *err);

struct dsc_dtype_report {
    int n_converted; /* tensors */
    int n_moved;     /* of them with elements that were out of range */
};

/**
 * A float graph in another float type; inputs and outputs are f32 (pass_dtype.c says where Casts
 * stand).
 *
 * to      F16: weights and computation. BF16: weights, computed in f32. F32: out of either
 * Errors  UNSUPPORTED  a quantized graph; an operator outside ai.onnx; a constant that is an input
 */
enum dsc_status dsc_pass_to_dtype(struct dsc_graph *g, enum dsc_dtype to,
                                  struct dsc_dtype_report *report, struct dsc_err *err);

/**
 * Weights (rank 1 and more) to the nearest f16 or bf16, stored as f32 all the same: for a format
 * that has the type of weights apart from the graph. Errors: RANGE, one is too large.
 */
enum dsc_status dsc_pass_round_weights(struct dsc_graph *g, enum dsc_dtype to, struct dsc_err *err);

/**
 * A new head on an encoder whose output 0 is token vectors [B, T, D] and that has an
 * attention_mask input [B, T]: pooled vectors, dropout, a linear layer with weights N(0, 0.02)
 * drawn from the seed and a bias of 0. The graph's only output becomes `logits` [B, n_labels].
 *
 * pooling  "mean" over the tokens of the mask, "cls" the first token, "max" over the mask's tokens
 * Errors   SCHEMA  the graph has no such output or input; USAGE an unknown pooling
 */
enum dsc_status dsc_head_build(struct dsc_graph *g, const char *pooling, int n_labels,
                               double dropout, uint64_t seed, struct dsc_err *err);

enum { DSC_RECURRENT_CATEGORIES_MAX = 64 };

/**
 * A new classifier of sequences of n_steps. Inputs: numbers [rows, T, n_channels] f32; a category
 * [rows, T] i32, below its n_values; lengths [rows] i32. Numbers are centred by mean and scaled by
 * scale, categories embedded; `cell` ("LSTM", "GRU", "RNN") n_layers times; the last state goes
 * through a linear layer. Weights are drawn from the seed by their names: uniform within
 * 1 / sqrt(n_hidden), embeddings N(0, 0.1), biases 0, of an LSTM's forget gate 1.
 * Output: logits [rows, n_outputs].
 */
struct dsc_recurrent_spec {
    const char *cell;
    int64_t n_hidden, n_layers, n_steps;
    int64_t n_channels;
    const float *mean, *scale; /* [n_channels] */
    int n_categories;
    const char *const *categories;
    const int64_t *n_values;
    int64_t n_embedding;
    int n_outputs;
    uint64_t seed;
};

/** g: a new graph. Errors: LIMIT, DUP (a category named as another input) */
enum dsc_status dsc_recurrent_build(struct dsc_graph *g, const struct dsc_recurrent_spec *s,
                                    struct dsc_err *err);

#endif
