/* own.h - the memory of a store, seen by store.c, read.c and gguf.c only. */
#ifndef B4C_MODEL_FORMAT_OWN_H
#define B4C_MODEL_FORMAT_OWN_H
#include "base/gguf.h"
#include "model/format/reader.h"
#include <stdatomic.h>

typedef struct b4c_store_own {
    b4c_chunk *chunk;
    int room;              /* of store.tensor */
    atomic_uchar *checked; /* [n] 1: the checksum was compared and is right */
    b4c_gguf gguf;         /* of a GGUF model's first file; else zeroed */
} b4c_store_own;
#endif
