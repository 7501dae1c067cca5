/* near.h - comparing arrays of numbers by the measure that tolerances are stated in. */
#ifndef B4C_TEST_NEAR_H
#define B4C_TEST_NEAR_H
#include <stddef.h>

/* Largest |got - want| divided by the largest |want| (by 1 when all are 0); INFINITY when one side
 * has a NaN or an infinity that the other has not. *at: where it is. */
double distance_f32(const float *got, const float *want, size_t n, size_t *at);
double distance_f64(const double *got, const double *want, size_t n, size_t *at);

void check_near_f32(const float *got, const float *want, size_t n, double tolerance,
                    const char *file, int line);
void check_near_f64(const double *got, const double *want, size_t n, double tolerance,
                    const char *file, int line);

/* Fails unless the distance of got [n] and want [n], both float or both double, is at most the
 * tolerance. */
#define assert_near(got, want, n, tolerance) \
    _Generic((got),                         \
        float *: check_near_f32,            \
        const float *: check_near_f32,      \
        double *: check_near_f64,           \
        const double *: check_near_f64)(got, want, n, tolerance, __FILE__, __LINE__)

/* Cosine of two vectors, in double. */
double cosine_f32(const float *a, const float *b, size_t n);

#endif
