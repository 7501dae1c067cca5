/* amx_emulated.c - the AMX table on a processor with AVX-512 but without tiles: gemm_amx.c itself,
 * over tiles in C. */
#include "amx_emulated_table.h"

#if defined(__x86_64__) && !defined(__clang__) && !defined(B4C_DOUBLE)
#pragma GCC target("arch=x86-64-v4,avx512bf16,avx512vnni")
#include "amx_emulated.h"
#define b4c_fill_gemm_amx b4c_fill_gemm_amx_emulated
#include "math/gemm_amx.c"

const b4c_kernels *amx_emulated_table(void)
{
    static b4c_kernels table;
    const b4c_kernels *avx512 = b4c_kernels_find("avx512");
    if (!avx512 || !b4c_cpu_get()->avx512_vnni || !b4c_cpu_get()->avx512_bf16) return NULL;
    if (!table.name) {
        table = *avx512;
        b4c_fill_gemm_amx_emulated(&table);
        b4c_fill_vector_amx(&table);
        table.name = "amx";
    }
    return &table;
}
#else
const b4c_kernels *amx_emulated_table(void) { return NULL; }
#endif
