/* SPDX-License-Identifier: Apache-2.0
 * What window detectors have in common: sums in fixed point, a fit on rows spread evenly over the data, the length of a row, and
 * the answer with what has moved most. */
#ifndef ALGEBRA_WINDOW_H
#define ALGEBRA_WINDOW_H

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "algebra/rows.h"
#include "oodd/detector.h"

#define WINDOW_ONE 1048576.0 /* fixed point: 2^20, so that addition is exact and its order cannot matter */

#define WINDOW_OPTION_SAMPLE \
	{"sample", OODD_OPTION_REAL, 1, 1e-4, 1, NULL, "share of records that is added up, chosen by the record's hash"}
#define WINDOW_OPTION_NORMALISE {"normalise", OODD_OPTION_BOOL, 1, 0, 1, NULL, "embeddings are scaled to length 1"}

static inline int64_t window_fixed(double x)
{
	return llrint(x * WINDOW_ONE);
}

/* Mean of what n rows added to one place. */
static inline double window_mean(int64_t sum, double n)
{
	return (double)sum / n / WINDOW_ONE;
}

static inline size_t window_rows(const struct oodd_batch *const *batches, size_t n_batches)
{
	size_t all = 0;

	for (size_t b = 0; b < n_batches; b++)
		all += batches[b]->n;
	return all;
}

/* Is row `at` of `all` one of the `most` that a fit looks at, evenly over the data? All are where there are no more. */
static inline bool window_taken(size_t at, size_t all, size_t most)
{
	return all <= most || at * most / all != (at + 1) * most / all;
}

/* 1 / |x|, 1 where lengths count; 0 where the row cannot be used. */
static inline double window_scale(const struct rows *rows, const float *x, size_t d, bool normalise)
{
	double squares = rows->squares(x, d);

	if (!isfinite(squares) || (normalise && squares == 0))
		return 0;
	return normalise ? 1 / sqrt(squares) : 1;
}

/* One more shift, in its place among those that moved most. */
static inline void window_shift_put(struct oodd_comparison *to, struct oodd_shift shift)
{
	double size = fabs(shift.after - shift.before);
	size_t at = to->n_shifts;

	while (at > 0 && fabs(to->shifts[at - 1].after - to->shifts[at - 1].before) < size) {
		if (at < OODD_MOST_SHIFTS)
			to->shifts[at] = to->shifts[at - 1];
		at--;
	}
	if (at < OODD_MOST_SHIFTS)
		to->shifts[at] = shift;
	to->n_shifts += to->n_shifts < OODD_MOST_SHIFTS;
}

/* The effect is what chance does not explain. */
static inline struct oodd_comparison window_answer(double statistic, double expected)
{
	return (struct oodd_comparison){.statistic = statistic, .expected = expected, .effect = fmax(0, statistic - expected)};
}

#endif
