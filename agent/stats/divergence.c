/* SPDX-License-Identifier: Apache-2.0
 * Effect sizes from bins. Each is one pass; which to believe is the reader's affair, whether to
 * page is evidence's. */
#include "stats/divergence.h"

#include <math.h>

int64_t divergence_shares(const int64_t *n, size_t k, double *to)
{
	int64_t all = 0;

	for (size_t i = 0; i < k; i++)
		all += n[i];
	for (size_t i = 0; i < k; i++)
		to[i] = all ? (double)n[i] / (double)all : 0;
	return all;
}

double divergence_ks(const double *p, const double *q, size_t k)
{
	double gap = 0, most = 0;

	for (size_t i = 0; i < k; i++) {
		gap += q[i] - p[i];
		most = fmax(most, fabs(gap));
	}
	return most;
}

/* Integral of |line| from a to b over a unit width. */
static double area(double a, double b)
{
	if (a * b >= 0)
		return fabs(a + b) / 2;
	return (a * a + b * b) / (2 * fabs(a - b));
}

double divergence_w1(const double *p, const double *q, size_t k, double start, const double *end)
{
	double gap = 0, sum = 0;

	for (size_t i = 0; i < k; i++) {
		double next = gap + q[i] - p[i];
		sum += (end[i] - start) * area(gap, next);
		start = end[i];
		gap = next;
	}
	return sum;
}
