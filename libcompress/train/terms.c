/* Terms on two models: which layers, what the teacher must say, and their nodes. */
#include "train/distill_parts.h"
#include "train/terms_build.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

/* ---- layers ---- */

static enum dsc_status map_layers(const struct dsc_dterm_spec *spec, int n_student, int n_teacher,
                                  struct dsc_arena *arena, int *n, int (**pairs)[2],
                                  struct dsc_err *err)
{
    static const char *const words[] = {"", "", "top", "uniform", "last", "first"};
    enum dsc_dterm_map map = spec->term->map;
    const int last = n_student - (spec->term->skips_last && !spec->map);

    for (int i = DSC_LAYERS_TOP; spec->map && i <= DSC_LAYERS_FIRST; i++)
        map = spec->map[0] == words[i][0] ? (enum dsc_dterm_map)i : map;
    if ((map == DSC_LAYERS_LAST || map == DSC_LAYERS_FIRST) && n_student > n_teacher)
        return dsc_fail(err, DSC_E_USAGE, "map=%s: the student has %d layers, the teacher only %d",
                        words[map], n_student, n_teacher);
    DSC_NEW(*pairs, arena, n_student + 1, err);
    *n = map <= DSC_LAYERS_TOP ? 1 : last;
    for (int i = 1; i <= *n; i++) {
        int *p = (*pairs)[i - 1];

        p[0] = i;
        p[1] = map == DSC_LAYERS_UNIFORM ? (int)rint((double)i * n_teacher / n_student)
               : map == DSC_LAYERS_LAST  ? n_teacher - n_student + i
                                         : i;
        if (map == DSC_LAYERS_UNIFORM && p[1] < 1)
            p[1] = 1;
    }
    if (map == DSC_LAYERS_TOP) {
        (*pairs)[0][0] = n_student;
        (*pairs)[0][1] = n_teacher;
    } else if (map < DSC_LAYERS_TOP) {
        (*pairs)[0][0] = (*pairs)[0][1] = 0;
    }
    if (*n < 1)
        return dsc_fail(err, DSC_E_USAGE, "the term %s leaves the last layer out, and there is one",
                        spec->term->name);
    return DSC_OK;
}

static enum dsc_status check_site(const struct dsc_encoder *e, const char *who,
                                  const struct dsc_dterm *term, enum dsc_tap tap, int layer,
                                  struct dsc_err *err)
{
    const bool has_layers = term->map != DSC_LAYERS_NONE;

    if (layer < 0 || layer > e->n_layers || (layer == 0 && has_layers && tap != DSC_TAP_HIDDEN))
        return dsc_fail(err, DSC_E_USAGE, "the term %s: the %s has layers 1 to %d, not %d",
                        term->name, who, e->n_layers, layer);
    if (e->value[tap][layer] != DSC_NO_VALUE)
        return DSC_OK;
    return dsc_fail(err, DSC_E_UNSUPPORTED, "the term %s: of the %s %s", term->name, who,
                    has_layers ? e->why[layer]
                               : "the logits come from no product of [rows, features]");
}

static enum dsc_status add_feed(struct dsc_dterms *t, enum dsc_tap tap, int layer)
{
    for (int i = 0; i < t->n_feeds; i++)
        if (t->feeds[i].tap == tap && t->feeds[i].layer == layer)
            return DSC_OK;
    t->feeds[t->n_feeds++] = (struct dsc_dterm_feed){.tap = tap, .layer = layer};
    return DSC_OK;
}

static enum dsc_status check_layers(const struct dsc_encoder *e, const char *who,
                                    const struct dsc_dterm *term, struct dsc_err *err)
{
    if (term->map == DSC_LAYERS_NONE || e->n_layers > 0)
        return DSC_OK;
    return dsc_fail(err, DSC_E_UNSUPPORTED, "the term %s: of the %s %s", term->name, who,
                    e->why[0]);
}

static enum dsc_status plan_one(struct dsc_dterms *t, struct dsc_dterm_spec *s,
                                struct dsc_arena *arena, struct dsc_err *err)
{
    DSC_TRY(check_layers(t->student, "student", s->term, err));
    DSC_TRY(check_layers(t->teacher, "teacher", s->term, err));
    if (!s->map || s->map[0] > '9')
        DSC_TRY(map_layers(s, t->student->n_layers, t->teacher->n_layers, arena, &s->n_pairs,
                           &s->pairs, err));
    for (int i = 0; i < s->n_pairs; i++)
        for (int tap = 0; tap < DSC_N_TAPS; tap++) {
            if (!(s->term->taps >> tap & 1))
                continue;
            DSC_TRY(
                check_site(t->student, "student", s->term, (enum dsc_tap)tap, s->pairs[i][0], err));
            DSC_TRY(
                check_site(t->teacher, "teacher", s->term, (enum dsc_tap)tap, s->pairs[i][1], err));
            DSC_TRY(add_feed(t, (enum dsc_tap)tap, s->pairs[i][1]));
        }
    return DSC_OK;
}

enum dsc_status dsc_dterms_plan(struct dsc_dterms *t, struct dsc_arena *arena, struct dsc_err *err)
{
    t->n_feeds = 0;
    DSC_NEW(t->feeds, arena, DSC_N_TAPS * (t->teacher->n_layers + 1), err);
    for (int i = 0; i < t->n; i++)
        DSC_TRY(plan_one(t, &t->specs[i], arena, err));
    return DSC_OK;
}

enum dsc_status dsc_dterms_tap(struct dsc_dterms *t, struct dsc_graph *g, struct dsc_err *err)
{
    static const int64_t turn[] = {0, 1, 3, 2};

    for (int i = 0; i < t->n_feeds; i++) {
        struct dsc_dterm_feed *f = &t->feeds[i];
        int value = t->teacher->value[f->tap][f->layer];

        if (f->tap == DSC_TAP_KEY)
            DSC_TRY(dsc_dterm_transpose(g, value, 4, turn, &value, err));
        f->output = 0;
        while (f->output < g->n_outputs && g->outputs[f->output] != value)
            f->output++;
        if (f->output == g->n_outputs)
            DSC_TRY(dsc_graph_output(g, value, err));
    }
    DSC_TRY(dsc_graph_sort(g, false, err));
    return dsc_graph_verify(g, err);
}

/* ---- nodes ---- */

/* Sizes of a value as an encoder has it; 0: not known. */
static void read_sizes(const struct dsc_graph *g, int value, enum dsc_tap tap,
                       struct dsc_dterm_site *s)
{
    const struct dsc_type *t = &g->values[value].type;
    const int axis = tap == DSC_TAP_KEY ? t->rank - 2 : t->rank - 1;

    s->width = tap != DSC_TAP_PROBS && axis >= 0 && t->dim[axis] > 0 ? t->dim[axis] : 0;
    s->n_heads = t->rank == 4 && t->dim[1] > 0 ? t->dim[1] : 0;
}

static enum dsc_status check_sizes(const char *who, enum dsc_tap tap, int layer,
                                   const struct dsc_dterm_site *s, struct dsc_err *err)
{
    const bool has_heads = tap >= DSC_TAP_PROBS && tap <= DSC_TAP_VALUE;

    if ((tap != DSC_TAP_PROBS && s->width == 0) || (has_heads && s->n_heads == 0))
        return dsc_fail(err, DSC_E_UNSUPPORTED, "layer %d of the %s: its %s are not known", layer,
                        who, has_heads ? "heads" : "widths");
    return DSC_OK;
}

static enum dsc_status add_feeds(struct dsc_graph *g, enum dsc_dtype dtype, struct dsc_dterms *t,
                                 struct dsc_err *err)
{
    for (int i = 0; i < t->n_feeds; i++) {
        struct dsc_dterm_feed *f = &t->feeds[i];
        struct dsc_type type = {.dtype = dtype, .rank = 4, .dim = {-1, -1, -1, -1}};
        struct dsc_dterm_site s;
        char name[64];
        int value;

        read_sizes(t->teacher_graph, t->teacher->value[f->tap][f->layer], f->tap, &s);
        DSC_TRY(check_sizes("teacher", f->tap, f->layer, &s, err));
        if (f->tap == DSC_TAP_HIDDEN || f->tap == DSC_TAP_FEATURES)
            type.rank = f->tap == DSC_TAP_HIDDEN ? 3 : 2;
        else
            type.dim[1] = s.n_heads;
        if (s.width > 0)
            type.dim[type.rank - 1] = s.width;
        snprintf(name, sizeof name, "dscompress.teacher.%d", i);
        f->input = g->n_inputs;
        DSC_TRY(dsc_graph_value(g, name, &type, &value, err));
        DSC_TRY(dsc_graph_input(g, value, err));
    }
    return DSC_OK;
}

static enum dsc_status add_matrix(struct dsc_graph *g, enum dsc_dtype dtype, const char *name,
                                  bool is_wanted, int *input, struct dsc_err *err)
{
    const struct dsc_type type = {.dtype = dtype, .rank = 2, .dim = {-1, -1}};
    int value;

    *input = -1;
    if (!is_wanted)
        return DSC_OK;
    *input = g->n_inputs;
    DSC_TRY(dsc_graph_value(g, name, &type, &value, err));
    return dsc_graph_input(g, value, err);
}

static enum dsc_status add_inputs(struct dsc_graph *g, enum dsc_dtype dtype, struct dsc_dterms *t,
                                  struct dsc_err *err)
{
    bool has_tokens = false, has_others = false;

    for (int i = 0; i < t->n; i++) {
        has_tokens |= t->specs[i].term->has_tokens;
        has_others |= t->specs[i].term->has_others;
    }
    DSC_TRY(add_feeds(g, dtype, t, err));
    DSC_TRY(add_matrix(g, dtype, "dscompress.tokens", has_tokens, &t->tokens, err));
    return add_matrix(g, dtype, "dscompress.others", has_others, &t->others, err);
}

/* [B * T, D] as [B, T, D], by the sizes of tokens. */
static enum dsc_status by_rows(struct dsc_graph *g, int x, int64_t width, int tokens, int *out,
                               struct dsc_err *err)
{
    struct dsc_node *n;
    int sizes, last, shape;

    DSC_TRY(dsc_loss_call(g, "Shape", 1, &tokens, &sizes, err));
    DSC_TRY(dsc_loss_const_i64(g, width, &last, err));
    DSC_TRY(dsc_graph_call(g, "", "Concat", NULL, 2, (int[]){sizes, last}, &shape, &n, err));
    DSC_TRY(dsc_node_set_int(g, n, "axis", 0, err));
    return dsc_loss_call(g, "Reshape", 2, (int[]){x, shape}, out, err);
}

static enum dsc_status student_site(struct dsc_graph *g, const struct dsc_dterms *t,
                                    enum dsc_tap tap, int layer, struct dsc_dterm_site *s,
                                    struct dsc_err *err)
{
    static const int64_t turn[] = {0, 1, 3, 2};

    s->value = t->student->value[tap][layer];
    read_sizes(g, s->value, tap, s);
    DSC_TRY(check_sizes("student", tap, layer, s, err));
    if (tap == DSC_TAP_KEY)
        return dsc_dterm_transpose(g, s->value, 4, turn, &s->value, err);
    if (tap == DSC_TAP_HIDDEN && g->values[s->value].type.rank == 2)
        return by_rows(g, s->value, s->width, g->inputs[t->tokens], &s->value, err);
    return DSC_OK;
}

static void teacher_site(const struct dsc_graph *g, const struct dsc_dterms *t, enum dsc_tap tap,
                         int layer, struct dsc_dterm_site *s)
{
    for (int i = 0; i < t->n_feeds; i++)
        if (t->feeds[i].tap == tap && t->feeds[i].layer == layer)
            s->value = g->inputs[t->feeds[i].input];
    read_sizes(t->teacher_graph, t->teacher->value[tap][layer], tap, s);
}

static enum dsc_status fill_pairs(struct dsc_graph *g, const struct dsc_dterms *t,
                                  const struct dsc_dterm_spec *s, struct dsc_dterm_pair *pairs,
                                  struct dsc_err *err)
{
    for (int i = 0; i < s->n_pairs; i++)
        for (int tap = 0; tap < DSC_N_TAPS; tap++) {
            if (!(s->term->taps >> tap & 1))
                continue;
            DSC_TRY(
                student_site(g, t, (enum dsc_tap)tap, s->pairs[i][0], &pairs[i].student[tap], err));
            teacher_site(g, t, (enum dsc_tap)tap, s->pairs[i][1], &pairs[i].teacher[tap]);
        }
    return DSC_OK;
}

static enum dsc_status attach_one(struct dsc_graph *g, enum dsc_dtype dtype, struct dsc_distill *d,
                                  int idx, int *sum, struct dsc_err *err)
{
    const struct dsc_dterms *t = d->terms;
    const struct dsc_dterm_spec *s = &t->specs[idx];
    struct dsc_dterm_pair *pairs = dsc_heap_alloc((size_t)s->n_pairs, sizeof *pairs, err);
    char name[48];
    const struct dsc_dterm_args a = {
        .name = name,
        .loss = s->loss,
        .n_heads = s->n_heads,
        .tau = s->tau,
        .n_pairs = s->n_pairs,
        .pairs = pairs,
        .tokens = t->tokens < 0 ? DSC_NO_VALUE : g->inputs[t->tokens],
        .others = t->others < 0 ? DSC_NO_VALUE : g->inputs[t->others],
        .dtype = dtype,
        .n_rows = t->n_rows,
        .seed = t->seed,
    };
    int value[2];
    enum dsc_status st;

    if (!pairs)
        return DSC_E_MEMORY;
    snprintf(name, sizeof name, "dscompress.term.%d.%s", idx, s->term->name);
    DSC_TRY_OUT(st, fill_pairs(g, t, s, pairs, err));
    DSC_TRY_OUT(st, s->term->build(g, &a, &value[0], err));
    dsc_distill_note(d, s->term->name, value[0]);
    DSC_TRY_OUT(st, dsc_distill_number(g, dtype, d, &s->weight, &value[1], err));
    DSC_TRY_OUT(st, dsc_loss_call(g, "Mul", 2, (int[]){value[0], value[1]}, &value[0], err));
    st = dsc_loss_call(g, "Add", 2, (int[]){*sum, value[0]}, sum, err);
out:
    dsc_heap_free(pairs);
    return st;
}

enum dsc_status dsc_dterms_attach(struct dsc_graph *g, enum dsc_dtype dtype, struct dsc_distill *d,
                                  int *sum, struct dsc_err *err)
{
    if (!d->terms)
        return DSC_OK;
    DSC_TRY(add_inputs(g, dtype, d->terms, err));
    for (int i = 0; i < d->terms->n; i++)
        DSC_TRY(attach_one(g, dtype, d, i, sum, err));
    return DSC_OK;
}
