/* SPDX-License-Identifier: Apache-2.0
 * Logistic regression with weights that may not be negative. Pure; any thread. */
#ifndef STATS_LOGISTIC_H
#define STATS_LOGISTIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LOGISTIC_MOST 64 /* columns */

/* Weights w >= 0 (k of them) and an intercept that tell the rows of class 1 from those of class 0, the classes counting alike
 * however many rows they have: the least of
 *
 *	mean over classes of mean over rows of log(1 + exp(-+ (x w + b))) + lambda/2 sum_j (w_j - mean w)^2
 *
 * x: n x k, row-major, finite. The penalty draws the weights towards one another, not towards zero: with a large lambda all are equal,
 * and their common scale is free. w: k weights, then the intercept b. False when a class is empty or k is 0 or more than LOGISTIC_MOST;
 * then w is not written. */
bool logistic_weights(const float *x, const uint8_t *class, size_t n, size_t k, double lambda, double *w);

#endif
