/* Pattern vocab: the tokens that rows of data use, or the most used of them, and the tables and the
 * tokenizer without others.
 */
#include "formats_props.h"
#include "prunerun.h"
#include "tokenuse.h"

#include <inttypes.h>
#include <stdio.h>

static enum dsc_status encode(const struct dsc_tok *tok, const struct dsc_dataset *d, size_t row,
                              struct dsc_tok_enc *enc, struct dsc_err *err)
{
    return dsc_row_encode(tok, 0, d, (int64_t)row, false, enc, err);
}

/* Rows that the smaller tokenizer cuts otherwise: a word that was unknown may fall apart now. */
static enum dsc_status count_changed(struct dsc_prunerun *r, const struct dsc_dataset *d,
                                     const struct dsc_tok *small, const int32_t *new_id,
                                     int64_t *n_changed, struct dsc_err *err)
{
    struct dsc_tok_enc a = {0}, b = {0};
    enum dsc_status st = DSC_OK;

    *n_changed = 0;
    for (size_t i = 0; i < d->n; i++) {
        bool is_same;

        DSC_TRY_OUT(st, encode(r->m.tok, d, i, &a, err));
        DSC_TRY_OUT(st, encode(small, d, i, &b, err));
        is_same = a.n == b.n;
        for (size_t k = 0; is_same && k < a.n; k++)
            is_same = new_id[a.ids[k]] == b.ids[k];
        *n_changed += !is_same;
    }
out:
    dsc_tok_enc_clear(&a);
    dsc_tok_enc_clear(&b);
    return st;
}

static enum dsc_status cut(struct dsc_prunerun *r, const struct dsc_prune_ids *map,
                           struct dsc_err *err)
{
    struct dsc_graph *g = r->m.model.graph;
    const char **names;
    int *tables, n;

    if (map->n_kept == map->n)
        return dsc_fail(err, DSC_E_USAGE, "nothing would go: the %s",
                        r->n_tokens > 0 ? "tokenizer has no more tokens" : "data use every token");
    DSC_TRY(dsc_prune_vocab(g, g->inputs[r->m.input[DSC_ROLE_IDS]], map, r->cmd->arena, &tables, &n,
                            err));
    DSC_NEW(names, r->cmd->arena, n, err);
    dsc_json_array(&r->cmd->json, "tensors");
    for (int i = 0; i < n; i++) {
        names[i] = g->values[tables[i]].name;
        dsc_json_text(&r->cmd->json, NULL, names[i]);
    }
    dsc_json_end(&r->cmd->json);
    DSC_TRY(dsc_props_add_sparsity(g, names, (size_t)n, r->pattern, err));
    return dsc_model_forget_config(g, err);
}

static enum dsc_status report(struct dsc_prunerun *r, const struct dsc_dataset *d,
                              const struct dsc_prune_ids *map, int64_t n_changed,
                              struct dsc_err *err)
{
    struct dsc_json *json = &r->cmd->json;
    struct dsc_param_census after;

    dsc_json_int(json, "rows", (int64_t)d->n);
    dsc_json_int(json, "rows_changed", n_changed);
    dsc_json_int(json, "tokens_before", map->n);
    dsc_json_int(json, "tokens_after", map->n_kept);
    DSC_TRY(dsc_prunerun_counts(r, 1 - (double)map->n_kept / map->n, &after, err));
    if (n_changed > 0)
        dsc_log_printf(&r->cmd->log, DSC_LOG_WARNING,
                       "%" PRId64 " of %zu rows are cut into other tokens than before", n_changed,
                       d->n);
    fprintf(r->cmd->out,
            "%" PRId32 " of %" PRId32 " tokens stay, by %zu rows\n%" PRId64
            " parameters, before %" PRId64 "\n",
            map->n_kept, map->n, d->n, after.n_params, r->before.n_params);
    return DSC_OK;
}

enum dsc_status dsc_prune_open_vocab(struct dsc_prunerun *r, struct dsc_dataset *d,
                                     struct dsc_err *err)
{
    const char *data = dsc_opt_text(r->cmd, DSC_OPT_data);

    if (!data)
        return dsc_fail(err, DSC_E_USAGE, "--pattern vocab needs --data DATA: its tokens stay");
    if (!r->m.tok || r->m.input[DSC_ROLE_IDS] < 0) {
        dsc_fail(err, DSC_E_UNSUPPORTED, "the model reads no texts: it has no tokens");
        dsc_err_hint(err, "--tokenizer gives one to a model that carries none");
        return dsc_err_file(err, r->cmd->args[0]);
    }
    if (dsc_opt_is_set(r->cmd, DSC_OPT_keep_tokens))
        r->n_tokens = dsc_opt_int(r->cmd, DSC_OPT_keep_tokens);
    DSC_TRY(dsc_textmodel_data(&r->m, r->cmd, data, DSC_PART_ALL, false, d, err));
    return d->n > 0 ? DSC_OK : dsc_fail(err, DSC_E_EMPTY, "the data hold no row");
}

enum dsc_status dsc_prune_to_vocab(struct dsc_prunerun *r, const struct dsc_dataset *d,
                                   struct dsc_err *err)
{
    struct dsc_prune_ids map;
    struct dsc_tok *small = NULL;
    int64_t n_changed;
    char what[64];
    enum dsc_status st;

    snprintf(what, sizeof what, "--keep-tokens %" PRId64, r->n_tokens);
    DSC_TRY(dsc_tokens_by_use(r->cmd, r->m.tok, d, r->n_tokens, what, &map, &small, err));
    DSC_TRY_OUT(st, count_changed(r, d, small, map.new_id, &n_changed, err));
    st = cut(r, &map, err);
    if (st != DSC_OK) {
        dsc_err_file(err, r->cmd->args[0]);
        goto out;
    }
    DSC_TRY_OUT(st, report(r, d, &map, n_changed, err));
    dsc_tok_close(r->m.tok);
    r->m.tok = small;
    small = NULL;
out:
    dsc_tok_close(small);
    return st;
}
