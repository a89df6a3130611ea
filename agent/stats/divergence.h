/* SPDX-License-Identifier: Apache-2.0
 * How far apart two distributions over the same bins are: sizes for people, never a test. p and q
 * are shares of k bins that sum to 1 (q too: a window without records has no size). Definitions as
 * in the oracle's (shared data, FORMAT.md). Pure. */
#ifndef STATS_DIVERGENCE_H
#define STATS_DIVERGENCE_H

#include <stddef.h>
#include <stdint.h>

#define DIVERGENCE_LEAST 1e-4

/* Counts to shares; all 0 when there are none. Returns the sum of the counts. */
int64_t divergence_shares(const int64_t *n, size_t k, double *to);

/* PSI, sum (q - p) ln(q / p), both clipped below at DIVERGENCE_LEAST, not renormalised; Jensen-Shannon divergence, base 2, unclipped,
 * not rooted: 0..1. And PSI, unclipped, of p > 0 and of (1 - prior) q + prior p, 0 < prior < 1: each bin's part of it into says (k of
 * them); their sum is returned. The same bits whatever the machine's vectors. */
double divergence_sizes(const double *p, const double *q, size_t k, double prior, double *ret_psi, double *ret_js, double *says);
/* Largest gap of the cumulated shares: for bins in their order. */
double divergence_ks(const double *p, const double *q, size_t k);
/* Area between the cumulated shares where bin i ends at end[i] (k of them, rising; the first bin
 * starts at `start`), mass spread evenly within a bin. In the unit of `end`. */
double divergence_w1(const double *p, const double *q, size_t k, double start, const double *end);

#endif
