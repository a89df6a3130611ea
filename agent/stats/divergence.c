/* SPDX-License-Identifier: Apache-2.0
 * Effect sizes from bins. Each is one pass; which to believe is the reader's affair, whether to
 * page is evidence's. */
#include "stats/divergence.h"

#include <math.h>

#include "stats/special.h"

#define PSI_LEAST 1e-4
#define LN2 0.693147180559945309417
#define BLOCK 64

static double at_least(double share)
{
	return share > PSI_LEAST ? share : PSI_LEAST;
}

int64_t divergence_shares(const int64_t *n, size_t k, double *to)
{
	int64_t all = 0;

	for (size_t i = 0; i < k; i++)
		all += n[i];
	for (size_t i = 0; i < k; i++)
		to[i] = all ? (double)n[i] / (double)all : 0;
	return all;
}

double divergence_psi(const double *p, const double *q, size_t k)
{
	double ratio[BLOCK], sum = 0;

	for (size_t from = 0; from < k; from += BLOCK) {
		size_t n = k - from < BLOCK ? k - from : BLOCK;
		for (size_t i = 0; i < n; i++)
			ratio[i] = at_least(q[from + i]) / at_least(p[from + i]);
		special_logs(ratio, n, ratio);
		for (size_t i = 0; i < n; i++)
			sum += (at_least(q[from + i]) - at_least(p[from + i])) * ratio[i];
	}
	return sum;
}

/* x log2(x / middle) of both, 0 where x is 0. */
double divergence_js_bits(const double *p, const double *q, size_t k)
{
	double ratio[2 * BLOCK], sum = 0;

	for (size_t from = 0; from < k; from += BLOCK) {
		size_t n = k - from < BLOCK ? k - from : BLOCK;
		for (size_t i = 0; i < n; i++) {
			double a = p[from + i], b = q[from + i];
			ratio[2 * i] = a > 0 ? 2 * a / (a + b) : 1;
			ratio[2 * i + 1] = b > 0 ? 2 * b / (a + b) : 1;
		}
		special_logs(ratio, 2 * n, ratio);
		for (size_t i = 0; i < n; i++)
			sum += p[from + i] * ratio[2 * i] + q[from + i] * ratio[2 * i + 1];
	}
	return sum / (2 * LN2);
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
