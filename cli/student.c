/* --student-spec layers=4,hidden=312,heads=12,head-size=26,ffn=1200,vocab=8000 .. and --init. */
#include "student.h"

#include "dsc/census.h"
#include "dsc/pass.h"
#include "dsc/prune.h"
#include "dsc/quant.h"
#include "dsc/train.h"
#include "formats_props.h"
#include "tokenuse.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct student {
    struct dsc_cmd *cmd;
    struct dsc_textmodel *m;
    const struct dsc_dataset *d;
    struct dsc_prune_layers layers; /* of the graph as it is */
    int n_layers;                   /* of the student */
};

static enum dsc_status find_layers(struct student *s, struct dsc_err *err)
{
    struct dsc_err why = {0};
    const enum dsc_status st =
        dsc_prune_find_layers(s->m->model.graph, s->cmd->arena, &s->layers, &why);

    if (st != DSC_OK && (st != DSC_E_UNSUPPORTED || s->layers.n != 1)) {
        *err = why;
        return dsc_err_file(err, s->m->path);
    }
    if (s->n_layers > 0 && s->layers.n != s->n_layers)
        return dsc_fail(err, DSC_E_INTERNAL, "of %d layers %d are found again", s->n_layers,
                        s->layers.n);
    return DSC_OK;
}

static enum dsc_status too_many(const char *key, int64_t want, int64_t have, struct dsc_err *err)
{
    return dsc_fail(err, DSC_E_USAGE, "%s=%" PRId64 ": the teacher has %" PRId64, key, want, have);
}

/* Layer i of n is the teacher's round(i L / n), as terms pair them by default. */
static enum dsc_status take_layers(struct student *s, int64_t n, struct dsc_err *err)
{
    const int n_all = s->layers.n;

    if (n > n_all)
        return too_many("layers", n, n_all, err);
    for (int i = 0; i < n_all; i++)
        s->layers.items[i].is_gone = true;
    for (int64_t i = 1; i <= n; i++)
        s->layers.items[(int)rint((double)i * n_all / (double)n) - 1].is_gone = false;
    s->layers.n_gone = n_all - (int)n;
    s->n_layers = (int)n;
    for (int i = 0, k = 0; i < n_all; i++)
        if (!s->layers.items[i].is_gone)
            dsc_log_printf(&s->cmd->log, DSC_LOG_INFO, "layer %d is the teacher's layer %d", ++k,
                           i + 1);
    return dsc_prune_cut_layers(s->m->model.graph, &s->layers, err);
}

/* Of the layers alone: heads of a classifier are no neurons of theirs. */
static enum dsc_prune_choice in_layers(void *ctx, const char *weight, int n_nodes,
                                       const char *const *nodes)
{
    const struct student *s = ctx;
    const struct dsc_graph *g = s->m->model.graph;

    for (int i = 0; i < n_nodes; i++) {
        const int at = dsc_graph_find_node(g, nodes[i]);

        for (int k = 0; k < s->layers.n; k++)
            if (at >= s->layers.items[k].first_node && at <= s->layers.items[k].last_node)
                return DSC_PRUNE_CHOSEN;
    }
    return DSC_PRUNE_LEFT_OUT;
}

/* The width is one of all layers; queries with keys, and values, have channels of their own. */
static int n_groups_of(const struct student *s, enum dsc_axis_pattern pattern)
{
    return pattern == DSC_AXIS_HIDDEN      ? 1
           : pattern == DSC_AXIS_HEAD_SIZE ? 2 * s->layers.n
                                           : s->layers.n;
}

static enum dsc_status take_units(struct student *s, enum dsc_axis_pattern pattern, const char *key,
                                  int64_t n, struct dsc_err *err)
{
    struct dsc_graph *g = s->m->model.graph;
    struct dsc_axis_groups groups;
    int n_units = 0;

    DSC_TRY(dsc_prune_learn_sizes(g, err));
    DSC_TRY(find_layers(s, err)); /* nodes have moved */
    DSC_TRY(dsc_prune_find_axes(g, pattern, in_layers, s, s->cmd->arena, &groups, err));
    for (int i = 0; i < groups.n; i++) {
        if (groups.items[i].why)
            continue;
        if (n_units && groups.items[i].n_units != n_units)
            return dsc_fail(err, DSC_E_UNSUPPORTED, "%s: layers have %d and %d of them", key,
                            n_units, groups.items[i].n_units);
        n_units = groups.items[i].n_units;
    }
    if (groups.n_chosen != n_groups_of(s, pattern))
        return dsc_fail(err, DSC_E_UNSUPPORTED,
                        "%s: they can be removed in %d of %d places of %d layers", key,
                        groups.n_chosen, n_groups_of(s, pattern), s->layers.n);
    if (n > n_units)
        return too_many(key, n, n_units, err);
    if (n == n_units)
        return DSC_OK;
    if (pattern == DSC_AXIS_HEAD_SIZE)
        DSC_TRY(dsc_prune_align_heads(g, &groups, err));
    DSC_TRY(dsc_prune_choose(&groups, 1 - (double)n / n_units, false, err));
    return dsc_prune_cut(g, &groups, err);
}

static enum dsc_status take_heads(struct student *s, int64_t n, struct dsc_err *err)
{
    return take_units(s, DSC_AXIS_HEADS, "heads", n, err);
}

static enum dsc_status take_head_size(struct student *s, int64_t n, struct dsc_err *err)
{
    return take_units(s, DSC_AXIS_HEAD_SIZE, "head-size", n, err);
}

static enum dsc_status take_hidden(struct student *s, int64_t n, struct dsc_err *err)
{
    return take_units(s, DSC_AXIS_HIDDEN, "hidden", n, err);
}

static enum dsc_status take_ffn(struct student *s, int64_t n, struct dsc_err *err)
{
    return take_units(s, DSC_AXIS_FFN, "ffn", n, err);
}

/* ---- tokens ---- */

static enum dsc_status take_vocab(struct student *s, int64_t n, struct dsc_err *err)
{
    struct dsc_graph *g = s->m->model.graph;
    const int32_t n_all = dsc_tok_info(s->m->tok).n_ids;
    struct dsc_prune_ids map;
    struct dsc_tok *small = NULL;
    int *tables, n_tables;
    char what[64];
    enum dsc_status st;

    if (n >= n_all)
        return n == n_all ? DSC_OK : too_many("vocab", n, n_all, err);
    snprintf(what, sizeof what, "vocab=%" PRId64, n);
    DSC_TRY(dsc_tokens_by_use(s->cmd, s->m->tok, s->d, n, what, &map, &small, err));
    st = dsc_prune_vocab(g, g->inputs[s->m->input[DSC_ROLE_IDS]], &map, s->cmd->arena, &tables,
                         &n_tables, err);
    if (st != DSC_OK) {
        dsc_tok_close(small);
        return st;
    }
    dsc_log_printf(&s->cmd->log, DSC_LOG_INFO, "%" PRId32 " of %" PRId32 " tokens stay", map.n_kept,
                   map.n);
    dsc_tok_close(s->m->tok);
    s->m->tok = small;
    return DSC_OK;
}

/* After the tokens: factors fit the rows that are left. */
static enum dsc_status take_embedding(struct student *s, int64_t n, struct dsc_err *err)
{
    struct dsc_graph *g = s->m->model.graph;
    struct dsc_device *dev;
    double kept;
    enum dsc_status st;

    if (s->m->input[DSC_ROLE_IDS] < 0)
        return dsc_fail(err, DSC_E_UNSUPPORTED, "embedding: no input takes token ids");
    DSC_TRY(dsc_device_open(&dev, "cpu", dsc_cmd_n_threads(s->cmd), err));
    st = dsc_pass_factor_table(g, g->inputs[s->m->input[DSC_ROLE_IDS]], n, dev, &kept, err);
    dsc_device_close(dev);
    if (st == DSC_OK)
        dsc_log_printf(&s->cmd->log, DSC_LOG_INFO,
                       "factors of width %" PRId64 " keep %.1f %% of the embedding", n, 100 * kept);
    return st;
}

/* ---- the whole ---- */

static const struct {
    const char *key;
    enum dsc_status (*take)(struct student *s, int64_t n, struct dsc_err *err);
} keys[] = {
    {"layers", take_layers},       {"hidden", take_hidden}, {"heads", take_heads},
    {"head-size", take_head_size}, {"ffn", take_ffn},       {"vocab", take_vocab},
    {"embedding", take_embedding},
};

enum { KEY_VOCAB = 5, N_KEYS = sizeof keys / sizeof keys[0] };

static enum dsc_status read_sizes(struct dsc_cmd *cmd, int64_t size[N_KEYS], struct dsc_err *err)
{
    int n;
    const char *const *items = dsc_opt_items(cmd, DSC_OPT_student_spec, &n);

    for (int i = 0; i < n; i++) {
        const char *value;
        char key[32], *end = NULL;
        int k = 0;

        if (!dsc_opt_pair(items[i], key, sizeof key, &value))
            return dsc_fail(err, DSC_E_USAGE, "--student-spec takes KEY=N, not '%s'", items[i]);
        while (k < N_KEYS && strcmp(keys[k].key, key) != 0)
            k++;
        if (k == N_KEYS) {
            dsc_fail(err, DSC_E_USAGE, "--student-spec knows no '%s'", key);
            return dsc_err_hint(err,
                                "it takes layers, hidden, heads, head-size, ffn, vocab, embedding");
        }
        size[k] = strtoll(value, &end, 10);
        if (end == value || *end || size[k] < 1)
            return dsc_fail(err, DSC_E_USAGE, "--student-spec: %s is a number from 1 up, not '%s'",
                            key, value);
    }
    return DSC_OK;
}

static enum dsc_status draw_weights(struct student *s, struct dsc_err *err)
{
    const uint64_t seed = (uint64_t)dsc_opt_int(s->cmd, DSC_OPT_seed);
    struct dsc_param *params;
    int n;

    if (dsc_opt_enum(s->cmd, DSC_OPT_init) != 1)
        return DSC_OK;
    DSC_TRY(dsc_params_find(s->m->model.graph, NULL, NULL, s->cmd->arena, &params, &n, err));
    dsc_log_printf(&s->cmd->log, DSC_LOG_WARNING,
                   "all %d weights of the student are drawn: it begins with no knowledge", n);
    return dsc_params_redraw(s->m->model.graph, params, n, seed, err);
}

static enum dsc_status check(const struct student *s, const int64_t size[N_KEYS],
                             struct dsc_err *err)
{
    const bool wants_tokens = size[KEY_VOCAB] > 0;

    if (dsc_quant_is_quantized(s->m->model.graph)) {
        dsc_fail(err, DSC_E_UNSUPPORTED, "no student is made of a quantized teacher");
        return dsc_err_file(err, s->m->path);
    }
    if (!wants_tokens || (s->m->tok && s->d->text))
        return DSC_OK;
    return dsc_fail(err, DSC_E_USAGE, "vocab: the model reads no texts");
}

enum dsc_status dsc_student_build(struct dsc_cmd *cmd, struct dsc_textmodel *m,
                                  const struct dsc_dataset *d, struct dsc_err *err)
{
    struct student s = {.cmd = cmd, .m = m, .d = d};
    struct dsc_param_census before, after;
    int64_t size[N_KEYS] = {0};

    DSC_TRY(read_sizes(cmd, size, err));
    DSC_TRY(check(&s, size, err));
    DSC_TRY(dsc_graph_param_census(m->model.graph, &before, err));
    DSC_TRY(find_layers(&s, err));
    s.n_layers = s.layers.n;
    for (int k = 0; k < N_KEYS; k++)
        if (size[k] > 0 && keys[k].take(&s, size[k], err) != DSC_OK)
            return dsc_err_file(err, m->path);
    DSC_TRY(draw_weights(&s, err));
    DSC_TRY(dsc_model_forget_config(m->model.graph, err));
    DSC_TRY(dsc_props_trim_sparsity(m->model.graph, err));
    DSC_TRY(dsc_graph_param_census(m->model.graph, &after, err));
    dsc_log_printf(&cmd->log, DSC_LOG_INFO, "the student has %" PRId64 " of %" PRId64 " parameters",
                   after.n_params, before.n_params);
    dsc_json_int(&cmd->json, "params_before", before.n_params);
    dsc_json_int(&cmd->json, "params_after", after.n_params);
    return DSC_OK;
}
