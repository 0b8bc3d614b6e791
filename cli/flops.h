/* Operations of one pass, counted on a real run. */
#ifndef DSC_CLI_FLOPS_H
#define DSC_CLI_FLOPS_H

#include "cmd.h"
#include "dsc/graph.h"

/**
 * Run the graph once on made-up inputs of the shapes that --shapes gives (NAME:1x128, equal symbols
 * are equal sizes), and sum the operations of all nodes with the shapes that they really had.
 *
 * Errors  USAGE  a shape that is not given, that does not parse, or that is no input's
 *         SHAPE  a shape that contradicts the graph
 */
enum dsc_status dsc_cmd_flops(struct dsc_cmd *cmd, const struct dsc_graph *g, int64_t *flops,
                              struct dsc_err *err);

#endif
