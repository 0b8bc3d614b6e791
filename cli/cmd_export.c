/* export: hand a model to a runtime. Values stay equal; what a runtime refuses is respelled. */
#include "cmd.h"
#include "dsc/pass.h"
#include "dsc/quant.h"
#include "exporttensors.h"
#include "models.h"
#include "output.h"
#include "textmodel.h"

#include <math.h>
#include <string.h>

enum target { TO_ONNX, TO_ORT, TO_OPENVINO, TO_TENSORRT, TO_SAFETENSORS, TO_GGUF, TO_HDF5, TO_NPZ };

struct job {
    struct dsc_cmd *cmd;
    struct dsc_textmodel m; /* with --verify */
    struct dsc_model plain; /* without */
    struct dsc_graph *g;    /* of one of them; NULL for a file of tensors */
    struct dsc_dataset d;
    struct dsc_device *dev;
    const char *verify;
    enum target target;
    enum dsc_dtype dtype; /* NONE: as the source, or codes */
    const char *type;     /* of --dtype, NULL without it */
    bool is_folder;       /* -o DIR/: the graph is the one that config.json says */
    double tolerance, worst;
    int64_t batch, opset; /* opset: 0 is the source's, or what the nodes need */
};

static bool is_of_tensors(const struct job *j)
{
    return j->target >= TO_SAFETENSORS;
}

static enum dsc_status refuse_op(struct job *j, const char *op, const char *what, const char *hint,
                                 struct dsc_err *err)
{
    const char *target = dsc_opt_text(j->cmd, DSC_OPT_export_target);

    for (int i = 0; i < j->g->n_nodes; i++) {
        if (strcmp(j->g->nodes[i]->op->onnx, op) != 0)
            continue;
        dsc_fail(err, DSC_E_UNSUPPORTED, "%s has no %s", target, what);
        dsc_err_hint(err, "%s", hint);
        return dsc_err_where(err, "node '%s'", j->g->nodes[i]->name);
    }
    return DSC_OK;
}

/* Operators that the runtime has not, or not fast. */
static enum dsc_status check_target(struct job *j, struct dsc_err *err)
{
    const struct dsc_quant_target *t =
        dsc_quant_target_find(dsc_opt_text(j->cmd, DSC_OPT_export_target));

    if (!t) /* a format, no runtime */
        return DSC_OK;
    if (!t->has_dynamic)
        DSC_TRY(refuse_op(j, "DynamicQuantizeLinear",
                          "fast kernels for ranges that are computed at run time",
                          "quantize --method static observes them on data", err));
    if (!t->has_nbits)
        DSC_TRY(refuse_op(j, "MatMulNBits", "MatMulNBits",
                          "quantize --target generic writes DequantizeLinear", err));
    return DSC_OK;
}

/* TensorRT wants symmetric int8 activations and a float bias; codes are values, so u8 is refused.
 */
static enum dsc_status to_tensorrt(struct job *j, struct dsc_err *err)
{
    int n_changed;

    for (int i = 0; i < j->g->n_nodes; i++) {
        const struct dsc_node *n = j->g->nodes[i];
        const struct dsc_tensor *z;

        if (strcmp(n->op->onnx, "QuantizeLinear") != 0)
            continue;
        z = n->n_in > 2 ? &j->g->values[n->in[2]].init : NULL;
        if (z && dsc_tensor_is_present(z) && z->dtype == DSC_I8 && dsc_tensor_get_i64(z, 0) == 0)
            continue;
        dsc_fail(err, DSC_E_UNSUPPORTED, "TensorRT takes int8 activations with zero point 0");
        dsc_err_hint(err, "quantize --target tensorrt decides such values");
        return dsc_err_where(err, "node '%s'", n->name);
    }
    DSC_TRY(dsc_quant_float_bias(j->g, &n_changed, err));
    dsc_log_printf(&j->cmd->log, DSC_LOG_INFO, "%d biases are written as float", n_changed);
    return DSC_OK;
}

/* A folder and a file of tensors have the type of weights apart from the graph. */
static enum dsc_status change_dtype(struct job *j, struct dsc_err *err)
{
    struct dsc_dtype_report n;

    if (j->is_folder || is_of_tensors(j))
        return dsc_pass_round_weights(j->g, j->dtype, err);
    DSC_TRY(dsc_pass_to_dtype(j->g, j->dtype, &n, err));
    dsc_log_printf(&j->cmd->log, DSC_LOG_INFO, "%d tensors are written as %s", n.n_converted,
                   dsc_dtype_text(j->dtype));
    if (n.n_moved > 0)
        dsc_log_printf(&j->cmd->log, DSC_LOG_WARNING,
                       "%d tensors have elements that %s cannot hold; they are brought to its "
                       "range",
                       n.n_moved, dsc_dtype_text(j->dtype));
    return DSC_OK;
}

static enum dsc_status respell(struct job *j, struct dsc_err *err)
{
    if (!j->is_folder)
        DSC_TRY(dsc_pass_strip_dropout(j->g, err));
    DSC_TRY(check_target(j, err));
    if (j->target == TO_TENSORRT)
        DSC_TRY(to_tensorrt(j, err));
    if (j->dtype != DSC_DTYPE_NONE)
        DSC_TRY(change_dtype(j, err));
    return dsc_graph_verify(j->g, err);
}

static int64_t best_of(const float *row, int64_t n)
{
    int64_t best = 0;

    for (int64_t i = 1; i < n; i++)
        if (row[i] > row[best])
            best = i;
    return best;
}

/* The worst difference of a logit over the rows, before and after respelling. */
static enum dsc_status compare(struct job *j, const float *before, struct dsc_err *err)
{
    enum dsc_status st = DSC_OK;
    float *after = NULL;
    int64_t n_cols, n_same = 0;

    DSC_TRY(dsc_textmodel_logits(&j->m, j->g, j->cmd, NULL, j->dev, &j->d, j->batch, &after,
                                 &n_cols, err));
    for (int64_t i = 0; i < (int64_t)j->d.n * n_cols; i++) {
        const double d = fabs((double)before[i] - (double)after[i]);

        if (!isfinite(before[i])) {
            dsc_fail(err, DSC_E_NONFINITE, "logit %d of the source is %g", (int)(i % n_cols),
                     (double)before[i]);
            st = dsc_err_where(err, "row %lld", (long long)j->d.row[i / n_cols]);
            break;
        }
        j->worst = d >= j->worst || isnan(d) ? d : j->worst;
        if (isnan(d))
            break;
    }
    for (int64_t i = 0; i < (int64_t)j->d.n && n_cols > 1; i++)
        n_same += best_of(before + i * n_cols, n_cols) == best_of(after + i * n_cols, n_cols);
    dsc_heap_free(after);
    DSC_TRY(st);
    dsc_json_float(&j->cmd->json, "max_difference", j->worst);
    dsc_json_int(&j->cmd->json, "n", (int64_t)j->d.n);
    fprintf(j->cmd->out, "largest difference of a logit on %zu rows: %.3g (tolerance %.3g)\n",
            j->d.n, j->worst, j->tolerance);
    if (n_cols > 1) {
        fprintf(j->cmd->out, "labels agree on %lld of %zu rows\n", (long long)n_same, j->d.n);
        dsc_json_int(&j->cmd->json, "labels_agree", n_same);
    }
    if (j->worst <= j->tolerance)
        return DSC_OK;
    return dsc_fail(err, DSC_E_CHECK, "the export differs by %.3g, more than --tolerance %.3g",
                    j->worst, j->tolerance);
}

static enum dsc_status write_file(struct job *j, struct dsc_err *err)
{
    const char *path = dsc_opt_text(j->cmd, DSC_OPT_output);
    const struct dsc_write_opts o = {.may_replace = dsc_opt_flag(j->cmd, DSC_OPT_force),
                                     .folder_dtype = j->dtype,
                                     .log = &j->cmd->log,
                                     .min_opset = j->opset};
    struct dsc_write_report report = {0};

    if (j->g && dsc_output_check_nan(j->g, err) != DSC_OK)
        return dsc_err_file(err, j->cmd->args[0]);
    if (is_of_tensors(j))
        return dsc_export_tensors(j->cmd, j->verify ? &j->m.model : &j->plain,
                                  (enum dsc_export_form)(j->target - TO_SAFETENSORS), j->type, err);
    DSC_TRY(dsc_model_write(j->g, path, &o, &report, err));
    fprintf(j->cmd->out, "%s: %.1f MB, opset %lld\n", path, (double)report.size_bytes / 1e6,
            (long long)report.opset_after);
    dsc_json_int(&j->cmd->json, "size_bytes", (int64_t)report.size_bytes);
    dsc_json_int(&j->cmd->json, "opset", report.opset_after);
    return DSC_OK;
}

static enum dsc_status open_model(struct job *j, struct dsc_err *err)
{
    struct dsc_cmd *cmd = j->cmd;

    if (!j->verify) {
        const struct dsc_read_opts opts = {.log = &cmd->log};
        const bool needs_graph = !is_of_tensors(j) || dsc_opt_is_set(cmd, DSC_OPT_arch);

        DSC_TRY(needs_graph ? dsc_cmd_model(cmd, cmd->args[0], &j->plain, err)
                            : dsc_model_open(&j->plain, cmd->args[0], &opts, err));
        j->g = j->plain.graph;
        return DSC_OK;
    }
    j->tolerance = dsc_opt_is_set(cmd, DSC_OPT_tolerance) ? dsc_opt_float(cmd, DSC_OPT_tolerance)
                   : j->dtype == DSC_F16                  ? 0.02
                   : j->dtype == DSC_BF16                 ? 0.1
                                                          : 1e-4;
    j->batch = dsc_opt_int(cmd, DSC_OPT_batch);
    DSC_TRY(dsc_cmd_device(cmd, &j->dev, err));
    DSC_TRY(dsc_textmodel_open(&j->m, cmd, cmd->args[0], err));
    j->g = j->m.model.graph;
    return dsc_textmodel_data(&j->m, cmd, j->verify, DSC_PART_TEST, false, &j->d, err);
}

/* Nodes are spelled as in the source's opset or a later one. */
static enum dsc_status choose_opset(struct job *j, struct dsc_err *err)
{
    int64_t source;

    if (is_of_tensors(j) || j->is_folder || !dsc_opt_is_set(j->cmd, DSC_OPT_opset))
        return DSC_OK;
    source = dsc_graph_opset(j->g, "");
    j->opset = dsc_opt_int(j->cmd, DSC_OPT_opset);
    if (j->opset >= source)
        return DSC_OK;
    dsc_fail(err, DSC_E_UNSUPPORTED, "the model is opset %lld; it is not lowered to %lld",
             (long long)source, (long long)j->opset);
    return dsc_err_file(err, j->cmd->args[0]);
}

/* Codes are of GGUF alone, and no graph computes with them. */
static enum dsc_status choose_dtype(struct job *j, struct dsc_err *err)
{
    static const enum dsc_dtype plain[DSC_EXPORT_N_PLAIN] = {DSC_F32, DSC_F16, DSC_BF16};
    const int idx =
        dsc_opt_is_set(j->cmd, DSC_OPT_dtype) ? dsc_opt_enum(j->cmd, DSC_OPT_dtype) : -1;

    if (idx < 0)
        return DSC_OK;
    j->type = dsc_export_dtypes[idx];
    j->dtype = idx < DSC_EXPORT_N_PLAIN ? plain[idx] : DSC_DTYPE_NONE;
    if (idx < DSC_EXPORT_N_PLAIN)
        return DSC_OK;
    if (j->target != TO_GGUF)
        return dsc_fail(err, DSC_E_USAGE, "--dtype %s is for --target gguf", j->type);
    if (j->verify)
        return dsc_fail(err, DSC_E_USAGE, "no graph computes with %s: there is nothing to verify",
                        j->type);
    return DSC_OK;
}

static enum dsc_status work(struct job *j, struct dsc_err *err)
{
    struct dsc_cmd *cmd = j->cmd;
    const char *output = dsc_opt_text(cmd, DSC_OPT_output);
    float *before = NULL;
    int64_t n_cols;
    enum dsc_status st = DSC_OK;

    j->target = (enum target)dsc_opt_enum(cmd, DSC_OPT_export_target);
    j->verify = dsc_opt_text(cmd, DSC_OPT_verify);
    DSC_TRY(choose_dtype(j, err));
    j->is_folder = output[strlen(output) - 1] == '/';
    DSC_TRY(dsc_output_check(cmd, err));
    DSC_TRY(open_model(j, err));
    DSC_TRY(choose_opset(j, err));
    if (j->target == TO_GGUF)
        (void)dsc_cmd_n_threads(cmd);
    DSC_TRY(dsc_cmd_check_used(cmd, err));
    if (!j->g)
        return write_file(j, err);
    if (j->verify)
        DSC_TRY(dsc_textmodel_logits(&j->m, j->g, cmd, NULL, j->dev, &j->d, j->batch, &before,
                                     &n_cols, err));
    st = respell(j, err);
    if (st == DSC_OK && j->verify)
        st = compare(j, before, err);
    dsc_heap_free(before);
    return st == DSC_OK ? write_file(j, err) : st;
}

static enum dsc_status run(struct dsc_cmd *cmd, struct dsc_err *err)
{
    struct job j = {.cmd = cmd};
    const enum dsc_status st = work(&j, err);

    dsc_dataset_close(&j.d);
    dsc_textmodel_close(&j.m);
    dsc_model_close(&j.plain);
    dsc_device_close(j.dev);
    return st;
}

const struct dsc_command dsc_command_export = {
    .name = "export",
    .args = "MODEL",
    .summary = "write a model as a runtime wants it",
    .about =
        "Dropout is dropped. onnx, ort and openvino take the file as quantize writes it; tensorrt "
        "gets float biases, and refuses activations that are not symmetric int8 (values are "
        "decided by quantize --target, export never changes one). safetensors, hdf5 and npz hold "
        "the "
        "weights alone, of any MODEL or file of tensors; -o DIR/ writes a model that came from a "
        "Hugging "
        "Face folder as one.\n\n"
        "gguf writes tensors under the names that they have, with the metadata of the source. "
        "--dtype q8_0, q4_0, q4_1, q5_0, q5_1, q4_K or q6_K makes codes of all weights with two "
        "axes and more, by a search for the scales of least squared error; what stays as it is, "
        "is copied. Rows that are no whole blocks become a wider type (q4_K q5_0, q6_K q8_0, "
        "others f16), which is told.\n\n"
        "--arch gives the graph for a file of tensors (PyTorch, safetensors, GGUF, HDF5): an ONNX "
        "model, "
        "whose weights are replaced by the tensors of their names, or a folder with config.json. "
        "One side may have a prefix that the other has not (state_dict., bert.); weights without a "
        "tensor, and tensors of other shapes, are listed and refused.\n\n"
        "--dtype fp16 makes weights and computation half precision, with f32 inputs and outputs; "
        "constants beyond its range, such as masks, are brought to it and counted. --dtype bf16 "
        "stores weights as bfloat16 and computes in f32, since ONNX Runtime's CPU has no bfloat16 "
        "operators: half the file, the same speed. f32 leads back. In a folder the weights have "
        "that type and config.json names it. A quantized model has no --dtype.\n\n"
        "--verify runs source and export on rows of data and fails, with exit 1 and nothing "
        "written, when a logit differs by more than --tolerance; it also counts the rows whose "
        "label stays the same.",
    .examples = "dscompress export sms-int8.onnx --target ort --verify sms.tsv -o deploy.onnx\n"
                "dscompress export sms.onnx --dtype fp16 --verify sms.tsv -o half.onnx\n"
                "dscompress export sms.onnx --target safetensors -o weights.safetensors\n"
                "dscompress export checkpoint.pt --arch net.onnx -o trained.onnx\n"
                "dscompress export model.gguf --target gguf --dtype q4_K -o small.gguf",
    .needs = "output",
    .n_args_min = 1,
    .n_args_max = 1,
    .run = run,
};
