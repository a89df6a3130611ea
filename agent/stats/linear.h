/* SPDX-License-Identifier: Apache-2.0
 * Symmetric positive definite systems, as least squares gives them. Pure; any thread. */
#ifndef STATS_LINEAR_H
#define STATS_LINEAR_H

#include <stdbool.h>
#include <stddef.h>

/* Add weight * x x' to the lower triangle of a (d x d, row-major). */
void linear_gram_add(double *a, const double *x, double weight, size_t d);
/* The lower triangle of a becomes its Cholesky factor L, A = L L'; what is above the diagonal is
 * neither read nor written. False, and a is spoilt, when A is not positive definite. d^3/3
 * multiplications: 0.2 s at d = 1024. */
bool linear_cholesky(double *a, size_t d);
/* x becomes the solution of L L' x = x. */
void linear_solve(const double *l, size_t d, double *x);

#endif
