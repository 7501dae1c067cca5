/* amx_tiles.h - the tile instructions as words. tests/kernels/amx_emulated.h defines the same words
 * in C, so that the product built on them runs where no tiles are.
 *
 * Own asm, because gcc 12's intrinsics tell the compiler too little: _tile_loadconfig names only 8
 * of the 64 bytes it reads, _tile_loadd no memory at all, and stores that the instruction reads may
 * then be dropped or moved past it. The compiler itself never uses tiles.
 */
#ifndef B4C_MATH_AMX_TILES_H
#define B4C_MATH_AMX_TILES_H
#include <stdint.h>
#include <string.h>

/* Rows of tiles 0, 1, 4 (first rows of a block) and of 2, 3, 5 (second); 6 and 7 hold 16 rows of
 * weights. All are 64 bytes wide. Clears all tiles, takes 55 ns: once a product and thread. */
static inline void tile_config(int first, int second)
{
    struct {
        uint8_t palette, start, pad[14];
        uint16_t bytes[16];
        uint8_t rows[16];
    } c;
    memset(&c, 0, sizeof c);
    c.palette = 1;
    for (int i = 0; i < 8; i++) {
        c.bytes[i] = 64;
        c.rows[i] = 16;
    }
    c.rows[0] = c.rows[1] = c.rows[4] = (uint8_t)first;
    c.rows[2] = c.rows[3] = c.rows[5] = (uint8_t)second;
    __asm__ volatile("ldtilecfg %0" ::"m"(c));
}

/* With tiles in their first state the system neither saves nor restores them. */
static inline void tile_release(void) { __asm__ volatile("tilerelease"); }

#define TILE_ZERO(t) __asm__ volatile("tilezero %%tmm" #t ::)
#define TILE_LOAD(t, p, step)                                                                    \
    __asm__ volatile("tileloadd (%0,%1,1), %%tmm" #t ::"r"((const void *)(p)), "r"((long)(step)) \
                     : "memory")
/* ... without keeping the lines in L1 */
#define TILE_STREAM(t, p, step)                                                                    \
    __asm__ volatile("tileloaddt1 (%0,%1,1), %%tmm" #t ::"r"((const void *)(p)), "r"((long)(step)) \
                     : "memory")
#define TILE_STORE(t, p, step)                                                                 \
    __asm__ volatile("tilestored %%tmm" #t ", (%0,%1,1)" ::"r"((void *)(p)), "r"((long)(step)) \
                     : "memory")
/* c += a b: 16 x 16 sums over 32 bf16 or 64 signed bytes */
#define TILE_BF16(c, a, b) __asm__ volatile("tdpbf16ps %%tmm" #b ", %%tmm" #a ", %%tmm" #c ::)
#define TILE_I8(c, a, b)   __asm__ volatile("tdpbssd %%tmm" #b ", %%tmm" #a ", %%tmm" #c ::)
#endif
