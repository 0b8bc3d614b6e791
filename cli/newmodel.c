/* New models of sequences, from the columns of a table. */
#include "newmodel.h"

#include "dsc/pass.h"
#include "formats_data.h"
#include "formats_table.h"
#include "inputs.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define PREFIX "new:"

bool dsc_newmodel_is(const char *arg)
{
    return strncmp(arg, PREFIX, strlen(PREFIX)) == 0;
}

static const struct {
    const char *word, *op;
} cells[] = {{"lstm", "LSTM"}, {"gru", "GRU"}, {"rnn", "RNN"}};

/* "hidden=64": which of the spec's sizes, and its limit. */
static enum dsc_status set_size(struct dsc_recurrent_spec *s, const char *key, const char *value,
                                struct dsc_err *err)
{
    const struct {
        const char *key;
        int64_t *at, most;
    } rows[] = {{"hidden", &s->n_hidden, 65536},
                {"layers", &s->n_layers, 64},
                {"embedding", &s->n_embedding, 4096}};

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char *end;

        if (strcmp(rows[i].key, key) != 0)
            continue;
        *rows[i].at = strtoll(value, &end, 10);
        if (*value == '\0' || *end || *rows[i].at < 1 || *rows[i].at > rows[i].most)
            return dsc_fail(err, DSC_E_USAGE, "%s is 1 to %" PRId64 ", not '%s'", key, rows[i].most,
                            value);
        return DSC_OK;
    }
    return dsc_fail(err, DSC_E_USAGE, "a new model has no '%s'", key);
}

/* "new:lstm,hidden=64,layers=1,embedding=8" */
static enum dsc_status parse(struct dsc_cmd *cmd, const char *arg, struct dsc_recurrent_spec *s,
                             struct dsc_err *err)
{
    char *text = dsc_arena_strdup(cmd->arena, arg + strlen(PREFIX), err), *saved = NULL;
    const char *cell = text ? strtok_r(text, ",", &saved) : NULL;

    if (!text)
        return DSC_E_MEMORY;
    *s = (struct dsc_recurrent_spec){.n_hidden = 64, .n_layers = 1, .n_embedding = 8};
    for (size_t i = 0; cell && i < sizeof cells / sizeof cells[0]; i++)
        if (strcmp(cells[i].word, cell) == 0)
            s->cell = cells[i].op;
    if (!s->cell) {
        dsc_fail(err, DSC_E_USAGE, "a new model is lstm, gru or rnn, not '%s'", cell ? cell : "");
        return dsc_err_hint(err, "new:lstm,hidden=64,layers=1,embedding=8");
    }
    for (char *item; (item = strtok_r(NULL, ",", &saved));) {
        char key[32];
        const char *value;

        if (!dsc_opt_pair(item, key, sizeof key, &value))
            return dsc_fail(err, DSC_E_USAGE, "'%s' is not SIZE=NUMBER", item);
        DSC_TRY(set_size(s, key, value, err));
    }
    return DSC_OK;
}

/* "text=..,label=fraud": the label's column. */
static enum dsc_status label_column(struct dsc_cmd *cmd, struct dsc_table *t, struct dsc_err *err)
{
    const char *columns = dsc_opt_text(cmd, DSC_OPT_columns);
    char key[32];
    const char *value;

    if (!columns)
        return DSC_OK;
    if (!dsc_opt_pair(columns, key, sizeof key, &value) || strcmp(key, "label") != 0)
        return dsc_fail(err, DSC_E_USAGE, "of a table --columns says label=NAME alone");
    t->label = value;
    return DSC_OK;
}

static enum dsc_status learn(struct dsc_cmd *cmd, struct dsc_table *t, struct dsc_table_facts *f,
                             struct dsc_recurrent_spec *s, struct dsc_err *err)
{
    static const enum dsc_target targets[] = {DSC_TARGET_CLASS, DSC_TARGET_VALUE};
    const char *path = dsc_opt_text(cmd, DSC_OPT_train);
    struct dsc_data_spec spec;
    struct dsc_dataset d;

    DSC_TRY(dsc_cmd_data_spec(cmd, &spec, err));
    if (spec.split.train + spec.split.dev + spec.split.test > 0)
        spec.part = DSC_PART_TRAIN;
    if (dsc_opt_is_set(cmd, DSC_OPT_task))
        spec.target = targets[dsc_opt_enum(cmd, DSC_OPT_task)];
    spec.needs_label = true;
    spec.table = t;
    spec.learn = f;
    DSC_TRY(dsc_data_read(&d, path, &spec, cmd->arena, err));
    s->n_outputs = d.target == DSC_TARGET_VALUE ? 1 : (int)d.n_labels;
    if (!f->mean)
        dsc_fail(err, DSC_E_UNSUPPORTED, "an .npz has no columns to learn from");
    dsc_dataset_close(&d);
    return f->mean ? DSC_OK : dsc_err_file(err, path);
}

static enum dsc_status list_categories(struct dsc_cmd *cmd, const struct dsc_table *t,
                                       struct dsc_recurrent_spec *s, struct dsc_err *err)
{
    const char **names;
    int64_t *sizes;

    DSC_NEW(names, cmd->arena, t->n_columns, err);
    DSC_NEW(sizes, cmd->arena, t->n_columns, err);
    for (size_t i = 0; i < t->n_columns; i++) {
        if (t->columns[i].kind != DSC_FEATURE_CATEGORY)
            continue;
        names[s->n_categories] = t->columns[i].name;
        sizes[s->n_categories++] = (int64_t)t->columns[i].n_values + 1; /* 0: another value */
    }
    s->categories = names;
    s->n_values = sizes;
    return DSC_OK;
}

enum dsc_status dsc_newmodel_open(struct dsc_cmd *cmd, const char *arg, struct dsc_model *m,
                                  struct dsc_err *err)
{
    int n_features = 0, n_sequence = 0;
    const char *const *features = dsc_opt_items(cmd, DSC_OPT_features, &n_features);
    const char *const *sequence = dsc_opt_items(cmd, DSC_OPT_sequence, &n_sequence);
    struct dsc_table table;
    struct dsc_table_facts facts = {.table = &table};
    struct dsc_recurrent_spec s;

    *m = (struct dsc_model){0};
    DSC_TRY(parse(cmd, arg, &s, err));
    if (n_features == 0) {
        dsc_fail(err, DSC_E_USAGE, "a new model needs --features");
        return dsc_err_hint(err, "--features amount=log,currency=category,datetime=time");
    }
    DSC_TRY(dsc_table_parse(&table, features, n_features, sequence, n_sequence, cmd->arena, err));
    DSC_TRY(label_column(cmd, &table, err));
    DSC_TRY(learn(cmd, &table, &facts, &s, err));
    DSC_TRY(list_categories(cmd, &table, &s, err));
    s.n_steps = table.n_steps;
    s.n_channels = facts.n_channels;
    s.mean = facts.mean;
    s.scale = facts.scale;
    s.seed = (uint64_t)dsc_opt_int(cmd, DSC_OPT_seed);
    m->graph = dsc_graph_new(err);
    if (!m->graph)
        return err->status;
    if (dsc_recurrent_build(m->graph, &s, err) == DSC_OK &&
        dsc_table_store(m->graph, &table, err) == DSC_OK)
        return DSC_OK;
    dsc_model_close(m);
    return err->status;
}
