/* Unicode as the tokenizers need it: properties, case, normal forms, grapheme clusters. */
#ifndef DSC_UNI_H
#define DSC_UNI_H

#include "dsc/io.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* In the order of FLAGS in tools/gen-unicode.py. */
enum {
    UNI_SPACE = 1 << 0, /* White_Space */
    UNI_DROP = 1 << 1,  /* removed by BertNormalizer's clean_text */
    UNI_BLANK = 1 << 2, /* made a space by it */
    UNI_CJK = 1 << 3,   /* gets spaces around it */
    UNI_MN = 1 << 4,    /* removed by its strip_accents */
    UNI_MARK = 1 << 5,  /* removed by StripAccents */
    UNI_PUNCT = 1 << 6, /* ASCII punctuation and category P */
    UNI_L = 1 << 7,     /* \p{L}, \p{N}, \s of the oracle's regular expressions */
    UNI_N = 1 << 8,
    UNI_S = 1 << 9,
    UNI_NUMERIC = 1 << 10, /* what the pre-tokenizer Digits cuts */
    UNI_WORD = 1 << 11     /* \w of the pre-tokenizer Whitespace and of single_word */
};

/* Grapheme_Cluster_Break, in the order of GCB in tools/gen-unicode.py. */
enum uni_gcb {
    GCB_OTHER,
    GCB_CONTROL,
    GCB_CR,
    GCB_LF,
    GCB_EXTEND,
    GCB_ZWJ,
    GCB_PREPEND,
    GCB_MC, /* SpacingMark */
    GCB_L,
    GCB_V,
    GCB_T,
    GCB_LV,
    GCB_LVT,
    GCB_RI,  /* Regional_Indicator */
    GCB_PICT /* Extended_Pictographic */
};

struct uni_kind {
    uint16_t flags;
    uint8_t gcb, ccc; /* grapheme class, canonical combining class */
};

/* uni_tables.c: two-stage tables over blocks of 128; a pool of strings (length, code points). */
extern const struct uni_kind dsc_uni_kinds[];
extern const uint16_t dsc_uni_kind1[];
extern const uint8_t dsc_uni_kind2[];
extern const uint16_t dsc_uni_nfd1[], dsc_uni_nfd2[];
extern const uint16_t dsc_uni_nfkd1[], dsc_uni_nfkd2[];
extern const uint16_t dsc_uni_lower1[], dsc_uni_lower2[];
extern const uint32_t dsc_uni_pool[];
extern const int dsc_uni_n_pairs;
extern const uint32_t dsc_uni_pairs[]; /* (first, second, composed), sorted */

static inline const struct uni_kind *uni_kind(uint32_t cp)
{
    return &dsc_uni_kinds[dsc_uni_kind2[dsc_uni_kind1[cp >> 7] * 128u + (cp & 127)]];
}

static inline bool uni_is(uint32_t cp, unsigned flags)
{
    return (uni_kind(cp)->flags & flags) != 0;
}

/* Bytes of the character that starts with `lead`; the text is valid UTF-8. */
static inline size_t uni_n_bytes(char lead)
{
    unsigned char c = (unsigned char)lead;

    return c < 0x80 ? 1 : c < 0xE0 ? 2 : c < 0xF0 ? 3 : 4;
}

/* The code point at *s, which moves past it; the text is valid UTF-8. */
static inline uint32_t uni_next(const char **s)
{
    const unsigned char *p = (const unsigned char *)*s;

    if (p[0] < 0x80) {
        *s += 1;
        return p[0];
    }
    if (p[0] < 0xE0) {
        *s += 2;
        return (p[0] & 0x1Fu) << 6 | (p[1] & 0x3Fu);
    }
    if (p[0] < 0xF0) {
        *s += 3;
        return (p[0] & 0x0Fu) << 12 | (p[1] & 0x3Fu) << 6 | (p[2] & 0x3Fu);
    }
    *s += 4;
    return (p[0] & 0x07u) << 18 | (p[1] & 0x3Fu) << 12 | (p[2] & 0x3Fu) << 6 | (p[3] & 0x3Fu);
}

/* The code point that ends at `end`. */
static inline uint32_t uni_before(const char *end)
{
    const char *p = end - 1;

    while (((unsigned char)*p & 0xC0) == 0x80)
        p--;
    return uni_next(&p);
}

/* UTF-8 of cp in `to` (4 bytes); the number of bytes. */
static inline size_t uni_encode(uint32_t cp, char *to)
{
    if (cp < 0x80) {
        to[0] = (char)cp;
        return 1;
    }
    if (cp < 0x800) {
        to[0] = (char)(0xC0 | cp >> 6);
        to[1] = (char)(0x80 | (cp & 0x3F));
        return 2;
    }
    if (cp < 0x10000) {
        to[0] = (char)(0xE0 | cp >> 12);
        to[1] = (char)(0x80 | (cp >> 6 & 0x3F));
        to[2] = (char)(0x80 | (cp & 0x3F));
        return 3;
    }
    to[0] = (char)(0xF0 | cp >> 18);
    to[1] = (char)(0x80 | (cp >> 12 & 0x3F));
    to[2] = (char)(0x80 | (cp >> 6 & 0x3F));
    to[3] = (char)(0x80 | (cp & 0x3F));
    return 4;
}

/* dsc_bytes_add with the common case in line. */
static inline void uni_put(struct dsc_bytes *b, const char *s, size_t n)
{
    if (b->cap_bytes - b->n_bytes < n) {
        dsc_bytes_add(b, s, n);
        return;
    }
    for (size_t i = 0; i < n; i++)
        b->data[b->n_bytes + i] = (unsigned char)s[i];
    b->n_bytes += n;
}

static inline void uni_put_cp(struct dsc_bytes *b, uint32_t cp)
{
    char utf8[4];

    uni_put(b, utf8, uni_encode(cp, utf8));
}

/* Append the lower case of cp, which may be more than one character. */
void dsc_uni_put_lower(struct dsc_bytes *b, uint32_t cp);

bool dsc_uni_is_ascii(const char *s, size_t n_bytes);

enum uni_form { UNI_NFC, UNI_NFD, UNI_NFKC, UNI_NFKD };

/* Working memory of the normal forms: a code point, and its class above bit 24. */
struct uni_cps {
    uint32_t *cp;
    size_t n, cap;
};

void dsc_uni_cps_clear(struct uni_cps *c);

/* Append the normal form of s to out. Errors: MEMORY. */
enum dsc_status dsc_uni_normalize(enum uni_form form, const char *s, size_t n_bytes,
                                  struct uni_cps *tmp, struct dsc_bytes *out, struct dsc_err *err);

/* Bytes of the extended grapheme cluster (UAX #29) at the start of s, n_bytes > 0. */
size_t dsc_uni_cluster(const char *s, size_t n_bytes);

#endif
