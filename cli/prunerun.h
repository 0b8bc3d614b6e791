/* What the patterns of prune share: options, the choice by name, the report. */
#ifndef DSC_CLI_PRUNERUN_H
#define DSC_CLI_PRUNERUN_H

#include "cmd.h"
#include "dsc/census.h"
#include "dsc/prune.h"
#include "pattern.h"
#include "textmodel.h"
#include "trainrun.h"

struct dsc_prunerun {
    struct dsc_cmd *cmd;
    struct dsc_textmodel m;
    struct dsc_patterns include, exclude;
    const char *pattern; /* of --pattern */
    double sparsity;
    bool is_global;
    int64_t rank; /* of --rank; 0: --sparsity says it */
    int64_t calib_rows, batch;
    int64_t n_tokens;            /* of --keep-tokens; 0: all that the data use */
    bool permutes;               /* of --permute */
    bool is_sparse;              /* of --sparse-initializers */
    bool is_movement;            /* of --importance movement */
    struct dsc_trainrun *taylor; /* of --importance taylor, prepared; NULL: magnitude */
    struct dsc_param_census before;
};

/** Of --include and --exclude; ctx is a struct dsc_prunerun. */
enum dsc_prune_choice dsc_prunerun_choose(void *ctx, const char *weight, int n,
                                          const char *const *nodes);
/**
 * What a search for things to prune has given: USAGE for a pattern that matches nothing comes
 * first, since it may be why nothing was found; then `why` with the model's name.
 */
enum dsc_status dsc_prunerun_found(struct dsc_prunerun *r, enum dsc_status st,
                                   const struct dsc_err *why, struct dsc_err *err);
/** Parameters, nonzeros and bytes before and after, in the JSON report. */
enum dsc_status dsc_prunerun_counts(struct dsc_prunerun *r, double sparsity,
                                    struct dsc_param_census *after, struct dsc_err *err);

/** Patterns of zeros: find, mask, report, note in the metadata. */
enum dsc_status dsc_prune_to_zeros(struct dsc_prunerun *r, const struct dsc_mask_pattern *p,
                                   struct dsc_err *err);
/** The same while t trains: zeros grow (--schedule cubic), or scores do (is_movement). */
enum dsc_status dsc_prune_gradually(struct dsc_prunerun *r, const struct dsc_mask_pattern *p,
                                    struct dsc_trainrun *t, struct dsc_err *err);
/** Patterns of units: find, choose, report, cut (unless it is dry), note in the metadata. */
enum dsc_status dsc_prune_to_units(struct dsc_prunerun *r, enum dsc_axis_pattern p,
                                   struct dsc_err *err);
/** Pattern layers: find, choose, cut, report. */
enum dsc_status dsc_prune_to_layers(struct dsc_prunerun *r, struct dsc_err *err);
/** Rows of --data, if there are any, and how many of the rows (of --train, else) are looked at. */
enum dsc_status dsc_prune_open_lowrank(struct dsc_prunerun *r, struct dsc_dataset *d,
                                       struct dsc_err *err);
/**
 * Pattern lowrank: find, factor by what the rows show of the layers' inputs (NULL: by the weights
 * alone), report, put into the graph.
 */
enum dsc_status dsc_prune_to_lowrank(struct dsc_prunerun *r, const struct dsc_dataset *rows,
                                     struct dsc_device *dev, struct dsc_err *err);
/** Rows of --data, before work starts; then the tokens that they use, or the most used, stay. */
enum dsc_status dsc_prune_open_vocab(struct dsc_prunerun *r, struct dsc_dataset *d,
                                     struct dsc_err *err);
enum dsc_status dsc_prune_to_vocab(struct dsc_prunerun *r, const struct dsc_dataset *d,
                                   struct dsc_err *err);
/** Patterns that change sizes go to no folder. Errors: UNSUPPORTED */
enum dsc_status dsc_prunerun_check_folder(struct dsc_prunerun *r, struct dsc_err *err);

#endif
