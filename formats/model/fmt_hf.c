/*
 * Hugging Face folders: config.json says which graph to build, model.safetensors (or an index of
 * shards) has its weights, tokenizer.json or vocab.txt its tokens.
 */
#include "dsc/io.h"
#include "model/arch_weights.h"
#include "model/hf.h"

#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>

static bool has_file(const char *folder, const char *name)
{
    char path[PATH_MAX]; /* no memory: that it is short must not look like a missing file */
    const int n = snprintf(path, sizeof path, "%s/%s", folder, name);
    struct stat st;

    return n > 0 && n < (int)sizeof path && stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

static bool probe(const struct dsc_probe *p)
{
    return p->is_folder && has_file(p->path, "config.json");
}

static enum dsc_status read_config(struct hf_config *c, const char *folder, struct dsc_arena *tmp,
                                   uint64_t *size_bytes, const struct dsc_log *log,
                                   struct dsc_err *err)
{
    struct dsc_file f;
    enum dsc_status st;

    DSC_TRY(hf_open(&f, tmp, folder, "config.json", err));
    *size_bytes += f.n_bytes;
    st = hf_config_read(c, f.data ? (const char *)f.data : "", f.n_bytes, log, err);
    dsc_file_close(&f);
    return st == DSC_OK ? DSC_OK : dsc_err_where(err, "config.json");
}

/* Of another file, or of the first of these that is there. */
static enum dsc_status read_weights(struct dsc_bundle *b, const char *folder, const char *given,
                                    struct dsc_arena *tmp, uint64_t *size_bytes,
                                    struct dsc_err *err)
{
    static const char *const names[] = {"model.safetensors", "model.safetensors.index.json",
                                        "pytorch_model.bin", "pytorch_model.bin.index.json"};

    if (given)
        return arch_read_weights(b, given, size_bytes, err);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const char *path;

        if (!has_file(folder, names[i]))
            continue;
        path = dsc_arena_printf(tmp, err, "%s/%s", folder, names[i]);
        return path ? arch_read_weights(b, path, size_bytes, err) : DSC_E_MEMORY;
    }
    return dsc_fail(err, DSC_E_NOINPUT, "the folder has no model.safetensors or pytorch_model.bin");
}

static enum dsc_status read_into(struct dsc_model *m, const char *folder, const char *given,
                                 struct dsc_arena *tmp, const struct dsc_log *log,
                                 struct dsc_err *err)
{
    struct hf_config c = {0};
    struct hf_weights w = {0};
    struct dsc_bundle file = {0};
    enum dsc_status st;

    DSC_TRY(read_config(&c, folder, tmp, &m->size_bytes, log, err));
    DSC_TRY_OUT(st, read_weights(&file, folder, given, tmp, &m->size_bytes, err));
    DSC_TRY_OUT(st, hf_weights_init(&w, &file, &c, log, err));
    DSC_TRY_OUT(st, hf_graph_build(&m->graph, &c, &w, err));
    st = hf_meta_read(m->graph, folder, &c, log, err);
out:
    hf_weights_clear(&w);
    dsc_bundle_clear(&file);
    hf_config_clear(&c);
    return st;
}

static enum dsc_status read(struct dsc_model *m, const char *path, const struct dsc_read_opts *o,
                            struct dsc_err *err)
{
    struct dsc_arena tmp;
    enum dsc_status st;

    dsc_arena_init(&tmp);
    st = read_into(m, path, o ? o->weights : NULL, &tmp, o ? o->log : NULL, err);
    dsc_arena_clear(&tmp);
    return st;
}

const struct dsc_format dsc_format_hf = {
    .name = "hf",
    .text = "Hugging Face folder: BERT, DistilBERT, RoBERTa, XLM-R, MPNet, ELECTRA",
    .takes_weights = true,
    .probe = probe,
    .read = read,
    .is_target = hf_is_target,
    .write = hf_write,
    .can_write = hf_can_write,
};
