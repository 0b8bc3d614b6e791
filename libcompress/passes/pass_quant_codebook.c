/*
 * Codes of fewer than 4 bits as operators that every runtime has (docs/adr/0007).
 *
 * Several codes of a row are one word, a number to the base of the number of levels: 8 binary,
 * 5 ternary, 4 of 2 bits or 2 of 4 bits in a byte, 5 of the 7 levels of 3 bits in two bytes. A
 * codebook holds the int8 codes of every word; Gather looks them up:
 *
 *     words [.., W] -> Cast int32 -> Gather(codebook [words, n], .) -> Reshape [.., W n] -> Slice
 *
 * The last, where a row does not fill its words. A runtime folds this when it loads the file, and
 * has int8 weights; of a table it looks up the words of a row and then their codes.
 */
#include "dsc/census.h"
#include "dsc/quant.h"
#include "passes/codebook.h"

#include <stdio.h>
#include <string.h>

static const struct dsc_codebook books[] = {
    /* levels, lowest code, step, codes of a word, type of a word */
    {2, -1, 2, 8, DSC_U8},  {3, -1, 1, 5, DSC_U8},  {4, -2, 1, 4, DSC_U8},
    {7, -3, 1, 5, DSC_U16}, {15, -7, 1, 2, DSC_U8},
};

enum { N_BOOKS = sizeof books / sizeof books[0] };

const struct dsc_codebook *dsc_codebook_of(int n_levels)
{
    for (int i = 0; i < N_BOOKS; i++)
        if (books[i].n_levels == n_levels)
            return &books[i];
    return NULL;
}

static int64_t n_words_of(const struct dsc_codebook *b)
{
    int64_t n = 1;

    for (int i = 0; i < b->n_codes; i++)
        n *= b->n_levels;
    return n;
}

int64_t dsc_quant_word_bytes(int64_t n_rows, int64_t n_cols)
{
    const struct dsc_codebook *b = dsc_codebook_of(7);

    return n_rows * ((n_cols + b->n_codes - 1) / b->n_codes) * dsc_dtype_bits(b->word) / 8;
}

int64_t dsc_quant_codebook_bytes(void)
{
    const struct dsc_codebook *b = dsc_codebook_of(7);

    return n_words_of(b) * b->n_codes;
}

static enum dsc_status make_book(const struct dsc_codebook *b, struct dsc_tensor *t,
                                 struct dsc_err *err)
{
    const int64_t dim[2] = {n_words_of(b), b->n_codes};
    int8_t *code;

    DSC_TRY(dsc_tensor_new(t, DSC_I8, 2, dim, err));
    code = t->data;
    for (int64_t word = 0; word < dim[0]; word++) {
        int64_t rest = word;

        for (int i = 0; i < b->n_codes; i++, rest /= b->n_levels)
            *code++ = (int8_t)(b->low + b->step * (int)(rest % b->n_levels));
    }
    return DSC_OK;
}

/* One of each kind in a graph. */
static enum dsc_status put_book(struct dsc_graph *g, const struct dsc_codebook *b, int *id,
                                struct dsc_err *err)
{
    char name[64];
    struct dsc_tensor t;
    enum dsc_status st;

    snprintf(name, sizeof name, "codes_of_%d_levels", b->n_levels);
    *id = dsc_graph_find_value(g, name);
    if (*id >= 0 && dsc_tensor_is_present(&g->values[*id].init))
        return DSC_OK;
    DSC_TRY(make_book(b, &t, err));
    st = dsc_add_init(g, name, &t, id, err);
    dsc_tensor_clear(&t);
    return st;
}

enum dsc_status dsc_codebook_pack(const struct dsc_codebook *b, const struct dsc_tensor *code,
                                  struct dsc_tensor *words, struct dsc_err *err)
{
    const int64_t n_rows = code->dim[0], n_cols = code->dim[1];
    const int64_t dim[2] = {n_rows, (n_cols + b->n_codes - 1) / b->n_codes};

    DSC_TRY(dsc_tensor_new(words, b->word, 2, dim, err));
    for (int64_t r = 0; r < n_rows; r++)
        for (int64_t w = 0; w < dim[1]; w++) {
            int64_t word = 0;

            for (int64_t c = b->n_codes - 1; c >= 0; c--) {
                const int64_t at = w * b->n_codes + c;

                word *= b->n_levels;
                if (at < n_cols)
                    word += (dsc_tensor_get_i64(code, r * n_cols + at) - b->low) / b->step;
            }
            dsc_tensor_set_i64(words, r * dim[1] + w, word);
        }
    return DSC_OK;
}

/* ---- writing ---- */

struct spelling {
    struct dsc_graph *g;
    const char *name;
    struct dsc_err *err;
};

static enum dsc_status add(const struct spelling *s, const char *op, const char *suffix, int n_in,
                           const int *in, int *out, struct dsc_node **n)
{
    char name[300];

    snprintf(name, sizeof name, "%.270s%s", s->name, suffix);
    return dsc_add_node(s->g, "", op, name, n_in, in, out, n, s->err);
}

static enum dsc_status add_ints(const struct spelling *s, const char *suffix, int n,
                                const int64_t *v, int *id)
{
    char name[300];

    snprintf(name, sizeof name, "%.270s%s", s->name, suffix);
    return dsc_add_i64s(s->g, name, n, v, id, s->err);
}

enum dsc_status dsc_codebook_spell(struct dsc_graph *g, const struct dsc_codebook *b,
                                   const char *name, int words, int rank, int64_t n_cols, int *out,
                                   struct dsc_err *err)
{
    const struct spelling s = {g, name, err};
    const int64_t n_words = (n_cols + b->n_codes - 1) / b->n_codes;
    int64_t shape[DSC_MAX_RANK] = {0}; /* 0: as the input */
    struct dsc_node *n;
    int in[4], book, made;

    DSC_TRY(add(&s, "Cast", "/words", 1, &words, &made, &n));
    DSC_TRY(dsc_node_set_int(g, n, "to", dsc_dtype_onnx(DSC_I32), err));
    DSC_TRY(put_book(g, b, &book, err));
    in[0] = book;
    in[1] = made;
    DSC_TRY(add(&s, "Gather", "/codes", 2, in, &made, &n));
    in[0] = made;
    shape[rank - 1] = n_words * b->n_codes;
    DSC_TRY(add_ints(&s, "/shape", rank, shape, &in[1]));
    DSC_TRY(add(&s, "Reshape", "/rows", 2, in, out, &n));
    if (shape[rank - 1] == n_cols)
        return DSC_OK;
    in[0] = *out;
    DSC_TRY(add_ints(&s, "/first", 1, (int64_t[]){0}, &in[1]));
    DSC_TRY(add_ints(&s, "/end", 1, &n_cols, &in[2]));
    DSC_TRY(add_ints(&s, "/axis", 1, (int64_t[]){rank - 1}, &in[3]));
    return add(&s, "Slice", "/cut", 4, in, out, &n);
}

/* ---- reading ---- */

/* What a value of codes is made of, from the end. */
struct chain {
    struct dsc_node *cut, *rows, *codes, *cast; /* cut: NULL where rows fill their words */
    const struct dsc_codebook *book;
    int64_t n_cols;
};

static bool is_book(const struct dsc_tensor *t, const struct dsc_codebook *b)
{
    struct dsc_tensor want;
    bool is_same;

    if (t->dtype != DSC_I8 || t->rank != 2 || t->dim[0] != n_words_of(b) ||
        t->dim[1] != b->n_codes || make_book(b, &want, NULL) != DSC_OK)
        return false;
    is_same = memcmp(t->data, want.data, dsc_tensor_n_bytes(t)) == 0;
    dsc_tensor_clear(&want);
    return is_same;
}

static const struct dsc_codebook *book_of(const struct dsc_tensor *t)
{
    for (int i = 0; t && i < N_BOOKS; i++)
        if (is_book(t, &books[i]))
            return &books[i];
    return NULL;
}

static bool is_cut(const struct dsc_graph *g, const struct dsc_node *n, int64_t *n_cols)
{
    const struct dsc_tensor *first, *end, *axis;
    const int rank = n ? g->values[n->out[0]].type.rank : 0;

    if (!dsc_node_is(n, "", "Slice") || n->n_in != 4)
        return false;
    first = dsc_constant(g, n->in[1]);
    end = dsc_constant(g, n->in[2]);
    axis = dsc_constant(g, n->in[3]);
    if (!first || !end || !axis || dsc_tensor_n_elems(first) != 1 || dsc_tensor_n_elems(end) != 1 ||
        dsc_tensor_n_elems(axis) != 1 || dsc_tensor_get_i64(first, 0) != 0 ||
        dsc_tensor_get_i64(axis, 0) != rank - 1)
        return false;
    *n_cols = dsc_tensor_get_i64(end, 0);
    return true;
}

static bool match(const struct dsc_graph *g, int value, struct chain *c)
{
    struct dsc_node *n = dsc_producer(g, value);
    const struct dsc_tensor *shape;

    *c = (struct chain){0};
    if (is_cut(g, n, &c->n_cols)) {
        c->cut = n;
        n = dsc_producer(g, n->in[0]);
    }
    c->rows = n;
    if (!dsc_node_is(n, "", "Reshape") || !(shape = dsc_constant(g, n->in[1])) ||
        shape->rank != 1 || shape->dim[0] < 1)
        return false;
    if (!c->cut)
        c->n_cols = dsc_tensor_get_i64(shape, shape->dim[0] - 1);
    c->codes = dsc_producer(g, n->in[0]);
    if (!dsc_node_is(c->codes, "", "Gather") || dsc_node_int(c->codes, "axis", 0) != 0)
        return false;
    c->book = book_of(dsc_constant(g, c->codes->in[0]));
    c->cast = dsc_producer(g, c->codes->in[1]);
    return c->book && dsc_node_is(c->cast, "", "Cast");
}

/* Words [R,W] as codes [R, n_cols]. */
static enum dsc_status unpack(const struct chain *c, const struct dsc_tensor *words,
                              struct dsc_tensor *code, struct dsc_err *err)
{
    const int64_t n_codes = c->book->n_codes, n_words = n_words_of(c->book);
    const int64_t dim[2] = {words->dim[0], c->n_cols};
    int8_t *q;

    if (c->n_cols < 0 || c->n_cols > words->dim[1] * n_codes)
        return dsc_fail(err, DSC_E_SHAPE, "%lld codes of rows of %lld words", (long long)c->n_cols,
                        (long long)words->dim[1]);
    DSC_TRY(dsc_tensor_new(code, DSC_I8, 2, dim, err));
    q = code->data;
    for (int64_t r = 0; r < dim[0]; r++)
        for (int64_t i = 0; i < dim[1]; i++) {
            int64_t word = dsc_tensor_get_i64(words, r * words->dim[1] + i / n_codes);

            if (word >= n_words) {
                dsc_tensor_clear(code);
                return dsc_fail(err, DSC_E_RANGE, "word %lld of a codebook of %lld",
                                (long long)word, (long long)n_words);
            }
            for (int64_t k = i % n_codes; k > 0; k--)
                word /= c->book->n_levels;
            q[r * dim[1] + i] =
                (int8_t)(c->book->low + c->book->step * (int)(word % c->book->n_levels));
        }
    return DSC_OK;
}

static bool is_words(const struct dsc_tensor *t)
{
    return t && t->rank == 2 && (t->dtype == DSC_U8 || t->dtype == DSC_U16);
}

/* A constant weight: the reader gets its codes, which from first_own on are known by their name.
 * Nodes that nobody reads then go when sorted. */
static enum dsc_status unpack_weight(struct dsc_graph *g, struct dsc_node *reader,
                                     const struct chain *c, int first_own, int *id,
                                     struct dsc_err *err)
{
    const char *words = g->values[c->cast->in[0]].name;
    const size_t n = strlen(words), n_suffix = strlen(DSC_WORDS_SUFFIX);
    const bool has_suffix = n > n_suffix && strcmp(words + n - n_suffix, DSC_WORDS_SUFFIX) == 0;
    struct dsc_tensor code;
    char name[300];
    enum dsc_status st;

    snprintf(name, sizeof name, "%.*s", (int)(has_suffix ? n - n_suffix : n), words);
    *id = dsc_graph_find_value(g, name);
    if (*id < first_own) {
        DSC_TRY(unpack(c, dsc_constant(g, c->cast->in[0]), &code, err));
        st = dsc_add_init(g, name, &code, id, err);
        dsc_tensor_clear(&code);
        DSC_TRY(st);
    }
    dsc_set_in(reader, 0, *id);
    return DSC_OK;
}

/* A table: the lookup reads codes, and its reader what is looked up. */
static enum dsc_status unpack_table(struct dsc_graph *g, struct dsc_node *reader,
                                    const struct chain *c, struct dsc_node *lookup, int first_own,
                                    int *id, struct dsc_err *err)
{
    const struct chain of_lookup = {.cast = lookup, .book = c->book, .n_cols = c->n_cols};

    DSC_TRY(unpack_weight(g, lookup, &of_lookup, first_own, id, err));
    g->values[lookup->out[0]].type.dtype = DSC_I8;
    g->values[lookup->out[0]].type.rank = DSC_RANK_UNKNOWN;
    dsc_set_in(reader, 0, lookup->out[0]);
    return DSC_OK;
}

static enum dsc_status unpack_one(struct dsc_graph *g, struct dsc_node *n, bool has_tables,
                                  int first_own, struct dsc_unpacked *found, struct dsc_err *err)
{
    struct dsc_node *lookup;
    struct chain c;

    *found = (struct dsc_unpacked){DSC_NO_VALUE, 0};
    if (!match(g, n->in[0], &c))
        return DSC_OK;
    lookup = dsc_producer(g, c.cast->in[0]);
    if (is_words(dsc_constant(g, c.cast->in[0])))
        DSC_TRY(unpack_weight(g, n, &c, first_own, &found->value, err));
    else if (has_tables && dsc_node_is(lookup, "", "Gather") &&
             dsc_node_int(lookup, "axis", 0) == 0 && is_words(dsc_constant(g, lookup->in[0])))
        DSC_TRY(unpack_table(g, n, &c, lookup, first_own, &found->value, err));
    else
        return DSC_OK;
    found->n_levels = c.book->n_levels;
    return DSC_OK;
}

enum dsc_status dsc_quant_unpack(struct dsc_graph *g, bool has_tables, struct dsc_unpacked *found,
                                 int *n_found, struct dsc_err *err)
{
    const int n_nodes = g->n_nodes, first_own = g->n_values;
    int n = 0;

    for (int i = 0; i < n_nodes; i++) {
        struct dsc_node *reader = g->nodes[i];
        struct dsc_unpacked one;

        if (!dsc_node_is(reader, "", "DequantizeLinear") && !dsc_node_is(reader, "", "Cast"))
            continue;
        DSC_TRY(unpack_one(g, reader, has_tables, first_own, &one, err));
        if (one.n_levels == 0)
            continue;
        if (found)
            found[n] = one;
        n++;
    }
    if (n_found)
        *n_found = n;
    return n > 0 ? dsc_graph_sort(g, true, err) : DSC_OK;
}

bool dsc_quant_has_words(const struct dsc_graph *g)
{
    struct chain c;

    for (int i = 0; i < g->n_nodes; i++)
        if ((dsc_node_is(g->nodes[i], "", "DequantizeLinear") ||
             dsc_node_is(g->nodes[i], "", "Cast")) &&
            match(g, g->nodes[i]->in[0], &c))
            return true;
    return false;
}

enum dsc_status dsc_quant_param_census(const struct dsc_graph *g, struct dsc_param_census *c,
                                       struct dsc_err *err)
{
    struct dsc_graph *plain;
    enum dsc_status st;

    if (!dsc_quant_has_words(g))
        return dsc_graph_param_census(g, c, err);
    plain = dsc_graph_copy(g, err);
    if (!plain)
        return DSC_E_MEMORY;
    st = dsc_quant_unpack(plain, true, NULL, NULL, err);
    if (st == DSC_OK)
        st = dsc_graph_param_census(plain, c, err);
    dsc_graph_free(plain);
    return st;
}
