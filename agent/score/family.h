/* SPDX-License-Identifier: Apache-2.0
 * What kind of thing a detector looks at, and one p-value for all that look at the same. */
#ifndef SCORE_FAMILY_H
#define SCORE_FAMILY_H

#include "model/reference.h"
#include "oodd/detector.h"

#include <stddef.h>

/* By what it needs. -1: none of them, or two at once (fDBD, ViM: neither doubt alone nor place alone). */
int family_of(const struct oodd_detector *d);
/* Weighted mean of -log p over the detectors of the family that count and scored the row; NaN where none did. `family` of each
 * detector of r; p detector-major with `stride` rows. */
float family_surprise(const struct reference *r, const int *family, enum odd_family f, const double *p, size_t stride, size_t row);

#endif
