/* SPDX-License-Identifier: Apache-2.0
 * Window detectors that break one promise each, and one that keeps them all. */
#include "oodd/detector.h"

#include <math.h>
#include <string.h>

#define WIDTH 2
#define ONE 1048576.0

static size_t width(const void *state)
{
	(void)state;
	return WIDTH;
}

static int add(const struct oodd_batch *b, size_t i, int64_t *vector)
{
	double x = (double)oodd_row(b->embedding, i)[0];

	if (!(fabs(x) < 1000))
		return 0;
	vector[0] += llrint(x * ONE);
	vector[1] += llrint(x * x * ONE);
	return 1;
}

static int fine_accumulate(const void *state, const struct oodd_batch *b, size_t from, size_t to, int64_t *vector)
{
	int added = 0;

	(void)state;
	for (size_t i = from; i < to; i++)
		added += add(b, i, vector);
	return added;
}

/* Counts a row by its place in the batch. */
static int place_accumulate(const void *state, const struct oodd_batch *b, size_t from, size_t to, int64_t *vector)
{
	vector[1] += (int64_t)from;
	return fine_accumulate(state, b, from, to, vector);
}

/* A mean instead of a sum. */
static int mean_accumulate(const void *state, const struct oodd_batch *b, size_t from, size_t to, int64_t *vector)
{
	int64_t sum[WIDTH] = {0};
	int added = fine_accumulate(state, b, from, to, sum);

	for (size_t k = 0; k < WIDTH && added; k++)
		vector[k] += sum[k] / added;
	return added;
}

/* What is not a number is added all the same. */
static int odd_accumulate(const void *state, const struct oodd_batch *b, size_t from, size_t to, int64_t *vector)
{
	for (size_t i = from; i < to; i++)
		if (!add(b, i, vector))
			vector[0] += 5;
	(void)state;
	return (int)(to - from) - (isnan(oodd_row(b->embedding, from)[0]) ? 1 : 0);
}

static int beyond_accumulate(const void *state, const struct oodd_batch *b, size_t from, size_t to, int64_t *vector)
{
	vector[WIDTH] = 0;
	return fine_accumulate(state, b, from, to, vector);
}

static int fine_compare(const void *state, const int64_t *reference, int64_t m, const int64_t *window, int64_t n, struct oodd_comparison *ret)
{
	double before = (double)reference[0] / (double)m / ONE, after = (double)window[0] / (double)n / ONE;
	double variance = (double)reference[1] / (double)m / ONE - before * before;

	(void)state;
	if (!(variance > 1e-6))
		return -33;
	*ret = (struct oodd_comparison){.statistic = (after - before) * (after - before) / variance,
		.expected = 1 / (double)n + 1 / (double)m};
	ret->effect = fmax(0, ret->statistic - ret->expected);
	return 0;
}

/* Forgets that a mean of n rows varies by one part in n. */
static int lawless_compare(const void *state, const int64_t *reference, int64_t m, const int64_t *window, int64_t n, struct oodd_comparison *ret)
{
	int code = fine_compare(state, reference, m, window, n, ret);

	ret->expected = 1;
	return code;
}

static int nan_compare(const void *state, const int64_t *reference, int64_t m, const int64_t *window, int64_t n, struct oodd_comparison *ret)
{
	(void)state, (void)m;
	*ret = (struct oodd_comparison){.statistic = sqrt((double)reference[1]) / (double)n, .expected = 1 / (double)n};
	ret->effect = (double)window[1] < 0 ? -1 : 0;
	return 0;
}

#define DETECTOR(name_, accumulate_, compare_)                                                                        \
	static const struct oodd_detector name_ = {.name = #name_, .version = "1", .summary = #name_, .needs = OODD_NEEDS_EMBEDDING, \
		.width = width, .accumulate = accumulate_, .compare = compare_}

DETECTOR(fine, fine_accumulate, fine_compare);
DETECTOR(place, place_accumulate, fine_compare);
DETECTOR(mean, mean_accumulate, fine_compare);
DETECTOR(odd, odd_accumulate, fine_compare);
DETECTOR(beyond, beyond_accumulate, fine_compare);
DETECTOR(lawless, fine_accumulate, lawless_compare);
DETECTOR(nan_, fine_accumulate, nan_compare);

OODD_PLUGIN("Apache-2.0", &fine, &place, &mean, &odd, &beyond, &lawless, &nan_);
