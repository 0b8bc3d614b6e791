/* Rows of samples.def as graphs. */
#include "sample.h"

#include "dsc/rng.h"

#include <check.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct sample samples[] = {
#define SAMPLE(op, n_out, attrs, inputs) {op, n_out, attrs, inputs, false},
#define SAMPLE_DEFINED(op, n_out, attrs, inputs) {op, n_out, attrs, inputs, true},
#include "samples.def"
#undef SAMPLE
#undef SAMPLE_DEFINED
};
const int n_samples = (int)(sizeof samples / sizeof samples[0]);

enum { MAX_WORD = 256 };

const struct dsc_op *sample_op(const struct sample *s)
{
    char domain[64];
    const char *colon = strchr(s->op, ':');
    const struct dsc_op *op;

    snprintf(domain, sizeof domain, "%.*s", colon ? (int)(colon - s->op) : 0, s->op);
    op = dsc_op_find(domain, colon ? colon + 1 : s->op);
    ck_assert_msg(op != NULL, "sample of an operator that is not there: %s", s->op);
    return op;
}

/* The next word of a row; false at its end. */
static bool next_word(const char **text, char word[MAX_WORD])
{
    size_t n = 0;

    while (**text == ' ')
        ++*text;
    while (**text && **text != ' ' && n < MAX_WORD - 1)
        word[n++] = *(*text)++;
    word[n] = 0;
    return n > 0;
}

static int parse_ints(const char *p, char end, int64_t *v, const char **rest)
{
    int n = 0;

    while (*p && *p != end) {
        char *after;

        v[n++] = strtoll(p, &after, 10);
        ck_assert_ptr_ne(after, p);
        p = *after == ',' ? after + 1 : after;
    }
    *rest = *p == end && end ? p + 1 : p;
    return n;
}

/* "Tanh,Relu]" */
static void set_strings(struct sample_graph *sg, const char *attr, char *list)
{
    struct dsc_attr *a;
    char *saved, *names[8];
    int n = 0;

    for (char *p = strtok_r(list, ",]", &saved); p; p = strtok_r(NULL, ",]", &saved))
        names[n++] = p;
    ck_assert_int_eq(dsc_node_attr_slot(sg->g, sg->node, attr, &a, NULL), DSC_OK);
    a->kind = DSC_ATTR_STRINGS;
    a->n = n;
    a->strings = dsc_arena_alloc(&sg->g->arena, (size_t)n, sizeof *a->strings, NULL);
    for (int i = 0; i < n; i++)
        a->strings[i] = dsc_arena_strdup(&sg->g->arena, names[i], NULL);
}

/* "0.5,1.25]" */
static void set_floats(struct sample_graph *sg, const char *attr, const char *list)
{
    struct dsc_attr *a;

    ck_assert_int_eq(dsc_node_attr_slot(sg->g, sg->node, attr, &a, NULL), DSC_OK);
    a->kind = DSC_ATTR_FLOATS;
    a->n = 0;
    a->floats = dsc_arena_alloc(&sg->g->arena, 8, sizeof *a->floats, NULL);
    for (char *p; *list && *list != ']'; list = *p == ',' ? p + 1 : p)
        a->floats[a->n++] = strtof(list, &p);
}

static void set_attr(struct sample_graph *sg, char *word)
{
    char *eq = strchr(word, '=');
    const char *v, *rest;
    int64_t ints[32];

    ck_assert_msg(eq != NULL, "attribute '%s'", word);
    *eq = 0;
    v = eq + 1;
    if (*v == '[' && isalpha((unsigned char)v[1])) {
        set_strings(sg, word, eq + 2);
    } else if (*v == '[' && strchr(v, '.')) {
        set_floats(sg, word, v + 1);
    } else if (*v == '[') {
        const int n = parse_ints(v + 1, ']', ints, &rest);

        dsc_node_set_ints(sg->g, sg->node, word, ints, n, NULL);
    } else if (!isdigit((unsigned char)*v) && !(*v == '-' && isdigit((unsigned char)v[1]))) {
        dsc_node_set_string(sg->g, sg->node, word, v, NULL);
    } else if (strpbrk(v, ".e")) {
        dsc_node_set_float(sg->g, sg->node, word, strtof(v, NULL), NULL);
    } else {
        dsc_node_set_int(sg->g, sg->node, word, strtoll(v, NULL, 10), NULL);
    }
}

static enum dsc_dtype dtype_of(const char *text, size_t n_text)
{
    for (int d = 1; d < DSC_DTYPE_COUNT; d++)
        if (strlen(dsc_dtype_text((enum dsc_dtype)d)) == n_text &&
            strncmp(dsc_dtype_text((enum dsc_dtype)d), text, n_text) == 0)
            return (enum dsc_dtype)d;
    ck_abort_msg("no type '%.*s'", (int)n_text, text);
    return DSC_DTYPE_NONE;
}

static void fill(struct dsc_tensor *t, char kind, int64_t below, uint64_t seed)
{
    struct dsc_rng r;

    dsc_rng_init(&r, dsc_rng_key(seed));
    for (int64_t i = 0; i < dsc_tensor_n_elems(t); i++) {
        const double u = (double)(dsc_rng_u32(&r) >> 8) / (1 << 24);

        if (kind == 'x')
            dsc_tensor_set_f64(t, i, (double)dsc_rng_normal(&r));
        else if (kind == 'p')
            dsc_tensor_set_f64(t, i, 0.5 + 1.5 * u);
        else if (kind == 'u')
            dsc_tensor_set_f64(t, i, 1.8 * u - 0.9);
        else
            dsc_tensor_set_i64(t, i, (int64_t)(u * (double)below));
    }
}

static void fill_listed(struct dsc_tensor *t, const char *p)
{
    for (int64_t i = 0; i < dsc_tensor_n_elems(t); i++) {
        char *after;

        dsc_tensor_set_f64(t, i, strtod(p, &after));
        ck_assert_ptr_ne(after, p);
        p = *after == ',' ? after + 1 : after;
    }
}

/* One input word to a value of the graph. */
static int make_input(struct sample_graph *sg, const char *word, int idx, enum dsc_dtype dtype,
                      uint64_t seed)
{
    const size_t n_type = strcspn(word, "[=<");
    const bool is_kind = n_type == 1 && strchr("xpu", word[0]);
    const enum dsc_dtype d = is_kind ? dtype : dtype_of(word, n_type);
    const char *p = word + n_type;
    int64_t dim[DSC_MAX_RANK] = {0}, below = d == DSC_BOOL ? 2 : 4;
    struct dsc_tensor t;
    struct dsc_type type;
    char name[16];
    int rank = 0, id;

    if (*p == '[') {
        rank = parse_ints(p + 1, ']', dim, &p);
    } else if (*p == '=') { /* a list */
        rank = 1;
        dim[0] = 1;
        for (const char *c = p; *c; c++)
            dim[0] += *c == ',';
        dim[0] = p[1] ? dim[0] : 0;
    }
    if (*p == '<')
        below = strtoll(p + 1, NULL, 10);
    ck_assert_int_eq(dsc_tensor_new(&t, d, rank, dim, NULL), DSC_OK);
    snprintf(name, sizeof name, "in%d", idx);
    if (*p == '=') {
        fill_listed(&t, p + 1);
        ck_assert_int_eq(dsc_graph_init(sg->g, name, &t, &id, NULL), DSC_OK);
        dsc_tensor_clear(&t);
        return id;
    }
    fill(&t, is_kind ? word[0] : 'i', below, seed * 64 + (uint64_t)idx);
    dsc_type_of_tensor(&type, &t);
    ck_assert_int_eq(dsc_graph_value(sg->g, name, &type, &id, NULL), DSC_OK);
    ck_assert_int_eq(dsc_graph_input(sg->g, id, NULL), DSC_OK);
    sg->node_in[sg->n_feeds] = idx;
    sg->feed[sg->n_feeds++] = t;
    return id;
}

void sample_build(struct sample_graph *sg, const struct sample *s, enum dsc_dtype dtype)
{
    const char *p = s->inputs;
    int in[SAMPLE_MAX_IN], out[SAMPLE_MAX_OUT], n_in = 0;
    char word[MAX_WORD];

    *sg = (struct sample_graph){.g = dsc_graph_new(NULL)};
    while (next_word(&p, word)) {
        ck_assert_int_lt(n_in, SAMPLE_MAX_IN);
        in[n_in] = strcmp(word, "-") == 0
                       ? DSC_NO_VALUE
                       : make_input(sg, word, n_in, dtype, (uint64_t)(s - samples) + 1);
        n_in++;
    }
    for (int i = 0; i < s->n_out; i++) {
        snprintf(word, sizeof word, "out%d", i);
        ck_assert_int_eq(dsc_graph_value(sg->g, word, NULL, &out[i], NULL), DSC_OK);
    }
    ck_assert_int_eq(
        dsc_graph_node(sg->g, sample_op(s), "node", n_in, in, s->n_out, out, &sg->node, NULL),
        DSC_OK);
    for (int i = 0; i < s->n_out; i++)
        ck_assert_int_eq(dsc_graph_output(sg->g, out[i], NULL), DSC_OK);
    p = s->attrs;
    while (next_word(&p, word))
        set_attr(sg, word);
}

void sample_clear(struct sample_graph *sg)
{
    for (int i = 0; i < sg->n_feeds; i++)
        dsc_tensor_clear(&sg->feed[i]);
    dsc_graph_free(sg->g);
}
