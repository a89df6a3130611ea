/* SPDX-License-Identifier: Apache-2.0
 * Quantiles of sorted numbers, and the edges of bins made from them. */
#ifndef STATS_QUANTILE_H
#define STATS_QUANTILE_H

#include <stddef.h>

/* Rising order, no NaN. */
void quantile_sort(double *x, size_t n);
/* Quantile q in [0, 1] of n > 0 sorted numbers, linear between neighbours (Hyndman & Fan 1996, type
 * 7; numpy's default, the same bits). */
double quantile_sorted(const double *sorted, size_t n, double q);
/* Inner edges for about `bins` bins (e[k-1], e[k]] of equal weight, rising and distinct; returns
 * how many, at most 3 * bins. The first and the last bin hold something. At most `bins` distinct
 * values: each gets a bin of its own. Otherwise a value that holds a bin's weight by itself (a
 * constant 0) gets one: an edge at it and an edge at the value before it. n > 0. */
size_t quantile_edges(const double *sorted, size_t n, size_t bins, double *edges);

#endif
