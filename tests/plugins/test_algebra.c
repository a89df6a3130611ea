/* SPDX-License-Identifier: Apache-2.0
 * The fixed-order product against its own definition, bit for bit, on every path this processor has; the passes over rows the same
 * on all paths, and right. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "algebra/coarse.h"
#include "algebra/product.h"
#include "algebra/rows.h"
#include "algebra/top.h"

static uint64_t seed = 7;

static float noise(void)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (float)((double)(seed >> 11) / 4503599627370496.0 - 1);
}

#define SIZE (96 * 1024)
static float w[SIZE], x[SIZE], y[SIZE], bias[1024];
static double wd[SIZE], xd[SIZE], yd[SIZE], biasd[1024];

static void fill(void)
{
	for (size_t i = 0; i < SIZE; i++) {
		wd[i] = w[i] = noise();
		xd[i] = x[i] = noise();
		xd[i] += 1e-9 * (double)noise();
	}
	for (size_t i = 0; i < 1024; i++)
		biasd[i] = bias[i] = noise();
}

static const enum product_path paths[] = {PRODUCT_PORTABLE, PRODUCT_AVX2, PRODUCT_AVX512};

static float chain(const float *row, const float *column, size_t n, float start)
{
	for (size_t k = 0; k < n; k++)
		start = fmaf(row[k], column[k], start);
	return start;
}

static double chain_f64(const double *row, const double *column, size_t n, double start)
{
	for (size_t k = 0; k < n; k++)
		start = fma(row[k], column[k], start);
	return start;
}

static void product_check(enum product_path path, size_t n_out, size_t n_in, size_t rows, bool triangular)
{
	struct product_f32 *p = product_f32_open(w, n_out, n_in, triangular ? NULL : bias, triangular, path);
	struct product_f64 *q = product_f64_open(wd, n_out, n_in, triangular ? NULL : biasd, triangular, path);
	size_t ld = product_f32_stride(p), ldd = product_f64_stride(q);

	product_f32_rows(p, x, n_in, rows, y);
	product_f64_rows(q, xd, n_in, rows, yd);
	for (size_t i = 0; i < rows; i++)
		for (size_t j = 0; j < n_out; j++) {
			size_t depth = triangular && j + 1 < n_in ? j + 1 : n_in;
			float want = chain(x + i * n_in, w + j * n_in, depth, triangular ? 0 : bias[j]);
			double want_f64 = chain_f64(xd + i * n_in, wd + j * n_in, depth, triangular ? 0 : biasd[j]);
			assert_memory_equal(&y[i * ld + j], &want, sizeof want);
			assert_memory_equal(&yd[i * ldd + j], &want_f64, sizeof want_f64);
			assert_true(product_f32_at(p, j, n_in / 2) == (triangular && n_in / 2 > j ? 0 : w[j * n_in + n_in / 2]));
		}
	product_f32_close(p);
	product_f64_close(q);
}

static void test_product(void **state)
{
	static const size_t outs[] = {1, 7, 8, 16, 17, 33, 64, 150}, ins[] = {1, 3, 16, 40, 128}, rows[] = {1, 2, 4, 11, 12, 13, 29};

	(void)state;
	for (size_t path = 0; path < 3; path++)
		for (size_t o = 0; o < 8 && product_path_runs(paths[path]); o++)
			for (size_t i = 0; i < 5; i++)
				for (size_t r = 0; r < 7; r++)
					product_check(paths[path], outs[o], ins[i], rows[r], false);
}

static void test_product_triangular(void **state)
{
	static const size_t sizes[] = {1, 2, 15, 16, 17, 31, 32, 33, 64, 65, 100};

	(void)state;
	for (size_t path = 0; path < 3; path++)
		for (size_t s = 0; s < 11 && product_path_runs(paths[path]); s++)
			for (size_t rows = 1; rows < 30; rows += 9)
				product_check(paths[path], sizes[s], sizes[s], rows, true);
}

static void test_product_part(void **state)
{
	struct product_f32 *p = product_f32_open(w, 300, 20, NULL, false, PRODUCT_BEST);
	size_t panel = product_f32_panel(p), ld = 4 * panel;

	(void)state;
	for (size_t n = 1; n < 20; n += 6)
		for (size_t from = 0; from < 300; from += 4 * panel) {
			size_t count = 300 - from < 4 * panel ? 300 - from : 4 * panel;
			product_f32_part(p, from, count, x, 20, n, y, ld);
			for (size_t i = 0; i < n; i++)
				for (size_t j = 0; j < count; j++)
					assert_true(y[i * ld + j] == chain(x + i * 20, w + (from + j) * 20, 20, 0));
		}
	product_f32_close(p);
	product_f32_close(NULL);
}

static void near(double got, double want, double relative)
{
	if (!(fabs(got - want) <= relative * fabs(want) + 1e-37))
		fail_msg("got %.12g, want %.12g", got, want);
}

/* Every function of one path, on n values from `at`: results packed, to be compared with other paths. */
static size_t rows_run(const struct rows *r, size_t n, const float *at, double *to)
{
	static float below[256], copy[256], added[256];
	unsigned where[256];
	size_t m = 0;

	r->minus(at, 1, below, n);
	r->shift(at, 1.5f, w, copy, n);
	memcpy(added, w, n * sizeof *added);
	r->add(at, 0.5f, added, n);
	to[m++] = r->squares(at, n);
	to[m++] = (double)r->distance(at, w, n);
	to[m++] = (double)r->most(at, n);
	to[m++] = (double)r->count(at, n, 0.25f);
	size_t above = r->above(at, n, 0.25f, where);
	to[m++] = (double)above;
	for (size_t i = 0; i < above; i++)
		to[m++] = where[i];
	to[m] = r->exps(below, 5, n, &to[m + 1]);
	m += 2;
	to[m++] = r->powers(below, n, -1.5f, 0.7f, 0.1f);
	to[m++] = r->sum(at, n);
	to[m++] = r->gaps(1.25f, at, w, n);
	to[m++] = r->distance_f64(xd, wd, n);
	to[m++] = r->weighted_f64(xd, wd, n);
	for (size_t i = 0; i < n; i++) {
		to[m++] = (double)below[i];
		to[m++] = (double)copy[i];
		to[m++] = (double)(added[i] - (w[i] + at[i] * 0.5f));
	}
	return m;
}

static void rows_check(const double *got, size_t n, const float *at)
{
	double squares = 0, distance = 0, most = -INFINITY, count = 0, exps = 0, slope = 0, powers = 0, sum = 0, gaps = 0, size = 0;

	for (size_t i = 0; i < n; i++) {
		double v = (double)at[i], d = (double)(at[i] - 1), e = exp(5 * d), p = exp(d - (double)0.7f);
		squares += v * v;
		sum += v;
		gaps += (1.25 - v) * (double)w[i];
		size += fabs(v) + fabs((1.25 - v) * (double)w[i]);
		distance += pow((double)(at[i] - w[i]), 2);
		most = fmax(most, v);
		count += v >= 0.25;
		exps += e;
		slope += e * d;
		powers += d > -1.5 ? pow(p * (1 - p), 0.1) : 0;
	}
	size_t above = (size_t)got[4];
	near(got[0], squares, 1e-12);
	near(got[1], distance, 1e-6);
	assert_true(got[2] == most);
	assert_true(got[3] == count);
	near(got[5 + above], exps, 1e-6);
	near(got[6 + above], slope, 1e-6);
	near(got[7 + above], powers, 1e-6);
	assert_true(fabs(got[8 + above] - sum) <= 1e-12 * size && fabs(got[9 + above] - gaps) <= 1e-6 * size);
	for (size_t i = 0; i < n; i++)
		assert_true(got[14 + above + 3 * i] == 0);
	for (size_t i = 0; i < above; i++)
		assert_true(at[(size_t)got[5 + i]] > 0.25f && (i == 0 || got[5 + i] > got[4 + i]));
}

static void test_rows(void **state)
{
	static double first[2048], other[2048];

	(void)state;
	for (size_t n = 0; n < 100; n++) {
		/* A row of its own size, so that a sanitizer sees a read beyond it. */
		float *at = malloc((n + 1) * sizeof *at);
		memcpy(at, x + n, n * sizeof *at);
		size_t m = rows_run(rows_for(PRODUCT_PORTABLE), n, at, first);
		rows_check(first, n, at);
		for (size_t path = 1; path < 3; path++) {
			if (!product_path_runs(paths[path]))
				continue;
			assert_int_equal(rows_run(rows_for(paths[path]), n, at, other), m);
			assert_memory_equal(first, other, m * sizeof *first);
		}
		free(at);
	}
}

static void test_rows_limits(void **state)
{
	const struct rows *r = rows_for(PRODUCT_BEST);
	const float odd[] = {0, -INFINITY, -3e38f, -86, -88, -0.0f}, nan[] = {1, NAN, 2};
	double slope;

	(void)state;
	near(r->exps(odd, 1, 1, NULL), 1, 0);
	near(r->exps(odd, 1, 6, &slope), 2 + exp(-86), 0);
	near(slope, -86 * exp(-86), 1e-5);
	assert_true(r->exps(odd + 1, 1, 2, NULL) == 0);
	for (float v = 0; v > -86; v -= 0.0371f)
		near(r->exps(&v, 1, 1, NULL), exp((double)v), 2.5e-7);
	for (float v = -0.70f; v > -80; v -= 0.171f) {
		double p = exp((double)v);
		near(r->powers(&v, 1, -INFINITY, 0, 1), p * (1 - p), 6e-6);
	}
	assert_int_equal(r->count(nan, 3, -INFINITY), 2);
	assert_int_equal(r->count(odd, 6, -INFINITY), 6);
	assert_true(!isfinite(r->squares(nan, 3)) && !isfinite(r->squares(odd, 2)));
	assert_true(r->most(NULL, 0) == -INFINITY);
}

static void test_top(void **state)
{
	float value[40];
	uint32_t index[40];

	(void)state;
	for (size_t k = 1; k <= 40; k += 3) {
		struct top t = {.k = k, .value = value, .index = index};
		/* Values with many ties, in no order. */
		for (uint32_t i = 0; i < 300; i++)
			top_put(&t, (float)(i * 37 % 60), i);
		top_sort(&t);
		assert_int_equal(t.n, k);
		for (size_t i = 0; i < k; i++) {
			size_t better = 0;
			for (uint32_t j = 0; j < 300; j++)
				better += (float)(j * 37 % 60) > value[i] || ((float)(j * 37 % 60) == value[i] && j < index[i]);
			assert_int_equal(better, i);
		}
	}
}

static float most_of(const float *at, size_t n)
{
	float most = 0;

	for (size_t i = 0; i < n; i++)
		most = fmaxf(most, fabsf(at[i]));
	return most;
}

enum { COARSE_ROWS = 17, COARSE_WIDEST = 96 };

static void coarse_check(const struct coarse *c, size_t n, size_t d)
{
	static int8_t bytes[COARSE_ROWS * 256];
	struct coarse_row rows[COARSE_ROWS];
	float alone[COARSE_WIDEST];
	size_t width = coarse_width(c);

	for (size_t i = 0; i < COARSE_ROWS; i++)
		coarse_row(c, x + i * d, bytes + i * width, &rows[i]);
	coarse_part(c, 0, n, bytes, rows, COARSE_ROWS, y, COARSE_WIDEST);
	for (size_t i = 0; i < COARSE_ROWS; i++) {
		double unit = (double)most_of(x + i * d, d) / 127 * (double)most_of(w, n * d) / 127;
		for (size_t j = 0; j < n; j++) {
			double sum = 0;
			for (size_t k = 0; k < d; k++)
				sum += (double)x[i * d + k] * (double)w[j * d + k];
			assert_true(fabs((double)y[i * COARSE_WIDEST + j] - sum / unit) <= (double)rows[i].off);
		}
		coarse_part(c, 0, n, bytes + i * width, rows + i, 1, alone, 0);
		assert_memory_equal(alone, y + i * COARSE_WIDEST, n * sizeof *alone);
	}
}

/* What bytes say is never off by more than they admit, in every place of every panel; and the same alone as among others. */
static void test_coarse(void **state)
{
	static const size_t widths[] = {1, 5, 16, 100, 131}, banks[] = {1, 31, 32, 70};

	(void)state;
	if (!coarse_runs())
		skip();
	for (size_t i = 0; i < sizeof widths / sizeof *widths; i++)
		for (size_t b = 0; b < sizeof banks / sizeof *banks; b++) {
			struct coarse *c = coarse_open(w, banks[b], widths[i]);
			coarse_check(c, banks[b], widths[i]);
			coarse_close(c);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_product),
		cmocka_unit_test(test_product_triangular),
		cmocka_unit_test(test_product_part),
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_rows_limits),
		cmocka_unit_test(test_coarse),
		cmocka_unit_test(test_top),
	};
	fill();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
