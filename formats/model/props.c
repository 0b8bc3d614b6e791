/* The `dscompress.*` metadata that are more than a plain text. */
#include "formats_props.h"

#include <jansson.h>

static enum dsc_status copy_names(const json_t *list, struct dsc_arena *arena, const char **names,
                                  struct dsc_err *err)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *item = json_array_get(list, i);

        if (!json_is_string(item))
            return dsc_fail(err, DSC_E_SCHEMA, "label %zu of %s is not a text", i, DSC_PROP_LABELS);
        names[i] = dsc_arena_strndup(arena, json_string_value(item), json_string_length(item), err);
        if (!names[i])
            return DSC_E_MEMORY;
    }
    return DSC_OK;
}

enum dsc_status dsc_props_labels(const struct dsc_graph *g, struct dsc_arena *arena,
                                 const char *const **names, size_t *n, struct dsc_err *err)
{
    const char *text = dsc_graph_prop(g, DSC_PROP_LABELS), **list;
    json_t *root;
    enum dsc_status st;

    *names = NULL;
    *n = 0;
    if (!text)
        return DSC_OK;
    root = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    if (!root || !json_is_array(root)) {
        json_decref(root);
        return dsc_fail(err, DSC_E_SCHEMA, "%s is not a JSON list", DSC_PROP_LABELS);
    }
    list = dsc_arena_alloc(arena, json_array_size(root), sizeof *list, err);
    st = list ? copy_names(root, arena, list, err) : DSC_E_MEMORY;
    *names = list;
    *n = json_array_size(root);
    json_decref(root);
    return st;
}

enum dsc_status dsc_props_set_labels(struct dsc_graph *g, const char *const *names, size_t n,
                                     struct dsc_err *err)
{
    json_t *root = json_array();
    json_malloc_t alloc;
    json_free_t release;
    char *text = NULL;
    enum dsc_status st = root ? DSC_OK : DSC_E_MEMORY;

    json_get_alloc_funcs(&alloc, &release);
    for (size_t i = 0; i < n && st == DSC_OK; i++)
        if (json_array_append_new(root, json_string(names[i])) != 0)
            st = dsc_fail(err, DSC_E_ENCODING, "label %zu is not valid UTF-8", i);
    if (st == DSC_OK)
        text = json_dumps(root, JSON_COMPACT);
    if (st == DSC_OK)
        st = text ? dsc_graph_set_prop(g, DSC_PROP_LABELS, text, err)
                  : dsc_fail(err, DSC_E_MEMORY, "no memory for the labels");
    release(text);
    json_decref(root);
    return st;
}

/* What a key holds, or an empty object. */
static json_t *sparsity_of(const struct dsc_graph *g, struct dsc_err *err)
{
    const char *text = dsc_graph_prop(g, DSC_PROP_SPARSITY);
    json_t *root = text ? json_loads(text, JSON_REJECT_DUPLICATES, NULL) : json_object();

    if (root && json_is_object(root))
        return root;
    json_decref(root);
    dsc_fail(err, text ? DSC_E_SCHEMA : DSC_E_MEMORY, "%s is not a JSON object", DSC_PROP_SPARSITY);
    return NULL;
}

static enum dsc_status put_sparsity(struct dsc_graph *g, const json_t *root, struct dsc_err *err)
{
    json_malloc_t alloc;
    json_free_t release;
    char *text = json_dumps(root, JSON_COMPACT | JSON_SORT_KEYS);
    enum dsc_status st;

    json_get_alloc_funcs(&alloc, &release);
    st = text ? dsc_graph_set_prop(g, DSC_PROP_SPARSITY, text, err)
              : dsc_fail(err, DSC_E_MEMORY, "no memory for the metadata");
    release(text);
    return st;
}

enum dsc_status dsc_props_add_sparsity(struct dsc_graph *g, const char *const *tensors, size_t n,
                                       const char *pattern, struct dsc_err *err)
{
    struct dsc_err own = {0};
    json_t *root = sparsity_of(g, err ? err : &own);
    enum dsc_status st = DSC_OK;

    if (!root)
        return err ? err->status : own.status;
    for (size_t i = 0; i < n && st == DSC_OK; i++)
        if (json_object_set_new(root, tensors[i], json_string(pattern)) != 0)
            st = dsc_fail(err, DSC_E_ENCODING, "the name of tensor %zu is not valid UTF-8", i);
    if (st == DSC_OK)
        st = put_sparsity(g, root, err);
    json_decref(root);
    return st;
}

enum dsc_status dsc_props_trim_sparsity(struct dsc_graph *g, struct dsc_err *err)
{
    struct dsc_err own = {0};
    json_t *root, *value;
    const char *name;
    void *next;
    enum dsc_status st;

    if (!dsc_graph_prop(g, DSC_PROP_SPARSITY))
        return DSC_OK;
    root = sparsity_of(g, err ? err : &own);
    if (!root)
        return err ? err->status : own.status;
    json_object_foreach_safe(root, next, name, value)
    {
        const int id = dsc_graph_find_value(g, name);

        if (id < 0 || !dsc_tensor_is_present(&g->values[id].init))
            json_object_del(root, name);
    }
    st = put_sparsity(g, root, err);
    json_decref(root);
    return st;
}

enum dsc_status dsc_props_sparse(const struct dsc_graph *g, struct dsc_arena *arena,
                                 const char *const **tensors, size_t *n, struct dsc_err *err)
{
    struct dsc_err own = {0};
    json_t *root = sparsity_of(g, err ? err : &own), *value;
    enum dsc_status st = DSC_OK;
    const char *name, **list;

    *tensors = NULL;
    *n = 0;
    if (!root)
        return err ? err->status : own.status;
    list = dsc_arena_alloc(arena, json_object_size(root) + 1, sizeof *list, err);
    if (!list)
        st = DSC_E_MEMORY;
    json_object_foreach(root, name, value)
    {
        if (st == DSC_OK && !(list[(*n)++] = dsc_arena_strdup(arena, name, err)))
            st = DSC_E_MEMORY;
    }
    *tensors = list;
    json_decref(root);
    return st;
}
