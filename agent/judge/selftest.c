/* SPDX-License-Identifier: Apache-2.0
 * How often would this reference cry wolf on its own traffic? Half of its windows teach, the other
 * half are drawn from, over and over: every alarm is false. What it cannot show: drift inside the
 * reference, which drawing at random takes apart. A handful of windows is a shift by itself; the
 * null is widened by as much as that (learn.h). */
#include "judge/judge.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/mem.h"
#include "judge/learn.h"

/* A reference that borrows everything but its measures' learned parts and its lists of windows. */
struct half {
	struct reference r;
	struct reference_window
		*held; /* null windows that were left out: live ones must fit every measure */
	size_t n_held;
};

static uint64_t draw(uint64_t seed, uint64_t i)
{
	uint64_t at[2] = {seed, i};

	return hash_bytes(at, sizeof at, 0);
}

struct drawn {
	uint64_t key;
	const struct reference_window *w;
};

static int by_key(const void *a, const void *b)
{
	const struct drawn *x = a, *y = b;

	return (x->key > y->key) - (x->key < y->key);
}

/* Shuffles windows[0..n) and puts one half in `kept`, the other in `held`. Returns how many were
 * kept. */
static size_t split(const struct reference_window *windows, size_t n, uint64_t seed,
	struct reference_window *kept, struct reference_window *held)
{
	struct drawn *all = mem_alloc((n + 1) * sizeof *all);
	size_t n_kept = (n + 1) / 2;

	for (size_t i = 0; i < n; i++)
		all[i] = (struct drawn){draw(seed, i), &windows[i]};
	qsort(all, n, sizeof *all, by_key);
	for (size_t i = 0; i < n; i++)
		*(i < n_kept ? &kept[i] : &held[i - n_kept]) = *all[i].w;
	free(all);
	return n_kept;
}

/* The base counts without the windows that were held out. */
static int64_t *base_without(const struct measure *m, const struct reference_window *held, size_t n)
{
	int64_t *base = mem_alloc(m->n * sizeof *base);

	memcpy(base, m->base, m->n * sizeof *base);
	for (size_t t = 0; t < n; t++)
		for (size_t k = 0; k < m->n; k++) {
			int64_t less = held[t].v[m->first + k];
			base[k] -= less < base[k] ? less : base[k];
		}
	return base;
}

/* Room for the split; measures to be learned anew. kept and held are filled by the caller between
 * the two. */
static void half_open(struct half *h, const struct reference *r)
{
	h->r = *r;
	h->r.season_why = NULL;
	h->held = mem_alloc((r->n_windows + r->n_others + 1) * sizeof *h->held);
	h->r.windows = mem_alloc((r->n_windows + 1) * sizeof *h->r.windows);
}

static void statistics_without(struct half *h, const struct reference *r)
{
	h->r.statistics = statistics_vary(r->statistics, r->n_statistics);
	for (size_t i = 0; i < r->n_statistics; i++) {
		struct statistic *s = &h->r.statistics[i];

		for (size_t t = 0; t < h->n_held; t++)
			for (size_t k = 0; k < s->n_base; k++)
				s->base[k] -= h->held[t].v[s->first + k];
	}
}

static void half_measures(struct half *h, const struct reference *r)
{
	h->n_held = r->n_windows - h->r.n_windows;
	h->r.measures = mem_alloc((r->n_measures + 1) * sizeof *h->r.measures);
	for (size_t i = 0; i < r->n_measures; i++) {
		struct measure *m = &h->r.measures[i];
		*m = r->measures[i];
		m->mean = NULL;
		m->why = NULL;
		if (m->base)
			m->base = base_without(m, h->held, h->n_held);
	}
	statistics_without(h, r);
}

static void half_make(struct half *h, const struct reference *r, uint64_t seed)
{
	half_open(h, r);
	h->r.n_windows = split(r->windows, r->n_windows, seed, h->r.windows, h->held);
	half_measures(h, r);
}

/* Windows [from, to) held out. */
static void half_block(struct half *h, const struct reference *r, size_t from, size_t to)
{
	half_open(h, r);
	h->r.n_windows = r->n_windows - (to - from);
	for (size_t i = 0; i < from; i++)
		h->r.windows[i] = r->windows[i];
	for (size_t i = to; i < r->n_windows; i++)
		h->r.windows[i - (to - from)] = r->windows[i];
	for (size_t i = from; i < to; i++)
		h->held[i - from] = r->windows[i];
	half_measures(h, r);
}

static void half_done(struct half *h)
{
	for (size_t i = 0; i < h->r.n_measures; i++) {
		free(h->r.measures[i].mean);
		free(h->r.measures[i].why);
		free(h->r.measures[i].base);
	}
	statistics_vary_done(h->r.statistics, h->r.n_statistics);
	free(h->r.season_why);
	free(h->r.measures);
	free(h->r.windows);
	free(h->held);
}

/* One window before the judge, its outcome into ret. */
static void judge_one(struct judge *j, const struct reference_window *from, int64_t start_us,
	int64_t window_us, struct judge_selftest *ret)
{
	struct window w = {.start_us = start_us,
		.end_us = start_us + window_us,
		.n = from->n,
		.n_flagged = from->n_flagged,
		.width = from->width,
		.v = from->v};
	struct signal s;

	judge_window(j, &w, &s);
	judge_selftest_add(ret, &s);
	signal_done(&s);
}

/* Windows of few records are not called quiet, but they alarm like any. */
void judge_selftest_add(struct judge_selftest *ret, const struct signal *s)
{
	ret->n_alarms += s->fresh;
	ret->n_judged += s->n > 0 && ret->n_unjudged_measures < ret->n_measures;
	ret->n_ongoing += s->state == SIGNAL_ONGOING;
	ret->highest_log_m = fmax(ret->highest_log_m, s->log_m);
	ret->log_budget = s->log_budget;
}

/* The kind of season is taken over; how strong it is, and all else, is learned anew. */
static void relearn(
	struct reference *half, const struct reference *whole, const struct judge_options *options)
{
	struct judge_options o = *options;

	o.season = (enum season)whole->season;
	judge_learn(half, &o);
}

#define WEEK_US (INT64_C(7) * 86400 * SECOND_US)
/* The same time of the week (so of every season) in the i-th week. */
static int64_t same_time(int64_t start_us, int64_t i)
{
	return i * WEEK_US + (start_us % WEEK_US + WEEK_US) % WEEK_US;
}

static struct judge_options wordless(const struct judge_options *options)
{
	struct judge_options o = *options;

	o.wordless = true;
	return o;
}

static void replay(const struct half *h, const struct judge_options *options, uint64_t seed,
	struct judge_selftest *ret)
{
	struct judge_options o = wordless(options);
	struct judge *j = judge_open(&h->r, &o);

	for (size_t i = 0; i < ret->n_windows && h->n_held; i++) {
		const struct reference_window *from = &h->held[draw(seed, i) % h->n_held];
		judge_one(j, from, same_time(from->start_us, (int64_t)i), h->r.window_us, ret);
	}
	judge_close(j);
}

static size_t unjudged(const struct reference *r)
{
	size_t n = 0;

	for (size_t i = 0; i < r->n_measures; i++)
		n += !r->measures[i].judged;
	for (size_t i = 0; i < r->n_statistics; i++)
		n += !r->statistics[i].judged;
	return n;
}

void judge_selftest(const struct reference *r, const struct judge_options *options,
	size_t n_windows, uint64_t seed, struct judge_selftest *ret)
{
	struct half h;

	*ret = (struct judge_selftest){
		.n_windows = n_windows, .n_measures = r->n_measures + r->n_statistics, .highest_log_m = -INFINITY};
	half_make(&h, r, seed);
	relearn(&h.r, r, options);
	learn_allow(&h.r, h.held, h.n_held);
	ret->learned_from = h.r.n_windows;
	ret->held_out = h.n_held;
	ret->n_unjudged_measures = unjudged(&h.r);
	replay(&h, options, seed + 1, ret);
	half_done(&h);
}

/* A stretch [from, to) before a judge that has not seen it. */
static void replay_block(const struct reference *r, const struct judge_options *options,
	size_t from, size_t to, struct judge_selftest *ret)
{
	struct judge_options o = wordless(options);
	struct half h;
	struct judge *j;
	size_t blind, worst = ret->n_unjudged_measures;

	half_block(&h, r, from, to);
	relearn(&h.r, r, options);
	blind = unjudged(&h.r);
	ret->n_unjudged_measures = blind;
	ret->learned_from = h.r.n_windows < ret->learned_from ? h.r.n_windows : ret->learned_from;
	ret->held_out = h.n_held > ret->held_out ? h.n_held : ret->held_out;
	j = judge_open(&h.r, &o);
	for (size_t i = 0; i < h.n_held; i++)
		judge_one(j, &h.held[i], h.held[i].start_us, r->window_us, ret);
	ret->n_unjudged_measures = blind > worst ? blind : worst;
	judge_close(j);
	half_done(&h);
}

void judge_selftest_blocks(const struct reference *r, const struct judge_options *options,
	size_t n_blocks, struct judge_selftest *ret)
{
	*ret = (struct judge_selftest){.n_windows = r->n_windows,
		.n_measures = r->n_measures + r->n_statistics,
		.learned_from = r->n_windows,
		.highest_log_m = -INFINITY};
	for (size_t b = 0; b < n_blocks; b++) {
		size_t from = r->n_windows * b / n_blocks, to = r->n_windows * (b + 1) / n_blocks;

		if (from < to)
			replay_block(r, options, from, to, ret);
	}
}
