/*
 * Keras models: .keras archives (a zip of config.json and model.weights.h5) and full .h5 files,
 * whose root has the configuration as an attribute. config.json says which graph to build; nothing
 * is run.
 *
 * Source  keras/src/saving/saving_lib.py, keras/src/legacy/saving/legacy_h5_format.py (Keras 3.15)
 */
#include "formats_text.h"
#include "model/h5.h"
#include "model/keras.h"
#include "model/mapped.h"
#include "model/zip_dir.h"

#include <stdlib.h>
#include <string.h>

enum { LOCAL_BYTES = 30, NAME_AT = 26, FLAT_VERSION = 3 };

static enum dsc_status parse(json_t **root, const char *text, size_t n_bytes, const char *what,
                             struct dsc_err *err)
{
    json_error_t why;

    *root = json_loadb(text, n_bytes, JSON_REJECT_DUPLICATES, &why);
    if (*root)
        return DSC_OK;
    for (char *p = why.text; *p; p++)
        *p = (unsigned char)*p < ' ' ? ' ' : *p;
    dsc_fail(err, DSC_E_SCHEMA, "%s is not JSON: %.100s", what,
             dsc_utf8_check(why.text, strlen(why.text)) == strlen(why.text) ? why.text : "?");
    return dsc_err_where(err, "line %d, column %d", why.line, why.column);
}

/* "3.15.1"; without a number, today's. */
static int major_of(const char *version)
{
    return version && version[0] >= '0' && version[0] <= '9' ? (int)strtol(version, NULL, 10)
                                                             : FLAT_VERSION;
}

/* The graph takes the place of the tensors, whose bytes stay with it. */
static enum dsc_status build(struct dsc_model *m, const json_t *root, bool has_paths, int version,
                             const struct dsc_log *log, struct dsc_err *err)
{
    DSC_TRY(keras_read_model(m, root, has_paths, version, log, err));
    dsc_bundle_clear(&m->tensors);
    m->stored = NULL;
    m->n_stored = 0;
    m->format = &dsc_format_keras;
    return DSC_OK;
}

enum dsc_status keras_read_h5(struct dsc_model *m, const struct dsc_log *log, struct dsc_err *err)
{
    const char *config = dsc_bundle_meta(&m->tensors, "model_config");
    const char *version = dsc_bundle_meta(&m->tensors, "keras_version");
    enum dsc_status st;
    json_t *root;

    DSC_TRY(parse(&root, config, strlen(config), "model_config", err));
    st = build(m, root, false, major_of(version), log, err);
    json_decref(root);
    return st;
}

/* ---- archives ---- */

/* An entry that is as it was written. */
static enum dsc_status find_entry(const struct zip_dir *zip, const unsigned char *data,
                                  const char *name, const struct zip_entry **found,
                                  struct dsc_err *err)
{
    struct zip_entry *e = zip_dir_find(zip, name);

    *found = e;
    if (!e)
        return dsc_fail(err, DSC_E_SCHEMA, "the archive has no %s", name);
    if (!e->is_stored)
        return dsc_fail(err, DSC_E_UNSUPPORTED, "%s is compressed", name);
    return zip_entry_compare(e, data, err);
}

/* An archive need not say it. */
static enum dsc_status version_of(const struct zip_dir *zip, const unsigned char *data,
                                  int *version, struct dsc_err *err)
{
    static const char name[] = "metadata.json";
    const struct zip_entry *e;
    json_t *root;

    *version = FLAT_VERSION;
    if (!zip_dir_find(zip, name))
        return DSC_OK;
    DSC_TRY(find_entry(zip, data, name, &e, err));
    DSC_TRY(parse(&root, (const char *)data + e->at, (size_t)e->n_bytes, name, err));
    *version = major_of(json_string_value(json_object_get(root, "keras_version")));
    json_decref(root);
    return DSC_OK;
}

static enum dsc_status read_archive(struct dsc_model *m, struct dsc_arena *tmp,
                                    const struct dsc_log *log, struct dsc_err *err)
{
    const unsigned char *data = m->file->data;
    const struct zip_entry *config, *weights;
    struct h5_image image;
    struct zip_dir zip;
    json_t *root = NULL;
    enum dsc_status st;
    int version;

    DSC_TRY(zip_dir_read(&zip, data, m->file->n_bytes, tmp, err));
    DSC_TRY(find_entry(&zip, data, "config.json", &config, err));
    DSC_TRY(find_entry(&zip, data, "model.weights.h5", &weights, err));
    DSC_TRY(version_of(&zip, data, &version, err));
    image = (struct h5_image){data + weights->at, (size_t)weights->n_bytes};
    DSC_TRY(h5_read(m, &image, log, err));
    DSC_TRY(
        parse(&root, (const char *)data + config->at, (size_t)config->n_bytes, "config.json", err));
    st = build(m, root, true, version, log, err);
    json_decref(root);
    return st;
}

static enum dsc_status read(struct dsc_model *m, const char *path, const struct dsc_read_opts *o,
                            struct dsc_err *err)
{
    struct dsc_arena tmp;
    struct dsc_file file;
    enum dsc_status st;

    DSC_TRY(dsc_file_open(&file, path, 0, err));
    DSC_TRY(mapped_buffer(&file, &m->file, err));
    m->size_bytes = m->file->n_bytes;
    dsc_arena_init(&tmp);
    st = read_archive(m, &tmp, o ? o->log : NULL, err);
    dsc_arena_clear(&tmp);
    return st;
}

/* A zip whose first entry is one of Keras'. */
static bool probe(const struct dsc_probe *p)
{
    static const char *const names[] = {"metadata.json", "config.json", "model.weights.h5"};

    if (p->is_folder || p->n_head_bytes < LOCAL_BYTES || memcmp(p->head, "PK\3\4", 4) != 0)
        return false;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const size_t n = strlen(names[i]);

        if (p->head[NAME_AT] == n && p->head[NAME_AT + 1] == 0 &&
            p->n_head_bytes >= LOCAL_BYTES + n && memcmp(p->head + LOCAL_BYTES, names[i], n) == 0)
            return true;
    }
    return false;
}

const struct dsc_format dsc_format_keras = {
    .name = "keras",
    .text = "Keras model: .keras archive, or .h5 with its configuration",
    .probe = probe,
    .read = read,
};
