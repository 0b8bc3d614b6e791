/* The callers' side of the primitives: enter the device, run, leave. */
#include "device/prim.h"

#define DSC_PRIM(prim, params, args)                                                          \
    enum dsc_status dsc_##prim params                                                         \
    {                                                                                         \
        enum dsc_status st;                                                                   \
        if (!d->prims->prim)                                                                  \
            return dsc_fail(e, DSC_E_UNSUPPORTED, "device %s has no primitive '%s'", d->name, \
                            #prim);                                                           \
        if (d->enter)                                                                         \
            d->enter(d);                                                                      \
        st = d->prims->prim args;                                                             \
        if (d->leave)                                                                         \
            d->leave(d);                                                                      \
        return st;                                                                            \
    }
#include "device/primitives.def"
#undef DSC_PRIM
