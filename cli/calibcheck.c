/* Warnings about calibration data. */
#include "calibcheck.h"

#include <stdio.h>

enum { NAMES_SHOWN = 3, FEW_ROWS = 32, ENOUGH_ROWS = 128 };

/* More than this share of tokens is no accident of a name or two. */
static const double UNKNOWN_SHARE = 0.02;

/* The tensors of one warning: all go into --json, the first few into the line. */
struct list {
    struct dsc_cmd *cmd;
    int n;
    size_t used;
    char names[512];
};

static void begin(struct list *l, struct dsc_cmd *cmd, const char *key)
{
    *l = (struct list){.cmd = cmd};
    dsc_json_array(&cmd->json, key);
}

static void add(struct list *l, const char *name)
{
    int n = 0;

    if (l->n < NAMES_SHOWN && l->used < sizeof l->names)
        n = snprintf(l->names + l->used, sizeof l->names - l->used, "%s'%.100s'", l->n ? ", " : "",
                     name);
    l->used += n > 0 ? (size_t)n : 0;
    l->n++;
}

static void end(struct list *l, const char *what, const char *hint)
{
    dsc_json_end(&l->cmd->json);
    if (l->n == 0)
        return;
    dsc_log_printf(&l->cmd->log, DSC_LOG_WARNING, "%d tensor%s %s: %s%s (%s)", l->n,
                   l->n == 1 ? "" : "s", what, l->names, l->n > NAMES_SHOWN ? " .." : "", hint);
}

static void check_rows(struct dsc_cmd *cmd, int64_t n_rows, struct dsc_token_count tokens)
{
    const double share = tokens.n > 0 ? (double)tokens.n_unknown / (double)tokens.n : 0;

    if (n_rows < FEW_ROWS)
        dsc_log_printf(&cmd->log, DSC_LOG_WARNING,
                       "ranges of %lld rows miss what is rare: %d and more are usual",
                       (long long)n_rows, ENOUGH_ROWS);
    if (tokens.n > 0)
        dsc_json_float(&cmd->json, "unknown_token_share", share);
    if (share > UNKNOWN_SHARE)
        dsc_log_printf(&cmd->log, DSC_LOG_WARNING,
                       "%.1f %% of the tokens of the calibration data are unknown: is it the "
                       "model's tokenizer, and its language?",
                       100 * share);
}

void dsc_calibcheck_ranges(struct dsc_cmd *cmd, const struct dsc_ranges *r, int64_t n_rows,
                           struct dsc_token_count tokens)
{
    struct list l;

    check_rows(cmd, n_rows, tokens);
    begin(&l, cmd, "constant_tensors");
    for (int i = 0; i < dsc_ranges_n(r); i++) {
        const struct dsc_hist *h = dsc_ranges_hist_at(r, i);

        if (h->n == 0 || h->low < h->high)
            continue;
        dsc_json_text(&cmd->json, NULL, dsc_ranges_name(r, i));
        add(&l, dsc_ranges_name(r, i));
    }
    end(&l, "never changed", "other data will not fit the range; --exclude keeps a layer float");
}

void dsc_calibcheck_observer(struct dsc_cmd *cmd, const struct dsc_ranges *r,
                             const struct dsc_observer *o, double param)
{
    const uint64_t least = o->least_values ? o->least_values(param) : 1;
    char what[96];
    struct list l;

    snprintf(what, sizeof what, "had fewer than the %llu values that %s needs",
             (unsigned long long)least, o->name);
    begin(&l, cmd, "tensors_of_few_values");
    for (int i = 0; i < dsc_ranges_n(r); i++) {
        const struct dsc_hist *h = dsc_ranges_hist_at(r, i);

        if (h->n == 0 || h->n >= least)
            continue;
        dsc_json_text(&cmd->json, NULL, dsc_ranges_name(r, i));
        add(&l, dsc_ranges_name(r, i));
    }
    end(&l, what, "more rows, or another --observer");
}

static int64_t n_silent(const struct dsc_layer_input *in)
{
    int64_t n = 0;

    for (int64_t k = 0; k < in->k; k++)
        n += !(in->low[k] < 0 || in->high[k] > 0);
    return n;
}

void dsc_calibcheck_channels(struct dsc_cmd *cmd, const struct dsc_layer_input *inputs,
                             const char *const *names, int n)
{
    struct list l;

    begin(&l, cmd, "silent_channels");
    for (int i = 0; i < n; i++) {
        const int64_t n_bad = n_silent(&inputs[i]);

        if (n_bad == 0)
            continue;
        dsc_json_object(&cmd->json, NULL);
        dsc_json_text(&cmd->json, "name", names[i]);
        dsc_json_int(&cmd->json, "silent", n_bad);
        dsc_json_int(&cmd->json, "channels", inputs[i].k);
        dsc_json_end(&cmd->json);
        add(&l, names[i]);
    }
    end(&l, "had channels that stayed 0 on every row", "in full in --json: silent_channels");
}
