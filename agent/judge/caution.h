/* SPDX-License-Identifier: Apache-2.0
 * How far the judge distrusts a reference: every constant of caution in one place, with what it
 * buys. Private to judge/. */
#ifndef JUDGE_CAUTION_H
#define JUDGE_CAUTION_H

#include "model/measure.h"
#include "stats/special.h"

#include <math.h>

/* Fewer whole windows than this say nothing about how windows vary. */
#define CAUTION_LEAST_WINDOWS 4
/* Where windows resemble their neighbours: windows over their autocorrelation time. A season or a
 * trend leaves fewer. */
#define CAUTION_LEAST_INDEPENDENT 10.0
#define CAUTION_MOST_MEMORY 6.0
#define CAUTION_MEMORY_Z 1.0
/* kappa is taken where the log-posterior is this much below its top (two standard errors), but not
 * beneath top/4. */
#define CAUTION_DROP 2.0
#define CAUTION_MOST_DISCOUNT 4.0
/* Measures of one stream have kappas within a factor e^1.5 of their median, two times out of three.
 */
#define CAUTION_PRIOR_SD 1.5
/* Where all of them are constants: what other logs show. */
#define CAUTION_USUAL_KAPPA 300.0
/* The true mean is within the composite null but for one reference in a thousand ... */
#define CAUTION_Z 3.09
/* ... and an alternative chosen beforehand has one direction, not k - 1; a dozen of them at once.
 */
#define CAUTION_FIXED_Z 3.09
/* A null so wide (in nats; PSI is about twice that) is no null. */
#define CAUTION_MOST_TOLERANCE .5

/* A stretch of traffic a third as long as the reference differs from it by chance: that it goes on
 * differing is no news. */
#define CAUTION_STRETCH 4.0
/* KL radius that covers the error of a mean of `used` bins learned from n records. Wilks: 2 n KL is
 * chi-square of used - 1; where one bin held everything, the others hold less than CAUTION_NEVER /
 * n (e^-7 is one in a thousand). */
#define CAUTION_NEVER 7.0
static inline double caution_radius(size_t used, double n)
{
	if (used < 2)
		return CAUTION_NEVER / n;
	return CAUTION_STRETCH * special_chi2_quantile((double)used - 1, CAUTION_Z) / (2 * n);
}

/* The same along one direction that does not depend on the reference's error. */
static inline double caution_fixed_radius(double n)
{
	return CAUTION_FIXED_Z * CAUTION_FIXED_Z / (2 * n);
}

/* So many records have that radius. */
static inline double caution_fixed_records(double radius)
{
	return CAUTION_FIXED_Z * CAUTION_FIXED_Z / (2 * radius);
}

/* A mean that follows what comes has learned a lasting shift before it has gathered more than z^2 / 2; so what is no larger than the
 * smallest effect does not page, with so much less of a ball as the reference is short. So many times the reference's records it
 * follows: what is left then of a shift is never news. */
#define CAUTION_FOLLOWED 4
static inline double caution_followed_radius(double smallest, double n)
{
	double share = 1 - sqrt(CAUTION_FIXED_Z * CAUTION_FIXED_Z / 2 / (n * smallest));

	share = fmax(share, .5);
	return smallest * share * share;
}

/* So long is its memory that nothing can be learned of it; `windows` of it are in the reference. */
static inline bool caution_wanders(double memory, size_t windows)
{
	return memory > CAUTION_MOST_MEMORY || (memory > 1 && (double)windows / memory < CAUTION_LEAST_INDEPENDENT);
}
static inline bool caution_judged_along(const struct measure *m)
{
	return !caution_wanders(measure_along_memory(m), m->n_windows) && m->tolerance <= CAUTION_MOST_TOLERANCE;
}

/* A direction in which windows vary more than kappa says is told from chance by so many standard errors. */
#define CAUTION_ALONG_Z 1.5

/* Fewer records that are not what the reference always was may be a few strays. */
#define CAUTION_LEAST_BROKEN 20

/* A window detector says one number of a window; fewer of them say nothing about their spread. */
#define CAUTION_LEAST_HEIGHTS 8
/* Longer stretches are made of windows, which say most of what there is to say of them; that their own mean is so many standard
 * errors higher than it was seen is for what windows could not show. */
#define CAUTION_LONGER_Z 1.545
/* The spread of its logarithm where windows look all alike: nothing is that regular. */
#define CAUTION_LEAST_SPREAD .05

/* Where one record in twenty is of a new kind, p-values have moved by a PSI of about .01 only: what
 * is small elsewhere is not small there. */
#define CAUTION_P_VALUE_SHARE .25
static inline double caution_smallest(const struct measure *m, double smallest_effect)
{
	return m->kind == MEASURE_P_VALUE ? CAUTION_P_VALUE_SHARE * smallest_effect
					  : smallest_effect;
}

#endif
