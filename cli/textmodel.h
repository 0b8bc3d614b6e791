/*
 * A model with what it takes to run it on rows of data: labels, which output is what, and for rows
 * of text the tokenizer and which input is what. Rows of an .npz need none of these. Shared by
 * every verb that runs a model on data.
 */
#ifndef DSC_CLI_TEXTMODEL_H
#define DSC_CLI_TEXTMODEL_H

#include "cmd.h"
#include "dsc/eval.h"
#include "dsc/exec.h"
#include "formats_data.h"
#include "formats_model.h"
#include "formats_text.h"

/** Roles of graph inputs. */
enum dsc_role { DSC_ROLE_IDS, DSC_ROLE_MASK, DSC_ROLE_TYPES, DSC_N_ROLES };

enum dsc_ending { DSC_ENDS_IN_LOGITS, DSC_ENDS_IN_SOFTMAX, DSC_ENDS_IN_SIGMOID };

/**
 * tok        NULL: none was given, and the model carries none; it then reads no text
 * input      [role]: place in the graph's inputs, -1: the graph has none
 * n_inputs   of the graph as it was read; training adds one behind them
 * is_single  it takes one row at a time
 * output     place of the logits (or, without a head, of the token vectors) in the outputs
 * ending     what makes probabilities of the logits, in the end
 * labels     class names, n_labels 0: none known
 * positive   name of the positive class, NULL: none said
 * n_int      products that run on integers, after dsc_textmodel_to_inference
 */
struct dsc_textmodel {
    const char *path;
    struct dsc_model model;
    struct dsc_tok *tok;
    int input[DSC_N_ROLES];
    int n_inputs;
    char told[65]; /* sha256 of the data whose repeated rows were told of */
    bool is_single;
    int output;
    enum dsc_ending ending;
    int32_t max_length;
    int64_t pad_to; /* widths of batches are multiples of it, or max_length */
    const char *const *labels;
    size_t n_labels;
    const char *positive;
    int n_int;
};

/**
 * Open a MODEL argument with --tokenizer, --max-length, --pad-to, --inputs, --logits and
 * --positive. Zero-initialise.
 *
 * Errors  SCHEMA       the output cannot be told: the message names those there
 *         UNSUPPORTED  batches of a fixed size other than 1
 *         as dsc_model_open_graph and dsc_tok_open_file
 */
enum dsc_status dsc_textmodel_open(struct dsc_textmodel *m, struct dsc_cmd *cmd, const char *path,
                                   struct dsc_err *err);
void dsc_textmodel_close(struct dsc_textmodel *m);

/** Does it give one number for a row: a value, or of two classes the second's logit (probability)?
 */
bool dsc_textmodel_has_one_output(const struct dsc_textmodel *m);

/**
 * In a copy g of m's graph, make the logits the output where probabilities are: losses want them.
 * Errors  UNSUPPORTED  Sigmoids of several classes, which do not exclude each other
 */
enum dsc_status dsc_textmodel_bare_logits(const struct dsc_textmodel *m, struct dsc_graph *g,
                                          struct dsc_err *err);

/** Rewrite the graph for running on dev: no dropout; what dev has fused, integer products too. */
enum dsc_status dsc_textmodel_to_inference(struct dsc_textmodel *m, const struct dsc_device *dev,
                                           struct dsc_err *err);

/** Store what there is of tokenizer, length, labels, positive class and names in the metadata. */
enum dsc_status dsc_textmodel_store(struct dsc_textmodel *m, struct dsc_err *err);

/**
 * Rows of an option's data as the options say, with the model's labels. `part` overrides --part
 * under --split (verbs that train take "train" and "dev").
 *
 * Errors  SCHEMA  rows of text, and no tokenizer, or inputs without a role
 *         as dsc_data_read
 */
enum dsc_status dsc_textmodel_data(struct dsc_textmodel *m, struct dsc_cmd *cmd, const char *path,
                                   enum dsc_part part, bool needs_label, struct dsc_dataset *d,
                                   struct dsc_err *err);

/** Rows of an option's data without their labels, if there are any; as dsc_textmodel_data. */
enum dsc_status dsc_textmodel_unlabeled(struct dsc_textmodel *m, struct dsc_cmd *cmd,
                                        const char *path, enum dsc_part part, struct dsc_dataset *d,
                                        struct dsc_err *err);

/**
 * Can it read rows of text? Those of another model may be its own: a baseline, a teacher.
 * Errors  SCHEMA  no tokenizer, or inputs without a role
 *         TYPE    inputs that are no integers
 */
enum dsc_status dsc_textmodel_check_texts(const struct dsc_textmodel *m, struct dsc_err *err);

/**
 * Inputs for n rows: one tensor per graph input, in their order; of texts the token ids, padded to
 * the longest. Inputs that the graph has a value for may stay zeroed. Row idx[i] becomes line i.
 */
enum dsc_status dsc_textmodel_fill(const struct dsc_textmodel *m, const struct dsc_dataset *d,
                                   const int64_t *idx, int64_t n, struct dsc_tensor *feeds,
                                   struct dsc_err *err);

/** The tokens of a row of text; max_length 0: uncut. */
enum dsc_status dsc_row_encode(const struct dsc_tok *tok, int32_t max_length,
                               const struct dsc_dataset *d, int64_t row, bool wants_offsets,
                               struct dsc_tok_enc *enc, struct dsc_err *err);

/** Do both cut a row of text into tokens of the same characters? */
enum dsc_status dsc_textmodel_cut_alike(const struct dsc_textmodel *a,
                                        const struct dsc_textmodel *b, const struct dsc_dataset *d,
                                        int64_t row, bool *is_alike, struct dsc_err *err);

/**
 * n rows of drawn arrays, for where there are no data: floats of variance 1, integers 0, masks of
 * tokens 1, lengths of a table's sequences full. types: of
 * the inputs, NULL as the graph has them; axes whose size is open have 8, the first n.
 * Memory  dsc_dataset_close
 */
enum dsc_status dsc_textmodel_draw(const struct dsc_textmodel *m, const struct dsc_type *types,
                                   int64_t n, uint64_t seed, struct dsc_arena *arena,
                                   struct dsc_dataset *d, struct dsc_err *err);

/** `batch`, or what the model can take. */
int64_t dsc_textmodel_batch(const struct dsc_textmodel *m, int64_t batch);

/** Tokens of the rows first .. first + n - 1 of text, into length [n]. */
enum dsc_status dsc_textmodel_lengths(const struct dsc_textmodel *m, const struct dsc_dataset *d,
                                      int64_t first, int64_t n, int32_t *length,
                                      struct dsc_err *err);

enum { DSC_TEXT_WINDOW = 1024 }; /* rows that are sorted by length together: bounds memory */

/**
 * Rows first .. first + n - 1, n <= DSC_TEXT_WINDOW: texts by number of tokens (ties by row), so
 * that batches of neighbours hold little padding.
 */
enum dsc_status dsc_textmodel_order(const struct dsc_textmodel *m, const struct dsc_dataset *d,
                                    int64_t first, int64_t n, int64_t *idx, struct dsc_err *err);

/**
 * Logits of all rows, in their order; probabilities where these come out. A model of two classes
 * with one logit gets a column of zeros before it: softmax is then the sigmoid of that logit.
 *
 * Shapes  *logits [d->n, *n_cols] on the heap (dsc_heap_free)
 * Errors  SHAPE  the output is not [rows, classes]
 */
enum dsc_status dsc_textmodel_predict(const struct dsc_textmodel *m, struct dsc_cmd *cmd,
                                      struct dsc_session *s, const struct dsc_dataset *d,
                                      int64_t batch, float **logits, int64_t *n_cols,
                                      struct dsc_err *err);

/**
 * Predictions for the metrics, from logits: labels and probabilities, or values for regression.
 * Memory  in `arena`
 */
enum dsc_status dsc_textmodel_judge(const struct dsc_textmodel *m, const struct dsc_dataset *d,
                                    const float *logits, int64_t n_cols, struct dsc_arena *arena,
                                    struct dsc_predictions *p, struct dsc_err *err);

/**
 * Logits by a graph of m, on a copy that is rewritten for running (dsc_textmodel_to_inference).
 * what    for the progress line; NULL: no progress
 * Memory  as dsc_textmodel_predict
 */
enum dsc_status dsc_textmodel_logits(const struct dsc_textmodel *m, const struct dsc_graph *g,
                                     struct dsc_cmd *cmd, const char *what, struct dsc_device *dev,
                                     const struct dsc_dataset *d, int64_t batch, float **logits,
                                     int64_t *n_cols, struct dsc_err *err);

/** After a run of m has failed: sizes that do not fit may be texts longer than the model takes. */
enum dsc_status dsc_textmodel_hint_length(const struct dsc_textmodel *m, struct dsc_err *err);

/**
 * A class must mean the same to two models that are compared: what only one of them knows of labels
 * and the positive class holds for both.
 * Errors  INCONSISTENT  other names, or another order
 */
enum dsc_status dsc_textmodel_share_labels(struct dsc_textmodel *a, struct dsc_textmodel *b,
                                           struct dsc_err *err);

#endif
