/* Data and tokenizers that verbs open. */
#include "inputs.h"

#include "formats_model.h"
#include "formats_text.h"

#include <string.h>
#include <sys/stat.h>

enum dsc_status dsc_cmd_data_spec(struct dsc_cmd *cmd, struct dsc_data_spec *spec,
                                  struct dsc_err *err)
{
    const char *split = dsc_opt_text(cmd, DSC_OPT_split);
    const char *part = dsc_opt_text(cmd, DSC_OPT_part);

    memset(spec, 0, sizeof *spec);
    spec->columns = dsc_opt_text(cmd, DSC_OPT_columns);
    spec->encoding_errors = (enum dsc_encoding_errors)dsc_opt_enum(cmd, DSC_OPT_encoding_errors);
    if (split)
        DSC_TRY(dsc_split_parse(split, &spec->split, err));
    if (part)
        DSC_TRY(dsc_part_parse(part, &spec->part, err));
    if (part && !split)
        return dsc_fail(err, DSC_E_USAGE, "--part needs --split");
    return DSC_OK;
}

enum dsc_status dsc_cmd_check_part(const struct dsc_data_spec *spec, struct dsc_err *err)
{
    if (spec->part != DSC_PART_ALL || spec->split.train + spec->split.dev + spec->split.test == 0)
        return DSC_OK;
    dsc_fail(err, DSC_E_USAGE, "--split needs --part train, dev or test here");
    return dsc_err_hint(err, "without both options all rows are used");
}

static enum dsc_status from_folder(struct dsc_cmd *cmd, const char *path, struct dsc_tok **tok,
                                   struct dsc_err *err)
{
    static const char *const names[] = {"tokenizer.json", "vocab.txt"};

    for (int i = 0; i < 2; i++) {
        struct stat st;
        const char *file = dsc_arena_printf(cmd->arena, err, "%s/%s", path, names[i]);

        if (!file)
            return err->status;
        if (stat(file, &st) == 0)
            return dsc_tok_open_file(tok, file, err);
    }
    dsc_fail(err, DSC_E_NOINPUT, "the folder holds no tokenizer.json and no vocab.txt");
    return dsc_err_file(err, path);
}

static enum dsc_status from_artefact(struct dsc_cmd *cmd, const char *path, struct dsc_tok **tok,
                                     struct dsc_err *err)
{
    const struct dsc_read_opts opts = {.log = &cmd->log};
    struct dsc_model m = {0};
    const char *json;
    enum dsc_status st;

    DSC_TRY(dsc_model_open_graph(&m, path, &opts, err));
    json = dsc_graph_prop(m.graph, "dscompress.tokenizer");
    if (json) {
        st = dsc_tok_open_json(tok, json, strlen(json), NULL, 0, err);
    } else {
        st = dsc_fail(err, DSC_E_SCHEMA, "the model carries no tokenizer");
        dsc_err_hint(err, "give the tokenizer.json or vocab.txt that belongs to it");
    }
    dsc_model_close(&m);
    dsc_err_file(err, path);
    return st;
}

enum dsc_status dsc_cmd_tokenizer(struct dsc_cmd *cmd, const char *path, struct dsc_tok **tok,
                                  struct dsc_err *err)
{
    struct stat st;

    if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
        return from_folder(cmd, path, tok, err);
    if (dsc_ends_with(path, ".onnx"))
        return from_artefact(cmd, path, tok, err);
    return dsc_tok_open_file(tok, path, err);
}
