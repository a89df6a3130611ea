/* SPDX-License-Identifier: Apache-2.0
 * Ranks, quantiles and conformal p-values: against numpy and scipy where they know, by their laws
 * where they do not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "base/hash.h"
#include "stats/conformal.h"
#include "stats/quantile.h"
#include "stats/rank.h"

#include "rank_golden.h"

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

static void ranks_are_those_of_scipy(void **state)
{
	(void)state;
	for (size_t k = 0; k < COUNT(golden_ranks); k++) {
		double ranks[48];

		rank_average(golden_ranks[k].x, golden_ranks[k].n, ranks);
		assert_memory_equal(ranks, golden_ranks[k].rank, golden_ranks[k].n * sizeof *ranks);
	}
}

static void correlation_is_that_of_scipy(void **state)
{
	(void)state;
	for (size_t k = 0; k < COUNT(golden_ranks); k++) {
		double rho =
			rank_correlation(golden_ranks[k].x, golden_ranks[k].y, golden_ranks[k].n);

		if (isnan(golden_ranks[k].rho))
			assert_true(isnan(rho));
		else
			assert_true(fabs(rho - golden_ranks[k].rho) < 1e-12);
	}
	assert_true(isnan(rank_correlation(NULL, NULL, 0)));
}

static void quantiles_are_those_of_numpy_bit_for_bit(void **state)
{
	(void)state;
	for (size_t k = 0; k < COUNT(golden_ranks); k++) {
		double x[48];

		memcpy(x, golden_ranks[k].x, sizeof x);
		quantile_sort(x, golden_ranks[k].n);
		for (size_t i = 0; i < 9; i++)
			assert_true(quantile_sorted(x, golden_ranks[k].n, (double)i / 8.0) ==
				    golden_ranks[k].quantile[i]);
	}
}

/* How many of n sorted values fall into bin k of (e[k-1], e[k]]. */
static size_t held(const double *x, size_t n, const double *edges, size_t n_edges, size_t bin)
{
	size_t count = 0;

	for (size_t i = 0; i < n; i++)
		count += (bin == 0 || x[i] > edges[bin - 1]) &&
			 (bin == n_edges || x[i] <= edges[bin]);
	return count;
}

static void edges_of_few_values_give_each_a_bin(void **state)
{
	double x[] = {0, 0, 0, 1, 1, 4, 9, 9}, edges[48];
	size_t n = quantile_edges(x, 8, 16, edges);

	(void)state;
	assert_int_equal(n, 3);
	for (size_t bin = 0; bin < 4; bin++)
		assert_int_equal(held(x, 8, edges, n, bin), ((size_t[]){3, 2, 1, 2})[bin]);
	assert_int_equal(quantile_edges((double[]){5, 5, 5}, 3, 16, edges), 0);
	assert_int_equal(quantile_edges((double[]){5}, 1, 16, edges), 0);
}

/* A constant holds 60 % in the middle of a smooth spread: it has a bin alone, and its neighbours
 * keep theirs. */
static void a_heavy_value_has_a_bin_of_its_own(void **state)
{
	double x[1000], edges[48];
	size_t n, alone = 0;

	(void)state;
	for (size_t i = 0; i < 1000; i++)
		x[i] = i < 600 ? 0.5 : (double)(i - 600) / 400.0 + (double)(i % 7) * 1e-6;
	quantile_sort(x, 1000);
	n = quantile_edges(x, 1000, 16, edges);
	assert_in_range(n, 4, 47);
	for (size_t bin = 0; bin <= n; bin++) {
		size_t count = held(x, 1000, edges, n, bin);

		assert_true(count > 0);
		assert_true(bin == n || bin == 0 || edges[bin] > edges[bin - 1]);
		alone += count == 600;
	}
	assert_int_equal(alone, 1);
}

static void quantile_bins_are_even(void **state)
{
	double x[3200], edges[48];
	size_t n;

	(void)state;
	for (size_t i = 0; i < 3200; i++)
		x[i] = log(hash_unit(hash_bytes(&i, sizeof i, 1)));
	quantile_sort(x, 3200);
	n = quantile_edges(x, 3200, 16, edges);
	assert_int_equal(n, 15);
	for (size_t bin = 0; bin < 16; bin++)
		assert_int_equal(held(x, 3200, edges, n, bin), 200);
}

/* P(p <= a) <= a for scores with every amount of ties, over many draws of calibration and test
 * score. */
static void conformal_p_is_valid_with_ties(void **state)
{
	const double levels[] = {0.01, 0.05, 0.1, 0.3, 0.7};
	const uint64_t values[] = {1, 2, 5, 1000000};

	(void)state;
	for (size_t v = 0; v < COUNT(values); v++) {
		size_t below[5] = {0}, draws = 40000;

		for (uint64_t draw = 0; draw < draws; draw++) {
			uint64_t greater = 0, equal = 0, total = 99, seed[2] = {draw, v},
				 score = hash_bytes(seed, sizeof seed, 0) % values[v];
			double p;

			for (uint64_t i = 1; i <= total; i++) {
				uint64_t other = hash_bytes(seed, sizeof seed, i) % values[v];

				greater += other > score;
				equal += other == score;
			}
			p = conformal_p(greater, equal, total,
				hash_unit(hash_bytes(seed, sizeof seed, 1000)));
			assert_true(p > 0.0 && p <= 1.0);
			for (size_t k = 0; k < 5; k++)
				below[k] += p <= levels[k];
		}
		for (size_t k = 0; k < 5; k++) {
			double share = (double)below[k] / (double)draws,
			       noise = 4.0 * sqrt(levels[k] / (double)draws);

			assert_true(share <= levels[k] + noise);
			if (values[v] > 5) /* without ties it is exact on this grid */
				assert_true(share >= levels[k] - noise);
		}
	}
}

static void conformal_knows_its_size(void **state)
{
	(void)state;
	assert_int_equal(conformal_least(0.01), 1000);
	assert_int_equal(conformal_least(0.05), 200);
	assert_true(conformal_p(0, 0, 999, 0.5) == 0.001);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ranks_are_those_of_scipy),
		cmocka_unit_test(correlation_is_that_of_scipy),
		cmocka_unit_test(quantiles_are_those_of_numpy_bit_for_bit),
		cmocka_unit_test(edges_of_few_values_give_each_a_bin),
		cmocka_unit_test(a_heavy_value_has_a_bin_of_its_own),
		cmocka_unit_test(quantile_bins_are_even),
		cmocka_unit_test(conformal_p_is_valid_with_ties),
		cmocka_unit_test(conformal_knows_its_size),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
