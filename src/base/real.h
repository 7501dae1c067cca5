/* real.h - the type that ops, model and scalar kernels compute in: float; double when the gradient
 * tests build them with -DB4C_DOUBLE, so that finite differences can judge gradients to 1e-7. */
#ifndef B4C_BASE_REAL_H
#define B4C_BASE_REAL_H
#ifdef B4C_DOUBLE
typedef double b4c_real;
#else
typedef float b4c_real;
#endif
#endif
