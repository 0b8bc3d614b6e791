/*
 * Provenance: how an artefact was made, as JSON in its metadata.
 * {"verb":..,"version":..,"flags":{NAME:[VALUES]},"inputs":{"model":SHA256,"data":SHA256},
 *  "parent":"<the source's provenance>"}
 */
#include "dsc/io.h"
#include "formats_props.h"
#include "newmodel.h"
#include "output.h"

#include <assert.h>
#include <string.h>
#include <sys/stat.h>

#define HASHED_AT_ONCE ((size_t)16 << 20)

/* Options that do not change what is written, or whose files are hashed instead. */
static const char *const left_out[] = {"threads",       "output",
                                       "force",         "state",
                                       "depfile",       "json",
                                       "progress",      "color",
                                       "quiet",         "verbose",
                                       "help",          "version",
                                       "train",         "eval",
                                       "data",          "calib",
                                       "ranges",        "tokenizer",
                                       "dry-run",       "mem-limit",
                                       "baseline",      "plan",
                                       "save-plan",     "sensitivity",
                                       "recipe",        "set",
                                       "print-recipe",  "teacher",
                                       "teacher-cache", "choose",
                                       "unlabeled",     "metric",
                                       "require-size",  "require-speedup",
                                       "arch"};

static bool is_left_out(const char *name)
{
    for (size_t i = 0; i < sizeof left_out / sizeof left_out[0]; i++)
        if (strcmp(left_out[i], name) == 0)
            return true;
    return false;
}

static void add_flags(struct dsc_cmd *cmd, struct dsc_json *j)
{
    dsc_json_object(j, "flags");
    for (int id = 0; id < DSC_OPT_COUNT; id++) {
        const struct dsc_opt_row *row = &dsc_opt_rows[id];
        const struct dsc_opt_value *v = &cmd->opts.v[id];

        if (!v->is_used || is_left_out(row->name) || !dsc_opt_takes(row, cmd->row->name))
            continue; /* what nothing has read changes nothing */
        if (v->n_given == 0 && v->n_items == 0 && row->dflt[0] == '\0')
            continue;
        dsc_json_array(j, row->name);
        for (int i = 0; i < v->n_items; i++)
            dsc_json_text(j, NULL, v->items[i]);
        if (v->n_given == 0 && v->n_items == 0)
            dsc_json_text(j, NULL, row->dflt);
        dsc_json_end(j);
    }
    dsc_json_end(j);
}

static enum dsc_status add_file(struct dsc_sha256 *h, const char *path, bool is_needed,
                                struct dsc_err *err)
{
    struct dsc_file f;
    struct stat st;

    if (!is_needed && stat(path, &st) != 0)
        return DSC_OK;
    DSC_TRY(dsc_file_open(&f, path, 0, err));
    for (size_t at = 0, n; at < f.n_bytes; at += n) { /* a model is not to be in memory whole */
        n = f.n_bytes - at < HASHED_AT_ONCE ? f.n_bytes - at : HASHED_AT_ONCE;
        dsc_sha256_add(h, f.data + at, n);
        dsc_file_forget(&f, at, n);
    }
    dsc_file_close(&f);
    return DSC_OK;
}

/* A folder is its files that decide what the model computes, in this order. */
enum dsc_status dsc_provenance_hash_model(const char *path, char hex[65], struct dsc_err *err)
{
    static const char *const names[] = {"config.json", "model.safetensors",
                                        "model.safetensors.index.json", "tokenizer.json",
                                        "vocab.txt"};
    struct dsc_sha256 h;
    struct stat st;
    char file[4096];

    dsc_sha256_init(&h);
    if (dsc_newmodel_is(path)) {
        dsc_sha256_add(&h, path, strlen(path)); /* its weights follow from the seed */
    } else if (stat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
        for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
            snprintf(file, sizeof file, "%s/%s", path, names[i]);
            DSC_TRY(add_file(&h, file, false, err));
        }
    } else {
        DSC_TRY(add_file(&h, path, true, err));
    }
    dsc_sha256_hex(&h, hex);
    return DSC_OK;
}

void dsc_provenance_input(struct dsc_cmd *cmd, const char *name, const char sha256[65])
{
    struct dsc_cmd_input *in = cmd->inputs;

    while (in < cmd->inputs + cmd->n_inputs && strcmp(in->name, name) != 0)
        in++;
    assert(in < cmd->inputs + DSC_CMD_INPUTS_MAX);
    in->name = name;
    memcpy(in->sha256, sha256, sizeof in->sha256);
    cmd->n_inputs += in == cmd->inputs + cmd->n_inputs;
}

enum dsc_status dsc_provenance_file(struct dsc_cmd *cmd, const char *name, const char *path,
                                    struct dsc_err *err)
{
    char hex[65];

    DSC_TRY(dsc_provenance_hash_model(path, hex, err));
    dsc_provenance_input(cmd, name, hex);
    return DSC_OK;
}

static void add_text(struct dsc_sha256 *h, const char *text)
{
    dsc_sha256_add(h, text, strlen(text) + 1);
}

void dsc_provenance_add(struct dsc_sha256 *h, const struct dsc_cmd *cmd, const enum dsc_opt_id *ids,
                        size_t n)
{
    add_text(h, DSC_VERSION);
    for (int i = 0; i < cmd->n_inputs; i++) {
        add_text(h, cmd->inputs[i].name);
        add_text(h, cmd->inputs[i].sha256);
    }
    for (size_t i = 0; i < n; i++) {
        const struct dsc_opt_value *v = &cmd->opts.v[ids[i]];

        add_text(h, dsc_opt_rows[ids[i]].name);
        for (int k = 0; k < v->n_items; k++)
            add_text(h, v->items[k]);
    }
}

enum dsc_status dsc_provenance_json(struct dsc_cmd *cmd, const struct dsc_textmodel *m,
                                    const struct dsc_dataset *d, const struct dsc_dataset *d2,
                                    struct dsc_json *j, struct dsc_err *err)
{
    char hex[65];

    DSC_TRY(dsc_provenance_hash_model(m->path, hex, err));
    dsc_json_text(j, "verb", cmd->row->name);
    dsc_json_text(j, "version", DSC_VERSION);
    add_flags(cmd, j);
    dsc_json_object(j, "inputs");
    dsc_json_text(j, "model", hex);
    if (d)
        dsc_json_text(j, "data", d->report.sha256);
    if (d2)
        dsc_json_text(j, "data2", d2->report.sha256);
    for (int i = 0; i < cmd->n_inputs; i++)
        dsc_json_text(j, cmd->inputs[i].name, cmd->inputs[i].sha256);
    dsc_json_end(j);
    return DSC_OK;
}

enum dsc_status dsc_provenance_set(struct dsc_cmd *cmd, struct dsc_textmodel *m,
                                   const struct dsc_dataset *d, struct dsc_err *err)
{
    const char *parent = dsc_graph_prop(m->model.graph, DSC_PROP_PROVENANCE);
    struct dsc_json j = {0};
    enum dsc_status st;

    dsc_json_object(&j, NULL);
    st = dsc_provenance_json(cmd, m, d, NULL, &j, err);
    if (parent)
        dsc_json_text(&j, "parent", parent);
    dsc_json_end(&j);
    dsc_bytes_add(&j.text, "", 1);
    if (st == DSC_OK)
        st = j.text.is_failed ? dsc_fail(err, DSC_E_MEMORY, "no memory for the provenance")
                              : dsc_graph_set_prop(m->model.graph, DSC_PROP_PROVENANCE,
                                                   (const char *)j.text.data, err);
    dsc_json_clear(&j);
    return st;
}
