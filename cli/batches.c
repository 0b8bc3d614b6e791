/* Rows of data as inputs of a model: texts by its tokenizer, arrays as they are. */
#include "dsc/rng.h"
#include "dsc/train.h"
#include "formats_table.h"
#include "textmodel.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { DRAWN_SIZE = 8 }; /* of axes that a model leaves open */

/* ---- texts ---- */

enum dsc_status dsc_row_encode(const struct dsc_tok *tok, int32_t max_length,
                               const struct dsc_dataset *d, int64_t row, bool wants_offsets,
                               struct dsc_tok_enc *enc, struct dsc_err *err)
{
    struct dsc_tok_in in;

    d = dsc_dataset_at(d, &row);
    in = (struct dsc_tok_in){
        .text = d->text[row].data,
        .n_text_bytes = d->text[row].n_bytes,
        .pair = d->text_b ? d->text_b[row].data : NULL,
        .n_pair_bytes = d->text_b ? d->text_b[row].n_bytes : 0,
        .max_length = max_length,
        .wants_offsets = wants_offsets,
    };
    if (dsc_tok_encode(tok, &in, enc, err) == DSC_OK)
        return DSC_OK;
    return d->row
               ? dsc_err_where(err, "row %" PRId64, d->row[row]) /* a sentence of ours has none */
               : dsc_err_where(err, "text '%.*s'", (int)in.n_text_bytes, in.text);
}

static enum dsc_status encode_row(const struct dsc_textmodel *m, const struct dsc_dataset *d,
                                  int64_t row, bool wants_offsets, struct dsc_tok_enc *enc,
                                  struct dsc_err *err)
{
    return dsc_row_encode(m->tok, m->max_length, d, row, wants_offsets, enc, err);
}

static void put(struct dsc_tensor *t, int64_t at, int64_t v)
{
    if (t->dtype == DSC_I64)
        ((int64_t *)t->data)[at] = v;
    else
        ((int32_t *)t->data)[at] = (int32_t)v;
}

static void put_row(const struct dsc_textmodel *m, struct dsc_tensor *feeds, int64_t line,
                    int64_t width, const struct dsc_tok_enc *enc)
{
    for (int r = 0; r < DSC_N_ROLES; r++) {
        const int64_t *src = r == DSC_ROLE_IDS    ? enc->ids
                             : r == DSC_ROLE_MASK ? enc->mask
                                                  : enc->type_ids;

        for (int64_t i = 0; m->input[r] >= 0 && i < width; i++)
            put(&feeds[m->input[r]], line * width + i, src[i]);
    }
}

/* The longest row's width, brought to a bucket: a model then sees few different shapes. */
static size_t padded_width(const struct dsc_textmodel *m, size_t longest)
{
    const size_t step = (size_t)m->pad_to, top = (size_t)m->max_length;
    const size_t width = (longest + step - 1) / step * step;

    return width <= top ? width : longest < top ? top : longest;
}

/* Encodings of one batch, kept until the longest is known. */
static enum dsc_status encode_rows(const struct dsc_textmodel *m, const struct dsc_dataset *d,
                                   const int64_t *idx, int64_t n, struct dsc_tok_enc *enc,
                                   size_t *longest, struct dsc_err *err)
{
    *longest = 1;
    for (int64_t i = 0; i < n; i++) {
        DSC_TRY(encode_row(m, d, idx[i], false, &enc[i], err));
        *longest = enc[i].n > *longest ? enc[i].n : *longest;
    }
    *longest = padded_width(m, *longest);
    return DSC_OK;
}

static enum dsc_status fill_texts(const struct dsc_textmodel *m, const struct dsc_dataset *d,
                                  const int64_t *idx, int64_t n, struct dsc_tensor *feeds,
                                  struct dsc_err *err)
{
    const struct dsc_graph *g = m->model.graph;
    struct dsc_tok_enc *enc = dsc_heap_alloc((size_t)n, sizeof *enc, err);
    size_t longest;
    enum dsc_status st;

    if (!enc)
        return DSC_E_MEMORY;
    DSC_TRY_OUT(st, encode_rows(m, d, idx, n, enc, &longest, err));
    for (int r = 0; r < DSC_N_ROLES; r++)
        if (m->input[r] >= 0)
            DSC_TRY_OUT(st, dsc_tensor_new(&feeds[m->input[r]],
                                           g->values[g->inputs[m->input[r]]].type.dtype, 2,
                                           (int64_t[]){n, (int64_t)longest}, err));
    for (int64_t i = 0; i < n; i++) {
        DSC_TRY_OUT(st, dsc_tok_pad(m->tok, &enc[i], longest, err));
        put_row(m, feeds, i, (int64_t)longest, &enc[i]);
    }
out:
    for (int64_t i = 0; i < n; i++)
        dsc_tok_enc_clear(&enc[i]);
    dsc_heap_free(enc);
    return st;
}

enum dsc_status dsc_textmodel_lengths(const struct dsc_textmodel *m, const struct dsc_dataset *d,
                                      int64_t first, int64_t n, int32_t *length,
                                      struct dsc_err *err)
{
    struct dsc_tok_enc enc = {0};
    enum dsc_status st = DSC_OK;

    for (int64_t i = 0; i < n && st == DSC_OK; i++) {
        st = encode_row(m, d, first + i, false, &enc, err);
        length[i] = (int32_t)enc.n;
    }
    dsc_tok_enc_clear(&enc);
    return st;
}

static enum dsc_status order_by_length(const struct dsc_textmodel *m, const struct dsc_dataset *d,
                                       int64_t first, int64_t n, int64_t *idx, struct dsc_err *err)
{
    int32_t *length = dsc_heap_alloc((size_t)n, sizeof *length, err);
    enum dsc_status st = length ? DSC_OK : DSC_E_MEMORY;

    if (st == DSC_OK)
        st = dsc_textmodel_lengths(m, d, first, n, length, err);
    for (int64_t i = 0; i < n; i++)
        idx[i] = i;
    if (st == DSC_OK)
        dsc_order_by_length(length, n, idx);
    for (int64_t i = 0; i < n; i++)
        idx[i] += first;
    dsc_heap_free(length);
    return st;
}

static bool same_spans(const struct dsc_tok_enc *a, const struct dsc_tok_enc *b)
{
    if (a->n != b->n)
        return false;
    for (size_t i = 0; i < a->n; i++)
        if (a->offsets[i].char_lo != b->offsets[i].char_lo ||
            a->offsets[i].char_hi != b->offsets[i].char_hi ||
            a->offsets[i].which != b->offsets[i].which)
            return false;
    return true;
}

enum dsc_status dsc_textmodel_cut_alike(const struct dsc_textmodel *a,
                                        const struct dsc_textmodel *b, const struct dsc_dataset *d,
                                        int64_t row, bool *is_alike, struct dsc_err *err)
{
    struct dsc_tok_enc x = {0}, y = {0};
    enum dsc_status st;

    DSC_TRY_OUT(st, encode_row(a, d, row, true, &x, err));
    DSC_TRY_OUT(st, encode_row(b, d, row, true, &y, err));
    *is_alike = same_spans(&x, &y);
out:
    dsc_tok_enc_clear(&x);
    dsc_tok_enc_clear(&y);
    return st;
}

/* ---- arrays ---- */

static enum dsc_status fill_arrays(const struct dsc_textmodel *m, const struct dsc_dataset *d,
                                   const int64_t *idx, int64_t n, struct dsc_tensor *feeds,
                                   struct dsc_err *err)
{
    for (int i = 0; i < m->n_inputs; i++) {
        const struct dsc_tensor *x = &d->arrays[i];
        int64_t dim[DSC_MAX_RANK] = {n};
        size_t n_bytes;

        if (!dsc_tensor_is_present(x)) /* the graph has a value for it */
            continue;
        memcpy(dim + 1, x->dim + 1, (size_t)(x->rank - 1) * sizeof dim[0]);
        DSC_TRY(dsc_tensor_new(&feeds[i], x->dtype, x->rank, dim, err));
        n_bytes = dsc_tensor_n_bytes(&feeds[i]) / (size_t)n;
        for (int64_t k = 0; k < n; k++) {
            int64_t at = idx[k];
            const struct dsc_dataset *own = dsc_dataset_at(d, &at);

            memcpy((char *)feeds[i].data + (size_t)k * n_bytes,
                   (const char *)own->arrays[i].data + (size_t)own->row[at] * n_bytes, n_bytes);
        }
    }
    return DSC_OK;
}

/* Numbers of mean 0 and variance 1; whole ones `whole`: 0 is a place that every table has. */
static enum dsc_status draw_array(const char *name, const struct dsc_type *type, int64_t n,
                                  struct dsc_rng_key key, int64_t whole, struct dsc_tensor *t,
                                  struct dsc_err *err)
{
    int64_t dim[DSC_MAX_RANK] = {n};
    struct dsc_rng rng;

    if (type->rank < 1)
        return dsc_fail(err, DSC_E_SHAPE, "the input '%s' has no axis of rows", name);
    for (int a = 1; a < type->rank; a++)
        dim[a] = type->dim[a] < 0 ? DRAWN_SIZE : type->dim[a];
    DSC_TRY(dsc_tensor_new(t, type->dtype, type->rank, dim, err));
    dsc_rng_init(&rng, dsc_rng_mix_text(key, name));
    for (int64_t i = 0; i < dsc_tensor_n_elems(t); i++)
        if (dsc_dtype_is_float(t->dtype))
            dsc_tensor_set_f64(t, i, (double)dsc_rng_normal(&rng));
        else
            dsc_tensor_set_i64(t, i, whole);
    return DSC_OK;
}

enum dsc_status dsc_textmodel_draw(const struct dsc_textmodel *m, const struct dsc_type *types,
                                   int64_t n, uint64_t seed, struct dsc_arena *arena,
                                   struct dsc_dataset *d, struct dsc_err *err)
{
    const struct dsc_graph *g = m->model.graph;
    struct dsc_table table;
    bool has_table;
    struct dsc_tensor *arrays;
    int64_t *row;

    DSC_TRY(dsc_table_of(g, arena, &table, &has_table, err));
    *d = (struct dsc_dataset){.n = (size_t)n, .target = DSC_TARGET_NONE};
    DSC_NEW(arrays, arena, m->n_inputs, err);
    DSC_NEW(row, arena, n, err);
    for (int64_t i = 0; i < n; i++)
        row[i] = i;
    d->arrays = arrays;
    d->n_arrays = (size_t)m->n_inputs;
    d->row = row;
    dsc_bundle_init(&d->bundle);
    for (int i = 0; i < m->n_inputs; i++) {
        const struct dsc_value *v = &g->values[g->inputs[i]];
        const bool is_mask = m->input[DSC_ROLE_IDS] >= 0 && m->input[DSC_ROLE_MASK] == i;
        const bool is_lengths = has_table && strcmp(v->name, DSC_TABLE_LENGTHS) == 0;
        struct dsc_tensor t = {0};
        enum dsc_status st;

        if (dsc_tensor_is_present(&v->init))
            continue;
        st = draw_array(v->name, types ? &types[i] : &v->type, n, dsc_rng_key(seed),
                        is_lengths ? table.n_steps : is_mask, &t, err);
        if (st == DSC_OK)
            st = dsc_bundle_add(&d->bundle, v->name, &t, err);
        arrays[i] = t;
        dsc_tensor_clear(&t);
        if (st != DSC_OK) {
            dsc_dataset_close(d);
            return st;
        }
    }
    return DSC_OK;
}

/* ---- either ---- */

/* The rows may have been read for another model: the candidate, the student. */
static enum dsc_status check_reads(const struct dsc_textmodel *m, const struct dsc_dataset *d,
                                   struct dsc_err *err)
{
    if (!d->arrays && dsc_textmodel_check_texts(m, err) == DSC_OK)
        return DSC_OK;
    if (d->arrays && d->n_arrays == (size_t)m->n_inputs)
        return DSC_OK;
    if (d->arrays)
        dsc_fail(err, DSC_E_INCONSISTENT, "it has %d inputs, and the rows were read for %zu",
                 m->n_inputs, d->n_arrays);
    return dsc_err_file(err, m->path);
}

enum dsc_status dsc_textmodel_fill(const struct dsc_textmodel *m, const struct dsc_dataset *d,
                                   const int64_t *idx, int64_t n, struct dsc_tensor *feeds,
                                   struct dsc_err *err)
{
    DSC_TRY(check_reads(m, d, err));
    return d->arrays ? fill_arrays(m, d, idx, n, feeds, err) : fill_texts(m, d, idx, n, feeds, err);
}

enum dsc_status dsc_textmodel_order(const struct dsc_textmodel *m, const struct dsc_dataset *d,
                                    int64_t first, int64_t n, int64_t *idx, struct dsc_err *err)
{
    DSC_TRY(check_reads(m, d, err));
    if (!d->arrays)
        return order_by_length(m, d, first, n, idx, err);
    for (int64_t i = 0; i < n; i++)
        idx[i] = first + i;
    return DSC_OK;
}

int64_t dsc_textmodel_batch(const struct dsc_textmodel *m, int64_t batch)
{
    return m->is_single ? 1 : batch;
}
