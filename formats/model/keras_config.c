/* Values of a layer's configuration. */
#include "model/keras.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

bool keras_is_text(const json_t *v, const char *text)
{
    return json_is_string(v) && strcmp(json_string_value(v), text) == 0;
}

const json_t *keras_option(const struct keras_build *b, const char *key)
{
    const json_t *v = json_object_get(b->layer->config, key);

    return json_is_null(v) ? NULL : v;
}

static void wrong_kind(struct keras_build *b, const char *key, const char *want)
{
    keras_fail(b, DSC_E_SCHEMA, "'%s' is no %s", key, want);
}

int64_t keras_int(struct keras_build *b, const char *key, int64_t fallback)
{
    const json_t *v = keras_option(b, key);

    if (!v)
        return fallback;
    if (!json_is_integer(v))
        wrong_kind(b, key, "whole number");
    return json_integer_value(v);
}

double keras_float(struct keras_build *b, const char *key, double fallback)
{
    const json_t *v = keras_option(b, key);

    if (!v)
        return fallback;
    if (!json_is_number(v) || !isfinite(json_number_value(v)))
        wrong_kind(b, key, "number");
    return json_number_value(v);
}

bool keras_bool(struct keras_build *b, const char *key, bool fallback)
{
    const json_t *v = keras_option(b, key);

    if (!v)
        return fallback;
    if (!json_is_boolean(v))
        wrong_kind(b, key, "true or false");
    return json_is_true(v);
}

const char *keras_text(struct keras_build *b, const char *key, const char *fallback)
{
    const json_t *v = keras_option(b, key);

    if (!v)
        return fallback;
    if (!json_is_string(v)) {
        wrong_kind(b, key, "text");
        return "";
    }
    return json_string_value(v);
}

bool keras_ints(struct keras_build *b, const char *key, int n, int64_t *v)
{
    const json_t *list = keras_option(b, key);

    memset(v, 0, (size_t)n * sizeof *v);
    if (!list)
        return false;
    if (json_is_integer(list)) {
        for (int i = 0; i < n; i++)
            v[i] = json_integer_value(list);
        return true;
    }
    if (!json_is_array(list) || json_array_size(list) != (size_t)n) {
        keras_fail(b, DSC_E_SCHEMA, "'%s' is no list of %d numbers", key, n);
        return false;
    }
    for (int i = 0; i < n; i++) {
        const json_t *item = json_array_get(list, (size_t)i);

        if (!json_is_integer(item))
            wrong_kind(b, key, "list of whole numbers");
        v[i] = json_integer_value(item);
    }
    return true;
}

/* "relu", or {"module": "keras.activations", "config": "relu", ..} */
const char *keras_function(struct keras_build *b, const char *key, const char *fallback)
{
    const json_t *v = keras_option(b, key);
    const char *module = json_string_value(json_object_get(v, "module"));
    const char *name = json_string_value(json_object_get(v, "config"));

    if (!v)
        return fallback;
    if (json_is_string(v))
        return json_string_value(v);
    if (module && name && keras_is_module(module))
        return name;
    keras_fail(b, DSC_E_UNSUPPORTED, "'%s' is a function of its own", key);
    return fallback;
}

bool keras_shape(struct keras_build *b, const json_t *shape, struct dsc_type *t)
{
    if (!json_is_array(shape))
        return false;
    if (json_array_size(shape) > DSC_MAX_RANK) {
        keras_fail(b, DSC_E_LIMIT, "a shape of more than %d axes", DSC_MAX_RANK);
        return false;
    }
    t->rank = (int)json_array_size(shape);
    for (int i = 0; i < t->rank; i++) {
        const json_t *d = json_array_get(shape, (size_t)i);

        if (!json_is_null(d) && (!json_is_integer(d) || json_integer_value(d) < 0)) {
            keras_fail(b, DSC_E_SCHEMA, "a shape that is no list of sizes");
            return false;
        }
        t->dim[i] = json_is_null(d) ? DSC_DIM_UNKNOWN : json_integer_value(d);
    }
    return true;
}
