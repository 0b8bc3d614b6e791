/*
 * GPT-2's expression by hand:
 *     's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
 * Its matches cover any text. Radford et al. 2019.
 */
#include "tok.h"

#include <string.h>

static size_t contraction(const char *s, size_t n)
{
    if (n >= 2 && (s[1] == 's' || s[1] == 't' || s[1] == 'm' || s[1] == 'd'))
        return 2;
    if (n >= 3 && (!memcmp(s + 1, "re", 2) || !memcmp(s + 1, "ve", 2) || !memcmp(s + 1, "ll", 2)))
        return 3;
    return 0;
}

static unsigned class_of(uint32_t cp)
{
    return uni_kind(cp)->flags & (UNI_L | UNI_N | UNI_S);
}

/* The end of the run of one class from `at` on. */
static size_t run_end(const char *s, size_t n, size_t at, unsigned cls, size_t *last)
{
    while (at < n) {
        const char *next = s + at;

        if (class_of(uni_next(&next)) != cls)
            break;
        *last = at;
        at = (size_t)(next - s);
    }
    return at;
}

static size_t match_end(const char *s, size_t n, size_t at)
{
    size_t start = at, last = at, end;
    const char *p;
    unsigned cls;

    if (s[at] == '\'') {
        size_t n_bytes = contraction(s + at, n - at);

        if (n_bytes)
            return at + n_bytes;
    }
    if (s[at] == ' ' && at + 1 < n)
        start++;
    p = s + start;
    cls = class_of(uni_next(&p));
    if (cls != UNI_S)
        return run_end(s, n, start, cls, &last);
    /* White space: all of it at the end of the text, else all but the last one before a word. */
    end = run_end(s, n, at, UNI_S, &last);
    return end == n || last == at ? end : last;
}

void dsc_tok_gpt2_find(const char *s, size_t n, struct dsc_tok_scratch *x)
{
    size_t at = 0;

    x->n_ranges = 0;
    while (at < n) {
        size_t end = match_end(s, n, at);

        dsc_tok_push_range(x, at, end, true);
        at = end;
    }
}
