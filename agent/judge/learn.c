/* SPDX-License-Identifier: Apache-2.0
 * What normal is, and how much it varies: learned once, when a reference is made, from whole
 * windows that no detector was fitted on. Every choice here leans to caution where windows are few,
 * because each error of the reference is a small lasting shift that a sequential test adds up for
 * ever (README.md, "What the reference does not know"). */
#include "judge/judge.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "judge/caution.h"
#include "judge/gauge.h"
#include "judge/learn.h"
#include "judge/null.h"
#include "judge/season.h"
#include "stats/evidence.h"
#include "stats/special.h"

/* So many windows, and so much larger the large ones than the small (twentieths), before sizes say anything; and in nats. */
#define SIZES_LEAST 20
#define SIZES_VARY 1.5
#define SIZES_CLEARLY 3.0

static int by_start(const void *a, const void *b)
{
	const struct reference_window *const *x = a, *const *y = b;

	return ((*x)->start_us > (*y)->start_us) - ((*x)->start_us < (*y)->start_us);
}

static size_t windows_of(
	const struct reference *r, const struct measure *m, const struct reference_window **to)
{
	size_t n = 0;

	for (size_t i = 0; i < r->n_windows; i++)
		to[n++] = &r->windows[i];
	for (size_t i = 0; i < r->n_others && m->kind != MEASURE_P_VALUE; i++)
		to[n++] = &r->others[i];
	qsort(to, n, sizeof *to, by_start);
	return n;
}

/* A feature that a window never held has nothing to say there. */
struct lesson lesson_make(const struct reference *r, const struct measure *m)
{
	size_t room = r->n_windows + r->n_others + 1;
	const struct reference_window **windows = mem_alloc(room * sizeof *windows);
	struct lesson l = {.counts = mem_alloc(room * sizeof *l.counts),
		.start_us = mem_alloc(room * sizeof *l.start_us)};
	size_t n = windows_of(r, m, windows);

	for (size_t i = 0; i < n; i++) {
		const int64_t *counts = windows[i]->v + m->first;
		int64_t all = 0;
		for (size_t k = 0; k < m->n; k++)
			all += counts[k];
		if (all == 0)
			continue;
		l.start_us[l.n] = windows[i]->start_us;
		l.counts[l.n++] = counts;
		l.records += (double)all;
	}
	l.records = l.n ? l.records / (double)l.n : 0;
	free(windows);
	return l;
}

void lesson_done(struct lesson *l)
{
	free(l->counts);
	free(l->start_us);
}

/* p-values of new records, given the cal-B scores they were ranked among, are spread as
 * Dirichlet(n_cal_b * widths of the bins): so many records are known before the first null record
 * is counted. */
static double p_value_prior(const struct reference *r, const struct measure *m, size_t bin)
{
	double low, high;

	if (m->kind != MEASURE_P_VALUE || bin > m->n_edges || m->slice) /* odd records are not spread evenly over slices */
		return 0;
	low = bin ? m->edges[bin - 1] : 0;
	high = bin < m->n_edges ? m->edges[bin] : 1;
	return (double)r->n_cal_b * fmax(high - low, 0);
}

static void mean_make(const struct reference *r, struct measure *m, const struct lesson *l)
{
	struct evidence_windows w = {l->counts, l->n, m->n};
	double all = 0;

	free(m->mean);
	m->mean = mem_alloc(m->n * sizeof *m->mean);
	for (size_t k = 0; k < m->n; k++) {
		double base = 0;
		for (size_t t = 0; !m->base && t < w.n; t++)
			base += (double)w.counts[t][k];
		m->mean[k] = (m->base ? (double)m->base[k] : base) + p_value_prior(r, m, k);
		all += m->mean[k];
	}
	m->n_records = all;
	for (size_t k = 0; k < m->n; k++)
		m->mean[k] = (m->mean[k] + .5) / (all + .5 * (double)m->n);
}

static size_t bins_used(const struct measure *m)
{
	size_t used = 0;

	for (size_t k = 0; k < m->n; k++)
		used += m->mean[k] * m->n_records > .75;
	return used;
}

/* Records that tell as much as n_records independent ones would: windows differ (kappa), and
 * resemble their neighbours. */
static void tolerance_make(
	struct measure *m, const struct lesson *l, const struct judge_options *options)
{
	size_t used = bins_used(m);
	double others = fmax(l->records - 1, 0);

	m->n_effective = m->n_records / ((1 + others / (m->kappa + 1)) * m->memory);
	m->along.n_effective = m->n_records / ((1 + others / (m->along.kappa + 1)) * m->along.memory);
	m->tolerance = fmax(caution_smallest(m, options->smallest_effect) / 2,
		caution_radius(used, m->along.n_effective));
}

static void unjudged(struct measure *m, char *why)
{
	m->judged = false;
	free(m->why);
	m->why = why;
}

static void verdict_make(struct measure *m)
{
	double independent = (double)m->n_windows / m->memory;

	m->judged = true;
	free(m->why);
	m->why = NULL;
	if (m->n_windows < CAUTION_LEAST_WINDOWS)
		unjudged(m,
			mem_format("not enough data: %zu whole windows in the reference, %d needed",
				m->n_windows, CAUTION_LEAST_WINDOWS));
	else if (caution_wanders(m->memory, m->n_windows))
		unjudged(m, mem_format("not enough data: it drifts within the reference itself; "
				       "its %zu windows are worth %.1f "
				       "independent ones (a season needs two periods of reference)",
				    m->n_windows, independent));
	else if (caution_radius(bins_used(m), m->n_effective) > CAUTION_MOST_TOLERANCE)
		unjudged(m, mem_format("not enough data: %.0f records of reference (worth %.0f "
				       "independent ones) are too few for "
				       "%zu bins",
				    m->n_records, m->n_effective, bins_used(m)));
}

/* Windows vary more in one direction than kappa, one for all, says, and for longer: numbers mostly in their mean or their spread, all
 * in the one that shows it most. */
static void along_learn(struct measure *m, const struct evidence_windows *w, const int64_t *at, const double *means, double records)
{
	double *scores = mem_alloc(m->n * sizeof *scores), n = (double)w->n;

	for (int power = 0; power <= 2; power++) {
		double dispersion, memory, error;
		if (power > 0 ? !null_scores(m, m->mean, power, scores) : bins_used(m) < 2)
			continue;
		evidence_along(w, at, means, m->kappa, power > 0 ? scores : NULL, &dispersion, &memory);
		m->along.memory = fmax(m->along.memory, memory);
		error = sqrt(2 * memory / n);
		double chance = dispersion > 1 ? fmin(1, CAUTION_ALONG_Z * error / (dispersion - 1)) : 1, sure = 1 - pow(chance, 4);
		double design = (1 + records / (m->kappa + 1)) * (1 + sure * (dispersion * (1 + error) - 1));
		m->along.kappa = fmax(1, fmin(m->along.kappa, records / (design - 1) - 1));
	}
	free(scores);
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double window_records(const struct evidence_windows *w, size_t t)
{
	double n = 0;

	for (size_t k = 0; k < w->k; k++)
		n += (double)w->counts[t][k];
	return n;
}

/* log probability of the windows where a window of `size` records has this kappa: all the same, or each in proportion to its size. */
static double windows_likely(const struct evidence_windows *w, const double *means, double kappa, double size)
{
	double sum = 0;

	for (size_t t = 0; t < w->n; t++)
		sum += evidence_dm(size > 0 ? fmax(1, kappa * window_records(w, t) / size) : kappa, means + t * w->k, w->counts[t], w->k);
	return sum;
}

/* Natural variation does not shrink with the size of a window; copies do: twenty of each record make small windows much more unlike than
 * large ones, and one kappa, learned mostly from the large, takes a quiet night for news. Where kappa in proportion to size explains the
 * windows clearly better, it is taken for small ones. Returns by how much less. */
static double kappa_of_small(const struct evidence_windows *w, const double *means, double kappa)
{
	static const double times[] = {.6, .8, 1, 1.25, 1.6};
	double *sizes = mem_alloc((w->n + 1) * sizeof *sizes), mean = 0, small, large, share = 1, one;

	for (size_t t = 0; t < w->n; t++) {
		sizes[t] = window_records(w, t);
		mean += sizes[t] / (double)w->n;
	}
	qsort(sizes, w->n, sizeof *sizes, by_size);
	small = w->n ? sizes[w->n / 20] : 0;
	large = w->n ? sizes[w->n - 1 - w->n / 20] : 0;
	free(sizes);
	if (w->n < SIZES_LEAST || small * SIZES_VARY > large)
		return 1;
	one = windows_likely(w, means, kappa, 0) + SIZES_CLEARLY;
	for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
		double likely = windows_likely(w, means, times[i] * kappa, mean);
		if (likely > one) {
			one = likely;
			share = fmin(1, times[i] * small / mean);
		}
	}
	return share;
}

static void measure_learn(const struct reference *r, struct measure *m, const struct lesson *l,
	struct evidence_prior prior, const struct judge_options *options, double *ret_best)
{
	struct evidence_windows w = {l->counts, l->n, m->n};
	double low, best, *means = mem_alloc((l->n + 1) * m->n * sizeof *means);
	bool seasonal = r->season != SEASON_NONE && m->season_prior > 0;

	m->n_windows = l->n;
	m->kappa = 1;
	m->memory = 1;
	if (l->n > 0) {
		season_means(l, m, (enum season)r->season, r->window_us,
			m->kind == MEASURE_P_VALUE ? NULL : m->base, m->season_prior, means);
		evidence_kappa(&w, means, fmax(m->n_records, 1), prior, CAUTION_DROP, &best, &low);
		m->kappa = fmax(1, fmax(low, best / CAUTION_MOST_DISCOUNT) * kappa_of_small(&w, means, best));
		m->memory = evidence_memory(&w, seasonal ? means : NULL, CAUTION_MEMORY_Z);
		*ret_best = log(best);
	}
	m->along.kappa = m->kappa;
	m->along.memory = m->memory;
	if (l->n >= CAUTION_LEAST_WINDOWS && l->records > 1 && m->kind != MEASURE_P_VALUE) {
		int64_t *at = mem_alloc(l->n * sizeof *at);
		for (size_t t = 0; t < l->n; t++)
			at[t] = l->start_us[t] / r->window_us;
		along_learn(m, &w, at, means, l->records - 1);
		free(at);
	}
	free(means);
	tolerance_make(m, l, options);
	verdict_make(m);
}

/* Where nothing but the shrinkage is left of a measure once its season is known (a calendar's own fields), it may still be
 * judged without. */
static void learn_anyway(const struct reference *r, struct measure *m, const struct lesson *l,
	struct evidence_prior prior, const struct judge_options *options)
{
	double ignored;

	measure_learn(r, m, l, prior, options, &ignored);
	if (m->judged || m->season_prior == 0)
		return;
	m->season_prior = 0;
	measure_learn(r, m, l, prior, options, &ignored);
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Where windows say little about one measure (a constant, a rare fault), the others of the stream
 * say what is usual here. */
static struct evidence_prior usual(double *best, size_t n)
{
	qsort(best, n, sizeof *best, by_value);
	return (struct evidence_prior){n ? best[n / 2] : log(CAUTION_USUAL_KAPPA), CAUTION_PRIOR_SD};
}

void judge_learn(struct reference *r, const struct judge_options *options)
{
	struct lesson *lessons = mem_alloc((r->n_measures + 1) * sizeof *lessons);
	double *best = mem_alloc((r->n_measures + 1) * sizeof *best);
	struct evidence_prior prior = {0, INFINITY};
	size_t n = 0;

	for (size_t i = 0; i < r->n_measures; i++) {
		lessons[i] = lesson_make(r, &r->measures[i]);
		mean_make(r, &r->measures[i], &lessons[i]);
	}
	season_learn(r, lessons, options->season);
	for (size_t i = 0; i < r->n_measures; i++) {
		measure_learn(r, &r->measures[i], &lessons[i], prior, options, &best[n]);
		n += lessons[i].n > 0 && bins_used(&r->measures[i]) > 1 && !r->measures[i].slice;
	}
	prior = usual(best, n);
	for (size_t i = 0; i < r->n_measures; i++) {
		learn_anyway(r, &r->measures[i], &lessons[i], prior, options);
		lesson_done(&lessons[i]);
	}
	for (size_t i = 0; i < r->n_statistics; i++)
		gauge_learn(r, &r->statistics[i]);
	free(lessons);
	free(best);
}

void learn_allow(struct reference *r, const struct reference_window *windows, size_t n)
{
	for (size_t i = 0; i < r->n_measures; i++) {
		struct measure *m = &r->measures[i];
		double records = 0, drawn;
		for (size_t t = 0; t < n; t++)
			for (size_t k = 0; k < m->n; k++)
				records += (double)windows[t].v[m->first + k];
		if (records == 0)
			continue;
		drawn = records /
			((1 + fmax(records / (double)n - 1, 0) / (m->kappa + 1)) * m->memory);
		/* caution_radius is CAUTION_STRETCH times the error of n_effective: enough for both
		 * unless the pool is smaller. */
		m->tolerance = fmax(m->tolerance, (caution_radius(bins_used(m), m->along.n_effective) +
							  caution_radius(bins_used(m), drawn)) /
							  CAUTION_STRETCH);
		m->n_effective = 1 / (1 / m->n_effective + 1 / drawn);
		m->along.n_effective = 1 / (1 / m->along.n_effective + 1 / drawn);
		verdict_make(m);
	}
	for (size_t i = 0; i < r->n_statistics; i++)
		gauge_allow(&r->statistics[i], n);
}
