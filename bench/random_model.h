/* random_model.h - what the makers of random models share: tensors in safetensors, listed twice,
 * once for the header and once for the numbers. */
#ifndef B4C_BENCH_RANDOM_MODEL_H
#define B4C_BENCH_RANDOM_MODEL_H
#include "bench.h"
#include <stdio.h>

typedef struct bench_maker {
    FILE *out;
    bool header;
    long long at;
    int count;
    uint64_t random;
} bench_maker;

/* [rows, cols]; cols 0: a vector of `rows`. Normal numbers. */
void bench_tensor(bench_maker *, const char *name, long long rows, long long cols, float mean,
                  float spread);
/* prefix + name + ".weight" and ".bias". */
void bench_dense(bench_maker *, const char *prefix, const char *name, int out, int in);
void bench_norm(bench_maker *, const char *prefix, const char *name, int width);
void bench_bert_layer(bench_maker *, const char *prefix, const bench_shape *);

/* Lists the tensors of a shape. */
typedef void (*bench_tensors_fn)(bench_maker *, const bench_shape *);
/* config.json (a format for width, layers, heads, inner size, vocabulary), model.safetensors and
 * vocab.txt. 0, or -1 with errno. */
int bench_write_model(const char *config, bench_tensors_fn, const bench_shape *,
                      const char *folder);
bool bench_model_there(const char *folder, const char *name);
#endif
