/* SPDX-License-Identifier: Apache-2.0
 * Small passes over one row, each with a fixed order of additions, so the same bits on any processor: sums run in 16 lanes, then
 * over the lanes. The compiler may not do this by itself, since it would change the order of a plain loop. */
#ifndef ALGEBRA_ROWS_H
#define ALGEBRA_ROWS_H

#include <stddef.h>

#include "algebra/product.h"

/* The same functions, compiled for one kind of processor. */
struct rows {
	/* sum of x^2, in double. Infinite or NaN where a value is not finite. */
	double (*squares)(const float *x, size_t n);
	/* sum of (a - b)^2: nothing cancels, so single precision keeps its digits. */
	float (*distance)(const float *a, const float *b, size_t n);
	/* to = x * scale - shift. */
	void (*shift)(const float *x, float scale, const float *shift, float *to, size_t n);
	/* The largest; -INFINITY when n is 0. NaN are passed over or not. */
	float (*most)(const float *x, size_t n);
	/* Positions with x > floor, rising, into `at` (room for n); returns how many. */
	size_t (*above)(const float *x, size_t n, float floor, unsigned *at);
	/* to = x - from. */
	void (*minus)(const float *x, float from, float *to, size_t n);
	/* Sum of e = exp(x * scale) over x <= 0, in double; far below, e is 0. *ret_slope, unless NULL, is the sum of e * x. */
	double (*exps)(const float *x, float scale, size_t n, double *ret_slope);
	/* How many x are `least` or more: all but NaN where it is -INFINITY. */
	size_t (*count)(const float *x, size_t n, float least);
	/* Sum over x > floor of (p (1 - p))^gamma, where p = exp(x - shift) is at most one half. */
	double (*powers)(const float *x, size_t n, float floor, float shift, float gamma);
	/* sum of x, in double. */
	double (*sum)(const float *x, size_t n);
	/* to += x * scale. */
	void (*add)(const float *x, float scale, float *to, size_t n);
	/* sum of (from - x) * w, in double. */
	double (*gaps)(float from, const float *x, const float *w, size_t n);
	/* sum of (a - b)^2 and of w a^2, of doubles. */
	double (*distance_f64)(const double *a, const double *b, size_t n);
	double (*weighted_f64)(const double *a, const double *w, size_t n);
};

/* For the processor at hand, or for one path of it (it must run here). */
const struct rows *rows_for(enum product_path path);

#endif
