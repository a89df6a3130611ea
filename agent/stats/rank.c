/* SPDX-License-Identifier: Apache-2.0
 * Rank statistics: what detectors of different units can be compared by. */
#include "stats/rank.h"

#include "base/mem.h"

#include <math.h>
#include <stdlib.h>

struct ranked {
	double x;
	size_t at;
};

static int ranked_order(const void *a, const void *b)
{
	const struct ranked *p = a, *q = b;

	return (p->x > q->x) - (p->x < q->x);
}

void rank_average(const double *x, size_t n, double *ranks)
{
	struct ranked *sorted = mem_zero(n + 1, sizeof *sorted);
	size_t start = 0;

	for (size_t i = 0; i < n; i++)
		sorted[i] = (struct ranked){x[i], i};
	qsort(sorted, n, sizeof *sorted, ranked_order);
	for (size_t i = 1; i <= n; i++) {
		if (i < n && sorted[i].x == sorted[start].x)
			continue;
		for (size_t k = start; k < i; k++)
			ranks[sorted[k].at] = (double)(start + 1 + i) / 2.0;
		start = i;
	}
	free(sorted);
}

/* Of ranks: their mean is (n + 1) / 2 exactly, so a constant has no spread at all. */
static double correlation(const double *x, const double *y, size_t n)
{
	double mean = (double)(n + 1) / 2.0, xx = 0.0, yy = 0.0, xy = 0.0;

	for (size_t i = 0; i < n; i++) {
		xx += (x[i] - mean) * (x[i] - mean);
		yy += (y[i] - mean) * (y[i] - mean);
		xy += (x[i] - mean) * (y[i] - mean);
	}
	return xx > 0.0 && yy > 0.0 ? xy / sqrt(xx * yy) : (double)NAN;
}

double rank_correlation(const double *x, const double *y, size_t n)
{
	double *ranks = mem_zero(2 * n + 1, sizeof *ranks), r;

	rank_average(x, n, ranks);
	rank_average(y, n, ranks + n);
	r = n < 2 ? (double)NAN : correlation(ranks, ranks + n, n);
	free(ranks);
	return r;
}
