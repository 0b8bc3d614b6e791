/* Options and results that all patterns of prune have. */
#include "prunerun.h"

#include <string.h>

enum dsc_prune_choice dsc_prunerun_choose(void *ctx, const char *weight, int n,
                                          const char *const *nodes)
{
    struct dsc_prunerun *r = ctx;
    const bool is_in = dsc_patterns_match_any(&r->include, weight, n, nodes);

    if (dsc_patterns_match_any(&r->exclude, weight, n, nodes))
        return DSC_PRUNE_EXCLUDED;
    if (is_in)
        return DSC_PRUNE_ASKED_FOR;
    return r->include.n == 0 ? DSC_PRUNE_CHOSEN : DSC_PRUNE_LEFT_OUT;
}

enum dsc_status dsc_prunerun_found(struct dsc_prunerun *r, enum dsc_status st,
                                   const struct dsc_err *why, struct dsc_err *err)
{
    if (st == DSC_OK || st == DSC_E_UNSUPPORTED) {
        DSC_TRY(dsc_patterns_check(&r->include, err));
        DSC_TRY(dsc_patterns_check(&r->exclude, err));
    }
    if (st == DSC_OK)
        return st;
    *err = *why;
    return dsc_err_file(err, r->cmd->args[0]);
}

enum dsc_status dsc_prunerun_counts(struct dsc_prunerun *r, double sparsity,
                                    struct dsc_param_census *after, struct dsc_err *err)
{
    struct dsc_json *json = &r->cmd->json;

    DSC_TRY(dsc_graph_param_census(r->m.model.graph, after, err));
    dsc_json_float(json, "sparsity", sparsity);
    dsc_json_int(json, "params_before", r->before.n_params);
    dsc_json_int(json, "params_after", after->n_params);
    dsc_json_int(json, "nonzero_before", r->before.n_nonzero);
    dsc_json_int(json, "nonzero_after", after->n_nonzero);
    dsc_json_int(json, "size_bytes_before", (int64_t)r->m.model.size_bytes);
    return DSC_OK;
}

/* A folder is what its config.json builds, and that knows one size for all layers. */
enum dsc_status dsc_prunerun_check_folder(struct dsc_prunerun *r, struct dsc_err *err)
{
    const char *path = dsc_opt_text(r->cmd, DSC_OPT_output);

    if (path[strlen(path) - 1] != '/')
        return DSC_OK;
    dsc_fail(err, DSC_E_UNSUPPORTED, "a Hugging Face folder holds no model of other sizes");
    dsc_err_hint(err, "-o FILE.onnx holds them");
    return dsc_err_file(err, path);
}
