/* Regular expressions on names. */
#include "pattern.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <string.h>

struct dsc_pattern {
    const char *text;
    pcre2_code *code;
    pcre2_match_data *match;
    bool is_used;
};

enum { PATTERN_MATCH_STEPS = 1000000 };

enum dsc_status dsc_patterns_open(struct dsc_patterns *p, const char *option,
                                  const char *const *texts, int n, struct dsc_arena *arena,
                                  struct dsc_err *err)
{
    *p = (struct dsc_patterns){.option = option};
    DSC_NEW(p->items, arena, n, err);
    for (int i = 0; i < n; i++) {
        struct dsc_pattern *item = &p->items[p->n];
        PCRE2_UCHAR message[128];
        PCRE2_SIZE at;
        int code;

        item->text = texts[i];
        item->code =
            pcre2_compile((PCRE2_SPTR)texts[i], strlen(texts[i]), PCRE2_UTF, &code, &at, NULL);
        if (!item->code) {
            pcre2_get_error_message(code, message, sizeof message);
            return dsc_fail(err, DSC_E_USAGE, "%s '%s': %s at character %zu", option, texts[i],
                            (const char *)message, (size_t)at);
        }
        p->n++;
        item->match = pcre2_match_data_create_from_pattern(item->code, NULL);
        if (!item->match)
            return dsc_fail(err, DSC_E_MEMORY, "no memory for the pattern '%s'", texts[i]);
    }
    return DSC_OK;
}

void dsc_patterns_close(struct dsc_patterns *p)
{
    for (int i = 0; i < p->n; i++) {
        pcre2_match_data_free(p->items[i].match);
        pcre2_code_free(p->items[i].code);
    }
    p->n = 0;
}

bool dsc_patterns_match(struct dsc_patterns *p, const char *name)
{
    pcre2_match_context *limits = pcre2_match_context_create(NULL);
    bool is_match = false;

    if (limits)
        pcre2_set_match_limit(limits, PATTERN_MATCH_STEPS);
    for (int i = 0; i < p->n; i++) {
        if (pcre2_match(p->items[i].code, (PCRE2_SPTR)name, strlen(name), 0, 0, p->items[i].match,
                        limits) < 0)
            continue;
        p->items[i].is_used = true;
        is_match = true;
    }
    pcre2_match_context_free(limits);
    return is_match;
}

bool dsc_patterns_name(struct dsc_patterns *p, const char *name)
{
    bool is_match = false;

    for (int i = 0; i < p->n; i++) {
        if (strcmp(p->items[i].text, name) != 0)
            continue;
        p->items[i].is_used = true;
        is_match = true;
    }
    return is_match;
}

enum dsc_status dsc_patterns_check(const struct dsc_patterns *p, struct dsc_err *err)
{
    for (int i = 0; i < p->n; i++) {
        if (p->items[i].is_used)
            continue;
        dsc_fail(err, DSC_E_USAGE, "%s '%s' matches nothing", p->option, p->items[i].text);
        dsc_err_hint(err, "dscompress inspect MODEL --tensors lists the names");
        return DSC_E_USAGE;
    }
    return DSC_OK;
}

bool dsc_patterns_match_any(struct dsc_patterns *p, const char *weight, int n_nodes,
                            const char *const *nodes)
{
    bool is_match = dsc_patterns_match(p, weight);

    for (int i = 0; i < n_nodes; i++)
        is_match |= dsc_patterns_match(p, nodes[i]);
    return is_match;
}
