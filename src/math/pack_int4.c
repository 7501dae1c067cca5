/* pack_int4.c - 4-bit weights: how they are stored, and how they are chosen.
 *
 * A panel of 32 outputs is a row of blocks of 64 k, each
 *
 *     1024 bytes   [8][32][4]  k 4s + j of output n: the first 32 k in the low nibbles, the others
 *                              in the high ones
 *      128 bytes   [2][32]     d, bf16, of both groups of 32 k
 *       64 bytes   [2][32]     c, int8
 *
 * and a weight is d * (u + c / 16 - 8): 4.75 bits. The offset in sixteenths of a step costs a
 * quarter of a bit and pays for itself, since a group's range is rarely centred: root mean square
 * errors of the weights of bge-small-zh and MiniLM-L6 are 0.0763 and 0.0772 of their size with it,
 * 0.0852 and 0.0863 with the best scale alone. And it holds what GGUF's Q4_0 and Q4_1 hold: read
 * from those, weights keep their integers, and move by a thirty-second of a step at most.
 *
 * Products add d * (c / 16 - 8) up as integers of 12 bits, in units of the output's own: a power of
 * two, in `scale` of the weight.
 *
 * How a group is chosen: of a few ranges (its own, two a little narrower, which round the outermost
 * weights worse and all others better, Q4_0's) the one whose squares of errors sum to the least.
 * Invariants: padding in n and k has d = 0; a group with NaN or infinity has d = NaN: it shows.
 */
#include "math/internal.h"
#include <assert.h>
#include <math.h>
#include <string.h>

enum { GROUP = B4C_GROUP, LANES = 4, VECTORS = GROUP / LANES };

/* Four numbers at once, in a form that compilers of every machine know. */
typedef float four __attribute__((vector_size(16)));
typedef int32_t mask __attribute__((vector_size(16)));      /* -1 where a comparison holds */

typedef struct group { four x[VECTORS]; } group;

/* What a choice of d and c makes of the group: its integers, and its error. */
typedef struct choice {
    float d, error;
    int c;
    four u[VECTORS];
} choice;

static four all(float x) { return (four){ x, x, x, x }; }

static four pick(mask m, four yes, four no)
{
    return (four)((m & (mask)yes) | (~m & (mask)no));
}

static float offset(int c) { return (float)c / 16 - 8; }

/* The range low .. high on 16 steps, or wider by what d and c can say. */
static choice choose(const group *g, float low, float high)
{
    choice r = { .d = b4c_from_bf16(b4c_to_bf16((high - low) / 15)) };
    if (!(r.d > 0)) return r;
    float c = rintf(16 * (low / r.d + 8));
    c = c < -128 ? -128 : c > 127 ? 127 : c;
    r.c = (int)c;
    /* Adding 1.5 * 2^23 leaves no room for a fraction: the nearest integer, ties to even. */
    const four round = all(12582912.f), most = all(15), none = all(0);
    const four inverse = all(1 / r.d), step = all(r.d), shift = all(offset(r.c));
    four error = none;
    for (int i = 0; i < VECTORS; i++) {
        four u = (g->x[i] * inverse - shift + round) - round;
        u = pick(u < none, none, u);
        u = pick(u > most, most, u);
        const four off = (u + shift) * step - g->x[i];
        error += off * off;
        r.u[i] = u;
    }
    r.error = error[0] + error[1] + error[2] + error[3];
    return r;
}

static void take_better(choice *best, const group *g, float low, float high)
{
    const choice other = choose(g, low, high);
    if (other.error < best->error) *best = other;
}

static choice best_of(const group *g)
{
    const float *x = (const float *)(const void *)g;
    float low = 0, high = 0, sum = 0;
    for (int i = 0; i < GROUP; i++) {
        low = x[i] < low ? x[i] : low;
        high = x[i] > high ? x[i] : high;
        sum += x[i] - x[i];                      /* NaN beside NaN and infinity */
    }
    if (sum < 0 || sum > 0 || isnan(sum)) return (choice){ .d = NAN };
    const float largest = -low > high ? -low : high, width = high - low;
    if (largest < B4C_I8_TINY) return (choice){ .d = 0 };
    choice best = choose(g, low, high);
    if (best.error <= 1e-6f * width * width) return best;
    take_better(&best, g, low + 0.02f * width, high - 0.02f * width);
    take_better(&best, g, low + 0.05f * width, high - 0.05f * width);
    const float q4_0 = largest / 8;
    if (-low > high) take_better(&best, g, -8 * q4_0, 7 * q4_0);
    else take_better(&best, g, -7 * q4_0, 8 * q4_0);
    return best;
}

/* Where block b of output n begins, as bytes of its panel. */
static uint8_t *block_of(const b4c_packed *p, int n, int b)
{
    const size_t blocks = (size_t)(p->kp / 64);
    return (uint8_t *)p->panels + ((size_t)(n / B4C_PANEL) * blocks + (size_t)b) * B4C_I4_BLOCK;
}

/* The unit in which `size` is an integer within B4C_GROUP_SUM. */
static void take_unit(float *unit, float size)
{
    int exponent;
    if (!(size > 0)) return;                     /* or NaN, which shows elsewhere */
    (void)frexpf(size, &exponent);
    const float least = isinf(size) ? size : ldexpf(1.f / B4C_GROUP_SUM, exponent);
    if (least > *unit) *unit = least;
}

void b4c_packed_put_group(b4c_packed *p, int row, int k, const b4c_int4_group *g)
{
    assert(p->dtype == B4C_I4 && row >= 0 && row < p->n && k % GROUP == 0 && k < p->kp);
    const int lane = row % B4C_PANEL;
    const bool second = k / GROUP % 2 != 0;
    const int at = second * B4C_PANEL + lane;
    uint8_t *b = block_of(p, row, k / 64);
    for (int i = 0; i < GROUP; i++) {
        uint8_t *to = b + (i / 4 * B4C_PANEL + lane) * 4 + i % 4;
        *to = (uint8_t)(second ? (*to & 15) | g->code[i] << 4 : (*to & 0xf0) | g->code[i]);
    }
    memcpy(b + B4C_I4_SCALES + 2 * at, &g->scale, sizeof g->scale);
    b[B4C_I4_OFFSETS + at] = (uint8_t)g->offset;
    take_unit(p->scale + row, fabsf(b4c_from_bf16(g->scale) * offset(g->offset)));
}

void b4c_packed_group(const b4c_packed *p, int row, int k, b4c_int4_group *g)
{
    assert(p->dtype == B4C_I4 && row >= 0 && row < p->n && k % GROUP == 0 && k < p->kp);
    const int lane = row % B4C_PANEL;
    const bool second = k / GROUP % 2 != 0;
    const int at = second * B4C_PANEL + lane;
    const uint8_t *b = block_of(p, row, k / 64);
    for (int i = 0; i < GROUP; i++) {
        const uint8_t both = b[(i / 4 * B4C_PANEL + lane) * 4 + i % 4];
        g->code[i] = k + i < p->k ? second ? both >> 4 : both & 15 : 0;
    }
    memcpy(&g->scale, b + B4C_I4_SCALES + 2 * at, sizeof g->scale);
    g->offset = (int8_t)b[B4C_I4_OFFSETS + at];
}

void b4c_int4_fill(b4c_packed *p, int n, const b4c_real *w)
{
    for (int k = 0; k < p->kp; k += GROUP) {
        group g = { 0 };
        float *x = (float *)(void *)&g;
        for (int i = 0; i < GROUP && k + i < p->k; i++) x[i] = (float)w[k + i];
        const choice best = best_of(&g);
        const float *u = (const float *)(const void *)best.u;
        b4c_int4_group to = { .scale = b4c_to_bf16(best.d), .offset = (int8_t)best.c };
        for (int i = 0; i < GROUP; i++) to.code[i] = (uint8_t)u[i];
        b4c_packed_put_group(p, n, k, &to);
    }
}

void b4c_int4_row(const b4c_packed *p, int n, b4c_real *y)
{
    b4c_int4_group g;
    for (int k = 0; k < p->k; k += GROUP) {
        b4c_packed_group(p, n, k, &g);
        for (int i = 0; i < GROUP && k + i < p->k; i++) y[k + i] = (b4c_real)b4c_int4_value(&g, i);
    }
}
