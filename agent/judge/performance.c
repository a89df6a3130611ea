/* SPDX-License-Identifier: Apache-2.0
 * Sums of a window into estimates of accuracy. Estimates gather no evidence and page nobody by themselves: none of them survives
 * that the meaning of the inputs changes, which only labels show. */
#include "judge/performance.h"

#include <math.h>

#include "base/clock.h"

/* A gap is worth telling from two points and four standard errors on: what records of unknown classes leave, and chance does not. */
#define GAP_LEAST .02
#define GAP_Z 4

static int64_t terms(const struct performance *p, const int64_t *v, enum performance_slot slot)
{
	return v[p->first + 2 * slot + 1];
}

static double mean(const struct performance *p, const int64_t *v, enum performance_slot slot)
{
	int64_t n = terms(p, v, slot);

	return n > 0 ? (double)v[p->first + 2 * slot] / PERFORMANCE_ONE / (double)n : NAN;
}

/* The error of the reference is in it too: as if there were fewer records. */
static double worth(const struct performance *p, int64_t n)
{
	return n > 0 ? 1 / (1 / (double)n + 1 / p->n) : 0;
}

static void estimate(const struct performance *p, const int64_t *v, struct performance_signal *to)
{
	int64_t n_atc = terms(p, v, PERFORMANCE_ATC), n_cbpe = terms(p, v, PERFORMANCE_CALIBRATED);
	double least = worth(p, n_atc < n_cbpe ? n_atc : n_cbpe);

	to->n = n_atc;
	to->reference = p->accuracy;
	to->atc = performance_share(mean(p, v, PERFORMANCE_ATC), p->atc_worth * worth(p, n_atc));
	to->cbpe = performance_share(mean(p, v, PERFORMANCE_CALIBRATED), worth(p, n_cbpe));
	to->gap = to->cbpe.at - to->atc.at - (p->cbpe - p->atc);
	to->gap_z = p->gap_sd > 0 && least > 0 ? to->gap / (p->gap_sd / sqrt(least)) : NAN;
	to->novel = to->gap >= GAP_LEAST && to->gap_z >= GAP_Z;
}

void performance_of_window(const struct performance *p, const int64_t *v, struct performance_signal *to)
{
	const struct performance_share none = {NAN, NAN, NAN};

	*to = (struct performance_signal){.known = p->width > 0, .basis = p->basis, .reference = NAN, .atc = none, .cbpe = none,
		.gap = NAN, .gap_z = NAN, .confidence_before = NAN, .confidence = NAN, .realised = none,
		.realised_start_us = TIME_NONE, .realised_end_us = TIME_NONE,
		.checked = {.error = NAN, .low = NAN, .high = NAN, .corrected = none}};
	if (!to->known)
		return;
	to->confidence_before = p->confidence;
	to->confidence = mean(p, v, PERFORMANCE_LOGGED);
	if (p->basis != PERFORMANCE_NONE)
		estimate(p, v, to);
}
