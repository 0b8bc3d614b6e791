/* run: one forward pass on arrays. */
#include "dsc/exec.h"
#include "formats_npz.h"
#include "models.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { RUN_SHOWN_VALUES = 6 };

struct job {
    struct dsc_cmd *cmd;
    struct dsc_model m;
    struct dsc_device *dev;
    struct dsc_session *session;
    struct dsc_bundle arrays;  /* of an .npz */
    struct dsc_tensor *feeds;  /* [n_inputs] */
    struct dsc_tensor *outs;   /* [n_outputs], device memory */
    struct dsc_bundle results; /* host memory, in the order of the graph's outputs */
};

static bool is_folder(const char *path)
{
    struct stat st;

    return path[0] &&
           (path[strlen(path) - 1] == '/' || (stat(path, &st) == 0 && S_ISDIR(st.st_mode)));
}

static const struct dsc_value *input_of(const struct job *j, int i)
{
    return &j->m.graph->values[j->m.graph->inputs[i]];
}

static char *numbered(struct job *j, const char *folder, const char *what, int i,
                      struct dsc_err *err)
{
    return dsc_arena_printf(j->cmd->arena, err, "%s%s%s_%d.pb", folder,
                            folder[strlen(folder) - 1] == '/' ? "" : "/", what, i);
}

/* ONNX's own test data hold bfloat16 as its bits in uint16. */
static void see_as_bfloat16(struct job *j, int i)
{
    if (input_of(j, i)->type.dtype != DSC_BF16 || j->feeds[i].dtype != DSC_U16)
        return;
    j->feeds[i].dtype = DSC_BF16;
    dsc_log_printf(&j->cmd->log, DSC_LOG_INFO, "input '%s': uint16 is read as bfloat16",
                   input_of(j, i)->name);
}

/* input_0.pb .. in the graph's order; those of overridable initializers may be left out. */
static enum dsc_status feeds_from_folder(struct job *j, const char *folder, struct dsc_err *err)
{
    const struct dsc_graph *g = j->m.graph;
    struct stat st;
    char *path;

    for (int i = 0; i < g->n_inputs; i++) {
        path = numbered(j, folder, "input", i, err);
        if (!path)
            return DSC_E_MEMORY;
        if (stat(path, &st) != 0 && dsc_tensor_is_present(&input_of(j, i)->init))
            continue;
        DSC_TRY(dsc_tensor_pb_read(&j->feeds[i], NULL, NULL, path, err));
        see_as_bfloat16(j, i);
    }
    path = numbered(j, folder, "input", g->n_inputs, err);
    if (!path)
        return DSC_E_MEMORY;
    if (stat(path, &st) == 0) {
        dsc_fail(err, DSC_E_INCONSISTENT, "the graph has %d inputs, the folder more", g->n_inputs);
        return dsc_err_file(err, folder);
    }
    return DSC_OK;
}

static enum dsc_status feeds_from_npz(struct job *j, const char *path, struct dsc_err *err)
{
    const struct dsc_graph *g = j->m.graph;

    DSC_TRY(dsc_npz_read(&j->arrays, path, 0, err));
    for (int i = 0; i < g->n_inputs; i++) {
        const struct dsc_tensor *t = dsc_bundle_find(&j->arrays, input_of(j, i)->name);

        if (t) {
            dsc_tensor_ref(&j->feeds[i], t);
        } else if (!dsc_tensor_is_present(&input_of(j, i)->init)) {
            dsc_fail(err, DSC_E_SCHEMA, "there is no array '%s', which is input %d of the graph",
                     input_of(j, i)->name, i);
            return dsc_err_file(err, path);
        }
    }
    for (int k = 0; k < j->arrays.n; k++) {
        const int v = dsc_graph_find_value(g, j->arrays.items[k].name);

        if (v == DSC_NO_VALUE || !g->values[v].is_input)
            dsc_log_printf(&j->cmd->log, DSC_LOG_WARNING,
                           "array '%s' is no input of the graph and is left out",
                           j->arrays.items[k].name);
    }
    return DSC_OK;
}

/* Types and shapes against what the graph declares: equal symbols are equal sizes. */
static enum dsc_status check_feeds(const struct job *j, struct dsc_err *err)
{
    const struct dsc_graph *g = j->m.graph;
    int64_t *sizes;

    DSC_NEW(sizes, j->cmd->arena, g->n_symbols, err);
    for (int i = 0; i < g->n_symbols; i++)
        sizes[i] = DSC_DIM_UNKNOWN;
    for (int i = 0; i < g->n_inputs; i++) {
        const struct dsc_value *v = input_of(j, i);
        const struct dsc_tensor *t = &j->feeds[i];
        bool fits = v->type.rank < 0 || v->type.rank == t->rank;
        char have[160], want[160];

        if (!dsc_tensor_is_present(t))
            continue;
        for (int d = 0; fits && d < v->type.rank; d++) {
            const int64_t dim = v->type.dim[d];
            int64_t *size = dsc_dim_is_symbol(dim) ? &sizes[dsc_dim_symbol_idx(dim)] : NULL;

            if (size && *size < 0)
                *size = t->dim[d];
            fits = size ? *size == t->dim[d] : dim < 0 || dim == t->dim[d];
        }
        if (v->type.dtype != DSC_DTYPE_NONE && v->type.dtype != t->dtype)
            return dsc_fail(err, DSC_E_TYPE, "input '%s' is %s, the graph wants %s", v->name,
                            dsc_dtype_text(t->dtype), dsc_dtype_text(v->type.dtype));
        if (!fits)
            return dsc_fail(err, DSC_E_SHAPE, "input '%s' is %s, the graph wants %s", v->name,
                            dsc_tensor_text(t, have, sizeof have),
                            dsc_type_text(g, &v->type, want, sizeof want));
    }
    return DSC_OK;
}

static enum dsc_status forward(struct job *j, struct dsc_err *err)
{
    const struct dsc_graph *g = j->m.graph;

    DSC_TRY(dsc_session_open(&j->session, g, j->dev, err));
    DSC_TRY(dsc_session_run(j->session, &(struct dsc_run){0}, j->feeds, j->outs, err));
    for (int i = 0; i < g->n_outputs; i++) {
        struct dsc_tensor host;
        enum dsc_status st;

        DSC_TRY(dsc_to_host(&host, &j->outs[i], err));
        st = dsc_bundle_add(&j->results, g->values[g->outputs[i]].name, &host, err);
        dsc_tensor_clear(&host);
        DSC_TRY(st);
    }
    return dsc_cmd_stopped(j->cmd, err);
}

/* Files that did not exist before, and the folder if this run made it. */
static void take_back(char *const *paths, int n, const char *folder)
{
    for (int i = 0; i < n; i++)
        unlink(paths[i]);
    if (folder)
        rmdir(folder);
}

static enum dsc_status write_folder(struct job *j, const char *folder, bool may_replace,
                                    struct dsc_err *err)
{
    const bool is_made = mkdir(folder, 0777) == 0;
    enum dsc_status st = DSC_OK;
    char **paths;
    int n = 0;

    if (!is_made && errno != EEXIST) {
        dsc_fail(err, DSC_E_EXISTS, "cannot make the folder: %s", strerror(errno));
        return dsc_err_file(err, folder);
    }
    paths = dsc_arena_alloc(j->cmd->arena, (size_t)j->results.n, sizeof *paths, err);
    if (!paths)
        st = DSC_E_MEMORY;
    for (; st == DSC_OK && n < j->results.n; n++) {
        paths[n] = numbered(j, folder, "output", n, err);
        st = paths[n] ? dsc_tensor_pb_write(&j->results.items[n].tensor, j->results.items[n].name,
                                            paths[n], may_replace, err)
                      : DSC_E_MEMORY;
        if (st != DSC_OK)
            break;
    }
    if (st != DSC_OK && (is_made || !may_replace))
        take_back(paths, n, is_made ? folder : NULL);
    return st;
}

static void show_values(struct dsc_cmd *cmd, const struct dsc_tensor *t)
{
    const int64_t n = dsc_tensor_n_elems(t);

    for (int64_t i = 0; i < n && i < RUN_SHOWN_VALUES; i++)
        fprintf(cmd->out, " %.6g", dsc_tensor_get_f64(t, i));
    fprintf(cmd->out, "%s\n", n > RUN_SHOWN_VALUES ? " .." : "");
}

static void report(struct job *j)
{
    char text[160];

    dsc_json_array(&j->cmd->json, "outputs");
    for (int i = 0; i < j->results.n; i++) {
        const struct dsc_tensor *t = &j->results.items[i].tensor;

        dsc_term_put(j->cmd->out, j->results.items[i].name);
        fprintf(j->cmd->out, " %s", dsc_tensor_text(t, text, sizeof text));
        show_values(j->cmd, t);
        dsc_json_object(&j->cmd->json, NULL);
        dsc_json_text(&j->cmd->json, "name", j->results.items[i].name);
        dsc_json_text(&j->cmd->json, "dtype", dsc_dtype_text(t->dtype));
        dsc_json_array(&j->cmd->json, "shape");
        for (int d = 0; d < t->rank; d++)
            dsc_json_int(&j->cmd->json, NULL, t->dim[d]);
        dsc_json_end(&j->cmd->json);
        dsc_json_end(&j->cmd->json);
    }
    dsc_json_end(&j->cmd->json);
}

static enum dsc_status work(struct job *j, struct dsc_err *err)
{
    const char *in = dsc_opt_text(j->cmd, DSC_OPT_inputs);
    const char *out = dsc_opt_text(j->cmd, DSC_OPT_output);
    const bool may_replace = dsc_opt_flag(j->cmd, DSC_OPT_force);

    DSC_TRY(dsc_cmd_device(j->cmd, &j->dev, err));
    DSC_TRY(dsc_cmd_model(j->cmd, j->cmd->args[0], &j->m, err));
    DSC_TRY(dsc_cmd_check_used(j->cmd, err));
    DSC_NEW(j->feeds, j->cmd->arena, j->m.graph->n_inputs, err);
    DSC_NEW(j->outs, j->cmd->arena, j->m.graph->n_outputs, err);
    if (!in && j->m.graph->n_inputs > 0)
        return dsc_fail(err, DSC_E_USAGE, "the graph has inputs: --inputs is needed");
    if (in)
        DSC_TRY(is_folder(in) ? feeds_from_folder(j, in, err) : feeds_from_npz(j, in, err));
    DSC_TRY(check_feeds(j, err));
    if (forward(j, err) != DSC_OK)
        return dsc_err_file(err, j->cmd->args[0]);
    if (out && is_folder(out))
        DSC_TRY(write_folder(j, out, may_replace, err));
    else if (out)
        DSC_TRY(dsc_npz_write(out, &j->results, may_replace, err));
    report(j);
    return DSC_OK;
}

static enum dsc_status run(struct dsc_cmd *cmd, struct dsc_err *err)
{
    struct job j = {.cmd = cmd};
    enum dsc_status st;

    dsc_bundle_init(&j.results);
    st = work(&j, err);
    for (int i = 0; j.outs && i < j.m.graph->n_outputs; i++)
        dsc_tensor_clear(&j.outs[i]);
    for (int i = 0; j.feeds && i < j.m.graph->n_inputs; i++)
        dsc_tensor_clear(&j.feeds[i]);
    dsc_bundle_clear(&j.arrays);
    dsc_bundle_clear(&j.results);
    dsc_session_close(j.session);
    dsc_model_close(&j.m);
    dsc_device_close(j.dev);
    return st;
}

const struct dsc_command dsc_command_run = {
    .name = "run",
    .args = "MODEL",
    .summary = "one forward pass on arrays",
    .about =
        "Runs the model once. --inputs is an .npz whose arrays are named as the graph's inputs, or "
        "a folder of input_0.pb, input_1.pb .. in the graph's order, as ONNX test data have them. "
        "-o takes an .npz or, ending in /, a folder for output_0.pb ..\n"
        "Without -o the first values of each output are printed.",
    .examples = "dscompress run model.onnx --inputs in.npz -o out.npz\n"
                "dscompress run model.onnx --inputs test_data_set_0 -o result/",
    .n_args_min = 1,
    .n_args_max = 1,
    .run = run,
};
