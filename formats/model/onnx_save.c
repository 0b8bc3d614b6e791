/*
 * Saving a graph as ONNX: operators of our own spelled in ONNX's, the opset that the nodes need,
 * data beside the model when they are large, the file read back before it gets its name.
 */
#include "dsc/op.h"
#include "model/onnx_in.h"
#include "model/onnx_write.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
    SAVE_DEFAULT_OPSET = 17,
    SAVE_MAX_EXPANSIONS = 16, /* operators that expand into operators that expand .. */
    SAVE_EXTERNAL_MIN_BYTES = 1024,
    SAVE_EXTERNAL_ALIGN = 4096,
    SAVE_HASH_DIGITS = 12,
    IR_OF_SPARSE = 6
};

#define SAVE_EXTERNAL_ABOVE_BYTES (UINT64_C(3) << 29) /* 1.5 GiB */
#define SAVE_MESSAGE_MAX_BYTES (UINT64_C(0x7FFFFFFF)) /* protobuf readers count in 31 bits */

struct save {
    struct dsc_graph *g; /* the copy that is written */
    const char *path;
    const struct dsc_write_opts *opts;
    struct dsc_arena tmp;
    struct onnx_sparse *sparse; /* [n_values], or NULL */
    uint64_t *ext_offsets;      /* NULL: everything inline */
    uint64_t ext_bytes;
    char *ext_name, *ext_path;
    bool is_ext_new; /* the data file was not there before */
    struct dsc_err *err;
};

/* Spell every "dsc" node in ONNX's operators; what cannot be is a defect of ours. */
static enum dsc_status expand_nodes(struct dsc_graph *g, struct dsc_err *err)
{
    bool is_changed = true;

    for (int round = 0; is_changed && round < SAVE_MAX_EXPANSIONS; round++) {
        const int n = g->n_nodes;

        is_changed = false;
        for (int i = 0; i < n; i++) {
            struct dsc_node *node = g->nodes[i];

            if (!node->op || strcmp(dsc_op_domain(node->op), "dsc") != 0 || !node->op->expand)
                continue;
            if (node->op->expand(g, node, err) != DSC_OK)
                return dsc_err_where(err, "node '%s'", node->name);
            dsc_graph_remove_node(node);
            is_changed = true;
        }
        if (is_changed)
            DSC_TRY(dsc_graph_sort(g, false, err));
    }
    for (int i = 0; i < g->n_nodes; i++)
        if (strcmp(dsc_op_domain(g->nodes[i]->op), "dsc") == 0)
            return dsc_fail(err, DSC_E_INTERNAL, "node '%s' (dsc.%s) has no spelling in ONNX",
                            g->nodes[i]->name, g->nodes[i]->op->onnx);
    return dsc_graph_verify(g, err);
}

/* IR version in which an opset of ai.onnx came out. */
static int64_t ir_of_opset(int64_t opset)
{
    static const struct {
        int64_t opset, ir;
    } rows[] = {{8, 4},  {9, 4},   {10, 5},  {11, 6},  {14, 7}, {18, 8},
                {20, 9}, {22, 10}, {23, 11}, {24, 12}, {27, 13}};

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (opset <= rows[i].opset)
            return rows[i].ir;
    return ONNX_MAX_IR;
}

/* Standard operators took bfloat16 with opset 13 and the 4-bit types with 21. */
static int64_t need_of_type(const struct dsc_graph *g, int value)
{
    const enum dsc_dtype dtype =
        value == DSC_NO_VALUE ? DSC_DTYPE_NONE : g->values[value].type.dtype;

    return dsc_dtype_bits(dtype) == 4 ? 21 : dtype == DSC_BF16 ? 13 : 1;
}

static int64_t need_of_types(const struct dsc_graph *g, const struct dsc_node *n)
{
    int64_t need = 1;

    for (int i = 0; i < n->n_in + n->n_out; i++) {
        const int64_t v = need_of_type(g, i < n->n_in ? n->in[i] : n->out[i - n->n_in]);

        need = v > need ? v : need;
    }
    return need;
}

static enum dsc_status raise_opset(struct dsc_graph *into, const struct dsc_graph *g,
                                   struct dsc_err *err)
{
    for (int i = 0; i < g->n_nodes; i++) {
        const struct dsc_node *n = g->nodes[i];
        const char *domain = dsc_op_domain(n->op);
        int64_t need = n->op->since > 0 ? n->op->since : 1;
        const int64_t of_node = n->op->min_opset ? n->op->min_opset(g, n) : 0;
        const int64_t of_types = domain[0] ? 1 : need_of_types(g, n);

        need = of_node > need ? of_node : need;
        need = of_types > need ? of_types : need;
        if (dsc_graph_opset(into, domain) < need)
            DSC_TRY(dsc_graph_set_opset(into, domain, need, err));
        for (int k = 0; k < n->n_attrs; k++)
            if (n->attrs[k].kind == DSC_ATTR_GRAPH)
                DSC_TRY(raise_opset(into, n->attrs[k].graph, err));
    }
    return DSC_OK;
}

static enum dsc_status choose_versions(struct save *s, struct dsc_write_report *report)
{
    struct dsc_graph *g = s->g;
    const int64_t before = dsc_graph_opset(g, "");
    const int64_t start = before ? before : SAVE_DEFAULT_OPSET;
    int64_t after, ir;

    DSC_TRY(dsc_graph_set_opset(g, "", start > s->opts->min_opset ? start : s->opts->min_opset,
                                s->err));
    DSC_TRY(raise_opset(g, g, s->err));
    after = dsc_graph_opset(g, "");
    ir = ir_of_opset(after);
    for (int i = 0; i < g->n_values; i++)
        if (dsc_dtype_bits(g->values[i].type.dtype) == 4 && ir < 10)
            ir = 10; /* int4 came with IR 10 */
    g->ir_version = g->ir_version > ir ? g->ir_version : ir;
    if (before && after > before)
        dsc_log_printf(s->opts->log, DSC_LOG_INFO,
                       "opset raised from %" PRId64 " to %" PRId64 ", which %s", before, after,
                       after == s->opts->min_opset ? "was asked for" : "the nodes need");
    report->opset_before = before;
    report->opset_after = after;
    report->ir_version = g->ir_version;
    return DSC_OK;
}

static bool is_sparse(const struct save *s, int value)
{
    return s->sparse && s->sparse[value].is_used;
}

/* Initializers that are smaller so; graph inputs have a type of their own, which is dense. */
static enum dsc_status plan_sparse(struct save *s, struct dsc_write_report *report)
{
    struct dsc_graph *g = s->g;

    if (!s->opts->sparse_initializers)
        return DSC_OK;
    s->sparse = dsc_heap_alloc((size_t)g->n_values + 1, sizeof *s->sparse, s->err);
    if (!s->sparse)
        return DSC_E_MEMORY;
    for (int i = 0; i < g->n_values; i++) {
        if (!onnx_is_written_init(g, i) || g->values[i].is_input || g->values[i].is_output)
            continue;
        DSC_TRY(onnx_make_sparse(&g->values[i].init, &s->sparse[i], s->err));
        s->sparse[i].name = g->values[i].name;
        report->n_sparse += s->sparse[i].is_used;
    }
    if (report->n_sparse > 0 && g->ir_version < IR_OF_SPARSE)
        g->ir_version = report->ir_version = IR_OF_SPARSE;
    return DSC_OK;
}

static uint64_t align_up(uint64_t n)
{
    return (n + SAVE_EXTERNAL_ALIGN - 1) / SAVE_EXTERNAL_ALIGN * SAVE_EXTERNAL_ALIGN;
}

/* Where each tensor's bytes go, when there are so many that they stand beside the model. */
static enum dsc_status plan_external(struct save *s)
{
    const struct dsc_graph *g = s->g;
    const uint64_t limit =
        s->opts->external_above_bytes ? s->opts->external_above_bytes : SAVE_EXTERNAL_ABOVE_BYTES;
    uint64_t total = 0;

    for (int i = 0; i < g->n_values; i++)
        if (onnx_is_written_init(g, i) && !is_sparse(s, i))
            total += dsc_tensor_n_bytes(&g->values[i].init);
    if (total <= limit)
        return DSC_OK;
    DSC_NEW(s->ext_offsets, &s->tmp, g->n_values, s->err);
    for (int i = 0; i < g->n_values; i++) {
        s->ext_offsets[i] = UINT64_MAX;
        if (!onnx_is_written_init(g, i) || is_sparse(s, i) ||
            dsc_tensor_n_bytes(&g->values[i].init) < SAVE_EXTERNAL_MIN_BYTES)
            continue;
        s->ext_offsets[i] = align_up(s->ext_bytes);
        s->ext_bytes = s->ext_offsets[i] + dsc_tensor_n_bytes(&g->values[i].init);
    }
    if (s->ext_bytes == 0)
        s->ext_offsets = NULL;
    return DSC_OK;
}

/* The data file's bytes in order, to a hash or to a file. */
static void stream_external(const struct save *s, struct dsc_sha256 *hash, struct dsc_out *out)
{
    static const unsigned char zeros[SAVE_EXTERNAL_ALIGN];
    uint64_t at = 0;

    for (int i = 0; i < s->g->n_values; i++) {
        const struct dsc_tensor *t = &s->g->values[i].init;
        size_t n_pad;

        if (s->ext_offsets[i] == UINT64_MAX)
            continue;
        n_pad = (size_t)(s->ext_offsets[i] - at);
        at = s->ext_offsets[i] + dsc_tensor_n_bytes(t);
        if (hash) {
            dsc_sha256_add(hash, zeros, n_pad);
            dsc_sha256_add(hash, t->data, dsc_tensor_n_bytes(t));
        } else {
            dsc_out_write(out, zeros, n_pad);
            dsc_out_write(out, t->data, dsc_tensor_n_bytes(t));
        }
    }
}

/* "dir/m.onnx" -> "m.onnx"; *n_dir bytes come before it. */
static const char *base_name(const char *path, int *n_dir)
{
    const char *slash = strrchr(path, '/');

    *n_dir = slash ? (int)(slash - path) + 1 : 0;
    return path + *n_dir;
}

static enum dsc_status write_external(struct save *s, struct dsc_write_report *report)
{
    struct dsc_sha256 hash;
    struct dsc_out out;
    enum dsc_status st;
    const char *base;
    char hex[65];
    int n_dir;

    if (!s->ext_offsets)
        return DSC_OK;
    dsc_sha256_init(&hash);
    stream_external(s, &hash, NULL);
    dsc_sha256_hex(&hash, hex);
    base = base_name(s->path, &n_dir);
    s->ext_name = dsc_arena_printf(&s->tmp, s->err, "%s.data-%.*s", base, SAVE_HASH_DIGITS, hex);
    s->ext_path = s->ext_name
                      ? dsc_arena_printf(&s->tmp, s->err, "%.*s%s", n_dir, s->path, s->ext_name)
                      : NULL;
    if (!s->ext_path)
        return DSC_E_MEMORY;
    snprintf(report->external_name, sizeof report->external_name, "%s", s->ext_name);
    s->is_ext_new = access(s->ext_path, F_OK) != 0;
    DSC_TRY(dsc_out_open(&out, s->ext_path, true, s->err));
    stream_external(s, NULL, &out);
    st = dsc_out_commit(&out, s->err);
    if (st != DSC_OK)
        s->is_ext_new = false;
    return st;
}

/* After the commit nothing refers to older data files of this name. */
static void remove_old_external(struct save *s)
{
    int n_dir;
    const char *base = base_name(s->path, &n_dir);
    const size_t n_base = strlen(base);
    char *dir = dsc_arena_printf(&s->tmp, NULL, "%.*s", n_dir ? n_dir : 1, n_dir ? s->path : ".");
    DIR *d = dir ? opendir(dir) : NULL;
    const struct dirent *e;

    while (d && (e = readdir(d)) != NULL) {
        const char *end = e->d_name + n_base;

        if (strncmp(e->d_name, base, n_base) != 0 || strncmp(end, ".data-", 6) != 0)
            continue;
        end += 6;
        if (strlen(end) != SAVE_HASH_DIGITS || strspn(end, "0123456789abcdef") != SAVE_HASH_DIGITS)
            continue;
        if (!s->ext_name || strcmp(e->d_name, s->ext_name) != 0)
            unlinkat(dirfd(d), e->d_name, 0);
    }
    if (d)
        closedir(d);
}

/* Read the temporary file as any reader would; a difference is a defect of ours. */
static enum dsc_status verify_file(struct save *s, const char *temp_path)
{
    const struct dsc_read_opts read_opts = {.may_misalign = s->opts->check == NULL};
    struct dsc_graph *reread = NULL;
    struct dsc_err inner = {0};
    enum dsc_status st = dsc_onnx_read(&reread, temp_path, &read_opts, NULL, &inner);

    if (st == DSC_OK)
        st = dsc_graph_same(s->g, reread, &inner);
    if (st != DSC_OK)
        st = dsc_model_not_read_back(&inner, s->err);
    if (st == DSC_OK && s->opts->check)
        st = s->opts->check(s->opts->check_ctx, reread, s->err);
    dsc_graph_free(reread);
    return st;
}

static enum dsc_status count_bytes(const struct save *s, const struct onnx_model_out *m,
                                   uint64_t *n_bytes)
{
    struct wire_out counted = {0};

    onnx_emit_model(&counted, m);
    if (counted.n_bytes > SAVE_MESSAGE_MAX_BYTES)
        return dsc_fail(s->err, DSC_E_LIMIT, "the model without its data has %" PRIu64 " bytes",
                        counted.n_bytes);
    *n_bytes = counted.n_bytes + s->ext_bytes;
    return dsc_model_check_size(s->opts, *n_bytes, s->err);
}

static enum dsc_status write_model(struct save *s, struct dsc_write_report *report)
{
    const struct onnx_model_out m = {s->g, s->ext_offsets, s->ext_name, s->sparse, false};
    struct wire_out w = {0};
    struct dsc_out out;
    enum dsc_status st;

    DSC_TRY(count_bytes(s, &m, &report->size_bytes));
    DSC_TRY(dsc_out_open(&out, s->path, s->opts->may_replace, s->err));
    if (!out.temp_path[0]) {
        dsc_fail(s->err, DSC_E_EXISTS, "the output is no file: it could not be read back");
        st = dsc_err_file(s->err, s->path);
        goto out;
    }
    w.out = &out;
    onnx_emit_model(&w, &m);
    DSC_TRY_OUT(st, dsc_out_flush(&out, s->err));
    DSC_TRY_OUT(st, verify_file(s, out.temp_path));
    DSC_TRY_OUT(st, dsc_out_commit(&out, s->err));
    remove_old_external(s);
out:
    dsc_out_abort(&out);
    return st;
}

/* All that comes before the first byte. */
static enum dsc_status prepare(struct save *s, const struct dsc_graph *g,
                               struct dsc_write_report *report)
{
    dsc_arena_init(&s->tmp);
    s->g = dsc_graph_copy(g, s->err);
    if (!s->g)
        return s->err->status ? s->err->status : DSC_E_MEMORY;
    if (!s->g->producer_name[0])
        s->g->producer_name = dsc_arena_strdup(&s->g->arena, "dscompress", s->err);
    if (!s->g->producer_name)
        return DSC_E_MEMORY;
    DSC_TRY(expand_nodes(s->g, s->err));
    DSC_TRY(choose_versions(s, report));
    DSC_TRY(plan_sparse(s, report));
    return plan_external(s);
}

static void close_save(struct save *s)
{
    for (int i = 0; s->sparse && i < s->g->n_values; i++)
        onnx_sparse_clear(&s->sparse[i]);
    dsc_heap_free(s->sparse);
    dsc_graph_free(s->g);
    dsc_arena_clear(&s->tmp);
}

enum dsc_status dsc_onnx_size(const struct dsc_graph *g, uint64_t *n_bytes, struct dsc_err *err)
{
    static const struct dsc_write_opts plain = {0};
    struct dsc_write_report report = {0};
    struct save s = {.opts = &plain, .err = err};
    enum dsc_status st = prepare(&s, g, &report);

    if (st == DSC_OK) {
        char name[SAVE_HASH_DIGITS + 64] = ""; /* longer than a data file's usual name */

        memset(name, 'x', sizeof name - 1);
        st = count_bytes(&s, &(struct onnx_model_out){s.g, s.ext_offsets, name, NULL, false},
                         n_bytes);
    }
    close_save(&s);
    return st;
}

enum dsc_status dsc_onnx_write(const struct dsc_graph *g, const char *path,
                               const struct dsc_write_opts *opts, struct dsc_write_report *report,
                               struct dsc_err *err)
{
    static const struct dsc_write_opts plain = {0};
    struct dsc_write_report own_report = {0};
    struct dsc_err own = {0};
    struct save s = {.path = path, .opts = opts ? opts : &plain, .err = err ? err : &own};
    enum dsc_status st;

    report = report ? report : &own_report;
    if (!s.opts->may_replace && access(path, F_OK) == 0) {
        dsc_fail(s.err, DSC_E_EXISTS, "the output exists");
        dsc_err_hint(s.err, "give -f to replace it");
        return dsc_err_file(s.err, path);
    }
    DSC_TRY_OUT(st, prepare(&s, g, report));
    DSC_TRY_OUT(st, write_external(&s, report));
    st = write_model(&s, report);
out:
    if (st != DSC_OK) {
        if (s.is_ext_new)
            unlink(s.ext_path);
        dsc_err_file(s.err, path);
    }
    close_save(&s);
    return st;
}
