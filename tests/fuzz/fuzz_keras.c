/* Object graphs of Keras' checkpoints: the input is the graph of a checkpoint that has these keys,
 * with all checksums right. */
#include "fuzz_table.h"

static const char *const keys[] = {
    "layer_with_weights-0/embeddings/.ATTRIBUTES/VARIABLE_VALUE",
    "layer_with_weights-1/i0_dense/kernel/.ATTRIBUTES/VARIABLE_VALUE",
    "layer_with_weights-1/i1_dense/kernel/.ATTRIBUTES/VARIABLE_VALUE",
    "layer_with_weights-2/gamma/.ATTRIBUTES/VARIABLE_VALUE",
    "layer_with_weights-2/gamma/.OPTIMIZER_SLOT/optimizer/m/.ATTRIBUTES/VARIABLE_VALUE",
    "model/layer_with_weights-3/kernel/.ATTRIBUTES/VARIABLE_VALUE",
};
#define KEYS (sizeof keys / sizeof *keys)

/* An entry of a block that shares nothing with the one before. */
static void put_entry(b4c_buffer *block, const char *key, const b4c_buffer *value)
{
    put_varint(block, 0);
    put_varint(block, strlen(key));
    put_varint(block, value->size);
    b4c_buffer_text(block, key);
    b4c_buffer_add(block, value->data, value->size);
}

/* BundleEntryProto: 1 dtype, 2 shape { 2 dim { 1 size } }, 4 offset, 5 size, 6 crc32c. */
static void put_value(b4c_buffer *block, const char *key, int dtype, int rank, size_t offset,
                      size_t size, uint32_t crc)
{
    b4c_buffer value = { 0 };
    put(&value, 0x08 | (uint64_t)dtype << 8, 2);
    put(&value, 0x12 | (uint64_t)rank * 4 << 8, 2);
    for (int i = 0; i < rank; i++) put(&value, 0x02080212, 4); /* 2 */
    put(&value, 0x20, 1);
    put_varint(&value, offset);
    put(&value, 0x28, 1);
    put_varint(&value, size);
    put(&value, 0x35, 1);
    put(&value, (crc >> 15 | crc << 17) + 0xa282ead8u, 4);
    put_entry(block, key, &value);
    b4c_buffer_done(&value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const unsigned char zeros[16 * KEYS];
    b4c_buffer block = { 0 }, header = { 0 }, file = { 0 }, values = { 0 }, text = { 0 };
    b4c_buffer_add(&values, zeros, sizeof zeros);
    /* a string: its length, a masked checksum of the length, itself */
    put(&text, size, 4);
    const uint32_t length = b4c_crc32c(text.data, 4);
    put(&text, (length >> 15 | length << 17) + 0xa282ead8u, 4);
    put_varint(&values, size);
    b4c_buffer_add(&values, text.data + 4, 4);
    b4c_buffer_add(&values, data, size);
    b4c_buffer_add(&text, data, size);

    put(&header, 0x0108, 2); /* one data file */
    put_entry(&block, "", &header);
    put_value(&block, "_CHECKPOINTABLE_OBJECT_GRAPH", 7, 0, sizeof zeros,
              values.size - sizeof zeros, b4c_crc32c(text.data, text.size));
    for (size_t i = 0; i < KEYS; i++)
        put_value(&block, keys[i], 1, 2, 16 * i, 16, b4c_crc32c(zeros, 16));
    put_table(&file, block.data, block.size);
    fuzz_checkpoint(&file, values.data, values.size, 0);
    b4c_buffer_done(&block);
    b4c_buffer_done(&header);
    b4c_buffer_done(&file);
    b4c_buffer_done(&values);
    b4c_buffer_done(&text);
    return 0;
}
