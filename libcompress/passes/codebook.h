/* Codes of fewer bits than ONNX's types have: words of several, and a codebook that holds them. */
#ifndef DSC_CODEBOOK_H
#define DSC_CODEBOOK_H

#include "passes/rewrite.h"

/** Codes low, low + step, .. of n_levels; n_codes of them are a word, the first its last digit. */
struct dsc_codebook {
    int n_levels, low, step, n_codes;
    enum dsc_dtype word; /* U8 or U16 */
};

/** NULL: codes of so many levels have a type of their own. */
const struct dsc_codebook *dsc_codebook_of(int n_levels);

/**
 * Codes as words, each row from a word on.
 *
 * Shapes  code [R,K] of the codebook's codes; words [R, ceil(K / n_codes)]
 */
enum dsc_status dsc_codebook_pack(const struct dsc_codebook *b, const struct dsc_tensor *code,
                                  struct dsc_tensor *words, struct dsc_err *err);

/** The int8 codes [.., n_cols] of words [.., W], a value of `rank`, as nodes called after `name`.
 */
enum dsc_status dsc_codebook_spell(struct dsc_graph *g, const struct dsc_codebook *b,
                                   const char *name, int words, int rank, int64_t n_cols, int *out,
                                   struct dsc_err *err);

/** The name of words: that of the codes, and this. */
#define DSC_WORDS_SUFFIX "_words"

/** Codes that were words: a constant, and how many levels they have. */
struct dsc_unpacked {
    int value, n_levels;
};

/**
 * Words in front of DequantizeLinear (and Cast, of signs of rows) become their int8 codes; those of
 * tables that are looked up only with has_tables. The graph is sorted then.
 *
 * Shapes  found [n_nodes], the first *n_found are set; both may be NULL
 * Errors  RANGE, SHAPE  words that the codebook does not hold, rows that are too long
 */
enum dsc_status dsc_quant_unpack(struct dsc_graph *g, bool has_tables, struct dsc_unpacked *found,
                                 int *n_found, struct dsc_err *err);

#endif
