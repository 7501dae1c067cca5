/* half_copies_body.h - copies of factors that round to bf16 and put the two k of a pair side by
 * side, as vdpbf16ps and the tiles want them, and the two products as the table has them. Included
 * after vec_avx512.h and add_copies_body.h by what multiplies the copies: add_half.
 */
#ifndef B4C_MATH_HALF_COPIES_BODY_H
#define B4C_MATH_HALF_COPIES_BODY_H

static inline __mmask16 first_lanes(int n)
{
    return n >= 16 ? (__mmask16)0xffff : (__mmask16)((1u << (n < 0 ? 0 : n)) - 1);
}

/* Two vectors as pairs: lo[0] hi[0] lo[1] hi[1] ... */
static inline __m512i half_pair(__m512 lo, __m512 hi)
{
    const __m512i l = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(lo)),
                  h = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(hi));
    return _mm512_or_si512(l, _mm512_slli_epi32(h, 16));
}

/* n columns of rows lo and hi (NULL: zeros), as pairs: `to` [n rounded up to 16][2]. */
static inline void half_pairs(const float *lo, const float *hi, int n, uint16_t *to)
{
    for (int i = 0; i < n; i += 16) {
        const __mmask16 m = first_lanes(n - i);
        const __m512 second = hi ? _mm512_maskz_loadu_ps(m, hi + i) : _mm512_setzero_ps();
        _mm512_storeu_si512(to + 2 * i, half_pair(_mm512_maskz_loadu_ps(m, lo + i), second));
    }
}

/* n numbers in a row, zeros behind them up to a multiple of 16. next: from this row to that which
 * follows. */
static inline void half_row(const float *x, int n, size_t next, uint16_t *to)
{
    for (int i = 0; i < n; i += 16) {
        b4c_ask_ahead(x + i, next * sizeof *x, sizeof *x);
        _mm256_storeu_si256((__m256i *)(void *)(to + i),
                            (__m256i)_mm512_cvtneps_pbh(
                                _mm512_maskz_loadu_ps(first_lanes(n - i), x + i)));
    }
}

/* panel [ks / 2][32][2] from b's k .. k+ks-1, columns j .. j+columns-1; zeros beside them. */
static void half_panel(const addition *s, int k, int ks, int j, int columns, void *to)
{
    uint16_t *panel = to;
    const float *b = s->b + (size_t)k * s->b_k + (size_t)j * s->b_column;
    if (columns < B4C_PANEL)
        memset(panel, 0, (size_t)(ks + 1) / 2 * 2 * B4C_PANEL * sizeof *panel);
    for (int l = 0; l < ks; l += 2, panel += 2 * B4C_PANEL) {
        const float *lo = b + (size_t)l * s->b_k;
        for (int i = 0; i < 2; i++)
            b4c_ask_ahead(lo, (ADD_AHEAD + i) * s->b_k * sizeof *lo, (size_t)columns * sizeof *lo);
        half_pairs(lo, l + 1 < ks ? lo + s->b_k : NULL, columns, panel);
    }
}

/* ---- the products, of whoever includes this -------------------------------------------------- */

/* Rows begin .. end-1 of c. */
static void add_half(const addition *, int begin, int end);

static void half_nn(int m, int n, int k, const float *a, int lda, const float *b, int ldb, float *c,
                    int ldc, int begin, int end)
{
    (void)m;
    add_half(&(addition){ n, k, a, b, (size_t)lda, 1, (size_t)ldb, 1, c, (size_t)ldc }, begin, end);
}

static void half_tn(int m, int n, int k, const float *a, int lda, const float *b, int ldb, float *c,
                    int ldc, int begin, int end)
{
    (void)m;
    add_half(&(addition){ n, k, a, b, 1, (size_t)lda, (size_t)ldb, 1, c, (size_t)ldc }, begin, end);
}
#endif
