/* The machine of pickles: see pickle.h. */
#include "model/pickle.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

enum { MAX_PROTOCOL = 5, MIN_ALLOC = 16 };

struct pickle {
    struct dsc_rd *r;
    struct dsc_arena *arena;
    struct pk_value *stack, *memo; /* on the heap */
    size_t n_stack, cap_stack, n_memo, cap_memo;
    size_t n_pickle; /* bytes there are: no memo has more places */
    size_t max_bytes;
    size_t at; /* of the opcode */
    struct pk_list *storages;
    bool has_classes, is_done;
};

typedef enum dsc_status op_fn(struct pickle *p);

enum dsc_status pickle_fail(struct pickle *p, enum dsc_status s, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    s = dsc_vfail(p->r->err, s, fmt, ap);
    va_end(ap);
    dsc_err_where(p->r->err, "byte %zu", p->at);
    return s;
}

struct dsc_arena *pickle_arena(struct pickle *p)
{
    return p->arena;
}

size_t pickle_at(const struct pickle *p)
{
    return p->at;
}

struct dsc_err *pickle_err(struct pickle *p)
{
    return p->r->err;
}

bool pk_text_is(const struct pk_value *v, const char *text)
{
    return v->kind == PK_TEXT && v->as.text->n_bytes == strlen(text) &&
           memcmp(v->as.text->p, text, v->as.text->n_bytes) == 0;
}

/* Room for idx, on the heap; what is new is PK_NONE. */
static enum dsc_status grow(struct pk_value **a, size_t *cap, size_t idx, struct dsc_err *err)
{
    size_t n = *cap ? *cap : MIN_ALLOC;
    struct pk_value *more;

    while (n <= idx)
        n *= 2;
    if (n == *cap)
        return DSC_OK;
    more = dsc_heap_grow(*a, n, sizeof **a, err);
    if (!more)
        return DSC_E_MEMORY;
    memset(more + *cap, 0, (n - *cap) * sizeof *more);
    *a = more;
    *cap = n;
    return DSC_OK;
}

enum dsc_status pk_list_add(struct pk_list *l, struct pk_value v, struct dsc_arena *arena,
                            struct dsc_err *err)
{
    if (l->n == l->cap) {
        struct pk_value *more;

        DSC_NEW(more, arena, l->cap ? 2 * l->cap : 4, err);
        if (l->n)
            memcpy(more, l->items, l->n * sizeof *more);
        l->items = more;
        l->cap = l->cap ? 2 * l->cap : 4;
    }
    l->items[l->n++] = v;
    return DSC_OK;
}

/* ---- the stack ---- */

static enum dsc_status push(struct pickle *p, struct pk_value v)
{
    if (p->n_stack >= PK_MAX_STACK)
        return pickle_fail(p, DSC_E_LIMIT, "a stack of over %d values", PK_MAX_STACK);
    DSC_TRY(dsc_rd_status(p->r)); /* what was read for v */
    DSC_TRY(grow(&p->stack, &p->cap_stack, p->n_stack, p->r->err));
    p->stack[p->n_stack++] = v;
    return DSC_OK;
}

static enum dsc_status pop(struct pickle *p, struct pk_value *v)
{
    if (p->n_stack == 0 || p->stack[p->n_stack - 1].kind == PK_MARK)
        return pickle_fail(p, DSC_E_RANGE, "nothing on the stack");
    *v = p->stack[--p->n_stack];
    return DSC_OK;
}

static struct pk_value *top(struct pickle *p)
{
    if (p->n_stack > 0 && p->stack[p->n_stack - 1].kind != PK_MARK)
        return &p->stack[p->n_stack - 1];
    pickle_fail(p, DSC_E_RANGE, "nothing on the stack");
    return NULL;
}

/* The values above the last mark; they stay in the stack's memory until the next push. */
static enum dsc_status pop_mark(struct pickle *p, size_t *first, size_t *n)
{
    size_t at = p->n_stack;

    while (at > 0 && p->stack[at - 1].kind != PK_MARK)
        at--;
    if (at == 0)
        return pickle_fail(p, DSC_E_RANGE, "no mark on the stack");
    *first = at;
    *n = p->n_stack - at;
    p->n_stack = at - 1;
    return DSC_OK;
}

static enum dsc_status push_list(struct pickle *p, enum pk_kind kind, size_t first, size_t n)
{
    struct pk_value v = {.kind = kind};

    DSC_NEW(v.as.list, p->arena, 1, p->r->err);
    if (n > 0) {
        DSC_NEW(v.as.list->items, p->arena, n, p->r->err);
        memcpy(v.as.list->items, p->stack + first, n * sizeof *p->stack);
        v.as.list->n = v.as.list->cap = n;
    }
    return push(p, v);
}

static enum dsc_status op_mark(struct pickle *p)
{
    return push(p, (struct pk_value){.kind = PK_MARK});
}

static enum dsc_status op_stop(struct pickle *p)
{
    p->is_done = true;
    return p->n_stack == 1 && top(p)
               ? DSC_OK
               : pickle_fail(p, DSC_E_RANGE, "%zu values at the end, not one", p->n_stack);
}

static enum dsc_status op_pop(struct pickle *p)
{
    if (p->n_stack == 0)
        return pickle_fail(p, DSC_E_RANGE, "nothing on the stack");
    p->n_stack--;
    return DSC_OK;
}

static enum dsc_status op_pop_mark(struct pickle *p)
{
    size_t first = 0, n = 0;

    return pop_mark(p, &first, &n);
}

/* ---- plain values ---- */

static enum dsc_status push_int(struct pickle *p, int64_t i)
{
    return push(p, (struct pk_value){.kind = PK_INT, .as.i = i});
}

static enum dsc_status op_int1(struct pickle *p)
{
    return push_int(p, dsc_rd_u8(p->r));
}

static enum dsc_status op_int2(struct pickle *p)
{
    return push_int(p, dsc_rd_u16le(p->r));
}

static enum dsc_status op_int4(struct pickle *p)
{
    return push_int(p, (int32_t)dsc_rd_u32le(p->r));
}

static enum dsc_status push_text(struct pickle *p, enum pk_kind kind, uint64_t n)
{
    struct pk_value v = {.kind = kind};

    DSC_NEW(v.as.text, p->arena, 1, p->r->err);
    v.as.text->p = dsc_rd_bytes(p->r, (size_t)n);
    v.as.text->n_bytes = (size_t)n;
    return push(p, v);
}

/* Little endian, two's complement; the magic number of torch's files has 10 bytes. */
static enum dsc_status op_long1(struct pickle *p)
{
    const uint8_t n = dsc_rd_u8(p->r);
    const unsigned char *b;
    uint64_t v = 0;

    if (n > 8)
        return push_text(p, PK_BIG, n);
    b = dsc_rd_bytes(p->r, n);
    DSC_TRY(dsc_rd_status(p->r));
    if (n > 0 && b[n - 1] & 0x80)
        v = UINT64_MAX;
    for (int i = n; i > 0; i--)
        v = v << 8 | b[i - 1];
    return push_int(p, (int64_t)v);
}

/* Big endian. */
static enum dsc_status op_float(struct pickle *p)
{
    const unsigned char *b = dsc_rd_bytes(p->r, 8);
    struct pk_value v = {.kind = PK_FLOAT};
    uint64_t bits = 0;

    for (int i = 0; b && i < 8; i++)
        bits = bits << 8 | b[i];
    memcpy(&v.as.f, &bits, sizeof bits);
    return push(p, v);
}

static enum dsc_status op_none(struct pickle *p)
{
    return push(p, (struct pk_value){.kind = PK_NONE});
}

static enum dsc_status op_true(struct pickle *p)
{
    return push(p, (struct pk_value){.kind = PK_BOOL, .as.i = 1});
}

static enum dsc_status op_false(struct pickle *p)
{
    return push(p, (struct pk_value){.kind = PK_BOOL});
}

static enum dsc_status op_text1(struct pickle *p)
{
    return push_text(p, PK_TEXT, dsc_rd_u8(p->r));
}

static enum dsc_status op_text4(struct pickle *p)
{
    return push_text(p, PK_TEXT, dsc_rd_u32le(p->r));
}

static enum dsc_status op_text8(struct pickle *p)
{
    return push_text(p, PK_TEXT, dsc_rd_u64le(p->r));
}

/* ---- containers ---- */

static enum dsc_status op_empty_list(struct pickle *p)
{
    return push_list(p, PK_LIST, 0, 0);
}

static enum dsc_status op_empty_dict(struct pickle *p)
{
    return push_list(p, PK_DICT, 0, 0);
}

static enum dsc_status op_tuple0(struct pickle *p)
{
    return push_list(p, PK_TUPLE, 0, 0);
}

static enum dsc_status op_tuple(struct pickle *p)
{
    size_t first = 0, n = 0;

    DSC_TRY(pop_mark(p, &first, &n));
    return push_list(p, PK_TUPLE, first, n);
}

static enum dsc_status tuple_of(struct pickle *p, size_t n)
{
    struct pk_value v = {0};

    for (size_t i = 0; i < n; i++)
        DSC_TRY(pop(p, &v));
    return push_list(p, PK_TUPLE, p->n_stack, n);
}

static enum dsc_status op_tuple1(struct pickle *p)
{
    return tuple_of(p, 1);
}

static enum dsc_status op_tuple2(struct pickle *p)
{
    return tuple_of(p, 2);
}

static enum dsc_status op_tuple3(struct pickle *p)
{
    return tuple_of(p, 3);
}

/* n values of the stack's memory behind its end go into the container on top. */
static enum dsc_status extend(struct pickle *p, enum pk_kind kind, size_t first, size_t n)
{
    const struct pk_value *v = top(p);

    if (!v)
        return dsc_rd_status(p->r);
    if (v->kind != kind || (kind == PK_DICT && n % 2 != 0))
        return pickle_fail(p, DSC_E_TYPE, "items for what is no %s",
                           kind == PK_DICT ? "dict" : "list");
    for (size_t i = 0; i < n; i++)
        DSC_TRY(pk_list_add(v->as.list, p->stack[first + i], p->arena, p->r->err));
    return DSC_OK;
}

static enum dsc_status op_append(struct pickle *p)
{
    struct pk_value v = {0};

    DSC_TRY(pop(p, &v));
    return extend(p, PK_LIST, p->n_stack, 1);
}

static enum dsc_status op_setitem(struct pickle *p)
{
    struct pk_value v = {0};

    DSC_TRY(pop(p, &v));
    DSC_TRY(pop(p, &v));
    return extend(p, PK_DICT, p->n_stack, 2);
}

static enum dsc_status op_appends(struct pickle *p)
{
    size_t first = 0, n = 0;

    DSC_TRY(pop_mark(p, &first, &n));
    return extend(p, PK_LIST, first, n);
}

static enum dsc_status op_setitems(struct pickle *p)
{
    size_t first = 0, n = 0;

    DSC_TRY(pop_mark(p, &first, &n));
    return extend(p, PK_DICT, first, n);
}

/* ---- the memo ---- */

static enum dsc_status put(struct pickle *p, uint64_t idx)
{
    const struct pk_value *v = top(p);

    DSC_TRY(dsc_rd_status(p->r));
    if (idx >= p->n_pickle)
        return pickle_fail(p, DSC_E_RANGE, "memo %" PRIu64 " in a pickle of %zu bytes", idx,
                           p->n_pickle);
    DSC_TRY(grow(&p->memo, &p->cap_memo, (size_t)idx, p->r->err));
    p->memo[idx] = *v;
    p->n_memo = idx >= p->n_memo ? (size_t)idx + 1 : p->n_memo;
    return DSC_OK;
}

static enum dsc_status get(struct pickle *p, uint64_t idx)
{
    DSC_TRY(dsc_rd_status(p->r));
    if (idx >= p->n_memo)
        return pickle_fail(p, DSC_E_RANGE, "memo %" PRIu64 " is empty", idx);
    return push(p, p->memo[idx]);
}

static enum dsc_status op_put1(struct pickle *p)
{
    return put(p, dsc_rd_u8(p->r));
}

static enum dsc_status op_put4(struct pickle *p)
{
    return put(p, dsc_rd_u32le(p->r));
}

static enum dsc_status op_memoize(struct pickle *p)
{
    return put(p, p->n_memo);
}

static enum dsc_status op_get1(struct pickle *p)
{
    return get(p, dsc_rd_u8(p->r));
}

static enum dsc_status op_get4(struct pickle *p)
{
    return get(p, dsc_rd_u32le(p->r));
}

/* ---- names and what is made of them ---- */

static enum dsc_status push_global(struct pickle *p, const struct pk_text *module,
                                   const struct pk_text *name)
{
    const struct pk_global *g = pk_global_find(module, name, p->has_classes);

    if (g)
        return push(p, (struct pk_value){.kind = PK_GLOBAL, .as.global = g});
    pickle_fail(p, DSC_E_UNSUPPORTED, "the name '%.*s.%.*s' is not one that is read",
                (int)(module->n_bytes < 100 ? module->n_bytes : 100), module->p,
                (int)(name->n_bytes < 100 ? name->n_bytes : 100), name->p);
    return dsc_err_hint(p->r->err, "nothing of a pickle is run; torch.save(model.state_dict(), "
                                   "FILE) holds weights alone");
}

/* Up to the end of the line. */
static void read_line(struct pickle *p, struct pk_text *t)
{
    const size_t left = dsc_rd_left(p->r);
    const unsigned char *from = p->r->data + p->r->pos;
    const unsigned char *end = left ? memchr(from, '\n', left) : NULL;

    if (!end) {
        dsc_rd_skip(p->r, left + 1); /* TRUNC */
        *t = (struct pk_text){"", 0};
        return;
    }
    *t = (struct pk_text){(const char *)from, (size_t)(end - from)};
    dsc_rd_skip(p->r, t->n_bytes + 1);
}

static enum dsc_status op_global(struct pickle *p)
{
    struct pk_text module, name;

    read_line(p, &module);
    read_line(p, &name);
    DSC_TRY(dsc_rd_status(p->r));
    return push_global(p, &module, &name);
}

static enum dsc_status op_stack_global(struct pickle *p)
{
    struct pk_value module = {0}, name = {0};

    DSC_TRY(pop(p, &name));
    DSC_TRY(pop(p, &module));
    if (name.kind != PK_TEXT || module.kind != PK_TEXT)
        return pickle_fail(p, DSC_E_TYPE, "a name that is no text");
    return push_global(p, module.as.text, name.as.text);
}

static enum dsc_status op_persid(struct pickle *p)
{
    struct pk_value id = {0}, v = {0};

    DSC_TRY(pop(p, &id));
    DSC_TRY(pk_storage_new(p, &id, &v));
    if (p->storages)
        DSC_TRY(pk_list_add(p->storages, v, p->arena, p->r->err));
    return push(p, v);
}

static enum dsc_status op_reduce(struct pickle *p)
{
    struct pk_value args = {0}, f = {0}, v = {0};

    DSC_TRY(pop(p, &args));
    DSC_TRY(pop(p, &f));
    if (f.kind != PK_GLOBAL || args.kind != PK_TUPLE)
        return pickle_fail(p, DSC_E_TYPE, "a call of what is no name, or without arguments");
    if (!f.as.global->call)
        return pickle_fail(p, DSC_E_UNSUPPORTED, "a call of %s.%s", f.as.global->module,
                           f.as.global->name);
    DSC_TRY(f.as.global->call(p, args.as.list, &v));
    return push(p, v);
}

static enum dsc_status op_newobj(struct pickle *p)
{
    struct pk_value args = {0}, f = {0};

    DSC_TRY(pop(p, &args));
    DSC_TRY(pop(p, &f));
    if (f.kind != PK_GLOBAL || f.as.global->name || args.kind != PK_TUPLE)
        return pickle_fail(p, DSC_E_UNSUPPORTED, "an object of what is no class of TorchScript");
    return push_list(p, PK_OBJECT, 0, 0);
}

/* An object gets its state; an ordered dict's own attributes (state_dict's _metadata) are left. */
static enum dsc_status op_build(struct pickle *p)
{
    struct pk_value state = {0};
    const struct pk_value *v;

    DSC_TRY(pop(p, &state));
    v = top(p);
    if (!v)
        return dsc_rd_status(p->r);
    if (v->kind == PK_OBJECT)
        return pk_list_add(v->as.list, state, p->arena, p->r->err);
    return v->kind == PK_DICT
               ? DSC_OK
               : pickle_fail(p, DSC_E_UNSUPPORTED, "a state for what is no object or dict");
}

static enum dsc_status op_proto(struct pickle *p)
{
    const uint8_t n = dsc_rd_u8(p->r);

    DSC_TRY(dsc_rd_status(p->r));
    return n <= MAX_PROTOCOL ? DSC_OK : pickle_fail(p, DSC_E_VERSION, "pickle protocol %d", n);
}

/* A hint for readers that read ahead. */
static enum dsc_status op_frame(struct pickle *p)
{
    (void)dsc_rd_u64le(p->r);
    return dsc_rd_status(p->r);
}

static const struct {
    unsigned char byte;
    const char *name;
    op_fn *run;
} ops[] = {
#define PK_OP(byte, name, run) {byte, #name, run},
#include "model/pickle_ops.def"
#undef PK_OP
};

static enum dsc_status step(struct pickle *p)
{
    unsigned char byte;

    p->at = p->r->base + p->r->pos;
    byte = dsc_rd_u8(p->r);
    DSC_TRY(dsc_rd_status(p->r));
    if (p->arena->used_bytes > p->max_bytes)
        return pickle_fail(p, DSC_E_LIMIT, "values of over %zu bytes", p->max_bytes);
    for (size_t i = 0; i < sizeof ops / sizeof ops[0]; i++) {
        if (ops[i].byte != byte)
            continue;
        return ops[i].run ? ops[i].run(p)
                          : pickle_fail(p, DSC_E_UNSUPPORTED,
                                        "the opcode %s is not one that is read", ops[i].name);
    }
    return pickle_fail(p, DSC_E_UNSUPPORTED, "0x%02X is no opcode", byte);
}

enum dsc_status pickle_run(struct dsc_rd *r, bool has_classes, size_t max_bytes,
                           struct dsc_arena *arena, struct pk_value *result,
                           struct pk_list *storages)
{
    struct pickle p = {.r = r,
                       .arena = arena,
                       .n_pickle = dsc_rd_left(r),
                       .max_bytes = max_bytes,
                       .storages = storages,
                       .has_classes = has_classes};
    enum dsc_status st = dsc_rd_status(r);

    while (st == DSC_OK && !p.is_done)
        st = step(&p);
    if (st == DSC_OK)
        *result = p.stack[0];
    dsc_heap_free(p.stack);
    dsc_heap_free(p.memo);
    return st;
}
