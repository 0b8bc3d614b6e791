/*
 * Speed of tokenizers on real text, one thread: MiniLM's WordPiece, and the small BPE and Unigram
 * of tests/golden, over the lines of the SMS asset (without it, of the golden corpus).
 */
#include "dsc/io.h"
#include "formats_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Encode every line once; the number of tokens. */
static size_t encode_lines(const struct dsc_tok *t, const struct dsc_file *f, struct dsc_tok_enc *e)
{
    const char *s = (const char *)f->data, *end = s + f->n_bytes;
    size_t n_tokens = 0;

    while (s < end) {
        const char *nl = memchr(s, '\n', (size_t)(end - s));
        size_t n = (size_t)((nl ? nl : end) - s);
        struct dsc_err err = {0};

        if (dsc_tok_encode(t, &(struct dsc_tok_in){.text = s, .n_text_bytes = n}, e, &err)) {
            fprintf(stderr, "bench: %s (%s)\n", err.message, err.where);
            exit(1);
        }
        n_tokens += e->n;
        s += n + 1;
    }
    return n_tokens;
}

static void measure(const char *folder, const char *name, const struct dsc_file *text)
{
    struct dsc_tok_enc e = {0};
    struct dsc_err err = {0};
    struct dsc_tok *t;
    double best = 1e9, opened = now();
    size_t n_tokens = 0;
    char path[4096];

    snprintf(path, sizeof path, "%s/%s", folder, name);
    if (dsc_tok_open_file(&t, path, &err)) {
        printf("%-32s skipped: %s\n", name, err.message);
        return;
    }
    opened = now() - opened;
    for (int i = 0; i < 5; i++) {
        double start = now(), took;

        n_tokens = encode_lines(t, text, &e);
        took = now() - start;
        best = took < best ? took : best;
    }
    printf("%-32s %-9s %8zu tokens %12.0f tokens/s %8.1f MB/s, opened in %.0f ms\n", name,
           dsc_tok_info(t).model, n_tokens, (double)n_tokens / best,
           1e-6 * (double)text->n_bytes / best, 1e3 * opened);
    dsc_tok_enc_clear(&e);
    dsc_tok_close(t);
}

int main(void)
{
    static const char *const small[] = {"wordpiece.json", "bytebpe.json", "charbpe.json",
                                        "unigram.json"};
    const char *assets = getenv("DSC_ASSETS"), *golden = getenv("GOLDEN");
    struct dsc_err err = {0};
    struct dsc_file text;
    char path[4096];

    snprintf(path, sizeof path, "%s/sms.tsv", assets ? assets : "");
    if (!assets || dsc_file_open(&text, path, 0, &err)) {
        snprintf(path, sizeof path, "%s/tokenizers/corpus.jsonl", golden ? golden : "");
        err = (struct dsc_err){0};
        if (dsc_file_open(&text, path, 0, &err)) {
            puts("bench: skipped, neither DSC_ASSETS nor GOLDEN is set");
            return 77;
        }
    }
    printf("text: %s, %zu bytes\n", path, text.n_bytes);
    measure(assets ? assets : "", "minilm/tokenizer.json", &text);
    measure(assets ? assets : "", "minilm/vocab.txt", &text);
    snprintf(path, sizeof path, "%s/tokenizers", golden ? golden : "");
    for (size_t i = 0; i < sizeof small / sizeof small[0]; i++)
        measure(path, small[i], &text);
    dsc_file_close(&text);
    return 0;
}
