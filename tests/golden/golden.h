/* golden.h - what the reference frameworks computed, and the same by us.
 *
 * models/NAME/io.safetensors holds packed inputs (ids, segments, lengths) and outputs; every
 * sequence was run alone there. A pass is the same input through a network of ours, all sequences
 * in one batch.
 */
#ifndef B4C_TEST_GOLDEN_H
#define B4C_TEST_GOLDEN_H
#include "model/forward.h"
#include "model/format/store.h"
#include "model/load.h"

enum { GOLDEN_LAYERS = 8 };

typedef struct golden {
    b4c_store io;
    int n_seq, n_rows;
    int *lengths;            /* [n_seq] */
    int32_t *ids, *segments; /* [n_rows]; segments NULL: the file has none */
} golden;

/* tests/golden/models/NAME; a failure fails the test. */
void golden_open(golden *, const char *name);
void golden_close(golden *);
/* Tensor NAME of the outputs, malloc'ed; NULL: there is none. *n: elements. */
float *golden_tensor(const golden *, const char *name, size_t *n);

/* A network with the store that it may read from. */
typedef struct golden_model {
    b4c_network net;
    b4c_store store;
    json_t *report;
    b4c_loaded loaded;
} golden_model;

/* The model in `folder`, or an error. need_head: with its logits. */
int  golden_model_load(golden_model *, const char *folder, b4c_dtype, bool need_head, b4c_error *);
/* The same, which must work. */
void golden_model_open(golden_model *, const char *folder, b4c_dtype, bool need_head);
void golden_model_close(golden_model *);

/* One forward pass. Rows are floats, malloc'ed. */
typedef struct golden_pass {
    int layers, rows, width, vocabulary;
    float *hidden[GOLDEN_LAYERS + 1];    /* [rows, width] */
    float *logits;                       /* [rows, vocabulary]; NULL: no head */
    float *pooled_tanh, *pooled_linear;  /* [n_seq, width]; NULL: no pooler */
} golden_pass;

typedef struct golden_way {
    const b4c_kernels *kernels;
    b4c_pool *pool;
    b4c_mask mask;
    bool recording;
} golden_way;

/* Sequences `first` .. first + n - 1 of the input in one batch. */
void golden_run(golden_pass *, const golden_model *, const golden *, int first, int n,
                const golden_way *);
void golden_pass_free(golden_pass *);

/* For laws: body on each of these models (folders of tests/golden/models), in every type of weights
 * and with every table of kernels that can run here. */
typedef void (*golden_body)(const golden_model *, const b4c_kernels *);
void golden_everywhere(const char *const *models, size_t n, golden_body body);
#endif
