/*
 * Patterns of Split and Replace: literals, the GPT-2 expression by hand, others by PCRE2.
 *
 * Files hold expressions of Oniguruma (Ruby's syntax). \p{L}, \p{N} and \s are written out as the
 * oracle's code points before PCRE2 sees them, so that they do not depend on the system's Unicode
 * version. Where the two syntaxes read the same text differently, the pattern is refused. What
 * is left to PCRE2's own tables: \w, \d, \b, other properties than L and N, case.
 */
#include "tok.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <string.h>

enum {
    MATCH_STEPS = 5000000, /* of one match: a fraction of a second */
    MATCH_HEAP_KIB = 64 * 1024,
    MAX_PATTERN_BYTES = 64 * 1024
};

static const char gpt2[] = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|"
                           "\\s+(?!\\S)|\\s+";

/* The ranges of code points that have (or, negated, lack) a flag, as the inside of a class. */
static void put_ranges(struct dsc_bytes *b, unsigned flag, bool is_negated)
{
    uint32_t lo = 0;
    bool was_in = false;

    for (uint32_t cp = 0; cp <= 0x110000; cp++) {
        /* Surrogates cannot be written in a class; they end a range. */
        bool is_in =
            cp < 0x110000 && (cp < 0xD800 || cp > 0xDFFF) && uni_is(cp, flag) != is_negated;

        if (is_in && !was_in)
            lo = cp;
        if (!is_in && was_in)
            dsc_bytes_printf(b, "\\x{%X}-\\x{%X}", lo, cp - 1);
        was_in = is_in;
    }
}

static const struct {
    const char *text;
    unsigned flag;
    bool is_negated;
} classes[] = {
    {"\\p{L}", UNI_L, false}, {"\\p{N}", UNI_N, false}, {"\\s", UNI_S, false},
    {"\\P{L}", UNI_L, true},  {"\\P{N}", UNI_N, true},  {"\\S", UNI_S, true},
    {"\\p{^L}", UNI_L, true}, {"\\p{^N}", UNI_N, true},
};

/* A class that we write out at p; the bytes it takes, 0 when there is none. */
static size_t put_class(struct dsc_bytes *b, const char *p, bool is_inside)
{
    for (size_t i = 0; i < sizeof classes / sizeof classes[0]; i++) {
        size_t n = strlen(classes[i].text);

        if (strncmp(p, classes[i].text, n))
            continue;
        dsc_bytes_text(b, is_inside ? "" : "[");
        put_ranges(b, classes[i].flag, classes[i].is_negated);
        dsc_bytes_text(b, is_inside ? "" : "]");
        return n;
    }
    return 0;
}

/* What Oniguruma reads otherwise than PCRE2 at p; NULL when nothing. */
static const char *differs(const char *p, const char *start, bool is_inside)
{
    if (*p == '\\' && p[1] && strchr("hHXKgkGCEQUuN", p[1]))
        return "an escape that Ruby's syntax reads differently";
    if (is_inside && p[0] == '&' && p[1] == '&')
        return "an intersection of classes";
    if (is_inside && p[0] == '[' && p[1] != ':')
        return "a class within a class";
    if (!is_inside && p[0] == '}' && p[1] == '+' && p > start)
        return "a '+' behind '{n,m}'";
    if (!is_inside && p[0] == '{' && p[1] == ',')
        return "'{,n}'";
    if (!is_inside && p[0] == '(' && p[1] == '?' && p[2] && strchr("msx-R0123456789&P(|", p[2]))
        return "a group that Ruby's syntax reads differently";
    if (!is_inside && p[0] == '(' && p[1] == '*')
        return "a verb";
    return NULL;
}

static enum dsc_status rewrite(const char *p, struct dsc_bytes *out, const char *what,
                               struct dsc_err *err)
{
    const char *start = p;
    bool is_inside = false;

    while (*p) {
        size_t n = *p == '\\' ? put_class(out, p, is_inside) : 0;
        const char *why = n ? NULL : differs(p, start, is_inside);

        if (why)
            return dsc_fail(err, DSC_E_UNSUPPORTED, "%s: %s, in the pattern '%.128s'", what, why,
                            start);
        if (!n) {
            n = p[0] == '\\' && p[1] ? 2 : 1;
            if (n == 2 && (p[1] == 'p' || p[1] == 'P') && strchr(p, '}'))
                n = (size_t)(strchr(p, '}') - p) + 1; /* its brace is no quantifier */
            dsc_bytes_add(out, p, n);
        }
        if (n == 1 && *p == '[' && !is_inside) {
            size_t skip = p[1] == '^' ? 1 : 0;

            is_inside = true;
            if (p[1 + skip] == ']')
                return dsc_fail(err, DSC_E_UNSUPPORTED, "%s: an empty class, in '%.128s'", what,
                                start);
        } else if (n == 1 && *p == '[' && p[1] == ':' && strstr(p, ":]")) {
            size_t n_name = (size_t)(strstr(p, ":]") - p) + 1;

            dsc_bytes_add(out, p + 1, n_name);
            n += n_name;
        } else if (n == 1 && *p == ']') {
            is_inside = false;
        }
        p += n;
    }
    dsc_bytes_add(out, "", 1);
    return out->is_failed ? dsc_fail(err, DSC_E_MEMORY, "no memory for a pattern") : DSC_OK;
}

static enum dsc_status compile(const char *text, struct tok_pattern *p, const char *what,
                               struct dsc_err *err)
{
    struct dsc_bytes b = {0};
    pcre2_match_context *limits = NULL;
    PCRE2_UCHAR why[128];
    PCRE2_SIZE at;
    int code;
    enum dsc_status st;

    DSC_TRY_OUT(st, rewrite(text, &b, what, err));
    /* In Ruby's syntax ^ and $ are always those of lines, and a dot is no line feed. */
    p->code = pcre2_compile((PCRE2_SPTR)b.data, PCRE2_ZERO_TERMINATED,
                            PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C,
                            &code, &at, NULL);
    if (!p->code) {
        pcre2_get_error_message(code, why, sizeof why);
        st = dsc_fail(err, DSC_E_UNSUPPORTED, "%s: the pattern '%.128s': %s", what, text,
                      (const char *)why);
        goto out;
    }
    p->context = limits = pcre2_match_context_create(NULL);
    if (!limits) {
        st = dsc_fail(err, DSC_E_MEMORY, "no memory for a pattern");
        goto out;
    }
    pcre2_jit_compile(p->code, PCRE2_JIT_COMPLETE); /* where there is none, it is interpreted */
    pcre2_set_match_limit(limits, MATCH_STEPS);
    pcre2_set_heap_limit(limits, MATCH_HEAP_KIB);
out:
    dsc_bytes_clear(&b);
    return st;
}

enum dsc_status dsc_tok_pattern_parse(struct dsc_tok *t, const json_t *j, struct tok_pattern *p,
                                      const char *what, struct dsc_err *err)
{
    const json_t *pattern = json_object_get(j, "pattern");
    const json_t *regex = json_object_get(pattern, "Regex");
    const json_t *v = regex ? regex : json_object_get(pattern, "String");

    if (json_object_size(pattern) != 1 || !json_is_string(v))
        return dsc_fail(err, DSC_E_SCHEMA, "%s: the pattern is no String and no Regex", what);
    if (json_string_length(v) > MAX_PATTERN_BYTES)
        return dsc_fail(err, DSC_E_LIMIT, "%s: a pattern of %zu bytes, limit %d", what,
                        json_string_length(v), MAX_PATTERN_BYTES);
    DSC_TRY(dsc_tok_strdup(t, json_string_value(v), json_string_length(v), &p->literal, err));
    p->kind = !regex ? TOK_LITERAL : strcmp(p->literal.s, gpt2) ? TOK_PCRE2 : TOK_GPT2;
    if (!p->literal.n)
        return dsc_fail(err, DSC_E_UNSUPPORTED, "%s: an empty pattern", what);
    if (regex && strlen(p->literal.s) != p->literal.n)
        return dsc_fail(err, DSC_E_UNSUPPORTED, "%s: a pattern with a 0 character", what);
    return p->kind == TOK_PCRE2 ? compile(p->literal.s, p, what, err) : DSC_OK;
}

void dsc_tok_pattern_close(struct tok_pattern *p)
{
    pcre2_code_free(p->code);
    pcre2_match_context_free(p->context);
    p->code = p->context = NULL;
}

void dsc_tok_match_free(void *match)
{
    pcre2_match_data_free(match);
}

static void find_literal(const struct tok_str *what, const char *s, size_t n,
                         struct dsc_tok_scratch *x)
{
    size_t from = 0;

    while (what->n && from < n) {
        const char *hit = memmem(s + from, n - from, what->s, what->n);
        size_t at;

        if (!hit)
            break;
        at = (size_t)(hit - s);
        if (at > from)
            dsc_tok_push_range(x, from, at, false);
        dsc_tok_push_range(x, at, at + what->n, true);
        from = at + what->n;
    }
    if (from < n)
        dsc_tok_push_range(x, from, n, false);
}

/* The next match from `at` on: 1 found, 0 none, or PCRE2's error. */
static int next_match(const struct tok_pattern *p, const char *s, size_t n, size_t at,
                      pcre2_match_data *match)
{
    int rc = pcre2_match(p->code, (PCRE2_SPTR)s, n, at, PCRE2_NO_UTF_CHECK, match, p->context);

    /* Compiled code has 32 KiB of stack; the interpreter, MATCH_HEAP_KIB. */
    if (rc == PCRE2_ERROR_JIT_STACKLIMIT)
        rc = pcre2_match(p->code, (PCRE2_SPTR)s, n, at, PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT, match,
                         p->context);
    return rc == PCRE2_ERROR_NOMATCH ? 0 : rc < 0 ? rc : 1;
}

static enum dsc_status find_pcre2(const struct tok_pattern *p, const char *s, size_t n,
                                  struct dsc_tok_scratch *x, struct dsc_err *err)
{
    size_t at = 0, from = 0;
    bool has_match = false; /* an empty match at the end of the last one does not count */
    int rc;

    if (!x->match)
        x->match = pcre2_match_data_create(1, NULL);
    if (!x->match)
        return dsc_fail(err, DSC_E_MEMORY, "no memory for a pattern");
    while (at <= n && (rc = next_match(p, s, n, at, x->match)) != 0) {
        const PCRE2_SIZE *found = pcre2_get_ovector_pointer(x->match);

        if (rc < 0)
            return dsc_fail(err, DSC_E_LIMIT,
                            "the tokenizer's pattern '%.128s' takes too many steps on this text "
                            "(PCRE2 error %d)",
                            p->literal.s, rc);
        if (found[1] <= found[0] && has_match && found[1] == from) {
            at += at < n ? uni_n_bytes(s[at]) : 1;
            continue;
        }
        if (found[0] > from)
            dsc_tok_push_range(x, from, found[0], false);
        dsc_tok_push_range(x, found[0], found[1], true);
        at = from = found[1];
        has_match = true;
    }
    if (from < n)
        dsc_tok_push_range(x, from, n, false);
    return DSC_OK;
}

enum dsc_status dsc_tok_pattern_find(const struct tok_pattern *p, const char *s, size_t n,
                                     struct dsc_tok_scratch *x, struct dsc_err *err)
{
    x->n_ranges = 0;
    if (p->kind == TOK_PCRE2)
        DSC_TRY(find_pcre2(p, s, n, x, err));
    else if (p->kind == TOK_GPT2)
        dsc_tok_gpt2_find(s, n, x);
    else
        find_literal(&p->literal, s, n, x);
    return x->is_range_failed ? dsc_fail(err, DSC_E_MEMORY, "no memory to cut a text") : DSC_OK;
}
