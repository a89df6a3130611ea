/* SPDX-License-Identifier: Apache-2.0
 * Ranks, and whether two scores agree on the order of things. */
#ifndef STATS_RANK_H
#define STATS_RANK_H

#include <stddef.h>

/* Ranks from 1, ties share their mean rank (scipy.stats.rankdata). No NaN. */
void rank_average(const double *x, size_t n, double *ranks);
/* Spearman's rank correlation in [-1, 1] (scipy.stats.spearmanr); NaN when either is constant or n
 * < 2. */
double rank_correlation(const double *x, const double *y, size_t n);

#endif
