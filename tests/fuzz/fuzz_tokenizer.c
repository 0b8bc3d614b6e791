/* tokenizer.json, or vocab.txt when the bytes do not begin with '{'; what opens must encode. */
#include "formats_text.h"
#include "fuzz.h"

#include <string.h>

static const char *const texts[] = {
    "",
    "Claim your FREE prize now! 12,345 \xE2\x82\xAC",
    "\xC3\xA9\xCC\x81 \xE4\xBD\xA0\xE5\xA5\xBD\t\xF0\x9F\x98\x80\r\n\xEF\xBF\xBD[MASK]  x",
    "\x01\x7F\xC2\xA0 aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
};

/* Offsets lie in the text that they are said to be of. */
static void check_offsets(const struct dsc_tok_in *in, const struct dsc_tok_enc *enc)
{
    for (size_t k = 0; k < enc->n; k++) {
        const struct dsc_tok_offset *o = &enc->offsets[k];
        const size_t n = o->which < 0 ? 0 : o->which == 0 ? in->n_text_bytes : in->n_pair_bytes;

        if (o->which > 1 || o->lo > o->hi || o->hi > n || o->char_lo > o->char_hi ||
            o->char_hi > n || o->char_lo > o->lo)
            __builtin_trap();
    }
}

static void encode(const struct dsc_tok *tok)
{
    const struct dsc_tok_info info = dsc_tok_info(tok);
    struct dsc_tok_enc enc = {0};

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        const char *pair = texts[(i + 1) % (sizeof texts / sizeof texts[0])];
        const struct dsc_tok_in in = {.text = texts[i],
                                      .n_text_bytes = strlen(texts[i]),
                                      .pair = i % 2 ? pair : NULL,
                                      .n_pair_bytes = i % 2 ? strlen(pair) : 0,
                                      .max_length = i > 1 ? 16 : 0,
                                      .wants_offsets = i != 2};
        struct dsc_err err = {0};
        const enum dsc_status st = dsc_tok_encode(tok, &in, &enc, &err);

        fuzz_check(st, &err);
        for (size_t k = 0; st == DSC_OK && k < enc.n; k++)
            if (enc.ids[k] < 0 || enc.ids[k] >= info.n_ids)
                __builtin_trap(); /* a row behind the end of the embedding */
        if (st == DSC_OK && in.wants_offsets)
            check_offsets(&in, &enc);
        if (st == DSC_OK)
            dsc_tok_pad(tok, &enc, 32, &err);
    }
    dsc_tok_enc_clear(&enc);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes)
{
    static const char config[] = "{\"do_lower_case\": true, \"pad_token\": \"[PAD]\"}";
    const char *text = (const char *)data;
    struct dsc_tok *tok = NULL;
    struct dsc_err err = {0};
    enum dsc_status st;

    if (n_bytes && data[0] == '{')
        st = dsc_tok_open_json(&tok, text, n_bytes, NULL, 0, &err);
    else
        st = dsc_tok_open_vocab(&tok, text, n_bytes, config, sizeof config - 1, &err);
    fuzz_check(st, &err);
    if (st == DSC_OK) {
        fuzz_note("opened");
        encode(tok);
        dsc_tok_close(tok);
    }
    return 0;
}
