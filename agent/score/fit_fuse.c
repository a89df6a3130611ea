/* SPDX-License-Identifier: Apache-2.0
 * From scores on held-out records to tables: each detector's from cal-A, the fusion's from cal-B,
 * and one for every set of detectors that is left when a record lacks a vector or its features. */
#include "score/fit_work.h"

#include "base/mem.h"
#include "score/calibrate.h"
#include "stats/conformal.h"

#include <math.h>
#include <stdlib.h>

#define LEAST_PARTIAL 100 /* records for a table of a partial fusion */

static void table_of(const struct work *w, const float *scores, size_t n, struct score_table *to)
{
	float *copy = mem_copy(scores, (n > 0 ? n : 1) * sizeof *copy);

	score_table_make(to, copy, n, w->f->o.knots);
	free(copy);
}

static size_t scores_of_class(const struct held *h, const float *scores, int32_t class, float *to)
{
	size_t n = 0;

	for (size_t i = 0; i < h->n; i++)
		if (h->predicted[i] == class && !isnan(scores[i]))
			to[n++] = scores[i];
	return n;
}

/* A class needs 10 / flag rate scores for a table of its own; where none has, there are no such
 * tables. */
static void tables_by_class(const struct work *w, const struct held *h, const float *scores,
	struct reference_detector *d)
{
	size_t least = conformal_least(w->r->flag_rate);
	float *of_class = mem_zero(h->n + 1, sizeof *of_class);

	for (size_t c = 0; c < w->r->n_classes && h->n >= least; c++) {
		size_t n = scores_of_class(h, scores, (int32_t)c, of_class);

		if (n < least)
			continue;
		if (!d->by_class) {
			d->by_class = mem_zero(w->r->n_classes, sizeof *d->by_class);
			d->n_by_class = w->r->n_classes;
		}
		score_table_make(&d->by_class[c], of_class, n, w->f->o.knots);
	}
	free(of_class);
}

void detectors_calibrate(struct work *w)
{
	const struct held *h = &w->held[IN_CAL_A];

	for (size_t k = 0; k < w->r->n_detectors; k++) {
		struct reference_detector *d = &w->r->detectors[k];
		const float *scores = h->score + k * h->n;

		table_of(w, scores, h->n, &d->table);
		tables_by_class(w, h, scores, d);
	}
}

static double share_flagged(const double *p, size_t n, double rate)
{
	size_t scored = 0, flagged = 0;

	for (size_t i = 0; i < n; i++) {
		scored += isnan(p[i]) ? 0 : 1;
		flagged += p[i] <= rate ? 1 : 0; /* NaN is not */
	}
	return scored > 0 ? (double)flagged / (double)scored : (double)NAN;
}

void detectors_hold_out(struct work *w)
{
	struct held *h = &w->held[IN_CAL_B];

	for (size_t k = 0; k < w->r->n_detectors; k++) {
		struct reference_detector *d = &w->r->detectors[k];

		calibrate_p(w->calibration, k, h->hash, h->predicted, h->score + k * h->n, h->n,
			h->p + k * h->n, h->surprise + k * h->n);
		d->held_out_flag_rate = share_flagged(h->p + k * h->n, h->n, w->r->flag_rate);
	}
}

/* Fusing. */

static bool row_has(const struct work *w, uint64_t members, const struct held *h, size_t row)
{
	for (size_t k = 0; k < w->r->n_detectors; k++)
		if (members >> k & 1 && isnan(h->p[k * h->n + row]))
			return false;
	return members != 0;
}

/* The table of the members' sum over cal-B; no knots when fewer than `least` records have it. */
static void fusion_table(
	const struct work *w, uint64_t members, size_t least, struct score_table *to)
{
	const struct held *h = &w->held[IN_CAL_B];
	float *sums = mem_zero(h->n + 1, sizeof *sums);
	size_t n = 0;

	for (size_t i = 0; i < h->n; i++)
		if (row_has(w, members, h, i))
			sums[n++] = calibrate_sum(w->r, members, h->surprise, h->n, i);
	if (n >= least)
		score_table_make(to, sums, n, w->f->o.knots);
	free(sums);
}

/* Members left when a record lacks what `lacks` names. */
static uint64_t members_without(const struct work *w, uint32_t lacks)
{
	uint64_t members = calibrate_members(w->r);

	for (size_t k = 0; k < w->r->n_detectors; k++)
		if (w->detectors[k].plugin->needs & lacks)
			members &= ~(UINT64_C(1) << k);
	return members;
}

static bool partial_known(const struct reference *r, uint64_t members)
{
	for (size_t i = 0; i < r->n_partial; i++)
		if (r->partial[i].members == members)
			return true;
	return false;
}

static void partial_add(struct work *w, uint64_t members)
{
	struct reference *r = w->r;
	struct reference_partial p = {.members = members};

	if (members == 0 || members == calibrate_members(r) || partial_known(r, members))
		return;
	fusion_table(w, members, LEAST_PARTIAL, &p.table);
	if (p.table.n == 0)
		return;
	r->partial = mem_grow(r->partial, r->n_partial + 1, sizeof p);
	r->partial[r->n_partial++] = p;
}

static int partial_order(const void *a, const void *b)
{
	const struct reference_partial *p = a, *q = b;
	int n_p = __builtin_popcountll(p->members), n_q = __builtin_popcountll(q->members);

	return n_p != n_q ? n_q - n_p : (p->members > q->members) - (p->members < q->members);
}

/* Every combination of vectors and features that a record may lack. */
void detectors_fuse(struct work *w)
{
	static const uint32_t groups[] = {OODD_NEEDS_LOGITS | OODD_NEEDS_RAW_LOGITS,
		OODD_NEEDS_EMBEDDING, OODD_NEEDS_FEATURES, OODD_NEEDS_RAW_LOGITS, OODD_NEEDS_CONFIDENCE};
	size_t n_groups = sizeof groups / sizeof groups[0];

	fusion_table(w, calibrate_members(w->r), 1, &w->r->fused);
	for (unsigned lost = 1; lost < 1u << n_groups; lost++) {
		uint32_t lacks = 0;

		for (size_t g = 0; g < n_groups; g++)
			lacks |= lost >> g & 1 ? groups[g] : 0u;
		partial_add(w, members_without(w, lacks));
	}
	if (w->r->n_partial > 1)
		qsort(w->r->partial, w->r->n_partial, sizeof *w->r->partial, partial_order);
}

static double strict_least_p(const struct reference *r)
{
	return conformal_strict(
		1.0 / (r->fused.total + 1.0), r->fused.total, CALIBRATE_STRICT_DELTA);
}

/* Are there enough records for the flag rate asked for? */
static bool none_counts(const struct reference *r)
{
	for (size_t i = 0; i < r->n_detectors; i++)
		if (r->detectors[i].weight > 0)
			return false;
	return true;
}

void calibration_note(struct work *w)
{
	const struct reference *r = w->r;
	size_t least = conformal_least(r->flag_rate);
	int64_t fewest = r->n_cal_a < r->n_cal_b ? r->n_cal_a : r->n_cal_b;

	if (r->n_detectors == 0)
		return;
	if (none_counts(r)) {
		fit_note(w->f, "no detector counts (each line above says why): no record will be flagged; windows of what the log holds are watched all the same");
		return;
	}
	if (r->strict && strict_least_p(r) > r->flag_rate)
		fit_note(w->f,
			"strict: with %u records to calibrate on no p-value is below %.3g: nothing will be "
			"flagged at %g",
			(unsigned)r->fused.total, strict_least_p(r), r->flag_rate);
	if (fewest >= (int64_t)least)
		return;
	if ((double)(r->fused.total + 1) * r->flag_rate < 1.0)
		fit_note(w->f,
			"with %lld records to calibrate on no p-value can reach the flag rate of "
			"%g: nothing will be flagged; "
			"at least %.0f are needed, %zu make the rate reliable",
			(long long)fewest, r->flag_rate, ceil(1.0 / r->flag_rate), least);
	else
		fit_note(w->f,
			"with %lld records to calibrate on, the share flagged of normal traffic "
			"may be well off %g: %zu make "
			"it reliable",
			(long long)fewest, r->flag_rate, least);
}
