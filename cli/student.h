/* A student made of its teacher: fewer layers, heads, neurons, tokens. */
#ifndef DSC_CLI_STUDENT_H
#define DSC_CLI_STUDENT_H

#include "cmd.h"
#include "textmodel.h"

/**
 * m, read from the teacher's file, becomes what --student-spec says, with weights by --init: the
 * teacher's (layers evenly spaced, the last one among them; of width, heads and neurons those of
 * the largest norm; the tokens that the rows d use most), or drawn.
 *
 * Errors  USAGE        an unknown key, or a size that the teacher does not have
 *         UNSUPPORTED  what cannot be made smaller, with the place
 */
enum dsc_status dsc_student_build(struct dsc_cmd *cmd, struct dsc_textmodel *m,
                                  const struct dsc_dataset *d, struct dsc_err *err);

#endif
