/*
 * The n-th allocation of a verb fails, for n = 1, 2, 3 .. until the verb passes: every such run
 * must end with the exit status of MEMORY and one line of error, and leave no file behind; under
 * AddressSanitizer also nothing in memory. So with system calls: the n-th open, write, fsync or
 * rename fails, or the program is killed there, and what has its name is whole, or is not there.
 *
 *     crash [-k KINDS] [-a|-e] [VERBS] MODELS
 *     crash -v KIND VERB N MODELS     that run alone, its standard error shown
 *
 * With threads nothing fails: the files have to be the same for 1, 2 and 3.
 *
 * KINDS are rows of kinds, alloc if not given. -a: every n, of verbs whose names begin so; else the
 * first ones and some after these. Of the allocations that are made from one place, as all callers
 * up to main tell, only the first and the last count, but with -e in place of -a.
 *
 * Each run is a child by fork, before any thread is started, that calls main of the program.
 * Results are TAP: a verb under a kind is a test.
 */
#include "dsc/arena.h"
#include "stacks.h"
#include "syscalls.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MAX_ARGS = 40, ALL = 100000, MAX_SHOWN = 8 };

/* No fault: the verb runs with n threads in place of those that it is given. */
enum { THREADS = -3 };

/* What fails. */
struct kind {
    const char *name;
    unsigned calls; /* 0: allocations */
    int outcome;
    int n_early, n_later; /* that many first ones, and some after them, unless all are asked for */
    const char *codes;    /* the exit statuses that may come of it */
    const char *classes;  /* and the classes of the one line */
    bool may_pass;        /* or nothing comes of it */
    const char *more;     /* arguments of every verb; may be NULL */
};

static const struct kind kinds[] = {
    {"alloc", 0, 0, 4, 8, "71", "[MEMORY]", true, NULL},
    {"open", CALL_OPEN, EIO, 2, 2, "66 73 74 71 65 69", "[NOINPUT] [EXISTS] [IO] [MEMORY] [DEVICE]",
     true, NULL},
    {"map", CALL_MAP, ENOMEM, 2, 2, "71 74 66", "[MEMORY] [IO] [NOINPUT]", true, NULL},
    {"make", CALL_MAKE, ENOSPC, 2, 2, "74 73", "[NOSPACE] [IO] [EXISTS]", true, NULL},
    {"write", CALL_WRITE, EIO, 2, 2, "74", "[IO]", false, NULL},
    {"full", CALL_WRITE, ENOSPC, 1, 1, "74", "[NOSPACE]", false, NULL},
    {"short", CALL_WRITE, CALL_IS_SHORT, 1, 1, "", "", true, NULL},
    {"sync", CALL_SYNC, EIO, 1, 1, "74", "[IO]", false, NULL},
    {"name", CALL_NAME, EIO, 1, 1, "74", "[IO]", false, NULL},
    {"say", CALL_SAY, EIO, 2, 1, "", "", true, "--progress plain"},
    {"kill", CALL_ALL, CALL_KILLS, 1, 2, "", "", true, NULL},
    {"threads", 0, THREADS, 3, 0, "", "", true, NULL},
};
enum { N_KINDS = sizeof kinds / sizeof kinds[0] };

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
    {"inspect-extract", "inspect %/gguf/types.gguf --tensors=*q4* --extract x.npz"},
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
    {"eval-hdf5",
     "eval %/mlp/binary.onnx --data %/mlp/binary.h5 --columns x=rows/x,label=rows/label "
     "--limit 9 -j 1"},
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
    const struct kind *kind;
    const char *models;
    long *left;            /* shared: what was left of the countdown when the child ended */
    struct stacks *stacks; /* shared: of the run without a fault; NULL: of no use */
    bool is_shown;
};

static long *left_at_exit;

static long fail_at(const struct kind *k, long n)
{
    return k->calls ? syscalls_fail_at(k->calls, k->outcome, n) : dsc_heap_fail_at(n);
}

static const struct kind *kind_at_exit;

static void note_left(void)
{
    stacks_record(NULL);
    *left_at_exit = kind_at_exit->outcome == THREADS ? 0 : fail_at(kind_at_exit, 0);
}

static void die(const char *what)
{
    perror(what);
    exit(99);
}

/* "a %/b" -> {"dscompress", "a", "MODELS/b"}; n_threads 0: as given; never freed */
static int split(const char *args, const char *more, const char *models, long n_threads,
                 char **argv)
{
    char *text = NULL, *save = NULL;
    int n = 0;

    if (asprintf(&text, "%s %s", args, more ? more : "") < 0)
        die("asprintf");
    argv[n++] = strdup("dscompress");
    for (char *w = strtok_r(text, " ", &save); w && n < MAX_ARGS - 1;
         w = strtok_r(NULL, " ", &save)) {
        if (n_threads > 0 && strcmp(argv[n - 1], "-j") == 0 &&
            asprintf(&argv[n], "%ld", n_threads) > 0)
            n++;
        else if (*w != '%')
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
    const bool has_threads = r->kind->outcome == THREADS;
    const int argc =
        split(v->args, r->kind->more, r->models, has_threads && k < LONG_MAX ? k : 0, argv);

    if (chdir("case") != 0)
        die("chdir");
    if (!freopen("/dev/null", "r", stdin) || !freopen("../stdout", "w", stdout) ||
        (!r->is_shown && !freopen("../stderr", "w", stderr)))
        _exit(99);
    left_at_exit = r->left;
    kind_at_exit = r->kind;
    atexit(note_left);
    if (!has_threads)
        fail_at(r->kind, k);
    if (k == LONG_MAX && !r->kind->calls && !has_threads && r->stacks)
        stacks_record(r->stacks);
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
 * failure and the state of a resumable run may differ, and a killed run leaves what had no name
 * yet. */
static bool is_left_right(const struct kind *k, bool must_be_all)
{
    const char *hidden = k->outcome == CALL_KILLS ? " -x '.*'" : "";
    char command[200];

    if (!must_be_all && is_empty("case"))
        return true;
    snprintf(command, sizeof command,
             "diff -rq -x '*.json' -x state%s case want | grep -v '^Only in want' >diff; %s%s%s; "
             "test ! -s diff",
             hidden, must_be_all ? "diff -rq -x '*.json' -x state" : "true",
             must_be_all ? hidden : "", must_be_all ? " case want >>diff" : "");
    return system(command) == 0;
}

/* What was printed, without digits: some are times. */
static bool is_stdout_right(void)
{
    return system("tr -s '0-9. ' ' ' <stdout >out.now; tr -s '0-9. ' ' ' <stdout.want >out.want; "
                  "cmp -s out.now out.want") == 0;
}

/* The line ends in one of the classes "[A] [B]". */
static bool has_class(const char *line, const char *classes)
{
    const char *last = strrchr(line, '[');

    return last && strstr(classes, last);
}

/* One line of error, of a class of the kind; a hint and warnings may stand beside it. */
static bool is_one_error(const struct kind *k, char *shown, size_t n_shown)
{
    FILE *f = fopen("stderr", "r");
    char line[256];
    int n_errors = 0, n_other = 0;

    *shown = '\0';
    while (f && fgets(line, sizeof line, f)) {
        line[strcspn(line, "\n")] = '\0';
        if (strncmp(line, "dscompress: error: ", 19) == 0 && has_class(line, k->classes))
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

/* The same command without a fault goes on from the state that is there: to the same files, and
 * metrics with each step once; how many examples a second it made is the last column. */
static bool is_resumed(const struct run *r, const struct verb *v)
{
    return run_once(r, v, 0) == 0 && is_left_right(r->kind, true) &&
           system("test ! -e want/state || { cut -d, -f1-4 want/state/metrics.csv >csv.want; "
                  "cut -d, -f1-4 case/state/metrics.csv | cmp -s - csv.want; }") == 0;
}

static bool is_code_of(const struct kind *k, int code)
{
    char text[16];

    snprintf(text, sizeof text, "%d", code);
    return strstr(k->codes, text) != NULL;
}

/* A fault either ends the run as its kind says, or nothing came of it: same files, same output. */
static bool check_fault(const struct run *r, const struct verb *v, int want, long n)
{
    const int code = run_once(r, v, n);
    const bool is_killed = r->kind->outcome == CALL_KILLS && code == -SIGKILL;
    char shown[256];
    const bool has_line = is_one_error(r->kind, shown, sizeof shown);
    const bool has_files = is_left_right(r->kind, code == want),
               is_harmless = r->kind->may_pass && code == want && is_stdout_right();
    /* *r->left: where nothing failed here, a child's may have failed */
    bool is_good = has_files && (is_killed || (is_harmless && *r->left <= 0) ||
                                 (is_code_of(r->kind, code) && has_line));

    if (is_good && code != want && strstr(v->args, "--state") && !is_resumed(r, v)) {
        printf("# %s, %s %ld: the next run does not go on\n", v->name, r->kind->name, n);
        is_good = false;
    } else if (!is_good) {
        printf("# %s, %s %ld: exit status %d%s%s%s\n", v->name, r->kind->name, n, code,
               *r->left == LONG_MIN ? ", died" : "", has_files ? "" : ", files left behind",
               code == want && !is_harmless ? ", nothing is said of it, or other output" : "");
        printf("#   %s\n", shown);
    }
    empty_case();
    return is_good;
}

/* From where the n-th allocation comes, others came before it and will behind it. Where recording
 * saw another number of them nothing is known. */
static bool is_repeat(const struct run *r, long n_points, long n)
{
    const struct stacks *s = r->stacks;
    bool has_before = false, has_after = false;

    if (r->kind->calls || r->kind->outcome == THREADS || !s || s->n != n_points ||
        n_points > MAX_STACKS)
        return false;
    for (long i = 0; i < n - 1 && !has_before; i++)
        has_before = s->hash[i] == s->hash[n - 1];
    for (long i = n; i < n_points && !has_after; i++)
        has_after = s->hash[i] == s->hash[n - 1];
    return has_before && has_after;
}

/* The verb as it is, which makes the files for later ones and counts what may fail. */
static bool check_verb(const struct run *r, const struct verb *v, bool is_all, bool is_chosen)
{
    const long n_early = is_all ? ALL : r->kind->n_early, n_later = r->kind->n_later;
    int n_bad = 0, code;
    long n_points, step, n_kept = 0, nth = 0, n_runs = 0;

    empty_case();
    code = run_once(r, v, LONG_MAX);
    n_points = r->kind->outcome == THREADS ? r->kind->n_early : LONG_MAX - *r->left;
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
    for (long k = 1; k <= n_points; k++)
        n_kept += !is_repeat(r, n_points, k);
    step = n_kept <= n_early + n_later ? 1 : (n_kept - n_early) / n_later + 1;
    for (long k = 1; k <= n_points && n_bad < MAX_SHOWN; k++) {
        if (is_repeat(r, n_points, k))
            continue;
        nth++;
        if (nth > n_early && (nth - n_early) % step != 0)
            continue;
        n_bad += !check_fault(r, v, code, k);
        n_runs++;
    }
    printf("# %s, %s: %ld points, faults at %ld of them\n", v->name, r->kind->name, n_points,
           n_runs);
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

static int show_one(struct run *r, const char *name, long n)
{
    for (int i = 0; i < N_VERBS; i++) {
        const bool is_it = strcmp(verbs[i].name, name) == 0;
        int code;

        r->is_shown = is_it;
        code = run_once(r, &verbs[i], is_it ? n : LONG_MAX);
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

/* "a,b" -> kinds; their number. */
static int read_kinds(const char *names, const struct kind **chosen)
{
    int n = 0;

    for (int i = 0; i < N_KINDS; i++)
        if (is_named(names, kinds[i].name))
            chosen[n++] = &kinds[i];
    return n;
}

static int check_kind(struct run *r, const char *names, bool is_all, int n_before)
{
    int n_failed = 0;

    for (int i = 0; i < N_VERBS; i++) {
        const bool is_chosen = is_named(names, verbs[i].name);
        const bool is_good = check_verb(r, &verbs[i], is_all, is_chosen);

        printf("%s %d - %s ends well by %s%s\n", is_good ? "ok" : "not ok", n_before + i + 1,
               verbs[i].name, r->kind->name, is_chosen ? "" : " # SKIP not named");
        n_failed += !is_good;
    }
    return n_failed;
}

/* Memory that children write for us. */
static void *share(size_t n_bytes)
{
    void *p = mmap(NULL, n_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (p == MAP_FAILED)
        die("mmap");
    return p;
}

int main(int argc, char **argv)
{
    char folder[] = "/tmp/dsc-crash-XXXXXX";
    struct run r = {.models = argc > 1 ? argv[argc - 1] : "."};
    const struct kind *chosen[N_KINDS];
    const char *kind_names = kinds[0].name, *verb_names = NULL;
    bool is_all = false, is_each = false;
    int n_kinds, n_failed = 0;

    r.left = share(sizeof *r.left);
    if (argc == 6 && strcmp(argv[1], "-v") == 0 && read_kinds(argv[2], &r.kind) == 1) {
        set_up(folder);
        return show_one(&r, argv[3], strtol(argv[4], NULL, 10));
    }
    for (int i = 1; i < argc - 1; i++) {
        if (strcmp(argv[i], "-k") == 0)
            kind_names = argv[++i];
        else if (strcmp(argv[i], "-a") == 0 || strcmp(argv[i], "-e") == 0)
            is_all = true, is_each = argv[i][1] == 'e';
        else
            verb_names = argv[i];
    }
    if (!is_each)
        r.stacks = share(sizeof *r.stacks + MAX_STACKS * sizeof r.stacks->hash[0]);
    n_kinds = read_kinds(strcmp(kind_names, "all") == 0 ? NULL : kind_names, chosen);
    printf("1..%d\n", n_kinds * N_VERBS);
    for (int i = 0; i < n_kinds; i++) {
        strcpy(folder, "/tmp/dsc-crash-XXXXXX");
        set_up(folder);
        r.kind = chosen[i];
        n_failed += check_kind(&r, verb_names, is_all, i * N_VERBS);
        clean_up(folder);
    }
    return n_failed != 0;
}
