/* SPDX-License-Identifier: Apache-2.0
 * The distribution of a score among the reference, small enough to keep. Half of the knots are the
 * largest scores, each for itself, since that is where a p-value matters; the other half are spread
 * evenly over the ranks below. A score between two of those counts as tied with all the reference
 * scores between them: coarser, still valid, since the coarse score is a function of the score
 * alone. */
#include "model/reference.h"

#include "base/mem.h"
#include "stats/conformal.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

static int float_order(const void *a, const void *b)
{
	float x = *(const float *)a, y = *(const float *)b;

	return (x > y) - (x < y);
}

static size_t without_nan(float *scores, size_t n)
{
	size_t kept = 0;

	for (size_t i = 0; i < n; i++)
		if (!isnan(scores[i]))
			scores[kept++] = scores[i];
	return kept;
}

static size_t count_distinct(const float *sorted, size_t n)
{
	size_t distinct = n > 0;

	for (size_t i = 1; i < n; i++)
		distinct += sorted[i] > sorted[i - 1];
	return distinct;
}

/* Is the value that begins at `rank`, the `index`th of `distinct`, a knot? `stride` ranks lie
 * between knots of the body. */
struct thinning {
	size_t distinct, exact, stride;
};

static void knot_put(struct score_table *t, float score, size_t above)
{
	t->score[t->n] = score;
	t->above[t->n++] = (uint32_t)above;
}

static void table_fill(
	struct score_table *t, const float *sorted, size_t n, const struct thinning *by)
{
	size_t index = 0, next = 0;

	for (size_t i = 0; i < n; i++) {
		if (i > 0 && !(sorted[i] > sorted[i - 1]))
			continue;
		if (index >= by->distinct - by->exact || i >= next) {
			knot_put(t, sorted[i], n - i);
			next = i + by->stride;
		}
		index++;
	}
}

void score_table_make(struct score_table *t, float *scores, size_t n, size_t knots)
{
	struct thinning by = {0};

	assert(knots >= 4);
	*t = (struct score_table){0};
	n = without_nan(scores, n);
	if (n == 0)
		return;
	assert(n <= UINT32_MAX);
	qsort(scores, n, sizeof *scores, float_order);
	by.distinct = count_distinct(scores, n);
	by.exact = by.distinct <= knots ? by.distinct : knots / 2;
	by.stride = by.exact == by.distinct ? 1 : (n + knots / 2 - 1) / (knots / 2);
	t->score = mem_zero(knots + 1, sizeof *t->score);
	t->above = mem_zero(knots + 1, sizeof *t->above);
	t->total = (uint32_t)n;
	t->n_exact = by.exact;
	table_fill(t, scores, n, &by);
	assert(t->n <= knots);
}

void score_table_done(struct score_table *t)
{
	free(t->score);
	free(t->above);
	*t = (struct score_table){0};
}

void score_table_rank(const struct score_table *t, float score, uint32_t *greater, uint32_t *equal)
{
	size_t k = 0, left = t->n;

	assert(t->n > 0);
	while (left > 0) { /* k: how many knots are at or below the score */
		size_t half = (left + 1) / 2;
		bool up = t->score[k + half - 1] <= score;

		k += up ? half : 0;
		left = up ? left - half : half - 1;
	}
	*greater = k == 0 ? t->total : k < t->n ? t->above[k] : 0;
	*equal = k == 0 ? 0 : t->above[k - 1] - *greater;
	if (k > 0 && k - 1 >= t->n - t->n_exact && t->score[k - 1] < score)
		*equal = 0;
}

double score_table_p(const struct score_table *t, float score, double unit)
{
	uint32_t greater, equal;

	score_table_rank(t, score, &greater, &equal);
	return conformal_p(greater, equal, t->total, unit);
}
