/* Writing files of tensors: what each becomes, and how far its values move. */
#include "exporttensors.h"

#include "formats_npz.h"
#include "tensorlist.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

const char *const dsc_export_dtypes[DSC_EXPORT_N_DTYPES] = {"f32",  "f16",  "bf16", "q8_0", "q4_0",
                                                            "q4_1", "q5_0", "q5_1", "q4_K", "q6_K"};

enum { NAMED_MAX = 8 };

struct job {
    struct dsc_cmd *cmd;
    const struct dsc_model *m;
    enum dsc_export_form form;
    bool is_gguf;
    const char *type; /* NULL: as the source */
    struct dsc_listed *from;
    struct dsc_stored *to; /* [n] */
    double *sqnr_db;       /* [n] */
    int n;
};

static enum dsc_dtype plain_of(const char *type)
{
    for (int d = DSC_DTYPE_NONE + 1; d < DSC_DTYPE_COUNT; d++)
        if (strcmp(dsc_dtype_text((enum dsc_dtype)d), type) == 0)
            return (enum dsc_dtype)d;
    return DSC_DTYPE_NONE;
}

static bool is_weight(const struct job *j, const struct dsc_listed *l)
{
    const int n_axes = j->is_gguf ? 2 : 1;

    return l->rank >= n_axes && l->dtype != DSC_DTYPE_NONE && dsc_dtype_is_float(l->dtype);
}

/* Blocks of the source that stay what they are need no reader of their values. */
static bool is_copied(const struct job *j, int i)
{
    return j->is_gguf && !j->from[i].tensor && j->m->format->load &&
           strcmp(j->m->format->name, "gguf") == 0 && strcmp(j->from[i].type, j->to[i].type) == 0;
}

static enum dsc_status choose(struct job *j, int i, struct dsc_err *err)
{
    const struct dsc_listed *l = &j->from[i];
    struct dsc_stored *s = &j->to[i];

    *s = (struct dsc_stored){.name = l->name, .type = l->type, .dtype = l->dtype, .rank = l->rank};
    memcpy(s->dim, l->dim, (size_t)l->rank * sizeof s->dim[0]);
    if (j->type && is_weight(j, l))
        s->type = j->type;
    if (is_copied(j, i))
        return DSC_OK;
    if (j->is_gguf)
        return dsc_gguf_fit(&s->type, &s->dtype, s, err);
    if (j->type && is_weight(j, l))
        s->dtype = plain_of(j->type);
    if (j->form == DSC_EXPORT_HDF5)
        DSC_TRY(dsc_h5_fit(s, err));
    if (j->form == DSC_EXPORT_NPZ)
        s->dtype = dsc_npz_dtype(s->dtype);
    return l->dtype ? DSC_OK
                    : dsc_fail(err, DSC_E_UNSUPPORTED, "values of type %s are not read", l->type);
}

/* All tensors that the format cannot hold are told at once. */
static enum dsc_status choose_all(struct job *j, struct dsc_err *err)
{
    struct dsc_bytes text = {0};
    int n_bad = 0;

    for (int i = 0; i < j->n; i++) {
        struct dsc_err why = {0};

        if (choose(j, i, &why) != DSC_OK && n_bad++ < NAMED_MAX)
            dsc_bytes_printf(&text, "%s'%.64s' (%.100s)", n_bad > 1 ? ", " : "", j->from[i].name,
                             why.message);
    }
    if (n_bad > 0)
        dsc_fail(err, DSC_E_UNSUPPORTED, "%d tensors cannot be written: %.*s%s", n_bad,
                 (int)text.n_bytes, text.data ? (const char *)text.data : "",
                 n_bad > NAMED_MAX ? " .." : "");
    dsc_bytes_clear(&text);
    return n_bad > 0 ? dsc_err_file(err, j->cmd->args[0]) : DSC_OK;
}

static enum dsc_status convert(const struct dsc_tensor *src, enum dsc_dtype dtype,
                               struct dsc_tensor *dst, struct dsc_err *err)
{
    DSC_TRY(dsc_tensor_new(dst, dtype, src->rank, src->dim, err));
    for (int64_t i = 0; i < dsc_tensor_n_elems(src); i++) {
        const double x = dsc_tensor_get_f64(src, i);

        dsc_tensor_set_f64(dst, i, x);
        if (isfinite(x) && !isfinite(dsc_tensor_get_f64(dst, i))) {
            dsc_tensor_clear(dst);
            return dsc_fail(err, DSC_E_RANGE, "element %" PRId64 " is %g, beyond what %s holds", i,
                            x, dsc_dtype_text(dtype));
        }
    }
    return DSC_OK;
}

/* Its values as elements of a type. */
static enum dsc_status load_as(const struct dsc_model *m, const struct dsc_listed *l,
                               enum dsc_dtype dtype, struct dsc_tensor *t, struct dsc_err *err)
{
    struct dsc_tensor own;
    enum dsc_status st;

    DSC_TRY(dsc_listed_open(m, l, t, err));
    if (t->dtype == dtype)
        return DSC_OK;
    st = convert(t, dtype, &own, err);
    dsc_tensor_clear(t);
    if (st == DSC_OK)
        *t = own;
    return st;
}

static enum dsc_status load(void *ctx, int idx, struct dsc_tensor *t, struct dsc_err *err)
{
    struct job *j = ctx;

    DSC_TRY(dsc_cmd_stopped(j->cmd, err));
    if (load_as(j->m, &j->from[idx], j->to[idx].dtype, t, err) != DSC_OK)
        return dsc_err_file(err, j->cmd->args[0]);
    return DSC_OK;
}

static const void *raw(void *ctx, int idx)
{
    const struct job *j = ctx;

    if (!is_copied(j, idx))
        return NULL;
    return (const unsigned char *)j->m->file->data + j->m->stored[j->from[idx].stored_idx].offset;
}

static void done(void *ctx, int idx, double sqnr_db)
{
    struct job *j = ctx;

    j->sqnr_db[idx] = sqnr_db;
}

/* Texts of the source; of a GGUF file they are kept as they are, in another they are shown so. */
static enum dsc_status collect_meta(struct job *j, struct dsc_tensor_source *src,
                                    struct dsc_err *err)
{
    const struct dsc_graph *g = j->m->graph;
    const bool is_kept = j->is_gguf && strcmp(j->m->format->name, "gguf") == 0;
    struct dsc_bundle_meta *all;

    src->model = j->m;
    DSC_NEW(all, j->cmd->arena, (g ? g->n_props : j->m->tensors.n_meta) + 1, err);
    src->meta = all;
    if (is_kept)
        return DSC_OK;
    if (j->is_gguf && !(g ? dsc_graph_prop(g, "general.architecture")
                          : dsc_bundle_meta(&j->m->tensors, "general.architecture")))
        all[src->n_meta++] = (struct dsc_bundle_meta){"general.architecture", "unknown"};
    if (j->is_gguf || !g) { /* the keys of a graph's are of the artefact, not of its weights */
        for (int i = 0; g && i < g->n_props; i++)
            all[src->n_meta++] = (struct dsc_bundle_meta){g->props[i].key, g->props[i].value};
        for (int i = 0; !g && i < j->m->tensors.n_meta; i++)
            all[src->n_meta++] = j->m->tensors.meta[i];
    }
    return DSC_OK;
}

/* What became of each tensor; the worst of those whose values moved. */
static void report(struct job *j, const char *path, uint64_t size_bytes)
{
    struct dsc_json *json = &j->cmd->json;
    int worst = -1, n_wider = 0;

    dsc_json_int(json, "tensors", j->n);
    dsc_json_int(json, "size_bytes", (int64_t)size_bytes);
    dsc_json_array(json, "written");
    for (int i = 0; i < j->n; i++) {
        const bool is_wider = j->type && is_weight(j, &j->from[i]) && j->is_gguf &&
                              strcmp(j->to[i].type, j->type) != 0;

        dsc_json_object(json, NULL);
        dsc_json_text(json, "name", j->to[i].name);
        dsc_json_text(json, "dtype_in", j->from[i].type);
        dsc_json_text(json, "dtype_out",
                      j->is_gguf ? j->to[i].type : dsc_dtype_text(j->to[i].dtype));
        if (isfinite(j->sqnr_db[i])) {
            dsc_json_float(json, "sqnr_db", j->sqnr_db[i]);
            worst = worst < 0 || j->sqnr_db[i] < j->sqnr_db[worst] ? i : worst;
        }
        if (is_wider)
            dsc_json_text(json, "why", "rows are no whole blocks");
        dsc_json_end(json);
        n_wider += is_wider;
    }
    dsc_json_end(json);
    fprintf(j->cmd->out, "%s: %d tensors, %.1f MB\n", path, j->n, (double)size_bytes / 1e6);
    if (worst >= 0) {
        fprintf(j->cmd->out, "least signal to noise ratio: %.1f dB, ", j->sqnr_db[worst]);
        dsc_term_put(j->cmd->out, j->to[worst].name);
        fputc('\n', j->cmd->out);
    }
    if (n_wider > 0)
        dsc_log_printf(&j->cmd->log, DSC_LOG_WARNING,
                       "%d tensors have rows that are no whole blocks of %s: they are written in "
                       "wider types",
                       n_wider, j->type);
}

/* All of them: a zip's directory comes last, but its writer takes arrays. */
static enum dsc_status write_arrays(const struct dsc_tensor_source *src, const char *path,
                                    bool may_replace, uint64_t *size_bytes, struct dsc_err *err)
{
    struct dsc_bundle b;
    struct dsc_tensor t;
    enum dsc_status st = DSC_OK;

    dsc_bundle_init(&b);
    *size_bytes = 0;
    for (int i = 0; i < src->n && st == DSC_OK; i++) {
        st = src->load(src->ctx, i, &t, err);
        if (st != DSC_OK)
            break;
        *size_bytes += dsc_tensor_n_bytes(&t);
        st = dsc_bundle_add(&b, src->items[i].name, &t, err);
        dsc_tensor_clear(&t);
        if (src->done)
            src->done(src->ctx, i, (double)INFINITY);
    }
    if (st == DSC_OK)
        st = dsc_npz_write(path, &b, may_replace, err);
    dsc_bundle_clear(&b);
    return st;
}

struct arrays {
    struct dsc_cmd *cmd;
    const struct dsc_model *m;
    const struct dsc_listed *from;
};

static enum dsc_status load_array(void *ctx, int idx, struct dsc_tensor *t, struct dsc_err *err)
{
    const struct arrays *a = ctx;
    const struct dsc_listed *l = &a->from[idx];

    DSC_TRY(dsc_cmd_stopped(a->cmd, err));
    if (l->dtype == DSC_DTYPE_NONE)
        return dsc_fail(err, DSC_E_UNSUPPORTED, "tensor '%s': values of type %s are not read",
                        l->name, l->type);
    if (load_as(a->m, l, dsc_npz_dtype(l->dtype), t, err) != DSC_OK)
        return dsc_err_file(err, a->cmd->args[0]);
    return DSC_OK;
}

enum dsc_status dsc_export_arrays(struct dsc_cmd *cmd, const struct dsc_model *m,
                                  const struct dsc_listed *items, int n, const char *path,
                                  struct dsc_err *err)
{
    struct arrays a = {cmd, m, items};
    struct dsc_tensor_source src = {.ctx = &a, .load = load_array, .n = n};
    struct dsc_stored *to;
    uint64_t n_bytes;

    DSC_NEW(to, cmd->arena, n + 1, err);
    for (int i = 0; i < n; i++)
        to[i].name = items[i].name;
    src.items = to;
    return write_arrays(&src, path, dsc_opt_flag(cmd, DSC_OPT_force), &n_bytes, err);
}

enum dsc_status dsc_export_tensors(struct dsc_cmd *cmd, const struct dsc_model *m,
                                   enum dsc_export_form form, const char *type, struct dsc_err *err)
{
    const char *path = dsc_opt_text(cmd, DSC_OPT_output);
    const bool may_replace = dsc_opt_flag(cmd, DSC_OPT_force);
    const bool is_gguf = form == DSC_EXPORT_GGUF;
    struct job j = {.cmd = cmd, .m = m, .form = form, .is_gguf = is_gguf, .type = type};
    struct dsc_tensor_source src = {.ctx = &j, .load = load, .raw = raw, .done = done};
    uint64_t size_bytes = 0;

    DSC_TRY(dsc_list_tensors(m, &cmd->log, cmd->arena, &j.from, &j.n, err));
    DSC_NEW(j.to, cmd->arena, j.n + 1, err);
    DSC_NEW(j.sqnr_db, cmd->arena, j.n + 1, err);
    DSC_TRY(choose_all(&j, err));
    DSC_TRY(collect_meta(&j, &src, err));
    src.items = j.to;
    src.n = j.n;
    if (form == DSC_EXPORT_NPZ)
        DSC_TRY(write_arrays(&src, path, may_replace, &size_bytes, err));
    else if (form == DSC_EXPORT_HDF5)
        DSC_TRY(dsc_h5_write(&src, path, may_replace, &size_bytes, err));
    else if (is_gguf)
        DSC_TRY(dsc_gguf_write(&src, path, may_replace, dsc_cmd_n_threads(cmd), &size_bytes, err));
    else
        DSC_TRY(dsc_safetensors_write_from(&src, path, may_replace, &size_bytes, err));
    report(&j, path, size_bytes);
    return DSC_OK;
}
