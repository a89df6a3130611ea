/* SPDX-License-Identifier: Apache-2.0
 * One order of the rows serves every figure and every resample: from the oddest down, ties
 * together, everything is a running count. Counts are whole numbers until they are divided, so that
 * figures do not depend on the order of tied rows. */
#include "stats/roc.h"

#include "base/hash.h"
#include "base/mem.h"
#include "stats/quantile.h"

#include <assert.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

enum { POSITIVE = 1, AGAINST = 2, LAST_OF_TIE = 4 };
#define TPR_WANTED .95

struct roc {
	size_t n, n_class[2];
	bool decided;
	uint32_t *at;      /* rows, the highest score first */
	uint8_t *marks;    /* in that order */
	uint32_t *in_time; /* rows of class 0, then of class 1, each in the order of time */
};

struct scored_row {
	double score;
	uint32_t at;
};

static int falling(const void *a, const void *b)
{
	const struct scored_row *x = a, *y = b;

	if (x->score != y->score)
		return x->score < y->score ? 1 : -1;
	return (x->at > y->at) - (x->at < y->at);
}

struct roc *roc_open(const double *score, const uint8_t *positive, const uint8_t *against, size_t n)
{
	struct scored_row *rows = mem_zero(n + 1, sizeof *rows);
	struct roc *r = mem_zero(1, sizeof *r);
	size_t next[2] = {0};

	assert(n < UINT32_MAX);
	*r = (struct roc){.n = n, .decided = against != NULL, .at = mem_zero(n + 1, sizeof *r->at),
		.marks = mem_zero(n + 1, 1), .in_time = mem_zero(n + 1, sizeof *r->in_time)};
	for (size_t i = 0; i < n; i++) {
		assert(!isnan(score[i]));
		rows[i] = (struct scored_row){score[i], (uint32_t)i};
		r->n_class[positive[i]]++;
	}
	next[1] = r->n_class[0];
	for (size_t i = 0; i < n; i++)
		r->in_time[next[positive[i]]++] = (uint32_t)i;
	qsort(rows, n, sizeof *rows, falling);
	for (size_t i = 0; i < n; i++) {
		r->at[i] = rows[i].at;
		r->marks[i] = (uint8_t)((positive[rows[i].at] ? POSITIVE : 0) |
					(against && against[rows[i].at] ? AGAINST : 0) |
					(i + 1 == n || rows[i + 1].score != rows[i].score ? LAST_OF_TIE : 0));
	}
	free(rows);
	return r;
}

void roc_close(struct roc *r)
{
	if (!r)
		return;
	free(r->in_time);
	free(r->marks);
	free(r->at);
	free(r);
}

void roc_measure_weighted(const struct roc *r, const uint32_t *weight, struct roc_figures *ret)
{
	uint64_t all[2] = {0}, above[2] = {0}, tied[2] = {0}, against[2] = {0};
	double area = 0, precision = 0;

	*ret = (struct roc_figures){NAN, NAN, NAN, NAN, NAN};
	for (size_t i = 0; i < r->n; i++)
		all[r->marks[i] & POSITIVE] += weight ? weight[r->at[i]] : 1;
	for (size_t i = 0; i < r->n; i++) {
		uint8_t m = r->marks[i];
		uint32_t w = weight ? weight[r->at[i]] : 1;

		tied[m & POSITIVE] += w;
		if (m & AGAINST)
			against[m & POSITIVE] += w;
		if (!(m & LAST_OF_TIE) || !(tied[0] + tied[1]))
			continue;
		/* twice the pairs won: exact below 2^53 */
		area += (double)tied[1] * (double)(2 * (all[0] - above[0]) - tied[0]);
		above[0] += tied[0];
		above[1] += tied[1];
		precision += (double)tied[1] * (double)above[1] / (double)(above[0] + above[1]);
		if (isnan(ret->fpr95) && all[0] && (double)above[1] / (double)all[1] >= TPR_WANTED)
			ret->fpr95 = (double)above[0] / (double)all[0];
		tied[0] = tied[1] = 0;
	}
	if (all[0] && all[1])
		ret->auroc = area / 2 / (double)all[0] / (double)all[1];
	if (all[0] && all[1])
		ret->aupr = precision / (double)all[1];
	if (r->decided && all[1])
		ret->tpr = (double)against[1] / (double)all[1];
	if (r->decided && all[0])
		ret->fpr = (double)against[0] / (double)all[0];
}

void roc_measure(const struct roc *r, struct roc_figures *ret)
{
	roc_measure_weighted(r, NULL, ret);
}

/* A number below n, by a hash: 2^64 is so much larger that the remainder is even. */
static size_t draw(uint64_t seed, uint64_t resample, uint64_t run, size_t n)
{
	uint64_t key[] = {seed, resample, run};

	return hash_bytes(key, sizeof key, 0) % n;
}

/* Rows of one class, drawn in runs; `run` counts draws over both classes. */
static void resample_class(
	const uint32_t *rows, size_t n, uint64_t seed, uint64_t resample, uint64_t *run, uint32_t *weight)
{
	size_t length = (size_t)ceil(cbrt((double)n));

	for (size_t left = n; left;) {
		size_t from = draw(seed, resample, (*run)++, n), k = left < length ? left : length;

		for (size_t i = 0; i < k; i++)
			weight[rows[(from + i) % n]]++;
		left -= k;
	}
}

enum { FIGURES = sizeof(struct roc_figures) / sizeof(double) };

static double *figure(struct roc_figures *f, size_t i)
{
	double *const of[FIGURES] = {&f->auroc, &f->aupr, &f->fpr95, &f->tpr, &f->fpr};

	return of[i];
}

void roc_intervals(const struct roc *r, size_t resamples, uint64_t seed, struct roc_figures *ret_low,
	struct roc_figures *ret_high)
{
	uint32_t *weight = mem_zero(r->n + 1, sizeof *weight);
	double *drawn = mem_zero(FIGURES * resamples, sizeof *drawn);

	for (size_t b = 0; b < resamples; b++) {
		struct roc_figures f;
		uint64_t run = 0;

		for (size_t i = 0; i < r->n; i++)
			weight[i] = 0;
		resample_class(r->in_time, r->n_class[0], seed, b, &run, weight);
		resample_class(r->in_time + r->n_class[0], r->n_class[1], seed, b, &run, weight);
		roc_measure_weighted(r, weight, &f);
		for (size_t k = 0; k < FIGURES; k++)
			drawn[k * resamples + b] = *figure(&f, k);
	}
	for (size_t k = 0; k < FIGURES; k++) {
		double *of = drawn + k * resamples;
		bool defined = !isnan(of[0]); /* in one resample is in all: the classes keep their sizes */

		if (defined)
			quantile_sort(of, resamples);
		*figure(ret_low, k) = defined ? quantile_sorted(of, resamples, .025) : (double)NAN;
		*figure(ret_high, k) = defined ? quantile_sorted(of, resamples, .975) : (double)NAN;
	}
	free(drawn);
	free(weight);
}
