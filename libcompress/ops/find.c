/* The operator table, and finding a row by name. */
#include "dsc/op.h"

#include <string.h>

#define DSC_OP(name) extern const struct dsc_op dsc_op_##name;
#include "ops/ops.def"
#undef DSC_OP

static const struct dsc_op *const rows[] = {
#define DSC_OP(name) &dsc_op_##name,
#include "ops/ops.def"
#undef DSC_OP
    NULL};

const struct dsc_op *const *dsc_op_all(void)
{
    return rows;
}

const char *dsc_op_domain(const struct dsc_op *op)
{
    return op->domain ? op->domain : "";
}

const struct dsc_op *dsc_op_find(const char *domain, const char *onnx)
{
    if (!domain || strcmp(domain, "ai.onnx") == 0)
        domain = "";
    for (int i = 0; rows[i]; i++)
        if (strcmp(rows[i]->onnx, onnx) == 0 && strcmp(dsc_op_domain(rows[i]), domain) == 0)
            return rows[i];
    return NULL;
}
