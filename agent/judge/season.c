/* SPDX-License-Identifier: Apache-2.0
 * Learning a season. It is claimed where windows are foretold better by the windows of the same hour in
 * other turns than by all windows, and by how much they are shrunk to the mean of all is whatever foretells best: so a
 * season that is not there, or too short to be known, costs nothing. */
#include "judge/season.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "judge/caution.h"
#include "stats/evidence.h"

/* Strength of the mean of all: records of each bin. */
static const double priors[] = {1, 4, 16, 64, 256};
#define LENGTH(a) (sizeof(a) / sizeof *(a))
/* Nats that a season must foretell better by: five strengths and three kinds are tried on each measure. */
#define LEAST_GAIN 6.0
/* Buckets times bins: beyond, a table would outweigh what it tells. */
#define MOST_CELLS (1 << 18)
#define LEAST_PERIODS 2
#define FACTOR_MOST 20.0
#define FIXED_POINT 0x1p20 /* of window sums, see model/measure.h */

static double sum_of(const double *x, size_t k)
{
	double sum = 0;

	for (size_t i = 0; i < k; i++)
		sum += x[i];
	return sum;
}

static void counts_add(const int64_t *n, double times, size_t k, double *to)
{
	for (size_t i = 0; i < k; i++)
		to[i] += times * (double)n[i];
}

/* Counts by bucket. */
static double *bucket_sums(
	const struct lesson *l, size_t k, enum season s, int64_t window_us)
{
	double *sums = mem_zero(season_buckets(s) * k + 1, sizeof *sums);

	for (size_t t = 0; t < l->n; t++)
		counts_add(l->counts[t], 1,  k,
			sums + season_bucket(s, l->start_us[t], window_us, NULL) * k);
	return sums;
}

/* Windows of one bucket and turn follow one another. */
static size_t turn_end(const struct lesson *l, size_t first, enum season s, int64_t window_us)
{
	int64_t turn, next;
	size_t end = first + 1;

	season_bucket(s, l->start_us[first], window_us, &turn);
	while (end < l->n && (season_bucket(s, l->start_us[end], window_us, &next), next == turn))
		end++;
	return end;
}

/* to: shares of all windows, made those of a bucket. Each bin by itself: (seen + prior) / (expected + prior) times as much as
 * usual, so that a season of what is common says nothing about what is too rare to have one (a gamma prior around 1; one
 * Dirichlet strength for all bins would let an hour without an odd record make odd records ten times rarer). */
static void shrink(const double *of_bucket, double prior, size_t k, double *to)
{
	double n = sum_of(of_bucket, k), all = 0;

	for (size_t i = 0; i < k; i++)
		all += to[i] *= (of_bucket[i] + prior) / (n * to[i] + prior);
	for (size_t i = 0; i < k; i++)
		to[i] /= all;
}

void season_means(const struct lesson *l, const struct measure *m, enum season s, int64_t window_us,
	const int64_t *base, double prior, double *to)
{
	struct evidence_windows w = {l->counts, l->n, m->n};
	double *sums, *rest;

	evidence_means(&w, base, to);
	if (s == SEASON_NONE || prior <= 0)
		return;
	sums = bucket_sums(l, m->n, s, window_us);
	rest = mem_alloc(m->n * sizeof *rest);
	for (size_t first = 0, end; first < l->n; first = end) {
		end = turn_end(l, first, s, window_us);
		memcpy(rest, sums + season_bucket(s, l->start_us[first], window_us, NULL) * m->n,
			m->n * sizeof *rest);
		for (size_t t = first; t < end; t++)
			counts_add(l->counts[t], -1, m->n, rest);
		for (size_t t = first; t < end; t++)
			shrink(rest, prior, m->n, to + t * m->n);
	}
	free(rest);
	free(sums);
}

/* The best strength for one measure, 0 when it shows no such season; and how much better that foretells. */
static double fit(const struct lesson *l, const struct measure *m, enum season s, int64_t window_us,
	double *ret_gain)
{
	struct evidence_windows w = {l->counts, l->n, m->n};
	const struct evidence_prior nothing = {0, INFINITY};
	const int64_t *base = m->kind == MEASURE_P_VALUE ? NULL : m->base;
	double *means, kappa, low, plain, best = 0, most = fmax(m->n_records, 1);

	*ret_gain = 0;
	if (l->n < 2 * CAUTION_LEAST_WINDOWS || season_buckets(s) * m->n > MOST_CELLS)
		return 0;
	means = mem_alloc(l->n * m->n * sizeof *means);
	evidence_means(&w, base, means);
	plain = evidence_kappa(&w, means, most, nothing, 0, &kappa, &low);
	for (size_t i = 0; i < LENGTH(priors); i++) {
		double gain;
		season_means(l, m, s, window_us, base, priors[i], means);
		gain = evidence_kappa(&w, means, most, nothing, 0, &kappa, &low) - plain;
		if (gain > fmax(*ret_gain, LEAST_GAIN)) {
			best = priors[i];
			*ret_gain = gain;
		}
	}
	free(means);
	return best;
}

static int64_t spanned(const struct reference *r)
{
	int64_t span = r->last_us - r->first_us;

	for (size_t i = 0; i < 2; i++) {
		const struct reference_window *at = i ? r->others : r->windows;
		size_t n = i ? r->n_others : r->n_windows;
		if (n > 0 && at[n - 1].start_us - at[0].start_us + r->window_us > span)
			span = at[n - 1].start_us - at[0].start_us + r->window_us;
	}
	return span;
}

/* NULL, or why the reference cannot hold it. */
static char *impossible(const struct reference *r, enum season s)
{
	char one[40], two[40];
	int64_t needed = LEAST_PERIODS * season_period_us(s);

	if (r->window_us > season_bucket_us(s))
		return mem_format("windows of %s are longer than %s: %s cannot be told apart",
			duration_format(r->window_us, one, sizeof one),
			duration_format(season_bucket_us(s), two, sizeof two), season_words[s]);
	if (spanned(r) + r->window_us < needed)
		return mem_format("not enough data: %s needs %d periods (%s) of reference, it spans %s",
			season_words[s], LEAST_PERIODS, duration_format(needed, one, sizeof one),
			duration_format(spanned(r) / SECOND_US * SECOND_US, two, sizeof two));
	return NULL;
}

/* Strengths of every measure; returns what they gain together. */
static double fit_all(
	const struct reference *r, const struct lesson *lessons, enum season s, double *strengths)
{
	double sum = 0, gain;

	for (size_t i = 0; i < r->n_measures; i++) {
		strengths[i] = fit(&lessons[i], &r->measures[i], s, r->window_us, &gain);
		sum += r->measures[i].slice ? 0 : gain;
	}
	return sum;
}

static void why_set(struct reference *r, char *why)
{
	free(r->season_why);
	r->season_why = why;
}

/* The first reason stays: that of the shortest season. */
static void why_keep(struct reference *r, char *why)
{
	if (r->season_why)
		free(why);
	else
		r->season_why = why;
}

static void adopt(struct reference *r, enum season s, const double *strengths)
{
	r->season = s;
	for (size_t i = 0; i < r->n_measures; i++)
		r->measures[i].season_prior = strengths[i];
}

void season_learn(struct reference *r, const struct lesson *lessons, enum season asked)
{
	double *strengths = mem_zero(r->n_measures + 1, sizeof *strengths), best = 0, gain;
	bool tried = false;

	why_set(r, NULL);
	adopt(r, SEASON_NONE, strengths);
	for (size_t s = SEASON_NONE + 1; s < SEASON_KINDS; s++) {
		char *why;
		if (asked != SEASON_AUTO && asked != s)
			continue;
		why = impossible(r, (enum season)s);
		if (why) {
			why_keep(r, why);
			continue;
		}
		tried = true;
		gain = fit_all(r, lessons, (enum season)s, strengths);
		if (gain > best) {
			best = gain;
			adopt(r, (enum season)s, strengths);
		}
	}
	if (r->season != SEASON_NONE)
		why_set(r, NULL);
	else if (tried)
		why_set(r, mem_format("no measure varies with it beyond chance"));
	free(strengths);
}

void season_table_make(struct season_table *t, const struct reference *r, const struct measure *m)
{
	enum season s = (enum season)r->season;
	size_t n = season_buckets(s), k = m->n;
	struct lesson l;
	double *seen;

	*t = (struct season_table){0};
	if (s == SEASON_NONE || m->season_prior <= 0 || !m->judged || n * k > MOST_CELLS)
		return;
	l = lesson_make(r, m);
	seen = mem_alloc(k * sizeof *seen);
	*t = (struct season_table){.n_buckets = n,
		.mean = bucket_sums(&l, k, s, r->window_us),
		.factor = mem_alloc(n * k * sizeof *t->factor),
		.centre = mem_zero(2 * n, sizeof *t->centre)};
	for (size_t i = 0; i < l.n && m->sums != MEASURE_NO_BIN; i++) {
		const int64_t *sums = l.counts[i] + (m->sums - m->first);
		size_t b = season_bucket(s, l.start_us[i], r->window_us, NULL);
		t->centre[b] += (double)sums[0] / FIXED_POINT;
		t->centre[n + b] += (double)sums[1];
	}
	for (size_t b = 0; b < n; b++) {
		double *to = t->mean + b * k;
		memcpy(seen, to, k * sizeof *seen);
		memcpy(to, m->mean, k * sizeof *to);
		shrink(seen, m->season_prior, k, to);
		t->centre[b] = m->centre + m->scale * t->centre[b] / (t->centre[n + b] + m->season_prior);
		for (size_t i = 0; i < k; i++) {
			t->factor[b * k + i] = fmin(fmax(to[i] / m->mean[i], 1 / FACTOR_MOST), FACTOR_MOST);
		}
	}
	lesson_done(&l);
	free(seen);
}

void season_table_done(struct season_table *t)
{
	free(t->mean);
	free(t->factor);
	free(t->centre);
	*t = (struct season_table){0};
}
