/* Shapes of inputs that a graph leaves open: --shapes. */
#ifndef DSC_CLI_SHAPES_H
#define DSC_CLI_SHAPES_H

#include "cmd.h"
#include "dsc/graph.h"

/**
 * Types of the inputs [n_inputs] with the sizes that --shapes gives (NAME:1x128, equal symbols are
 * equal sizes).
 *
 * Memory  in the verb's arena
 * Errors  USAGE  a shape that does not parse, or that is no input's
 *         SHAPE  a shape that contradicts the graph
 */
enum dsc_status dsc_cmd_input_types(struct dsc_cmd *cmd, const struct dsc_graph *g,
                                    struct dsc_type **types, struct dsc_err *err);

#endif
