/* SPDX-License-Identifier: Apache-2.0
 * Two shares: figures of scipy (two_sample_golden.py), and the promise itself, by counting every outcome. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>

#include "stats/two_sample.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

static void it_is_what_scipy_finds(void **state)
{
	static const struct {
		double x[2], n[2], a[2], margin, log_e;
	} cases[] = {
		{{3, 9}, {200, 50}, {0.01, 0.15}, 0.02, 6.328707818},
		{{40, 3}, {400, 100}, {0.1, 0.02}, 0.05, 6.922318749},
		{{7, 8}, {20, 20}, {0.3, 0.5}, 0, -0.412525941},
		{{1.5, 0.25}, {12.5, 6}, {0.2, 0.1}, -0.05, 0.023234235},
		{{100, 99}, {1000, 1000}, {0.1, 0.0999}, 0.03, 2.657776018},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		enum two_sample_null in = cases[i].a[1] - cases[i].a[0] > cases[i].margin ? TWO_SAMPLE_AT_MOST : TWO_SAMPLE_AT_LEAST;
		double got = two_sample_log_e(cases[i].x, cases[i].n, cases[i].a, cases[i].margin, in);

		assert_true(fabs(got - cases[i].log_e) < 1e-6);
		/* an alternative of the null bets nothing */
		assert_true(two_sample_log_e(cases[i].x, cases[i].n, cases[i].a, cases[i].margin,
				    in == TWO_SAMPLE_AT_MOST ? TWO_SAMPLE_AT_LEAST : TWO_SAMPLE_AT_MOST) == 0);
	}
	assert_true(fabs(two_sample_half_width(40, 900, 5, .05) - 0.021329021861778694) < 1e-12);
}

static double binomial(int x, int n, double p)
{
	return exp(lgamma(n + 1) - lgamma(x + 1) - lgamma(n - x + 1) + x * log(p) + (n - x) * log1p(-p));
}

static double mean_of(const int n[2], const double a[2], double margin, enum two_sample_null null, const double p[2])
{
	double sum = 0;

	for (int x = 0; x <= n[0]; x++)
		for (int y = 0; y <= n[1]; y++) {
			const double counts[2] = {x, y}, all[2] = {n[0], n[1]};

			sum += binomial(x, n[0], p[0]) * binomial(y, n[1], p[1]) * exp(two_sample_log_e(counts, all, a, margin, null));
		}
	return sum;
}

/* Whatever the pair of the null, whatever the alternative: the mean over all outcomes is at most one. */
static void its_mean_under_the_null_is_at_most_one(void **state)
{
	static const int sizes[][2] = {{5, 5}, {20, 5}, {3, 30}};
	static const double margins[] = {-.1, 0, .05, .3}, alternatives[][2] = {{.05, .6}, {.5, .55}, {.3, .05}, {.9, .2}};
	double largest = 0;

	(void)state;
	for (size_t i = 0; i < COUNT(sizes); i++)
		for (size_t m = 0; m < COUNT(margins); m++)
			for (size_t k = 0; k < COUNT(alternatives); k++)
				for (double p = .02; p < 1; p += .12)
					for (double q = .02; q < 1; q += .12) {
						const double at[2] = {p, q};
						double mean = mean_of(sizes[i], alternatives[k], margins[m],
							q - p <= margins[m] ? TWO_SAMPLE_AT_MOST : TWO_SAMPLE_AT_LEAST, at);

						assert_true(mean <= 1 + 1e-9);
						largest = fmax(largest, mean);
					}
	assert_true(largest > .999);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_is_what_scipy_finds),
		cmocka_unit_test(its_mean_under_the_null_is_at_most_one),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
