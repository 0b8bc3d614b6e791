/*
 * Models of Keras: their layers, the calls of the layers, and an order in which calls can be built.
 * A model may be a layer of another.
 */
#include "dsc/op.h"
#include "formats_text.h"
#include "model/keras.h"

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

/* Output `tensor` of call `node` of a layer. */
struct ref {
    const char *layer;
    int64_t node, tensor;
};

struct call {
    int layer;
    struct ref *in;
    int n_in, n_there; /* those before n_there have been built */
    int *out;
    int n_out;
    bool is_open, is_done;
};

struct model {
    const json_t *config;
    struct keras_layer *layers;
    int n_layers;
    int *by_name; /* [n_layers] layers by `own` */
    struct call *calls;
    int n_calls, cap_calls;
    int *first_call; /* [n_layers + 1]: those of a layer follow each other */
};

static bool is_text(const json_t *v, const char *text)
{
    return json_is_string(v) && strcmp(json_string_value(v), text) == 0;
}

static bool is_model_class(const char *name)
{
    return strcmp(name, "Sequential") == 0 || strcmp(name, "Functional") == 0 ||
           strcmp(name, "Model") == 0;
}

static void *alloc(struct keras_build *b, size_t n, size_t elem_bytes)
{
    void *p = b->st == DSC_OK ? dsc_arena_alloc(&b->tmp, n, elem_bytes, b->err) : NULL;

    if (!p)
        keras_step(b, DSC_E_MEMORY);
    return p;
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
static const char *path_of(struct keras_build *b, const struct model *m, int idx,
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

static void read_layer(struct keras_build *b, struct model *m, int idx, const json_t *entry,
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

static int by_own(const void *a, const void *b, void *layers)
{
    const struct keras_layer *all = layers;

    return strcmp(all[*(const int *)a].own, all[*(const int *)b].own);
}

/* The layers in the order of their names, each of which stands once. */
static void sort_layers(struct keras_build *b, struct model *m)
{
    m->by_name = alloc(b, (size_t)m->n_layers, sizeof *m->by_name);
    if (!m->by_name)
        return;
    for (int i = 0; i < m->n_layers; i++)
        m->by_name[i] = i;
    qsort_r(m->by_name, (size_t)m->n_layers, sizeof *m->by_name, by_own, m->layers);
    for (int i = 1; i < m->n_layers; i++)
        if (by_own(&m->by_name[i - 1], &m->by_name[i], m->layers) == 0)
            keras_fail(b, DSC_E_DUP, "the layer '%.100s' stands twice",
                       m->layers[m->by_name[i]].own);
}

static int find_layer(const struct model *m, const char *name)
{
    int lo = 0, hi = m->n_layers;

    while (lo < hi) {
        const int mid = lo + (hi - lo) / 2;
        const int order = strcmp(name, m->layers[m->by_name[mid]].own);

        if (order == 0)
            return m->by_name[mid];
        if (order < 0)
            hi = mid;
        else
            lo = mid + 1;
    }
    return -1;
}

/* Keras' first Sequential configurations are lists of layers. */
static void read_layers(struct keras_build *b, struct model *m, const struct keras_layer *around)
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
    m->layers = alloc(b, n, sizeof *m->layers);
    for (size_t i = 0; i < n && b->st == DSC_OK; i++) {
        read_layer(b, m, m->n_layers, json_array_get(list, i), around);
        m->n_layers++;
    }
    if (b->st == DSC_OK)
        sort_layers(b, m);
}

/* ---- calls ---- */

static struct call *add_call(struct keras_build *b, struct model *m, int layer)
{
    struct call *c;

    if (m->n_calls == KERAS_MAX_CALLS) {
        keras_fail(b, DSC_E_LIMIT, "over %d calls of layers", KERAS_MAX_CALLS);
        return NULL;
    }
    if (m->n_calls == m->cap_calls) {
        const int cap = m->cap_calls ? 2 * m->cap_calls : 64;
        struct call *more = alloc(b, (size_t)cap, sizeof *more);

        if (!more)
            return NULL;
        if (m->n_calls)
            memcpy(more, m->calls, (size_t)m->n_calls * sizeof *more);
        m->calls = more;
        m->cap_calls = cap;
    }
    c = &m->calls[m->n_calls++];
    *c = (struct call){.layer = layer};
    c->in = alloc(b, KERAS_MAX_INPUTS, sizeof *c->in);
    return c->in ? c : NULL;
}

/* ["dense", 0, 0] */
static bool read_ref(const json_t *v, struct ref *r)
{
    const json_t *name = json_array_get(v, 0), *node = json_array_get(v, 1);
    const json_t *tensor = json_array_get(v, 2);

    if (!json_is_string(name) || !json_is_integer(node) || !json_is_integer(tensor))
        return false;
    *r =
        (struct ref){json_string_value(name), json_integer_value(node), json_integer_value(tensor)};
    return true;
}

/* A tensor in either way of writing it down. */
static bool read_tensor(const json_t *v, struct ref *r)
{
    if (is_text(json_object_get(v, "class_name"), "__keras_tensor__"))
        v = json_object_get(json_object_get(v, "config"), "keras_history");
    return read_ref(v, r);
}

static void add_input(struct keras_build *b, struct call *c, const json_t *v)
{
    if (c->n_in == KERAS_MAX_INPUTS)
        keras_fail(b, DSC_E_LIMIT, "more than %d inputs", KERAS_MAX_INPUTS);
    else if (read_tensor(v, &c->in[c->n_in]))
        c->n_in++;
    else
        keras_fail(b, DSC_E_UNSUPPORTED, "an argument that is no tensor");
}

/* A layer's other arguments: tensors that have a place behind the first, or nothing. */
static void add_kwargs(struct keras_build *b, struct call *c, const json_t *kwargs)
{
    static const char *const places[] = {"inputs", "query", "value", "key"};
    const char *key;
    json_t *v;

    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        v = json_object_get(kwargs, places[i]);
        if (v && !json_is_null(v))
            add_input(b, c, v);
    }
    json_object_foreach((json_t *)(uintptr_t)kwargs, key, v)
    {
        bool has_place = json_is_null(v) || json_is_false(v);

        for (size_t i = 0; i < sizeof places / sizeof places[0]; i++)
            has_place |= strcmp(key, places[i]) == 0;
        if (!has_place)
            keras_fail(b, DSC_E_UNSUPPORTED, "the argument '%.60s' of a call", key);
    }
}

static void read_args(struct keras_build *b, struct call *c, const json_t *node)
{
    const json_t *args = json_object_get(node, "args");

    for (size_t i = 0; i < json_array_size(args) && b->st == DSC_OK; i++) {
        const json_t *v = json_array_get(args, i);

        if (json_is_null(v))
            continue;
        if (!json_is_array(v)) {
            add_input(b, c, v);
            continue;
        }
        for (size_t k = 0; k < json_array_size(v) && b->st == DSC_OK; k++)
            add_input(b, c, json_array_get(v, k));
    }
    add_kwargs(b, c, json_object_get(node, "kwargs"));
}

/* Keras 2: a list of ["dense", 0, 0, {arguments}]. */
static void read_list(struct keras_build *b, struct call *c, const json_t *node)
{
    for (size_t i = 0; i < json_array_size(node) && b->st == DSC_OK; i++) {
        add_input(b, c, json_array_get(node, i));
        add_kwargs(b, c, json_array_get(json_array_get(node, i), 3));
    }
}

static void read_calls(struct keras_build *b, struct model *m)
{
    const json_t *list = json_object_get(m->config, "layers");

    m->first_call = alloc(b, (size_t)m->n_layers + 1, sizeof *m->first_call);
    for (int i = 0; i < m->n_layers && b->st == DSC_OK; i++) {
        const json_t *nodes = json_object_get(json_array_get(list, (size_t)i), "inbound_nodes");
        const bool is_input = strcmp(m->layers[i].class_name, "InputLayer") == 0;
        const size_t n = is_input ? 0 : json_array_size(nodes);

        b->layer = &m->layers[i];
        if (!json_is_array(nodes))
            keras_fail(b, DSC_E_SCHEMA, "no inbound_nodes");
        if (is_input)
            add_call(b, m, i);
        for (size_t k = 0; k < n && b->st == DSC_OK; k++) {
            const json_t *node = json_array_get(nodes, k);
            struct call *c = add_call(b, m, i);

            if (c && json_is_object(node))
                read_args(b, c, node);
            else if (c)
                read_list(b, c, node);
        }
        m->first_call[i + 1] = m->n_calls;
    }
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

    if (json_is_object(dtype) && !is_text(json_object_get(dtype, "class_name"), "DTypePolicy"))
        keras_fail(b, DSC_E_UNSUPPORTED, "a layer with a type policy of its own");
    else if (name && !is_text(name, "float32") && strncmp(b->layer->class_name, "Emb", 3) != 0)
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

static void build_call(struct keras_build *b, struct keras_layer *l, struct call *c, const int *in)
{
    c->is_done = true;
    if (!l->row) {
        build_model(b, l->config, l->class_name, l, c->n_in, in, &c->n_out, &c->out);
        return;
    }
    b->layer = l;
    c->out = alloc(b, 1, sizeof *c->out);
    if (!c->out)
        return;
    c->n_out = 1;
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

static struct call *find_call(const struct model *m, const struct ref *r)
{
    const int i = find_layer(m, r->layer);

    return i >= 0 && r->node >= 0 && r->node < m->first_call[i + 1] - m->first_call[i]
               ? &m->calls[m->first_call[i] + r->node]
               : NULL;
}

/* The call that gives r; NULL after a failure. */
static struct call *source_of(struct keras_build *b, const struct model *m, const struct ref *r)
{
    struct call *c = b->st == DSC_OK ? find_call(m, r) : NULL;

    if (!c)
        keras_fail(b, DSC_E_INCONSISTENT,
                   "it reads the layer '%.100s', of which there is "
                   "no such call",
                   r->layer);
    return c;
}

/* The value of r, whose call has been built; DSC_NO_VALUE after a failure. */
static int value_of(struct keras_build *b, const struct model *m, const struct ref *r)
{
    const struct call *c = source_of(b, m, r);

    if (c && (r->tensor < 0 || r->tensor >= c->n_out))
        return keras_fail(b, DSC_E_INCONSISTENT, "'%.100s' has no such output", r->layer);
    return c ? c->out[r->tensor] : DSC_NO_VALUE;
}

/* The next call that has to be built before c, or NULL. */
static struct call *missing_source(struct keras_build *b, const struct model *m, struct call *c)
{
    for (; c->n_there < c->n_in; c->n_there++) {
        struct call *source = source_of(b, m, &c->in[c->n_there]);

        if (!source || !source->is_done)
            return source;
    }
    return NULL;
}

static void build_with_values(struct keras_build *b, struct model *m, struct call *c)
{
    int in[KERAS_MAX_INPUTS];

    for (int k = 0; k < c->n_in; k++)
        in[k] = value_of(b, m, &c->in[k]);
    if (b->st == DSC_OK)
        build_call(b, &m->layers[c->layer], c, in);
}

/* One call, after those that it reads; path: [n_calls], those that wait for others. */
static void build_from(struct keras_build *b, struct model *m, struct call *c, struct call **path)
{
    int depth = 0;

    for (path[depth++] = c; depth > 0 && b->st == DSC_OK;) {
        struct call *source;

        c = path[depth - 1];
        b->layer = &m->layers[c->layer];
        c->is_open = true;
        source = missing_source(b, m, c);
        if (source && source->is_open)
            keras_fail(b, DSC_E_INCONSISTENT, "layers read each other in a circle");
        else if (source)
            path[depth++] = source;
        else if (b->st == DSC_OK && depth-- > 0)
            build_with_values(b, m, c);
    }
}

static void build_calls(struct keras_build *b, struct model *m)
{
    struct call **path = alloc(b, (size_t)m->n_calls + 1, sizeof(struct call *));

    for (int i = 0; i < m->n_calls && b->st == DSC_OK; i++)
        if (!m->calls[i].is_done)
            build_from(b, m, &m->calls[i], path);
}

/* "input_layers", "output_layers": one reference, a list or an object of them. */
static int read_refs(struct keras_build *b, const struct model *m, const char *key, struct ref *r)
{
    const json_t *v = json_object_get(m->config, key), *item;
    const char *name;
    int n = 0;

    if (read_ref(v, r))
        return 1;
    if (json_is_object(v)) {
        json_object_foreach((json_t *)(uintptr_t)v, name,
                            item) if (n < KERAS_MAX_INPUTS && read_ref(item, &r[n])) n++;
    }
    for (size_t i = 0; i < json_array_size(v) && n < KERAS_MAX_INPUTS; i++)
        if (read_ref(json_array_get(v, i), &r[n]))
            n++;
    if (n == 0 || (size_t)n != (json_is_object(v) ? json_object_size(v) : json_array_size(v)))
        keras_fail(b, DSC_E_SCHEMA, "'%s' is no list of layers", key);
    return n;
}

/* Inputs are given by a model around, or are those of the graph. */
static void build_inputs(struct keras_build *b, struct model *m, int n_in, const int *in)
{
    struct ref refs[KERAS_MAX_INPUTS];
    const int n = b->st == DSC_OK ? read_refs(b, m, "input_layers", refs) : 0;

    if (in && n_in != n)
        keras_fail(b, DSC_E_INCONSISTENT, "%d inputs for a model that has %d", n_in, n);
    for (int i = 0; i < n && b->st == DSC_OK; i++) {
        struct call *c = find_call(m, &refs[i]);

        if (!c || c->is_done) {
            keras_fail(b, DSC_E_INCONSISTENT, "'%.100s' is no input", refs[i].layer);
            return;
        }
        b->layer = &m->layers[c->layer];
        c->out = alloc(b, 1, sizeof *c->out);
        c->n_out = 1;
        c->is_done = true;
        if (c->out)
            c->out[0] = in ? in[i] : build_input(b, b->layer);
    }
}

static void build_functional(struct keras_build *b, struct model *m, int n_in, const int *in,
                             int *n_out, int **out)
{
    struct ref refs[KERAS_MAX_INPUTS];

    read_calls(b, m);
    build_inputs(b, m, n_in, in);
    build_calls(b, m);
    *n_out = b->st == DSC_OK ? read_refs(b, m, "output_layers", refs) : 0;
    *out = alloc(b, KERAS_MAX_INPUTS, sizeof **out);
    for (int i = 0; i < *n_out && b->st == DSC_OK; i++)
        (*out)[i] = value_of(b, m, &refs[i]);
}

/* The input of a chain whose first layer has its shape. */
static int implied_input(struct keras_build *b, const struct model *m)
{
    const bool is_ids = strcmp(m->layers[0].class_name, "Embedding") == 0;
    const json_t *shape = json_object_get(m->layers[0].config, "batch_input_shape");

    b->layer = &m->layers[0];
    if (!shape && json_is_object(m->config))
        shape = json_object_get(m->config, "build_input_shape");
    return make_input(b, "input", is_ids ? DSC_I64 : DSC_F32, shape);
}

static void build_sequential(struct keras_build *b, struct model *m, int n_in, const int *in,
                             int *n_out, int **out)
{
    const bool has_input = b->st == DSC_OK && strcmp(m->layers[0].class_name, "InputLayer") == 0;
    int x = DSC_NO_VALUE;

    *out = alloc(b, KERAS_MAX_INPUTS, sizeof **out);
    if (b->st != DSC_OK)
        return;
    b->layer = &m->layers[0];
    if (in && n_in != 1)
        keras_fail(b, DSC_E_INCONSISTENT, "%d inputs for a chain of layers", n_in);
    x = in ? in[0] : has_input ? build_input(b, b->layer) : implied_input(b, m);
    for (int i = has_input ? 1 : 0; i < m->n_layers && b->st == DSC_OK; i++) {
        struct call c = {.layer = i, .n_in = 1};

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
    struct model m = {.config = config};

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
    b.is_used = alloc(&b, (size_t)m->n_stored + 1, sizeof *b.is_used);
    st = b.st == DSC_OK ? build_graph(&b, root) : b.st;
    dsc_arena_clear(&b.tmp);
    if (st != DSC_OK) {
        dsc_graph_free(b.g);
        return st;
    }
    m->graph = b.g;
    return DSC_OK;
}
