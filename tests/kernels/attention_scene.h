/* attention_scene.h - one call of attention with all that it reads and writes, and the same by
 * double loops.
 */
#ifndef B4C_TEST_ATTENTION_SCENE_H
#define B4C_TEST_ATTENTION_SCENE_H
#include "kernels_common.h"

#define EACH_TABLE(t) for (const b4c_kernels *t = next_table(NULL); t; t = next_table(t))
#define COUNT(a)      ((int)(sizeof(a) / sizeof *(a)))

/* Whether jobs let their products be bf16: the laws hold either way, where the table has them or
 * not. */
extern bool scenes_in_bf16;
/* Setups of groups of tests, which say so. */
int scenes_of_numbers(void **state);
int scenes_of_pairs(void **state);

typedef enum mask { FULL, CAUSAL, ANTI, PREFIX, WINDOW, RANDOM, MASKS } mask;

/* A sequence with everything attention reads. Rows of q, k and v have a few columns that are not
 * theirs. */
typedef struct scene {
    b4c_attention job;
    float *q, *k, *v, *bias, *rel, *out, *weights;
    int *interval[4], *pos;
    uint8_t *head_set;
    void *scratch;
    int width, out_ld;
    size_t n_out, n_weights;
} scene;

/* Queries of q_rows rows, the last of which is the last of k_rows keys; heads with odd numbers see
 * by `second`, if that is another mask. */
scene scene_new(int heads, int kv_heads, int d, int q_rows, int k_rows, mask m, mask second,
                unsigned seed);
void scene_done(scene *);
void scene_add_bias(scene *, int span);
void scene_add_rel(scene *, int rel_max);
void scene_add_weights(scene *);
/* Results into scene->out; nothing is written beside them. */
void scene_run(const b4c_kernels *, scene *);
/* The same, but returns them, which the caller frees: scene->out is another's room from then on. */
float *scene_results(const b4c_kernels *, scene *);
/* The same as scene_run, against double loops. */
void scene_check(const b4c_kernels *, scene *);
#endif
