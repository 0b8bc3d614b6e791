/* What several verbs do with their arguments: open data and tokenizers as the options say. */
#ifndef DSC_CLI_INPUTS_H
#define DSC_CLI_INPUTS_H

#include "cmd.h"
#include "formats_data.h"
#include "formats_text.h"

/**
 * How to read data, from --columns, --encoding-errors, --split and --part. Labels and target are
 * left for the verb.
 *
 * Errors  USAGE  a split or part that cannot be; --part without --split
 */
enum dsc_status dsc_cmd_data_spec(struct dsc_cmd *cmd, struct dsc_data_spec *spec,
                                  struct dsc_err *err);

/**
 * For verbs that take no part by themselves: a split alone would take all rows, those to train on
 * too.
 * Errors  USAGE  --split without --part
 */
enum dsc_status dsc_cmd_check_part(const struct dsc_data_spec *spec, struct dsc_err *err);

/**
 * The tokenizer of a MODEL argument: a tokenizer.json or vocab.txt, a folder that holds one, or an
 * ONNX artefact that carries one.
 *
 * Memory  dsc_tok_close
 * Errors  NOINPUT  no such file, or a folder without a tokenizer
 *         SCHEMA   a model without a tokenizer
 */
enum dsc_status dsc_cmd_tokenizer(struct dsc_cmd *cmd, const char *path, struct dsc_tok **tok,
                                  struct dsc_err *err);

#endif
