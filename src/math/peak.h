/* peak.h - the arithmetic limit of one core: loops that only multiply and add registers. */
#ifndef B4C_MATH_PEAK_H
#define B4C_MATH_PEAK_H
#include "math/kernels.h"

/* Runs the loop so many times; returns the operations done, a multiply-add being two. */
typedef double (*b4c_peak_fn)(long rounds);

/* The loop of the widest instruction that the table in use has for products of this type, and the
 * instruction's name. NULL: none is known here. */
b4c_peak_fn b4c_peak_loop(b4c_dtype, const char **name);
#endif
