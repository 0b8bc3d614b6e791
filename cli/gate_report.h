/* The gate's verdict for people, JSON, JUnit XML and GitHub. No decision is made here. */
#ifndef DSC_CLI_GATE_REPORT_H
#define DSC_CLI_GATE_REPORT_H

#include "cmd.h"
#include "dsc/gate.h"

/**
 * All bars that --min, --max-drop, --retain, --max-size, --max-params and --min-speedup ask for, in
 * this order.
 *
 * Memory  in cmd->arena
 * Errors  USAGE  none was asked for; as dsc_check_parse
 */
enum dsc_status dsc_gate_checks(struct dsc_cmd *cmd, struct dsc_check **checks, size_t *n_checks,
                                struct dsc_err *err);

/** A table of the rows, McNemar's test, and one line with the verdict. */
enum dsc_status dsc_gate_print(struct dsc_cmd *cmd, const struct dsc_verdict *v,
                               struct dsc_err *err);

/** "pass", "n", "checks" and "mcnemar" in the open object of `j`. */
void dsc_gate_json(struct dsc_json *j, const struct dsc_verdict *v);

/** One workflow command a row: ::error for a missed bar, ::notice for a cleared one. */
void dsc_gate_github(FILE *f, const struct dsc_verdict *v, const char *candidate);

/**
 * JUnit XML, one test case a row; `candidate` names the suite.
 *
 * Errors  EXISTS, IO, NOSPACE  as dsc_out_open and dsc_out_commit
 */
enum dsc_status dsc_gate_junit(const struct dsc_verdict *v, const char *candidate, const char *path,
                               bool may_replace, struct dsc_err *err);

#endif
