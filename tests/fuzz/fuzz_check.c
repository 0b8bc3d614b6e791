/* What holds for every reader. */
#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>

void fuzz_fail(const struct dsc_err *err)
{
    fprintf(stderr, "%s: %s (%s) [%s]\n", err->file, err->message, err->where,
            dsc_status_class(err->status));
    abort();
}

void fuzz_check(enum dsc_status st, const struct dsc_err *err)
{
    if (st != err->status || st == DSC_E_INTERNAL || (st != DSC_OK && !err->message[0]))
        fuzz_fail(err);
}
