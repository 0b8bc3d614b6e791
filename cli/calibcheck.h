/*
 * What calibration data lack, short of being useless: told as warnings that name the tensors, and
 * in full in --json. Data that are useless (none, NaN, a tensor never reached) are errors where
 * they are read and in dsc_ranges_check.
 */
#ifndef DSC_CLI_CALIBCHECK_H
#define DSC_CLI_CALIBCHECK_H

#include "calib.h"
#include "cmd.h"
#include "weights.h"

/** Tokens of the rows without padding, and how many of them are unknown. */
struct dsc_token_count {
    int64_t n, n_unknown;
};

/** Too few rows, unknown tokens, tensors that are the same number on every row. */
void dsc_calibcheck_ranges(struct dsc_cmd *cmd, const struct dsc_ranges *r, int64_t n_rows,
                           struct dsc_token_count tokens);
/** Tensors of fewer values than the observer needs. */
void dsc_calibcheck_observer(struct dsc_cmd *cmd, const struct dsc_ranges *r,
                             const struct dsc_observer *o, double param);
/** Channels that were 0 on every row, of n inputs with limits, which have these names. */
void dsc_calibcheck_channels(struct dsc_cmd *cmd, const struct dsc_layer_input *inputs,
                             const char *const *names, int n);

#endif
