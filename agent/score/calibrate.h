/* SPDX-License-Identifier: Apache-2.0
 * Scores to p-values, p-values to one.
 *
 * A detector's p-value is split-conformal against cal-A, within the predicted class where that
 * class has a table. What is fused is the detector's *surprise*: -log of that p-value, but beyond
 * the oddest twentieth of the reference, where a p-value runs out of records to count, continued as
 * an exponential tail of their mean excess, -log p_u + (s - u) / mean excess. So a record twice as
 * far out as any of the reference says so, no tie is broken by chance, and the size of the
 * reference does not change what a score is worth. The fused statistic is, where the reference
 * knows ways of being odd (model/reference_ways.h), the logarithm of the sum over ways of
 * exp(offset + weighted sum of surprises), else the weighted sum of surprises alone; over the
 * detectors that count. Its p-value is conformal again, against the same statistic on cal-B:
 * whatever the tails and weights are and however detectors depend on one another, the fused p-value
 * is valid.
 *
 * A row that some detectors could not score must not be judged by the table of all: with fewer
 * terms its sum is smaller, with terms put in their place it is not the same statistic. So: (1)
 * each pattern that arises when logits, embedding or features are missing has a table
 * of its own, of the same statistic of the detectors left; (2) for any other pattern the largest of
 * those sets that lies within it is used, the further detectors ignored; (3) failing that, the
 * p-value of the heaviest detector that did score, alone, which is calibrated by itself. Each is
 * valid, none invents a score. */
#ifndef SCORE_CALIBRATE_H
#define SCORE_CALIBRATE_H

#include "model/reference.h"

#include <stddef.h>
#include <stdint.h>

/* With strict = true: a fused p-value is too small for at most this share of the calibration sets
 * that might have been drawn. */
#define CALIBRATE_STRICT_DELTA 0.1

/* What follows from a reference's tables, made once; const after, any thread. Borrows the
 * reference, whose detectors' tables must stand; weights and fused tables may still change. */
struct calibration;
struct calibration *calibration_open(const struct reference *r);
void calibration_close(struct calibration *c); /* accepts NULL */

/* Detector d of n scores: p[i] and surprise[i], NaN where the score is. predicted may be NULL. */
void calibrate_p(const struct calibration *c, size_t d, const uint64_t *hash,
	const int32_t *predicted, const float *scores, size_t n, double *p, float *surprise);

/* The detectors that count, as bits. */
uint64_t calibrate_members(const struct reference *r);
/* What is fused of the members' surprises, detector-major with `stride` rows, of row `row`; all must
 * be numbers. */
float calibrate_sum(const struct reference *r, uint64_t members, const float *surprise,
	size_t stride, size_t row);
/* part[d]: the part of detector d in that, of a row that some may not have scored: its surprise
 * times its weight, by the ways that this record is odd in. 0 where it has none. */
void calibrate_parts(const struct reference *r, const float *surprise, size_t stride, size_t row,
	double *part);
/* Fused p-value of each row, NaN where no detector that counts scored it. p and surprise are those
 * of all detectors, detector-major, n rows. */
void calibrate_fuse(const struct calibration *c, const uint64_t *hash, const double *p,
	const float *surprise, size_t n, double *fused);

#endif
