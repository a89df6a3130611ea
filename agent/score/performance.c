/* SPDX-License-Identifier: Apache-2.0
 * Three terms of a record: is it surer than the reference's errors, how often are records of its confidence right, how
 * confident is it. Functions of the record and the reference alone. */
#include "score/performance.h"

#include <math.h>
#include <stdlib.h>

static float largest(const float *z, size_t n)
{
	float most = z[0];

	for (size_t i = 1; i < n; i++)
		most = z[i] > most ? z[i] : most;
	return isfinite(z[0]) && isfinite(most) ? most : NAN;
}

static const float *logits_of(const struct oodd_batch *b, size_t row)
{
	const float *z = b->logits.at ? oodd_row(b->logits, row) : NULL;

	return z && !isnan(z[0]) ? z : NULL;
}

double performance_confidence(const struct oodd_batch *b, size_t row)
{
	const float *z = logits_of(b, row);
	double sum = 0.0, most;

	if (b->confidence && !isnan(b->confidence[row]))
		return b->confidence[row];
	if (!z)
		return (double)NAN;
	most = (double)largest(z, b->logits.width);
	for (size_t i = 0; i < b->logits.width; i++)
		sum += exp((double)z[i] - most);
	return 1.0 / sum;
}

/* sum p ln p, of log-probabilities. */
static double negentropy(const float *log_p, size_t n)
{
	double sum = 0.0;

	for (size_t i = 0; i < n; i++)
		if (log_p[i] > -700.0F)
			sum += exp((double)log_p[i]) * (double)log_p[i];
	return sum;
}

double performance_score(enum performance_score kind, const struct oodd_batch *b, size_t row)
{
	const float *z = logits_of(b, row);

	if (kind == PERFORMANCE_CONFIDENCE)
		return performance_confidence(b, row);
	if (!z)
		return (double)NAN;
	return kind == PERFORMANCE_MAXLOGIT ? (double)largest(z, b->logits.width) : negentropy(z, b->logits.width);
}

double performance_calibrate(const struct performance *p, double confidence)
{
	size_t low = 0, high = p->n_edges;

	if (isnan(confidence) || p->n_calibrated == 0)
		return (double)NAN;
	while (low < high) {
		size_t middle = (low + high) / 2;

		if (p->edges[middle] < confidence)
			low = middle + 1;
		else
			high = middle;
	}
	return p->calibrated[low];
}

static int64_t term(double x)
{
	return isnan(x) ? INT64_MIN : (int64_t)rint(x * PERFORMANCE_ONE);
}

void performance_terms(const struct performance *p, const struct oodd_batch *b, struct scored *to, size_t first_sum)
{
	bool known = p->basis != PERFORMANCE_NONE;

	for (size_t k = 0; k < PERFORMANCE_SLOTS; k++)
		to->sum_at[first_sum + k] = (uint32_t)(p->first + 2 * k);
	for (size_t i = 0; i < b->n; i++) {
		int64_t *at = to->term + i * to->n_sums + first_sum;
		double confidence = performance_confidence(b, i), score;

		confidence = confidence >= 0.0 && confidence <= 1.0 ? confidence : (double)NAN;
		score = known ? performance_score((enum performance_score)p->score, b, i) : (double)NAN;
		at[PERFORMANCE_ATC] = isnan(score) ? INT64_MIN : score >= p->threshold ? (int64_t)PERFORMANCE_ONE : 0;
		at[PERFORMANCE_CALIBRATED] = known ? term(performance_calibrate(p, confidence)) : INT64_MIN;
		at[PERFORMANCE_LOGGED] = term(confidence);
	}
}
