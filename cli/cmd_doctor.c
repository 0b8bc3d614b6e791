/* doctor: what this machine and this build offer, and whether they work. */
#include "cmd.h"
#include "dsc/device.h"
#include "dsc/machine.h"
#include "formats_model.h"

enum { GIB_SHIFT = 30 };

static double to_gib(uint64_t n_bytes)
{
    return (double)n_bytes / (double)(1U << GIB_SHIFT);
}

static void show_machine(struct dsc_cmd *cmd)
{
    struct dsc_machine m;

    dsc_machine_probe(&m);
    fprintf(cmd->out, "version    dscompress %s\n", DSC_VERSION);
    fprintf(cmd->out, "processor  %s\n", m.cpu_name[0] ? m.cpu_name : "unknown");
    fprintf(cmd->out, "features   %s\n", m.features);
    fprintf(cmd->out, "level      %s\n", dsc_cpu_level_name(m.level));
    fprintf(cmd->out, "cores      %d (threads: %d)\n", m.n_cores, dsc_cmd_n_threads(cmd));
    fprintf(cmd->out, "memory     %.1f GiB, %.1f GiB available\n", to_gib(m.memory_bytes),
            to_gib(m.available_bytes));
    dsc_json_text(&cmd->json, "version", DSC_VERSION);
    dsc_json_object(&cmd->json, "cpu");
    dsc_json_text(&cmd->json, "name", m.cpu_name);
    dsc_json_text(&cmd->json, "features", m.features);
    dsc_json_text(&cmd->json, "level", dsc_cpu_level_name(m.level));
    dsc_json_int(&cmd->json, "cores", m.n_cores);
    dsc_json_end(&cmd->json);
    dsc_json_int(&cmd->json, "threads", dsc_cmd_n_threads(cmd));
    dsc_json_int(&cmd->json, "memory_bytes", (int64_t)m.memory_bytes);
    dsc_json_int(&cmd->json, "available_bytes", (int64_t)m.available_bytes);
}

/* True when the products are right. */
static enum dsc_status show_blas(struct dsc_cmd *cmd, int *n_wrong, struct dsc_err *err)
{
    struct dsc_blas_info info;
    const char *better;
    int n_cases;

    dsc_blas_probe(&info);
    DSC_TRY(dsc_blas_self_test(&n_cases, n_wrong, err));
    fprintf(cmd->out, "blas       %s\n", info.config);
    better = dsc_blas_better_core(info.core, dsc_cpu_level_best());
    fprintf(cmd->out, "blas core  %s%s%s\n", info.core,
            better ? ", older than the processor: OPENBLAS_CORETYPE=" : "", better ? better : "");
    fprintf(cmd->out, "blas test  %d products of odd shapes, %d wrong\n", n_cases, *n_wrong);
    dsc_json_object(&cmd->json, "blas");
    dsc_json_text(&cmd->json, "config", info.config);
    dsc_json_text(&cmd->json, "core", info.core);
    dsc_json_int(&cmd->json, "cases", n_cases);
    dsc_json_int(&cmd->json, "wrong", *n_wrong);
    dsc_json_end(&cmd->json);
    return DSC_OK;
}

/* The module is optional: its absence is a fact, not a fault. */
static void show_cuda(struct dsc_cmd *cmd)
{
    struct dsc_cuda_info info;
    char text[256];

    dsc_cuda_probe(&info);
    if (info.module[0])
        fprintf(cmd->out, "cuda       module %s, version %s, %d devices\n", info.module,
                info.version, info.n_devices);
    if (info.reason[0])
        fprintf(cmd->out, "cuda       %s%s\n", info.module[0] ? "no device: " : "", info.reason);
    for (int i = 0; i < info.n_devices; i++)
        if (dsc_cuda_describe_device(i, text, sizeof text, NULL) == DSC_OK)
            fprintf(cmd->out, "cuda:%-5d %s\n", i, text);
    dsc_json_bool(&cmd->json, "cuda_module", info.module[0] != 0);
    dsc_json_object(&cmd->json, "cuda");
    dsc_json_text(&cmd->json, "module", info.module);
    dsc_json_text(&cmd->json, "version", info.version);
    dsc_json_int(&cmd->json, "devices", info.n_devices);
    dsc_json_text(&cmd->json, "reason", info.reason);
    dsc_json_end(&cmd->json);
}

/* Where there is none, HDF5 and pickles are not read. */
static enum dsc_status show_jail(struct dsc_cmd *cmd, struct dsc_err *err)
{
    struct dsc_err why = {0};
    const bool is_there = dsc_jail_check(&why) == DSC_OK;

    if (why.status == DSC_E_MEMORY)
        return dsc_fail(err, why.status, "%s", why.message);
    fprintf(
        cmd->out, "jail       %s%s\n",
        is_there ? "works" : "HDF5 and PyTorch files are not read: ", is_there ? "" : why.message);
    dsc_json_bool(&cmd->json, "jail", is_there);
    return DSC_OK;
}

static enum dsc_status run(struct dsc_cmd *cmd, struct dsc_err *err)
{
    int n_wrong;

    show_machine(cmd);
    DSC_TRY(show_blas(cmd, &n_wrong, err));
    show_cuda(cmd);
    DSC_TRY(show_jail(cmd, err));
    dsc_json_bool(&cmd->json, "pass", n_wrong == 0);
    if (n_wrong == 0)
        return DSC_OK;
    dsc_fail(err, DSC_E_CHECK, "OpenBLAS gives wrong products on this processor");
    return dsc_err_hint(err, "try OPENBLAS_CORETYPE=Haswell, or another version of OpenBLAS");
}

const struct dsc_command dsc_command_doctor = {
    .name = "doctor",
    .args = "",
    .summary = "show and check what this machine offers",
    .about =
        "Prints the processor and the instruction level that kernels are chosen for, "
        "threads, memory, the BLAS and its self test, whether the CUDA module is there, and "
        "whether the kernel gives the process without privileges that parses HDF5 and pickles. "
        "Exit status 1 when the self test fails.",
    .examples = "dscompress doctor\ndscompress doctor --json",
    .run = run,
};
