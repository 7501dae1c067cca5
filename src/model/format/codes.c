/* codes.c - int8 and int4 matrices in safetensors, as `convert` writes them.
 *
 *     NAME          I8   [out, in]         codes, -127 .. 127
 *     NAME_scale    F32  [out, 1]          value = code * scale / column
 *
 *     NAME_packed   I32  [out, in / 8]     codes, 0 .. 15, the first in the lowest bits
 *     NAME_scale    BF16 [out, in / 32]    value = scale * (code + offset / 16 - 8) / column
 *     NAME_offset   I8   [out, in / 32]
 *     NAME_shape    I64  [2]               out, in: where `in` is no multiple, its last word and
 *                                          its last group are not full
 *
 *     NAME_columns  F32  [in]              powers of two, where columns were evened out (even.h)
 *
 * Names are those of compressed-tensors (its int-quantized and pack-quantized), which has no
 * offset in parts of a step.
 *
 * The idea: the codes become a tensor like any other, whose values are products; whoever reads
 * floats need not know. Everything in a file is untrusted: shapes, signs and NaN are checked here,
 * but for scales of int4, which are many: reading their values shows them.
 */
#include "model/format/codes.h"
#include "model/format/reader.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { NAME = 512 };

/* Tensor NAME + tail, or -1. */
static int beside(const b4c_store *s, const char *name, const char *tail)
{
    char whole[NAME];
    if (snprintf(whole, sizeof whole, "%s%s", name, tail) >= NAME) return -1;
    return b4c_store_find(s, whole);
}

/* Its n floats, in the store's memory. */
static int take_floats(b4c_store *s, int tensor, int64_t n, const float **out, b4c_error *err)
{
    const b4c_stored *t = &s->tensor[tensor];
    char text[200];
    uint64_t count = 0;
    if (t->type != B4C_STORED_F32 || !b4c_shape_count(t->shape, t->rank, &count) ||
        count != (uint64_t)n)
        return b4c_fail_tensor(s, t->file, b4c_span_of(t->name), err, B4C_E_SHAPE,
                               "is %s of %s, its codes want %lld of F32",
                               b4c_shape_text(text, t->shape, t->rank),
                               b4c_stored_type_name(t->type), (long long)n);
    float *x = b4c_store_keep(s, (size_t)n * sizeof *x);
    if (!x) return b4c_fail_memory(s, t->file, err);
    for (int64_t i = 0; i < n; i++) x[i] = b4c_stored_element(t, (size_t)i);
    *out = x;
    return 0;
}

static bool is_scale(float x) { return isfinite(x) && x >= 0; }
static bool is_factor(float x)
{
    int exponent;
    return isfinite(x) && x >= 1 && frexpf(x, &exponent) == 0.5f && exponent <= 17;
}

static int check_all(const b4c_store *s, int tensor, const float *x, int64_t n,
                     bool (*good)(float), const char *wanted, b4c_error *err)
{
    const b4c_stored *t = &s->tensor[tensor];
    for (int64_t i = 0; i < n; i++)
        if (!good(x[i]))
            return b4c_fail_tensor(s, t->file, b4c_span_of(t->name), err, B4C_E_NUMBER,
                                   "number %lld is %g, wanted %s", (long long)i, (double)x[i],
                                   wanted);
    return 0;
}

/* What columns of tensor i, which has its own shape by now, were multiplied by. */
static int take_columns(b4c_store *s, int i, const char *name, b4c_error *err)
{
    b4c_stored *t = &s->tensor[i];
    const int factor = beside(s, name, "_columns");
    if (factor < 0) return 0;
    const float *columns;
    B4C_TRY(take_floats(s, factor, t->shape[1], &columns, err));
    B4C_TRY(check_all(s, factor, columns, t->shape[1], is_factor, "a power of two from 1 to 65536",
                      err));
    t->columns = columns;
    return 0;
}

/* ---- int8 ------------------------------------------------------------------------------------ */

static int join(b4c_store *s, int i, int scale, b4c_error *err)
{
    b4c_stored *t = &s->tensor[i];
    const float *scales;
    if (t->shape[0] > INT32_MAX || t->shape[1] > INT32_MAX)
        return b4c_fail_tensor(s, t->file, b4c_span_of(t->name), err, B4C_E_SHAPE,
                               "has more rows or columns than codes may have");
    if (beside(s, t->name, "_zero_point") >= 0)
        return b4c_fail_tensor(s, t->file, b4c_span_of(t->name), err, B4C_E_UNSUPPORTED,
                               "has zero points, wanted codes around 0, as convert writes them; "
                               "take the model as it was before it was quantised");
    B4C_TRY(take_floats(s, scale, t->shape[0], &scales, err));
    B4C_TRY(check_all(s, scale, scales, t->shape[0], is_scale, "0 or more", err));
    B4C_TRY(take_columns(s, i, t->name, err));
    const int32_t *zero = b4c_store_keep(s, (size_t)t->shape[0] * sizeof *zero);
    if (!zero) return b4c_fail_memory(s, t->file, err);
    t->quant_scale = scales;
    t->quant_zero = zero;
    t->n_quant = (int)t->shape[0];
    t->coded = true;
    return 0;
}

/* ---- int4 ------------------------------------------------------------------------------------ */

/* The tensors that stand beside NAME_packed, by their tails. */
enum { SCALE, OFFSET, SHAPE, PARTS };
static const char *const tails[PARTS] = { "_scale", "_offset", "_shape" };

static bool strip(const char *name, const char *tail, char out[NAME])
{
    const size_t n = strlen(name), k = strlen(tail);
    if (n <= k || n >= NAME || strcmp(name + n - k, tail) != 0) return false;
    memcpy(out, name, n - k);
    out[n - k] = '\0';
    return true;
}

/* Is tensor i one of packed codes? Its name without the tail, and what stands beside it. */
static bool is_packed(const b4c_store *s, int i, char name[NAME], int part[PARTS])
{
    const b4c_stored *t = &s->tensor[i];
    if (t->type != B4C_STORED_I32 || t->rank != 2 || !strip(t->name, "_packed", name)) return false;
    for (int k = 0; k < PARTS; k++)
        if ((part[k] = beside(s, name, tails[k])) < 0) return false;
    return true;
}

/* Is it a matrix [rows, cols] of this type? */
static int check_part(const b4c_store *s, int part, b4c_stored_type type, int64_t rows,
                      int64_t cols, b4c_error *err)
{
    const b4c_stored *t = &s->tensor[part];
    char text[200];
    if (t->type == type && t->rank == 2 && t->shape[0] == rows && t->shape[1] == cols) return 0;
    return b4c_fail_tensor(s, t->file, b4c_span_of(t->name), err, B4C_E_SHAPE,
                           "is %s of %s, its codes want [%lld, %lld] of %s",
                           b4c_shape_text(text, t->shape, t->rank), b4c_stored_type_name(t->type),
                           (long long)rows, (long long)cols, b4c_stored_type_name(type));
}

/* What NAME_shape says, if the words can be that. */
static int shape_of(const b4c_store *s, int i, int part, int64_t shape[2], b4c_error *err)
{
    const b4c_stored *t = &s->tensor[i], *said = &s->tensor[part];
    char text[200];
    if (said->type != B4C_STORED_I64 || said->rank != 1 || said->shape[0] != 2)
        return b4c_fail_tensor(s, said->file, b4c_span_of(said->name), err, B4C_E_SHAPE,
                               "is %s of %s, wanted [2] of i64",
                               b4c_shape_text(text, said->shape, said->rank),
                               b4c_stored_type_name(said->type));
    memcpy(shape, said->data, 2 * sizeof *shape);
    if (shape[0] > 0 && shape[0] <= INT32_MAX && shape[1] > 0 && shape[1] <= INT32_MAX - 8 &&
        t->shape[0] == shape[0] && t->shape[1] == b4c_code_words((int)shape[1]))
        return 0;
    return b4c_fail_tensor(s, said->file, b4c_span_of(said->name), err, B4C_E_SHAPE,
                           "says [%lld, %lld], but its codes are %s words of eight",
                           (long long)shape[0], (long long)shape[1],
                           b4c_shape_text(text, t->shape, t->rank));
}

static int join_packed(b4c_store *s, int i, const char *name, const int part[PARTS],
                       b4c_error *err)
{
    b4c_stored *t = &s->tensor[i];
    int64_t shape[2];
    B4C_TRY(shape_of(s, i, part[SHAPE], shape, err));
    const int groups = b4c_code_groups((int)shape[1]);
    B4C_TRY(check_part(s, part[SCALE], B4C_STORED_BF16, shape[0], groups, err));
    B4C_TRY(check_part(s, part[OFFSET], B4C_STORED_I8, shape[0], groups, err));
    t->type = B4C_STORED_I4;
    memcpy(t->shape, shape, sizeof shape);
    b4c_stored_pack(t);
    t->group_scale = s->tensor[part[SCALE]].data;
    t->group_offset = s->tensor[part[OFFSET]].data;
    t->coded = true;
    return take_columns(s, i, name, err);
}

void b4c_stored_group(const b4c_stored *t, int64_t row, int c, b4c_int4_group *g)
{
    const int cols = (int)t->shape[1], words = b4c_code_words(cols);
    const unsigned char *codes = t->data + 4 * (row * words + c / 8);
    const int64_t at = row * b4c_code_groups(cols) + c / B4C_GROUP;
    for (int i = 0; i < B4C_GROUP; i++)
        g->code[i] = c + i >= cols ? 0 : i % 2 ? codes[i / 2] >> 4 : codes[i / 2] & 15;
    memcpy(&g->scale, t->group_scale + 2 * at, sizeof g->scale);
    g->offset = (int8_t)t->group_offset[at];
}

void b4c_codes_put(const b4c_int4_group *g, int c, unsigned char *words)
{
    for (int i = 0; i < B4C_GROUP; i += 2)
        words[(c + i) / 2] = (unsigned char)(g->code[i] | g->code[i + 1] << 4);
}

/* ---- all ------------------------------------------------------------------------------------- */

int b4c_store_codes(b4c_store *s, b4c_error *err)
{
    char name[NAME];
    int part[PARTS], renamed = 0;
    for (int i = 0; i < s->n; i++) {
        const b4c_stored *t = &s->tensor[i];
        if (t->type != B4C_STORED_I8 || t->rank != 2 || t->shape[0] == 0) continue;
        const int scale = beside(s, t->name, "_scale");
        if (scale >= 0) B4C_TRY(join(s, i, scale, err));
    }
    for (int i = 0; i < s->n; i++)
        if (is_packed(s, i, name, part)) B4C_TRY(join_packed(s, i, name, part, err));
    for (int i = 0; i < s->n; i++) { /* now that nothing is sought among sorted names */
        if (s->tensor[i].type != B4C_STORED_I4) continue;
        strip(s->tensor[i].name, "_packed", name);
        B4C_TRY(b4c_store_rename(s, i, b4c_span_of(name), err));
        renamed++;
    }
    return renamed ? b4c_store_sort(s, err) : 0;
}
