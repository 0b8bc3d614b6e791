/* Models and devices that verbs open. */
#include "models.h"

#include <inttypes.h>
#include <string.h>

enum dsc_status dsc_cmd_model(struct dsc_cmd *cmd, const char *path, struct dsc_model *m,
                              struct dsc_err *err)
{
    const struct dsc_read_opts opts = {.log = &cmd->log};

    return dsc_model_open_graph(m, path, &opts, err);
}

enum dsc_status dsc_cmd_device(struct dsc_cmd *cmd, struct dsc_device **dev, struct dsc_err *err)
{
    return dsc_device_open(dev, dsc_opt_text(cmd, DSC_OPT_device), dsc_cmd_n_threads(cmd), err);
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
