/*
 * What an artefact says of itself: the `dscompress.*` keys of a model's metadata.
 *
 *   dscompress.tokenizer    the text of a tokenizer.json
 *   dscompress.labels       JSON list of class names, in the order of the logits
 *   dscompress.positive     the class that f1 means
 *   dscompress.task         "classify", "regress"
 *   dscompress.inputs       "ids=NAME,mask=NAME,types=NAME", where names do not tell
 *   dscompress.logits       the output that holds the logits, where there are several
 *   dscompress.max_length   texts are cut at so many tokens
 *   dscompress.pooling      "mean", "cls", "max": how a head pools token vectors
 *   dscompress.sparsity     JSON object, tensor: pattern ("2:4"); the zeros themselves are the mask
 *   dscompress.table        JSON: how rows of a table become sequences, see formats_table.h
 *   dscompress.provenance   JSON: how the file was made, see cli/provenance.c
 */
#ifndef FORMATS_PROPS_H
#define FORMATS_PROPS_H

#include "dsc/arena.h"
#include "dsc/graph.h"
#include "dsc/status.h"

#include <stddef.h>

#define DSC_PROP_TOKENIZER "dscompress.tokenizer"
#define DSC_PROP_LABELS "dscompress.labels"
#define DSC_PROP_POSITIVE "dscompress.positive"
#define DSC_PROP_TASK "dscompress.task"
#define DSC_PROP_INPUTS "dscompress.inputs"
#define DSC_PROP_LOGITS "dscompress.logits"
#define DSC_PROP_MAX_LENGTH "dscompress.max_length"
#define DSC_PROP_POOLING "dscompress.pooling"
#define DSC_PROP_SPARSITY "dscompress.sparsity"
#define DSC_PROP_TABLE "dscompress.table"
#define DSC_PROP_PROVENANCE "dscompress.provenance"

/**
 * The label names; *n = 0 when the model has none.
 * Memory  in `arena`
 * Errors  SCHEMA  the metadata are not a JSON list of texts
 */
enum dsc_status dsc_props_labels(const struct dsc_graph *g, struct dsc_arena *arena,
                                 const char *const **names, size_t *n, struct dsc_err *err);
enum dsc_status dsc_props_set_labels(struct dsc_graph *g, const char *const *names, size_t n,
                                     struct dsc_err *err);

/**
 * Note that n tensors were pruned by a pattern; what was noted of others stays.
 * Errors  SCHEMA    the metadata are no JSON object
 *         ENCODING  a name is not valid UTF-8
 */
enum dsc_status dsc_props_add_sparsity(struct dsc_graph *g, const char *const *tensors, size_t n,
                                       const char *pattern, struct dsc_err *err);

/** Tensors that the graph no longer holds are noted no longer. Errors: SCHEMA */
enum dsc_status dsc_props_trim_sparsity(struct dsc_graph *g, struct dsc_err *err);

/**
 * The tensors that were pruned, in the order of the metadata; *n = 0 when none were.
 * Memory  in `arena`
 * Errors  SCHEMA  the metadata are no JSON object
 */
enum dsc_status dsc_props_sparse(const struct dsc_graph *g, struct dsc_arena *arena,
                                 const char *const **tensors, size_t *n, struct dsc_err *err);

#endif
