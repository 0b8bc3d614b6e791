/*
 * The calls of a model's layers: which tensors each reads, and an order in which they can be built.
 */
#include "model/keras_calls.h"

#include <stdlib.h>
#include <string.h>

static int by_own(const void *a, const void *b, void *layers)
{
    const struct keras_layer *all = layers;

    return strcmp(all[*(const int *)a].own, all[*(const int *)b].own);
}

/* The layers in the order of their names, each of which stands once. */
void keras_sort_layers(struct keras_build *b, struct keras_model *m)
{
    m->by_name = keras_alloc(b, (size_t)m->n_layers, sizeof *m->by_name);
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

static int find_layer(const struct keras_model *m, const char *name)
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

static struct keras_call *add_call(struct keras_build *b, struct keras_model *m, int layer)
{
    struct keras_call *c;

    if (m->n_calls == KERAS_MAX_CALLS) {
        keras_fail(b, DSC_E_LIMIT, "over %d calls of layers", KERAS_MAX_CALLS);
        return NULL;
    }
    if (m->n_calls == m->cap_calls) {
        const int cap = m->cap_calls ? 2 * m->cap_calls : 64;
        struct keras_call *more = keras_alloc(b, (size_t)cap, sizeof *more);

        if (!more)
            return NULL;
        if (m->n_calls)
            memcpy(more, m->calls, (size_t)m->n_calls * sizeof *more);
        m->calls = more;
        m->cap_calls = cap;
    }
    c = &m->calls[m->n_calls++];
    *c = (struct keras_call){.layer = layer};
    c->in = keras_alloc(b, KERAS_MAX_INPUTS, sizeof *c->in);
    return c->in ? c : NULL;
}

/* ["dense", 0, 0] */
static bool read_ref(const json_t *v, struct keras_ref *r)
{
    const json_t *name = json_array_get(v, 0), *node = json_array_get(v, 1);
    const json_t *tensor = json_array_get(v, 2);

    if (!json_is_string(name) || !json_is_integer(node) || !json_is_integer(tensor))
        return false;
    *r = (struct keras_ref){json_string_value(name), json_integer_value(node),
                            json_integer_value(tensor)};
    return true;
}

/* A tensor in either way of writing it down. */
static bool read_tensor(const json_t *v, struct keras_ref *r)
{
    if (keras_is_text(json_object_get(v, "class_name"), "__keras_tensor__"))
        v = json_object_get(json_object_get(v, "config"), "keras_history");
    return read_ref(v, r);
}

static void add_input(struct keras_build *b, struct keras_call *c, const json_t *v)
{
    if (c->n_in == KERAS_MAX_INPUTS)
        keras_fail(b, DSC_E_LIMIT, "more than %d inputs", KERAS_MAX_INPUTS);
    else if (read_tensor(v, &c->in[c->n_in]))
        c->n_in++;
    else
        keras_fail(b, DSC_E_UNSUPPORTED, "an argument that is no tensor");
}

/* A layer's other arguments: tensors that have a place behind the first, or nothing. */
static void add_kwargs(struct keras_build *b, struct keras_call *c, const json_t *kwargs)
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

static void read_args(struct keras_build *b, struct keras_call *c, const json_t *node)
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
static void read_list(struct keras_build *b, struct keras_call *c, const json_t *node)
{
    for (size_t i = 0; i < json_array_size(node) && b->st == DSC_OK; i++) {
        add_input(b, c, json_array_get(node, i));
        add_kwargs(b, c, json_array_get(json_array_get(node, i), 3));
    }
}

void keras_read_calls(struct keras_build *b, struct keras_model *m)
{
    const json_t *list = json_object_get(m->config, "layers");

    m->first_call = keras_alloc(b, (size_t)m->n_layers + 1, sizeof *m->first_call);
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
            struct keras_call *c = add_call(b, m, i);

            if (c && json_is_object(node))
                read_args(b, c, node);
            else if (c)
                read_list(b, c, node);
        }
        m->first_call[i + 1] = m->n_calls;
    }
}

struct keras_call *keras_find_call(const struct keras_model *m, const struct keras_ref *r)
{
    const int i = find_layer(m, r->layer);

    return i >= 0 && r->node >= 0 && r->node < m->first_call[i + 1] - m->first_call[i]
               ? &m->calls[m->first_call[i] + r->node]
               : NULL;
}

/* The call that gives r; NULL after a failure. */
static struct keras_call *source_of(struct keras_build *b, const struct keras_model *m,
                                    const struct keras_ref *r)
{
    struct keras_call *c = b->st == DSC_OK ? keras_find_call(m, r) : NULL;

    if (!c)
        keras_fail(b, DSC_E_INCONSISTENT,
                   "it reads the layer '%.100s', of which there is "
                   "no such call",
                   r->layer);
    return c;
}

/* The value of r, whose call has been built; DSC_NO_VALUE after a failure. */
int keras_value_of(struct keras_build *b, const struct keras_model *m, const struct keras_ref *r)
{
    const struct keras_call *c = source_of(b, m, r);

    if (c && (r->tensor < 0 || r->tensor >= c->n_out))
        return keras_fail(b, DSC_E_INCONSISTENT, "'%.100s' has no such output", r->layer);
    return c ? c->out[r->tensor] : DSC_NO_VALUE;
}

/* The next call that has to be built before c, or NULL. */
static struct keras_call *missing_source(struct keras_build *b, const struct keras_model *m,
                                         struct keras_call *c)
{
    for (; c->n_there < c->n_in; c->n_there++) {
        struct keras_call *source = source_of(b, m, &c->in[c->n_there]);

        if (!source || !source->is_done)
            return source;
    }
    return NULL;
}

static void build_with_values(struct keras_build *b, struct keras_model *m, struct keras_call *c)
{
    int in[KERAS_MAX_INPUTS];

    for (int k = 0; k < c->n_in; k++)
        in[k] = keras_value_of(b, m, &c->in[k]);
    if (b->st == DSC_OK)
        m->build(b, &m->layers[c->layer], c, in);
}

/* One call, after those that it reads; path: [n_calls], those that wait for others. */
static void build_from(struct keras_build *b, struct keras_model *m, struct keras_call *c,
                       struct keras_call **path)
{
    int depth = 0;

    for (path[depth++] = c; depth > 0 && b->st == DSC_OK;) {
        struct keras_call *source;

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

void keras_build_calls(struct keras_build *b, struct keras_model *m)
{
    struct keras_call **path = keras_alloc(b, (size_t)m->n_calls + 1, sizeof(struct keras_call *));

    for (int i = 0; i < m->n_calls && b->st == DSC_OK; i++)
        if (!m->calls[i].is_done)
            build_from(b, m, &m->calls[i], path);
}

/* "input_layers", "output_layers": one reference, a list or an object of them. */
int keras_read_refs(struct keras_build *b, const struct keras_model *m, const char *key,
                    struct keras_ref *r)
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
