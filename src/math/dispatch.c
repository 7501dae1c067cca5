/* dispatch.c - which table of kernels this process uses.
 *
 * The idea: a table is a stack of parts, weakest instruction set first, each writing over what it
 * does better; the strongest table that processor and system allow is taken, unless BERT4C_ISA
 * names another. Chosen once, before the first use.
 */
#include "base/error.h"
#include "math/internal.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#ifdef __AVX__
#error "compile dispatch.c without instruction-set flags: it runs before the processor is known"
#endif
#ifdef B4C_X86
#include <cpuid.h>
#include <sys/syscall.h>
#endif
#ifdef B4C_ARM64
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

typedef void (*fill_fn)(b4c_kernels *);
enum { TABLES = 4 };

static pthread_once_t once = PTHREAD_ONCE_INIT;
static b4c_cpu cpu;
static b4c_kernels tables[TABLES];     /* weakest first */
static int n_tables;
static const b4c_kernels *chosen;
static char lacking[32];               /* what BERT4C_ISA names in vain; "": nothing */

const b4c_cpu *b4c_cpu_get(void) { return &cpu; }

#ifdef B4C_X86
static uint64_t saved_registers(void)
{
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
}

static bool bit(uint32_t word, int n) { return word >> n & 1; }

/* Linux lends the tile registers on request, once a process:
 * arch_prctl(ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA). */
static bool tiles_permitted(void)
{
    enum { REQ_XCOMP_PERM = 0x1023, XTILEDATA = 18 };
    return syscall(SYS_arch_prctl, REQ_XCOMP_PERM, XTILEDATA) == 0;
}

static void look_at_processor(void)
{
    uint32_t a = 0, b = 0, c = 0, d = 0, top = 0, ext = 0;
    char vendor[12];
    if (!__get_cpuid(0, &top, &b, &c, &d)) return;
    memcpy(vendor, &b, 4);
    memcpy(vendor + 4, &d, 4);
    memcpy(vendor + 8, &c, 4);
    __get_cpuid(1, &a, &b, &c, &d);
    bool fma = bit(c, 12), f16c = bit(c, 29), xsave = bit(c, 27);
    if (!xsave || top < 7) return;
    uint64_t saved = saved_registers();
    bool ymm = (saved & 0x6) == 0x6, zmm = (saved & 0xe6) == 0xe6;
    bool tiles = (saved & 0x60000) == 0x60000;

    __get_cpuid_count(7, 0, &ext, &b, &c, &d);
    cpu.avx2 = ymm && fma && f16c && bit(b, 5);
    cpu.avx512 =
        cpu.avx2 && zmm && bit(b, 16) && bit(b, 17) && bit(b, 28) && bit(b, 30) && bit(b, 31);
    cpu.avx512_vnni = cpu.avx512 && bit(c, 11);
    bool amx = bit(d, 24) && bit(d, 25) && bit(d, 22);
    if (ext >= 1) {
        __get_cpuid_count(7, 1, &a, &b, &c, &d);
        cpu.avx_vnni = cpu.avx2 && bit(a, 4);
        cpu.avx512_bf16 = cpu.avx512 && bit(a, 5);
    }
    /* No CPUID bit tells the rate of vdpbf16ps: on AMD's cores it is that of an fp32 FMA (twice the
     * products), on Intel's at most half of it. */
    cpu.fast_bf16 = cpu.avx512_bf16 && memcmp(vendor, "AuthenticAMD", 12) == 0;
    cpu.amx = amx && tiles && cpu.avx512_vnni && cpu.avx512_bf16 && tiles_permitted();
}
#elif defined(B4C_ARM64)
static void look_at_processor(void)
{
    cpu.dotprod = (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0;
}
#else
static void look_at_processor(void) { }
#endif

/* A table that does what `base` does (NULL: nothing), and better what the two parts set. */
static const b4c_kernels *add_table(const char *name, const b4c_kernels *base, fill_fn products,
                                    fill_fn vectors)
{
    b4c_kernels *t = &tables[n_tables++];
    if (base) *t = *base;
    products(t);
    vectors(t);
    t->name = name;
    return t;
}

static size_t second_cache(void)
{
    enum { USUAL = 512 << 10 };
    long bytes = 0;
#ifdef _SC_LEVEL2_CACHE_SIZE
    bytes = sysconf(_SC_LEVEL2_CACHE_SIZE);
#endif
    return bytes > 0 ? (size_t)bytes : USUAL;
}

static void choose(void)
{
    look_at_processor();
    cpu.l2_bytes = second_cache();
    const b4c_kernels *scalar =
        add_table("scalar", NULL, b4c_fill_gemm_scalar, b4c_fill_vector_scalar);
    (void)scalar;
#ifdef B4C_X86
    if (cpu.avx2) add_table("avx2", scalar, b4c_fill_gemm_avx2, b4c_fill_vector_avx2);
    if (cpu.avx512) {
        const bool bf16 = cpu.avx512_bf16 && cpu.avx512_vnni;
        const b4c_kernels *avx512 =
            add_table("avx512", scalar, bf16 ? b4c_fill_gemm_bf16_avx512 : b4c_fill_gemm_avx512,
                      bf16 ? b4c_fill_vector_bf16_avx512 : b4c_fill_vector_avx512);
        if (cpu.amx) add_table("amx", avx512, b4c_fill_gemm_amx, b4c_fill_vector_amx);
    }
#endif
#ifdef B4C_ARM64
    add_table("neon", scalar, b4c_fill_gemm_neon, b4c_fill_vector_neon);
#endif
    chosen = &tables[n_tables - 1];
    const char *wanted = getenv("BERT4C_ISA");
    if (!wanted || !*wanted) return;
    for (int i = 0; i < n_tables; i++)
        if (strcmp(tables[i].name, wanted) == 0) {
            chosen = &tables[i];
            return;
        }
    snprintf(lacking, sizeof lacking, "%s", wanted);
}

const b4c_kernels *b4c_kernels_get(void)
{
    pthread_once(&once, choose);
    return chosen;
}

int b4c_kernels_check(b4c_error *err)
{
    pthread_once(&once, choose);
    if (!*lacking) return 0;
    char names[64] = "";
    size_t n = 0;
    for (int i = 0; i < n_tables; i++)
        n += (size_t)snprintf(names + n, sizeof names - n, "%s%s", i ? ", " : "", tables[i].name);
    return b4c_fail(err, B4C_E_ARG,
                    "BERT4C_ISA is '%s', wanted what this machine has (%s), or unset it", lacking,
                    names);
}

const b4c_kernels *b4c_kernels_find(const char *name)
{
    pthread_once(&once, choose);
    for (int i = 0; i < n_tables; i++)
        if (strcmp(tables[i].name, name) == 0) return &tables[i];
    return NULL;
}
