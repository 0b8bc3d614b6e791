/*
 * Tokenizers without unused tokens: texts that use what stayed have the same tokens as before, all
 * others still have some; and tables without their rows.
 */
#include "dsc/prune.h"
#include "formats_text.h"
#include "quant_graphs.h"

#include <jansson.h>

static const char *const names[] = {"wordpiece", "bytebpe", "roberta", "charbpe", "unigram", "t5"};

enum { MAX_TEXTS = 1024 };

static json_t *texts[MAX_TEXTS];
static int n_texts;

static void read_corpus(void)
{
    char path[512], *line = NULL;
    size_t cap = 0;
    FILE *f;

    snprintf(path, sizeof path, "%s/tokenizers/corpus.jsonl", getenv("GOLDEN"));
    f = fopen(path, "r");
    ck_assert_ptr_nonnull(f);
    for (n_texts = 0; n_texts < MAX_TEXTS && getline(&line, &cap, f) > 0; n_texts++)
        texts[n_texts] = json_loads(line, JSON_ALLOW_NUL | JSON_DECODE_ANY, NULL);
    free(line);
    fclose(f);
    ck_assert_int_gt(n_texts, 300);
}

static void clear_corpus(void)
{
    for (int i = 0; i < n_texts; i++)
        json_decref(texts[i]);
}

static struct dsc_tok *open_named(const char *name)
{
    char path[512];
    struct dsc_tok *t;

    snprintf(path, sizeof path, "%s/tokenizers/%s.json", getenv("GOLDEN"), name);
    OK(dsc_tok_open_file(&t, path, &err));
    return t;
}

static void encode(const struct dsc_tok *t, int text, struct dsc_tok_enc *e)
{
    const struct dsc_tok_in in = {.text = json_string_value(texts[text]),
                                  .n_text_bytes = json_string_length(texts[text])};

    OK(dsc_tok_encode(t, &in, e, &err));
}

/* The same tokens, by their spelling and by the map of ids. */
static void same_tokens(const char *name, int text, const struct dsc_tok *t,
                        const struct dsc_tok *small, const int32_t *new_id)
{
    struct dsc_tok_enc a = {0}, b = {0};

    encode(t, text, &a);
    encode(small, text, &b);
    ck_assert_msg(a.n == b.n, "%s, text %d: %zu tokens, not %zu", name, text, b.n, a.n);
    for (size_t i = 0; i < a.n; i++) {
        size_t n, m;
        const char *was = dsc_tok_token(t, a.ids[i], &n), *is = dsc_tok_token(small, b.ids[i], &m);

        if (new_id[a.ids[i]] != b.ids[i] || n != m || memcmp(was, is, n) != 0)
            ck_abort_msg("%s, text %d: token %zu is '%s', not '%s'", name, text, i, is, was);
    }
    dsc_tok_enc_clear(&a);
    dsc_tok_enc_clear(&b);
}

/* Every third text is what stays by; a text is known when all of its tokens are among theirs. */
static void check(const char *name)
{
    struct dsc_tok *t = open_named(name), *small;
    const int32_t n_ids = dsc_tok_info(t).n_ids;
    bool *is_used = calloc((size_t)n_ids, sizeof *is_used);
    int32_t *new_id = calloc((size_t)n_ids, sizeof *new_id), n_kept, next = 0;
    struct dsc_tok_enc e = {0};
    int n_known = 0;

    for (int i = 0; i < n_texts; i += 3) {
        encode(t, i, &e);
        for (size_t k = 0; k < e.n; k++)
            is_used[e.ids[k]] = true;
    }
    OK(dsc_tok_shrink(t, is_used, new_id, &n_kept, &small, &err));
    ck_assert_int_eq(dsc_tok_info(small).n_ids, n_kept);
    ck_assert_int_lt(n_kept, n_ids);
    for (int32_t id = 0; id < n_ids; id++) {
        ck_assert(!is_used[id] || new_id[id] >= 0);
        ck_assert(new_id[id] < 0 || new_id[id] == next++);
    }
    ck_assert_int_eq(next, n_kept);
    for (int i = 0; i < n_texts; i++) {
        bool is_known = true;

        encode(t, i, &e);
        for (size_t k = 0; k < e.n; k++)
            is_known &= is_used[e.ids[k]];
        n_known += is_known;
        if (is_known)
            same_tokens(name, i, t, small, new_id);
        encode(small, i, &e);
        for (size_t k = 0; k < e.n; k++)
            ck_assert(e.ids[k] >= 0 && e.ids[k] < n_kept);
    }
    ck_assert_int_gt(n_known, n_texts / 3);
    ck_assert(dsc_tok_info(small).pad_id ==
              (dsc_tok_info(t).pad_id < 0 ? -1 : new_id[dsc_tok_info(t).pad_id]));
    ck_assert(dsc_tok_info(small).unk_id ==
              (dsc_tok_info(t).unk_id < 0 ? -1 : new_id[dsc_tok_info(t).unk_id]));
    dsc_tok_enc_clear(&e);
    free(is_used);
    free(new_id);
    dsc_tok_close(small);
    dsc_tok_close(t);
}

START_TEST(texts_keep_their_tokens)
{
    check(names[_i]);
}
END_TEST

/* ---- tables ---- */

/* Ids are looked up behind a Cast and compared with that of padding, as positions are counted. */
static struct dsc_graph *table_of(int64_t n_rows, int64_t pad)
{
    struct dsc_graph *g = dsc_graph_new(NULL);
    int64_t rows, tokens, dim[2];
    struct dsc_tensor t;
    struct dsc_node *n;
    int ids, x, y, axis;

    OK(dsc_graph_symbol(g, "rows", &rows, &err));
    OK(dsc_graph_symbol(g, "tokens", &tokens, &err));
    dim[0] = rows;
    dim[1] = tokens;
    ids = input(g, "ids", DSC_I32, 2, dim);
    OK(dsc_graph_call(g, "", "Cast", "wide", 1, &ids, &x, &n, &err));
    OK(dsc_node_set_int(g, n, "to", dsc_dtype_onnx(DSC_I64), &err));
    OK(dsc_tensor_new(&t, DSC_I64, 0, NULL, &err));
    dsc_tensor_set_i64(&t, 0, pad);
    OK(dsc_graph_init(g, "pad", &t, &y, &err));
    dsc_tensor_clear(&t);
    y = call(g, "Equal", "is_pad", 2, (int[]){x, y});
    OK(dsc_graph_call(g, "", "Cast", "pads", 1, (int[]){y}, &y, &n, &err));
    OK(dsc_node_set_int(g, n, "to", dsc_dtype_onnx(DSC_F32), &err));
    OK(dsc_tensor_new(&t, DSC_I64, 1, (int64_t[]){1}, &err));
    dsc_tensor_set_i64(&t, 0, 2);
    OK(dsc_graph_init(g, "axis", &t, &axis, &err));
    dsc_tensor_clear(&t);
    y = call(g, "Unsqueeze", "column", 2, (int[]){y, axis});
    x = call(g, "Gather", "words", 2, (int[]){weight(g, "table", 2, (int64_t[]){n_rows, 3}), x});
    call(g, "Add", "sum", 2, (int[]){x, y});
    finish_building(g);
    return g;
}

static enum dsc_status cut(struct dsc_graph *g, const int32_t *new_id, int32_t n, int32_t n_kept,
                           struct dsc_err *err)
{
    const struct dsc_prune_ids map = {.n = n, .n_kept = n_kept, .new_id = new_id};
    struct dsc_arena arena;
    int *tables, n_tables;
    enum dsc_status st;

    dsc_arena_init(&arena);
    st = dsc_prune_vocab(g, g->inputs[0], &map, &arena, &tables, &n_tables, err);
    if (st == DSC_OK)
        ck_assert_int_eq(n_tables, 1);
    dsc_arena_clear(&arena);
    return st;
}

START_TEST(rows_of_the_tokens_that_stay)
{
    const int32_t new_id[] = {0, 1, -1, 2, -1, 3};
    struct dsc_graph *g = table_of(7, 1), *small = copy(g);
    struct dsc_tensor was, is, want, got;

    OK(cut(small, new_id, 6, 4, &err));
    ck_assert_int_eq(init_of(small, "table")->dim[0], 4);
    OK(dsc_tensor_new(&was, DSC_I32, 2, (int64_t[]){2, 2}, &err));
    OK(dsc_tensor_new(&is, DSC_I32, 2, (int64_t[]){2, 2}, &err));
    memcpy(was.data, ((int32_t[]){5, 1, 0, 3}), 16);
    memcpy(is.data, ((int32_t[]){3, 1, 0, 2}), 16);
    run(g, &was, &want);
    run(small, &is, &got);
    ck_assert_mem_eq(want.data, got.data, dsc_tensor_n_bytes(&want));
    dsc_tensor_clear(&was);
    dsc_tensor_clear(&is);
    dsc_tensor_clear(&want);
    dsc_tensor_clear(&got);
    dsc_graph_free(g);
    dsc_graph_free(small);
}
END_TEST

static void refused(struct dsc_graph *g, const int32_t *new_id, int32_t n, int32_t n_kept,
                    enum dsc_status st, const char *why)
{
    struct dsc_err err = {0};

    ck_assert_int_eq(cut(g, new_id, n, n_kept, &err), st);
    ck_assert_msg(strstr(err.message, why) != NULL, "'%s' does not say '%s'", err.message, why);
    dsc_graph_free(g);
}

START_TEST(what_tables_refuse)
{
    const int32_t new_id[] = {0, -1, 1, 2, -1, 3, 4, 5, 6};

    refused(table_of(7, 2), new_id, 6, 4, DSC_E_UNSUPPORTED, "'is_pad' compares with a token id");
    refused(table_of(5, 0), new_id, 6, 4, DSC_E_INCONSISTENT, "has 5 rows, the tokenizer 6 tokens");
    /* another input looks up the same table */
    refused(encoder(), new_id, 9, 7, DSC_E_UNSUPPORTED, "'types' reads the table of tokens, too");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("shrink");
    TCase *t = tcase_create("shrink");
    SRunner *r = srunner_create(s);
    int n_failed;

    tcase_add_checked_fixture(t, read_corpus, clear_corpus);
    tcase_add_loop_test(t, texts_keep_their_tokens, 0, sizeof names / sizeof names[0]);
    tcase_add_test(t, rows_of_the_tokens_that_stay);
    tcase_add_test(t, what_tables_refuse);
    suite_add_tcase(s, t);
    srunner_run_all(r, CK_ENV);
    n_failed = srunner_ntests_failed(r);
    srunner_free(r);
    return n_failed != 0;
}
