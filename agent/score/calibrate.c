/* SPDX-License-Identifier: Apache-2.0
 * The only place where a score becomes a probability. Nothing here looks at another row: a record's
 * p-value is a function of the record and the reference. */
#include "score/calibrate.h"

#include "base/hash.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#define FUSED_NAME "fused"

uint64_t calibrate_seed(const char *name)
{
	return hash_bytes(name, strlen(name), 0);
}

double calibrate_unit(uint64_t hash, uint64_t seed)
{
	return hash_unit(hash_bytes(&hash, sizeof hash, seed));
}

static const struct score_table *table_of(const struct reference_detector *d, int32_t class)
{
	bool own = class >= 0 && (size_t) class < d->n_by_class && d->by_class[class].n > 0;

	return own ? &d->by_class[class] : &d->table;
}

void calibrate_p(const struct reference_detector *d, uint64_t seed, const uint64_t *hash,
	const int32_t *predicted, const float *scores, size_t n, double *p)
{
	for (size_t i = 0; i < n; i++) {
		const struct score_table *t = table_of(d, predicted ? predicted[i] : -1);

		p[i] = isnan(scores[i]) || t->n == 0
			       ? (double)NAN
			       : score_table_p(t, scores[i], calibrate_unit(hash[i], seed));
	}
}

uint64_t calibrate_members(const struct reference *r)
{
	uint64_t members = 0;

	for (size_t i = 0; i < r->n_detectors; i++)
		members |= (uint64_t)(r->detectors[i].weight > 0.0) << i;
	return members;
}

float calibrate_sum(
	const struct reference *r, uint64_t members, const double *p, size_t stride, size_t row)
{
	double sum = 0.0;

	for (size_t i = 0; i < r->n_detectors; i++)
		if (members >> i & 1)
			sum -= r->detectors[i].weight * log(p[i * stride + row]);
	return (float)sum;
}

static uint64_t members_scored(
	const struct reference *r, uint64_t members, const double *p, size_t stride, size_t row)
{
	for (size_t i = 0; i < r->n_detectors; i++)
		if (isnan(p[i * stride + row]))
			members &= ~(UINT64_C(1) << i);
	return members;
}

static double heaviest_alone(
	const struct reference *r, uint64_t scored, const double *p, size_t stride, size_t row)
{
	size_t best = SIZE_MAX;

	for (size_t i = 0; i < r->n_detectors; i++)
		if (scored >> i & 1 &&
			(best == SIZE_MAX || r->detectors[i].weight > r->detectors[best].weight))
			best = i;
	return best == SIZE_MAX ? (double)NAN : p[best * stride + row];
}

static double fuse_row(const struct reference *r, uint64_t members, double unit, const double *p,
	size_t stride, size_t row)
{
	uint64_t scored = members_scored(r, members, p, stride, row);

	if (scored == members && r->fused.n > 0)
		return score_table_p(&r->fused, calibrate_sum(r, members, p, stride, row), unit);
	for (size_t i = 0; i < r->n_partial; i++) /* most members first */
		if ((r->partial[i].members & ~scored) == 0)
			return score_table_p(&r->partial[i].table,
				calibrate_sum(r, r->partial[i].members, p, stride, row), unit);
	return heaviest_alone(r, scored, p, stride, row);
}

void calibrate_fuse(
	const struct reference *r, const uint64_t *hash, const double *p, size_t n, double *fused)
{
	uint64_t members = calibrate_members(r), seed = calibrate_seed(FUSED_NAME);

	for (size_t i = 0; i < n; i++)
		fused[i] = members ? fuse_row(r, members, calibrate_unit(hash[i], seed), p, n, i)
				   : (double)NAN;
}
