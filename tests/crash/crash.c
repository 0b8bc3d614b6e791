/*
 * The n-th allocation of a verb fails, for n = 1, 2, 3 .. until the verb passes: every such run
 * must end with the exit status of MEMORY and one line of error, and leave no file behind; under
 * AddressSanitizer also nothing in memory.
 *
 *     crash [-a] MODELS       -a: every n up to ALL, else up to EARLY, and some after it
 *     crash -v VERB N MODELS  that run alone, its standard error shown
 *
 * Each run is a child by fork, before any thread is started, that calls main of the program.
 * Results are TAP: a verb is a test.
 */
#include "dsc/arena.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MAX_ARGS = 40, EARLY = 12, LATER = 12, ALL = 4000, EXIT_MEMORY = 71, MAX_SHOWN = 8 };

int dscompress_main(int argc, char **argv);

/* Arguments are separated by blanks; % is the folder of models. Files of earlier verbs are in ..
 * bench is not here: how often it allocates depends on the clock. */
struct verb {
    const char *name;
    const char *args;
};

static const struct verb verbs[] = {
    {"inspect", "inspect %/hf/sentence-mean --tensors --stats --json"},
    {"inspect-flops", "inspect %/torch/mlp_ts.onnx --flops --shapes x:2x10 --validate"},
    {"inspect-functions", "inspect %/onnx/functions.onnx"},
    {"inspect-safetensors", "inspect %/hf/sentence-mean/model.safetensors"},
    {"inspect-gguf", "inspect %/gguf/types.gguf --stats --json"},
    {"inspect-hdf5", "inspect %/hdf5/types.h5 --stats --json"},
    {"inspect-keras", "inspect %/keras/nested.keras --validate"},
    {"inspect-pt", "inspect %/pt/nested.pt --validate"},
    {"inspect-legacy", "inspect %/pt/legacy.pt --validate"},
    {"inspect-formats", "inspect --diff %/pt/state.pt %/pt/script.pt"},
    {"run", "run %/hf/sentence-mean --inputs %/hf/sentence-mean.short.in.npz -o out.npz -j 1"},
    {"run-folder", "run %/onnx/dense.onnx --inputs %/onnx/dense.set -o out/ -j 1"},
    {"run-threads", "run %/torch/mixed_ts.onnx --inputs %/torch/mixed.in.npz -o mixed.npz -j 3"},
    {"tokenize", "tokenize %/hf/sentence-mean --data ../rows.tsv --max-length 8 --json"},
    {"tokenize-bpe", "tokenize %/tokenizers/bytebpe.json --data ../rows.jsonl"},
    {"tokenize-roberta", "tokenize %/tokenizers/roberta.json --data ../rows.csv"},
    {"tokenize-unigram", "tokenize %/tokenizers/t5.json --data ../rows.csv"},
    {"tokenize-offsets", "tokenize %/tokenizers/t5.json --data ../rows.csv --offsets"},
    {"tokenize-spans", "tokenize %/tokenizers/roberta.json --data ../rows.csv --offsets --json"},
    {"tokenize-vocab", "tokenize %/hf/bert/base --data ../rows.csv"},
    {"train", "train %/hf/sentence-mean --train ../rows.tsv --eval ../rows.tsv --split 50/25/25 "
              "--positive spam --epochs 1 --batch 4 --max-length 8 -j 1 -q -o base.onnx"},
    {"train-state",
     "train %/hf/sentence-mean --train ../rows.tsv --positive spam --epochs 1 "
     "--batch 8 --max-length 8 --grad-checkpoint -j 1 -q --state state -f -o s.onnx"},
    {"eval", "eval ../base.onnx --data ../rows.tsv --confusion --predictions p.jsonl -j 1"},
    {"eval-json", "eval ../base.onnx --data ../rows.jsonl --json=eval.json -j 2"},
    {"calibrate", "calibrate ../base.onnx --data ../rows.tsv -o a.ranges -j 1"},
    {"calibrate-merge", "calibrate --merge ../a.ranges ../a.ranges -o b.ranges"},
    {"quantize-static", "quantize ../base.onnx --calib ../rows.tsv -j 1 -o static.onnx"},
    {"quantize-ranges", "quantize ../base.onnx --calib ../rows.tsv --ranges ../a.ranges "
                        "--observer entropy --target tensorrt --symmetric weights,activations "
                        "--exclude attention -j 1 -o ranges.onnx --json"},
    {"quantize-dynamic", "quantize ../base.onnx --method dynamic -j 1 -o dynamic.onnx"},
    {"quantize-sensitivity", "quantize ../base.onnx --calib ../rows.tsv --sensitivity=t.json "
                             "--exclude encoder --target-size 1MB --max-drop log-loss=5 "
                             "--save-plan p.json -j 1 -o mixed.onnx --json"},
    {"quantize-plan", "quantize ../base.onnx --calib ../rows.tsv --plan ../p.json -j 1 -o p.onnx"},
    {"quantize-measured", "quantize ../base.onnx --calib ../rows.tsv --sensitivity=../t.json "
                          "--exclude encoder --retain accuracy=1% -j 1 -o r.onnx"},
    {"quantize-qat", "quantize ../base.onnx --method qat --train ../rows.tsv --epochs 1 "
                     "--batch 4 --freeze-observers 2 -j 1 -q -o qat.onnx"},
    {"quantize-w2a8", "quantize ../base.onnx --method qat --train ../rows.tsv --epochs 1 "
                      "--batch 4 --freeze-observers 2 --scheme w2a8 --embeddings w2 "
                      "--act-quantizer lsq+ --stochastic-rounding -j 1 -q -o w2.onnx"},
    {"train-w2a8", "train ../w2.onnx --train ../rows.tsv --epochs 1 --batch 8 -j 1 -q -o t2.onnx"},
    {"prune", "prune ../base.onnx --pattern 2:4 -j 1 -o pruned.onnx --json"},
    {"prune-blocks", "prune ../base.onnx --pattern block:2x2 --sparsity 0.5 --scope global "
                     "--exclude classifier -j 1 -o blocks.onnx"},
    {"prune-heads", "prune ../base.onnx --pattern heads --sparsity 0.5 -j 1 -o heads.onnx --json"},
    {"prune-ffn", "prune ../base.onnx --pattern ffn --sparsity 0.5 --scope global -j 1 -o f.onnx"},
    {"prune-vocab", "prune ../base.onnx --pattern vocab --data ../rows.tsv -j 1 -o v.onnx --json"},
    {"prune-layers", "prune ../base.onnx --pattern layers --sparsity 0.5 -j 1 -o l.onnx --json"},
    {"prune-lowrank", "prune ../base.onnx --pattern lowrank --sparsity 0.4 --data ../rows.tsv -j 1 "
                      "-o lr.onnx --json"},
    {"prune-movement", "prune ../base.onnx --pattern unstructured --sparsity 0.5 --importance "
                       "movement --train ../rows.tsv --epochs 1 --batch 8 -j 1 -q -o pm.onnx"},
    {"prune-train", "prune ../base.onnx --pattern unstructured --sparsity 0.5 --schedule cubic "
                    "--train ../rows.tsv --epochs 1 --batch 8 --teacher self -j 1 -q -o pt.onnx"},
    {"prune-taylor", "prune ../base.onnx --pattern ffn --sparsity 0.5 --importance taylor "
                     "--train ../rows.tsv --epochs 1 --batch 8 -j 1 -q -o py.onnx"},
    {"train-pruned", "train ../pruned.onnx --train ../rows.tsv --epochs 1 --batch 8 --max-length 8 "
                     "-j 1 -q -o tp.onnx"},
    {"distill-terms",
     "distill ../base.onnx --teacher ../base.onnx --train ../rows.tsv --term hidden --term "
     "attention --term relation2,heads=8 --term rkd --term crd --augment 1 --epochs 1 --batch 8 "
     "--max-length 8 -j 1 -q -o dt.onnx"},
    {"distill-student",
     "distill --student-spec layers=1,hidden=16,heads=2,ffn=24,vocab=80,embedding=8 --teacher "
     "../base.onnx --train ../rows.tsv --epochs 1 --batch 8 --max-length 8 -j 1 -q -o ds.onnx"},
    {"gate", "gate ../static.onnx --baseline ../base.onnx --data ../rows.tsv --max-drop f1=1 "
             "--min accuracy=0 --retain accuracy=1% --confidence 0.9 --junit j.xml -j 1"},
    {"gate-speed", "gate ../dynamic.onnx --baseline ../base.onnx --data ../rows.tsv "
                   "--min-speedup 0.001 --max-size 1MB --max-params 1M --format github -j 1"},
    {"diagnose", "diagnose ../base.onnx ../static.onnx --data ../rows.tsv --find-excludes "
                 "--max-drop log-loss=0.00001 -j 1 --json"},
    {"export-ort", "export ../static.onnx --target ort --verify ../rows.tsv --tolerance 1 -j 1 "
                   "-o ort.onnx"},
    {"export-tensorrt", "export ../ranges.onnx --target tensorrt -o tensorrt.onnx"},
    {"export-safetensors", "export ../base.onnx --target safetensors -o e.safetensors"},
    {"export-half", "export ../base.onnx --dtype fp16 -o half.onnx"},
    {"export-bf16", "export ../base.onnx --dtype bf16 -o bf16.onnx"},
    {"export-gguf", "export %/gguf/types.gguf --target gguf --dtype q4_K -j 1 -o e.gguf"},
    {"export-hdf5", "export %/hdf5/types.h5 --target hdf5 -o e.h5"},
    {"export-keras", "export %/keras/recurrent.keras -o keras.onnx"},
    {"export-arch", "export %/pt/nested.pt --arch %/pt/net.onnx -o arch.onnx"},
    {"export-folder", "export %/hf/bert/cls -o folder/"},
    {"train-dropout", "train ../base.onnx --train ../rows.tsv --epochs 1 --batch 8 --dropout 0.2 "
                      "--max-length 8 --freeze embeddings -j 1 -q -o dropout.onnx"},
    {"train-merged", "train %/torch/fresh_bert_ts.onnx --tokenizer "
                     "%/hf/sentence-mean/vocab.txt --train ../numbered.tsv --epochs 1 "
                     "--batch 16 --max-length 6 -j 1 -q -o merged.onnx"},
    {"inspect-diff", "inspect --diff ../base.onnx ../dropout.onnx --json"},
    {"quantize-only-ranges", "quantize ../base.onnx --ranges ../a.ranges -j 1 -o only.onnx"},
    {"quantize-gptq",
     "quantize ../base.onnx --method weight-only --scheme w4 --granularity group:4 "
     "--calib ../rows.tsv -j 1 -o gptq.onnx"},
    {"quantize-awq", "quantize ../base.onnx --method weight-only --scheme w4 --granularity group:4 "
                     "--calib ../rows.tsv --rounding awq --embeddings w4 -j 1 -o awq.onnx"},
    {"quantize-nbits", "quantize ../base.onnx --method weight-only --scheme w4 --target ort "
                       "--granularity group:16 --calib ../rows.tsv -j 1 -o nbits.onnx"},
    {"eval-nbits", "eval ../nbits.onnx --data ../rows.tsv -j 1"},
    {"eval-static", "eval ../static.onnx --data ../rows.tsv --predictions p.jsonl -j 1"},
    {"diagnose-nbits", "diagnose ../base.onnx ../nbits.onnx --data ../rows.tsv -j 1 --json"},
    {"train-arrays", "train %/mlp/binary.onnx --train %/mlp/binary.npz --eval %/mlp/binary.npz "
                     "--split 80/10/10 --epochs 1 --batch 300 -j 1 -q -o binary.onnx"},
    {"eval-arrays", "eval %/mlp/values.onnx --data %/mlp/values.npz --limit 9 -j 1"},
    {"quantize-arrays", "quantize %/mlp/classes.onnx --calib %/mlp/classes.npz -j 1 -o ca.onnx"},
    {"quantize-drawn", "quantize %/mlp/values.onnx --method dynamic -j 1 -o drawn.onnx"},
    {"recipe",
     "eval %/mlp/values.onnx --data %/mlp/values.npz --recipe ../r.yaml --set limit=3 -j 1"},
    {"print-recipe", "gate m.onnx --recipe ../r.yaml --print-recipe"},
    {"pipeline", "pipeline ../p.yaml --set limit=3 -n --state st --json"},
    {"print-pipeline", "pipeline ../p.yaml --print-recipe"},
    {"completion", "completion bash"},
    {"doctor", "doctor"},
    {"help", "help --man train"},
};
enum { N_VERBS = sizeof verbs / sizeof verbs[0] };

struct run {
    const char *models;
    long *left; /* shared: what was left of the countdown when the child ended */
    bool is_shown;
};

static long *left_at_exit;

static void note_left(void)
{
    *left_at_exit = dsc_heap_fail_at(0);
}

static void die(const char *what)
{
    perror(what);
    exit(99);
}

/* "a %/b" -> {"dscompress", "a", "MODELS/b"}; never freed */
static int split(const char *args, const char *models, char **argv)
{
    char *text = strdup(args), *save = NULL;
    int n = 0;

    argv[n++] = strdup("dscompress");
    for (char *w = strtok_r(text, " ", &save); w && n < MAX_ARGS - 1;
         w = strtok_r(NULL, " ", &save)) {
        if (*w != '%')
            argv[n++] = strdup(w);
        else if (asprintf(&argv[n], "%s%s", models, w + 1) >= 0)
            n++;
    }
    free(text);
    argv[n] = NULL;
    return n;
}

static void run_child(const struct run *r, const struct verb *v, long k)
{
    char *argv[MAX_ARGS];
    const int argc = split(v->args, r->models, argv);

    if (chdir("case") != 0)
        die("chdir");
    if (!freopen("/dev/null", "r", stdin) || !freopen("../stdout", "w", stdout) ||
        (!r->is_shown && !freopen("../stderr", "w", stderr)))
        _exit(99);
    left_at_exit = r->left;
    atexit(note_left);
    dsc_heap_fail_at(k);
    exit(dscompress_main(argc, argv));
}

/* The exit status, or -signal. */
static int run_once(const struct run *r, const struct verb *v, long k)
{
    pid_t pid;
    int status = 0;

    *r->left = LONG_MIN;
    fflush(stdout);
    pid = fork();
    if (pid == 0)
        run_child(r, v, k);
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        die("fork");
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static bool is_empty(const char *path)
{
    DIR *d = opendir(path);
    const struct dirent *e;
    int n = 0;

    if (!d)
        die(path);
    while ((e = readdir(d)))
        n += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
    closedir(d);
    return n == 0;
}

/* What a run leaves must be what the run without a fault leaves, file by file; the JSON report of a
 * failure and the state of a resumable run may differ. */
static bool is_left_right(bool must_be_all)
{
    char command[160];

    if (!must_be_all && is_empty("case"))
        return true;
    snprintf(command, sizeof command,
             "diff -rq -x '*.json' -x state case want | grep -v '^Only in want' >diff; %s; "
             "test ! -s diff",
             must_be_all ? "diff -rq -x '*.json' -x state case want >>diff" : "true");
    return system(command) == 0;
}

/* What was printed, without digits: some are times. */
static bool is_stdout_right(void)
{
    return system("tr -s '0-9. ' ' ' <stdout >out.now; tr -s '0-9. ' ' ' <stdout.want >out.want; "
                  "cmp -s out.now out.want") == 0;
}

/* One line of error, of class MEMORY; a hint and warnings may stand beside it. */
static bool is_one_error(char *shown, size_t n_shown)
{
    FILE *f = fopen("stderr", "r");
    char line[256];
    int n_errors = 0, n_other = 0;

    *shown = '\0';
    while (f && fgets(line, sizeof line, f)) {
        line[strcspn(line, "\n")] = '\0';
        if (strncmp(line, "dscompress: error: ", 19) == 0 && strstr(line, " [MEMORY]"))
            n_errors++;
        else if (strncmp(line, "dscompress: ", 12) != 0 && strncmp(line, "  hint: ", 8) != 0)
            n_other++;
        else if (strncmp(line, "dscompress: error: ", 19) != 0)
            continue;
        if (!*shown || strncmp(line, "dscompress: error: ", 19) == 0)
            snprintf(shown, n_shown, "%s", line);
    }
    if (f)
        fclose(f);
    return n_errors == 1 && n_other == 0;
}

static void empty_case(void)
{
    if (!is_empty("case") && system("rm -rf case && mkdir case") != 0)
        die("case");
}

/* The same command without a fault goes on from the state that is there. */
static bool is_resumed(const struct run *r, const struct verb *v)
{
    return run_once(r, v, 0) == 0 && is_left_right(true);
}

/* A fault either ends the run with MEMORY, or nothing came of it: same files, same output. */
static bool check_fault(const struct run *r, const struct verb *v, int want, long k)
{
    const int code = run_once(r, v, k);
    char shown[256];
    const bool has_line = is_one_error(shown, sizeof shown);
    const bool has_files = is_left_right(code == want),
               is_harmless = code == want && is_stdout_right();
    bool is_good =
        has_files && ((is_harmless && *r->left <= 0) || /* else a child's may have failed */
                      (code == EXIT_MEMORY && has_line));

    if (is_good && code != want && strstr(v->args, "--state") && !is_resumed(r, v)) {
        printf("# %s, allocation %ld: the next run does not go on\n", v->name, k);
        is_good = false;
    } else if (!is_good) {
        printf("# %s, allocation %ld: exit status %d%s%s%s\n", v->name, k, code,
               *r->left == LONG_MIN ? ", died" : "", has_files ? "" : ", files left behind",
               code == want && !is_harmless ? ", other output" : "");
        printf("#   %s\n", shown);
    }
    empty_case();
    return is_good;
}

/* The verb as it is, which makes the files for later ones and counts the allocations. */
static bool check_verb(const struct run *r, const struct verb *v, bool is_all, bool is_chosen)
{
    const long n_early = is_all ? ALL : EARLY;
    int n_bad = 0, code;
    long n_allocs, step, n_runs = 0;

    empty_case();
    code = run_once(r, v, LONG_MAX);
    n_allocs = LONG_MAX - *r->left;
    if (code != 0 && !(code == 1 && strstr(v->args, "--diff"))) {
        printf("# %s: exit status %d without a fault\n", v->name, code);
        return false;
    }
    if (system(
            "cp -R case/. .; rm -rf want; mv case want && mkdir case && mv stdout stdout.want") !=
        0)
        die("cp");
    if (!is_chosen)
        return true;
    step = n_allocs <= n_early + LATER ? 1 : (n_allocs - n_early) / LATER + 1;
    for (long k = 1; k <= n_allocs && n_bad < MAX_SHOWN; k += k <= n_early ? 1 : step) {
        n_bad += !check_fault(r, v, code, k);
        n_runs++;
    }
    printf("# %s: %ld allocations, %ld of them failed\n", v->name, n_allocs, n_runs);
    return n_bad == 0;
}

static void write_rows(const char *path, const char *header, const char *format)
{
    FILE *f = fopen(path, "w");

    if (!f)
        die(path);
    fputs(header, f);
    for (int i = 0; i < 8; i++) {
        fprintf(f, format, "claim your prize", i, "now", "spam");
        fprintf(f, format, "see you at", i, "today", "ham");
    }
    if (fclose(f) != 0)
        die(path);
}

static void write_text(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");

    if (!f || fputs(text, f) < 0 || fclose(f) != 0)
        die(path);
}

static void set_up(char *folder)
{
    if (!mkdtemp(folder) || chdir(folder) != 0)
        die(folder);
    write_rows("rows.tsv", "text\tlabel\n", "%s %d %s\t%s\n");
    write_text("numbered.tsv", "text\tlabel\nclaim your prize\t1\nsee you at 2 today\t0\n"
                               "claim 3 now\t1\nsee you\t0\nyour prize now\t1\nat 5\t0\n");
    write_text("r.yaml", "seed: 3\neval:\n  metric: [mse, pearson]\ngate: {}\n");
    write_text("p.yaml", "seed: 3\nstages:\n- eval: {args: [../base.onnx], data: ../rows.tsv}\n"
                         "- prune: {args: [../base.onnx], pattern: '2:4', output: x.onnx}\n");
    write_rows("rows.csv", "text,label\n", "\"%s %d %s\",%s\n");
    write_rows("rows.jsonl", "", "{\"text\": \"%s %d %s\", \"label\": \"%s\"}\n");
    if (mkdir("case", 0777) != 0)
        die("case");
}

static void clean_up(const char *folder)
{
    char command[64];

    snprintf(command, sizeof command, "rm -rf %s", folder);
    if (chdir("/") != 0 || system(command) != 0)
        die(folder);
}

static int show_one(const struct run *r, const char *name, long k)
{
    int code;

    for (int i = 0; i < N_VERBS; i++) {
        const bool is_it = strcmp(verbs[i].name, name) == 0;
        const struct run quiet = {r->models, r->left, is_it};

        code = run_once(&quiet, &verbs[i], is_it ? k : LONG_MAX);
        if (is_it) {
            printf("exit status %d, %ld left\n", code, *r->left);
            return 0;
        }
        if (system("cp -R case/. .") != 0)
            die("cp");
        empty_case();
    }
    fprintf(stderr, "no verb %s\n", name);
    return 64;
}

/* NAME,NAME.. that a verb's name begins with one of; NULL: every verb. */
static bool is_named(const char *names, const char *verb)
{
    for (const char *n = names; n; n = strchr(n, ',') ? strchr(n, ',') + 1 : NULL)
        if (strncmp(n, verb, strcspn(n, ",")) == 0)
            return true;
    return !names;
}

/* crash [-a [NAME,NAME..]] MODELS: -a, (nearly) all allocations, of those verbs alone;
 * crash -v NAME N MODELS: one of them, its error shown. */
int main(int argc, char **argv)
{
    char folder[] = "/tmp/dsc-crash-XXXXXX";
    struct run r = {.models = argc > 1 ? argv[argc - 1] : "."};
    const bool is_all = argc > 1 && strcmp(argv[1], "-a") == 0;
    const char *names = is_all && argc > 3 ? argv[2] : NULL;
    int n_failed = 0;

    r.left = mmap(NULL, sizeof *r.left, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (r.left == MAP_FAILED)
        die("mmap");
    set_up(folder);
    if (argc == 5 && strcmp(argv[1], "-v") == 0)
        return show_one(&r, argv[2], strtol(argv[3], NULL, 10));
    printf("1..%d\n", N_VERBS);
    for (int i = 0; i < N_VERBS; i++) {
        const bool is_chosen = is_named(names, verbs[i].name);
        const bool is_good = check_verb(&r, &verbs[i], is_all, is_chosen);

        printf("%s %d - %s ends well when memory ends%s\n", is_good ? "ok" : "not ok", i + 1,
               verbs[i].name, is_chosen ? "" : " # SKIP not named");
        n_failed += !is_good;
    }
    clean_up(folder);
    return n_failed != 0;
}
