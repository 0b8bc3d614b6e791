/*
 * A graph to a Hugging Face folder.
 *
 * A folder holds no graph: its reader builds one from config.json. So the graph is built again
 * from the config it came with and the weights it has now, and has to be the same; what a pass has
 * changed otherwise (a new head, Q/DQ, removed heads) has no spelling there and is refused.
 */
#include "formats_props.h"
#include "formats_text.h"
#include "model/folder.h"
#include "model/hf.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { WRITE_JSON = JSON_INDENT(2) | HF_JSON };

/* What a written folder may hold: what is removed when one is replaced. */
static const char *const known_names[] = {"config.json",
                                          "model.safetensors",
                                          "tokenizer.json",
                                          "tokenizer_config.json",
                                          "special_tokens_map.json",
                                          "sentence_bert_config.json",
                                          "config_sentence_transformers.json",
                                          "modules.json",
                                          "1_Pooling/config.json",
                                          "1_Pooling",
                                          HF_PROPS_FILE,
                                          NULL};

struct hf_out {
    const struct dsc_graph *g;
    const struct dsc_write_opts *o;
    struct hf_config config;
    struct dsc_graph *again; /* built from config and weights */
    struct folder folder;
    uint64_t size_bytes;
    struct dsc_err *err;
};

bool hf_is_target(const char *path)
{
    const size_t n = strlen(path);

    return n > 0 && path[n - 1] == '/';
}

static const struct dsc_tensor *init_of(const struct dsc_graph *g, const char *name)
{
    const int id = dsc_graph_find_value(g, name);

    return id >= 0 && dsc_tensor_is_present(&g->values[id].init) ? &g->values[id].init : NULL;
}

static enum dsc_status set_size(struct hf_out *w, const char *key, int64_t v)
{
    if (v < 1 || v == json_integer_value(json_object_get(w->config.json, key)))
        return DSC_OK;
    if (json_object_set_new(w->config.json, key, json_integer(v)) != 0)
        return dsc_fail(w->err, DSC_E_MEMORY, "out of memory");
    return DSC_OK;
}

/* Sizes that a pass may have changed everywhere alike: the config follows the weights. */
static enum dsc_status follow_sizes(struct hf_out *w)
{
    const struct hf_family *f = w->config.family;
    const struct dsc_tensor *words = init_of(w->g, "embeddings.word_embeddings.weight"), *inner;
    char name[256];
    int64_t n = 0;

    snprintf(name, sizeof name, "%s.0.%s.weight", f->names->layer, f->names->inner);
    inner = init_of(w->g, name);
    if (words && words->rank == 2) {
        DSC_TRY(set_size(w, "vocab_size", words->dim[0]));
        if (f->has_projection)
            DSC_TRY(set_size(w, "embedding_size", words->dim[1]));
    }
    if (inner && inner->rank == 2) {
        DSC_TRY(set_size(w, f->keys->inner, inner->dim[0]));
        DSC_TRY(set_size(w, f->keys->hidden, inner->dim[1]));
    }
    do {
        snprintf(name, sizeof name, "%s.%" PRId64 ".%s.weight", f->names->layer, n,
                 f->names->inner);
    } while (init_of(w->g, name) && n++ < HF_MAX_LAYERS);
    return set_size(w, f->keys->n_layers, n);
}

/* Names of classes that train has set. */
static enum dsc_status follow_labels(struct hf_out *w)
{
    const char *text = dsc_graph_prop(w->g, DSC_PROP_LABELS);
    json_t *list = text ? json_loads(text, 0, NULL) : NULL;
    json_t *by_id = json_object(), *by_name = json_object(), *name;
    int failed = !by_id || !by_name;
    size_t i;

    json_array_foreach(list, i, name)
    {
        char key[24];

        snprintf(key, sizeof key, "%zu", i);
        failed |= json_object_set(by_id, key, name);
        failed |= json_object_set_new(by_name, json_string_value(name), json_integer((int64_t)i));
    }
    if (json_array_size(list) > 0) {
        failed |= json_object_set(w->config.json, "id2label", by_id);
        failed |= json_object_set(w->config.json, "label2id", by_name);
    }
    json_decref(list);
    json_decref(by_id);
    json_decref(by_name);
    return failed ? dsc_fail(w->err, DSC_E_INCONSISTENT, "the labels are no list of texts")
                  : DSC_OK;
}

static enum dsc_status make_config(struct hf_out *w)
{
    const char *text = dsc_graph_prop(w->g, HF_PROP_CONFIG);
    struct dsc_bytes again = {0};
    enum dsc_status st;

    if (!text) {
        dsc_fail(w->err, DSC_E_UNSUPPORTED, "the model does not come from a Hugging Face folder");
        return dsc_err_hint(w->err, "-o FILE.onnx holds any model");
    }
    DSC_TRY(hf_config_read(&w->config, text, strlen(text), NULL, w->err));
    DSC_TRY(follow_sizes(w));
    if (w->config.is_classifier)
        DSC_TRY(follow_labels(w));
    st = hf_json_text(&again, w->config.json, JSON_COMPACT | HF_JSON, w->err);
    hf_config_clear(&w->config);
    if (st == DSC_OK)
        st = hf_config_read(&w->config, (const char *)again.data, strlen((char *)again.data), NULL,
                            w->err);
    dsc_bytes_clear(&again);
    return st;
}

static bool is_weight(const struct dsc_value *v)
{
    return dsc_tensor_is_present(&v->init) && v->n_uses > 0 && v->init.dtype == DSC_F32 &&
           v->init.rank > 0 &&
           (dsc_ends_with(v->name, ".weight") || dsc_ends_with(v->name, ".bias"));
}

/* The weights of a graph; with a head, those of the encoder get its prefix back. */
static enum dsc_status collect(struct hf_out *w, const struct dsc_graph *g, bool is_prefixed,
                               struct dsc_bundle *b)
{
    for (int i = 0; i < g->n_values; i++) {
        const struct dsc_value *v = &g->values[i];
        const bool is_head = strncmp(v->name, "classifier.", 11) == 0 ||
                             strncmp(v->name, "pre_classifier.", 15) == 0;
        char name[512];

        if (!is_weight(v))
            continue;
        snprintf(name, sizeof name, "%s%s%s",
                 is_prefixed && !is_head ? w->config.family->prefix : "",
                 is_prefixed && !is_head ? "." : "", v->name);
        DSC_TRY(dsc_bundle_add(b, name, &v->init, w->err));
    }
    return DSC_OK;
}

static enum dsc_status refuse(struct hf_out *w, const struct dsc_err *why)
{
    dsc_fail(w->err, DSC_E_UNSUPPORTED, "the graph is no longer a %s of config.json: %s",
             w->config.is_classifier ? w->config.family->arch_classify
                                     : w->config.family->arch_base,
             why->message);
    return dsc_err_hint(w->err, "-o FILE.onnx holds any graph");
}

/* Only what a folder can say is compared: the names of graph and tool are ONNX's. */
static enum dsc_status same_as(struct dsc_graph *made, const struct dsc_graph *g,
                               struct dsc_err *err)
{
    struct dsc_graph look = *made;

    look.name = g->name;
    look.doc = g->doc;
    look.domain = g->domain;
    look.producer_name = g->producer_name;
    look.producer_version = g->producer_version;
    look.n_props = g->n_props;
    look.props = g->props;
    look.n_opsets = g->n_opsets;
    look.opsets = g->opsets;
    return dsc_graph_same(g, &look, err);
}

static enum dsc_status build_again(struct hf_out *w)
{
    struct dsc_bundle file = {0};
    struct hf_weights weights = {0};
    struct dsc_err why = {0};
    enum dsc_status st;

    dsc_bundle_init(&file);
    DSC_TRY_OUT(st, collect(w, w->g, false, &file));
    DSC_TRY_OUT(st, hf_weights_init(&weights, &file, &w->config, NULL, w->err));
    st = hf_graph_build(&w->again, &w->config, &weights, &why);
    if (st == DSC_OK)
        st = same_as(w->again, w->g, &why);
    if (st != DSC_OK)
        st = why.status == DSC_E_MEMORY ? dsc_fail(w->err, DSC_E_MEMORY, "%s", why.message)
                                        : refuse(w, &why);
out:
    hf_weights_clear(&weights);
    dsc_bundle_clear(&file);
    return st;
}

static enum dsc_status put_text(struct hf_out *w, const char *name, const char *text)
{
    const char *path = folder_file(&w->folder, name, w->err);
    struct dsc_out out;

    if (!path)
        return DSC_E_MEMORY;
    DSC_TRY(dsc_out_open(&out, path, false, w->err));
    dsc_out_text(&out, text);
    w->size_bytes += strlen(text);
    return dsc_out_commit(&out, w->err);
}

/* Takes over j. */
static enum dsc_status put_json(struct hf_out *w, const char *name, json_t *j)
{
    struct dsc_bytes text = {0};
    enum dsc_status st = hf_json_text(&text, j, WRITE_JSON, w->err);

    json_decref(j);
    if (st == DSC_OK) {
        text.data[text.n_bytes - 1] = '\n'; /* instead of the final 0 */
        dsc_bytes_add(&text, "", 1);
        st = text.is_failed ? dsc_fail(w->err, DSC_E_MEMORY, "out of memory")
                            : put_text(w, name, (const char *)text.data);
    }
    dsc_bytes_clear(&text);
    return st;
}

/* Folders of sentence-transformers: an encoder, then a pooling. */
static enum dsc_status put_pooling(struct hf_out *w, const char *mode)
{
    DSC_TRY(folder_subfolder(&w->folder, "1_Pooling", w->err));
    DSC_TRY(put_json(w, "1_Pooling/config.json",
                     json_pack("{s:I,s:b,s:b,s:b,s:b}", "word_embedding_dimension",
                               (json_int_t)w->config.hidden, "pooling_mode_cls_token",
                               strcmp(mode, "cls") == 0, "pooling_mode_mean_tokens",
                               strcmp(mode, "mean") == 0, "pooling_mode_max_tokens",
                               strcmp(mode, "max") == 0, "pooling_mode_mean_sqrt_len_tokens", 0)));
    if (dsc_graph_prop(w->g, HF_PROP_MODULES))
        return DSC_OK; /* kept as it was */
    return put_json(w, "modules.json",
                    json_pack("[{s:i,s:s,s:s,s:s},{s:i,s:s,s:s,s:s}]", "idx", 0, "name", "0",
                              "path", "", "type", "sentence_transformers.models.Transformer", "idx",
                              1, "name", "1", "path", "1_Pooling", "type",
                              "sentence_transformers.models.Pooling"));
}

/* Metadata for which the other files have no place. */
static enum dsc_status put_props(struct hf_out *w)
{
    json_t *all = json_object();
    int failed = !all;

    for (int i = 0; i < w->g->n_props; i++) {
        const struct dsc_prop *p = &w->g->props[i];

        if (!hf_prop_is_in_files(p->key))
            failed |= json_object_set_new(all, p->key, json_string(p->value));
    }
    if (failed) {
        json_decref(all);
        return dsc_fail(w->err, DSC_E_ENCODING, "metadata that are not UTF-8");
    }
    if (json_object_size(all) > 0)
        return put_json(w, HF_PROPS_FILE, all);
    json_decref(all);
    return DSC_OK;
}

/* The graph's f32 weights in the folder's type, which holds them exactly: the caller rounded. */
static enum dsc_status narrow(struct hf_out *w, struct dsc_bundle *b)
{
    for (int i = 0; i < b->n; i++) {
        struct dsc_tensor *t = &b->items[i].tensor, half;

        DSC_TRY(dsc_tensor_new(&half, w->o->folder_dtype, t->rank, t->dim, w->err));
        for (int64_t k = 0; k < dsc_tensor_n_elems(t); k++)
            dsc_tensor_set_f64(&half, k, dsc_tensor_get_f64(t, k));
        dsc_tensor_clear(t);
        *t = half;
    }
    return DSC_OK;
}

static bool is_narrow(const struct hf_out *w)
{
    return w->o->folder_dtype == DSC_F16 || w->o->folder_dtype == DSC_BF16;
}

/* transformers 5 says "dtype", older ones "torch_dtype"; the key that is there is kept. */
static enum dsc_status say_dtype(struct hf_out *w)
{
    const char *text = !is_narrow(w)                   ? "float32"
                       : w->o->folder_dtype == DSC_F16 ? "float16"
                                                       : "bfloat16";
    const bool has_new = json_object_get(w->config.json, "dtype") != NULL;
    const bool has_old = json_object_get(w->config.json, "torch_dtype") != NULL;
    int failed = 0;

    if (has_new)
        failed |= json_object_set_new(w->config.json, "dtype", json_string(text));
    if (has_old || (is_narrow(w) && !has_new))
        failed |= json_object_set_new(w->config.json, "torch_dtype", json_string(text));
    return failed ? dsc_fail(w->err, DSC_E_MEMORY, "out of memory") : DSC_OK;
}

static enum dsc_status put_weights(struct hf_out *w)
{
    const char *path = folder_file(&w->folder, "model.safetensors", w->err);
    struct dsc_bundle file = {0};
    struct stat st_file;
    enum dsc_status st;

    if (!path)
        return DSC_E_MEMORY;
    dsc_bundle_init(&file);
    st = collect(w, w->again, w->config.is_classifier, &file);
    if (st == DSC_OK && is_narrow(w))
        st = narrow(w, &file);
    if (st == DSC_OK)
        st = dsc_safetensors_write(&file, path, false, w->err);
    dsc_bundle_clear(&file);
    if (st == DSC_OK && stat(path, &st_file) == 0)
        w->size_bytes += (uint64_t)st_file.st_size;
    return st;
}

static enum dsc_status put_all(struct hf_out *w)
{
    const char *tokenizer = dsc_graph_prop(w->g, DSC_PROP_TOKENIZER);
    const char *pooling = dsc_graph_prop(w->g, DSC_PROP_POOLING);

    DSC_TRY(say_dtype(w));
    DSC_TRY(put_json(w, "config.json", json_incref(w->config.json)));
    DSC_TRY(put_weights(w));
    if (tokenizer)
        DSC_TRY(put_text(w, "tokenizer.json", tokenizer));
    for (int i = 0; hf_kept_files[i].name; i++) {
        const char *text = dsc_graph_prop(w->g, hf_kept_files[i].key);

        if (text)
            DSC_TRY(put_text(w, hf_kept_files[i].name, text));
    }
    if (pooling && !w->config.is_classifier)
        DSC_TRY(put_pooling(w, pooling));
    return put_props(w);
}

/* As written: read by the ordinary reader, the same graph and metadata. */
static enum dsc_status check_written(struct hf_out *w)
{
    struct dsc_err why = {0};
    struct dsc_model m;
    enum dsc_status st = dsc_model_open_graph(&m, w->folder.temp_path, NULL, &why);

    if (st == DSC_OK)
        st = same_as(m.graph, w->g, &why);
    for (int i = 0; st == DSC_OK && i < w->g->n_props; i++) {
        const struct dsc_prop *p = &w->g->props[i];
        const char *v = dsc_graph_prop(m.graph, p->key);

        if (strcmp(p->key, HF_PROP_CONFIG) != 0 && (!v || strcmp(v, p->value) != 0))
            st = dsc_fail(&why, DSC_E_INCONSISTENT, "the metadata '%s' differs", p->key);
    }
    if (st != DSC_OK)
        dsc_model_not_read_back(&why, w->err);
    else if (w->o->check)
        st = w->o->check(w->o->check_ctx, m.graph, w->err);
    dsc_model_close(&m);
    return st == DSC_OK ? DSC_OK : w->err->status;
}

static enum dsc_status write_to(struct hf_out *w, const char *path)
{
    DSC_TRY(make_config(w));
    DSC_TRY(build_again(w));
    DSC_TRY(folder_open(&w->folder, path, known_names, w->o->may_replace, w->err));
    DSC_TRY(put_all(w));
    DSC_TRY(dsc_model_check_size(w->o, w->size_bytes, w->err));
    DSC_TRY(check_written(w));
    return folder_commit(&w->folder, w->err);
}

enum dsc_status dsc_model_forget_config(struct dsc_graph *g, struct dsc_err *err)
{
    return dsc_graph_set_prop(g, HF_PROP_CONFIG, NULL, err);
}

enum dsc_status hf_can_write(const struct dsc_graph *g, const char *path, struct dsc_err *err)
{
    struct dsc_err own = {0};
    struct hf_out w = {.g = g, .err = err ? err : &own};
    enum dsc_status st = make_config(&w);

    if (st == DSC_OK)
        st = build_again(&w);
    if (st != DSC_OK)
        dsc_err_file(w.err, path);
    dsc_graph_free(w.again);
    hf_config_clear(&w.config);
    return st;
}

enum dsc_status hf_write(const struct dsc_graph *g, const char *path,
                         const struct dsc_write_opts *o, struct dsc_write_report *report,
                         struct dsc_err *err)
{
    struct dsc_err own = {0};
    struct hf_out w = {.g = g, .o = o, .err = err ? err : &own};
    enum dsc_status st = write_to(&w, path);

    if (st != DSC_OK)
        dsc_err_file(w.err, path);
    else if (report)
        *report = (struct dsc_write_report){.opset_before = dsc_graph_opset(g, ""),
                                            .opset_after = dsc_graph_opset(g, ""),
                                            .ir_version = g->ir_version,
                                            .size_bytes = w.size_bytes};
    folder_close(&w.folder);
    dsc_graph_free(w.again);
    hf_config_clear(&w.config);
    return st;
}
