/* SPDX-License-Identifier: Apache-2.0
 * How often would this reference cry wolf on its own traffic? Half of its windows teach, the other
 * half are drawn from, over and over: every alarm is false. What it cannot show: drift inside the
 * reference, which drawing at random takes apart. A handful of windows is a shift by itself; the
 * null is widened by as much as that (learn.h). */
#include "judge/judge.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

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

static void half_make(struct half *h, const struct reference *r, uint64_t seed)
{
	h->r = *r;
	h->held = mem_alloc((r->n_windows + r->n_others + 1) * sizeof *h->held);
	h->r.windows = mem_alloc((r->n_windows + 1) * sizeof *h->r.windows);
	h->r.n_windows = split(r->windows, r->n_windows, seed, h->r.windows, h->held);
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
}

static void half_done(struct half *h)
{
	for (size_t i = 0; i < h->r.n_measures; i++) {
		free(h->r.measures[i].mean);
		free(h->r.measures[i].why);
		free(h->r.measures[i].base);
	}
	free(h->r.measures);
	free(h->r.windows);
	free(h->held);
}

static void replay(const struct half *h, const struct judge_options *options, uint64_t seed,
	struct judge_selftest *ret)
{
	struct judge *j = judge_open(&h->r, options);

	for (size_t i = 0; i < ret->n_windows && h->n_held; i++) {
		const struct reference_window *from = &h->held[draw(seed, i) % h->n_held];
		struct window w = {.start_us = (int64_t)i * h->r.window_us,
			.end_us = (int64_t)(i + 1) * h->r.window_us,
			.n = from->n,
			.n_flagged = from->n_flagged,
			.width = from->width,
			.v = from->v};
		struct signal s;
		judge_window(j, &w, &s);
		ret->n_alarms += s.fresh;
		ret->n_judged += s.why == NULL;
		ret->highest_log_m = fmax(ret->highest_log_m, s.log_m);
		ret->log_budget = s.log_budget;
		signal_done(&s);
	}
	judge_close(j);
}

void judge_selftest(const struct reference *r, const struct judge_options *options,
	size_t n_windows, uint64_t seed, struct judge_selftest *ret)
{
	struct half h;

	*ret = (struct judge_selftest){
		.n_windows = n_windows, .n_measures = r->n_measures, .highest_log_m = -INFINITY};
	half_make(&h, r, seed);
	judge_learn(&h.r, options);
	learn_allow(&h.r, h.held, h.n_held);
	ret->learned_from = h.r.n_windows;
	ret->held_out = h.n_held;
	for (size_t i = 0; i < r->n_measures; i++)
		ret->n_unjudged_measures += !h.r.measures[i].judged;
	replay(&h, options, seed + 1, ret);
	half_done(&h);
}
