/* SPDX-License-Identifier: Apache-2.0
 * Y = X W' + b, where a row of Y depends on nothing but its row of X: the same bits alone, in a batch of 7 or of 256, at any
 * position, and on any processor. Each output is one chain of fused multiply-adds, k in order, starting at its bias:
 *
 *     y[i][j] = fma(x[i][K-1], w[j][K-1], ... fma(x[i][1], w[j][1], fma(x[i][0], w[j][0], b[j])))
 *
 * BLAS promises neither (research: rows of sgemm change with the batch and with their position in it). Speed comes from
 * vectorising across outputs, with W packed once; AVX-512, AVX2 with FMA, or portable C is chosen at run time.
 * A product is immutable once opened: shared by threads without locks. No call allocates but open.
 */
#ifndef ALGEBRA_PRODUCT_H
#define ALGEBRA_PRODUCT_H

#include <stdbool.h>
#include <stddef.h>

enum product_path {
	PRODUCT_PORTABLE, /* fmaf() and fma(): exact everywhere, slow where the processor has no such instruction */
	PRODUCT_AVX2,
	PRODUCT_AVX512,
	PRODUCT_BEST,
};

/* Can this processor run that path? PRODUCT_BEST: always. */
bool product_path_runs(enum product_path path);

/* W: n_out rows of n_in values. bias: n_out values, or NULL for zeros. triangular: w[j][k] is taken as 0 for k > j, and not
 * read (half the work). The path must run here. NULL when there is no memory. */
struct product_f32 *product_f32_open(const float *w, size_t n_out, size_t n_in, const float *bias, bool triangular,
	enum product_path path);
void product_f32_close(struct product_f32 *p); /* accepts NULL */
/* Outputs are made in panels of `panel` columns; a row of Y therefore takes panels * panel values, the surplus being nobody's business: not always written. */
size_t product_f32_panel(const struct product_f32 *p);
size_t product_f32_stride(const struct product_f32 *p);
/* n rows of X, `ldx` values apart, into n rows of Y, product_f32_stride apart. Best with some 100 rows at a time: X then
 * stays in the cache while W streams by. */
void product_f32_rows(const struct product_f32 *p, const float *x, size_t ldx, size_t n, float *y);
/* As above, only outputs [from, from + count): both multiples of the panel (count may end with the last output, rounded up).
 * Rows of Y are `ldy` apart. Not for triangular ones. */
void product_f32_part(const struct product_f32 *p, size_t from, size_t count, const float *x, size_t ldx, size_t n, float *y,
	size_t ldy);
/* w[j][k], as packed. */
float product_f32_at(const struct product_f32 *p, size_t j, size_t k);

/* The same in double precision, where differences of nearly equal sums matter. */
struct product_f64 *product_f64_open(const double *w, size_t n_out, size_t n_in, const double *bias, bool triangular,
	enum product_path path);
void product_f64_close(struct product_f64 *p);
size_t product_f64_panel(const struct product_f64 *p);
size_t product_f64_stride(const struct product_f64 *p);
void product_f64_rows(const struct product_f64 *p, const double *x, size_t ldx, size_t n, double *y);
void product_f64_part(const struct product_f64 *p, size_t from, size_t count, const double *x, size_t ldx, size_t n, double *y,
	size_t ldy);
double product_f64_at(const struct product_f64 *p, size_t j, size_t k);

#endif
