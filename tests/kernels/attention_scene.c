/* attention_scene.c - see attention_scene.h. */
#include "kernels/attention_scene.h"

#include <math.h>

#ifndef B4C_DOUBLE            /* kernels are tested as they run: in float */

bool scenes_in_bf16;

int scenes_of_numbers(void **state)
{
    (void)state;
    scenes_in_bf16 = false;
    return 0;
}

int scenes_of_pairs(void **state)
{
    (void)state;
    scenes_in_bf16 = true;
    return 0;
}

static unsigned next_random(unsigned *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return *seed >> 8;
}

static void draw_interval(mask m, int i, int q_rows, int k_rows, unsigned *seed, int *from,
                          int *upto)
{
    const int at = i + k_rows - q_rows > 0 ? i + k_rows - q_rows
                                           : 0; /* the last query is the last key */
    *from = 0;
    *upto = k_rows;
    if (m == CAUSAL) *upto = at + 1;
    if (m == ANTI) *from = at < k_rows ? at : k_rows;
    if (m == PREFIX) *upto = at + 1 > k_rows / 2 ? at + 1 : k_rows / 2;
    if (m == WINDOW) {
        *from = at > 5 ? at - 5 : 0;
        *upto = at + 4;
    }
    if (m == RANDOM) {
        *from = (int)(next_random(seed) % (unsigned)(k_rows + 1));
        *upto = (int)(next_random(seed) % (unsigned)(k_rows + 1)); /* half of them see nothing */
    }
    if (*upto > k_rows) *upto = k_rows;
}

scene scene_new(int heads, int kv_heads, int d, int q_rows, int k_rows, mask m, mask second,
                unsigned seed)
{
    scene s = { .width = heads * d, .out_ld = heads * d + 3 };
    const int q_ld = heads * d + 5, k_ld = kv_heads * d + 2, v_ld = kv_heads * d + 7;
    s.q = random_floats((size_t)(q_rows * q_ld), seed, 2);
    s.k = random_floats((size_t)(k_rows * k_ld), seed + 1, 2);
    s.v = random_floats((size_t)(k_rows * v_ld), seed + 2, 2);
    s.n_out = (size_t)(q_rows * s.out_ld);
    s.out = malloc(s.n_out * sizeof *s.out);
    s.head_set = malloc((size_t)heads);
    s.pos = malloc((size_t)q_rows * sizeof *s.pos);
    for (int i = 0; i < 4; i++) s.interval[i] = malloc((size_t)q_rows * sizeof(int));
    for (int i = 0; i < q_rows; i++) {
        s.pos[i] = i + k_rows - q_rows;
        draw_interval(m, i, q_rows, k_rows, &seed, &s.interval[0][i], &s.interval[1][i]);
        draw_interval(second, i, q_rows, k_rows, &seed, &s.interval[2][i], &s.interval[3][i]);
    }
    for (int h = 0; h < heads; h++) s.head_set[h] = h % 2 == 1;
    s.job = (b4c_attention){
        .heads = heads,
        .kv_heads = kv_heads,
        .head_size = d,
        .q_rows = q_rows,
        .k_rows = k_rows,
        .scale = (float)(1 / sqrt(d)),
        .q = s.q,
        .k = s.k,
        .v = s.v,
        .q_ld = q_ld,
        .k_ld = k_ld,
        .v_ld = v_ld,
        .from = s.interval[0],
        .upto = s.interval[1],
        .pos = s.pos,
        .bf16 = scenes_in_bf16,
        .out = { B4C_FORM_REAL, q_rows, s.width, s.out, (size_t)s.out_ld, NULL },
    };
    if (second != m) {
        s.job.from2 = s.interval[2];
        s.job.upto2 = s.interval[3];
        s.job.head_set = s.head_set;
    }
    return s;
}

void scene_add_bias(scene *s, int span)
{
    s->bias = random_floats((size_t)(s->job.heads * (2 * span + 1)), 77, 3);
    s->job.bias = s->bias;
    s->job.span = span;
}

void scene_add_rel(scene *s, int rel_max)
{
    s->rel = random_floats((size_t)((2 * rel_max + 1) * s->job.head_size), 78, 1);
    s->job.rel = s->rel;
    s->job.rel_max = rel_max;
}

void scene_add_weights(scene *s)
{
    s->n_weights = (size_t)s->job.heads * (size_t)s->job.q_rows * (size_t)s->job.k_rows;
    s->weights = malloc((s->n_weights + 1) * sizeof *s->weights);
    for (size_t i = 0; i < s->n_weights; i++) s->weights[i] = 55;
    s->job.weights = s->weights;
}

void scene_run(const b4c_kernels *t, scene *s)
{
    free(s->scratch);
    s->scratch = malloc(t->attention_scratch(&s->job));
    for (size_t i = 0; i < s->n_out; i++) s->out[i] = 55;
    t->attention(&s->job, 0, s->job.heads, s->scratch);
    for (int i = 0; i < s->job.q_rows; i++) /* and nothing else is written */
        for (int j = s->width; j < s->out_ld; j++) assert_true(s->out[i * s->out_ld + j] == 55);
}

float *scene_results(const b4c_kernels *t, scene *s)
{
    scene_run(t, s);
    float *results = s->out;
    s->out = malloc(s->n_out * sizeof *s->out);
    s->job.out.data = s->out;
    return results;
}

void scene_done(scene *s)
{
    free(s->q);
    free(s->k);
    free(s->v);
    free(s->bias);
    free(s->rel);
    free(s->out);
    free(s->weights);
    free(s->pos);
    free(s->head_set);
    free(s->scratch);
    for (int i = 0; i < 4; i++) free(s->interval[i]);
}

static int clipped(int x, int most) { return x < -most ? -most : x > most ? most : x; }

/* Query i of head h in double: y [d] and weights [k_rows]. */
static void true_attention(const b4c_attention *a, int h, int i, double *y, double *weights)
{
    const int d = a->head_size, kv = h / (a->heads / a->kv_heads);
    const bool second = a->head_set && a->head_set[h];
    const int from = (second ? a->from2 : a->from)[i], upto = (second ? a->upto2 : a->upto)[i];
    double top = -INFINITY, sum = 0;
    for (int c = 0; c < d; c++) y[c] = 0;
    for (int j = 0; j < a->k_rows; j++) weights[j] = 0;
    for (int j = from; j < upto; j++) {
        double s = 0;
        for (int c = 0; c < d; c++) {
            double k = a->k[j * a->k_ld + kv * d + c];
            if (a->rel) k += a->rel[(a->rel_max + clipped(j - a->pos[i], a->rel_max)) * d + c];
            s += (double)a->q[i * a->q_ld + h * d + c] * k;
        }
        s *= a->scale;
        if (a->bias)
            s += a->bias[h * (2 * a->span + 1) + a->span + clipped(j - a->pos[i], a->span)];
        weights[j] = s;
        top = fmax(top, s);
    }
    for (int j = from; j < upto; j++) sum += weights[j] = exp(weights[j] - top);
    for (int j = from; j < upto; j++) {
        weights[j] /= sum;
        for (int c = 0; c < d; c++) {
            double v = a->v[j * a->v_ld + kv * d + c];
            if (a->rel) v += a->rel[(a->rel_max + clipped(j - a->pos[i], a->rel_max)) * d + c];
            y[c] += weights[j] * v;
        }
    }
}

void scene_check(const b4c_kernels *t, scene *s)
{
    const b4c_attention *a = &s->job;
    double *y = malloc((size_t)a->head_size * sizeof *y),
           *w = malloc((size_t)(a->k_rows + 1) * sizeof *w);
    scene_run(t, s);
    for (int h = 0; h < a->heads; h++)
        for (int i = 0; i < a->q_rows; i++) {
            const float *got = s->out + i * s->out_ld + h * a->head_size;
            true_attention(a, h, i, y, w);
            for (int c = 0; c < a->head_size; c++)
                /* Values up to 3, scores up to 20: 20 eps in an exponent. In bf16 factors are off
                 * by up to 2^-9. */
                if (!(fabs(got[c] - y[c]) < (scenes_in_bf16 ? 0.06 : 5e-6)))
                    fail_msg("%s: d %d, %d queries, %d keys: head %d query %d [%d] is %g, not %g",
                             t->name, a->head_size, a->q_rows, a->k_rows, h, i, c, got[c], y[c]);
            for (int j = 0; a->weights && j < a->k_rows; j++) {
                float shown = s->weights[(h * a->q_rows + i) * a->k_rows + j];
                if (w[j] == 0)
                    assert_true(shown == 0);
                else
                    assert_true(fabs(shown - w[j]) <= (scenes_in_bf16 ? 0.1 : 3e-6) * w[j] + 1e-30);
            }
        }
    free(y);
    free(w);
}
#endif
