/* SPDX-License-Identifier: Apache-2.0
 * Exact intervals for what was counted. Pure; any thread. */
#ifndef STATS_INTERVAL_H
#define STATS_INTERVAL_H

/* Regularised incomplete beta and lower gamma functions, a, b > 0 (continued fractions and series;
 * relative error below 1e-10). */
double interval_beta(double a, double b, double x);  /* x in [0, 1] */
double interval_gamma(double a, double x);           /* x >= 0 */

/* For k of n (k may be a fraction, where clusters make n smaller than it looks): the least and the
 * greatest share at which so many are not rarer than `tail` on one side (Clopper & Pearson 1934).
 * tail .025 gives a two-sided 95 % interval, .05 a one-sided bound. n 0: [0, 1]. */
double interval_share_low(double k, double n, double tail);
double interval_share_high(double k, double n, double tail);
/* The same for the mean of a Poisson count k (Garwood 1936). */
double interval_count_low(double k, double tail);
double interval_count_high(double k, double tail);

#endif
