/* Writing a verb's model. */
#include "output.h"

#include "dsc/census.h"
#include "dsc/gate.h"

#include <errno.h>
#include <inttypes.h>
#include <libgen.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { VERIFY_ROWS = 8 };

enum dsc_status dsc_output_place(const char *path, bool may_replace, struct dsc_err *err)
{
    char folder[4096];

    if (dsc_out_is_special(path))
        return DSC_OK;
    if (access(path, F_OK) == 0 && !may_replace) {
        dsc_fail(err, DSC_E_EXISTS, "the output exists");
        dsc_err_hint(err, "give -f to replace it");
        return dsc_err_file(err, path);
    }
    snprintf(folder, sizeof folder, "%s", path);
    if (access(dirname(folder), W_OK) != 0) {
        dsc_fail(err, DSC_E_EXISTS, "its folder cannot be written: %s", strerror(errno));
        return dsc_err_file(err, path);
    }
    return DSC_OK;
}

enum dsc_status dsc_output_check(struct dsc_cmd *cmd, struct dsc_err *err)
{
    return dsc_output_place(dsc_opt_text(cmd, DSC_OPT_output), dsc_opt_flag(cmd, DSC_OPT_force),
                            err);
}

enum dsc_status dsc_output_size(const char *option, const char *text, uint64_t whole,
                                uint64_t *n_bytes, struct dsc_err *err)
{
    struct dsc_check size;
    char *end;
    const double part = strtod(text, &end);

    if (end != text && strcmp(end, "%") == 0) {
        if (!(part > 0))
            return dsc_fail(err, DSC_E_USAGE, "%s %s is not a part of the model", option, text);
        *n_bytes = (uint64_t)fmax(part / 100 * (double)whole, 1);
        return DSC_OK;
    }
    if (dsc_check_parse(DSC_CHECK_MAX_SIZE, text, &size, NULL) != DSC_OK) {
        dsc_fail(err, DSC_E_USAGE, "%s '%s' is no size", option, text);
        return dsc_err_hint(err, "it is written 15MB, or 60%% of the model");
    }
    *n_bytes = (uint64_t)fmax(size.bar, 1);
    return DSC_OK;
}

enum dsc_status dsc_output_check_nan(const struct dsc_graph *g, struct dsc_err *err)
{
    int n_bad = 0, first = -1;

    for (int i = 0; i < g->n_values; i++) {
        struct dsc_tensor_census c;

        if (!dsc_tensor_is_present(&g->values[i].init) ||
            !dsc_dtype_is_float(g->values[i].init.dtype))
            continue;
        dsc_tensor_census(&g->values[i].init, false, &c);
        if (c.n_nan > 0 && n_bad++ == 0)
            first = i;
    }
    if (n_bad == 0)
        return DSC_OK;
    return dsc_fail(err, DSC_E_NONFINITE, "%d tensors hold NaN; the first is '%s'", n_bad,
                    g->values[first].name);
}

struct verifier {
    struct dsc_cmd *cmd;
    struct dsc_textmodel *m;
    const struct dsc_dataset *d;
    struct dsc_device *dev;
};

static enum dsc_status run_on_rows(const struct verifier *v, const struct dsc_graph *g,
                                   struct dsc_tensor *out, struct dsc_err *err)
{
    int64_t idx[VERIFY_ROWS];
    const int64_t n =
        dsc_textmodel_batch(v->m, v->d->n < VERIFY_ROWS ? (int64_t)v->d->n : VERIFY_ROWS);
    const struct dsc_run run = {.n_examples = n};
    struct dsc_session *s = NULL;
    struct dsc_tensor *t = dsc_heap_alloc((size_t)(g->n_inputs + g->n_outputs), sizeof *t, err);
    enum dsc_status st;

    if (!t)
        return DSC_E_MEMORY;
    for (int64_t i = 0; i < n; i++)
        idx[i] = i;
    DSC_TRY_OUT(st, dsc_session_open(&s, g, v->dev, err));
    DSC_TRY_OUT(st, dsc_textmodel_fill(v->m, v->d, idx, n, t, err));
    DSC_TRY_OUT(st, dsc_session_run(s, &run, t, t + g->n_inputs, err));
    st = dsc_to_host(out, &t[g->n_inputs + v->m->output], err);
out:
    for (int i = 0; i < g->n_inputs + g->n_outputs; i++)
        dsc_tensor_clear(&t[i]);
    dsc_heap_free(t);
    dsc_session_close(s);
    return st;
}

/* Data that a model was to be run on are finite; what it makes of them must be so too. */
static enum dsc_status check_finite(const struct dsc_tensor *t, struct dsc_err *err)
{
    const int64_t n = dsc_tensor_n_elems(t);

    for (int64_t i = 0; dsc_dtype_is_float(t->dtype) && i < n; i++)
        if (!isfinite(dsc_tensor_get_f64(t, i)))
            return dsc_fail(err, DSC_E_NONFINITE,
                            "the model gives %g on a row (element %" PRId64 " of %" PRId64
                            "): it is not written",
                            dsc_tensor_get_f64(t, i), i, n);
    return DSC_OK;
}

static enum dsc_status verify(void *ctx, const struct dsc_graph *reread, struct dsc_err *err)
{
    const struct verifier *v = ctx;
    struct dsc_tensor want = {0}, got = {0};
    enum dsc_status st;

    DSC_TRY_OUT(st, run_on_rows(v, v->m->model.graph, &want, err));
    DSC_TRY_OUT(st, run_on_rows(v, reread, &got, err));
    if (!dsc_tensor_same_shape(&want, &got) ||
        memcmp(want.data, got.data, dsc_tensor_n_bytes(&want)) != 0)
        st = dsc_fail(err, DSC_E_INTERNAL, "the written file computes other values");
    if (st == DSC_OK)
        st = check_finite(&got, err);
out:
    dsc_tensor_clear(&want);
    dsc_tensor_clear(&got);
    return st;
}

/* What a file is verified on where the verb reads no data. */
static enum dsc_status open_probe(struct dsc_cmd *cmd, const struct dsc_textmodel *m,
                                  struct dsc_dataset *probe, struct dsc_err *err)
{
    static const char chars[] = "One sentence of 12 words, with 3 numbers: it is no data, 45.";
    static const struct dsc_text text = {chars, sizeof chars - 1};

    if (!m->tok)
        return dsc_textmodel_draw(m, NULL, VERIFY_ROWS, 0, cmd->arena, probe, err);
    *probe = (struct dsc_dataset){.n = 1, .text = &text};
    return DSC_OK;
}

enum dsc_status dsc_output_write(struct dsc_cmd *cmd, struct dsc_textmodel *m,
                                 const struct dsc_dataset *d, struct dsc_device *dev,
                                 const struct dsc_output *how, uint64_t *size_bytes,
                                 struct dsc_err *err)
{
    const char *path = dsc_opt_text(cmd, DSC_OPT_output);
    struct dsc_dataset probe = {0};
    struct verifier v = {cmd, m, d ? d : &probe, dev};
    const struct dsc_write_opts o = {.may_replace = dsc_opt_flag(cmd, DSC_OPT_force),
                                     .max_bytes = how ? how->max_bytes : 0,
                                     .sparse_initializers = how && how->is_sparse,
                                     .log = &cmd->log,
                                     .check = verify,
                                     .check_ctx = &v};
    struct dsc_write_report report = {0};
    enum dsc_status st;

    dsc_heap_trim();
    DSC_TRY(dsc_output_check_nan(m->model.graph, err));
    DSC_TRY(dsc_provenance_set(cmd, m, d, err));
    if (!d)
        DSC_TRY(open_probe(cmd, m, &probe, err));
    st = dsc_model_write(m->model.graph, path, &o, &report, err);
    dsc_dataset_close(&probe);
    if (st != DSC_OK && st != DSC_E_CHECK && !d && !m->tok)
        dsc_err_hint(err, "it was run on drawn rows, with 8 where it leaves a size open");
    if (st != DSC_OK)
        return st;
    fprintf(cmd->out, "%s: %.1f MB\n", path, (double)report.size_bytes / 1e6);
    if (size_bytes)
        *size_bytes = report.size_bytes;
    dsc_json_int(&cmd->json, "size_bytes", (int64_t)report.size_bytes);
    dsc_json_int(&cmd->json, "opset", report.opset_after);
    if (o.sparse_initializers) {
        fprintf(cmd->out, "%d sparse initializers\n", report.n_sparse);
        dsc_json_int(&cmd->json, "sparse_initializers", report.n_sparse);
        if (report.n_sparse == 0)
            dsc_log_printf(&cmd->log, DSC_LOG_WARNING,
                           "no tensor has so many zeros that it is smaller written sparse");
    }
    return DSC_OK;
}
