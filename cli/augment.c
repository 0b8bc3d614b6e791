/* Words replaced by their neighbours in an embedding. */
#include "augment.h"

#include "dsc/io.h"
#include "dsc/linalg.h"
#include "dsc/rng.h"

#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

enum { N_NEAR = 15, QUERIES = 64, N_SHOWN = 20 };

/**
 * words      ids of tokens that are whole words, n of them; place [n_ids]: where one stands, or -1
 * is_used    [n] some row has it
 * unit       [n, width] their vectors, of length 1
 * near       [n][N_NEAR] places of those of the largest cosine, of words that are used
 */
struct augment {
    struct dsc_cmd *cmd;
    const struct dsc_textmodel *m;
    const struct dsc_dataset *d;
    int32_t *words, *place;
    int64_t n, width;
    bool *is_used;
    float *unit;
    int32_t *near;
    double rate;
};

/* ---- words ---- */

static bool is_letter(unsigned char c)
{
    return isalpha(c) || c >= 0x80;
}

/* What a token that begins a word looks like in a text; false: it is none. */
static bool surface_of(const struct dsc_tok *tok, int64_t id, const char **text, size_t *n)
{
    static const struct {
        const char *model, *mark;
    } marks[] = {{"BPE", "\xC4\xA0"}, {"Unigram", "\xE2\x96\x81"}};
    const char *model = dsc_tok_info(tok).model;

    *text = dsc_tok_token(tok, id, n);
    if (!*text)
        return false;
    for (size_t i = 0; i < sizeof marks / sizeof marks[0]; i++) {
        const size_t n_mark = strlen(marks[i].mark);

        if (strcmp(model, marks[i].model) != 0)
            continue;
        if (*n < n_mark || memcmp(*text, marks[i].mark, n_mark) != 0)
            return false;
        *text += n_mark;
        *n -= n_mark;
    }
    for (size_t i = 0; i < *n; i++)
        if (!is_letter((unsigned char)(*text)[i]))
            return false;
    return *n > 1;
}

static enum dsc_status find_words(struct augment *a, struct dsc_err *err)
{
    const int32_t n_ids = dsc_tok_info(a->m->tok).n_ids;

    DSC_NEW(a->words, a->cmd->arena, n_ids + 1, err);
    DSC_NEW(a->place, a->cmd->arena, n_ids + 1, err);
    for (int32_t id = 0; id < n_ids; id++) {
        const char *text;
        size_t n;

        a->place[id] = -1;
        if (!surface_of(a->m->tok, id, &text, &n))
            continue;
        a->place[id] = (int32_t)a->n;
        a->words[a->n++] = id;
    }
    DSC_NEW(a->is_used, a->cmd->arena, a->n + 1, err);
    return DSC_OK;
}

/* The place of the word that a token is in its text, which begins at *lo; -1: it is none. */
static int32_t word_at(const struct augment *a, const struct dsc_text *t,
                       const struct dsc_tok_enc *enc, size_t k, size_t *lo)
{
    const struct dsc_tok_offset *o = &enc->offsets[k];

    *lo = o->lo;
    if (o->which != 0 || o->lo >= o->hi)
        return -1;
    while (*lo < o->hi && t->data[*lo] == ' ')
        ++*lo;
    if ((*lo > 0 && (isalnum((unsigned char)t->data[*lo - 1]) ||
                     is_letter((unsigned char)t->data[*lo - 1]))) ||
        (o->hi < t->n_bytes &&
         (isalnum((unsigned char)t->data[o->hi]) || is_letter((unsigned char)t->data[o->hi]))))
        return -1;
    return a->place[enc->ids[k]];
}

static enum dsc_status mark_used(struct augment *a, struct dsc_err *err)
{
    struct dsc_tok_enc enc = {0};
    enum dsc_status st = DSC_OK;
    size_t n = 0;

    for (size_t i = 0; st == DSC_OK && i < a->d->n; i++) {
        st = dsc_row_encode(a->m->tok, 0, a->d, (int64_t)i, true, &enc, err);
        for (size_t k = 0; st == DSC_OK && k < enc.n; k++) {
            size_t lo;
            const int32_t at = word_at(a, &a->d->text[i], &enc, k, &lo);

            if (at < 0)
                continue;
            n += !a->is_used[at];
            a->is_used[at] = true;
        }
    }
    dsc_tok_enc_clear(&enc);
    if (st != DSC_OK || (n > 0 && a->n > N_NEAR))
        return st;
    return dsc_fail(err, DSC_E_EMPTY, "no word of the rows can be replaced by another");
}

/* ---- neighbours ---- */

static const struct dsc_tensor *find_table(const struct augment *a)
{
    const struct dsc_graph *g = a->m->model.graph;
    const int ids = g->inputs[a->m->input[DSC_ROLE_IDS]];

    for (int i = 0; i < g->n_nodes; i++) {
        const struct dsc_node *n = g->nodes[i];
        const struct dsc_tensor *t;

        if (strcmp(n->op->onnx, "Gather") != 0 || n->in[1] != ids)
            continue;
        t = &g->values[n->in[0]].init;
        if (dsc_tensor_is_present(t) && t->dtype == DSC_F32 && t->rank == 2 &&
            t->dim[0] >= dsc_tok_info(a->m->tok).n_ids)
            return t;
    }
    return NULL;
}

static enum dsc_status read_units(struct augment *a, struct dsc_err *err)
{
    const struct dsc_tensor *t = find_table(a);

    if (!t)
        return dsc_fail(err, DSC_E_UNSUPPORTED, "no float table is looked up by the token ids");
    a->width = t->dim[1];
    a->unit = dsc_heap_alloc((size_t)a->n, (size_t)a->width * sizeof *a->unit, err);
    if (!a->unit)
        return DSC_E_MEMORY;
    for (int64_t i = 0; i < a->n; i++) {
        const float *from = (const float *)t->data + a->words[i] * a->width;
        double sum = 1e-24;

        for (int64_t k = 0; k < a->width; k++)
            sum += (double)from[k] * (double)from[k];
        for (int64_t k = 0; k < a->width; k++)
            a->unit[i * a->width + k] = (float)((double)from[k] / sqrt(sum));
    }
    return DSC_OK;
}

/* Places of the largest cosines but its own, the largest first; of equal ones the first. */
static void pick_near(const struct augment *a, const float *cosine, int32_t own, int32_t *near)
{
    int n = 0;

    for (int32_t i = 0; i < (int32_t)a->n; i++) {
        int at = n;

        if (i == own || (n == N_NEAR && !(cosine[i] > cosine[near[n - 1]])))
            continue;
        n += n < N_NEAR;
        at = at == N_NEAR ? N_NEAR - 1 : at;
        for (; at > 0 && cosine[i] > cosine[near[at - 1]]; at--)
            near[at] = near[at - 1];
        near[at] = i;
    }
}

/* Of up to QUERIES words at once, from place *next on. */
static enum dsc_status find_some(struct augment *a, struct dsc_device *dev, int64_t *next,
                                 float *query, float *cosine, struct dsc_err *err)
{
    struct dsc_product p = {.dtype = DSC_F32, .is_trans_b = true, .n = a->n, .k = a->width};
    int32_t who[QUERIES];

    for (; *next < a->n && p.m < QUERIES; ++*next)
        if (a->is_used[*next]) {
            memcpy(query + p.m * a->width, a->unit + *next * a->width,
                   (size_t)a->width * sizeof *query);
            who[p.m++] = (int32_t)*next;
        }
    if (p.m == 0)
        return DSC_OK;
    DSC_TRY(dsc_linalg_product(dev, &p, cosine, query, a->unit, err));
    for (int64_t i = 0; i < p.m; i++)
        pick_near(a, cosine + i * a->n, who[i], a->near + (int64_t)who[i] * N_NEAR);
    return DSC_OK;
}

static enum dsc_status find_near(struct augment *a, struct dsc_err *err)
{
    struct dsc_device *dev = NULL;
    float *query = dsc_heap_alloc(QUERIES, (size_t)a->width * sizeof *query, err);
    float *cosine = dsc_heap_alloc(QUERIES, (size_t)a->n * sizeof *cosine, err);
    enum dsc_status st;

    a->near = dsc_heap_alloc((size_t)a->n, N_NEAR * sizeof *a->near, err);
    st = query && cosine && a->near ? DSC_OK : DSC_E_MEMORY;
    if (st == DSC_OK)
        st = dsc_device_open(&dev, "cpu", dsc_cmd_n_threads(a->cmd), err);
    for (int64_t next = 0; st == DSC_OK && next < a->n;) {
        st = dsc_cmd_stopped(a->cmd, err);
        if (st == DSC_OK)
            st = find_some(a, dev, &next, query, cosine, err);
    }
    dsc_device_close(dev);
    dsc_heap_free(query);
    dsc_heap_free(cosine);
    return st;
}

/* ---- copies ---- */

static void put_copy(const struct augment *a, const struct dsc_text *t,
                     const struct dsc_tok_enc *enc, struct dsc_rng *rng, struct dsc_bytes *to,
                     int *n_changed)
{
    size_t from = 0;

    for (size_t k = 0; k < enc->n; k++) {
        size_t lo, n;
        const int32_t at = word_at(a, t, enc, k, &lo);
        const char *text;

        if (at < 0 || (double)dsc_rng_uniform(rng) >= a->rate)
            continue;
        surface_of(a->m->tok, a->words[a->near[at * N_NEAR + (int32_t)dsc_rng_below(rng, N_NEAR)]],
                   &text, &n);
        dsc_bytes_add(to, t->data + from, lo - from);
        dsc_bytes_add(to, text, n);
        from = enc->offsets[k].hi;
        ++*n_changed;
    }
    dsc_bytes_add(to, t->data + from, t->n_bytes - from);
}

static enum dsc_status one_copy(const struct augment *a, size_t row, int64_t copy,
                                const struct dsc_tok_enc *enc, struct dsc_text *text, bool *is_new,
                                struct dsc_err *err)
{
    const uint64_t seed = (uint64_t)dsc_opt_int(a->cmd, DSC_OPT_seed);
    struct dsc_bytes bytes = {0};
    struct dsc_rng rng;
    int n_changed = 0;

    dsc_rng_init(&rng, dsc_rng_mix(dsc_rng_mix(dsc_rng_mix_text(dsc_rng_key(seed), "augment"),
                                               (uint64_t)a->d->row[row]),
                                   (uint64_t)copy));
    put_copy(a, &a->d->text[row], enc, &rng, &bytes, &n_changed);
    *is_new = n_changed > 0;
    text->n_bytes = bytes.n_bytes;
    text->data = bytes.is_failed ? NULL
                                 : dsc_arena_strndup(a->cmd->arena, (const char *)bytes.data,
                                                     bytes.n_bytes, err);
    dsc_bytes_clear(&bytes);
    return text->data ? DSC_OK : dsc_fail(err, DSC_E_MEMORY, "no memory for a copy of a row");
}

static enum dsc_status make_copies(struct augment *a, int64_t n_copies, struct dsc_dataset *out,
                                   struct dsc_err *err)
{
    struct dsc_text *text, *text_b = NULL;
    struct dsc_tok_enc enc = {0};
    struct dsc_sha256 h;
    int64_t *row;
    enum dsc_status st = DSC_OK;

    *out = (struct dsc_dataset){.target = DSC_TARGET_NONE};
    DSC_NEW(text, a->cmd->arena, a->d->n * (size_t)n_copies, err);
    DSC_NEW(row, a->cmd->arena, a->d->n * (size_t)n_copies, err);
    if (a->d->text_b)
        DSC_NEW(text_b, a->cmd->arena, a->d->n * (size_t)n_copies, err);
    dsc_sha256_init(&h);
    for (size_t i = 0; st == DSC_OK && i < a->d->n; i++) {
        st = dsc_row_encode(a->m->tok, 0, a->d, (int64_t)i, true, &enc, err);
        for (int64_t c = 0; st == DSC_OK && c < n_copies; c++) {
            bool is_new = false;

            st = one_copy(a, i, c, &enc, &text[out->n], &is_new, err);
            if (st != DSC_OK || !is_new)
                continue;
            dsc_sha256_add(&h, text[out->n].data, text[out->n].n_bytes);
            dsc_sha256_add(&h, "\n", 1);
            if (out->n < N_SHOWN)
                dsc_log_printf(&a->cmd->log, DSC_LOG_DEBUG, "row %" PRId64 " as: %.*s",
                               a->d->row[i], (int)text[out->n].n_bytes, text[out->n].data);
            row[out->n] = a->d->row[i];
            if (text_b)
                text_b[out->n] = a->d->text_b[i];
            out->n++;
        }
    }
    dsc_tok_enc_clear(&enc);
    dsc_sha256_hex(&h, out->report.sha256);
    out->text = text;
    out->text_b = text_b;
    out->row = row;
    return st;
}

enum dsc_status dsc_augment(struct dsc_cmd *cmd, const struct dsc_textmodel *m,
                            const struct dsc_dataset *d, struct dsc_dataset *out,
                            struct dsc_err *err)
{
    const int64_t n_copies = dsc_opt_int(cmd, DSC_OPT_augment);
    struct augment a = {.cmd = cmd, .m = m, .d = d};
    enum dsc_status st;

    a.rate = dsc_opt_float(cmd, DSC_OPT_augment_rate);
    if (d->arrays)
        return dsc_fail(err, DSC_E_USAGE, "--augment replaces words: the rows hold arrays");
    DSC_TRY_OUT(st, find_words(&a, err));
    DSC_TRY_OUT(st, mark_used(&a, err));
    DSC_TRY_OUT(st, read_units(&a, err));
    DSC_TRY_OUT(st, find_near(&a, err));
    DSC_TRY_OUT(st, make_copies(&a, n_copies, out, err));
    dsc_log_printf(&cmd->log, DSC_LOG_INFO, "%zu copies of %zu rows, with other words", out->n,
                   d->n);
out:
    dsc_heap_free(a.unit);
    dsc_heap_free(a.near);
    return st;
}
