/* SPDX-License-Identifier: Apache-2.0
 * How far the judge distrusts a reference: every constant of caution in one place, with what it buys. Private to judge/. */
#ifndef JUDGE_CAUTION_H
#define JUDGE_CAUTION_H

#include "stats/special.h"

/* Fewer whole windows than this say nothing about how windows vary. */
#define CAUTION_LEAST_WINDOWS 4
/* Windows over their autocorrelation time; a season or a trend inside the reference leaves fewer. */
#define CAUTION_LEAST_INDEPENDENT 4.0
#define CAUTION_MOST_MEMORY 6.0
#define CAUTION_MEMORY_Z 2.0
/* kappa is taken where the log-posterior is this much below its top (two standard errors), but not beneath top/8. */
#define CAUTION_DROP 2.0
#define CAUTION_MOST_DISCOUNT 8.0
/* Measures of one stream have kappas within a factor e^1.5 of their median, two times out of three. */
#define CAUTION_PRIOR_SD 1.5
/* The true mean is within the composite null but for one reference in a thousand ... */
#define CAUTION_Z 3.09
/* ... and an alternative chosen beforehand has one direction, not k - 1; a dozen of them at once. */
#define CAUTION_FIXED_Z 3.7
/* A null so wide (in nats; PSI is about twice that) is no null. */
#define CAUTION_MOST_TOLERANCE .5

/* KL radius that covers the error of a mean of k + 1 bins learned from n records (Wilks: 2 n KL is chi-square of k). */
static inline double caution_radius(size_t k, double n)
{
	return special_chi2_quantile((double)k, CAUTION_Z) / (2 * n);
}

/* The same along one direction that does not depend on the reference's error. */
static inline double caution_fixed_radius(double n)
{
	return CAUTION_FIXED_Z * CAUTION_FIXED_Z / (2 * n);
}

#endif
