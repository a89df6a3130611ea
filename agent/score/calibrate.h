/* SPDX-License-Identifier: Apache-2.0
 * Scores to p-values, p-values to one.
 *
 * A detector's p-value is split-conformal against cal-A, within the predicted class where that
 * class has a table. The fused statistic is the weighted Fisher sum of -log p over the detectors
 * that count, and its p-value is conformal again, against the same sums on cal-B: whatever the
 * dependence between detectors, the fused p-value is valid.
 *
 * A row that some detectors could not score must not be judged by the table of all: with fewer
 * terms its sum is smaller, with terms put in their place it is not the same statistic. So: (1)
 * each pattern that arises when logits, embedding or features are missing has a table
 * of its own, of the same sum over the detectors left; (2) for any other pattern the largest of
 * those sets that lies within it is used, the further detectors ignored; (3) failing that, the
 * p-value of the heaviest detector that did score, alone, which is calibrated by itself. Each is
 * valid, none invents a score. */
#ifndef SCORE_CALIBRATE_H
#define SCORE_CALIBRATE_H

#include "model/reference.h"

#include <stddef.h>
#include <stdint.h>

/* Where ties are broken: a stream of units of its own for each name, from the record's hash. */
uint64_t calibrate_seed(const char *name);
double calibrate_unit(uint64_t hash, uint64_t seed);

/* p[i] of scores[i] by detector d, NaN where the score is. predicted may be NULL. */
void calibrate_p(const struct reference_detector *d, uint64_t seed, const uint64_t *hash,
	const int32_t *predicted, const float *scores, size_t n, double *p);

/* The detectors that count, as bits. */
uint64_t calibrate_members(const struct reference *r);
/* Weighted sum of -log p of the members; p is detector-major with `stride` rows, row `row`; all
 * must be numbers. */
float calibrate_sum(
	const struct reference *r, uint64_t members, const double *p, size_t stride, size_t row);
/* Fused p-value of each row, NaN where no detector that counts scored it. */
void calibrate_fuse(
	const struct reference *r, const uint64_t *hash, const double *p, size_t n, double *fused);

#endif
