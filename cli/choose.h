/*
 * What static quantization does where the user does not say: each of a few candidates is tried on
 * rows of the calibration data that it has not seen, and the one whose outputs stay nearest to the
 * float model's is taken; of equals the simplest.
 */
#ifndef DSC_CLI_CHOOSE_H
#define DSC_CLI_CHOOSE_H

#include "staticrun.h"

/** Words of --choose. Where nothing is tried --smooth is 0.95, biases stay. */
enum dsc_choice { DSC_CHOOSE_AUTO, DSC_CHOOSE_ALWAYS, DSC_CHOOSE_NEVER };

/**
 * Values for --smooth, --bias-correction and --equalize where they were not given, and --observer
 * with them; they are set as options, and in r, whose graph, rows and ranges stay as they are.
 * "candidates" of the report, and a table. --equalize is tried where the graph has pairs of layers
 * for it.
 *
 * when    AUTO tries where 100 rows are held out and something was not given; ALWAYS fails where
 *         it cannot
 * Errors  as dsc_staticrun_observe and dsc_staticrun_insert; USAGE: ALWAYS for fewer than 20 rows,
 *         or where all are given
 */
enum dsc_status dsc_choose(struct dsc_staticrun *r, enum dsc_choice when, struct dsc_err *err);
/** --smooth as it is where nothing is tried. */
const char *dsc_choose_untried_smooth(struct dsc_cmd *cmd);
/** --observer where it was not given. */
const char *dsc_choose_observer(const struct dsc_smooth *smooth);

#endif
