/* TF1 checkpoints. Checksums would stop nearly every changed index at its first block, so the first
 * byte of the input says: 0, the rest is an index file as it is; else it is what stands in a data
 * block, and the table around it is made here. The data file holds 256 KB of zeros. */
#include "fuzz_table.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    b4c_buffer file = { 0 };
    if (size == 0) return 0;
    if (data[0])
        put_table(&file, data + 1, size - 1);
    else
        b4c_buffer_add(&file, data + 1, size - 1);
    fuzz_checkpoint(&file, "", 0, 256 << 10);
    b4c_buffer_done(&file);
    return 0;
}
