/*
 * What is known of each kind of check. Internal to eval.
 */
#ifndef DSC_EVAL_GATE_KINDS_H
#define DSC_EVAL_GATE_KINDS_H

#include "dsc/gate.h"

/** is_paired: it compares with the baseline on the same examples. */
struct dsc_check_info {
    const char *name; /* the option without its hyphens */
    const char *example;
    bool has_metric;
    bool is_paired;
};

extern const struct dsc_check_info dsc_check_infos[DSC_N_CHECK_KINDS];

#endif
