/* format_check.h - writing a checkpoint, and what must come of opening it. */
#ifndef B4C_TEST_FORMAT_CHECK_H
#define B4C_TEST_FORMAT_CHECK_H
#include "base/memory.h"
#include "model/format/store.h"

/* Write the bytes as the file `name`, open it, and fail with this code and words. Frees the buffer.
 */
void refused(const char *name, b4c_buffer *file, int code, const char *part);
/* The same, opened. */
b4c_store opened(const char *name, b4c_buffer *file);
/* All elements of the tensor are these n. */
void holds(const b4c_store *, const char *name, const float *want, int n);
#endif
