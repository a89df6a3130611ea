/* SPDX-License-Identifier: Apache-2.0
 * Cholesky by rows: every inner loop is a dot product or an addition over contiguous doubles, which the compiler
 * makes vectors of. Fitting wants this for widths up to a thousand or so, once; a BLAS is not worth a dependency of
 * the agent. (Golub & Van Loan, Matrix Computations, section 4.2.) */
#include "stats/linear.h"

#include <math.h>

void linear_gram_add(double *a, const double *x, double weight, size_t d)
{
	for (size_t i = 0; i < d; i++) {
		double by = weight * x[i], *row = a + i * d;

		for (size_t j = 0; j <= i; j++)
			row[j] += by * x[j];
	}
}

/* Four sums at a time: the order is fixed by the source, so the result is the same everywhere. */
static double dot(const double *x, const double *y, size_t n)
{
	double sum[4] = {0.0, 0.0, 0.0, 0.0};
	size_t i = 0;

	for (; i + 4 <= n; i += 4)
		for (size_t k = 0; k < 4; k++)
			sum[k] += x[i + k] * y[i + k];
	for (; i < n; i++)
		sum[0] += x[i] * y[i];
	return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

bool linear_cholesky(double *a, size_t d)
{
	for (size_t i = 0; i < d; i++) {
		double *row = a + i * d, rest;

		for (size_t j = 0; j < i; j++)
			row[j] = (row[j] - dot(row, a + j * d, j)) / a[j * d + j];
		rest = row[i] - dot(row, row, i);
		if (!(rest > 0.0) || !isfinite(rest))
			return false;
		row[i] = sqrt(rest);
	}
	return true;
}

void linear_solve(const double *l, size_t d, double *x)
{
	for (size_t i = 0; i < d; i++)
		x[i] = (x[i] - dot(l + i * d, x, i)) / l[i * d + i];
	for (size_t i = d; i-- > 0;) {
		x[i] /= l[i * d + i];
		for (size_t j = 0; j < i; j++)
			x[j] -= l[i * d + j] * x[i];
	}
}
