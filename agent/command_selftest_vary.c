/* SPDX-License-Identifier: Apache-2.0
 * oodd selftest: a reference keeps its windows as counts, not its records. What can be done honestly with counts is done here. */
#include "command_selftest.h"

#include "base/hash.h"
#include "base/mem.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static struct reference_window *windows_copy(const struct reference_window *from, size_t n)
{
	struct reference_window *to = mem_alloc((n + 1) * sizeof *to);

	for (size_t i = 0; i < n; i++) {
		to[i] = from[i];
		to[i].v = mem_copy(from[i].v, from[i].width * sizeof *from[i].v);
	}
	return to;
}

static void windows_free(struct reference_window *w, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(w[i].v);
	free(w);
}

void varied_open(struct varied *v, const struct reference *r)
{
	*v = (struct varied){.r = *r, .of = r};
	v->r.season_why = NULL;
	v->r.windows = windows_copy(r->windows, r->n_windows);
	v->r.others = windows_copy(r->others, r->n_others);
	v->r.statistics = statistics_vary(r->statistics, r->n_statistics);
	v->r.measures = mem_alloc((r->n_measures + 1) * sizeof *v->r.measures);
	for (size_t i = 0; i < r->n_measures; i++) {
		v->r.measures[i] = r->measures[i];
		if (r->measures[i].base)
			v->r.measures[i].base = mem_copy(r->measures[i].base, r->measures[i].n * sizeof *r->measures[i].base);
	}
}

void varied_close(struct varied *v)
{
	for (size_t i = 0; i < v->r.n_measures; i++)
		free(v->r.measures[i].base);
	free(v->r.measures);
	statistics_vary_done(v->r.statistics, v->r.n_statistics);
	windows_free(v->r.windows, v->r.n_windows);
	windows_free(v->r.others, v->r.n_others);
}

static void windows_repeat(struct reference_window *w, size_t n, int64_t times)
{
	for (size_t i = 0; i < n; i++) {
		w[i].n *= times;
		w[i].n_flagged *= times;
		for (size_t k = 0; k < w[i].width; k++)
			w[i].v[k] *= times;
	}
}

static void statistics_repeat(struct varied *v, int64_t times)
{
	for (size_t i = 0; i < v->r.n_statistics; i++)
		for (size_t k = 0; k < v->r.statistics[i].n_base; k++)
			v->r.statistics[i].base[k] *= times;
}

void varied_repeat(struct varied *v, int64_t times)
{
	windows_repeat(v->r.windows, v->r.n_windows, times);
	windows_repeat(v->r.others, v->r.n_others, times);
	for (size_t i = 0; i < v->r.n_measures; i++)
		for (size_t k = 0; v->r.measures[i].base && k < v->r.measures[i].n; k++)
			v->r.measures[i].base[k] *= times;
	statistics_repeat(v, times);
}

/* ---- records without time ---- */

#define GUIDES 256

/* What a record is drawn from: of each measure the shares that the reference has learned, summed up, and for each 256th of the unit
 * interval the first bin that it can be in. until NULL: never learned. */
struct deck {
	const struct reference *r;
	struct pile {
		double *until;
		uint32_t guide[GUIDES];
	} *piles;
};

static void pile_guide(struct pile *p, size_t n)
{
	size_t at = 0;

	for (size_t i = 0; i < GUIDES; i++) {
		while (at + 1 < n && p->until[at] <= (double)i / GUIDES)
			at++;
		p->guide[i] = (uint32_t)at;
	}
}

static void deck_open(struct deck *d, const struct reference *r)
{
	*d = (struct deck){.r = r, .piles = mem_zero(r->n_measures + 1, sizeof *d->piles)};
	for (size_t i = 0; i < r->n_measures; i++) {
		const struct measure *m = &r->measures[i];
		struct pile *p = &d->piles[i];
		double sum = 0;

		if (!m->mean)
			continue;
		p->until = mem_alloc(m->n * sizeof *p->until);
		for (size_t k = 0; k < m->n; k++)
			p->until[k] = sum += m->mean[k];
		pile_guide(p, m->n);
	}
}

static void deck_close(struct deck *d)
{
	for (size_t i = 0; i < d->r->n_measures; i++)
		free(d->piles[i].until);
	free(d->piles);
}

/* SplitMix64 (Steele, Lea & Flood 2014), begun at a hash. */
static uint64_t draw(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

/* counts[0..m->n) += `records` drawn ones of measure i, each `times` times. */
static void deck_deal(const struct deck *d, size_t i, uint64_t seed, uint64_t hand, int64_t records, int64_t times, int64_t *counts)
{
	const struct pile *p = &d->piles[i];
	uint64_t key[] = {seed, hand, i}, state = hash_bytes(key, sizeof key, 0);
	size_t last = d->r->measures[i].n - 1;

	for (int64_t c = 0; c < records && p->until; c++) {
		uint64_t bits = draw(&state);
		double x = (double)(bits >> 11) * 0x1p-53;
		size_t bin = p->guide[bits >> 56];

		while (bin < last && p->until[bin] <= x)
			bin++;
		counts[bin] += times;
	}
}

static int64_t measure_total(const struct measure *m, const int64_t *counts)
{
	int64_t all = 0;

	for (size_t k = 0; k < m->n; k++)
		all += counts[k];
	return all;
}

/* A window of as many records as `like` holds, measure by measure. Its sums stay like's: they are for words only. */
static void window_deal(const struct deck *d, const struct reference_window *like, uint64_t seed, uint64_t hand, int64_t times, int64_t *v)
{
	for (size_t k = 0; k < like->width; k++)
		v[k] = like->v[k] * times;
	for (size_t i = 0; i < d->r->n_measures; i++) {
		const struct measure *m = &d->r->measures[i];

		if (!d->piles[i].until)
			continue;
		memset(v + m->first, 0, m->n * sizeof *v);
		deck_deal(d, i, seed, hand, measure_total(m, like->v + m->first), times, v + m->first);
	}
}

/* The base counts of a measure: its windows' (p-values: the null ones'), and what stood in no whole window. */
static void base_deal(const struct deck *d, struct reference *r, size_t i, uint64_t seed, int64_t times)
{
	struct measure *m = &r->measures[i];
	size_t n = r->n_windows + (m->kind == MEASURE_P_VALUE ? 0 : r->n_others);
	int64_t rest = m->base ? measure_total(m, m->base) : 0;

	if (!m->base || !d->piles[i].until)
		return;
	memset(m->base, 0, m->n * sizeof *m->base);
	for (size_t w = 0; w < n; w++) {
		const struct reference_window *from = w < r->n_windows ? &r->windows[w] : &r->others[w - r->n_windows];

		for (size_t k = 0; k < m->n; k++)
			m->base[k] += from->v[m->first + k];
		rest -= measure_total(m, from->v + m->first) / times;
	}
	deck_deal(d, i, seed, UINT64_MAX, rest, times, m->base);
}

/* A reference made of drawn records, learned from anew: mean and why of its measures are its own. */
static void reference_deal(const struct deck *d, const struct judge_options *options, uint64_t seed, int64_t times, struct varied *v)
{
	struct judge_options timeless = *options;

	varied_open(v, d->r);
	statistics_repeat(v, times);
	for (size_t i = 0; i < v->r.n_windows; i++) {
		window_deal(d, &d->r->windows[i], seed, i, times, v->r.windows[i].v);
		v->r.windows[i].n *= times;
	}
	for (size_t i = 0; i < v->r.n_others; i++) {
		window_deal(d, &d->r->others[i], seed, d->r->n_windows + i, times, v->r.others[i].v);
		v->r.others[i].n *= times;
	}
	for (size_t i = 0; i < v->r.n_measures; i++) {
		v->r.measures[i].mean = NULL;
		v->r.measures[i].why = NULL;
		base_deal(d, &v->r, i, seed, times);
	}
	timeless.season = SEASON_NONE;
	judge_learn(&v->r, &timeless);
}

static void learned_free(struct varied *v)
{
	for (size_t i = 0; i < v->r.n_measures; i++) {
		free(v->r.measures[i].mean);
		free(v->r.measures[i].why);
	}
	free(v->r.season_why);
}

static void live_judge(struct judge *j, const struct deck *d, uint64_t seed, uint64_t at, int64_t times, struct window *w,
	struct judge_selftest *ret)
{
	uint64_t key[] = {seed, at};
	const struct reference_window *like = &d->r->windows[hash_bytes(key, sizeof key, 0) % d->r->n_windows];
	struct signal s;

	window_deal(d, like, seed, d->r->n_windows + d->r->n_others + at, times, w->v);
	w->start_us = (int64_t)at * d->r->window_us;
	w->end_us = w->start_us + d->r->window_us;
	w->n = like->n * times;
	w->n_flagged = like->n_flagged * times;
	judge_window(j, w, &s);
	judge_selftest_add(ret, &s);
	signal_done(&s);
}

void varied_selftest(const struct reference *r, const struct judge_options *options, size_t n_windows, int64_t times, uint64_t seed,
	struct judge_selftest *ret)
{
	struct judge_options wordless = *options;
	struct varied v;
	struct deck d;
	struct judge *j;
	struct window w;

	*ret = (struct judge_selftest){.n_windows = n_windows, .n_measures = r->n_measures + r->n_statistics, .learned_from = r->n_windows,
		.highest_log_m = -INFINITY};
	deck_open(&d, r);
	reference_deal(&d, options, seed, times, &v);
	for (size_t i = 0; i < r->n_measures; i++)
		ret->n_unjudged_measures += !v.r.measures[i].judged;
	for (size_t i = 0; i < r->n_statistics; i++)
		ret->n_unjudged_measures += !v.r.statistics[i].judged;
	wordless.wordless = true;
	j = judge_open(&v.r, &wordless);
	window_init(&w, 0, r->window_us, r->width);
	for (size_t i = 0; i < n_windows && r->n_windows; i++)
		live_judge(j, &d, seed, i, times, &w, ret);
	window_done(&w);
	judge_close(j);
	learned_free(&v);
	varied_close(&v);
	deck_close(&d);
}
