/* Which tokens of a tokenizer stay: by their use in rows of data. */
#ifndef DSC_CLI_TOKENUSE_H
#define DSC_CLI_TOKENUSE_H

#include "cmd.h"
#include "dsc/prune.h"
#include "textmodel.h"

/**
 * The tokens that stay, and the tokenizer of them: all that the rows use, or the most used ones (of
 * equal use and unused ones the first), as many as make at most n_most with what must stay beside
 * them (dsc_tok_shrink). Texts are read uncut: what --max-length leaves out today may be read
 * tomorrow.
 *
 * n_most  0: all that are used
 * Memory  map->new_id in cmd->arena; *small is the caller's (dsc_tok_close)
 * Errors  USAGE  more than n_most must stay, which `what` names; as dsc_row_encode
 */
enum dsc_status dsc_tokens_by_use(struct dsc_cmd *cmd, const struct dsc_tok *tok,
                                  const struct dsc_dataset *d, int64_t n_most, const char *what,
                                  struct dsc_prune_ids *map, struct dsc_tok **small,
                                  struct dsc_err *err);

#endif
