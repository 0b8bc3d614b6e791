/* More rows of text: words replaced by others that stand near them in the model's embedding. */
#ifndef DSC_CLI_AUGMENT_H
#define DSC_CLI_AUGMENT_H

#include "cmd.h"
#include "textmodel.h"

/**
 * --augment N and --augment-rate P: of each row of d, N copies without labels in which every whole
 * word that is one token becomes, with probability P, one of the 15 tokens of the largest cosine to
 * it in the table that m looks its tokens up in. A copy in which nothing changed is left out. The
 * draws depend on the seed, the row and the copy alone.
 *
 * out     the copies; texts lie in the command's arena
 * Errors  USAGE        rows of arrays
 *         UNSUPPORTED  m looks its tokens up in no float table
 *         EMPTY        no word of the rows could be replaced
 * Source  the augmentation of Jiao et al. 2020, arXiv:1909.10351, algorithm 1, which asks a masked
 *         model for words of one token, and GloVe vectors for others
 */
enum dsc_status dsc_augment(struct dsc_cmd *cmd, const struct dsc_textmodel *m,
                            const struct dsc_dataset *d, struct dsc_dataset *out,
                            struct dsc_err *err);

#endif
