/* SPDX-License-Identifier: Apache-2.0
 * A window detector at work on a stream: a stretch of every window's vector that it sums up, and what is known of how far
 * windows of the reference are from one another by it. Part of a reference. */
#ifndef MODEL_STATISTIC_H
#define MODEL_STATISTIC_H

#include "oodd/detector.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct reference_option;

/* The detector's own functions, so that those who never meet plugins can ask it. */
struct statistic_door {
	uint32_t needs; /* enum oodd_needs */
	int (*accumulate)(const void *state, const struct oodd_batch *batch, size_t from, size_t to, int64_t *vector);
	int (*compare)(const void *state, const int64_t *reference, int64_t n_reference, const int64_t *window,
		int64_t n_window, struct oodd_comparison *ret);
	void (*close)(void *state); /* may be NULL */
	void *state;
};

#define STATISTIC_MOST 16 /* of a reference */

/* How far stretches of `windows` windows in a row, added up, naturally are from the reference. With T the statistic and E what is
 * expected by chance, log(T / max(E ratio, E + excess)) of a stretch is at most `mean` on average, and varies by at most `sd`: what
 * can be said for sure, not what is likeliest. Learned by judge_learn. */
struct statistic_law {
	size_t windows;
	double ratio, excess, mean, sd;
	size_t n;      /* stretches behind them, none of which overlap */
	double memory; /* their autocorrelation time, in stretches, >= 1 */
};
#define STATISTIC_MOST_LONGER 4
#define STATISTIC_MOST_WINDOWS 4096 /* of a stretch */

struct statistic {
	char *name; /* of the detector */
	char *plugin_version;
	struct reference_option *options;
	size_t n_options;
	void *bytes; /* what fit wrote */
	size_t n_bytes;
	/* vector[first]: how many rows were added; vector[first + 1 .. first + 1 + width): what they add up to. */
	size_t first, width;
	int64_t *base;  /* n_base: the same over all records that calibrate, none of which the detector was fitted on */
	size_t n_base;  /* width + 1 */

	struct statistic_law one;     /* of single windows */
	struct statistic_law *longer; /* of stretches, the shortest first: those that the reference has enough of */
	size_t n_longer;
	bool judged; /* false: `why` says what is missing */
	char *why;   /* NULL when judged */

	struct statistic_door *door; /* never in a file; NULL until score/statistics.h found the plugin. May be shared: see below */
};

void statistic_done(struct statistic *s); /* closes the door */

/* What statistic `s` makes of a window's stretch against a base (both width + 1 integers). False where it cannot be said: no
 * door, no rows, or the detector's answer is none. */
bool statistic_compare(const struct statistic *s, const int64_t *base, const int64_t *stretch, struct oodd_comparison *ret);

/* to += times * v, n integers each: what two stretches are together, or one without the other. Vectors come from files: wrapping,
 * where they are absurd, is defined. */
void statistic_add(int64_t *to, const int64_t *v, size_t n, int64_t times);

/* log of how many times as far apart as a reference's own windows usually are; never below a lowest value. */
double statistic_height(const struct statistic_law *law, const struct oodd_comparison *c);

/* For trials on a varied reference: base and what is learned are the copy's own, everything else is borrowed. */
struct statistic *statistics_vary(const struct statistic *from, size_t n);
void statistics_vary_done(struct statistic *s, size_t n);

#endif
