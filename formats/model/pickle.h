/*
 * A pickle that only builds data: what torch.save writes of a state dict, and no more.
 *
 * A machine of a stack and a memo, without recursion. Nothing is imported or called: the words of
 * pickle_ops.def are the opcodes there are, the rows of pickle_globals.def the only names, each
 * with a function of ours for what torch would make of it.
 *
 * Source  Python's pickletools (opcodes of protocols 2 to 5); torch/serialization.py's formats
 */
#ifndef PICKLE_H
#define PICKLE_H

#include "dsc/arena.h"
#include "dsc/io.h"
#include "dsc/tensor.h"

enum { PK_MAX_STACK = 1 << 20, PK_MAX_DEPTH = 64 };

enum pk_kind {
    PK_NONE,
    PK_MARK,
    PK_BOOL,
    PK_INT,
    PK_BIG, /* an integer of more than 64 bits; its bytes as text */
    PK_FLOAT,
    PK_TEXT,
    PK_TUPLE,
    PK_LIST,
    PK_DICT,   /* key, value, key, value .. */
    PK_GLOBAL, /* what may be called or named */
    PK_OBJECT, /* of a class of TorchScript; its state is a dict */
    PK_STORAGE,
    PK_TENSOR
};

struct pk_text {
    const char *p; /* in the file: neither checked nor ended with 0 */
    size_t n_bytes;
};

struct pk_value {
    enum pk_kind kind;
    union {
        int64_t i;
        double f;
        struct pk_text *text;
        struct pk_list *list;
        struct pk_storage *storage;
        struct pk_tensor *tensor;
        const struct pk_global *global;
    } as;
};

/** Tuples, lists, dicts, objects. */
struct pk_list {
    struct pk_value *items;
    size_t n, cap;
    bool is_seen; /* free for who walks the result */
};

/** A persistent id: ('storage', type, key, place, elements). */
struct pk_storage {
    struct pk_text key;
    enum dsc_dtype dtype; /* NONE: bytes, whose tensors tell */
    int64_t n_elems;
    size_t at; /* in the file, for messages */
};

struct pk_tensor {
    const struct pk_storage *storage;
    enum dsc_dtype dtype;
    int64_t offset; /* of the first element in its storage, in elements */
    int rank;
    int64_t dim[DSC_MAX_RANK], stride[DSC_MAX_RANK];
    size_t at;
};

/** Of an element; of bytes 1. */
size_t pk_elem_bytes(const struct pk_storage *s);

struct pickle;

/** A row of pickle_globals.def. */
struct pk_global {
    const char *module, *name;
    enum dsc_dtype dtype; /* of storages and types */
    /** What torch makes of args (a tuple); NULL: it cannot be called. */
    enum dsc_status (*call)(struct pickle *p, const struct pk_list *args, struct pk_value *out);
};

/**
 * Run the pickle at r up to its end; r then stands behind it.
 *
 * has_classes  names in __torch__ are classes: a TorchScript archive
 * storages     gets every storage that is named; may be NULL
 * Memory       everything in `arena`
 * Errors  UNSUPPORTED  an opcode or name that is not on the lists, by its name
 *         TYPE, SHAPE  arguments that torch would not take
 *         RANGE        a memo or stack that does not hold what is asked for
 *         LIMIT        a stack over PK_MAX_STACK, an arena over max_bytes; TRUNC
 */
enum dsc_status pickle_run(struct dsc_rd *r, bool has_classes, size_t max_bytes,
                           struct dsc_arena *arena, struct pk_value *result,
                           struct pk_list *storages);

bool pk_text_is(const struct pk_value *v, const char *text);

/** For calls: a failure at the opcode that runs. */
enum dsc_status pickle_fail(struct pickle *p, enum dsc_status s, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
struct dsc_arena *pickle_arena(struct pickle *p);
size_t pickle_at(const struct pickle *p); /* of the opcode, in the file */
struct dsc_err *pickle_err(struct pickle *p);

const struct pk_global *pk_global_find(const struct pk_text *module, const struct pk_text *name,
                                       bool has_classes);
enum dsc_status pk_list_add(struct pk_list *l, struct pk_value v, struct dsc_arena *arena,
                            struct dsc_err *err);
/** ('storage', type, key, place, elements[, view]) */
enum dsc_status pk_storage_new(struct pickle *p, const struct pk_value *id, struct pk_value *out);

#endif
