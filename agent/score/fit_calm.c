/* SPDX-License-Identifier: Apache-2.0
 * Is the reference of one kind through all of its time? A fault that was there while it was learned becomes normal: it is never found
 * again, and what is normal may be. Nothing here decides that a stretch was a fault: it is told, and a person decides.
 *
 * The windows that calibrate (they are dealt all over the reference's time) are put together to stretches of equal numbers of windows,
 * and each measure of a stretch is held against the median stretch: by total variation (does it matter?) and by Pearson's statistic in units
 * of what it usually is among the stretches (is it chance, or how stretches differ by nature?). One run of stretches that are unlike it, a
 * third of the time at most, is a block: seasons come back, and are several runs. Else, where stretches go from one end to the other,
 * the reference drifts. */
#include "score/fit_work.h"

#include "base/clock.h"
#include "base/mem.h"
#include "stats/special.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STRETCHES = 28, LEAST_WINDOWS = 24, OF_WINDOWS = 3, LEAST_RECORDS = 100 };
#define LEAST_FAR .1    /* of records: less is no fault worth a word */
#define TIMES_USUAL 2
#define UNLIKE_Z 4.5   /* of chi-square: one in 300,000, for some hundred stretches and measures */
#define TIMES_CHANCE 3
#define LEAST_TREND .85

struct calm {
	const struct reference *r;
	const struct reference_window **at; /* by time */
	size_t n, n_stretches;
	double *share; /* n_stretches x bins of the measure at hand */
	double *records, *middle, *far;
	double *square; /* of each stretch: Pearson's statistic per degree of freedom */
	double chance; /* how far a stretch is from the middle by chance alone */
};

/* What stands out most. */
struct found {
	const struct measure *m;
	size_t from, to, bin; /* stretches [from, to] */
	double far, before, after;
	size_t n;             /* measures that do */
};

static int by_start(const void *a, const void *b)
{
	int64_t x = (*(const struct reference_window *const *)a)->start_us, y = (*(const struct reference_window *const *)b)->start_us;

	return (x > y) - (x < y);
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *at, size_t n)
{
	qsort(at, n, sizeof *at, by_size);
	return n % 2 ? at[n / 2] : (at[n / 2 - 1] + at[n / 2]) / 2;
}

static size_t first_of(const struct calm *c, size_t stretch)
{
	return stretch * c->n / c->n_stretches;
}

static bool looked_at(const struct measure *m)
{
	static const bool kinds[MEASURE_KINDS] = {[MEASURE_NUMERIC] = true, [MEASURE_CATEGORY] = true, [MEASURE_CLASS] = true,
		[MEASURE_CONFIDENCE] = true, [MEASURE_METRIC] = true, [MEASURE_MISSING] = true};

	return kinds[m->kind] && !m->slice && m->n > 1;
}

/* Shares of every stretch, and of the middle one, bin by bin. False: some stretch has too few. */
static bool shares_count(struct calm *c, const struct measure *m)
{
	double *column = mem_zero(c->n_stretches + 1, sizeof *column), all = 0;
	bool enough = true;

	memset(c->share, 0, c->n_stretches * m->n * sizeof *c->share);
	for (size_t s = 0; s < c->n_stretches; s++) {
		c->records[s] = 0;
		for (size_t w = first_of(c, s); w < first_of(c, s + 1); w++)
			for (size_t b = 0; b < m->n; b++) {
				c->share[s * m->n + b] += (double)c->at[w]->v[m->first + b];
				c->records[s] += (double)c->at[w]->v[m->first + b];
			}
		enough &= c->records[s] >= LEAST_RECORDS;
		for (size_t b = 0; enough && b < m->n; b++)
			c->share[s * m->n + b] /= c->records[s];
	}
	for (size_t b = 0; enough && b < m->n; b++) {
		for (size_t s = 0; s < c->n_stretches; s++)
			column[s] = c->share[s * m->n + b];
		all += c->middle[b] = median(column, c->n_stretches);
	}
	free(column);
	for (size_t b = 0; enough && b < m->n; b++)
		c->middle[b] = all > 0 ? c->middle[b] / all : 0;
	return enough && all > 0;
}

static double far_apart(const double *a, const double *b, size_t n)
{
	double sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += fabs(a[i] - b[i]) / 2;
	return sum;
}

/* Mean total variation of so many draws from the middle. */
static double by_chance(const struct calm *c, const struct measure *m)
{
	double sum = 0, least = INFINITY;

	for (size_t s = 0; s < c->n_stretches; s++)
		least = fmin(least, c->records[s]);
	for (size_t b = 0; b < m->n; b++)
		sum += sqrt(2 * c->middle[b] * (1 - c->middle[b]) / (3.14159265358979 * least)) / 2;
	return sum;
}

static void found_keep(struct found *to, const struct calm *c, const struct measure *m, size_t from, size_t end, const double *before,
	const double *after, double far)
{
	double most = -1;

	to->n++;
	if (far <= to->far)
		return;
	(void)c;
	*to = (struct found){.m = m, .from = from, .to = end, .far = far, .n = to->n};
	for (size_t b = 0; b < m->n; b++)
		if (fabs(after[b] - before[b]) > most) {
			most = fabs(after[b] - before[b]);
			to->bin = b;
			to->before = before[b];
			to->after = after[b];
		}
}

static void mean_share(const struct calm *c, const struct measure *m, size_t from, size_t end, double *to)
{
	memset(to, 0, m->n * sizeof *to);
	for (size_t s = from; s <= end; s++)
		for (size_t b = 0; b < m->n; b++)
			to[b] += c->share[s * m->n + b] / (double)(end - from + 1);
}

/* Pearson's statistic of every stretch per degree of freedom; returns what it takes to be none of the usual ones. */
static double squares(struct calm *c, const struct measure *m, double *sorted)
{
	double free = -1, by;

	for (size_t b = 0; b < m->n; b++)
		free += c->middle[b] > 0;
	if (free < 1)
		return INFINITY;
	for (size_t s = 0; s < c->n_stretches; s++) {
		double sum = 0;

		for (size_t b = 0; b < m->n; b++) {
			double d = c->share[s * m->n + b] - c->middle[b];

			sum += d * d / (c->middle[b] + .5 / c->records[s]);
		}
		sorted[s] = c->square[s] = sum * c->records[s] / free;
	}
	by = median(sorted, c->n_stretches) * free / special_chi2_quantile(free, 0);
	return fmax(by, 1) * special_chi2_quantile(free, UNLIKE_Z) / free;
}

static void block_find(struct calm *c, const struct measure *m, struct found *to)
{
	double *sorted = mem_zero(c->n_stretches + 1, sizeof *sorted), *inside, usual, unlike = squares(c, m, sorted);
	size_t first = SIZE_MAX, last = 0, n = 0;

	for (size_t s = 0; s < c->n_stretches; s++)
		sorted[s] = c->far[s] = far_apart(c->share + s * m->n, c->middle, m->n);
	usual = median(sorted, c->n_stretches);
	free(sorted);
	for (size_t s = 0; s < c->n_stretches; s++)
		if (c->far[s] >= LEAST_FAR && c->far[s] >= TIMES_USUAL * usual && c->square[s] >= unlike) {
			first = first == SIZE_MAX ? s : first;
			last = s;
			n++;
		}
	/* In one piece, and not most of it. */
	if (n == 0 || last - first + 1 != n || 3 * n > c->n_stretches)
		return;
	inside = mem_zero(m->n + 1, sizeof *inside);
	mean_share(c, m, first, last, inside);
	found_keep(to, c, m, first, last, c->middle, inside, far_apart(inside, c->middle, m->n));
	free(inside);
}

/* How far along the way from the first third to the last one each stretch is, against its number. */
static double trend(const struct calm *c, const struct measure *m, const double *early, const double *late)
{
	double mean_x = 0, mean_y = 0, xy = 0, xx = 0, yy = 0;

	for (size_t s = 0; s < c->n_stretches; s++) {
		c->far[s] = 0;
		for (size_t b = 0; b < m->n; b++)
			c->far[s] += c->share[s * m->n + b] * (late[b] - early[b]);
		mean_x += (double)s / (double)c->n_stretches;
		mean_y += c->far[s] / (double)c->n_stretches;
	}
	for (size_t s = 0; s < c->n_stretches; s++) {
		double x = (double)s - mean_x, y = c->far[s] - mean_y;

		xy += x * y;
		xx += x * x;
		yy += y * y;
	}
	return yy > 0 ? xy / sqrt(xx * yy) : 0;
}

static void drift_find(struct calm *c, const struct measure *m, struct found *to)
{
	size_t third = c->n_stretches / 3;
	double *early = mem_zero(2 * m->n + 1, sizeof *early), *late = early + m->n, far;

	mean_share(c, m, 0, third - 1, early);
	mean_share(c, m, c->n_stretches - third, c->n_stretches - 1, late);
	far = far_apart(early, late, m->n);
	if (far >= LEAST_FAR && far >= TIMES_CHANCE * c->chance && trend(c, m, early, late) >= LEAST_TREND)
		found_keep(to, c, m, 0, c->n_stretches - 1, early, late, far);
	free(early);
}

static char *words_of(const struct calm *c, const struct found *f, const char *how, const char *what_then)
{
	char from[32], to[32], bin[120], others[64] = "";
	const char *what = measure_bin_words(f->m, f->bin, bin, sizeof bin);
	int64_t end_us = first_of(c, f->to + 1) < c->n ? c->at[first_of(c, f->to + 1)]->start_us : c->r->last_us;

	if (f->n > 1)
		snprintf(others, sizeof others, " (and %zu measures more)", f->n - 1);
	return mem_format("the reference %s from %s to %s: %s%s, %s %.2g %% -> %.2g %%%s", how,
		time_format(c->at[first_of(c, f->from)]->start_us, from, sizeof from), time_format(end_us, to, sizeof to), f->m->name, others, what,
		100 * f->before, 100 * f->after, what_then);
}

static void look(struct calm *c, char **ret)
{
	struct found block = {0}, drift = {0};

	for (size_t i = 0; i < c->r->n_measures; i++) {
		const struct measure *m = &c->r->measures[i];

		if (!looked_at(m) || !shares_count(c, m))
			continue;
		c->chance = by_chance(c, m);
		block_find(c, m, &block);
		drift_find(c, m, &drift);
	}
	if (block.n)
		*ret = words_of(c, &block, "is unlike the rest of itself", "; if that was a fault it now passes for normal: learn again without it");
	else if (drift.n)
		*ret = words_of(c, &drift, "drifts", "; what comes next may already be unlike its middle");
}

void fit_calm(struct fit *f)
{
	struct reference *r = f->r;
	struct calm c = {.r = r, .n = r->n_windows + r->n_others};
	size_t widest = 1;

	if (c.n < LEAST_WINDOWS)
		return;
	c.n_stretches = c.n / OF_WINDOWS < STRETCHES ? c.n / OF_WINDOWS : STRETCHES;
	c.at = mem_zero(c.n, sizeof(struct reference_window *));
	for (size_t i = 0; i < c.n; i++)
		c.at[i] = i < r->n_windows ? &r->windows[i] : &r->others[i - r->n_windows];
	qsort(c.at, c.n, sizeof *c.at, by_start);
	for (size_t i = 0; i < r->n_measures; i++)
		widest = r->measures[i].n > widest ? r->measures[i].n : widest;
	c.share = mem_zero(c.n_stretches * widest, sizeof *c.share);
	c.middle = mem_zero(widest, sizeof *c.middle);
	c.records = mem_zero(c.n_stretches, sizeof *c.records);
	c.far = mem_zero(c.n_stretches, sizeof *c.far);
	c.square = mem_zero(c.n_stretches, sizeof *c.square);
	look(&c, &r->doubt);
	if (r->doubt)
		fit_note(f, "%s", r->doubt);
	free(c.square);
	free(c.far);
	free(c.records);
	free(c.middle);
	free(c.share);
	free(c.at);
}
