/* SPDX-License-Identifier: Apache-2.0
 * Bins that the reference fills evenly tell the most about a shift of anything in particular; a
 * value that many records share must not hide its neighbours, so it is fenced in. */
#include "stats/quantile.h"

#include <assert.h>
#include <stdlib.h>

static int number_order(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

void quantile_sort(double *x, size_t n)
{
	if (n > 1)
		qsort(x, n, sizeof *x, number_order);
}

double quantile_sorted(const double *sorted, size_t n, double q)
{
	double at = q * (double)(n - 1), t, a, b;
	size_t k = (size_t)at;

	assert(n > 0 && q >= 0.0 && q <= 1.0);
	if (k + 1 >= n)
		return sorted[n - 1];
	t = at - (double)k;
	a = sorted[k];
	b = sorted[k + 1];
	/* numpy's lerp: from the nearer end, so that t = 1 gives b. */
	return t < 0.5 ? a + (b - a) * t : b - (b - a) * (1.0 - t);
}

static size_t edges_distinct(double *edges, size_t n, double last)
{
	size_t kept = 0;

	quantile_sort(edges, n);
	for (size_t i = 0; i < n; i++)
		if (edges[i] < last && (kept == 0 || edges[i] > edges[kept - 1]))
			edges[kept++] = edges[i];
	return kept;
}

/* One edge after each value that is not the last; gives up beyond `most` edges. */
static size_t edges_of_values(const double *sorted, size_t n, size_t most, double *edges)
{
	size_t found = 0;

	for (size_t i = 1; i < n; i++) {
		if (sorted[i] == sorted[i - 1])
			continue;
		if (found == most)
			return most + 1;
		edges[found++] = sorted[i - 1];
	}
	return found;
}

/* Values that hold a bin's weight alone: an edge at each, and at the value before it. */
static size_t edges_of_heavy(const double *sorted, size_t n, size_t bins, double *edges)
{
	size_t found = 0, start = 0;

	for (size_t i = 1; i <= n; i++) {
		if (i < n && sorted[i] == sorted[start])
			continue;
		if (i - start > 1 && (i - start) * bins >= n) {
			edges[found++] = sorted[start];
			if (start > 0)
				edges[found++] = sorted[start - 1];
		}
		start = i;
	}
	return found;
}

size_t quantile_edges(const double *sorted, size_t n, size_t bins, double *edges)
{
	size_t found;

	assert(n > 0 && bins > 1);
	found = edges_of_values(sorted, n, bins - 1, edges);
	if (found < bins)
		return found;
	found = edges_of_heavy(sorted, n, bins, edges);
	for (size_t k = 1; k < bins; k++)
		edges[found++] = quantile_sorted(sorted, n, (double)k / (double)bins);
	return edges_distinct(edges, found, sorted[n - 1]);
}
