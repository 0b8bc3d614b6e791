/* Tokenizers: ids equal to Hugging Face's (tests/golden/tokenizers), and what bad input gives. */
#include "dsc/io.h"
#include "dsc/pool.h"
#include "formats_text.h"

#include <check.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BLOCK = 4096, N_BLOCKS = 0x110000 / BLOCK };

static const char *const names[] = {"wordpiece", "bytebpe", "roberta", "charbpe", "unigram", "t5"};

static char *path_of(const char *name)
{
    static char path[4096];

    snprintf(path, sizeof path, "%s/tokenizers/%s", getenv("GOLDEN"), name);
    return path;
}

static json_t *load(const char *name)
{
    json_error_t je;
    json_t *j = json_load_file(path_of(name), JSON_ALLOW_NUL | JSON_DECODE_ANY, &je);

    ck_assert_msg(j != NULL, "%s: %s", name, je.text);
    return j;
}

static struct dsc_tok *open_named(const char *name)
{
    char file[64];
    struct dsc_err err = {0};
    struct dsc_tok *t;

    snprintf(file, sizeof file, "%s.json", name);
    dsc_tok_open_file(&t, path_of(file), &err);
    ck_assert_msg(t != NULL, "%s: %s (%s)", name, err.message, err.where);
    return t;
}

static struct dsc_tok *open_text(const char *json, struct dsc_err *err)
{
    struct dsc_tok *t;

    *err = (struct dsc_err){0};
    dsc_tok_open_json(&t, json, strlen(json), NULL, 0, err);
    return t;
}

/* The corpus: a list of JSON strings. */
static json_t *load_corpus(void)
{
    FILE *f = fopen(path_of("corpus.jsonl"), "r");
    json_t *list = json_array();
    char *line = NULL;
    size_t cap = 0;

    ck_assert_ptr_nonnull(f);
    while (getline(&line, &cap, f) > 0)
        json_array_append_new(list, json_loads(line, JSON_ALLOW_NUL | JSON_DECODE_ANY, NULL));
    free(line);
    fclose(f);
    ck_assert_uint_gt(json_array_size(list), 300);
    return list;
}

static struct dsc_tok_in in_of(const json_t *text)
{
    return (struct dsc_tok_in){.text = json_string_value(text),
                               .n_text_bytes = json_string_length(text)};
}

static void encode(const struct dsc_tok *t, const struct dsc_tok_in *in, struct dsc_tok_enc *e)
{
    struct dsc_err err = {0};

    /* Check writes to a file at every assertion: millions of them are slow. */
    if (dsc_tok_encode(t, in, e, &err) != DSC_OK)
        ck_abort_msg("%s (%s)", err.message, err.where);
}

static void check_list(const char *name, size_t row, const json_t *want, const int64_t *have,
                       size_t n)
{
    ck_assert_msg(json_array_size(want) == n, "%s, text %zu: %zu ids, not %zu", name, row, n,
                  json_array_size(want));
    for (size_t i = 0; i < n; i++) {
        int64_t id = json_integer_value(json_array_get(want, i));

        if (id != have[i])
            ck_abort_msg("%s, text %zu: id %zu is %lld, not %lld", name, row, i, (long long)have[i],
                         (long long)id);
    }
}

static void hash_more(struct dsc_sha256 *h, const struct dsc_tok_enc *e)
{
    uint32_t id = 0xFFFFFFFF;

    for (size_t i = 0; i < e->n; i++) {
        uint32_t one = (uint32_t)e->ids[i];

        dsc_sha256_add(h, &one, sizeof one);
    }
    dsc_sha256_add(h, &id, sizeof id);
}

static size_t utf8_of(uint32_t cp, char *to)
{
    if (cp < 0x80) {
        to[0] = (char)cp;
        return 1;
    }
    if (cp < 0x800) {
        to[0] = (char)(0xC0 | cp >> 6);
        to[1] = (char)(0x80 | (cp & 63));
        return 2;
    }
    if (cp < 0x10000) {
        to[0] = (char)(0xE0 | cp >> 12);
        to[1] = (char)(0x80 | (cp >> 6 & 63));
        to[2] = (char)(0x80 | (cp & 63));
        return 3;
    }
    to[0] = (char)(0xF0 | cp >> 18);
    to[1] = (char)(0x80 | (cp >> 12 & 63));
    to[2] = (char)(0x80 | (cp >> 6 & 63));
    to[3] = (char)(0x80 | (cp & 63));
    return 4;
}

/* All of the first two planes and one block in 8 behind them; sanitized, where each takes four
 * times as long, the first scripts, one block in 4 and one in 16; all in the suite `long`. */
static bool is_tested(int block)
{
    const bool is_near = block < 0x20000 / BLOCK, is_slow = getenv("DSC_SANITIZED") != NULL;

    if (getenv("DSC_TEST_FULL") || block < 4)
        return true;
    return is_slow ? block % (is_near ? 4 : 16) == 0 : is_near || block % 8 == 0;
}

static void check_block(const char *name, const struct dsc_tok *t, int block, const char *want,
                        struct dsc_tok_enc *e)
{
    struct dsc_sha256 h;
    char hex[65], text[16] = "a";

    dsc_sha256_init(&h);
    for (uint32_t cp = (uint32_t)block * BLOCK; cp < (uint32_t)(block + 1) * BLOCK; cp++) {
        size_t n = 1;

        if (cp >= 0xD800 && cp < 0xE000)
            continue;
        n += utf8_of(cp, text + n);
        text[n++] = 'b';
        text[n++] = ' ';
        n += utf8_of(cp, text + n);
        encode(t, &(struct dsc_tok_in){.text = text, .n_text_bytes = n}, e);
        hash_more(&h, e);
    }
    dsc_sha256_hex(&h, hex);
    ck_assert_msg(!strncmp(hex, want, 16), "%s: code points from U+%04X differ", name,
                  (unsigned)block * BLOCK);
}

static void check_code_points(const char *name, const struct dsc_tok *t, const json_t *hashes)
{
    struct dsc_tok_enc e = {0};

    ck_assert_uint_eq(json_array_size(hashes), N_BLOCKS);
    for (int b = 0; b < N_BLOCKS; b++) {
        if (is_tested(b))
            check_block(name, t, b, json_string_value(json_array_get(hashes, (size_t)b)), &e);
    }
    dsc_tok_enc_clear(&e);
}

static void check_texts(const char *name, const struct dsc_tok *t, const json_t *golden)
{
    json_t *corpus = load_corpus();
    const json_t *ids = json_object_get(golden, "ids");
    const json_t *pairs = json_object_get(golden, "pairs");
    const json_t *types = json_object_get(golden, "pair_types");
    size_t n = json_array_size(corpus);
    struct dsc_tok_enc e = {0};

    ck_assert_uint_eq(json_array_size(ids), n);
    for (size_t i = 0; i < n; i++) {
        struct dsc_tok_in in = in_of(json_array_get(corpus, i));

        encode(t, &in, &e);
        check_list(name, i, json_array_get(ids, i), e.ids, e.n);
    }
    for (size_t k = 0; k < json_array_size(pairs); k++) {
        struct dsc_tok_in in = in_of(json_array_get(corpus, 3 * k));
        const json_t *b = json_array_get(corpus, n - 1 - 3 * k);

        in.pair = json_string_value(b);
        in.n_pair_bytes = json_string_length(b);
        in.max_length = 12;
        encode(t, &in, &e);
        check_list(name, 3 * k, json_array_get(pairs, k), e.ids, e.n);
        check_list(name, 3 * k, json_array_get(types, k), e.type_ids, e.n);
    }
    dsc_tok_enc_clear(&e);
    json_decref(corpus);
}

START_TEST(ids_of_texts_and_cut_pairs_equal_hugging_faces)
{
    json_t *golden = load("golden.json");
    struct dsc_tok *t = open_named(names[_i]);

    check_texts(names[_i], t, json_object_get(json_object_get(golden, "tokenizers"), names[_i]));
    dsc_tok_close(t);
    json_decref(golden);
}
END_TEST

START_TEST(ids_of_all_code_points_equal_hugging_faces)
{
    json_t *golden = load("golden.json");
    json_t *all = json_object_get(json_object_get(golden, "tokenizers"), names[_i]);
    struct dsc_tok *t = open_named(names[_i]);

    check_code_points(names[_i], t, json_object_get(all, "code_points"));
    dsc_tok_close(t);
    json_decref(golden);
}
END_TEST

/* A probe: the tokenizer of single bytes behind one normalizer and one pre-tokenizer. */
static struct dsc_tok *open_probe(json_t *golden, const json_t *probe)
{
    json_t *base = json_object_get(golden, "base");
    struct dsc_err err;
    struct dsc_tok *t;
    char *text;

    json_object_set(base, "normalizer", json_object_get(probe, "normalizer"));
    json_object_set(base, "pre_tokenizer", json_object_get(probe, "pre_tokenizer"));
    text = json_dumps(base, 0);
    t = open_text(text, &err);
    ck_assert_msg(t != NULL, "%s", err.message);
    free(text);
    return t;
}

START_TEST(normalizers_and_pre_tokenizers_equal_hugging_faces)
{
    json_t *golden = load("golden.json"), *corpus = load_corpus();
    const json_t *probe = json_array_get(json_object_get(golden, "probes"), (size_t)_i);
    const char *name = json_string_value(json_object_get(probe, "name"));
    struct dsc_tok_enc e = {0};
    struct dsc_sha256 h;
    struct dsc_tok *t;
    const json_t *text;
    char hex[65];
    size_t i;

    ck_assert_msg(name != NULL, "there is no probe %d", _i);
    t = open_probe(golden, probe);
    dsc_sha256_init(&h);
    json_array_foreach(corpus, i, text)
    {
        struct dsc_tok_in in = in_of(text);

        encode(t, &in, &e);
        hash_more(&h, &e);
    }
    dsc_sha256_hex(&h, hex);
    ck_assert_msg(!strncmp(hex, json_string_value(json_object_get(probe, "texts")), 16),
                  "%s: the texts of the corpus differ", name);
    check_code_points(name, t, json_object_get(probe, "code_points"));
    dsc_tok_enc_clear(&e);
    dsc_tok_close(t);
    json_decref(corpus);
    json_decref(golden);
}
END_TEST

enum { N_PROBES = 17 };

START_TEST(ids_of_minilm_equal_hugging_faces)
{
    static const char *const files[] = {"tokenizer.json", "vocab.txt"};
    json_t *golden = load("golden.json");
    json_t *minilm = json_object_get(golden, "minilm");
    const char *assets = getenv("DSC_ASSETS");
    char path[4096];
    struct dsc_err err = {0};
    struct dsc_tok *t;

    snprintf(path, sizeof path, "%s/minilm/%s", assets ? assets : "", files[_i]);
    if (!assets || access(path, R_OK)) {
        puts("# skipped: DSC_ASSETS has no minilm");
    } else {
        ck_assert_msg(dsc_tok_open_file(&t, path, &err) == DSC_OK, "%s", err.message);
        check_texts(files[_i], t, minilm);
        if (_i == 0)
            check_code_points(files[_i], t, json_object_get(minilm, "code_points"));
        dsc_tok_close(t);
    }
    json_decref(golden);
}
END_TEST

/* The vocabulary of wordpiece.json as a vocab.txt. */
static char *vocab_text(void)
{
    json_t *j = load("wordpiece.json");
    json_t *vocab = json_object_get(json_object_get(j, "model"), "vocab"), *id;
    size_t n = json_object_size(vocab), n_bytes = 1;
    const char **line = calloc(n, sizeof *line);
    const char *key;
    char *text;

    json_object_foreach(vocab, key, id)
    {
        line[json_integer_value(id)] = key;
        n_bytes += strlen(key) + 1;
    }
    text = calloc(n_bytes, 1);
    for (size_t i = 0; i < n; i++)
        snprintf(text + strlen(text), n_bytes - strlen(text), "%s\n", line[i]);
    free(line);
    json_decref(j);
    return text;
}

START_TEST(a_vocab_txt_gives_the_ids_of_its_tokenizer_json)
{
    json_t *golden = load("golden.json");
    char *vocab = vocab_text();
    struct dsc_err err = {0};
    struct dsc_tok *t, *again;
    const char *json;
    size_t n;

    ck_assert_msg(dsc_tok_open_vocab(&t, vocab, strlen(vocab), NULL, 0, &err) == DSC_OK, "%s",
                  err.message);
    check_texts("vocab.txt", t,
                json_object_get(json_object_get(golden, "tokenizers"), "wordpiece"));
    json = dsc_tok_json(t, &n);
    ck_assert_int_eq(dsc_tok_open_json(&again, json, n, NULL, 0, &err), DSC_OK);
    check_texts("its json", again,
                json_object_get(json_object_get(golden, "tokenizers"), "wordpiece"));
    dsc_tok_close(again);
    dsc_tok_close(t);
    free(vocab);
    json_decref(golden);
}
END_TEST

static const char mpnet_vocab[] = "<s>\n<pad>\n</s>\n\n[UNK]\nA\na\nb\n<mask>\n";

START_TEST(the_config_of_a_vocab_txt_is_followed)
{
    static const char config[] =
        "{\"tokenizer_class\": \"MPNetTokenizerFast\", \"do_lower_case\": false}";
    struct dsc_err err = {0};
    struct dsc_tok_enc e = {0};
    struct dsc_tok *t;
    const int64_t want[] = {0, 5, 6, 2, 2, 7, 8, 4, 2};
    struct dsc_tok_info info;

    dsc_tok_open_vocab(&t, mpnet_vocab, strlen(mpnet_vocab), config, strlen(config), &err);
    ck_assert_msg(t != NULL, "%s", err.message);
    encode(t,
           &(struct dsc_tok_in){
               .text = "A a", .n_text_bytes = 3, .pair = "b <mask>B", .n_pair_bytes = 9},
           &e);
    ck_assert_uint_eq(e.n, 9);
    ck_assert_mem_eq(e.ids, want, sizeof want);
    info = dsc_tok_info(t);
    ck_assert_int_eq(info.n_ids, 9);
    ck_assert_int_eq(info.pad_id, 1);
    ck_assert_str_eq(info.pad_token, "<pad>");
    ck_assert_int_eq(info.n_special_pair, 4);
    ck_assert_ptr_null(dsc_tok_token(t, 3, NULL));
    ck_assert_str_eq(dsc_tok_token(t, 5, NULL), "A");
    dsc_tok_enc_clear(&e);
    dsc_tok_close(t);
}
END_TEST

START_TEST(truncation_and_padding_fill_a_length)
{
    struct dsc_tok *t = open_named("wordpiece");
    struct dsc_tok_enc e = {0};
    struct dsc_err err = {0};
    struct dsc_tok_in in = {.text = "a b c d e f g h", .n_text_bytes = 15, .max_length = 5};

    encode(t, &in, &e);
    ck_assert_uint_eq(e.n, 5);
    ck_assert(e.is_truncated);
    ck_assert_int_eq(e.ids[4], dsc_tok_id(t, "[SEP]", 5));
    in.n_text_bytes = 5;
    encode(t, &in, &e);
    ck_assert(!e.is_truncated);
    ck_assert_int_eq(dsc_tok_pad(t, &e, 8, &err), DSC_OK);
    ck_assert_uint_eq(e.n, 8);
    for (int i = 0; i < 8; i++)
        ck_assert_int_eq(e.mask[i], i < 5);
    ck_assert_int_eq(e.ids[7], dsc_tok_info(t).pad_id);
    in.without_special = true;
    encode(t, &in, &e);
    ck_assert_uint_eq(e.n, 3);
    in.without_special = false;
    in.max_length = 1;
    ck_assert_int_eq(dsc_tok_encode(t, &in, &e, &err), DSC_E_USAGE);
    dsc_tok_enc_clear(&e);
    dsc_tok_close(t);
}
END_TEST

struct race {
    const struct dsc_tok *tok;
    const json_t *corpus, *ids;
    int n_wrong;
};

/* A tile encodes a tenth of the corpus with an encoding of its own. */
static void encode_tile(void *ctx, int64_t tile)
{
    struct race *r = ctx;
    struct dsc_tok_enc e = {0};

    for (size_t i = (size_t)tile; i < json_array_size(r->corpus); i += 10) {
        struct dsc_tok_in in = in_of(json_array_get(r->corpus, i));
        const json_t *want = json_array_get(r->ids, i);
        bool is_equal =
            dsc_tok_encode(r->tok, &in, &e, NULL) == DSC_OK && e.n == json_array_size(want);

        for (size_t k = 0; is_equal && k < e.n; k++)
            is_equal = e.ids[k] == json_integer_value(json_array_get(want, k));
        if (!is_equal)
            __atomic_fetch_add(&r->n_wrong, 1, __ATOMIC_RELAXED);
    }
    dsc_tok_enc_clear(&e);
}

START_TEST(threads_share_a_tokenizer)
{
    json_t *golden = load("golden.json"), *corpus = load_corpus();
    struct dsc_tok *t = open_named("unigram");
    struct race r = {.tok = t, .corpus = corpus};
    struct dsc_pool *pool;
    struct dsc_err err = {0};

    r.ids =
        json_object_get(json_object_get(json_object_get(golden, "tokenizers"), "unigram"), "ids");
    ck_assert_int_eq(dsc_pool_open(&pool, 3, &err), DSC_OK);
    dsc_parallel_for(pool, 10, encode_tile, &r);
    ck_assert_int_eq(r.n_wrong, 0);
    dsc_pool_close(pool);
    dsc_tok_close(t);
    json_decref(corpus);
    json_decref(golden);
}
END_TEST

START_TEST(text_that_is_not_utf8_is_named_with_its_byte)
{
    static const struct {
        const char *text;
        const char *where;
    } cases[] = {
        {"abc\xFF", "byte 3"},
        {"\xC3(", "byte 0"},                   /* a lead byte without its second */
        {"0123456789\xED\xA0\x80", "byte 10"}, /* a surrogate */
        {"\xC0\xAF", "byte 0"},                /* overlong */
        {"a\xF4\x90\x80\x80", "byte 1"},       /* above U+10FFFF */
        {"\xE2\x82", "byte 0"},                /* cut off */
    };
    struct dsc_tok *t = open_named("wordpiece");
    struct dsc_tok_enc e = {0};

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct dsc_err err = {0};
        struct dsc_tok_in in = {.text = cases[i].text, .n_text_bytes = strlen(cases[i].text)};

        ck_assert_int_eq(dsc_tok_encode(t, &in, &e, &err), DSC_E_ENCODING);
        ck_assert_str_eq(err.where, cases[i].where);
    }
    dsc_tok_enc_clear(&e);
    dsc_tok_close(t);
}
END_TEST

#define WORDPIECE(more) "\"model\": {\"type\": \"WordPiece\", \"vocab\": {\"a\": 0" more "}}"
#define BPE(more) \
    "{\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0, \"b\": 1, \"ab\": 2}, " more "}}"

static const struct {
    const char *json;
    enum dsc_status want;
    const char *says;
} bad[] = {
    {"", DSC_E_TRUNC, ""},
    {"hello", DSC_E_MAGIC, ""},
    {"[]", DSC_E_SCHEMA, "not a JSON object"},
    {"{" WORDPIECE(", \"b\": 1"), DSC_E_TRUNC, "too early"},
    {"{\"version\": \"2.0\", " WORDPIECE("") "}", DSC_E_VERSION, "2.0"},
    {"{}", DSC_E_SCHEMA, "no model"},
    {"{" WORDPIECE(", \"a\": 1") "}", DSC_E_DUP, "a"},
    {"{" WORDPIECE(", \"b\": 0") "}", DSC_E_DUP, "both have id 0"},
    {"{" WORDPIECE(", \"b\": -1") "}", DSC_E_SCHEMA, "'b'"},
    {"{" WORDPIECE(", \"b\": 1.5") "}", DSC_E_SCHEMA, "'b'"},
    {"{" WORDPIECE(", \"b\": 99999999999") "}", DSC_E_LIMIT, "99999999999"},
    {"{\"model\": {\"type\": \"WordPiece\", \"vocab\": {}}}", DSC_E_EMPTY, "empty"},
    {"{\"model\": {\"type\": \"WordLevel\", \"vocab\": {}}}", DSC_E_UNSUPPORTED, "WordLevel"},
    {"{\"surprise\": 1, " WORDPIECE("") "}", DSC_E_UNSUPPORTED, "surprise"},
    {"{\"normalizer\": {\"type\": \"Upper\"}, " WORDPIECE("") "}", DSC_E_UNSUPPORTED, "Upper"},
    {"{\"normalizer\": {\"type\": \"NFC\", \"x\": 1}, " WORDPIECE("") "}", DSC_E_UNSUPPORTED,
     "'x'"},
    {"{\"pre_tokenizer\": {\"type\": \"UnicodeScripts\"}, " WORDPIECE("") "}", DSC_E_UNSUPPORTED,
     "UnicodeScripts"},
    {"{\"post_processor\": {\"type\": \"Odd\"}, " WORDPIECE("") "}", DSC_E_UNSUPPORTED, "Odd"},
    {"{\"post_processor\": {\"type\": \"BertProcessing\", \"sep\": [\"s\", 7], \"cls\": [\"c\", "
     "0]},"
     " " WORDPIECE("") "}",
     DSC_E_INCONSISTENT, "id 7"},
    {"{\"added_tokens\": [{\"id\": 5, \"content\": \"x\"}], " WORDPIECE("") "}", DSC_E_INCONSISTENT,
     "next free id"},
    {"{\"added_tokens\": [{\"id\": 3, \"content\": \"a\"}], " WORDPIECE("") "}", DSC_E_INCONSISTENT,
     "'a'"},
    {"{\"padding\": {\"pad_id\": 9}, " WORDPIECE("") "}", DSC_E_INCONSISTENT, "id 9"},
    {"{\"truncation\": {\"strategy\": \"OnlyFirst\", \"max_length\": 3}, " WORDPIECE("") "}",
     DSC_E_UNSUPPORTED, "OnlyFirst"},
    {BPE("\"merges\": [\"a b\", \"a c\"]"), DSC_E_INCONSISTENT, "merge 1"},
    {BPE("\"merges\": [[\"b\", \"a\"]]"), DSC_E_INCONSISTENT, "what they make"},
    {BPE("\"merges\": [\"a b c\"]"), DSC_E_SCHEMA, "merge 0"},
    {BPE("\"merges\": [\"a b\", [\"a\", \"b\"]]"), DSC_E_DUP, "merge 1"},
    {BPE("\"merges\": [7]"), DSC_E_SCHEMA, "merge 0"},
    {BPE("\"merges\": [], \"dropout\": 0.1"), DSC_E_UNSUPPORTED, "dropout"},
    {"{\"model\": {\"type\": \"Unigram\", \"vocab\": [[\"a\"]]}}", DSC_E_SCHEMA, "token 0"},
    {"{\"model\": {\"type\": \"Unigram\", \"unk_id\": 1, \"vocab\": [[\"a\", 0]]}}", DSC_E_RANGE,
     "unk_id"},
    {"{\"normalizer\": {\"type\": \"Precompiled\", \"precompiled_charsmap\": \"AAAA\"}, " WORDPIECE(
         "") "}",
     DSC_E_TRUNC, "Precompiled"},
    {"{\"normalizer\": {\"type\": \"Precompiled\", \"precompiled_charsmap\": \"A*==\"}, " WORDPIECE(
         "") "}",
     DSC_E_SCHEMA, "base64"},
    {"{\"pre_tokenizer\": {\"type\": \"Split\", \"behavior\": \"Removed\", \"pattern\": {\"Regex\":"
     " \"(a\"}}, " WORDPIECE("") "}",
     DSC_E_UNSUPPORTED, "'(a'"},
    {"{\"pre_tokenizer\": {\"type\": \"Split\", \"behavior\": \"Removed\", \"pattern\": {\"Regex\":"
     " \"\\\\h\"}}, " WORDPIECE("") "}",
     DSC_E_UNSUPPORTED, "Ruby"},
};

START_TEST(a_bad_file_has_its_class_and_names_the_fault)
{
    struct dsc_err err;
    struct dsc_tok *t = open_text(bad[_i].json, &err);

    ck_assert_msg(t == NULL, "%s is accepted", bad[_i].json);
    ck_assert_msg(err.status == bad[_i].want, "%s: %s [%s]", bad[_i].json, err.message,
                  dsc_status_class(err.status));
    ck_assert_msg(strstr(err.message, bad[_i].says) != NULL, "%s: %s", bad[_i].json, err.message);
}
END_TEST

START_TEST(ids_without_a_token_are_allowed)
{
    struct dsc_err err;
    struct dsc_tok_enc e = {0};
    struct dsc_tok *t = open_text("{" WORDPIECE(", \"[UNK]\": 7") "}", &err);

    ck_assert_msg(t != NULL, "%s", err.message);
    ck_assert_int_eq(dsc_tok_info(t).n_ids, 8);
    ck_assert_ptr_null(dsc_tok_token(t, 3, NULL));
    encode(t, &(struct dsc_tok_in){.text = "xyz", .n_text_bytes = 3}, &e);
    ck_assert_int_eq(e.ids[0], 7);
    dsc_tok_enc_clear(&e);
    dsc_tok_close(t);
}
END_TEST

START_TEST(a_piece_that_stands_twice_has_its_last_id_and_score)
{
    static const char json[] = "{\"model\": {\"type\": \"Unigram\", \"vocab\": "
                               "[[\"a\", -1], [\"b\", -1], [\"ab\", -1], [\"ab\", -9]]}}";
    const int64_t want[] = {0, 1};
    struct dsc_err err;
    struct dsc_tok_enc e = {0};
    struct dsc_tok *t = open_text(json, &err);

    ck_assert_msg(t != NULL, "%s", err.message);
    ck_assert_int_eq(dsc_tok_id(t, "ab", 2), 3);
    encode(t, &(struct dsc_tok_in){.text = "ab", .n_text_bytes = 2}, &e);
    ck_assert_uint_eq(e.n, 2);
    ck_assert_mem_eq(e.ids, want, sizeof want);
    dsc_tok_enc_clear(&e);
    dsc_tok_close(t);
}
END_TEST

START_TEST(an_unknown_word_without_an_unknown_token_is_an_error)
{
    struct dsc_err err;
    struct dsc_tok_enc e = {0};
    struct dsc_tok *t = open_text("{" WORDPIECE("") "}", &err);

    ck_assert_msg(t != NULL, "%s", err.message);
    ck_assert_int_eq(
        dsc_tok_encode(t, &(struct dsc_tok_in){.text = "b", .n_text_bytes = 1}, &e, &err),
        DSC_E_INCONSISTENT);
    dsc_tok_enc_clear(&e);
    dsc_tok_close(t);
}
END_TEST

START_TEST(a_pattern_that_explodes_is_a_limit)
{
    static const char json[] =
        "{\"pre_tokenizer\": {\"type\": \"Split\", \"behavior\": \"Removed\", \"pattern\": "
        "{\"Regex\": \"(a|aa)+$\"}}, " WORDPIECE(", \"[UNK]\": 1") "}";
    struct dsc_err err;
    struct dsc_tok_enc e = {0};
    struct dsc_tok *t = open_text(json, &err);
    char text[61];

    ck_assert_msg(t != NULL, "%s", err.message);
    memset(text, 'a', 60);
    text[60] = 'b';
    ck_assert_int_eq(
        dsc_tok_encode(t, &(struct dsc_tok_in){.text = text, .n_text_bytes = 61}, &e, &err),
        DSC_E_LIMIT);
    ck_assert(strstr(err.message, "too many steps") != NULL);
    dsc_tok_enc_clear(&e);
    dsc_tok_close(t);
}
END_TEST

START_TEST(a_replacement_of_nothing_is_not_supported)
{
    struct dsc_err err;
    struct dsc_tok_enc e = {0};
    struct dsc_tok *t = open_text("{\"normalizer\": {\"type\": \"Replace\", \"content\": \"-\", "
                                  "\"pattern\": {\"Regex\": \"x*\"}}, " WORDPIECE("") "}",
                                  &err);

    ck_assert_msg(t != NULL, "%s", err.message);
    ck_assert_int_eq(
        dsc_tok_encode(t, &(struct dsc_tok_in){.text = "a", .n_text_bytes = 1}, &e, &err),
        DSC_E_UNSUPPORTED);
    dsc_tok_enc_clear(&e);
    dsc_tok_close(t);
}
END_TEST

START_TEST(a_cut_file_is_an_error_at_every_length)
{
    struct dsc_file f;
    struct dsc_err err = {0};
    struct dsc_tok *t;

    ck_assert_int_eq(dsc_file_open(&f, path_of("bytebpe.json"), 0, &err), DSC_OK);
    for (size_t n = 0; n < f.n_bytes; n += 97) {
        err = (struct dsc_err){0};
        ck_assert_int_ne(dsc_tok_open_json(&t, (const char *)f.data, n, NULL, 0, &err), DSC_OK);
        ck_assert_ptr_null(t);
    }
    dsc_file_close(&f);
}
END_TEST

START_TEST(a_broken_byte_never_crashes)
{
    struct dsc_file f;
    struct dsc_err err = {0};
    struct dsc_tok_enc e = {0};
    struct dsc_tok *t;
    char *copy;

    ck_assert_int_eq(dsc_file_open(&f, path_of("unigram.json"), 0, &err), DSC_OK);
    copy = malloc(f.n_bytes);
    for (size_t i = 0; i < 60; i++) {
        memcpy(copy, f.data, f.n_bytes);
        copy[(i * 7919 + 400) % f.n_bytes] ^= (char)(1 << i % 7);
        err = (struct dsc_err){0};
        if (dsc_tok_open_json(&t, copy, f.n_bytes, NULL, 0, &err) == DSC_OK)
            dsc_tok_encode(t, &(struct dsc_tok_in){.text = "ab \xC2\xBD\xEF\xAC\x81", 8}, &e, &err);
        dsc_tok_close(t);
    }
    free(copy);
    dsc_tok_enc_clear(&e);
    dsc_file_close(&f);
}
END_TEST

START_TEST(an_encoding_that_ran_out_of_memory_is_used_again)
{
    struct dsc_tok *t = open_named("unigram");
    struct dsc_tok_in in = {.text = "caf\xC3\xA9 \xC2\xBD 1234", .n_text_bytes = 13};
    struct dsc_tok_enc e = {0};
    size_t n_failed = 0;

    for (long k = 1; k < 60; k++) {
        struct dsc_err err = {0};

        dsc_heap_fail_at(k);
        n_failed += dsc_tok_encode(t, &in, &e, &err) == DSC_E_MEMORY;
        dsc_heap_fail_at(0);
        encode(t, &in, &e);
        ck_assert_int_eq(e.ids[0], 0);
        if (k % 2)
            dsc_tok_enc_clear(&e);
    }
    ck_assert_uint_gt(n_failed, 5);
    dsc_tok_enc_clear(&e);
    dsc_tok_close(t);
}
END_TEST

START_TEST(a_failed_allocation_leaves_nothing_behind)
{
    char *vocab = vocab_text();

    for (long k = 1; k < 400; k += k < 60 ? 1 : 37) {
        struct dsc_err err = {0};
        struct dsc_tok_enc e = {0};
        struct dsc_tok *t;
        enum dsc_status st;

        dsc_heap_fail_at(k);
        st = dsc_tok_open_vocab(&t, vocab, strlen(vocab), NULL, 0, &err);
        if (st == DSC_OK)
            st = dsc_tok_encode(t, &(struct dsc_tok_in){.text = "caf\xC3\xA9 x", .n_text_bytes = 7},
                                &e, &err);
        dsc_heap_fail_at(0);
        ck_assert_msg(st == DSC_OK || st == DSC_E_MEMORY, "allocation %ld: %s", k, err.message);
        dsc_tok_enc_clear(&e);
        dsc_tok_close(t);
    }
    free(vocab);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("tokenizer");
    TCase *t = tcase_create("ids"), *u = tcase_create("faults");
    SRunner *r = srunner_create(s);
    int n_failed;

    suite_add_tcase(s, t);
    suite_add_tcase(s, u);
    tcase_add_loop_test(t, ids_of_texts_and_cut_pairs_equal_hugging_faces, 0, 6);
    tcase_add_loop_test(t, ids_of_all_code_points_equal_hugging_faces, 0, 6);
    tcase_add_loop_test(t, normalizers_and_pre_tokenizers_equal_hugging_faces, 0, N_PROBES);
    tcase_add_loop_test(t, ids_of_minilm_equal_hugging_faces, 0, 2);
    tcase_add_test(t, a_vocab_txt_gives_the_ids_of_its_tokenizer_json);
    tcase_add_test(t, the_config_of_a_vocab_txt_is_followed);
    tcase_add_test(t, truncation_and_padding_fill_a_length);
    tcase_add_test(t, threads_share_a_tokenizer);
    tcase_add_test(u, text_that_is_not_utf8_is_named_with_its_byte);
    tcase_add_loop_test(u, a_bad_file_has_its_class_and_names_the_fault, 0,
                        (int)(sizeof bad / sizeof bad[0]));
    tcase_add_test(u, ids_without_a_token_are_allowed);
    tcase_add_test(u, a_piece_that_stands_twice_has_its_last_id_and_score);
    tcase_add_test(u, an_unknown_word_without_an_unknown_token_is_an_error);
    tcase_add_test(u, a_pattern_that_explodes_is_a_limit);
    tcase_add_test(u, a_replacement_of_nothing_is_not_supported);
    tcase_add_test(u, a_cut_file_is_an_error_at_every_length);
    tcase_add_test(u, a_broken_byte_never_crashes);
    tcase_add_test(u, an_encoding_that_ran_out_of_memory_is_used_again);
    tcase_add_test(u, a_failed_allocation_leaves_nothing_behind);
    srunner_run_all(r, CK_ENV);
    n_failed = srunner_ntests_failed(r);
    srunner_free(r);
    return n_failed != 0;
}
