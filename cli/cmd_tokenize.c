/* tokenize: the token ids of texts, one JSON line each. */
#include "data/encoding.h"
#include "inputs.h"

#include <string.h>

struct job {
    struct dsc_cmd *cmd;
    struct dsc_tok *tok;
    struct dsc_tok_enc enc;
    struct dsc_json line; /* one line of output */
    struct dsc_json *to;  /* the report's array instead, when it has standard output */
    bool is_pair, has_offsets;
    int32_t max_length;
    int64_t n_limit;
    int64_t n_texts, n_tokens, n_truncated;
};

/* [[lo, hi], ..] of the tokens, in characters or bytes of the text that each is of. */
static void put_spans(struct job *j, struct dsc_json *to, const char *key, bool is_in_chars)
{
    dsc_json_array(to, key);
    for (size_t i = 0; i < j->enc.n; i++) {
        const struct dsc_tok_offset *o = &j->enc.offsets[i];

        dsc_json_array(to, NULL);
        dsc_json_int(to, NULL, is_in_chars ? o->char_lo : o->lo);
        dsc_json_int(to, NULL, is_in_chars ? o->char_hi : o->hi);
        dsc_json_end(to);
    }
    dsc_json_end(to);
}

static void put_result(struct job *j)
{
    struct dsc_json *to = j->to ? j->to : &j->line;
    char token[1024];

    dsc_json_object(to, NULL);
    dsc_json_array(to, "ids");
    for (size_t i = 0; i < j->enc.n; i++)
        dsc_json_int(to, NULL, j->enc.ids[i]);
    dsc_json_end(to);
    dsc_json_array(to, "tokens");
    for (size_t i = 0; i < j->enc.n; i++) {
        size_t n = 0;
        const char *text = dsc_tok_token(j->tok, j->enc.ids[i], &n);

        snprintf(token, sizeof token, "%.*s", (int)n, text ? text : "");
        dsc_json_text(to, NULL, text ? token : NULL);
    }
    dsc_json_end(to);
    if (j->has_offsets) {
        put_spans(j, to, "offsets", true);
        put_spans(j, to, "bytes", false);
    }
    if (j->is_pair) {
        dsc_json_array(to, "type_ids");
        for (size_t i = 0; i < j->enc.n; i++)
            dsc_json_int(to, NULL, j->enc.type_ids[i]);
        dsc_json_end(to);
    }
    dsc_json_end(to);
}

/* `what` and `number` name the text in an error: "line 3", "row 17". */
static enum dsc_status one_text(struct job *j, const struct dsc_tok_in *in, const char *what,
                                int64_t number, struct dsc_err *err)
{
    char inner[sizeof err->where];

    if (dsc_tok_encode(j->tok, in, &j->enc, err) != DSC_OK) {
        memcpy(inner, err->where, sizeof inner);
        snprintf(err->where, sizeof err->where, "%s %lld%s%.200s", what, (long long)number,
                 inner[0] ? ", " : "", inner);
        return err->status == DSC_E_ENCODING ? err->status : dsc_err_file(err, j->cmd->args[0]);
    }
    put_result(j);
    j->n_texts++;
    j->n_tokens += (int64_t)j->enc.n;
    j->n_truncated += j->enc.is_truncated;
    if (!j->to) {
        dsc_bytes_text(&j->line.text, "\n");
        if (j->line.text.is_failed)
            return dsc_fail(err, DSC_E_MEMORY, "no memory for a line of output");
        fwrite(j->line.text.data, 1, j->line.text.n_bytes, j->cmd->out);
        j->line.text.n_bytes = 0;
    }
    if (ferror(j->cmd->out)) /* nobody reads on: stop now, main reports it */
        return dsc_fail(err, DSC_E_IO, "standard output: cannot write");
    return dsc_cmd_stopped(j->cmd, err);
}

static enum dsc_status from_data(struct job *j, const char *path, const struct dsc_data_spec *spec,
                                 struct dsc_err *err)
{
    struct dsc_dataset d = {0};
    enum dsc_status st = DSC_OK;

    DSC_TRY(dsc_data_read(&d, path, spec, j->cmd->arena, err));
    j->is_pair = d.text_b != NULL;
    for (size_t i = 0; i < d.n && st == DSC_OK && j->n_texts < j->n_limit; i++) {
        struct dsc_tok_in in = {.text = d.text[i].data,
                                .n_text_bytes = d.text[i].n_bytes,
                                .max_length = j->max_length,
                                .wants_offsets = j->has_offsets};

        if (d.text_b) {
            in.pair = d.text_b[i].data;
            in.n_pair_bytes = d.text_b[i].n_bytes;
        }
        st = one_text(j, &in, "row", d.row[i] + 1, err);
    }
    dsc_dataset_close(&d);
    return st;
}

/* The next line of standard input without its end; *is_end when there is none. */
static enum dsc_status next_line(const struct dsc_cmd *cmd, struct dsc_bytes *line, bool *is_end,
                                 struct dsc_err *err)
{
    char chunk[4096];
    size_t n = 0;
    int c;

    line->n_bytes = 0;
    while ((c = getc_unlocked(stdin)) != EOF && c != '\n') {
        chunk[n++] = (char)c;
        if (n == sizeof chunk) {
            dsc_bytes_add(line, chunk, n);
            n = 0;
        }
        if (line->n_bytes > DSC_DATA_FIELD_MAX_BYTES)
            return dsc_fail(err, DSC_E_LIMIT, "a line of more than %d bytes",
                            DSC_DATA_FIELD_MAX_BYTES);
    }
    dsc_bytes_add(line, chunk, n);
    *is_end = c == EOF && line->n_bytes == 0;
    DSC_TRY(dsc_cmd_stopped(cmd, err)); /* before ferror: a signal ends a read with an error */
    if (ferror(stdin))
        return dsc_fail(err, DSC_E_IO, "cannot read standard input");
    if (line->is_failed)
        return dsc_fail(err, DSC_E_MEMORY, "no memory for a line of input");
    return DSC_OK;
}

static enum dsc_status one_line(struct job *j, const struct dsc_bytes *line,
                                enum dsc_encoding_errors how, struct dsc_err *err)
{
    struct dsc_tok_in in = {.text = line->data ? (const char *)line->data : "",
                            .n_text_bytes = line->n_bytes,
                            .max_length = j->max_length,
                            .wants_offsets = j->has_offsets};
    struct dsc_bytes fixed = {0};
    enum dsc_status st;

    if (how == DSC_ENCODING_REPLACE && line->n_bytes > 0) {
        dsc_utf8_replace(&fixed, line->data, line->n_bytes);
        in.text = (const char *)fixed.data;
        in.n_text_bytes = fixed.n_bytes;
    }
    if (fixed.is_failed)
        st = dsc_fail(err, DSC_E_MEMORY, "no memory for a line of input");
    else
        st = one_text(j, &in, "line", j->n_texts + 1, err);
    dsc_bytes_clear(&fixed);
    return st;
}

/* Each line of standard input is one text. */
static enum dsc_status from_lines(struct job *j, const struct dsc_data_spec *spec,
                                  struct dsc_err *err)
{
    struct dsc_bytes line = {0};
    enum dsc_status st = DSC_OK;
    bool is_end = false;

    while (st == DSC_OK && j->n_texts < j->n_limit) {
        st = next_line(j->cmd, &line, &is_end, err);
        if (is_end || st != DSC_OK)
            break;
        st = one_line(j, &line, spec->encoding_errors, err);
    }
    dsc_bytes_clear(&line);
    return st;
}

static enum dsc_status encode(struct job *j, struct dsc_err *err)
{
    const char *data = dsc_opt_text(j->cmd, DSC_OPT_data);
    struct dsc_data_spec spec;

    DSC_TRY(dsc_cmd_data_spec(j->cmd, &spec, err));
    if (!data && (spec.columns || spec.split.train))
        return dsc_fail(err, DSC_E_USAGE, "--columns and --split need --data");
    DSC_TRY(dsc_cmd_check_part(&spec, err));
    DSC_TRY(dsc_cmd_check_used(j->cmd, err));
    spec.target = DSC_TARGET_NONE;
    if (data)
        return from_data(j, data, &spec, err);
    return from_lines(j, &spec, err);
}

static enum dsc_status run(struct dsc_cmd *cmd, struct dsc_err *err)
{
    struct job j = {.cmd = cmd, .n_limit = INT64_MAX};
    enum dsc_status st;

    j.max_length = (int32_t)dsc_opt_int(cmd, DSC_OPT_max_length);
    j.has_offsets = dsc_opt_flag(cmd, DSC_OPT_offsets);
    if (dsc_opt_is_set(cmd, DSC_OPT_limit))
        j.n_limit = dsc_opt_int(cmd, DSC_OPT_limit);
    DSC_TRY(dsc_cmd_tokenizer(cmd, cmd->args[0], &j.tok, err));
    if (cmd->out == cmd->null_out) {
        j.to = &cmd->json;
        dsc_json_array(&cmd->json, "texts");
    }
    st = encode(&j, err);
    if (j.to)
        dsc_json_end(&cmd->json);
    dsc_json_int(&cmd->json, "n", j.n_texts);
    dsc_json_int(&cmd->json, "n_tokens", j.n_tokens);
    dsc_json_int(&cmd->json, "n_truncated", j.n_truncated);
    dsc_tok_enc_clear(&j.enc);
    dsc_json_clear(&j.line);
    dsc_tok_close(j.tok);
    return st;
}

const struct dsc_command dsc_command_tokenize = {
    .name = "tokenize",
    .args = "MODEL",
    .summary = "print the token ids of texts",
    .about = "Prints one JSON line for each text: {\"ids\":[..],\"tokens\":[..]}, special tokens "
             "included, and type_ids for pairs. Without --data each line of standard input is one "
             "text; --data - reads a TSV, CSV or JSONL file from there.\n"
             "--offsets adds \"offsets\" and \"bytes\": [first, after last] character and byte of "
             "the text that each token stands for, as Hugging Face's tokenizers give them; "
             "special tokens have [0,0].\n"
             "MODEL is a tokenizer.json, a vocab.txt, a folder that holds one, or an ONNX file "
             "that carries one.",
    .examples = "echo 'free prize' | dscompress tokenize model/tokenizer.json\n"
                "dscompress tokenize model/ --data texts.tsv --max-length 128 > ids.jsonl",
    .n_args_min = 1,
    .n_args_max = 1,
    .run = run,
};
