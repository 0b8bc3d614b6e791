/* PyTorch files: the part that runs in a child process, for the fuzzer. */
#ifndef PT_H
#define PT_H

#include "dsc/io.h"
#include "formats_model.h"

/** For jail_run: ctx is a struct dsc_model whose file is mapped; the answer are its tensors. */
enum dsc_status pt_child_list(const void *ctx, struct dsc_bytes *answer, struct dsc_err *err);

#endif
