/* SPDX-License-Identifier: Apache-2.0
 * Solving, weighing and strict p-values, against numpy and scipy (linear_golden.py) and against the promise itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>

#include "linear_golden.h"
#include "stats/conformal.h"
#include "stats/linear.h"
#include "stats/logistic.h"

#define N 400
#define K 4

static void assert_near(double x, double y, double within)
{
	if (!(fabs(x - y) <= within))
		fail_msg("%.12g is not within %g of %.12g", x, within, y);
}

static double unit(uint64_t i)
{
	uint64_t x = i * UINT64_C(2654435761) & 0xffffffff;

	x = (x ^ x >> 15) * UINT64_C(2246822519) & 0xffffffff;
	return ((double)(x ^ x >> 13) + 0.5) / 4294967296.0;
}

static void a_system_is_solved(void **state)
{
	double a[36], x[6];

	(void)state;
	for (uint64_t i = 0; i < 6; i++) {
		x[i] = (double)i + 1.0;
		for (uint64_t j = 0; j < 6; j++)
			a[i * 6 + j] = i == j ? 4.0 : j < i ? unit(100 + i * 6 + j) + unit(100 + j * 6 + i) : (double)NAN;
	}
	assert_true(linear_cholesky(a, 6));
	linear_solve(a, 6, x);
	for (size_t i = 0; i < 6; i++)
		assert_near(x[i], golden_solution[i], 1e-9);
}

static void what_has_no_factor_says_so(void **state)
{
	double singular[4] = {1.0, 0.0, 1.0, 1.0}, negative[1] = {-1.0}, nan[1] = {(double)NAN};

	(void)state;
	assert_false(linear_cholesky(singular, 2));
	assert_false(linear_cholesky(negative, 1));
	assert_false(linear_cholesky(nan, 1));
	assert_true(linear_cholesky(nan, 0));
}

static void rows_make(float *x, uint8_t *class)
{
	static const double gain[K] = {1.5, 0.4, 0.0, -0.8};

	for (size_t i = 0; i < N; i++) {
		class[i] = i % 4 == 0;
		for (size_t j = 0; j < K; j++)
			x[i * K + j] = (float)(unit(i * K + j + 1) + (class[i] ? gain[j] : 0.0));
	}
}

static void weights_are_those_of_scipy(void **state)
{
	static const struct {
		double lambda;
		const double *golden;
	} cases[] = {{1e-4, golden_loose}, {0.05, golden_held}, {100.0, golden_even}};
	float x[N * K];
	uint8_t class[N];
	double w[K + 1];

	(void)state;
	rows_make(x, class);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		assert_true(logistic_weights(x, class, N, K, cases[i].lambda, w));
		for (size_t j = 0; j < K; j++) {
			assert_near(w[j], cases[i].golden[j], 2e-3 * (1.0 + cases[i].golden[j]));
			assert_true(w[j] >= 0.0);
		}
		assert_near(w[K], cases[i].golden[K], 2e-3 * fabs(w[K]));
	}
}

static void a_lasting_tie_ends(void **state)
{
	float x[40];
	uint8_t class[20];
	double w[3] = {7.0, 7.0, 7.0};

	(void)state;
	for (size_t i = 0; i < 20; i++) {
		class[i] = i % 2;
		x[2 * i] = x[2 * i + 1] = i % 2 ? 30.0f : 0.0f; /* told apart perfectly, by twins */
	}
	assert_true(logistic_weights(x, class, 20, 2, 1.0, w));
	assert_near(w[0], w[1], 1e-6);
	assert_true(isfinite(w[0]) && w[0] > 0.0);
	for (size_t i = 0; i < 20; i++)
		class[i] = 0;
	assert_false(logistic_weights(x, class, 20, 2, 1.0, w));
	assert_false(logistic_weights(x, class, 20, 0, 1.0, w));
}

static void strict_is_the_closed_form(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof golden_strict / sizeof golden_strict[0]; i++) {
		double n = golden_strict[i].n, p = golden_strict[i].rank / (n + 1.0);

		assert_near(conformal_strict(p, (uint64_t)n, 0.1), fmax(p, golden_strict[i].p), 1e-9);
	}
	assert_near(conformal_strict(1.0, 50, 0.1), 1.0, 0.0);
	assert_near(conformal_strict(0.5, 1, 0.1), 1.0, 0.0);
	assert_near(conformal_strict(1.0, 0, 0.1), 1.0, 0.0);
}

static int order(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Of 2,000 calibration sets of 200 uniform scores, at most one in ten (and not far fewer) is such that some p-value is too small for
 * it: the share of scores beyond its k-th largest is more than the p-value that its k-th rank gets. */
static void strict_holds_for_nine_sets_in_ten(void **state)
{
	double u[200];
	size_t broken = 0;

	(void)state;
	for (uint64_t set = 0; set < 2000; set++) {
		int wrong = 0;

		for (uint64_t i = 0; i < 200; i++)
			u[i] = unit(set * 200 + i + 1);
		qsort(u, 200, sizeof *u, order);
		for (size_t k = 0; k < 200; k++)
			wrong |= u[k] > conformal_strict((double)(k + 1) / 201.0, 200, 0.1);
		broken += wrong != 0;
	}
	assert_in_range(broken, 100, 240);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_system_is_solved),
		cmocka_unit_test(what_has_no_factor_says_so),
		cmocka_unit_test(weights_are_those_of_scipy),
		cmocka_unit_test(a_lasting_tie_ends),
		cmocka_unit_test(strict_is_the_closed_form),
		cmocka_unit_test(strict_holds_for_nine_sets_in_ten),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
