/* Models and devices that verbs open. */
#include "models.h"

#include "dsc/machine.h"
#include "newmodel.h"
#include "output.h"

#include <inttypes.h>
#include <string.h>

/* The tensors of `path` on the graph of --arch. */
static enum dsc_status open_on_arch(struct dsc_cmd *cmd, const char *path, struct dsc_model *m,
                                    struct dsc_err *err)
{
    const struct dsc_read_opts opts = {.log = &cmd->log, .weights = path};
    const char *arch = dsc_opt_text(cmd, DSC_OPT_arch);

    DSC_TRY(dsc_provenance_file(cmd, "arch", arch, err));
    return dsc_model_open_graph(m, arch, &opts, err);
}

enum dsc_status dsc_cmd_model(struct dsc_cmd *cmd, const char *path, struct dsc_model *m,
                              struct dsc_err *err)
{
    const struct dsc_read_opts opts = {.log = &cmd->log};

    if (cmd->n_args > 0 && path == cmd->args[0] && dsc_opt_is_set(cmd, DSC_OPT_arch))
        return open_on_arch(cmd, path, m, err);
    if (cmd->row->opens_new && dsc_newmodel_is(path))
        return dsc_newmodel_open(cmd, path, m, err);
    return dsc_model_open_graph(m, path, &opts, err);
}

/* The level of --cpu and --deterministic; refused where the processor is not up to it. */
static enum dsc_status cpu_level(struct dsc_cmd *cmd, enum dsc_cpu_level *level,
                                 struct dsc_err *err)
{
    const enum dsc_cpu_level best = dsc_cpu_level_best();
    const bool is_fixed = dsc_opt_flag(cmd, DSC_OPT_deterministic);
    const int given = dsc_opt_enum(cmd, DSC_OPT_cpu);
    struct dsc_blas_info blas;

    *level = given >= 0 ? (enum dsc_cpu_level)given : is_fixed ? DSC_CPU_AVX2 : best;
    if (is_fixed && *level > DSC_CPU_AVX2)
        return dsc_fail(err, DSC_E_USAGE, "--deterministic keeps to avx2, --cpu asks for %s",
                        dsc_cpu_level_name(*level));
    if (*level > best) {
        dsc_fail(err, DSC_E_DEVICE, "this processor has no %s", dsc_cpu_level_name(*level));
        return dsc_err_hint(err, "its level is %s", dsc_cpu_level_name(best));
    }
    if (!is_fixed)
        return DSC_OK;
    dsc_blas_probe(&blas);
    if (strcmp(blas.core, DSC_BLAS_FIXED_CORE) != 0)
        return dsc_fail(err, DSC_E_DEVICE, "--deterministic needs OpenBLAS' %s kernels, it runs %s",
                        DSC_BLAS_FIXED_CORE, blas.core);
    return DSC_OK;
}

enum dsc_status dsc_cmd_device(struct dsc_cmd *cmd, struct dsc_device **dev, struct dsc_err *err)
{
    return dsc_cmd_device_of(cmd, dsc_cmd_n_threads(cmd), dev, err);
}

enum dsc_status dsc_cmd_device_of(struct dsc_cmd *cmd, int n_threads, struct dsc_device **dev,
                                  struct dsc_err *err)
{
    enum dsc_cpu_level level;

    DSC_TRY(cpu_level(cmd, &level, err));
    DSC_TRY(dsc_device_open(dev, dsc_opt_text(cmd, DSC_OPT_device), n_threads, err));
    dsc_device_set_cpu_level(*dev, level);
    return DSC_OK;
}

char *dsc_type_text(const struct dsc_graph *g, const struct dsc_type *type, char *text,
                    size_t n_bytes)
{
    size_t n =
        (size_t)snprintf(text, n_bytes, "%s%s", type->dtype ? dsc_dtype_text(type->dtype) : "?",
                         type->rank < 0 ? "" : "[");

    for (int i = 0; i < type->rank && n < n_bytes; i++) {
        const int64_t d = type->dim[i];
        const char *sep = i ? "," : "";

        if (d >= 0)
            n += (size_t)snprintf(text + n, n_bytes - n, "%s%" PRId64, sep, d);
        else
            n += (size_t)snprintf(text + n, n_bytes - n, "%s%s", sep,
                                  dsc_dim_is_symbol(d) ? g->symbols[dsc_dim_symbol_idx(d)] : "?");
    }
    if (type->rank >= 0 && n < n_bytes)
        snprintf(text + n, n_bytes - n, "]");
    return text;
}
