/* ONNX: the model message around the graph, and the format's row. */
#include "dsc/op.h"
#include "formats_text.h"
#include "model/mapped.h"
#include "model/onnx_in.h"

#include <stdio.h>
#include <string.h>

enum { MISSING_MAX_KINDS = 256 };

enum dsc_status onnx_note_missing(struct onnx_in *in, const char *fmt, ...)
{
    struct onnx_missing **m = &in->missing;
    char what[256];
    va_list ap;
    int n = 0;

    if (in->err->status != DSC_OK)
        return in->err->status;
    va_start(ap, fmt);
    vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    for (; *m && n < MISSING_MAX_KINDS; m = &(*m)->next, n++) {
        if (strcmp((*m)->what, what) == 0) {
            (*m)->n++;
            return DSC_OK;
        }
    }
    if (n == MISSING_MAX_KINDS)
        return DSC_OK; /* the message is full long before */
    DSC_NEW(*m, &in->tmp, 1, in->err);
    (*m)->n = 1;
    (*m)->what = dsc_arena_strdup(&in->tmp, what, in->err);
    return (*m)->what ? DSC_OK : DSC_E_MEMORY;
}

/* Everything that is missing, in one message. */
static enum dsc_status report_missing(struct onnx_in *in)
{
    char text[700] = "";
    size_t n = 0;

    for (const struct onnx_missing *m = in->missing; m && n < sizeof text; m = m->next)
        n += (size_t)snprintf(text + n, sizeof text - n, "%s%s x%lld", n ? ", " : "", m->what,
                              (long long)m->n);
    if (n >= sizeof text)
        snprintf(text + sizeof text - 5, 5, " ...");
    return dsc_fail(in->err, DSC_E_UNSUPPORTED, "not supported: %s", text);
}

int64_t onnx_opset_of(const struct onnx_scope *s, const char *domain)
{
    for (int i = 0; i < s->n_opsets; i++)
        if (strcmp(s->opsets[i].domain, domain) == 0)
            return s->opsets[i].version;
    return domain[0] ? 1 : 0;
}

enum dsc_status onnx_read_opsets(struct onnx_in *in, struct dsc_rd msg, uint32_t number, int *n,
                                 struct dsc_opset **opsets)
{
    struct dsc_rd r = msg;
    struct wire_field f, g;
    int i = 0;

    for (*n = 0; wire_next(&r, &f);)
        *n += f.number == number;
    DSC_NEW(*opsets, &in->tmp, *n, in->err);
    while (wire_next(&msg, &f)) {
        struct dsc_opset *o = &(*opsets)[i];
        struct dsc_rd part;

        if (f.number != number)
            continue;
        *o = (struct dsc_opset){.domain = ""};
        i++;
        part = wire_bytes(&msg, &f);
        while (wire_next(&part, &g)) {
            if (g.number == OPSET_DOMAIN)
                o->domain = wire_text(&part, &g, &in->tmp);
            else if (g.number == OPSET_VERSION)
                o->version = wire_int(&part, &g);
        }
        DSC_TRY(dsc_rd_status(&part));
        if (strcmp(o->domain, "ai.onnx") == 0)
            o->domain = "";
        if (o->version < 1 || (!o->domain[0] && o->version > ONNX_MAX_OPSET))
            return dsc_rd_fail(&msg, DSC_E_VERSION, "opset %lld of domain '%s'",
                               (long long)o->version, o->domain);
    }
    return dsc_rd_status(&msg);
}

static enum dsc_status read_prop(struct onnx_in *in, struct dsc_graph *g, struct dsc_rd msg)
{
    const char *key = "", *value = "";
    struct wire_field f;

    while (wire_next(&msg, &f)) {
        if (f.number == PROP_KEY)
            key = wire_text(&msg, &f, &in->tmp);
        else if (f.number == PROP_VALUE)
            value = wire_text(&msg, &f, &in->tmp);
    }
    DSC_TRY(dsc_rd_status(&msg));
    if (dsc_graph_prop(g, key))
        return dsc_fail(in->err, DSC_E_DUP, "the metadata key '%s' stands twice", key);
    return dsc_graph_set_prop(g, key, value, in->err);
}

/* The model's fields but for the graph, whose window is returned. */
static enum dsc_status read_header(struct onnx_in *in, struct dsc_graph *g, struct dsc_rd r,
                                   struct dsc_rd *graph)
{
    struct wire_field f;
    int n_graphs = 0;

    while (wire_next(&r, &f)) {
        if (f.number == MODEL_IR_VERSION)
            g->ir_version = in->ir_version = wire_int(&r, &f);
        else if (f.number == MODEL_PRODUCER_NAME)
            g->producer_name = wire_text(&r, &f, &g->arena);
        else if (f.number == MODEL_PRODUCER_VERSION)
            g->producer_version = wire_text(&r, &f, &g->arena);
        else if (f.number == MODEL_DOMAIN)
            g->domain = wire_text(&r, &f, &g->arena);
        else if (f.number == MODEL_VERSION)
            g->model_version = wire_int(&r, &f);
        else if (f.number == MODEL_DOC)
            g->doc = wire_text(&r, &f, &g->arena);
        else if (f.number == MODEL_PROPS)
            DSC_TRY(read_prop(in, g, wire_bytes(&r, &f)));
        else if (f.number == MODEL_FUNCTIONS)
            DSC_TRY(onnx_read_func(in, wire_bytes(&r, &f)));
        else if (f.number == MODEL_GRAPH) {
            *graph = wire_bytes(&r, &f);
            n_graphs++;
        }
    }
    DSC_TRY(dsc_rd_status(&r));
    if (in->ir_version == 0 || n_graphs == 0)
        return dsc_fail(in->err, DSC_E_MAGIC, "not an ONNX model: it has no %s",
                        n_graphs ? "IR version" : "graph");
    if (in->ir_version < 0 || in->ir_version > ONNX_MAX_IR)
        return dsc_fail(in->err, DSC_E_VERSION, "IR version %lld, up to %d are read",
                        (long long)in->ir_version, ONNX_MAX_IR);
    if (n_graphs > 1)
        return dsc_fail(in->err, DSC_E_DUP, "the model has %d graphs", n_graphs);
    return DSC_OK;
}

static enum dsc_status read_opset_imports(struct onnx_in *in, struct dsc_graph *g, struct dsc_rd r)
{
    DSC_TRY(onnx_read_opsets(in, r, MODEL_OPSET, &in->n_opsets, &in->opsets));
    for (int i = 0; i < in->n_opsets; i++)
        DSC_TRY(dsc_graph_set_opset(g, in->opsets[i].domain, in->opsets[i].version, in->err));
    if (dsc_graph_opset(g, "") == 0) {
        if (in->ir_version >= 3 && in->n_opsets == 0)
            return dsc_fail(in->err, DSC_E_INCONSISTENT, "the model imports no opset");
        if (in->ir_version < 3)
            DSC_TRY(dsc_graph_set_opset(g, "", 1, in->err));
    }
    return DSC_OK;
}

static enum dsc_status read_model(struct onnx_in *in, struct dsc_graph *g, struct dsc_rd r)
{
    struct onnx_scope scope = {0};
    struct dsc_rd graph = {.err = in->err};

    DSC_TRY(read_header(in, g, r, &graph));
    DSC_TRY(read_opset_imports(in, g, r));
    scope.n_opsets = g->n_opsets;
    scope.opsets = g->opsets;
    DSC_TRY(onnx_read_graph(in, g, graph, &scope, 0));
    if (in->missing)
        return report_missing(in);
    for (int i = 0; i < g->n_inputs; i++)
        if (g->values[g->inputs[i]].type.dtype == DSC_DTYPE_NONE)
            return dsc_fail(in->err, DSC_E_TYPE, "input '%s' has no element type",
                            g->values[g->inputs[i]].name);
    if (in->n_renamed)
        dsc_log_printf(in->log, DSC_LOG_WARNING, "%d nodes with a name that another has renamed",
                       in->n_renamed);
    return dsc_graph_verify(g, in->err);
}

static int64_t max_nodes(size_t n_bytes)
{
    const size_t more = n_bytes / ONNX_NODE_BYTES;

    return more < ONNX_MAX_NODES - ONNX_SMALL_NODES ? ONNX_SMALL_NODES + (int64_t)more
                                                    : ONNX_MAX_NODES;
}

enum dsc_status dsc_onnx_read(struct dsc_graph **g, const char *path,
                              const struct dsc_read_opts *opts, uint64_t *size_bytes,
                              struct dsc_err *err)
{
    struct dsc_err own = {0};
    struct onnx_in in = {.path = path, .err = err ? err : &own};
    struct dsc_file file;
    struct dsc_rd r;
    enum dsc_status st;

    *g = NULL;
    if (opts) {
        in.log = opts->log;
        in.may_misalign = opts->may_misalign;
    }
    DSC_TRY(dsc_file_open(&file, path, 0, in.err));
    DSC_TRY(mapped_buffer(&file, &in.file, in.err));
    dsc_arena_init(&in.tmp);
    in.max_nodes = max_nodes(in.file->n_bytes);
    *g = dsc_graph_new(in.err);
    st = *g ? DSC_OK : DSC_E_MEMORY;
    if (st == DSC_OK && in.file->n_bytes == 0)
        st = dsc_fail(in.err, DSC_E_TRUNC, "the file is empty");
    if (st == DSC_OK) {
        dsc_rd_init(&r, in.file->data, in.file->n_bytes, in.err);
        st = read_model(&in, *g, r);
    }
    if (size_bytes)
        *size_bytes = in.file->n_bytes + in.external_bytes;
    if (st != DSC_OK) {
        dsc_err_file(in.err, path);
        dsc_graph_free(*g);
        *g = NULL;
    }
    onnx_external_close(&in);
    dsc_buffer_unref(in.file);
    dsc_arena_clear(&in.tmp);
    return st;
}

/* By its name, or by what protobuf writers put first: field 1, a small IR version. */
static bool probe(const struct dsc_probe *p)
{
    if (p->is_folder)
        return false;
    return dsc_ends_with(p->path, ".onnx") ||
           (p->n_head_bytes >= 4 && p->head[0] == MODEL_IR_VERSION << 3 && p->head[1] > 0 &&
            p->head[1] <= ONNX_MAX_IR);
}

static bool is_target(const char *path)
{
    return dsc_ends_with(path, ".onnx");
}

static enum dsc_status read(struct dsc_model *m, const char *path, const struct dsc_read_opts *o,
                            struct dsc_err *err)
{
    return dsc_onnx_read(&m->graph, path, o, &m->size_bytes, err);
}

const struct dsc_format dsc_format_onnx = {
    .name = "onnx",
    .text = "ONNX model, IR 3 to 14, opset 1 to 28",
    .probe = probe,
    .read = read,
    .is_target = is_target,
    .write = dsc_onnx_write,
};
