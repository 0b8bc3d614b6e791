/*
 * Weights of layers. In a .keras archive they are numbered below the layer's path
 * ("layers/dense_1/vars/0"); in a .h5 file they have names below the layer's group, with words of
 * no fixed order between ("model_weights/dense_1/model/dense_1/kernel:0").
 */
#include "model/h5.h"
#include "model/keras.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PATH_BYTES = 1024, SHAPE_BYTES = 128 };

const struct keras_part keras_whole = {NULL, ""};

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct dsc_stored *)a)->name, ((const struct dsc_stored *)b)->name);
}

/* ---- by path ---- */

static int find_path(struct keras_build *b, const struct keras_part *part, int idx)
{
    char path[PATH_BYTES];
    const struct dsc_stored key = {.name = path}, *s;
    const int n = snprintf(path, sizeof path, "%s%s%s/vars/%d", b->layer->path,
                           part->path[0] ? "/" : "", part->path, idx);

    if (n >= (int)sizeof path)
        return -1;
    s = b->m->n_stored ? bsearch(&key, b->m->stored, (size_t)b->m->n_stored, sizeof key, by_name)
                       : NULL;
    return s ? (int)(s - b->m->stored) : -1;
}

/* ---- by name ---- */

/* One of the folders in `path` (the last part is no folder) has this name. */
static bool has_folder(const char *path, const char *name)
{
    const size_t n = strlen(name);

    for (const char *slash; (slash = strchr(path, '/')); path = slash + 1)
        if ((size_t)(slash - path) == n && memcmp(path, name, n) == 0)
            return true;
    return false;
}

/* "kernel", "kernel:0" */
static bool is_last(const char *path, const char *name)
{
    const char *slash = strrchr(path, '/'), *last = slash ? slash + 1 : path;
    const size_t n = strlen(name);

    return strncmp(last, name, n) == 0 && (last[n] == '\0' || last[n] == ':');
}

/* The dataset's name below its layer's group, or NULL. */
static const char *below_group(const struct keras_build *b, const char *name)
{
    static const char root[] = "model_weights/";
    const size_t n = strlen(b->layer->group);

    if (strncmp(name, root, sizeof root - 1) == 0)
        name += sizeof root - 1;
    return strncmp(name, b->layer->group, n) == 0 && name[n] == '/' ? name + n + 1 : NULL;
}

/* Its number; -1: there is none, -2: there are several. */
static int find_named(struct keras_build *b, const struct keras_part *part, const char *name)
{
    int found = -1;

    for (int i = 0; i < b->m->n_stored; i++) {
        const char *path = below_group(b, b->m->stored[i].name);

        if (!path || !is_last(path, name) || (part->scope && !has_folder(path, part->scope)) ||
            (b->layer->is_inner && !has_folder(path, b->layer->own)))
            continue;
        if (found >= 0)
            return -2;
        found = i;
    }
    return found;
}

/* ---- both ---- */

static bool fits(const struct dsc_stored *s, int rank, const int64_t *dim)
{
    bool is_same = s->rank == rank;

    for (int i = 0; is_same && i < rank; i++)
        is_same = dim[i] < 0 || s->dim[i] == dim[i];
    return is_same;
}

static void shape_text(int rank, const int64_t *dim, char text[SHAPE_BYTES])
{
    size_t n = 0;

    text[0] = '\0';
    for (int i = 0; i < rank && n < SHAPE_BYTES; i++)
        n += (size_t)(dim[i] < 0 ? snprintf(text + n, SHAPE_BYTES - n, "%s?", i ? "," : "")
                                 : snprintf(text + n, SHAPE_BYTES - n, "%s%" PRId64, i ? "," : "",
                                            dim[i]));
}

static void fail_shape(struct keras_build *b, const struct dsc_stored *s, int rank,
                       const int64_t *dim)
{
    char have[SHAPE_BYTES], want[SHAPE_BYTES];

    shape_text(s->rank, s->dim, have);
    shape_text(rank, dim, want);
    keras_fail(b, DSC_E_INCONSISTENT, "the weight '%.100s' is %s[%s], not f32[%s]", s->name,
               s->type, have, want);
}

bool keras_weight(struct keras_build *b, const struct keras_part *part, const char *name, int idx,
                  int rank, const int64_t *dim, struct dsc_tensor *t)
{
    const struct dsc_stored *s;
    int at;

    *t = (struct dsc_tensor){0};
    if (b->st != DSC_OK)
        return false;
    at = b->has_paths ? find_path(b, part, idx) : find_named(b, part, name);
    if (at < 0) {
        keras_fail(b, DSC_E_INCONSISTENT,
                   at == -1 ? "its weight '%s' is not in the file"
                            : "several datasets may be its weight '%s'",
                   name);
        return false;
    }
    s = &b->m->stored[at];
    if (!fits(s, rank, dim) || s->dtype != DSC_F32) {
        fail_shape(b, s, rank, dim);
        return false;
    }
    b->is_used[at] = true;
    return keras_step(b, h5_load(b->m, s, t, b->err));
}

int keras_param(struct keras_build *b, const struct keras_part *part, const char *name, int idx,
                int rank, const int64_t *dim)
{
    char text[KERAS_NAME_BYTES];
    struct dsc_tensor t;

    if (!keras_weight(b, part, name, idx, rank, dim, &t))
        return DSC_NO_VALUE;
    snprintf(text, sizeof text, "%s%s%s", part->scope ? part->scope : "", part->scope ? "/" : "",
             name);
    return keras_init(b, text, &t);
}
