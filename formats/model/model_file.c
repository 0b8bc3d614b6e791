/* MODEL arguments: the table of formats, probing, opening, writing. */
#include "dsc/io.h"
#include "formats_model.h"
#include "model/arch_weights.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define DSC_FORMAT(name) extern const struct dsc_format dsc_format_##name;
#include "model/formats.def"
#undef DSC_FORMAT

static const struct dsc_format *const rows[] = {
#define DSC_FORMAT(name) &dsc_format_##name,
#include "model/formats.def"
#undef DSC_FORMAT
    NULL};

const struct dsc_format *const *dsc_format_all(void)
{
    return rows;
}

/* "onnx, safetensors" */
static void list_formats(char *text, size_t n_bytes, bool must_write)
{
    size_t n = 0;

    text[0] = '\0';
    for (int i = 0; rows[i] && n < n_bytes; i++)
        if (must_write ? rows[i]->write != NULL : rows[i]->read != NULL)
            n += (size_t)snprintf(text + n, n_bytes - n, "%s%s", n ? ", " : "", rows[i]->name);
}

static enum dsc_status probe_path(const char *path, const struct dsc_format **row,
                                  struct dsc_err *err)
{
    struct dsc_probe p = {.path = path};
    struct dsc_file f = {0};
    struct stat st;
    char known[160];

    *row = NULL;
    if (strcmp(path, "-") == 0 || stat(path, &st) != 0 ||
        !(S_ISDIR(st.st_mode) || S_ISREG(st.st_mode))) {
        /* A stream can be read once: its name has to tell. */
    } else if (S_ISDIR(st.st_mode)) {
        p.is_folder = true;
    } else {
        DSC_TRY(dsc_file_open(&f, path, 0, err));
        p.head = f.data;
        p.n_head_bytes = f.n_bytes;
    }
    for (int i = 0; rows[i] && !*row; i++)
        if (rows[i]->read && rows[i]->probe(&p))
            *row = rows[i];
    dsc_file_close(&f);
    if (*row)
        return DSC_OK;
    if (strcmp(path, "-") != 0 && stat(path, &st) != 0)
        dsc_fail(err, DSC_E_NOINPUT, "there is no such file or folder");
    list_formats(known, sizeof known, false);
    dsc_fail(err, DSC_E_MAGIC, "not a model in a format that is read (%s)", known);
    return dsc_err_file(err, path);
}

enum dsc_status dsc_model_open(struct dsc_model *m, const char *path,
                               const struct dsc_read_opts *opts, struct dsc_err *err)
{
    struct dsc_err own = {0};
    enum dsc_status st;

    err = err ? err : &own;
    *m = (struct dsc_model){0};
    DSC_TRY(probe_path(path, &m->format, err));
    st = m->format->read(m, path, opts, err);
    if (st == DSC_OK && opts && opts->weights && !m->format->takes_weights)
        st = m->graph ? arch_put_weights(m->graph, opts->weights, opts->log, err)
                      : dsc_fail(err, DSC_E_UNSUPPORTED, "a file of tensors is no architecture");
    if (st != DSC_OK) {
        dsc_err_file(err, path);
        dsc_model_close(m);
    }
    return st;
}

enum dsc_status dsc_model_open_graph(struct dsc_model *m, const char *path,
                                     const struct dsc_read_opts *opts, struct dsc_err *err)
{
    DSC_TRY(dsc_model_open(m, path, opts, err));
    if (m->graph)
        return DSC_OK;
    dsc_fail(err, DSC_E_UNSUPPORTED, "a file of tensors has no graph to run or change");
    dsc_err_hint(err,
                 "give the folder that holds it together with its config.json, or --arch with an "
                 "ONNX model of the same network");
    dsc_err_file(err, path);
    dsc_model_close(m);
    return DSC_E_UNSUPPORTED;
}

void dsc_model_close(struct dsc_model *m)
{
    dsc_graph_free(m->graph);
    dsc_bundle_clear(&m->tensors);
    dsc_buffer_unref(m->file);
    *m = (struct dsc_model){0};
}

enum dsc_status dsc_model_load(const struct dsc_model *m, int idx, struct dsc_tensor *t,
                               struct dsc_err *err)
{
    *t = (struct dsc_tensor){0};
    return m->format->load(m, &m->stored[idx], t, err);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct dsc_stored *)a)->name, ((const struct dsc_stored *)b)->name);
}

enum dsc_status dsc_model_sort_stored(struct dsc_model *m, struct dsc_err *err)
{
    if (m->n_stored > 1)
        qsort(m->stored, (size_t)m->n_stored, sizeof *m->stored, by_name);
    for (int i = 1; i < m->n_stored; i++)
        if (strcmp(m->stored[i - 1].name, m->stored[i].name) == 0)
            return dsc_fail(err, DSC_E_DUP, "the tensor '%s' stands twice", m->stored[i].name);
    return DSC_OK;
}

static const struct dsc_format *format_of_target(const char *path, struct dsc_err *err)
{
    char known[128];

    for (int i = 0; rows[i]; i++)
        if (rows[i]->write && rows[i]->is_target(path))
            return rows[i];
    list_formats(known, sizeof known, true);
    dsc_fail(err, DSC_E_USAGE, "no format writes to such a name (%s)", known);
    dsc_err_hint(err, "FILE.onnx writes one file, DIR/ a Hugging Face folder");
    dsc_err_file(err, path);
    return NULL;
}

enum dsc_status dsc_model_can_write(const struct dsc_graph *g, const char *path,
                                    struct dsc_err *err)
{
    const struct dsc_format *f = format_of_target(path, err);

    if (!f)
        return DSC_E_USAGE;
    return f->can_write ? f->can_write(g, path, err) : DSC_OK;
}

enum dsc_status dsc_model_write(const struct dsc_graph *g, const char *path,
                                const struct dsc_write_opts *opts, struct dsc_write_report *report,
                                struct dsc_err *err)
{
    static const struct dsc_write_opts plain = {0};
    const struct dsc_format *f = format_of_target(path, err);

    return f ? f->write(g, path, opts ? opts : &plain, report, err) : DSC_E_USAGE;
}

enum dsc_status dsc_model_check_size(const struct dsc_write_opts *o, uint64_t n_bytes,
                                     struct dsc_err *err)
{
    if (o->max_bytes == 0 || n_bytes <= o->max_bytes)
        return DSC_OK;
    return dsc_fail(err, DSC_E_CHECK,
                    "it would have %" PRIu64 " bytes, at most %" PRIu64 " are asked for", n_bytes,
                    o->max_bytes);
}

/* A tensor of that name, type and shape, of those that are stored or of those in memory. */
static bool has_tensor(const struct dsc_model *m, const char *name, const struct dsc_stored *want)
{
    const struct dsc_stored key = {.name = name};
    const struct dsc_stored *s =
        m->n_stored ? bsearch(&key, m->stored, (size_t)m->n_stored, sizeof key, by_name) : NULL;
    const struct dsc_tensor *t = s ? NULL : dsc_bundle_find(&m->tensors, name);
    const int64_t *dim = s ? s->dim : t ? t->dim : NULL;

    return dim && want->dtype == (s ? s->dtype : t->dtype) &&
           want->rank == (s ? s->rank : t->rank) &&
           memcmp(want->dim, dim, (size_t)want->rank * sizeof *dim) == 0;
}

enum dsc_status dsc_source_read_back(const struct dsc_tensor_source *src, const char *path,
                                     uint64_t *size_bytes, struct dsc_err *err)
{
    struct dsc_err why = {0};
    struct dsc_model m;
    bool is_same;

    if (dsc_model_open(&m, path, NULL, &why) != DSC_OK)
        return dsc_model_not_read_back(&why, err);
    is_same = m.n_stored + m.tensors.n == src->n;
    for (int i = 0; i < src->n && is_same; i++) {
        const char *name = src->items[i].name;

        is_same = has_tensor(&m, name, &src->items[i]) ||
                  (name[0] == '/' && has_tensor(&m, name + 1, &src->items[i]));
    }
    if (size_bytes)
        *size_bytes = m.size_bytes;
    dsc_model_close(&m);
    return is_same ? DSC_OK : dsc_fail(err, DSC_E_INTERNAL, "the file read back differs");
}

enum dsc_status dsc_model_not_read_back(const struct dsc_err *why, struct dsc_err *err)
{
    const bool is_disk = why->status == DSC_E_NOINPUT || why->status == DSC_E_IO;
    const enum dsc_status st = is_disk                       ? DSC_E_IO
                               : why->status == DSC_E_MEMORY ? DSC_E_MEMORY
                                                             : DSC_E_INTERNAL;

    return dsc_fail(err, st, "what was written does not read back: %s%s%s", why->message,
                    why->where[0] ? " at " : "", why->where);
}
