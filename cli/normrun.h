/*
 * Statistics of BatchNormalization anew, after the weights in front of it have changed (Nagel et
 * al. 2022, arXiv:2203.11086, call it re-estimation).
 */
#ifndef DSC_CLI_NORMRUN_H
#define DSC_CLI_NORMRUN_H

#include "cmd.h"
#include "textmodel.h"

/** Nodes of g whose mean and variance are constants. */
int dsc_normrun_count(const struct dsc_graph *g);

/**
 * Mean and variance of each such node's input over the first n_rows rows of d, into m's graph.
 * While they are measured each batch is normalised by its own, so that a layer sees what it will
 * see when those before it have their new ones. Sums in f64.
 *
 * Errors  as dsc_session_run; NONFINITE, with the node named
 */
enum dsc_status dsc_normrun(struct dsc_cmd *cmd, struct dsc_textmodel *m,
                            const struct dsc_dataset *d, int64_t n_rows, int64_t batch,
                            struct dsc_device *dev, struct dsc_err *err);

#endif
