/* Terms as they are written: KIND[,weight=W][,map=M][,loss=WORD][,heads=N][,tau=X]. */
#include "dsc/distill.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DSC_DTERM(name) extern const struct dsc_dterm dsc_dterm_##name;
#include "train/terms.def"
#undef DSC_DTERM

static const struct dsc_dterm *const terms[] = {
#define DSC_DTERM(name) &dsc_dterm_##name,
#include "train/terms.def"
#undef DSC_DTERM
    NULL,
};

const struct dsc_dterm *dsc_dterm_find(const char *name)
{
    for (int i = 0; terms[i]; i++)
        if (strcmp(terms[i]->name, name) == 0)
            return terms[i];
    return NULL;
}

static enum dsc_status unknown_kind(const char *kind, struct dsc_err *err)
{
    char list[128] = "";
    size_t at = 0;

    for (int i = 0; terms[i]; i++)
        at += (size_t)snprintf(list + at, sizeof list - at, "%s%s", i ? ", " : "", terms[i]->name);
    dsc_fail(err, DSC_E_USAGE, "there is no term '%s'", kind);
    return dsc_err_hint(err, "terms are: %s", list);
}

static bool is_word(const char *words, const char *word)
{
    const size_t n = strlen(word);

    for (const char *p = words; p && *p; p += strcspn(p, "|"), p += *p == '|')
        if (strcspn(p, "|") == n && strncmp(p, word, n) == 0)
            return true;
    return false;
}

static bool parse_weight(const char *value, struct dsc_ramp *r)
{
    bool is_good = dsc_ramp_parse(value, r);

    for (int i = 0; is_good && i < r->n; i++)
        is_good = r->v[i] >= 0;
    return is_good;
}

static bool parse_number(const char *value, double low, double high, double *x)
{
    char *end;

    *x = strtod(value, &end);
    return end != value && !*end && *x >= low && *x <= high;
}

/* Of the pairs; a word has none. False: it is neither. */
static bool count_pairs(const char *map, int *n)
{
    static const char words[] = "uniform|last|first|top";

    *n = 0;
    if (is_word(words, map))
        return true;
    for (;;) {
        char *end, *after;

        errno = 0;
        strtol(map, &end, 10);
        if (end == map || *end != ':')
            return false;
        strtol(end + 1, &after, 10);
        if (after == end + 1 || errno || (*after && *after != '/'))
            return false;
        ++*n;
        if (!*after)
            return true;
        map = after + 1;
    }
}

static enum dsc_status parse_map(const char *value, struct dsc_arena *arena,
                                 struct dsc_dterm_spec *s, struct dsc_err *err)
{
    if (s->term->map == DSC_LAYERS_NONE || s->term->map == DSC_LAYERS_BASE)
        return dsc_fail(err, DSC_E_USAGE, "the term %s takes no map", s->term->name);
    if (!count_pairs(value, &s->n_pairs)) {
        dsc_fail(err, DSC_E_USAGE, "the term %s knows no map '%s'", s->term->name, value);
        return dsc_err_hint(err, "uniform, last, first, top, or layers of student and teacher: "
                                 "2:4/4:12");
    }
    s->map = value;
    if (s->n_pairs == 0)
        return DSC_OK;
    DSC_NEW(s->pairs, arena, s->n_pairs, err);
    for (int i = 0; i < s->n_pairs; i++) {
        char *end;
        const long a = strtol(value, &end, 10), b = strtol(end + 1, &end, 10);

        s->pairs[i][0] = a < 0 || a > 1000000 ? -1 : (int)a;
        s->pairs[i][1] = b < 0 || b > 1000000 ? -1 : (int)b;
        value = end + 1;
    }
    return DSC_OK;
}

static enum dsc_status set_one(const char *key, const char *value, struct dsc_arena *arena,
                               struct dsc_dterm_spec *s, struct dsc_err *err)
{
    const struct dsc_dterm *t = s->term;
    double x;

    if (strcmp(key, "map") == 0)
        return parse_map(value, arena, s, err);
    if (strcmp(key, "weight") == 0) {
        if (parse_weight(value, &s->weight))
            return DSC_OK;
        return dsc_fail(err, DSC_E_USAGE, "the weight of a term is a number from 0 up, not '%s'",
                        value);
    }
    if (strcmp(key, "loss") == 0 && t->losses) {
        s->loss = value;
        if (is_word(t->losses, value))
            return DSC_OK;
        return dsc_fail(err, DSC_E_USAGE, "the term %s takes loss=%s, not '%s'", t->name, t->losses,
                        value);
    }
    if (strcmp(key, "heads") == 0 && t->takes_heads) {
        if (!parse_number(value, 1, 4096, &x) || x != floor(x))
            return dsc_fail(err, DSC_E_USAGE, "heads is a whole number from 1 up, not '%s'", value);
        s->n_heads = (int64_t)x;
        return DSC_OK;
    }
    if (strcmp(key, "tau") == 0 && t->takes_tau) {
        if (parse_number(value, 0.01, 100, &s->tau))
            return DSC_OK;
        return dsc_fail(err, DSC_E_USAGE, "tau is a number in 0.01..100, not '%s'", value);
    }
    dsc_fail(err, DSC_E_USAGE, "the term %s takes no '%s'", t->name, key);
    return dsc_err_hint(err, "it takes weight%s%s%s%s", t->map > DSC_LAYERS_BASE ? ", map" : "",
                        t->losses ? ", loss" : "", t->takes_heads ? ", heads" : "",
                        t->takes_tau ? ", tau" : "");
}

enum dsc_status dsc_dterm_parse(const char *text, struct dsc_arena *arena, struct dsc_dterm_spec *s,
                                struct dsc_err *err)
{
    char *word = dsc_arena_strdup(arena, text, err), *next;

    if (!word)
        return DSC_E_MEMORY;
    *s = (struct dsc_dterm_spec){.weight = {1, {1}}};
    for (bool is_first = true; word; word = next, is_first = false) {
        char *value;

        next = strchr(word, ',');
        if (next)
            *next++ = 0;
        if (is_first) {
            s->term = dsc_dterm_find(word);
            if (!s->term)
                return unknown_kind(word, err);
            s->tau = s->term->tau;
            continue;
        }
        value = strchr(word, '=');
        if (!value)
            return dsc_fail(err, DSC_E_USAGE, "'%s' of a term is no NAME=VALUE", word);
        *value++ = 0;
        DSC_TRY(set_one(word, value, arena, s, err));
    }
    if (s->loss || !s->term->losses)
        return DSC_OK;
    s->loss = dsc_arena_strndup(arena, s->term->losses, strcspn(s->term->losses, "|"), err);
    return s->loss ? DSC_OK : DSC_E_MEMORY;
}
