/* eigen.h - eigenvalues and eigenvectors of a symmetric matrix, in double. */
#ifndef B4C_EMBED_EIGEN_H
#define B4C_EMBED_EIGEN_H
#include "base/error.h"

/* a [n, n], symmetric (both halves), becomes the eigenvectors, one a row, of length 1; value [n]
 * their values, falling. Householder's reduction to three diagonals and QL with implicit shifts:
 * Golub and Van Loan, Matrix Computations, 8.3. O(n^3). B4C_E_NUMBER: not finite, or no
 * convergence. */
int b4c_eigen_symmetric(double *a, int n, double *value, b4c_error *);
#endif
