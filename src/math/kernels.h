/* kernels.h - the table of kernels: all arithmetic on arrays, per instruction set.
 *
 * Nothing here allocates, and nothing but math/ knows how an instruction set lays its operands out.
 * A kernel works on the part [begin, end) of its units that the caller gives it, so that the caller
 * decides about threads; what a unit is stands at each kernel. Results never depend on how units
 * are divided, nor on how many rows a call has (DESIGN law 1).
 *
 * Letters: n rows, w or k width of a row (the summed axis of a product), h heads, d head size. All
 * pointers to rows are row-major with a stride `ld` in elements. Weights and operands are 64-byte
 * aligned; REAL rows may be a view, aligned as a b4c_real only.
 */
#ifndef B4C_MATH_KERNELS_H
#define B4C_MATH_KERNELS_H
#include "base/real.h"
#include "bert4c.h"

/* ---- what a product reads and writes --------------------------------------------------------- */

/* The form rows are in. REAL: b4c_real rows. BF16: bf16 rows, round to nearest even. I8: one
 * byte an element with one scale a row (value = scale * q, q in -127..127; kernels for
 * unsigned-times-signed instructions keep q + 128). I8_GROUPS: one byte an element, q itself, with
 * a scale for each 32 of a row (b4c_group_pair, internal.h). TILE_*: the same in AMX order. Only
 * math/ looks inside the data and the scales of a form other than REAL. */
typedef enum b4c_form {
    B4C_FORM_NONE, B4C_FORM_REAL, B4C_FORM_BF16, B4C_FORM_I8, B4C_FORM_TILE_BF16, B4C_FORM_TILE_I8,
    B4C_FORM_I8_GROUPS
} b4c_form;

typedef struct b4c_operand {
    b4c_form form;
    int rows, cols;
    void *data;
    /* REAL: elements from row to row. Other forms: bytes from row to row (TILE_*: of 16 rows) */
    size_t ld;
    float *scale;            /* [rows], *_I8 only; I8_GROUPS: b4c_operand_scales floats */
} b4c_operand;

/* *_BRIEF: with an absolute error of 9e-6, for results of int8 products, which are coarser. */
typedef enum b4c_act {
    B4C_ACT_NONE, B4C_ACT_GELU, B4C_ACT_GELU_TANH, B4C_ACT_RELU, B4C_ACT_SILU, B4C_ACT_TANH,
    B4C_ACT_GELU_BRIEF, B4C_ACT_GELU_TANH_BRIEF
} b4c_act;

/* The most columns of an I8 weight: a sum of so many products of 255 and 127 fits 32 bits. */
enum { B4C_I8_COLS = 66000 };

/* A packed weight [n, k] (out, in): panels of 32 outputs, the same bytes for every instruction
 * set of a dtype: [n/32][kp/g][32][g], g = 1 (f32), 2 (bf16), 4 (i8); i4: see pack_int4.c. kp = k
 * rounded up to 1, 32, 64, 64; zero filled. The scales stand behind them. */
typedef struct b4c_packed {
    int n, k, kp;
    b4c_dtype dtype;         /* F32 (b4c_real), BF16, I8, I4 */
    bool groups;             /* I8: its rows come as I8_GROUPS; I4's always do */
    void *panels;            /* NULL: not made (b4c_gemm_of_panel) */
    size_t bytes;            /* of panels, made or not */
    /* [n rounded up to 32]. I8: of the output; I4: see pack_int4.c */
    float *scale;
    int32_t *sum128;         /* I8: 128 * sum of the row's integers, [n rounded up to 32] */
} b4c_packed;

/* y = act(x W^T + bias), into rows or into the form that a later product wants. */
typedef struct b4c_gemm {
    const b4c_packed *w;
    b4c_operand in;          /* [rows, k] in b4c_form_for(table, w->dtype, w->groups) */
    const b4c_real *bias;    /* [n], or NULL. Not padded */
    b4c_act act;
    b4c_operand out;         /* [rows, n]: REAL, BF16 or TILE_BF16 */
} b4c_gemm;

/* ---- attention ------------------------------------------------------------------------------- */

/* Keys that a page of kept keys and values holds. */
enum { B4C_PAGE = 32 };
static inline int b4c_pages_of(int keys) { return (keys + B4C_PAGE - 1) / B4C_PAGE; }

/* Rows of k and v [.., kv_heads*d] to keep: row i becomes key at + i of its sequence, whose pages
 * are numbers page[0], page[1] ... of `pages`, each of table->page_bytes bytes. */
typedef struct b4c_keeping {
    int kv_heads, head_size;
    bool bf16;               /* as the attention that will read them */
    const b4c_real *k, *v;
    int k_ld, v_ld, at;
    char *pages;
    const int *page;
} b4c_keeping;

/* One sequence's queries against its keys. Query row i (of q_rows) sees keys from[i] ..
 * upto[i]-1 (indices within this sequence's keys); none: its output is zero. Scores = scale *
 * q.k (+ bias[bucket(j - pos[i])]) (+ NEZHA: scale * q.R[j - pos[i]]). Result = sum of weight *
 * v (+ NEZHA: weight * R[j - pos[i]], the same table; SPEC A.4). */
typedef struct b4c_attention {
    int heads, kv_heads, head_size, q_rows, k_rows;
    b4c_real scale;
    /* first row of this sequence; [rows, heads*d], [rows, kv_heads*d] */
    const b4c_real *q, *k, *v;
    /* Instead of them, where table->bf16_heads allows it: the same as bf16 (q_half NULL: not). */
    const uint16_t *q_half, *k_half, *v_half;
    int q_ld, k_ld, v_ld;        /* elements */
    /* Instead of k and v: keys and values that table->keep put away. The same bits. NULL: not. The
     * first `trunk` keys, an even number, fill pages number page[0], page[1] ... of pages; those
     * behind them, the branch, fill the next ones. */
    char *pages;
    const int *page;
    int trunk;
    /* [q_rows] Each query is of a sequence of its own, and they share the trunk: the branch of row
     * i has pages page[branch[i]], page[branch[i] + 1] ... k_rows is the most that one has. NULL:
     * all queries are of one sequence */
    const int *branch;
    /* Row i of k and v is the newest key that query i sees, number upto[i] - 1, which is put away
     * before it is looked at; the job's heads must be all of their key heads. */
    bool keep;
    /* Pages of the job that comes next, which are asked for meanwhile, and how many. */
    const int *later_page;
    int later_pages;
    const int *from, *upto;      /* of the interval set of head 0 */
    const int *from2, *upto2;    /* of the second set, or NULL */
    const uint8_t *head_set;     /* [heads] 0 or 1, or NULL: all 0 */
    /* [q_rows] position of the query on the axis of the keys' index; needed by bias and rel */
    const int *pos;
    /* T5: [heads, 2*span+1] score to add at distance j - pos, clipped to -span..span; or NULL */
    const b4c_real *bias;
    int span;
    const b4c_real *rel;         /* NEZHA: [2*rel_max+1, d], row rel_max + clip(j - pos); or NULL */
    int rel_max;
    /* products may round their factors to bf16 where that is faster: weights are no f32 */
    bool bf16;
    /* rows of this sequence start at row out_row: REAL (ld elements), BF16, TILE_BF16 */
    b4c_operand out;
    int out_row;
    /* [heads, q_rows, k_rows] attention weights to show or to save for back, hidden ones 0; or
     * NULL */
    b4c_real *weights;
} b4c_attention;

/* ---- norm ------------------------------------------------------------------------------------ */

typedef enum b4c_norm_kind { B4C_NORM_LAYER, B4C_NORM_RMS } b4c_norm_kind;

/* y = norm(x + residual) * gain + bias, for rows begin..end. */
typedef struct b4c_norm_job {
    b4c_norm_kind kind;
    int cols;
    b4c_real eps;
    const b4c_real *x, *residual;     /* residual may be NULL */
    int x_ld, residual_ld;
    const b4c_real *gain, *bias;      /* [cols], each may be NULL (1, 0) */
    /* [rows, cols], ld = cols; NULL: only the operand is wanted */
    b4c_real *y;
    b4c_operand out;                  /* written too unless its form is NONE or REAL */
    const b4c_real *even;             /* [cols]: an int8 `out` holds y * even; NULL: y */
    b4c_real *sum;                    /* x + residual, ld = cols, or NULL */
    b4c_real *mean, *rstd;            /* [rows] for back, or NULL */
} b4c_norm_job;

/* ---- the table ------------------------------------------------------------------------------- */

/* Adam (Kingma and Ba 2015), both of its forms, with decay aside from the gradient:
 *     g' = scale g    m = beta1 m + (1 - beta1) g'    v = beta2 v + (1 - beta2) g'^2
 *     x = keep x - rate m / (root sqrt v + eps) */
typedef struct b4c_adam {
    b4c_real beta1, beta2, rate, root, eps, keep, scale;
} b4c_adam;

/* What some of a row weigh together, and how many they are. */
typedef struct b4c_tally { b4c_real mass; int n; } b4c_tally;

typedef struct b4c_kernels {
    const char *name;
    b4c_form (*form)(b4c_dtype weight);                 /* what gemm wants as its input */
    /* bf16 products are faster than f32 ones here */
    bool bf16_pays;
    /* rows one thread should take through all layers at once */
    int batch_tokens;

    /* products. Units: panels of 32 outputs, 0 .. (n+31)/32. */
    void (*gemm)(const b4c_gemm *, int begin, int end);
    /* Row-major products for gradients, always adding: c [m, n] += a [m, k] b [k, n]; c [m, n]
     * += a [k, m]^T b [k, n]; c [m, n] += a [m, k] b [n, k]^T. Units: rows of c. */
    void (*add_nn)(int m, int n, int k, const b4c_real *a, int lda, const b4c_real *b, int ldb,
                   b4c_real *c, int ldc, int begin, int end);
    void (*add_tn)(int m, int n, int k, const b4c_real *a, int lda, const b4c_real *b, int ldb,
                   b4c_real *c, int ldc, int begin, int end);
    void (*add_nt)(int m, int n, int k, const b4c_real *a, int lda, const b4c_real *b, int ldb,
                   b4c_real *c, int ldc, int begin, int end);
    /* add_nn and add_tn where factors may be rounded to bf16; the same where that is not faster. */
    void (*half_nn)(int m, int n, int k, const b4c_real *a, int lda, const b4c_real *b, int ldb,
                    b4c_real *c, int ldc, int begin, int end);
    void (*half_tn)(int m, int n, int k, const b4c_real *a, int lda, const b4c_real *b, int ldb,
                    b4c_real *c, int ldc, int begin, int end);

    /* rows -> operand. Units: rows (TILE_*: multiples of 16 as begin). */
    void (*operand)(const b4c_real *x, int x_ld, b4c_operand *out, int begin, int end);
    /* operand -> rows of b4c_real, for ops that want rows of what only exists as an operand.
     * Units: rows. */
    void (*rows)(const b4c_operand *in, b4c_real *y, int y_ld, int begin, int end);
    /* BF16 form (or TILE_BF16) -> I8 form (TILE_I8). Units: rows. */
    void (*requantize)(const b4c_operand *in, b4c_operand *out, int begin, int end);

    void (*norm)(const b4c_norm_job *, int begin, int end);           /* units: rows */
    /* Units: heads of this sequence. scratch: attention_scratch(job) bytes, one a thread. */
    void (*attention)(const b4c_attention *, int begin, int end, void *scratch);
    size_t (*attention_scratch)(const b4c_attention *);
    /* Keys and values that stay (b4c_keeping). Bytes of a page, whose values must be finite when it
     * is taken; keep's units: rows. bf16: whether the attention may round (b4c_attention.bf16, and
     * no `rel`). */
    size_t (*page_bytes)(int kv_heads, int head_size, bool bf16);
    void (*keep)(const b4c_keeping *, int begin, int end);
    /* n keys and values, from number `at` of a page on, to another page's from number to_at on;
     * both numbers even. */
    void (*copy_kept)(int kv_heads, int head_size, bool bf16, const char *from, int at, char *to,
                      int to_at, int n);
    int attention_rows;      /* queries that a job takes at once */
    /* Attention with `bf16` reads q, k and v as bf16 too, to the same bits, where the head size is
     * a multiple of this and there is no `rel`. 0: never. */
    int bf16_heads;

    /* elementwise on n contiguous elements; y may be x */
    void (*act)(b4c_act, const b4c_real *x, b4c_real *y, size_t n);
    /* dx += dy * act'(x) */
    void (*act_back)(b4c_act, const b4c_real *x, const b4c_real *dy, b4c_real *dx, size_t n);
    /* y = a + b */
    void (*add)(const b4c_real *a, const b4c_real *b, b4c_real *y, size_t n);
    /* y = a * b */
    void (*mul)(const b4c_real *a, const b4c_real *b, b4c_real *y, size_t n);
    /* y = x + a */
    void (*shift)(b4c_real a, const b4c_real *x, b4c_real *y, size_t n);
    /* y += a x */
    void (*axpy)(b4c_real a, const b4c_real *x, b4c_real *y, size_t n);
    /* One step of n weights x along gradients g, with moments m and v. */
    void (*adam)(b4c_real *x, const b4c_real *g, b4c_real *m, b4c_real *v, size_t n,
                 const b4c_adam *);
    b4c_real (*dot)(const b4c_real *a, const b4c_real *b, size_t n);
    /* row: softmax in place over n elements; -INFINITY weighs exactly 0; all -INFINITY gives all
     * 0. Returns log of the sum of exp. */
    b4c_real (*softmax)(b4c_real *x, size_t n);

    /* Passes over a row x [n] from which a token is chosen; no NaN. */
    /* -INFINITY of none */
    b4c_real (*highest)(const b4c_real *x, size_t n);
    /* w = e^(x - shift) and their sum; every x <= shift, finite; w may be NULL, or x */
    b4c_real (*weigh)(const b4c_real *x, size_t n, b4c_real shift, b4c_real *w);
    /* Of those with x >= least. w NULL: each weighs 1 */
    b4c_tally (*at_least)(const b4c_real *x, const b4c_real *w, size_t n, b4c_real least);
    /* Those below become -INFINITY. Returns how many others there are. */
    int (*drop_below)(b4c_real *x, size_t n, b4c_real least);
    /* Those with from <= x < upto, and what they weigh, side by side, in order; key may be x, and
     * weight w. Returns how many. Both have room for n numbers, or for 15 more than are found. */
    int (*between)(const b4c_real *x, const b4c_real *w, size_t n, b4c_real from, b4c_real upto,
                   b4c_real *key, b4c_real *weight);
    /* Index of the first element that is not less than `least` (a NaN is not); n: there is none */
    size_t (*reach)(const b4c_real *x, size_t n, b4c_real least);

    /* Rotary positions: y row = x row turned, for each of `heads` of size d. angle tables
     * [max_pos, d/2]; interleaved pairs (2i, 2i+1), or halves (i, i + d/2). back: turn the other
     * way. Units: rows. */
    void (*rotate)(const b4c_real *x, int x_ld, b4c_real *y, int y_ld, int heads, int d,
                   const int *pos, const b4c_real *cosine, const b4c_real *sine, bool halves,
                   bool back, bool add, int begin, int end);
} b4c_kernels;

/* The form of rows that meet weights of a dtype; groups: int8 weights of which the owner wants a
 * scale for each 32 of a row rather than one, which is finer and, where there are tiles, slower. */
static inline b4c_form b4c_form_for(const b4c_kernels *k, b4c_dtype weight, bool groups)
{
    return weight == B4C_I8 && groups ? B4C_FORM_I8_GROUPS : k->form(weight);
}

/* The table of this process. Chosen once, thread-safe. Never NULL. */
const b4c_kernels *b4c_kernels_get(void);
/* B4C_E_ARG where BERT4C_ISA names a table that this machine or build lacks: the one of
 * b4c_kernels_get is then the strongest, not what was asked for. */
int b4c_kernels_check(b4c_error *);
/* A table by name, or NULL where this machine or build lacks it. For tests and bench. */
const b4c_kernels *b4c_kernels_find(const char *name);

/* ---- packing (the same for every instruction set) -------------------------------------------- */

size_t b4c_packed_bytes(int n, int k, b4c_dtype);   /* of panels */
/* The same with its scales: what a weight [n, k] takes in all. */
size_t b4c_packed_room(int n, int k, b4c_dtype);
/* A weight [n, k] in memory of the caller's: b4c_packed_room bytes of zeros on a boundary of 64. */
void b4c_packed_place(b4c_packed *, int n, int k, b4c_dtype, void *memory);
/* The same in a block of its own, freed by _done. 0 or B4C_E_MEMORY. */
int  b4c_packed_init(b4c_packed *, int n, int k, b4c_dtype);
void b4c_packed_done(b4c_packed *);
/* Fill outputs row .. row+rows-1 from `w` [rows, k] (ld elements from row to row). Several calls
 * fill one weight (query, key and value side by side). `row` need not be a multiple of 32. */
void b4c_packed_fill(b4c_packed *, int row, int rows, const b4c_real *w, size_t ld);
/* The product g [rows, n] with one panel alone, number `panel`, made of the rows w [n, k] in memory
 * of b4c_packed_room(32, k) bytes on a boundary of 64: the same bits as from a weight packed whole,
 * of which g->w says shape and type only (F32, BF16). The result is *p's, and has one unit. */
b4c_gemm b4c_gemm_of_panel(const b4c_gemm *g, int panel, const b4c_real *w, b4c_packed *p,
                           void *memory);
/* The weight's values again, dequantised: y [k]. For tests, reports and embedding look-ups of a
 * tied table. */
void b4c_packed_row(const b4c_packed *, int row, b4c_real *y);
/* I8: the codes of one output, [k], and its scale; and the scale that a file states for it, which
 * counts where rounding alone parts it from the one that was found (else it was another's). */
float b4c_packed_codes(const b4c_packed *, int row, int8_t *codes);
void b4c_packed_rescale(b4c_packed *, int row, float scale);

/* I4: a group of neighbours in a row, and what its codes, 0 .. 15, stand for. */
enum { B4C_GROUP = 32 };
typedef struct b4c_int4_group {
    uint8_t code[B4C_GROUP];
    uint16_t scale;          /* bf16 */
    int8_t offset;           /* in sixteenths of a step */
} b4c_int4_group;
/* I4: the group of output `row` that begins at input k, a multiple of 32; codes behind the last
 * input are 0. As it is, and as it shall be. */
void b4c_packed_group(const b4c_packed *, int row, int k, b4c_int4_group *);
void b4c_packed_put_group(b4c_packed *, int row, int k, const b4c_int4_group *);

/* Bytes of data for an operand of this form, and its ld. TILE_*: rows rounded up to 16 (the rows
 * of padding are written by the kernels that need them finite). */
size_t b4c_operand_bytes(b4c_form, int rows, int cols, size_t *ld);
/* Floats of its scales, which are a separate array. 0: it has none. */
size_t b4c_operand_scales(b4c_form, int rows, int cols);
/* Bytes from row to row for rows of so many: a product walks down many rows at once, and rows a
 * multiple of 4 KiB apart would share one set of the first cache. */
size_t b4c_spaced(size_t bytes);

static inline uint16_t b4c_to_bf16(float f)
{
    union { float f; uint32_t u; } x = { f };
    /* NaN stays NaN */
    if ((x.u & 0x7fffffffu) > 0x7f800000u) return (uint16_t)((x.u >> 16) | 64);
    return (uint16_t)((x.u + 0x7fffu + ((x.u >> 16) & 1)) >> 16);
}
static inline float b4c_from_bf16(uint16_t h)
{
    union { uint32_t u; float f; } x = { (uint32_t)h << 16 };
    return x.f;
}
/* The value of element i of a group. */
static inline float b4c_int4_value(const b4c_int4_group *g, int i)
{
    return b4c_from_bf16(g->scale) * ((float)g->code[i] + ((float)g->offset / 16 - 8));
}
#endif
