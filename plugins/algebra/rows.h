/* SPDX-License-Identifier: Apache-2.0
 * Small sums over one row, with a fixed order of additions (16 lanes, then the lanes): gcc's own vectors, so the same bits on any
 * processor. The compiler may not do this by itself, since it would change the order of a plain loop. */
#ifndef ALGEBRA_ROWS_H
#define ALGEBRA_ROWS_H

#include <math.h>
#include <stddef.h>
#include <string.h>

typedef float rows_f32 __attribute__((vector_size(64), aligned(4)));
typedef int rows_i32 __attribute__((vector_size(64), aligned(4)));
typedef double rows_f64 __attribute__((vector_size(64), aligned(8)));
typedef float rows_f32x8 __attribute__((vector_size(32), aligned(4)));

static inline double rows_lanes(const rows_f64 *v)
{
	const double *l = (const double *)v;
	return ((l[0] + l[1]) + (l[2] + l[3])) + ((l[4] + l[5]) + (l[6] + l[7]));
}

/* sum of x^2, in double. Infinite or NaN where a value is not finite. */
static inline double row_squares(const float *x, size_t n)
{
	rows_f64 sum = {0};
	size_t i = 0;

	for (; i + 8 <= n; i += 8) {
		rows_f32x8 part;
		memcpy(&part, x + i, sizeof part);
		rows_f64 wide = __builtin_convertvector(part, rows_f64);
		sum += wide * wide;
	}
	double total = rows_lanes(&sum);
	for (; i < n; i++)
		total += (double)x[i] * (double)x[i];
	return total;
}

/* sum of (a - b)^2: nothing cancels, so single precision keeps its digits. */
static inline float row_distance(const float *a, const float *b, size_t n)
{
	rows_f32 sum = {0};
	size_t i = 0;

	for (; i + 16 <= n; i += 16) {
		rows_f32 x, y;
		memcpy(&x, a + i, sizeof x);
		memcpy(&y, b + i, sizeof y);
		sum += (x - y) * (x - y);
	}
	const float *l = (const float *)&sum;
	float total = 0;
	for (size_t j = 0; j < 4; j++)
		total += (l[j] + l[j + 4]) + (l[j + 8] + l[j + 12]);
	for (; i < n; i++)
		total += (a[i] - b[i]) * (a[i] - b[i]);
	return total;
}

/* The same of doubles. */
static inline double row_distance_f64(const double *a, const double *b, size_t n)
{
	rows_f64 sum = {0};
	size_t i = 0;

	for (; i + 8 <= n; i += 8) {
		rows_f64 x, y;
		memcpy(&x, a + i, sizeof x);
		memcpy(&y, b + i, sizeof y);
		sum += (x - y) * (x - y);
	}
	double total = rows_lanes(&sum);
	for (; i < n; i++)
		total += (a[i] - b[i]) * (a[i] - b[i]);
	return total;
}

/* sum of w a^2. */
static inline double row_weighted_f64(const double *a, const double *w, size_t n)
{
	rows_f64 sum = {0};
	size_t i = 0;

	for (; i + 8 <= n; i += 8) {
		rows_f64 x, y;
		memcpy(&x, a + i, sizeof x);
		memcpy(&y, w + i, sizeof y);
		sum += x * x * y;
	}
	double total = rows_lanes(&sum);
	for (; i < n; i++)
		total += a[i] * a[i] * w[i];
	return total;
}

/* to = x * scale - shift. */
static inline void row_shift(const float *x, float scale, const float *shift, float *to, size_t n)
{
	size_t i = 0;

	for (; i + 16 <= n; i += 16) {
		rows_f32 a, b;
		memcpy(&a, x + i, sizeof a);
		memcpy(&b, shift + i, sizeof b);
		a = a * scale - b;
		memcpy(to + i, &a, sizeof a);
	}
	for (; i < n; i++)
		to[i] = x[i] * scale - shift[i];
}

/* The largest; n > 0. No NaN. */
static inline float row_most(const float *x, size_t n)
{
	float most = x[0];
	size_t i = 0;

	if (n >= 16) {
		rows_f32 high, next;
		memcpy(&high, x, sizeof high);
		for (i = 16; i + 16 <= n; i += 16) {
			memcpy(&next, x + i, sizeof next);
			rows_i32 above = next > high;
			high = (rows_f32)(((rows_i32)next & above) | ((rows_i32)high & ~above));
		}
		const float *l = (const float *)&high;
		for (size_t j = 0; j < 16; j++)
			most = l[j] > most ? l[j] : most;
	}
	for (; i < n; i++)
		most = x[i] > most ? x[i] : most;
	return most;
}

#endif
