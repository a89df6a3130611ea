/* SPDX-License-Identifier: Apache-2.0
 * How much better "it has moved" explains a window's counts than "this is how windows vary". Pure;
 * any thread.
 *
 * Counts n of k bins are Dirichlet-multinomial: a mean m (shares, each > 0, sum 1) and a
 * concentration kappa > 0; the smaller kappa, the more windows differ from one another (variance of
 * a share: m (1 - m) (1 + (n - 1) / (kappa + 1)) / n). agent/judge/README.md says why, and what is
 * promised. */
#ifndef STATS_EVIDENCE_H
#define STATS_EVIDENCE_H

#include <stddef.h>
#include <stdint.h>

#include "stats/rise.h"

/* log probability of the counts in a given order (without the multinomial coefficient, which
 * cancels in every ratio). */
double evidence_dm(double kappa, const double *mean, const int64_t *n, size_t k);

/* What evidence_dm spends half of its time on, for those who ask of one mean and kappa often: `to` gets k values. */
void evidence_log_gammas(double kappa, const double *mean, size_t k, double *to);
/* evidence_dm of counts that are ready; log_gammas: what evidence_log_gammas made of this kappa and mean, or NULL. */
double evidence_dm_of(const struct rises *r, double kappa, const double *mean, const double *log_gammas);

/* log of how much likelier the counts are with mean a than with mean b, at one kappa. */
double evidence_ratio(double kappa, const double *a, const double *b, const int64_t *n, size_t k);

/* Windows to learn from: row t is counts[t][0..k). */
struct evidence_windows {
	const int64_t *const *counts;
	size_t n, k;
};
/* What is thought of log kappa before the windows are seen: a normal distribution. */
struct evidence_prior {
	double mean, sd; /* sd INFINITY: nothing */
};
/* Of each window (w->n times w->k) the mean of the others: base counts (k; NULL: the sum of the windows) less the window,
 * half a record added to every bin, so that none is 0. */
void evidence_means(const struct evidence_windows *w, const int64_t *base, double *to);
/* The likeliest kappa, each window judged by its own mean (rows of k shares, made without that window): *ret_best, in [1,
 * most]; and *ret_low <= *ret_best, where the log-posterior is `drop` lower: what windows and prior do not contradict.
 * Returns the log-posterior at its top. */
double evidence_kappa(const struct evidence_windows *w, const double *means, double most,
	struct evidence_prior prior, double drop, double *ret_best, double *ret_low);
/* Integrated autocorrelation time of the windows, >= 1: how many of them it takes to learn what one
 * independent one would say. Of standardised shares less their means (NULL: that of the windows), lags up to n/3,
 * correlations that chance explains (z standard errors) taken as none. */
double evidence_memory(const struct evidence_windows *w, const double *means, double z);

/* How windows, the at-th of their time each (rising), vary along one direction: scores of the bins (k), or, NULL, the one in which they differ most. Shares less their `means`
 * (rows of k), against what a Dirichlet-multinomial of this kappa spreads: *ret_dispersion is the ratio of variances (of the direction
 * that was looked for, less what looking finds in chance: Baik & Silverstein 2006), *ret_memory the integrated autocorrelation time. A
 * kappa and a memory of all bins together hide what a few windows in a row have in one direction of many. */
void evidence_along(const struct evidence_windows *w, const int64_t *at, const double *means, double kappa, const double *scores,
	double *ret_dispersion, double *ret_memory);

/* sum p log(p / q), nats. */
double evidence_kl(const double *p, const double *q, size_t k);
/* The mean nearest to `a` (in KL(a || .)) among those with KL(m || .) <= radius: it lies on the
 * segment from m to a, at the returned share of the way (1: a itself is inside). Written to `to`,
 * which may be `a`. */
double evidence_nearest(const double *m, const double *a, double radius, size_t k, double *to);

/* Shiryaev-Roberts: (m + 1) * exp(log_e), at most EVIDENCE_MOST; 0 is the start. */
#define EVIDENCE_MOST 1e280
double evidence_step(double m, double log_e);
/* The same of n at once; log_e at most 700. */
void evidence_steps(double *m, const double *log_e, size_t n);
/* e-BH (Wang & Ramdas 2022) over n log e-values of weight 1/n, heaviest first: how many to name so
 * that each has e >= 1 / alpha * n / named. */
size_t evidence_ebh(const double *log_e, size_t n, double log_alpha);

#endif
