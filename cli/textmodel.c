/* Models and the rows that they read. */
#include "textmodel.h"

#include "dsc/io.h"
#include "dsc/pass.h"
#include "formats_props.h"
#include "formats_table.h"
#include "inputs.h"
#include "models.h"
#include "output.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { DEFAULT_MAX_LENGTH = 512 };

/* What exporters call these inputs. */
static const struct {
    const char *role;
    const char *names[4];
} role_rows[DSC_N_ROLES] = {
    [DSC_ROLE_IDS] = {"ids", {"input_ids", "ids", "input", "tokens"}},
    [DSC_ROLE_MASK] = {"mask", {"attention_mask", "mask", "input_mask", NULL}},
    [DSC_ROLE_TYPES] = {"types", {"token_type_ids", "segment_ids", "type_ids", NULL}},
};

static int find_input(const struct dsc_graph *g, const char *name)
{
    for (int i = 0; i < g->n_inputs; i++)
        if (strcmp(g->values[g->inputs[i]].name, name) == 0)
            return i;
    return -1;
}

static bool is_of_ids(const struct dsc_value *v)
{
    return v->type.dtype == DSC_I64 || v->type.dtype == DSC_I32;
}

static int find_role(const struct dsc_graph *g, enum dsc_role role)
{
    for (int k = 0; k < 4 && role_rows[role].names[k]; k++) {
        const int i = find_input(g, role_rows[role].names[k]);

        if (i >= 0 && is_of_ids(&g->values[g->inputs[i]]))
            return i;
    }
    return -1;
}

static enum dsc_status fail_names(const struct dsc_graph *g, bool is_input, const char *what,
                                  struct dsc_err *err)
{
    const int n = is_input ? g->n_inputs : g->n_outputs;
    char list[256] = "";
    size_t at = 0;

    for (int i = 0; i < n && at < sizeof list; i++)
        at += (size_t)snprintf(list + at, sizeof list - at, "%s%s", i ? ", " : "",
                               g->values[is_input ? g->inputs[i] : g->outputs[i]].name);
    dsc_fail(err, DSC_E_SCHEMA, "%s; the graph has %s", what, list);
    dsc_err_hint(err, is_input ? "say it with --inputs ids=NAME,mask=NAME,types=NAME"
                               : "say it with --logits NAME");
    return DSC_E_SCHEMA;
}

static enum dsc_status set_role(struct dsc_textmodel *m, const char *item, struct dsc_err *err)
{
    char key[32];
    const char *value;
    int role = -1;

    if (dsc_opt_pair(item, key, sizeof key, &value))
        for (int r = 0; r < DSC_N_ROLES; r++)
            role = strcmp(role_rows[r].role, key) == 0 ? r : role;
    if (role < 0)
        return dsc_fail(err, DSC_E_USAGE, "--inputs takes ids=, mask=, types=, not '%s'", item);
    m->input[role] = find_input(m->model.graph, value);
    return m->input[role] < 0 ? fail_names(m->model.graph, true, "there is no such input", err)
                              : DSC_OK;
}

/* What the model says of its inputs, and --inputs ids=a,mask=b, replace what was guessed. */
static enum dsc_status read_roles(struct dsc_textmodel *m, struct dsc_cmd *cmd, struct dsc_err *err)
{
    const char *said = dsc_graph_prop(m->model.graph, DSC_PROP_INPUTS);
    int n_items = 0;
    const char *const *items = m->tok ? dsc_opt_items(cmd, DSC_OPT_input_roles, &n_items) : NULL;

    for (int r = 0; r < DSC_N_ROLES; r++)
        m->input[r] = find_role(m->model.graph, (enum dsc_role)r);
    while (said && *said) {
        const size_t n = strcspn(said, ",");
        const char *item = dsc_arena_strndup(cmd->arena, said, n, err);

        if (!item)
            return DSC_E_MEMORY;
        DSC_TRY(set_role(m, item, err));
        said += n + (said[n] == ',');
    }
    for (int i = 0; i < n_items; i++)
        DSC_TRY(set_role(m, items[i], err));
    return DSC_OK;
}

/* Roles and output, where a later verb could not guess them. */
static enum dsc_status store_names(struct dsc_textmodel *m, struct dsc_err *err)
{
    struct dsc_graph *g = m->model.graph;
    const char *logits = g->values[g->outputs[m->output]].name;
    struct dsc_bytes roles = {0};
    bool is_guessed = true;
    enum dsc_status st;

    for (int r = 0; r < DSC_N_ROLES; r++) {
        is_guessed &= m->input[r] == find_role(g, (enum dsc_role)r);
        if (m->input[r] >= 0)
            dsc_bytes_printf(&roles, "%s%s=%s", roles.n_bytes ? "," : "", role_rows[r].role,
                             g->values[g->inputs[m->input[r]]].name);
    }
    dsc_bytes_add(&roles, "", 1);
    st = roles.is_failed ? dsc_fail(err, DSC_E_MEMORY, "no memory for the names of inputs")
                         : dsc_graph_set_prop(g, DSC_PROP_INPUTS,
                                              is_guessed ? NULL : (const char *)roles.data, err);
    dsc_bytes_clear(&roles);
    DSC_TRY(st);
    return dsc_graph_set_prop(g, DSC_PROP_LOGITS, g->n_outputs > 1 ? logits : NULL, err);
}

/* Texts need a tokenizer, and every input a role: zeros fed in silence would be a wrong answer. */
enum dsc_status dsc_textmodel_check_texts(const struct dsc_textmodel *m, struct dsc_err *err)
{
    const struct dsc_graph *g = m->model.graph;

    if (!m->tok) {
        dsc_fail(err, DSC_E_SCHEMA, "the model carries no tokenizer");
        return dsc_err_hint(err, "give one with --tokenizer tokenizer.json or vocab.txt; a model "
                                 "that reads no text takes rows from an .npz or .h5");
    }
    if (m->input[DSC_ROLE_IDS] < 0)
        return fail_names(g, true, "no input takes token ids", err);
    for (int i = 0; i < m->n_inputs; i++) {
        const struct dsc_value *v = &g->values[g->inputs[i]];
        bool has_role = dsc_tensor_is_present(&v->init);

        for (int r = 0; r < DSC_N_ROLES; r++)
            has_role |= m->input[r] == i;
        if (!has_role)
            return fail_names(g, true, "an input has no known role", err);
        if (!dsc_tensor_is_present(&v->init) && !is_of_ids(v))
            return dsc_fail(err, DSC_E_TYPE, "input '%s' is %s, not i64 or i32", v->name,
                            dsc_dtype_text(v->type.dtype));
    }
    return DSC_OK;
}

static enum dsc_status read_output(struct dsc_textmodel *m, struct dsc_cmd *cmd,
                                   struct dsc_err *err)
{
    const struct dsc_graph *g = m->model.graph;
    const char *said = dsc_opt_text(cmd, DSC_OPT_logits);
    const char *name = said ? said : dsc_graph_prop(g, DSC_PROP_LOGITS);

    if (!name && g->n_outputs == 1) {
        m->output = 0;
        return DSC_OK;
    }
    m->output = -1;
    for (int i = 0; i < g->n_outputs; i++)
        if (strcmp(g->values[g->outputs[i]].name, name ? name : "logits") == 0)
            m->output = i;
    if (m->output < 0 && !name) /* a base encoder: the token vectors */
        for (int i = 0; i < g->n_outputs; i++)
            if (strcmp(g->values[g->outputs[i]].name, "last_hidden_state") == 0)
                m->output = i;
    return m->output < 0 ? fail_names(g, false, "the output with the logits is not known", err)
                         : DSC_OK;
}

/* A first axis of fixed size: one row at a time is what exporters leave behind. */
static enum dsc_status read_batch(struct dsc_textmodel *m, const struct dsc_log *log,
                                  struct dsc_err *err)
{
    const struct dsc_graph *g = m->model.graph;

    for (int i = 0; i < g->n_inputs; i++) {
        const struct dsc_value *v = &g->values[g->inputs[i]];

        if (dsc_tensor_is_present(&v->init) || v->type.rank < 1 || v->type.dim[0] < 0)
            continue;
        if (v->type.dim[0] != 1) {
            dsc_fail(err, DSC_E_UNSUPPORTED, "input '%s' takes exactly %" PRId64 " rows", v->name,
                     v->type.dim[0]);
            return dsc_err_hint(err, "export the model with a free first axis");
        }
        m->is_single = true;
    }
    if (m->is_single)
        dsc_log_printf(log, DSC_LOG_INFO, "the model takes one row at a time");
    return DSC_OK;
}

static int32_t length_of(struct dsc_textmodel *m, struct dsc_cmd *cmd)
{
    const char *stored = dsc_graph_prop(m->model.graph, DSC_PROP_MAX_LENGTH);
    const long v = stored ? strtol(stored, NULL, 10) : 0;

    if (dsc_opt_is_set(cmd, DSC_OPT_max_length))
        return (int32_t)dsc_opt_int(cmd, DSC_OPT_max_length);
    if (v > 0 && v <= 1000000)
        return (int32_t)v;
    return DEFAULT_MAX_LENGTH;
}

/* The node that computes an output, when it makes probabilities over its last axis. */
static const struct dsc_node *find_ending(const struct dsc_graph *g, int output,
                                          enum dsc_ending *ending)
{
    const struct dsc_value *v = &g->values[g->outputs[output]];
    const struct dsc_node *n = v->producer < 0 ? NULL : g->nodes[v->producer];
    const int64_t axis = n ? dsc_node_int(n, "axis", -1) : 0;
    const bool is_softmax = n && strcmp(n->op->onnx, "Softmax") == 0;

    *ending = n && strcmp(n->op->onnx, "Sigmoid") == 0                 ? DSC_ENDS_IN_SIGMOID
              : is_softmax && (axis == -1 || axis == v->type.rank - 1) ? DSC_ENDS_IN_SOFTMAX
                                                                       : DSC_ENDS_IN_LOGITS;
    return n;
}

enum dsc_status dsc_textmodel_bare_logits(const struct dsc_textmodel *m, struct dsc_graph *g,
                                          struct dsc_err *err)
{
    const int old = g->outputs[m->output];
    enum dsc_ending ending;
    const struct dsc_node *n = find_ending(g, m->output, &ending);

    if (ending == DSC_ENDS_IN_LOGITS)
        return DSC_OK;
    if (ending == DSC_ENDS_IN_SIGMOID && !dsc_textmodel_has_one_output(m)) {
        dsc_fail(err, DSC_E_UNSUPPORTED, "the model ends in a Sigmoid for each of several classes");
        return dsc_err_hint(err, "only classes that exclude each other are learned and scored");
    }
    g->outputs[m->output] = n->in[0];
    g->values[old].is_output = false;
    g->values[n->in[0]].is_output = true;
    return dsc_graph_sort(g, true, err);
}

static void record_tokenizer(const struct dsc_textmodel *m, struct dsc_cmd *cmd)
{
    struct dsc_sha256 h;
    char hex[65];
    size_t n_bytes;
    const char *json = dsc_tok_json(m->tok, &n_bytes);

    dsc_sha256_init(&h);
    dsc_sha256_add(&h, json, n_bytes);
    dsc_sha256_hex(&h, hex);
    dsc_provenance_input(cmd, "tokenizer", hex);
}

/* The tokenizer that was given, or that the model carries; other models read arrays. */
static enum dsc_status open_tokenizer(struct dsc_textmodel *m, struct dsc_cmd *cmd,
                                      struct dsc_err *err)
{
    const char *file = dsc_opt_text(cmd, DSC_OPT_tokenizer);
    const char *json = dsc_graph_prop(m->model.graph, DSC_PROP_TOKENIZER);

    if (!file && !json)
        return DSC_OK;
    DSC_TRY(file ? dsc_tok_open_file(&m->tok, file, err)
                 : dsc_tok_open_json(&m->tok, json, strlen(json), NULL, 0, err));
    if (file)
        record_tokenizer(m, cmd);
    m->max_length = length_of(m, cmd);
    m->pad_to = dsc_opt_int(cmd, DSC_OPT_pad_to);
    return DSC_OK;
}

/* An export in training mode: ONNX says that such a node drops whenever the model runs. */
static void warn_dropout(const struct dsc_textmodel *m, struct dsc_cmd *cmd)
{
    const struct dsc_graph *g = m->model.graph;

    for (int i = 0; i < g->n_nodes; i++) {
        const struct dsc_node *n = g->nodes[i];
        const struct dsc_tensor *mode;

        if (!n->op || strcmp(n->op->onnx, "Dropout") != 0 || !dsc_node_has_in(n, 2))
            continue;
        mode = &g->values[n->in[2]].init;
        if (!dsc_tensor_is_present(mode) || !dsc_tensor_get_i64(mode, 0))
            continue;
        dsc_log_printf(&cmd->log, DSC_LOG_WARNING,
                       "%s: '%s' asks for dropout whenever the model runs (training_mode): its "
                       "answers are random; export the model in evaluation mode",
                       m->path, n->name);
        return;
    }
}

enum dsc_status dsc_textmodel_open(struct dsc_textmodel *m, struct dsc_cmd *cmd, const char *path,
                                   struct dsc_err *err)
{
    enum dsc_status st;

    m->path = path;
    DSC_TRY(dsc_cmd_model(cmd, path, &m->model, err));
    m->n_inputs = m->model.graph->n_inputs;
    DSC_TRY_OUT(st, open_tokenizer(m, cmd, err));
    DSC_TRY_OUT(st, read_roles(m, cmd, err));
    DSC_TRY_OUT(st, read_batch(m, &cmd->log, err));
    DSC_TRY_OUT(st, read_output(m, cmd, err));
    (void)find_ending(m->model.graph, m->output, &m->ending);
    m->positive = dsc_graph_prop(m->model.graph, DSC_PROP_POSITIVE);
    if (dsc_opt_is_set(cmd, DSC_OPT_positive))
        m->positive = dsc_opt_text(cmd, DSC_OPT_positive);
    DSC_TRY_OUT(st, dsc_props_labels(m->model.graph, cmd->arena, &m->labels, &m->n_labels, err));
    warn_dropout(m, cmd);
    return DSC_OK;
out:
    dsc_err_file(err, path);
    dsc_textmodel_close(m);
    return st;
}

void dsc_textmodel_close(struct dsc_textmodel *m)
{
    dsc_tok_close(m->tok);
    m->tok = NULL;
    dsc_model_close(&m->model);
}

enum dsc_status dsc_textmodel_to_inference(struct dsc_textmodel *m, const struct dsc_device *dev,
                                           struct dsc_err *err)
{
    if ((dsc_device_has_fused(dev) ? dsc_pass_inference(m->model.graph, &m->n_int, err)
                                   : dsc_pass_strip_dropout(m->model.graph, err)) == DSC_OK)
        return DSC_OK;
    return dsc_err_file(err, m->path);
}

enum dsc_status dsc_textmodel_store(struct dsc_textmodel *m, struct dsc_err *err)
{
    struct dsc_graph *g = m->model.graph;
    char text[32];
    size_t n_bytes;

    if (m->tok) {
        DSC_TRY(dsc_graph_set_prop(g, DSC_PROP_TOKENIZER, dsc_tok_json(m->tok, &n_bytes), err));
        snprintf(text, sizeof text, "%d", (int)m->max_length);
        DSC_TRY(dsc_graph_set_prop(g, DSC_PROP_MAX_LENGTH, text, err));
    }
    DSC_TRY(store_names(m, err));
    if (m->positive)
        DSC_TRY(dsc_graph_set_prop(g, DSC_PROP_POSITIVE, m->positive, err));
    return m->n_labels ? dsc_props_set_labels(g, m->labels, m->n_labels, err) : DSC_OK;
}

/* Outputs for one row, 0: not known, or no row's. */
static size_t n_outputs_of(const struct dsc_textmodel *m)
{
    const struct dsc_graph *g = m->model.graph;
    const struct dsc_type *t = &g->values[g->outputs[m->output]].type;

    return t->rank == 1 ? 1 : t->rank == 2 && t->dim[1] > 0 ? (size_t)t->dim[1] : 0;
}

bool dsc_textmodel_has_one_output(const struct dsc_textmodel *m)
{
    return n_outputs_of(m) == 1;
}

/* What labels are: as asked for, else as the model says of itself. */
static enum dsc_target target_of(const struct dsc_textmodel *m, struct dsc_cmd *cmd)
{
    static const enum dsc_target targets[] = {DSC_TARGET_CLASS, DSC_TARGET_VALUE};
    const char *task = dsc_graph_prop(m->model.graph, DSC_PROP_TASK);

    if (dsc_opt_is_set(cmd, DSC_OPT_task))
        return targets[dsc_opt_enum(cmd, DSC_OPT_task)];
    return task && strcmp(task, "regress") == 0 ? DSC_TARGET_VALUE : DSC_TARGET_AUTO;
}

static enum dsc_status list_inputs(const struct dsc_textmodel *m, struct dsc_arena *arena,
                                   const struct dsc_row_input **list, struct dsc_err *err)
{
    const struct dsc_graph *g = m->model.graph;
    struct dsc_row_input *in;

    DSC_NEW(in, arena, g->n_inputs, err);
    for (int i = 0; i < g->n_inputs; i++) {
        const struct dsc_value *v = &g->values[g->inputs[i]];

        in[i] = (struct dsc_row_input){v->name, v->type, dsc_tensor_is_present(&v->init)};
    }
    *list = in;
    return DSC_OK;
}

/* Once a file, whatever parts of it are read. */
static void tell_duplicates(struct dsc_textmodel *m, struct dsc_cmd *cmd, const char *path,
                            const struct dsc_dataset *d)
{
    const struct dsc_data_report *r = &d->report;

    if (r->n_duplicates == 0 || strcmp(m->told, r->sha256) == 0)
        return;
    memcpy(m->told, r->sha256, sizeof m->told);
    dsc_log_printf(&cmd->log, r->n_conflicts ? DSC_LOG_WARNING : DSC_LOG_INFO,
                   "%s: %zu of %zu rows are left out, since they repeat one before them%s", path,
                   r->n_duplicates, r->n_rows,
                   r->n_conflicts ? "; some of these have another label" : "");
}

static enum dsc_status read_data(struct dsc_textmodel *m, struct dsc_cmd *cmd, const char *path,
                                 enum dsc_part part, bool needs_label, enum dsc_target target,
                                 struct dsc_dataset *d, struct dsc_err *err)
{
    const size_t n_outputs = n_outputs_of(m);
    struct dsc_data_spec spec;
    struct dsc_table table;
    bool has_table;

    DSC_TRY(dsc_cmd_data_spec(cmd, &spec, err));
    if (part == DSC_PART_ALL)
        DSC_TRY(dsc_cmd_check_part(&spec, err));
    else if (spec.split.train + spec.split.dev + spec.split.test > 0)
        spec.part = part;
    spec.target = target;
    spec.labels = m->n_labels ? m->labels : NULL;
    spec.n_labels = m->n_labels;
    spec.n_classes = n_outputs == 1 ? 2 : n_outputs;
    spec.needs_label = needs_label;
    spec.n_inputs = (size_t)m->n_inputs;
    spec.log = &cmd->log;
    DSC_TRY(list_inputs(m, cmd->arena, &spec.inputs, err));
    DSC_TRY(dsc_table_of(m->model.graph, cmd->arena, &table, &has_table, err));
    spec.table = has_table ? &table : NULL;
    DSC_TRY(dsc_data_read(d, path, &spec, cmd->arena, err));
    tell_duplicates(m, cmd, path, d);
    if (d->arrays || dsc_textmodel_check_texts(m, err) == DSC_OK)
        return DSC_OK;
    dsc_dataset_close(d);
    return dsc_err_file(err, m->path);
}

enum dsc_status dsc_textmodel_data(struct dsc_textmodel *m, struct dsc_cmd *cmd, const char *path,
                                   enum dsc_part part, bool needs_label, struct dsc_dataset *d,
                                   struct dsc_err *err)
{
    return read_data(m, cmd, path, part, needs_label, target_of(m, cmd), d, err);
}

enum dsc_status dsc_textmodel_unlabeled(struct dsc_textmodel *m, struct dsc_cmd *cmd,
                                        const char *path, enum dsc_part part, struct dsc_dataset *d,
                                        struct dsc_err *err)
{
    return read_data(m, cmd, path, part, false, DSC_TARGET_NONE, d, err);
}

enum dsc_status dsc_textmodel_hint_length(const struct dsc_textmodel *m, struct dsc_err *err)
{
    return m->tok && err->status == DSC_E_SHAPE
               ? dsc_err_hint(err, "texts have up to %d tokens here; --max-length cuts them",
                              (int)m->max_length)
               : err->status;
}

enum dsc_status dsc_textmodel_share_labels(struct dsc_textmodel *a, struct dsc_textmodel *b,
                                           struct dsc_err *err)
{
    bool is_same = a->n_labels == b->n_labels;

    for (size_t i = 0; is_same && i < a->n_labels; i++)
        is_same = strcmp(a->labels[i], b->labels[i]) == 0;
    if (!is_same && a->n_labels && b->n_labels) {
        dsc_fail(err, DSC_E_INCONSISTENT, "its labels are not those of %s", b->path);
        return dsc_err_file(err, a->path);
    }
    if (a->n_labels == 0) {
        a->labels = b->labels;
        a->n_labels = b->n_labels;
    } else if (b->n_labels == 0) {
        b->labels = a->labels;
        b->n_labels = a->n_labels;
    }
    a->positive = a->positive ? a->positive : b->positive;
    b->positive = b->positive ? b->positive : a->positive;
    return DSC_OK;
}
