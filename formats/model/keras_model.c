/*
 * Models of Keras: their layers, inputs and outputs. A model may be a layer of another.
 */
#include "dsc/op.h"
#include "formats_text.h"
#include "model/keras_calls.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_WEIGHTS = 1 << 16 };

static const struct keras_class classes[] = {
#define KERAS_LAYER(name, build, max_in, keys) {name, build, max_in, keys},
#include "model/keras_layers.def"
#undef KERAS_LAYER
};

static bool is_model_class(const char *name)
{
    return strcmp(name, "Sequential") == 0 || strcmp(name, "Functional") == 0 ||
           strcmp(name, "Model") == 0;
}

static const char *join(struct keras_build *b, const char *a, const char *between, const char *c)
{
    const char *text = dsc_arena_printf(&b->tmp, b->err, "%s%s%s", a, between, c);

    if (!text)
        keras_step(b, DSC_E_MEMORY);
    return text ? text : "";
}

/* ---- layers ---- */

/* "Conv3DTranspose" to "conv3d_transpose", as Keras' to_snake_case. */
static void snake_case(const char *name, char text[KERAS_NAME_BYTES])
{
    size_t n = 0;

    for (size_t i = 0; name[i] && n + 3 < KERAS_NAME_BYTES; i++) {
        const unsigned char c = (unsigned char)name[i], next = (unsigned char)name[i + 1];
        const unsigned char last = i ? (unsigned char)name[i - 1] : 0;

        if (!isalnum(c) && c != '_')
            continue;
        if (isupper(c) && i > 0 && (islower(last) || islower(next)) && last != '_')
            text[n++] = '_';
        text[n++] = (char)tolower(c);
    }
    text[n] = '\0';
}

/* Layers of one class are numbered in the order of the configuration. */
static const char *path_of(struct keras_build *b, const struct keras_model *m, int idx,
                           const char *parent)
{
    char name[KERAS_NAME_BYTES], path[2 * KERAS_NAME_BYTES];
    int k = 0;

    snake_case(m->layers[idx].class_name, name);
    for (int i = 0; i < idx; i++)
        k += strcmp(m->layers[i].class_name, m->layers[idx].class_name) == 0;
    if (k)
        snprintf(path, sizeof path, "layers/%s_%d", name, k);
    else
        snprintf(path, sizeof path, "layers/%s", name);
    return join(b, parent, parent[0] ? "/" : "", path);
}

bool keras_is_module(const char *module)
{
    return strcmp(module, "keras") == 0 || strncmp(module, "keras.", 6) == 0 ||
           strncmp(module, "tf_keras.", 9) == 0;
}

/* Before Keras 3 there is no module; a class that is registered as another's is "theirs>Dense". */
static bool is_of_keras(const json_t *entry)
{
    const json_t *module = json_object_get(entry, "module");
    const char *registered = json_string_value(json_object_get(entry, "registered_name"));

    return (!module || (json_is_string(module) && keras_is_module(json_string_value(module)))) &&
           !(registered && strchr(registered, '>'));
}

const struct keras_class *keras_find_class(const json_t *entry)
{
    const char *name = json_string_value(json_object_get(entry, "class_name"));

    for (size_t i = 0; name && i < sizeof classes / sizeof classes[0]; i++)
        if (strcmp(classes[i].name, name) == 0)
            return is_of_keras(entry) ? &classes[i] : NULL;
    return NULL;
}

/* Of keras.ops those that a layer does, too. */
static const struct keras_class *find_class(struct keras_layer *l, const json_t *entry)
{
    static const char *const ops[] = {"Add", "Subtract", "Multiply", "Maximum", "Minimum"};
    const char *module = json_string_value(json_object_get(entry, "module"));
    bool is_known;

    l->is_op = module && strncmp(module, "keras.src.ops", 13) == 0;
    is_known = !l->is_op;
    for (size_t i = 0; i < sizeof ops / sizeof ops[0]; i++)
        is_known |= strcmp(ops[i], l->class_name) == 0;
    return is_known ? keras_find_class(entry) : NULL;
}

static void read_layer(struct keras_build *b, struct keras_model *m, int idx, const json_t *entry,
                       const struct keras_layer *around)
{
    struct keras_layer *l = &m->layers[idx];
    const json_t *class_name = json_object_get(entry, "class_name"), *name;
    const char *registered = json_string_value(json_object_get(entry, "registered_name"));

    l->config = json_object_get(entry, "config");
    name = json_is_object(l->config) ? json_object_get(l->config, "name") : NULL;
    if (json_object_get(entry, "name"))
        name = json_object_get(entry, "name");
    if (!json_is_string(class_name) || !l->config || (!name && !json_is_array(l->config)) ||
        (name && !json_is_string(name))) {
        keras_fail(b, DSC_E_SCHEMA, "a layer without class_name, config or name");
        return;
    }
    l->class_name = json_string_value(class_name);
    l->own = name ? json_string_value(name) : "model";
    l->name = around ? join(b, around->name, "/", l->own) : l->own;
    l->group = around ? around->group : l->own;
    l->is_inner = around != NULL;
    if (b->st != DSC_OK)
        return;
    l->path = b->has_paths ? path_of(b, m, idx, around ? around->path : "") : "";
    l->row = find_class(l, entry);
    b->layer = l;
    if (!is_of_keras(entry))
        keras_fail(b, DSC_E_UNSUPPORTED, "the class is not one of Keras' own: %.60s",
                   registered ? registered : "its module is another's");
    else if (!l->row && !is_model_class(l->class_name) && strcmp(l->class_name, "InputLayer") != 0)
        keras_fail(b, DSC_E_UNSUPPORTED, "layers of this class are not read");
}

/* Keras' first Sequential configurations are lists of layers. */
static void read_layers(struct keras_build *b, struct keras_model *m,
                        const struct keras_layer *around)
{
    const json_t *list =
        json_is_array(m->config) ? m->config : json_object_get(m->config, "layers");
    const size_t n = json_array_size(list);

    if (!json_is_array(list) || n == 0) {
        keras_fail(b, DSC_E_SCHEMA, "a model without layers");
        return;
    }
    if (n > KERAS_MAX_LAYERS) {
        keras_fail(b, DSC_E_LIMIT, "%zu layers, at most %d are read", n, KERAS_MAX_LAYERS);
        return;
    }
    m->layers = keras_alloc(b, n, sizeof *m->layers);
    for (size_t i = 0; i < n && b->st == DSC_OK; i++) {
        read_layer(b, m, m->n_layers, json_array_get(list, i), around);
        m->n_layers++;
    }
    if (b->st == DSC_OK)
        keras_sort_layers(b, m);
}

/* ---- building ---- */

static void build_model(struct keras_build *b, const json_t *config, const char *class_name,
                        const struct keras_layer *around, int n_in, const int *in, int *n_out,
                        int **out);

static enum dsc_dtype input_dtype(struct keras_build *b)
{
    static const struct {
        const char *name;
        enum dsc_dtype dtype;
    } rows[] = {{"float32", DSC_F32}, {"int32", DSC_I32}, {"int64", DSC_I64},
                {"bool", DSC_BOOL},   {"uint8", DSC_U8},  {"int8", DSC_I8}};
    const char *name = keras_text(b, "dtype", "float32");

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (strcmp(rows[i].name, name) == 0)
            return rows[i].dtype;
    keras_fail(b, DSC_E_UNSUPPORTED, "an input of type %.60s", name);
    return DSC_F32;
}

/* A graph input; sizes that are not known get names. */
static int make_input(struct keras_build *b, const char *name, enum dsc_dtype dtype,
                      const json_t *shape)
{
    struct dsc_type t = {.dtype = dtype};
    char text[KERAS_NAME_BYTES];
    int id = DSC_NO_VALUE;

    if (b->st != DSC_OK)
        return DSC_NO_VALUE;
    if (!keras_shape(b, shape, &t))
        return keras_fail(b, DSC_E_SCHEMA, "an input without a shape");
    for (int i = 0; i < t.rank && b->st == DSC_OK; i++) {
        if (t.dim[i] >= 0)
            continue;
        snprintf(text, sizeof text, "%.200s_%d", name, i);
        keras_step(b, dsc_graph_symbol(b->g, i ? text : "batch", &t.dim[i], b->err));
    }
    if (b->st == DSC_OK && keras_step(b, dsc_graph_value(b->g, name, &t, &id, b->err)))
        keras_step(b, dsc_graph_input(b->g, id, b->err));
    return id;
}

static int build_input(struct keras_build *b, const struct keras_layer *l)
{
    static const char *const keys[] = {"batch_shape", "batch_input_shape"};

    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        if (keras_option(b, keys[i])) {
            if (keras_bool(b, "sparse", false) || keras_bool(b, "ragged", false))
                return keras_fail(b, DSC_E_UNSUPPORTED, "a sparse or ragged input");
            return make_input(b, l->own, input_dtype(b), keras_option(b, keys[i]));
        }
    return keras_fail(b, DSC_E_SCHEMA, "an input without a shape");
}

/* Weights are f32, and computed with as such. */
static void check_dtype(struct keras_build *b)
{
    const json_t *dtype = keras_option(b, "dtype");
    const json_t *name =
        json_is_object(dtype) ? json_object_get(json_object_get(dtype, "config"), "name") : dtype;

    if (json_is_object(dtype) &&
        !keras_is_text(json_object_get(dtype, "class_name"), "DTypePolicy"))
        keras_fail(b, DSC_E_UNSUPPORTED, "a layer with a type policy of its own");
    else if (name && !keras_is_text(name, "float32") &&
             strncmp(b->layer->class_name, "Emb", 3) != 0)
        keras_fail(b, DSC_E_UNSUPPORTED, "a layer of type %.60s",
                   json_is_string(name) ? json_string_value(name) : "?");
}

static bool has_word(const char *words, const char *word)
{
    const size_t n = strlen(word);

    for (const char *p = words; n > 0 && (p = strstr(p, word)); p += n)
        if ((p == words || p[-1] == ' ') && (p[n] == ' ' || p[n] == '\0'))
            return true;
    return false;
}

/* What no function reads has to be off, or to matter in training alone. */
void keras_check_options(struct keras_build *b)
{
    static const char harmless[] = "name trainable dtype seed batch_input_shape batch_shape "
                                   "input_shape data_format momentum renorm_momentum "
                                   "activity_regularizer virtual_batch_size synchronized";
    static const char *const ends[] = {"_initializer", "_regularizer", "_constraint"};
    const char *key;
    json_t *v;

    check_dtype(b);
    if (!strcmp(keras_text(b, "data_format", "channels_last"), "channels_first"))
        keras_fail(b, DSC_E_UNSUPPORTED, "data_format channels_first");
    json_object_foreach((json_t *)(uintptr_t)b->layer->config, key, v)
    {
        bool is_known = json_is_null(v) || json_is_false(v) || has_word(harmless, key) ||
                        has_word(b->layer->row->keys, key);

        for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++)
            is_known |= dsc_ends_with(key, ends[i]);
        if (!is_known)
            keras_fail(b, DSC_E_UNSUPPORTED, "the option '%.60s'", key);
    }
    b->layer->is_checked = true;
}

static void build_call(struct keras_build *b, struct keras_layer *l, struct keras_call *c,
                       const int *in)
{
    c->is_done = true;
    if (!l->row) {
        build_model(b, l->config, l->class_name, l, c->n_in, in, &c->n_out, &c->out);
        return;
    }
    b->layer = l;
    c->out = keras_alloc(b, 1, sizeof *c->out);
    if (!c->out)
        return;
    c->n_out = 1;
    l->first_name = l->n_names; /* numbers before are taken */
    if (!l->is_checked)
        keras_check_options(b);
    if (c->n_in == 0)
        keras_fail(b, DSC_E_SCHEMA, "a call without inputs");
    else if (c->n_in > l->row->max_in)
        keras_fail(b, DSC_E_UNSUPPORTED, "a call with %d inputs, at most %d are read", c->n_in,
                   l->row->max_in);
    if (b->st == DSC_OK)
        c->out[0] = l->row->build(b, c->n_in, in);
}

/* Inputs are given by a model around, or are those of the graph. */
static void build_inputs(struct keras_build *b, struct keras_model *m, int n_in, const int *in)
{
    struct keras_ref refs[KERAS_MAX_INPUTS];
    const int n = b->st == DSC_OK ? keras_read_refs(b, m, "input_layers", refs) : 0;

    if (in && n_in != n)
        keras_fail(b, DSC_E_INCONSISTENT, "%d inputs for a model that has %d", n_in, n);
    for (int i = 0; i < n && b->st == DSC_OK; i++) {
        struct keras_call *c = keras_find_call(m, &refs[i]);

        if (!c || c->is_done) {
            keras_fail(b, DSC_E_INCONSISTENT, "'%.100s' is no input", refs[i].layer);
            return;
        }
        b->layer = &m->layers[c->layer];
        c->out = keras_alloc(b, 1, sizeof *c->out);
        c->n_out = 1;
        c->is_done = true;
        if (c->out)
            c->out[0] = in ? in[i] : build_input(b, b->layer);
    }
}

static void build_functional(struct keras_build *b, struct keras_model *m, int n_in, const int *in,
                             int *n_out, int **out)
{
    struct keras_ref refs[KERAS_MAX_INPUTS];

    keras_read_calls(b, m);
    build_inputs(b, m, n_in, in);
    keras_build_calls(b, m);
    *n_out = b->st == DSC_OK ? keras_read_refs(b, m, "output_layers", refs) : 0;
    *out = keras_alloc(b, KERAS_MAX_INPUTS, sizeof **out);
    for (int i = 0; i < *n_out && b->st == DSC_OK; i++)
        (*out)[i] = keras_value_of(b, m, &refs[i]);
}

/* The input of a chain whose first layer has its shape. */
static int implied_input(struct keras_build *b, const struct keras_model *m)
{
    const bool is_ids = strcmp(m->layers[0].class_name, "Embedding") == 0;
    const json_t *shape = json_object_get(m->layers[0].config, "batch_input_shape");

    b->layer = &m->layers[0];
    if (!shape && json_is_object(m->config))
        shape = json_object_get(m->config, "build_input_shape");
    return make_input(b, "input", is_ids ? DSC_I64 : DSC_F32, shape);
}

static void build_sequential(struct keras_build *b, struct keras_model *m, int n_in, const int *in,
                             int *n_out, int **out)
{
    const bool has_input = b->st == DSC_OK && strcmp(m->layers[0].class_name, "InputLayer") == 0;
    int x = DSC_NO_VALUE;

    *out = keras_alloc(b, KERAS_MAX_INPUTS, sizeof **out);
    if (b->st != DSC_OK)
        return;
    b->layer = &m->layers[0];
    if (in && n_in != 1)
        keras_fail(b, DSC_E_INCONSISTENT, "%d inputs for a chain of layers", n_in);
    x = in ? in[0] : has_input ? build_input(b, b->layer) : implied_input(b, m);
    for (int i = has_input ? 1 : 0; i < m->n_layers && b->st == DSC_OK; i++) {
        struct keras_call c = {.layer = i, .n_in = 1};

        build_call(b, &m->layers[i], &c, &x);
        b->layer = &m->layers[i];
        if (b->st == DSC_OK && c.n_out != 1)
            keras_fail(b, DSC_E_INCONSISTENT, "a model of %d outputs in a chain", c.n_out);
        if (b->st == DSC_OK)
            x = c.out[0];
    }
    (*out)[0] = x;
    *n_out = 1;
}

static void build_model(struct keras_build *b, const json_t *config, const char *class_name,
                        const struct keras_layer *around, int n_in, const int *in, int *n_out,
                        int **out)
{
    struct keras_model m = {.config = config, .build = build_call};

    *n_out = 0;
    if (++b->depth > KERAS_MAX_NESTING)
        keras_fail(b, DSC_E_LIMIT, "models in models, %d deep", KERAS_MAX_NESTING);
    if (b->st == DSC_OK)
        read_layers(b, &m, around);
    if (b->st == DSC_OK && strcmp(class_name, "Sequential") == 0)
        build_sequential(b, &m, n_in, in, n_out, out);
    else if (b->st == DSC_OK)
        build_functional(b, &m, n_in, in, n_out, out);
    b->depth--;
}

/* ---- the graph ---- */

/* An output has its layer's name: "dense_1" for the value of node "dense_1/MatMul". */
static void name_output(struct keras_build *b, int value)
{
    const struct dsc_value *v = &b->g->values[value];
    const char *slash = strrchr(v->name, '/');
    char name[KERAS_NAME_BYTES];
    int id = DSC_NO_VALUE;

    snprintf(name, sizeof name, "%.*s", slash ? (int)(slash - v->name) : 0, v->name);
    if (v->is_input || v->is_output || dsc_tensor_is_present(&v->init)) {
        id = keras_op1(b, "Identity", value);
    } else if (slash && dsc_graph_find_value(b->g, name) == DSC_NO_VALUE) {
        const struct dsc_type type = v->type;

        if (!keras_step(b, dsc_graph_value(b->g, name, &type, &id, b->err)))
            return;
        for (int i = 0; i < b->g->n_nodes; i++)
            for (int k = 0; k < b->g->nodes[i]->n_out; k++)
                if (b->g->nodes[i]->out[k] == value)
                    b->g->nodes[i]->out[k] = id;
        dsc_graph_replace_uses(b->g, value, id);
    } else {
        id = value;
    }
    if (b->st == DSC_OK)
        keras_step(b, dsc_graph_output(b->g, id, b->err));
}

static void tell_unused(const struct keras_build *b)
{
    int n = 0;

    for (int i = 0; i < b->m->n_stored; i++)
        n += !b->is_used[i] && dsc_dtype_is_float(b->m->stored[i].dtype) &&
             strncmp(b->m->stored[i].name, "optimizer", 9) != 0 &&
             strncmp(b->m->stored[i].name, "_optimizer", 10) != 0;
    if (n > 0)
        dsc_log_printf(b->log, DSC_LOG_WARNING, "%d datasets of floats belong to no layer", n);
}

static enum dsc_status build_graph(struct keras_build *b, const json_t *root)
{
    const json_t *class_name = json_object_get(root, "class_name");
    const json_t *config = json_object_get(root, "config");
    int n_out = 0, *out = NULL;

    if (!json_is_string(class_name) || !config)
        return dsc_fail(b->err, DSC_E_SCHEMA, "a model without class_name and config");
    if (!is_of_keras(root) || !is_model_class(json_string_value(class_name)))
        return dsc_fail(b->err, DSC_E_UNSUPPORTED,
                        "a model of class %.100s: Sequential and Functional are read",
                        json_string_value(class_name));
    build_model(b, config, json_string_value(class_name), NULL, 0, NULL, &n_out, &out);
    for (int i = 0; i < n_out && b->st == DSC_OK; i++)
        name_output(b, out[i]);
    DSC_TRY(b->st);
    tell_unused(b);
    DSC_TRY(dsc_graph_set_opset(b->g, "", 20, b->err));
    DSC_TRY(dsc_graph_sort(b->g, true, b->err));
    return dsc_graph_verify(b->g, b->err);
}

enum dsc_status keras_read_model(struct dsc_model *m, const json_t *root, bool has_paths,
                                 int version, const struct dsc_log *log, struct dsc_err *err)
{
    struct keras_build b = {
        .m = m, .has_paths = has_paths, .version = version, .log = log, .err = err};
    enum dsc_status st;

    if (m->n_stored > MAX_WEIGHTS)
        return dsc_fail(err, DSC_E_LIMIT, "%d datasets, at most %d are read", m->n_stored,
                        MAX_WEIGHTS);
    b.g = dsc_graph_new(err);
    if (!b.g)
        return DSC_E_MEMORY;
    dsc_arena_init(&b.tmp);
    b.is_used = keras_alloc(&b, (size_t)m->n_stored + 1, sizeof *b.is_used);
    st = b.st == DSC_OK ? build_graph(&b, root) : b.st;
    dsc_arena_clear(&b.tmp);
    if (st != DSC_OK) {
        dsc_graph_free(b.g);
        return st;
    }
    m->graph = b.g;
    return DSC_OK;
}
