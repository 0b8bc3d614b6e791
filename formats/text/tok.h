/*
 * Inside of the tokenizers. A text goes through the stages of Hugging Face's pipeline:
 *
 *     text --added tokens--> fragments --normalizers--> --added tokens--> fragments
 *          --pre-tokenizers--> words --model--> ids --truncation, post-processor--> encoding
 *
 * Normalizers, pre-tokenizers and models are rows of tables; a row parses its part of the
 * tokenizer.json once and is const from then on. Working memory is in the encoding (tok_scratch).
 */
#ifndef DSC_TOK_H
#define DSC_TOK_H

#include "dsc/arena.h"
#include "dsc/io.h"
#include "dsc/status.h"
#include "uni.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    TOK_FILE_MAX_BYTES = 256 * 1024 * 1024,
    TOK_MAX_ID = (1 << 24) - 1,
    TOK_MAX_STEPS = 64, /* normalizers or pre-tokenizers in a sequence */
    TOK_NONE = -1
};

struct tok_str {
    const char *s;
    size_t n;
};

/* Open-addressing index of words by their text from byte `skip` on. Load is at most one half. */
struct tok_slot {
    uint32_t tag; /* upper half of the hash */
    uint32_t id1; /* id + 1, 0 = free */
};

struct tok_index {
    struct tok_slot *slots;
    uint64_t mask;
    size_t skip;
};

struct tok_vocab {
    struct tok_str *words; /* by id; s is NULL where an id has no token */
    int32_t n_ids;
    size_t max_bytes; /* of the longest word */
    bool last_wins;   /* a word may stand twice, and has its last id; else DUP */
    struct tok_index index;
};

/* FNV-1a, one byte more; the hash of a word's prefixes comes with that of the word. */
#define TOK_HASH_START UINT64_C(0xCBF29CE484222325)

static inline uint64_t tok_hash_more(uint64_t h, char c)
{
    return (h ^ (unsigned char)c) * UINT64_C(0x100000001B3);
}

enum dsc_status dsc_tok_vocab_init(struct tok_vocab *v, struct dsc_arena *a, size_t n_ids,
                                   struct dsc_err *err);
/* Errors: DUP of the text or the id, RANGE of the id. The text is copied. */
enum dsc_status dsc_tok_vocab_add(struct tok_vocab *v, struct dsc_arena *a, struct tok_str word,
                                  int64_t id, struct dsc_err *err);
int32_t dsc_tok_vocab_find(const struct tok_vocab *v, const char *s, size_t n);
/* The ids of <0x00> .. <0xFF>, which stand for bytes of unknown characters. */
void dsc_tok_byte_ids(const struct tok_vocab *v, int32_t id[256]);
/* Index the words that start with the prefix, by what follows it. */
enum dsc_status dsc_tok_index_suffixes(const struct tok_vocab *v, struct tok_str prefix,
                                       struct tok_index *x, struct dsc_arena *a,
                                       struct dsc_err *err);
/* The id of s in the index, h its hash; TOK_NONE when it is not there. */
int32_t dsc_tok_index_find(const struct tok_vocab *v, const struct tok_index *x, uint64_t h,
                           const char *s, size_t n);

/* Trie over bytes: edges (node, byte) -> node in one hash table. Node 0 is the root. */
struct tok_edge {
    uint64_t key1; /* (node << 8 | byte) + 1, 0 = free */
    uint32_t node;
};

struct tok_trie {
    struct tok_edge *edges;
    uint64_t mask;
    int32_t *value; /* by node; TOK_NONE = no word ends here */
    uint32_t n_nodes, cap_nodes;
    bool starts[256]; /* first bytes of words */
};

/* n_nodes: at most so many besides the root; the bytes of all words bound them. */
enum dsc_status dsc_tok_trie_init(struct tok_trie *t, struct dsc_arena *a, size_t n_nodes,
                                  struct dsc_err *err);
void dsc_tok_trie_add(struct tok_trie *t, struct tok_str word, int32_t value);

static inline uint64_t tok_edge_slot(uint64_t key)
{
    key *= UINT64_C(0x9E3779B97F4A7C15);
    return key ^ key >> 32;
}

/* The node behind (node, byte); 0 when there is none. */
static inline uint32_t tok_trie_step(const struct tok_trie *t, uint32_t node, unsigned char byte)
{
    uint64_t key = (uint64_t)node << 8 | byte;

    for (uint64_t i = tok_edge_slot(key) & t->mask; t->edges[i].key1; i = (i + 1) & t->mask) {
        if (t->edges[i].key1 == key + 1)
            return t->edges[i].node;
    }
    return 0;
}

/* Bytes of the raw text: each byte of a text that was made of it carries those of its character. */
struct tok_span {
    uint32_t lo, hi;           /* bytes */
    uint32_t char_lo, char_hi; /* the same in characters */
};

struct tok_spans {
    struct tok_span *at;
    size_t n, cap;
    bool is_failed;
};

/* A part of a text: a word, or a token that is found already. */
struct tok_piece {
    size_t start, n_bytes; /* in the fragment list's text */
    int32_t id;            /* TOK_NONE: text */
    bool is_start;         /* its first character is the first one of the raw text */
};

struct tok_frags {
    struct dsc_bytes text;
    struct tok_piece *piece;
    size_t n, cap;
    bool is_failed;
    /* With offsets: spans of the text's bytes, and where emitted bytes are cut from. */
    bool has_spans;
    struct tok_spans spans;
    const char *src;
    const struct tok_span *src_span;
};

/* A cut of a text: does [lo, hi) match the pattern? */
struct tok_range {
    size_t lo, hi;
    bool is_match;
};

struct tok_ids {
    int32_t *id;
    struct tok_span *span; /* in the word while the model runs, then in the raw text */
    size_t n, cap;
    bool is_failed;
};

struct dsc_tok_scratch {
    struct tok_frags frags[2];
    struct dsc_bytes norm[2]; /* the normalizers' input and output, in turn */
    struct dsc_bytes work[2]; /* inside of one normalizer or pre-tokenizer */
    struct uni_cps cps;
    struct tok_ids ids, first; /* of the text at hand, and of the first of a pair */
    struct tok_range *range;
    size_t n_ranges, cap_ranges;
    bool is_range_failed;
    size_t max_ids;          /* more are not needed: truncation drops them */
    struct dsc_bytes memory; /* of the model */
    void *match;             /* pcre2_match_data */
    /* With offsets: spans of the normalizer's input and output, and of work[0] or work[1]. */
    bool has_spans;
    const struct tok_span *from;
    struct tok_spans *to;
    struct tok_spans raw_spans, norm_spans[2], work_spans;
};

void dsc_tok_scratch_clear(struct dsc_tok_scratch *x);
/* An empty piece is not emitted. */
void dsc_tok_emit(struct tok_frags *f, const char *s, size_t n, int32_t id, bool is_start);
void dsc_tok_push_id(struct tok_ids *ids, int32_t id);
/* An id that stands for bytes lo .. hi of the word at hand. */
void dsc_tok_push_at(struct tok_ids *ids, int32_t id, size_t lo, size_t hi);
/* One span more. */
void dsc_tok_push_span(struct tok_spans *spans, struct tok_span span);
/* What was put into a normalizer's output since the last call comes from byte `at` of its input. */
void dsc_tok_track(struct dsc_tok_scratch *x, const struct dsc_bytes *out, size_t at);
/* The same, byte by byte from `at` on. */
void dsc_tok_track_copy(struct dsc_tok_scratch *x, const struct dsc_bytes *out, size_t at);
void dsc_tok_push_range(struct dsc_tok_scratch *x, size_t lo, size_t hi, bool is_match);
/* n bytes of the model's working memory, not cleared. */
void *dsc_tok_memory(struct dsc_tok_scratch *x, size_t n, size_t elem_bytes, struct dsc_err *err);

enum tok_behavior {
    TOK_REMOVED,
    TOK_ISOLATED,
    TOK_MERGED_WITH_PREVIOUS,
    TOK_MERGED_WITH_NEXT,
    TOK_CONTIGUOUS
};

/* Emit the ranges of x, which cover s, as the behavior says; `inverts` swaps match and gap. */
void dsc_tok_cut(struct dsc_tok_scratch *x, const char *s, bool inverts, enum tok_behavior b,
                 bool is_start, struct tok_frags *out);

/* A pattern of a Split or a Replace: a literal, the GPT-2 expression, or PCRE2. */
enum tok_pattern_kind { TOK_LITERAL, TOK_GPT2, TOK_PCRE2 };

struct tok_pattern {
    enum tok_pattern_kind kind;
    struct tok_str literal;
    void *code;    /* pcre2_code */
    void *context; /* pcre2_match_context, with the limits */
};

struct dsc_tok;
struct tok_norm;
struct tok_pre;

enum dsc_status dsc_tok_pattern_parse(struct dsc_tok *t, const json_t *j, struct tok_pattern *p,
                                      const char *what, struct dsc_err *err);
void dsc_tok_pattern_close(struct tok_pattern *p);
void dsc_tok_match_free(void *match);
/* Fill the ranges of x with the matches and the gaps between. Errors: LIMIT, MEMORY. */
enum dsc_status dsc_tok_pattern_find(const struct tok_pattern *p, const char *s, size_t n,
                                     struct dsc_tok_scratch *x, struct dsc_err *err);
/* The ranges of GPT-2's expression; all of them are matches. */
void dsc_tok_gpt2_find(const char *s, size_t n, struct dsc_tok_scratch *x);

struct tok_norm_kind {
    const char *type; /* in tokenizer.json */
    enum dsc_status (*parse)(struct dsc_tok *t, const json_t *j, struct tok_norm *n,
                             struct dsc_err *err);
    /* Append the normalized s to out; clear *is_start when the first character is dropped. */
    enum dsc_status (*apply)(const struct tok_norm *n, const char *s, size_t n_bytes,
                             struct dsc_bytes *out, bool *is_start, struct dsc_tok_scratch *x,
                             struct dsc_err *err);
};

struct tok_norm {
    const struct tok_norm_kind *kind;
    unsigned flags;
    struct tok_str text;
    struct tok_pattern pattern;
    const struct tok_charsmap *charsmap;
};

/* text_spans.c */
/* A character of n_bytes in a normalizer's output: 0, it replaces the next one of the input; 1, it
 * is an addition; -k, it replaces the next one and k more. The list is in the ranges of x. */
void dsc_tok_push_change(struct dsc_tok_scratch *x, size_t n_bytes, int change);
void dsc_tok_add_change(struct dsc_tok_scratch *x, int change); /* to the last one */
/* Spans of the output by the list. */
void dsc_tok_track_changes(struct dsc_tok_scratch *x, const char *s, size_t n);
/* The raw text's own spans. Errors: MEMORY; LIMIT, 4 GiB. */
enum dsc_status dsc_tok_spans_start(struct dsc_tok_scratch *x, const char *s, size_t n,
                                    struct dsc_err *err);
/* One normalizer with x->from and x->to set. */
enum dsc_status dsc_tok_norm_tracked(const struct tok_norm *n, const char *s, size_t n_bytes,
                                     struct dsc_bytes *out, bool *is_start,
                                     struct dsc_tok_scratch *x, struct dsc_err *err);
/* Ids from n_before on, of a word with these spans: from places in the word to the raw text. */
void dsc_tok_spans_of_word(struct tok_ids *ids, size_t n_before, const struct tok_span *word,
                           size_t n_word);
/* Spaces that ByteLevel put into tokens leave their spans. */
void dsc_tok_spans_trim(const struct dsc_tok *t, const char *text, struct tok_ids *ids,
                        size_t first, size_t n);

struct tok_pre_kind {
    const char *type;
    enum dsc_status (*parse)(struct dsc_tok *t, const json_t *j, struct tok_pre *p,
                             struct dsc_err *err);
    enum dsc_status (*cut)(const struct tok_pre *p, const char *s, size_t n, bool is_start,
                           struct tok_frags *out, struct dsc_tok_scratch *x, struct dsc_err *err);
};

struct tok_pre {
    const struct tok_pre_kind *kind;
    unsigned flags;
    enum tok_behavior behavior;
    struct tok_str text;
    struct tok_pattern pattern;
};

struct tok_model_kind {
    const char *type;
    enum dsc_status (*parse)(struct dsc_tok *t, const json_t *j, struct dsc_err *err);
    /* Append the ids of one word to x->ids. */
    enum dsc_status (*encode)(const struct dsc_tok *t, const char *s, size_t n,
                              struct dsc_tok_scratch *x, struct dsc_err *err);
};

struct tok_added {
    struct tok_str content;
    int32_t id;
    bool single_word, lstrip, rstrip, normalized, special;
};

/* A step of the post-processor's programme: text 0 (A), text 1 (B), or ids. */
struct tok_post_item {
    int32_t type_id;
    int which; /* 0, 1, or -1: ids */
    const int32_t *ids;
    size_t n_ids;
};

struct tok_post {
    struct tok_post_item *item;
    size_t n;
    size_t n_special;
};

struct dsc_tok {
    struct dsc_arena arena;
    struct tok_str json;
    struct tok_vocab vocab; /* the model's */
    const struct tok_model_kind *model;
    void *model_state;
    struct tok_added *added;
    size_t n_added;
    struct tok_trie raw_added, norm_added; /* values are indices of `added` */
    bool has_raw_added, has_norm_added;
    struct tok_norm norm[TOK_MAX_STEPS];
    size_t n_norms;
    struct tok_pre pre[TOK_MAX_STEPS];
    size_t n_pres;
    struct tok_post post[2]; /* one text, a pair */
    int32_t n_ids;
    int32_t pad_id, pad_type_id;
    int32_t unk_id; /* the model's; -1: it has none */
    int32_t file_max_length;
    bool pads_left, cuts_left;
    bool trims_offsets, trim_keeps_first; /* ByteLevel: spaces of a token are not in its offsets */
};

/* tokenizers.def, normalizers.def, pretokenizers.def */
#define DSC_TOK_MODEL(name) extern const struct tok_model_kind dsc_tok_model_##name;
#include "tokenizers.def"
#undef DSC_TOK_MODEL
#define DSC_TOK_NORM(name) extern const struct tok_norm_kind dsc_tok_norm_##name;
#include "normalizers.def"
#undef DSC_TOK_NORM
#define DSC_TOK_PRE(name) extern const struct tok_pre_kind dsc_tok_pre_##name;
#include "pretokenizers.def"
#undef DSC_TOK_PRE

/* Parts of tokenizer.json. */
enum dsc_status dsc_tok_added_parse(struct dsc_tok *t, const json_t *list, struct dsc_err *err);
enum dsc_status dsc_tok_added_build(struct dsc_tok *t, struct dsc_err *err);
enum dsc_status dsc_tok_post_parse(struct dsc_tok *t, const json_t *j, struct dsc_err *err);
/* Cut out the added tokens that are (not) looked for in normalized text. */
void dsc_tok_added_find(const struct dsc_tok *t, bool normalized, const char *s, size_t n,
                        bool is_start, struct tok_frags *out);
/* All normalizers in turn; *s and *n become the result, which lives in x. */
enum dsc_status dsc_tok_normalize(const struct dsc_tok *t, struct tok_str *s, bool *is_start,
                                  struct dsc_tok_scratch *x, struct dsc_err *err);

/* text_json.c: values of objects; `what` names the object in messages. */
enum dsc_status dsc_tok_json_load(json_t **root, const char *text, size_t n_bytes,
                                  struct dsc_err *err);
enum dsc_status dsc_tok_json_keys(const json_t *j, const char *what, const char *const *keys,
                                  struct dsc_err *err);
enum dsc_status dsc_tok_json_flag(const json_t *j, const char *what, const char *key, bool dflt,
                                  bool *out, struct dsc_err *err);
/* A text in the arena; a missing key or null leaves *out as it is when `is_needed` is false. */
enum dsc_status dsc_tok_json_text(struct dsc_tok *t, const json_t *j, const char *what,
                                  const char *key, bool is_needed, struct tok_str *out,
                                  struct dsc_err *err);
enum dsc_status dsc_tok_json_int(const json_t *j, const char *what, const char *key, int64_t lo,
                                 int64_t hi, int64_t *out, struct dsc_err *err);
enum dsc_status dsc_tok_behavior_parse(const json_t *j, const char *what, enum tok_behavior *b,
                                       struct dsc_err *err);
enum dsc_status dsc_tok_strdup(struct dsc_tok *t, const char *s, size_t n, struct tok_str *out,
                               struct dsc_err *err);
void dsc_tok_json_free(char *text); /* of json_dumps */
/* A vocabulary {token: id}. */
enum dsc_status dsc_tok_vocab_parse(struct dsc_tok *t, const json_t *vocab, struct dsc_err *err);

#endif
