/* SPDX-License-Identifier: Apache-2.0
 * From a covariance S = L L' to y = L^-1 x, in whose units a Mahalanobis distance is a plain one. L^-1 is a lower triangle: half a
 * product. Learned in double precision, kept and used as floats. */
#ifndef ALGEBRA_WHITEN_H
#define ALGEBRA_WHITEN_H

#include <stdbool.h>
#include <stddef.h>

#include "algebra/bytes.h"
#include "algebra/product.h"
#include "oodd/detector.h"

/* s += (share * trace / d) I; s is d x d. False where the trace is zero or not finite. */
bool whiten_ridge(double *s, size_t d, double share);
/* S, of which only the lower triangle is read, becomes L^-1. `of` says whose covariance it is ("the embeddings"). 0, or negative errno
 * after telling the host why. */
int whiten_make(double *s, size_t d, const char *of, const struct oodd_host *host);

/* L^-1 as bytes: d (d + 1) / 2 floats, row after row of the triangle. */
size_t whiten_floats(size_t d);
void whiten_write(const double *inverse, size_t d, struct bytes *to);
/* And as a product. NULL when there is no memory. */
struct product_f32 *whiten_open(const float *triangle, size_t d);

#endif
