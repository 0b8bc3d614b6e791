/* Where the time of a run goes: by operator, by node, and as a trace. */
#ifndef DSC_CLI_PROFILE_H
#define DSC_CLI_PROFILE_H

#include "benchrun.h"

/**
 * Run the side a few times with a clock after each node. A node's time is the time since the one
 * before it, so that the interpreter's own work is in it.
 *
 * is_shown   print and report the times: by operator, and the ten slowest nodes
 * trace      write the last run in Chrome's trace event format; NULL: no
 * Errors  EXISTS, IO
 */
enum dsc_status dsc_profile(struct dsc_cmd *cmd, struct dsc_bench_side *side, bool is_shown,
                            const char *trace, bool may_replace, struct dsc_err *err);

#endif
