/* SPDX-License-Identifier: Apache-2.0
 * How well scores tell odd rows from normal ones. Odd is the positive class, a higher score is
 * odder. Pure; any thread. */
#ifndef STATS_ROC_H
#define STATS_ROC_H

#include <stddef.h>
#include <stdint.h>

/* NaN where undefined: no row of one class, no decisions. */
struct roc_figures {
	double auroc; /* P(odd above normal) + P(tied) / 2: the Mann-Whitney statistic over its most */
	double aupr;  /* average precision: sum over thresholds of (R_k - R_k-1) P_k, without
			 interpolation (scikit-learn's average_precision_score) */
	double fpr95; /* share of normal rows at or above the highest threshold that at least 95 % of
			 the odd ones reach (as OpenOOD) */
	double tpr, fpr; /* share of odd and of normal rows decided against */
};

/* Rows put in order once, so that a resample costs one pass over them. */
struct roc;
/* n rows in the order of time. score: no NaN. positive: 1 for odd, 0 for normal. against: 1 where
 * the decision was "odd"; NULL when none was made. Nothing is kept. n < 2^32. */
struct roc *roc_open(const double *score, const uint8_t *positive, const uint8_t *against, size_t n);
void roc_close(struct roc *r); /* accepts NULL */

void roc_measure(const struct roc *r, struct roc_figures *ret);
/* The same where row i stands for weight[i] rows. */
void roc_measure_weighted(const struct roc *r, const uint32_t *weight, struct roc_figures *ret);

/* 95 % percentile intervals of a bootstrap in blocks of time: rows that come together may be odd
 * together, and drawing them one by one would give intervals that are too narrow. The rows of each
 * class, in their order, are drawn in runs of about n^(1/3), as a circle (Politis & Romano 1992; the
 * length: Hall, Horowitz & Jing 1995), until there are as many as there were: the shares of the two
 * classes are taken as given. A function of the rows and the seed. resamples >= 1. */
void roc_intervals(const struct roc *r, size_t resamples, uint64_t seed, struct roc_figures *ret_low,
	struct roc_figures *ret_high);

#endif
