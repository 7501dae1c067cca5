/* pickle.h - a Python pickle as a tree of plain values. Nothing in it is ever called. */
#ifndef B4C_MODEL_FORMAT_PICKLE_H
#define B4C_MODEL_FORMAT_PICKLE_H
#include "model/format/reader.h"

typedef enum b4c_pickle_kind {
    B4C_PICKLE_NONE,
    B4C_PICKLE_BOOL,
    B4C_PICKLE_INT,
    B4C_PICKLE_REAL,
    B4C_PICKLE_TEXT, /* str or bytes; also an integer beyond 64 bits, as its bytes */
    B4C_PICKLE_TUPLE,
    B4C_PICKLE_LIST,
    B4C_PICKLE_DICT,      /* item: key, value, key, value, ... */
    B4C_PICKLE_GLOBAL,    /* text: "module name" */
    B4C_PICKLE_CALL,      /* item: what a pickle wants called, its argument tuple */
    B4C_PICKLE_PERSISTENT /* item: the id */
} b4c_pickle_kind;

typedef struct b4c_pickled b4c_pickled;
struct b4c_pickled {
    b4c_pickle_kind kind;
    int64_t number; /* BOOL, INT */
    b4c_span text;  /* TEXT, GLOBAL: in the pickle, or in its memory */
    size_t n, room; /* items */
    b4c_pickled **item;
};

/* A machine of stack, memo and memory. Values may hold themselves: walk them with a bound. */
typedef struct b4c_pickle {
    bool (*allow)(b4c_span global); /* which globals may be named, "module name" */
    b4c_chunk *memory;
    size_t n_persistent, room_persistent;
    b4c_pickled **persistent; /* every PERSISTENT value, in order */
} b4c_pickle;

/* Read the pickle at the front of *rest, which moves behind it. Values live until b4c_pickle_done.
 * Several pickles may be read into one machine. Unknown opcodes and globals that are not allowed
 * are refused by name. */
int b4c_pickle_load(b4c_pickle *, b4c_span *rest, const b4c_pickled **root, const char *where,
                    b4c_error *);
void b4c_pickle_done(b4c_pickle *);
#endif
