/* peak.c - the arithmetic limit of one core: loops that only multiply and add registers.
 *
 * Fourteen independent sums hide the latency (4 to 6 cycles, two pipes); tiles need four. Vectors
 * hold leftovers: the limit is that of the clock, which real numbers may lower a little. Tiles hold
 * numbers: on servers short of power a product of zeros was seen to take a third of the time.
 * Instructions stand in assembler, so that this file needs no flags of any instruction set; a loop
 * is only handed out where the processor has its instruction.
 */
#include "math/peak.h"
#include "math/internal.h"
#include <string.h>

#ifdef B4C_X86
#define FOURTEEN(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(14) X(15)
#define SUMS                                                                                      \
    "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10",      \
        "xmm11", "xmm14", "xmm15"
#define LOOP(name, instruction, operations)                                                       \
    static double name(long rounds)                                                               \
    {                                                                                             \
        for (long i = 0; i < rounds; i++) __asm__ volatile(FOURTEEN(instruction)::: SUMS);        \
        return (double)rounds * 14 * operations;                                                  \
    }
#define FMA_YMM(i)  "vfmadd231ps %%ymm12, %%ymm13, %%ymm" #i "\n\t"
#define FMA_ZMM(i)  "vfmadd231ps %%zmm12, %%zmm13, %%zmm" #i "\n\t"
#define BF16_ZMM(i) "vdpbf16ps %%zmm12, %%zmm13, %%zmm" #i "\n\t"
#define VNNI_ZMM(i) "vpdpbusd %%zmm12, %%zmm13, %%zmm" #i "\n\t"
#define VNNI_YMM(i) "%{vex%} vpdpbusd %%ymm12, %%ymm13, %%ymm" #i "\n\t"
#define MADD_ZMM(i) "vpmaddwd %%zmm12, %%zmm13, %%zmm" #i "\n\t"
#define MADD_YMM(i) "vpmaddwd %%ymm12, %%ymm13, %%ymm" #i "\n\t"
LOOP(fma_ymm, FMA_YMM, 16.)
LOOP(fma_zmm, FMA_ZMM, 32.)
LOOP(bf16_zmm, BF16_ZMM, 64.)
LOOP(vnni_zmm, VNNI_ZMM, 128.)
LOOP(vnni_ymm, VNNI_YMM, 64.)
LOOP(madd_zmm, MADD_ZMM, 64.)
LOOP(madd_ymm, MADD_YMM, 32.)

/* Eight tiles of 16 rows of 64 bytes. */
static const struct {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
} tiles = { 1, 0, { 0 }, { 64, 64, 64, 64, 64, 64, 64, 64 }, { 16, 16, 16, 16, 16, 16, 16, 16 } };

/* Bytes and, two by two, bf16 numbers of both signs between 0.008 and 2. */
static void some_numbers(uint8_t tile[1024])
{
    uint32_t x = 1;
    for (int i = 0; i < 1024; i++) {
        x = x * 1664525 + 1013904223;
        tile[i] = i % 2 ? (uint8_t)((x >> 24 & 0x83) | 0x3c) : (uint8_t)(x >> 24);
    }
}

#define TILE_LOOP(name, instruction, operations)                                                  \
    static double name(long rounds)                                                               \
    {                                                                                             \
        uint8_t numbers[1024];                                                                    \
        some_numbers(numbers);                                                                    \
        __asm__ volatile("ldtilecfg %0" ::"m"(tiles));                                            \
        __asm__ volatile("tileloadd (%0,%1,1), %%tmm4\n\t"                                       \
                         "tileloadd (%0,%1,1), %%tmm5" ::"r"(numbers), "r"(64L) : "memory");      \
        for (long i = 0; i < rounds; i++)                                                         \
            __asm__ volatile(instruction " %%tmm4, %%tmm5, %%tmm0\n\t" instruction                \
                                         " %%tmm4, %%tmm5, %%tmm1\n\t" instruction                \
                                         " %%tmm4, %%tmm5, %%tmm2\n\t" instruction                \
                                         " %%tmm4, %%tmm5, %%tmm3" ::);                           \
        __asm__ volatile("tilerelease" ::);                                                       \
        return (double)rounds * 4 * operations;                                                   \
    }
TILE_LOOP(bf16_tiles, "tdpbf16ps", 16384.)
TILE_LOOP(i8_tiles, "tdpbusd", 32768.)

b4c_peak_fn b4c_peak_loop(b4c_dtype dtype, const char **name)
{
    const char *isa = b4c_kernels_get()->name;
    const b4c_cpu *cpu = b4c_cpu_get();
    const bool amx = !strcmp(isa, "amx"), zmm = amx || !strcmp(isa, "avx512");
    const struct { bool may; b4c_dtype dtype; const char *name; b4c_peak_fn loop; } loops[] = {
        { amx, B4C_I8, "tdpbusd", i8_tiles },
        { zmm && cpu->avx512_vnni, B4C_I8, "vpdpbusd zmm", vnni_zmm },
        { zmm, B4C_I8, "vpmaddwd zmm", madd_zmm },
        { cpu->avx_vnni, B4C_I8, "vpdpbusd ymm", vnni_ymm },
        { cpu->avx2, B4C_I8, "vpmaddwd ymm", madd_ymm },
        { amx, B4C_BF16, "tdpbf16ps", bf16_tiles },
        { zmm && cpu->fast_bf16, B4C_BF16, "vdpbf16ps zmm", bf16_zmm },
        { zmm, B4C_BF16, "fma zmm", fma_zmm },
        { cpu->avx2, B4C_BF16, "fma ymm", fma_ymm },
        { zmm, B4C_F32, "fma zmm", fma_zmm },
        { cpu->avx2, B4C_F32, "fma ymm", fma_ymm },
    };
    for (size_t i = 0; i < sizeof loops / sizeof *loops && strcmp(isa, "scalar"); i++)
        if (loops[i].may && loops[i].dtype == dtype) {
            *name = loops[i].name;
            return loops[i].loop;
        }
    return NULL;
}
#else
b4c_peak_fn b4c_peak_loop(b4c_dtype dtype, const char **name)
{
    (void)dtype, (void)name;
    return NULL;
}
#endif
