/* SPDX-License-Identifier: Apache-2.0
 * The only place where a score becomes a probability. Nothing here looks at another row: a record's
 * p-value is a function of the record and the reference. */
#include "score/calibrate.h"

#include "base/hash.h"
#include "base/mem.h"
#include "stats/conformal.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define FUSED_NAME "fused"
#define TAIL_SHARE 20 /* one in so many records is in the tail */
#define TAIL_LEAST 20 /* records, for their mean excess to mean something */
#define SOFT_FROM 12.0

/* Of one table. from: +infinity where the table has no tail. */
struct tail {
	float from;
	double scale, level;
};

struct calibration {
	const struct reference *r;
	uint64_t fused_seed;
	struct for_detector {
		uint64_t seed;
		struct tail tail;
		struct tail *by_class;
		uint32_t fewest; /* scores in any of its tables */
	} * detectors;
};

/* Where ties are broken: a stream of units of its own for each name, from the record's hash. */
static uint64_t seed_of(const char *name)
{
	return hash_bytes(name, strlen(name), 0);
}

static double unit_of(uint64_t hash, uint64_t seed)
{
	return hash_unit(hash_bytes(&hash, sizeof hash, seed));
}

/* Tails. */

/* The first knot of the tail: those from it on stand for at most `most` records. */
static size_t tail_first(const struct score_table *t, size_t most)
{
	size_t first = t->n;

	while (first > 0 && t->above[first - 1] <= most)
		first--;
	return first;
}

static struct tail tail_make(const struct score_table *t)
{
	size_t most = t->total / TAIL_SHARE > TAIL_LEAST ? t->total / TAIL_SHARE : TAIL_LEAST, first;
	double excess = 0.0;

	first = t->n > 0 && t->total >= 2 * TAIL_LEAST ? tail_first(t, most) : t->n;
	if (first == 0 || first >= t->n)
		return (struct tail){(float)INFINITY, 1.0, 0.0};
	for (size_t i = first; i < t->n; i++) {
		uint32_t above = i + 1 < t->n ? t->above[i + 1] : 0;

		excess += (double)(t->above[i] - above) *
			  ((double)t->score[i] - (double)t->score[first - 1]);
	}
	excess /= (double)t->above[first];
	if (!(excess > 0.0) || !isfinite(excess))
		return (struct tail){(float)INFINITY, 1.0, 0.0};
	return (struct tail){t->score[first - 1], excess,
		-log((1.0 + (double)t->above[first]) / (1.0 + (double)t->total))};
}

/* Beyond one in 160,000 the tail is a guess: it goes on rising, slowly, so that no detector alone
 * decides. */
static double softened(double surprise)
{
	return surprise > SOFT_FROM ? SOFT_FROM + log1p(surprise - SOFT_FROM) : surprise;
}

struct calibration *calibration_open(const struct reference *r)
{
	struct calibration *c = mem_zero(1, sizeof *c);

	c->r = r;
	c->fused_seed = seed_of(FUSED_NAME);
	c->detectors = mem_zero(r->n_detectors + 1, sizeof *c->detectors);
	for (size_t i = 0; i < r->n_detectors; i++) {
		const struct reference_detector *d = &r->detectors[i];
		struct for_detector *to = &c->detectors[i];

		to->seed = seed_of(d->name);
		to->tail = tail_make(&d->table);
		to->by_class = mem_zero(d->n_by_class + 1, sizeof *to->by_class);
		to->fewest = d->table.total;
		for (size_t k = 0; k < d->n_by_class; k++) {
			uint32_t total = d->by_class[k].total;

			to->by_class[k] = tail_make(&d->by_class[k]);
			to->fewest = total > 0 && total < to->fewest ? total : to->fewest;
		}
	}
	return c;
}

void calibration_close(struct calibration *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->r->n_detectors; i++)
		free(c->detectors[i].by_class);
	free(c->detectors);
	free(c);
}

/* One detector. */

static float surprise_of(
	const struct tail *tail, float score, uint32_t above, uint32_t total)
{
	double surprise = score > tail->from
				  ? tail->level + ((double)score - (double)tail->from) / tail->scale
				  : -log((1.0 + (double)above) / (1.0 + (double)total));

	return (float)softened(surprise);
}

void calibrate_p(const struct calibration *c, size_t d, const uint64_t *hash,
	const int32_t *predicted, const float *scores, size_t n, double *p, float *surprise)
{
	const struct reference_detector *of = &c->r->detectors[d];
	const struct for_detector *by = &c->detectors[d];

	for (size_t i = 0; i < n; i++) {
		int32_t class = predicted ? predicted[i] : -1;
		bool own = class >= 0 && (size_t)class < of->n_by_class && of->by_class[class].n > 0;
		const struct score_table *t = own ? &of->by_class[class] : &of->table;
		uint32_t greater, equal;

		p[i] = (double)NAN;
		surprise[i] = (float)NAN;
		if (isnan(scores[i]) || t->n == 0)
			continue;
		score_table_rank(t, scores[i], &greater, &equal);
		p[i] = conformal_p(greater, equal, t->total, unit_of(hash[i], by->seed));
		surprise[i] = c->r->tails ? surprise_of(own ? &by->by_class[class] : &by->tail,
						    scores[i], greater + equal, t->total)
					  : (float)-log(p[i]);
	}
}

/* All of them. */

uint64_t calibrate_members(const struct reference *r)
{
	uint64_t members = 0;

	for (size_t i = 0; i < r->n_detectors; i++)
		members |= (uint64_t)(r->detectors[i].weight > 0.0) << i;
	return members;
}

/* Where some members are missing the others take over what they weigh, so that ways keep their standing among each other. Returns
 * -infinity where none of the members says anything of this way. */
static double way_sum(const struct reference *r, const struct reference_way *way, uint64_t members, const float *surprise, size_t stride,
	size_t row)
{
	double sum = 0.0, all = 0.0, here = 0.0;

	for (size_t i = 0; i < r->n_detectors; i++) {
		all += way->weights[i];
		if (!(members >> i & 1))
			continue;
		here += way->weights[i];
		sum += way->weights[i] * (double)surprise[i * stride + row];
	}
	return here > 0.0 ? way->offset + sum * (all / here) : -(double)INFINITY;
}

static double plain_sum(const struct reference *r, uint64_t members, const float *surprise, size_t stride, size_t row)
{
	double sum = 0.0;

	for (size_t i = 0; i < r->n_detectors; i++)
		if (members >> i & 1)
			sum += r->detectors[i].weight * (double)surprise[i * stride + row];
	return sum;
}

/* The sum of each way, and the greatest of them. */
static double ways_sum(const struct reference *r, uint64_t members, const float *surprise, size_t stride, size_t row, double *of)
{
	double most = -(double)INFINITY;

	for (size_t k = 0; k < r->n_ways; k++) {
		of[k] = way_sum(r, &r->ways[k], members, surprise, stride, row);
		most = fmax(most, of[k]);
	}
	return most;
}

float calibrate_sum(const struct reference *r, uint64_t members, const float *surprise,
	size_t stride, size_t row)
{
	double of[REFERENCE_MOST_WAYS], most = ways_sum(r, members, surprise, stride, row, of), sum = 0.0;

	if (!isfinite(most))
		return (float)plain_sum(r, members, surprise, stride, row);
	for (size_t k = 0; k < r->n_ways; k++)
		sum += exp(of[k] - most);
	return (float)(most + log(sum));
}

void calibrate_parts(const struct reference *r, const float *surprise, size_t stride, size_t row, double *part)
{
	double of[REFERENCE_MOST_WAYS], most, sum = 0.0;
	uint64_t members = 0;

	for (size_t i = 0; i < r->n_detectors; i++)
		members |= (uint64_t)(r->detectors[i].weight > 0.0 && isfinite(surprise[i * stride + row])) << i;
	most = ways_sum(r, members, surprise, stride, row, of);
	for (size_t k = 0; isfinite(most) && k < r->n_ways; k++)
		sum += exp(of[k] - most);
	for (size_t i = 0; i < r->n_detectors; i++) {
		double weight = isfinite(most) ? 0.0 : r->detectors[i].weight;

		for (size_t k = 0; isfinite(most) && k < r->n_ways; k++)
			weight += exp(of[k] - most) / sum * r->ways[k].weights[i];
		part[i] = members >> i & 1 ? weight * (double)surprise[i * stride + row] : 0.0;
	}
}

static uint64_t members_scored(
	const struct reference *r, uint64_t members, const double *p, size_t stride, size_t row)
{
	for (size_t i = 0; i < r->n_detectors; i++)
		if (isnan(p[i * stride + row]))
			members &= ~(UINT64_C(1) << i);
	return members;
}

static double settled(const struct reference *r, double p, uint32_t total)
{
	return r->strict ? conformal_strict(p, total, CALIBRATE_STRICT_DELTA) : p;
}

static double heaviest_alone(
	const struct calibration *c, uint64_t scored, const double *p, size_t stride, size_t row)
{
	const struct reference *r = c->r;
	size_t best = SIZE_MAX;

	for (size_t i = 0; i < r->n_detectors; i++)
		if (scored >> i & 1 &&
			(best == SIZE_MAX || r->detectors[i].weight > r->detectors[best].weight))
			best = i;
	return best == SIZE_MAX ? (double)NAN
				: settled(r, p[best * stride + row], c->detectors[best].fewest);
}

static double sum_p(const struct reference *r, const struct score_table *t, float sum, double unit)
{
	return settled(r, score_table_p(t, sum, unit), t->total);
}

static double fuse_row(const struct calibration *c, uint64_t members, double unit, const double *p,
	const float *surprise, size_t stride, size_t row)
{
	const struct reference *r = c->r;
	uint64_t scored = members_scored(r, members, p, stride, row);

	if (scored == members && r->fused.n > 0)
		return sum_p(r, &r->fused, calibrate_sum(r, members, surprise, stride, row), unit);
	for (size_t i = 0; i < r->n_partial; i++) /* most members first */
		if ((r->partial[i].members & ~scored) == 0)
			return sum_p(r, &r->partial[i].table,
				calibrate_sum(r, r->partial[i].members, surprise, stride, row),
				unit);
	return heaviest_alone(c, scored, p, stride, row);
}

void calibrate_fuse(const struct calibration *c, const uint64_t *hash, const double *p,
	const float *surprise, size_t n, double *fused)
{
	uint64_t members = calibrate_members(c->r);

	for (size_t i = 0; i < n; i++)
		fused[i] = members ? fuse_row(c, members, unit_of(hash[i], c->fused_seed), p,
					     surprise, n, i)
				   : (double)NAN;
}
