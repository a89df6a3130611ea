/* SPDX-License-Identifier: Apache-2.0
 * Windows into signals: has the traffic moved away from the reference, in what, how badly.
 * README.md of this room holds the mathematics and what is promised.
 *
 * One struct judge for each stream, one owner at a time. No clock and no randomness: signals are a
 * function of the reference, the options and the sequence of windows. */
#ifndef JUDGE_JUDGE_H
#define JUDGE_JUDGE_H

#include "base/buf.h"
#include "base/error.h"
#include "model/limit.h"
#include "model/reference.h"
#include "model/signal.h"
#include "model/window.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct judge_options {
	double false_alarms; /* at most so many ... */
	int64_t per_us;      /* ... in so long, on average, while nothing moves */
	int64_t window_us;   /* 0: the reference's */
	double least_budget; /* in windows: however many alarms are allowed, none on evidence weaker
				than this to one */
	enum season season;     /* to learn; what was learned stands in the reference */
	double smallest_effect; /* PSI; smaller shifts never page; of p-values a quarter of it */
	int64_t slice_period_us; /* slices are compared over so long; 0: a day */
	bool wordless; /* nobody reads the signals' findings: none are made */
	const struct limits *limits; /* of output metrics; NULL: none; borrowed until judge_close */
};
#define JUDGE_OPTIONS                                                                              \
	((struct judge_options){.false_alarms = 1,                                                 \
		.per_us = INT64_C(30) * 86400 * 1000000,                                           \
		.least_budget = 1000,                                                              \
		.season = SEASON_AUTO,                                                             \
		.smallest_effect = .01})

/* Fill what struct measure says is learned (mean, kappa, tolerance, n_*, memory, season_prior, judged, why), and the season, from
 * r->windows, r->others and the measures' base counts (NULL: the windows' own sum). Fails on
 * nothing: what cannot be judged says why. */
void judge_learn(struct reference *r, const struct judge_options *options);

struct judge;
/* r is borrowed until judge_close. */
struct judge *judge_open(const struct reference *r, const struct judge_options *options);
void judge_close(struct judge *j); /* accepts NULL */

/* The next window of the stream, in order of start; its width is the reference's. *ret is the
 * caller's: signal_done; names in it are borrowed from the reference. */
void judge_window(struct judge *j, const struct window *w, struct signal *ret);

/* All state, one msgpack map tied to the reference by hash; what comes after unpack is bit for bit
 * what would have come. unpack: 0, or -EINVAL with a sentence (then j is as after judge_open). */
void judge_pack(const struct judge *j, struct buf *to);
int judge_unpack(struct judge *j, const void *at, size_t n, struct error *e);

/* The false-alarm check: relearn on half of the reference's windows (drawn by `seed`), judge
 * n_windows drawn from the other half. The reference is only read. */
struct judge_selftest {
	size_t learned_from, held_out; /* windows */
	size_t n_windows, n_judged;    /* drawn; of them with evidence in them, and be it of few records */
	size_t n_alarms;
	size_t n_ongoing; /* judged while a false cause was latched: what it holds cannot alarm again */
	double highest_log_m, log_budget;
	size_t n_unjudged_measures, n_measures;
};
/* Counts what a window came to; n_measures and n_unjudged_measures are known. */
void judge_selftest_add(struct judge_selftest *ret, const struct signal *s);
void judge_selftest(const struct reference *r, const struct judge_options *options,
	size_t n_windows, uint64_t seed, struct judge_selftest *ret);
/* The same in the order of time: each of n_blocks stretches of the null windows in turn is left out
 * of learning and judged once, as it came. Few windows, but drift and memory are as they were.
 * held_out: of the longest stretch; what cannot be judged: of the worst. */
void judge_selftest_blocks(const struct reference *r, const struct judge_options *options,
	size_t n_blocks, struct judge_selftest *ret);

#endif
