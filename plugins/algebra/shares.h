/* SPDX-License-Identifier: Apache-2.0
 * From contributions of dimensions to ranked reasons. */
#ifndef ALGEBRA_SHARES_H
#define ALGEBRA_SHARES_H

#include <stddef.h>

#include "oodd/detector.h"

/* The class given first, then the dimensions that add most to the score, as shares of all that is added and taken away.
 * `part` has d values and is used up. Returns how many reasons were written. */
int shares_rank(int32_t class_index, double class_weight, double *part, size_t d, struct oodd_reason *reasons, size_t n);

#endif
