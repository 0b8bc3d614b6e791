/* inspect: what is in a model. */
#include "dsc/quant.h"
#include "exporttensors.h"
#include "flops.h"
#include "modeldiff.h"
#include "models.h"
#include "table.h"
#include "tensorlist.h"

#include <fnmatch.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
    INSPECT_TEXT_BYTES = 256,
    INSPECT_SHOWN_META = 60,
    INSPECT_MAX_TYPES = 64,
    VALUES_MAX_BYTES = 1 << 30
};

struct job {
    struct dsc_cmd *cmd;
    struct dsc_model m;
    int n_problems;
    bool has_values; /* every tensor's have been seen */
    const char *extract;
};

static void put_shape(struct dsc_json *j, const struct dsc_graph *g, const struct dsc_type *t)
{
    if (t->rank < 0) {
        dsc_json_null(j, "shape");
        return;
    }
    dsc_json_array(j, "shape");
    for (int i = 0; i < t->rank; i++) {
        if (t->dim[i] >= 0)
            dsc_json_int(j, NULL, t->dim[i]);
        else if (dsc_dim_is_symbol(t->dim[i]))
            dsc_json_text(j, NULL, g->symbols[dsc_dim_symbol_idx(t->dim[i])]);
        else
            dsc_json_null(j, NULL);
    }
    dsc_json_end(j);
}

static void show_values(struct job *j, const char *what, const int *ids, int n)
{
    const struct dsc_graph *g = j->m.graph;
    char key[16], text[INSPECT_TEXT_BYTES];

    snprintf(key, sizeof key, "%ss", what);
    dsc_json_array(&j->cmd->json, key);
    for (int i = 0; i < n; i++) {
        const struct dsc_value *v = &g->values[ids[i]];

        fprintf(j->cmd->out, "%-11s ", what);
        dsc_term_put(j->cmd->out, v->name);
        fputc(' ', j->cmd->out);
        dsc_term_put(j->cmd->out, dsc_type_text(g, &v->type, text, sizeof text));
        fputc('\n', j->cmd->out);
        dsc_json_object(&j->cmd->json, NULL);
        dsc_json_text(&j->cmd->json, "name", v->name);
        dsc_json_text(&j->cmd->json, "dtype", v->type.dtype ? dsc_dtype_text(v->type.dtype) : NULL);
        put_shape(&j->cmd->json, g, &v->type);
        dsc_json_end(&j->cmd->json);
    }
    dsc_json_end(&j->cmd->json);
}

static void show_opsets(struct job *j)
{
    const struct dsc_graph *g = j->m.graph;

    fprintf(j->cmd->out, "format      %s, IR %" PRId64, j->m.format->name, g->ir_version);
    dsc_json_object(&j->cmd->json, "opsets");
    for (int i = 0; i < g->n_opsets; i++) {
        const char *domain = g->opsets[i].domain[0] ? g->opsets[i].domain : "ai.onnx";

        fputs(", ", j->cmd->out);
        dsc_term_put(j->cmd->out, domain);
        fprintf(j->cmd->out, " %" PRId64, g->opsets[i].version);
        dsc_json_int(&j->cmd->json, domain, g->opsets[i].version);
    }
    dsc_json_end(&j->cmd->json);
    fprintf(j->cmd->out, "\n");
}

/* Long values (a tokenizer), and those of several lines, by their size. */
static void show_meta(struct job *j, const char *key, const char *value)
{
    fputs("metadata    ", j->cmd->out);
    dsc_term_put(j->cmd->out, key);
    fputc(' ', j->cmd->out);
    if (strlen(value) > INSPECT_SHOWN_META || strchr(value, '\n'))
        fprintf(j->cmd->out, "(%zu bytes)", strlen(value));
    else
        dsc_term_put(j->cmd->out, value);
    fputc('\n', j->cmd->out);
    dsc_json_text(&j->cmd->json, key, value);
}

static void show_metadata(struct job *j)
{
    const struct dsc_graph *g = j->m.graph;
    const struct dsc_bundle *b = &j->m.tensors;

    dsc_json_object(&j->cmd->json, "metadata");
    for (int i = 0; g && i < g->n_props; i++)
        show_meta(j, g->props[i].key, g->props[i].value);
    for (int i = 0; !g && i < b->n_meta; i++)
        show_meta(j, b->meta[i].key, b->meta[i].value);
    dsc_json_end(&j->cmd->json);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Operators and how often they stand, by name. */
static enum dsc_status show_ops(struct job *j, struct dsc_err *err)
{
    const struct dsc_graph *g = j->m.graph;
    struct dsc_table table;
    const char **names;

    DSC_NEW(names, j->cmd->arena, g->n_nodes, err);
    for (int i = 0; i < g->n_nodes; i++) {
        const struct dsc_op *op = g->nodes[i]->op;
        const char *domain = dsc_op_domain(op);

        names[i] = op->onnx;
        if (domain[0])
            names[i] = dsc_arena_printf(j->cmd->arena, err, "%s.%s", domain, op->onnx);
        if (!names[i])
            return DSC_E_MEMORY;
    }
    if (g->n_nodes)
        qsort(names, (size_t)g->n_nodes, sizeof *names, by_text);
    dsc_table_init(&table, j->cmd->arena, "operator,>nodes");
    dsc_json_object(&j->cmd->json, "ops");
    for (int i = 0, n; i < g->n_nodes; i += n) {
        for (n = 1; i + n < g->n_nodes && strcmp(names[i], names[i + n]) == 0; n++)
            ;
        dsc_table_cell(&table, "%s", names[i]);
        dsc_table_cell(&table, "%d", n);
        dsc_json_int(&j->cmd->json, names[i], n);
    }
    dsc_json_end(&j->cmd->json);
    fprintf(j->cmd->out, "\n");
    return dsc_table_print(&table, j->cmd->out, err);
}

/* Infinities beside zeros alone are what an attention mask adds. */
static void check_values(struct job *j, const struct dsc_listed *t,
                         const struct dsc_tensor_census *c)
{
    const bool is_mask = c->n_nan == 0 && c->n_inf == c->n_nonzero;

    if (is_mask || (c->n_nan == 0 && c->n_inf == 0))
        return;
    j->n_problems++;
    dsc_log_printf(&j->cmd->log, DSC_LOG_WARNING,
                   "tensor '%s' has %" PRId64 " NaN and %" PRId64 " infinite values", t->name,
                   c->n_nan, c->n_inf);
}

static void put_tensor(struct job *j, struct dsc_table *table, const struct dsc_listed *t,
                       const struct dsc_tensor_census *c, bool has_stats)
{
    struct dsc_json *json = &j->cmd->json;
    char text[INSPECT_TEXT_BYTES];

    dsc_table_cell(table, "%s", t->name);
    dsc_table_cell(table, "%s", dsc_listed_text(t, text, sizeof text));
    dsc_table_cell(table, "%" PRIu64, t->n_bytes);
    dsc_json_object(json, NULL);
    dsc_json_text(json, "name", t->name);
    dsc_json_text(json, "dtype", t->type);
    dsc_json_array(json, "shape");
    for (int i = 0; i < t->rank; i++)
        dsc_json_int(json, NULL, t->dim[i]);
    dsc_json_end(json);
    dsc_json_int(json, "size_bytes", (int64_t)t->n_bytes);
    dsc_json_bool(json, "is_param", t->is_param);
    if (has_stats) {
        dsc_table_cell(table, "%.6g", c->min);
        dsc_table_cell(table, "%.6g", c->max);
        dsc_table_cell(table, "%.6g", c->mean);
        dsc_table_cell(table, "%" PRId64, c->n_elems - c->n_nonzero);
        dsc_table_cell(table, "%" PRId64, c->n_nan + c->n_inf);
        dsc_json_float(json, "min", c->min);
        dsc_json_float(json, "max", c->max);
        dsc_json_float(json, "mean", c->mean);
        dsc_json_int(json, "nonzero", c->n_nonzero);
        dsc_json_int(json, "nan", c->n_nan);
        dsc_json_int(json, "inf", c->n_inf);
    }
    dsc_json_end(json);
}

/* A tensor of the list, and what was counted of it. */
struct one {
    const struct dsc_listed *listed;
    bool is_named, is_match, is_counted, has_range;
    struct dsc_tensor_census c;
};

/*
 * Values of a graph or bundle are counted up to VALUES_MAX_BYTES of model; beyond, and those that
 * are stored in a file of tensors, which may be larger than memory, where they are asked for.
 */
static void choose(struct job *j, struct one *one, const char *glob, bool is_listed, bool has_stats)
{
    const struct dsc_listed *t = one->listed;

    one->is_named = !glob || fnmatch(glob, t->name, 0) == 0;
    one->is_match = is_listed && one->is_named;
    one->has_range = has_stats && one->is_match;
    one->is_counted = (t->tensor && j->m.size_bytes <= VALUES_MAX_BYTES) || one->has_range ||
                      dsc_opt_flag(j->cmd, DSC_OPT_validate);
    one->c = (struct dsc_tensor_census){.n_elems = t->n_elems};
    if (!one->is_counted)
        j->has_values = false;
}

static void count_open(void *ctx, int64_t i)
{
    struct one *one = (struct one *)ctx + i;

    if (one->is_counted && one->listed->tensor)
        dsc_tensor_census(one->listed->tensor, one->has_range, &one->c);
}

static enum dsc_status count_stored(struct job *j, struct one *one, struct dsc_err *err)
{
    struct dsc_tensor values;

    if (!one->is_counted || one->listed->tensor)
        return DSC_OK;
    if (dsc_listed_open(&j->m, one->listed, &values, err) != DSC_OK)
        return dsc_err_file(err, j->cmd->args[0]);
    dsc_tensor_census(&values, one->has_range, &one->c);
    dsc_tensor_clear(&values);
    return DSC_OK;
}

/*
 * Every tensor is counted; those that --tensors names are listed. What is in memory or mapped is
 * counted by all threads; what has to be read first, one after the other.
 */
static enum dsc_status show_tensors(struct job *j, const struct dsc_listed *all, int n,
                                    int64_t *n_params, int64_t *n_nonzero, struct dsc_err *err)
{
    const bool has_stats = dsc_opt_flag(j->cmd, DSC_OPT_stats);
    const bool is_listed = dsc_opt_is_set(j->cmd, DSC_OPT_tensors) || has_stats;
    const char *glob = dsc_opt_text(j->cmd, DSC_OPT_tensors);
    struct dsc_table table;
    struct dsc_listed *chosen;
    struct dsc_pool *pool;
    struct one *each;
    int n_chosen = 0;

    DSC_NEW(chosen, j->cmd->arena, n + 1, err);
    DSC_NEW(each, j->cmd->arena, n + 1, err);
    DSC_TRY(dsc_cmd_pool(j->cmd, &pool, err));
    dsc_table_init(&table, j->cmd->arena,
                   has_stats ? "tensor,type,>bytes,>min,>max,>mean,>zeros,>not finite"
                             : "tensor,type,>bytes");
    if (is_listed)
        dsc_json_array(&j->cmd->json, "tensors");
    for (int i = 0; i < n; i++) {
        each[i].listed = &all[i];
        choose(j, &each[i], glob, is_listed, has_stats);
    }
    dsc_parallel_for(pool, n, count_open, each);
    for (int i = 0; i < n; i++) {
        DSC_TRY(count_stored(j, &each[i], err));
        check_values(j, &all[i], &each[i].c);
        *n_params += all[i].is_param ? each[i].c.n_elems : 0;
        *n_nonzero += all[i].is_param ? each[i].c.n_nonzero : 0;
        if (each[i].is_match)
            put_tensor(j, &table, &all[i], &each[i].c, has_stats);
        if (each[i].is_named)
            chosen[n_chosen++] = all[i];
        DSC_TRY(dsc_cmd_stopped(j->cmd, err));
    }
    if (is_listed)
        dsc_json_end(&j->cmd->json);
    if (n_chosen == 0 && glob)
        return dsc_fail(err, DSC_E_USAGE, "no tensor has a name like '%s'", glob);
    if (j->extract)
        DSC_TRY(dsc_export_arrays(j->cmd, &j->m, chosen, n_chosen, j->extract, err));
    if (!is_listed)
        return DSC_OK;
    DSC_TRY(dsc_table_print(&table, j->cmd->out, err));
    fprintf(j->cmd->out, "\n");
    return DSC_OK;
}

static void show_dtype(struct job *j, struct dsc_table *table, const char *type,
                       const struct dsc_listed *all, int n)
{
    int64_t n_elems = 0, n_bytes = 0;
    int n_tensors = 0;

    for (int i = 0; i < n; i++) {
        if (strcmp(all[i].type, type) != 0)
            continue;
        n_tensors++;
        n_elems += all[i].n_elems;
        n_bytes += (int64_t)all[i].n_bytes;
    }
    dsc_table_cell(table, "%s", type);
    dsc_table_cell(table, "%d", n_tensors);
    dsc_table_cell(table, "%" PRId64, n_elems);
    dsc_table_cell(table, "%" PRId64, n_bytes);
    dsc_json_object(&j->cmd->json, type);
    dsc_json_int(&j->cmd->json, "tensors", n_tensors);
    dsc_json_int(&j->cmd->json, "elements", n_elems);
    dsc_json_int(&j->cmd->json, "size_bytes", n_bytes);
    dsc_json_end(&j->cmd->json);
}

/* Tensors, elements and bytes of each element type. */
static enum dsc_status show_dtypes(struct job *j, const struct dsc_listed *all, int n,
                                   struct dsc_err *err)
{
    const char *types[INSPECT_MAX_TYPES];
    struct dsc_table table;
    int n_types = 0;

    for (int i = 0, k; i < n; i++) {
        for (k = 0; k < n_types && strcmp(types[k], all[i].type) != 0; k++)
            ;
        if (k == n_types && n_types < INSPECT_MAX_TYPES)
            types[n_types++] = all[i].type;
    }
    qsort(types, (size_t)n_types, sizeof types[0], by_text);
    dsc_table_init(&table, j->cmd->arena, "type,>tensors,>elements,>bytes");
    dsc_json_object(&j->cmd->json, "dtypes");
    for (int k = 0; k < n_types; k++)
        show_dtype(j, &table, types[k], all, n);
    dsc_json_end(&j->cmd->json);
    fprintf(j->cmd->out, "\n");
    return dsc_table_print(&table, j->cmd->out, err);
}

static void show_graph_header(struct job *j)
{
    const struct dsc_graph *g = j->m.graph;
    struct dsc_json *json = &j->cmd->json;

    dsc_json_int(json, "ir_version", g->ir_version);
    show_opsets(j);
    fputs("producer    ", j->cmd->out);
    dsc_term_put(j->cmd->out, g->producer_name[0] ? g->producer_name : "unknown");
    fputs(g->producer_version[0] ? " " : "", j->cmd->out);
    dsc_term_put(j->cmd->out, g->producer_version);
    fputc('\n', j->cmd->out);
    dsc_json_text(json, "producer", g->producer_name);
    dsc_json_text(json, "producer_version", g->producer_version);
    dsc_json_int(json, "nodes", g->n_nodes);
    show_values(j, "input", g->inputs, g->n_inputs);
    show_values(j, "output", g->outputs, g->n_outputs);
    show_metadata(j);
}

static enum dsc_status show_flops(struct job *j, bool is_wanted, struct dsc_err *err)
{
    int64_t flops;

    if (!is_wanted) {
        dsc_json_null(&j->cmd->json, "flops");
        return DSC_OK;
    }
    if (!j->m.graph)
        return dsc_fail(err, DSC_E_USAGE, "a file of tensors has no operations to count");
    DSC_TRY(dsc_cmd_flops(j->cmd, j->m.graph, &flops, err));
    fprintf(j->cmd->out, "flops       %" PRId64 "\n", flops);
    dsc_json_int(&j->cmd->json, "flops", flops);
    return DSC_OK;
}

/* A word of several codes is several parameters. */
static enum dsc_status count_codes(struct job *j, int64_t *n_params, int64_t *n_nonzero,
                                   struct dsc_err *err)
{
    struct dsc_param_census c;

    if (!j->m.graph || !dsc_quant_has_words(j->m.graph))
        return DSC_OK;
    DSC_TRY(dsc_quant_param_census(j->m.graph, &c, err));
    *n_params = c.n_params;
    *n_nonzero = c.n_nonzero;
    return DSC_OK;
}

static void show_params(struct job *j, int64_t n_params, int64_t n_nonzero)
{
    fprintf(j->cmd->out, "params      %" PRId64, n_params);
    if (j->has_values)
        fprintf(j->cmd->out, " (%.2f %% nonzero)",
                n_params ? 100.0 * (double)n_nonzero / (double)n_params : 0.0);
    fputc('\n', j->cmd->out);
    dsc_json_int(&j->cmd->json, "params", n_params);
    if (j->has_values)
        dsc_json_int(&j->cmd->json, "nonzero", n_nonzero);
    else
        dsc_json_null(&j->cmd->json, "nonzero");
}

static enum dsc_status work(struct job *j, struct dsc_err *err)
{
    const bool is_validated = dsc_opt_flag(j->cmd, DSC_OPT_validate);
    const bool has_flops =
        dsc_opt_flag(j->cmd, DSC_OPT_flops) || dsc_opt_is_set(j->cmd, DSC_OPT_shapes);
    const struct dsc_read_opts opts = {.log = &j->cmd->log,
                                       .may_misalign =
                                           !has_flops && !dsc_opt_is_set(j->cmd, DSC_OPT_extract)};
    int64_t n_params = 0, n_nonzero = 0;
    struct dsc_listed *all;
    int n;

    (void)dsc_opt_text(j->cmd, DSC_OPT_tensors);
    (void)dsc_opt_flag(j->cmd, DSC_OPT_stats);
    j->extract = dsc_opt_text(j->cmd, DSC_OPT_extract);
    (void)(j->extract && dsc_opt_flag(j->cmd, DSC_OPT_force));
    (void)dsc_opt_items(j->cmd, DSC_OPT_shapes, &n);
    DSC_TRY(dsc_cmd_check_used(j->cmd, err));
    DSC_TRY(dsc_model_open(&j->m, j->cmd->args[0], &opts, err));
    dsc_json_text(&j->cmd->json, "format", j->m.format->name);
    if (j->m.graph) {
        show_graph_header(j);
    } else {
        fprintf(j->cmd->out, "format      %s\n", j->m.format->name);
        show_metadata(j);
    }
    DSC_TRY(dsc_list_tensors(&j->m, &j->cmd->log, j->cmd->arena, &all, &n, err));
    DSC_TRY(show_flops(j, has_flops, err));
    fprintf(j->cmd->out, "size        %.2f MB (%" PRIu64 " bytes)\n", (double)j->m.size_bytes / 1e6,
            j->m.size_bytes);
    dsc_json_int(&j->cmd->json, "size_bytes", (int64_t)j->m.size_bytes);
    DSC_TRY(show_tensors(j, all, n, &n_params, &n_nonzero, err));
    DSC_TRY(count_codes(j, &n_params, &n_nonzero, err));
    show_params(j, n_params, n_nonzero);
    DSC_TRY(show_dtypes(j, all, n, err));
    if (j->m.graph)
        DSC_TRY(show_ops(j, err));
    dsc_json_int(&j->cmd->json, "problems", j->n_problems);
    if (!is_validated || j->n_problems == 0)
        return DSC_OK;
    dsc_fail(err, DSC_E_CHECK, "the model has %d problem%s", j->n_problems,
             j->n_problems == 1 ? "" : "s");
    return dsc_err_file(err, j->cmd->args[0]);
}

static enum dsc_status diff(struct job *j, struct dsc_err *err)
{
    const struct dsc_read_opts opts = {.log = &j->cmd->log};
    struct dsc_model other = {0};
    enum dsc_status st;

    if (j->cmd->n_args != 2)
        return dsc_fail(err, DSC_E_USAGE, "inspect --diff compares two models");
    DSC_TRY(dsc_cmd_check_used(j->cmd, err));
    DSC_TRY(dsc_model_open(&j->m, j->cmd->args[0], &opts, err));
    DSC_TRY(dsc_model_open(&other, j->cmd->args[1], &opts, err));
    st = dsc_model_diff(j->cmd, &j->m, &other, err);
    dsc_model_close(&other);
    return st;
}

static enum dsc_status run(struct dsc_cmd *cmd, struct dsc_err *err)
{
    struct job j = {.cmd = cmd, .has_values = true};
    enum dsc_status st;

    if (dsc_opt_flag(cmd, DSC_OPT_diff))
        st = diff(&j, err);
    else if (cmd->n_args == 1)
        st = work(&j, err);
    else
        st = dsc_fail(err, DSC_E_USAGE, "inspect takes one model, or two with --diff");
    dsc_model_close(&j.m);
    return st;
}

const struct dsc_command dsc_command_inspect = {
    .name = "inspect",
    .args = "MODEL [MODEL]",
    .summary = "what is in a model",
    .about =
        "Prints the format, opsets, inputs, outputs, size, parameters, element types and operators "
        "of an ONNX file, a Hugging Face folder, or a file of tensors: safetensors, GGUF, npz, "
        "PyTorch (of the last two, values are read where --stats or --validate ask for them).\n"
        "Parameters are the numbers that were learned: not shapes, indices, or the scales and zero "
        "points of quantization. Operations are counted on one run; --shapes gives the sizes that "
        "the graph leaves open.\n"
        "--extract FILE.npz writes the tensors, those that --tensors names if it is given, as "
        "NumPy "
        "arrays of their names; bf16 as f32, codes of 4 bits as bytes.\n"
        "A model with NaN is shown with a warning; with --validate that is exit status 1.\n\n"
        "--diff compares two models as diff(1) compares files: it prints what differs and exits "
        "with 1, or with 0 when nothing does. Tensors are matched by name; of those that differ, "
        "types and shapes are shown, and for equal ones the number of elements that differ, the "
        "largest difference, and the largest relative to the larger of both values. Operators are "
        "compared by their number, metadata by key; equal numbers of nodes that are wired "
        "otherwise are a difference, too.",
    .examples = "dscompress inspect model.onnx\n"
                "dscompress inspect model.onnx --shapes input_ids:1x128 --json\n"
                "dscompress inspect model.onnx --tensors='*.weight' --stats\n"
                "dscompress inspect model.onnx --tensors='*.weight' --extract weights.npz\n"
                "dscompress inspect --diff before.onnx after.onnx",
    .n_args_min = 1,
    .n_args_max = 2,
    .run = run,
};
