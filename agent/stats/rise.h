/* SPDX-License-Identifier: Apache-2.0
 * Rising factorials of the counts of one window: log(x (x+1) ... (x+n-1)) = log gamma(x + n) - log gamma(x), summed over bins. A
 * window's counts are asked of a dozen means, so they are made ready once. Pure; any thread. */
#ifndef STATS_RISE_H
#define STATS_RISE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RISE_LANES 8

/* Eight bins next to one another, of which some hold records. */
struct rise_group {
	double n[RISE_LANES];
	size_t from, k; /* the first bin; of so many that there are */
	int few;        /* the largest count of those whose factors are multiplied out */
	bool many;      /* there are larger ones */
};

struct rises {
	struct rise_group *groups; /* room for rises_room(k); the caller's */
	size_t n, k;
	int64_t all; /* records */
};

static inline size_t rises_room(size_t k)
{
	return (k + RISE_LANES - 1) / RISE_LANES;
}

/* 0 <= n[i] < 2^53. */
void rises_make(struct rises *to, const int64_t *n, size_t k);
/* The sum for x = kappa * shares[i] > 0, within 1e-12 of itself or of 1 a bin; known: special_log_gammas of these x, or NULL. The
 * same bits whatever the machine's vectors. */
double rises_sum(const struct rises *r, double kappa, const double *shares, const double *known);
/* That of shares a less that of shares b. */
double rises_ratio(const struct rises *r, double kappa, const double *a, const double *b);

/* KL(m || m + s (a - m)) for t = (a - m) / m of k shares, and its derivative by s; convex and rising in s, 0 at 0. */
double rises_segment(const double *m, const double *t, size_t k, double s, double *ret_slope);
/* Chi-square of counts around their sum times shares, a record added to what is expected of each bin; and what chance makes it on
 * average. */
double rises_spread(const double *counts, const double *shares, size_t k, double *ret_sum, double *ret_chance);

#endif
