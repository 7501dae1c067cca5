/* gguf_quants.h - numbers that ggml packs in blocks, as float.
 *
 * A block holds 32 or 256 neighbours of a row: small integers, and the scales that they share.
 * Halves and integers in it are little-endian.
 */
#ifndef B4C_MODEL_FORMAT_GGUF_QUANTS_H
#define B4C_MODEL_FORMAT_GGUF_QUANTS_H
#include "model/format/store.h"

/* `blocks` blocks of a type Q4_0 .. IQ4_XS, with b4c_stored_block(type) numbers each, into
 * consecutive floats. The values are those of ggml's own dequantisation, to the bit. */
void b4c_blocks_read(b4c_stored_type type, const unsigned char *from, float *to, int64_t blocks);
#endif
