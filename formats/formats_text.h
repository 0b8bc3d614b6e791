/*
 * Tokenizers: texts to token ids, equal to Hugging Face's.
 *
 * A tokenizer is opened from the text of a tokenizer.json, or from a vocab.txt (WordPiece). Once
 * open it does not change: any number of threads may encode with one tokenizer, each with an
 * encoding of its own. What a tokenizer.json asks for and this file does not do is an UNSUPPORTED
 * error that names it, never an approximation.
 *
 *     struct dsc_tok_enc enc = {0};
 *     DSC_TRY(dsc_tok_open_file(&tok, "model/tokenizer.json", err));
 *     DSC_TRY(dsc_tok_encode(tok, &(struct dsc_tok_in){.text = s, .n_text_bytes = strlen(s),
 *                                                     .max_length = 128}, &enc, err));
 *     .. enc.ids[0 .. enc.n) ..
 *     dsc_tok_enc_clear(&enc);
 *     dsc_tok_close(tok);
 */
#ifndef DSC_FORMATS_TEXT_H
#define DSC_FORMATS_TEXT_H

#include "dsc/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dsc_tok;
struct dsc_tok_scratch;

/** What a tokenizer is. Pointers live as long as the tokenizer; ids are -1 where there is none. */
struct dsc_tok_info {
    const char *model;        /* "WordPiece", "BPE", "Unigram" */
    int32_t n_ids;            /* highest id + 1, added tokens included: rows of an embedding */
    int32_t pad_id;           /* of "padding", of the config, or of a token [PAD], <pad> */
    int32_t pad_type_id;      /* the type id of padding, 0 unless the file says otherwise */
    int32_t unk_id;           /* of the model's unknown token */
    const char *pad_token;    /* NULL when pad_id is -1 */
    bool pads_left;           /* the file asks for padding in front */
    int32_t file_max_length;  /* of the file's "truncation"; 0 when it has none */
    int32_t n_special_single; /* tokens that the post-processor adds to one text, to a pair */
    int32_t n_special_pair;
};

/**
 * Open a tokenizer from the text of a tokenizer.json.
 *
 * config, n_config_bytes: the text of the tokenizer_config.json beside it, or NULL, 0; of it,
 * pad_token is read.
 * Memory  *tok is the caller's, to be closed; the text is copied
 * Errors  MAGIC        not JSON; err.where has line and column
 *         SCHEMA       a key that is missing or of the wrong kind
 *         UNSUPPORTED  a model, normalizer, pre-tokenizer, post-processor or key of one that is
 *                      not done here, by name
 *         DUP          a token or id that stands twice
 *         INCONSISTENT merges of unknown tokens, an unknown token that is not in the vocabulary ..
 *         LIMIT        text above 256 MiB, an id of 2^24 or more
 */
enum dsc_status dsc_tok_open_json(struct dsc_tok **tok, const char *json, size_t n_bytes,
                                  const char *config, size_t n_config_bytes, struct dsc_err *err);

/**
 * Open a WordPiece tokenizer from a vocab.txt: one token a line, the id is the line, an empty line
 * is an id without a token.
 *
 * The config is a tokenizer_config.json, or NULL: do_lower_case (true), strip_accents (as
 * do_lower_case), tokenize_chinese_chars (true), the names of the special tokens, and
 * tokenizer_class: MPNetTokenizer puts <s> .. </s> around texts, all others [CLS] .. [SEP].
 * Errors  ENCODING  the bytes are not UTF-8
 *         DUP, LIMIT, UNSUPPORTED (a class that is no WordPiece), as above
 */
enum dsc_status dsc_tok_open_vocab(struct dsc_tok **tok, const char *vocab, size_t n_bytes,
                                   const char *config, size_t n_config_bytes, struct dsc_err *err);

/**
 * Open a file: a tokenizer.json when its first character is '{', else a vocab.txt. A
 * tokenizer_config.json in the same folder is used.
 *
 * Errors  NOINPUT  missing or unreadable; err.file is set for every error
 */
enum dsc_status dsc_tok_open_file(struct dsc_tok **tok, const char *path, struct dsc_err *err);
void dsc_tok_close(struct dsc_tok *tok); /* NULL is allowed */

struct dsc_tok_info dsc_tok_info(const struct dsc_tok *tok);

/**
 * The text of a tokenizer.json, n_bytes without the final 0: what an artefact stores. For a
 * vocab.txt, an equivalent one; for a tokenizer.json, the very bytes. Lives as long as tok.
 */
const char *dsc_tok_json(const struct dsc_tok *tok, size_t *n_bytes);

/** The id of a token, added tokens included; -1 when there is none. */
int32_t dsc_tok_id(const struct dsc_tok *tok, const char *token, size_t n_bytes);

/** The token of an id, as the vocabulary spells it; NULL for an id without one. */
const char *dsc_tok_token(const struct dsc_tok *tok, int64_t id, size_t *n_bytes);

/**
 * A tokenizer without the tokens that are not used, ids closed up. Those stay, too, that it puts in
 * or knows by name (special and added tokens), characters and bytes, into which a word falls apart
 * whose longer pieces are gone, and what tokens that stay are merged from.
 *
 * is_used  [n_ids]
 * new_id   [n_ids], filled: -1 a token that is gone
 * Memory   *small is the caller's, to be closed
 * Errors   UNSUPPORTED  a BPE tokenizer with a prefix or suffix of words
 */
enum dsc_status dsc_tok_shrink(const struct dsc_tok *tok, const bool *is_used, int32_t *new_id,
                               int32_t *n_kept, struct dsc_tok **small, struct dsc_err *err);

/** One text, or a pair of texts (pair not NULL), in UTF-8; a 0 byte is a character like others. */
struct dsc_tok_in {
    const char *text;
    size_t n_text_bytes;
    const char *pair;
    size_t n_pair_bytes;
    int32_t max_length;   /* 0 = no truncation; else ids of at most this many, specials included */
    bool without_special; /* leave the post-processor's tokens out */
    bool wants_offsets;   /* fill offsets, at some cost */
};

/**
 * The bytes [lo, hi) of a text that a token stands for, and the same in characters, as Hugging
 * Face's Encoding.offsets has them; which: 0 the text, 1 the pair, -1 none (special, padding).
 */
struct dsc_tok_offset {
    uint32_t lo, hi, char_lo, char_hi;
    int32_t which;
};

/**
 * An encoding; zero-initialise, use again for any number of texts, clear once.
 *
 * Shapes  ids, type_ids, mask [n]; int64 as models take them; mask is all 1
 */
struct dsc_tok_enc {
    int64_t *ids;
    int64_t *type_ids;
    int64_t *mask;
    struct dsc_tok_offset *offsets; /* NULL unless they were asked for */
    size_t n;
    bool is_truncated;
    size_t cap;
    struct dsc_tok_scratch *scratch;
};

/**
 * Encode. Truncation is Hugging Face's longest_first: the longer text of a pair loses tokens
 * first, at the end of the text unless the file's "truncation" says Left.
 *
 * Memory  enc grows as needed and is overwritten
 * Errors  ENCODING  not UTF-8; err.where has the byte offset ("byte 17", or "pair, byte 17")
 *         USAGE     max_length is negative or below the number of special tokens
 *         LIMIT     a regular expression of the tokenizer that takes too many steps on this text
 *         UNSUPPORTED   a Replace whose pattern matches without a character of the text
 *         INCONSISTENT  the text needs an unknown token, and the tokenizer has none
 */
enum dsc_status dsc_tok_encode(const struct dsc_tok *tok, const struct dsc_tok_in *in,
                               struct dsc_tok_enc *enc, struct dsc_err *err);
void dsc_tok_enc_clear(struct dsc_tok_enc *enc);

/**
 * Add padding to an encoding up to n ids (mask 0, the pad id and type), on the side that the file
 * says. An encoding of n or more ids is left as it is.
 *
 * Errors  UNSUPPORTED  the tokenizer has no padding token
 */
enum dsc_status dsc_tok_pad(const struct dsc_tok *tok, struct dsc_tok_enc *enc, size_t n,
                            struct dsc_err *err);

/** Offset of the first byte that is not valid UTF-8 (as RFC 3629 has it), n_bytes when all are. */
size_t dsc_utf8_check(const char *s, size_t n_bytes);

/** A name with that end: the extension of a path, the last parts of a parameter's name. */
bool dsc_ends_with(const char *name, const char *end);

#endif
