/* GGUF files: metadata, as their reader sees them, and tensors. */
#include "base/gguf.h"
#include "fuzz_store.h"

/* Every value; the sum keeps the compiler from dropping the reads. */
static void look(const b4c_gguf *g)
{
    double sum = 0;
    for (size_t i = 0; i < g->n; i++) {
        b4c_gguf_value v = g->pair[i].value;
        b4c_span text;
        if (v.kind == B4C_GGUF_STRING) {
            uint64_t left = v.count;
            for (; b4c_gguf_next_text(&v, &text); left--)
                for (size_t k = 0; k < text.size; k++) sum += text.data[k];
            if (left) abort();
            continue;
        }
        for (uint64_t k = 0; k < v.count; k++) sum += b4c_gguf_real_at(&v, k);
    }
    volatile double sink = sum;
    (void)sink;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    b4c_gguf g;
    b4c_error err = { 0 };
    if (b4c_gguf_open(&g, (b4c_span){ data, size }, "fuzz", &err) == 0)
        look(&g);
    else if (err.code >= 0 || strlen(err.message) < 8)
        abort();
    b4c_gguf_done(&g);
    fuzz_bytes(data, size);
    return 0;
}
