/* SPDX-License-Identifier: Apache-2.0
 * Evidence and sizes against figures of another implementation (evidence_golden.py), and the
 * promise itself: under the null, whatever mean of the composite it is, a ratio is at most one on
 * average. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <stdint.h>

#include "stats/divergence.h"
#include "stats/evidence.h"
#include "stats/special.h"
#include "evidence_golden.h"

#define LENGTH(a) (sizeof(a) / sizeof(*(a)))

static void near(double got, double want, double tolerance)
{
	if (!(fabs(got - want) <= tolerance * fmax(1, fabs(want))))
		fail_msg("got %.15g, want %.15g", got, want);
}

static void test_rising(void **state)
{
	(void)state;
	for (size_t i = 0; i < LENGTH(golden_rising); i++)
		near(special_log_rising(golden_rising[i].x, golden_rising[i].n),
			golden_rising[i].want, 1e-12);
	near(special_log_rising(5, 0), 0, 0);
	for (int64_t n = 0; n < 400; n += 1 + n / 8)
		near(special_log_rising_ratio(.3, 41, n),
			special_log_rising(.3, n) - special_log_rising(41, n), 1e-12);
}

/* Against libm, over all sizes; and the same bits alone as among others. */
static void test_many_at_once(void **state)
{
	enum { N = 2001 };
	double x[N], logs[N], gammas[N], one;

	(void)state;
	for (size_t i = 0; i < N; i++)
		x[i] = exp(((double)i - 1000) * .02);
	x[0] = DBL_MIN, x[N - 1] = DBL_MAX;
	for (size_t i = 0; i < N; i++)
		logs[i] = ((double)i - 1000) * .6999;
	special_exps(logs, N, gammas);
	for (size_t i = 0; i < N; i++) {
		near(gammas[i] / exp(logs[i]), 1, 1e-15);
		special_exps(logs + i, 1, &one);
		assert_memory_equal(&one, gammas + i, sizeof one);
	}
	logs[0] = -INFINITY, logs[1] = -701;
	special_exps(logs, 2, gammas);
	assert_true(gammas[0] == 0 && gammas[1] == 0);
	special_logs(x, N, logs);
	for (size_t i = 0; i < N; i++) {
		near(logs[i], log(x[i]), 1e-15);
		special_logs(x + i, 1, &one);
		assert_memory_equal(&one, logs + i, sizeof one);
	}
	special_log_gammas(x + 1, N - 2, gammas + 1);
	for (size_t i = 1; i + 1 < N; i++) {
		near(gammas[i], lgamma(x[i]) - log(2 * M_PI) / 2, 3e-14);
		special_log_gammas(x + i, 1, &one);
		assert_memory_equal(&one, gammas + i, sizeof one);
	}
}

/* Against one bin at a time; groups that are not full, few and many records, large x. */
static void test_rises(void **state)
{
	enum { N = 29 };
	const double kappas[] = {1, 40, 3e3, 1e7};
	double a[N], b[N], gammas[N];
	int64_t n[N];
	struct rise_group groups[(N + RISE_LANES - 1) / RISE_LANES];
	struct rises r = {.groups = groups};

	(void)state;
	for (size_t i = 0; i < N; i++) {
		a[i] = 1e-5 + .07 * (double)(i % 3) * (double)(i % 5) / (double)N;
		b[i] = (double)(i + 1) / (N * (N + 1) / 2);
		n[i] = i % 4 == 1 ? 0 : (int64_t)(i * i % 23 + (i > 20 ? 1000 * i : 0));
	}
	for (size_t k = 1; k <= N; k++)
		for (size_t j = 0; j < sizeof kappas / sizeof *kappas; j++) {
			double want = 0, ratio = 0;

			for (size_t i = 0; i < k; i++) {
				want += special_log_rising(kappas[j] * a[i], n[i]);
				ratio += special_log_rising_ratio(kappas[j] * a[i], kappas[j] * b[i], n[i]);
			}
			rises_make(&r, n, k);
			evidence_log_gammas(kappas[j], a, k, gammas);
			near(rises_sum(&r, kappas[j], a, NULL), want, 1e-12);
			near(rises_sum(&r, kappas[j], a, gammas), want, 1e-12);
			near(rises_ratio(&r, kappas[j], a, b), ratio, 1e-12 * fmax(1, fabs(want)));
		}
}

static void test_chi2(void **state)
{
	(void)state;
	for (size_t i = 0; i < LENGTH(golden_chi2); i++)
		near(special_chi2_quantile(golden_chi2[i].k, golden_chi2[i].z), golden_chi2[i].want,
			.05);
}

static void test_log_add(void **state)
{
	double m[3] = {0, 2, 1e279};

	(void)state;
	near(special_log_add(log(3), log(4)), log(7), 1e-15);
	near(special_log_add(-INFINITY, 2), 2, 0);
	near(special_log_add(2, -INFINITY), 2, 0);
	assert_true(special_log_add(-INFINITY, -INFINITY) == -INFINITY);
	near(special_log_add(900, 100), 900, 1e-15);
	near(evidence_step(0, 1.5), exp(1.5), 1e-15);
	near(evidence_step(2, log(5)), 15, 1e-14);
	evidence_steps(m, (double[]){1.5, log(5), 700}, 3);
	near(m[0], exp(1.5), 1e-15);
	near(m[1], 15, 1e-14);
	assert_true(m[2] == EVIDENCE_MOST);
	assert_true(evidence_step(1e279, 700) == EVIDENCE_MOST && evidence_step(5, -1e9) == 0);
}

static double bowl(double x, const void *arg)
{
	return pow(fabs(x - *(const double *)arg), 1.7);
}

static void test_minimum(void **state)
{
	(void)state;
	for (double at = -2.9; at < 5; at += .37)
		near(special_minimum(bowl, &at, -3, 5), at, 2e-3);
}

static void test_dm(void **state)
{
	(void)state;
	for (size_t i = 0; i < LENGTH(golden_dm); i++)
		near(evidence_dm(golden_dm[i].kappa, golden_dm[i].mean, golden_dm[i].n, GOLDEN_K),
			golden_dm[i].want, 1e-12);
	for (size_t i = 1; i < LENGTH(golden_dm); i++)
		near(evidence_ratio(
			     50, golden_dm[0].mean, golden_dm[i].mean, golden_dm[i].n, GOLDEN_K),
			evidence_dm(50, golden_dm[0].mean, golden_dm[i].n, GOLDEN_K) -
				evidence_dm(50, golden_dm[i].mean, golden_dm[i].n, GOLDEN_K),
			1e-11);
}

static void test_kappa(void **state)
{
	(void)state;
	for (size_t i = 0; i < LENGTH(golden_kappa); i++) {
		const int64_t *row[GOLDEN_T];
		struct evidence_windows w = {row, GOLDEN_T, GOLDEN_K};
		double best, low, means[GOLDEN_T * GOLDEN_K];
		for (int t = 0; t < GOLDEN_T; t++)
			row[t] = golden_kappa[i].n[t];
		evidence_means(&w, NULL, means);
		evidence_kappa(&w, means, golden_kappa[i].most, (struct evidence_prior){0, INFINITY},
			2, &best, &low);
		near(best, golden_kappa[i].best, 5e-3);
		near(low, golden_kappa[i].low, 5e-3);
	}
}

/* Windows that never differ say next to nothing about how they might: the prior is left as it was.
 */
static void test_kappa_of_a_constant(void **state)
{
	static const int64_t same[2] = {300, 0};
	const int64_t *row[6] = {same, same, same, same, same, same};
	struct evidence_windows w = {row, 6, 2};
	double best, low, means[12];

	(void)state;
	evidence_means(&w, NULL, means);
	evidence_kappa(&w, means, 1e5, (struct evidence_prior){log(300), 1}, 2, &best, &low);
	near(log(best), log(300), .1);
	near(log(low), log(best) - 2, .1);
}

static void test_nearest(void **state)
{
	(void)state;
	for (size_t i = 0; i < LENGTH(golden_nearest); i++) {
		double to[GOLDEN_K];
		double share = evidence_nearest(golden_nearest[i].m, golden_nearest[i].a,
			golden_nearest[i].radius, GOLDEN_K, to);
		near(share, golden_nearest[i].share, 1e-5);
		near(evidence_kl(golden_nearest[i].m, golden_nearest[i].a, GOLDEN_K),
			golden_nearest[i].kl, 1e-12);
		near(evidence_kl(golden_nearest[i].m, to, GOLDEN_K),
			fmin(golden_nearest[i].radius, golden_nearest[i].kl), 1e-5);
	}
}

/* The reason for KL(m || .) as the ball: the nearest mean on the segment makes the ratio an e-value
 * for every mean of it. */
static void test_nearest_makes_an_e_value(void **state)
{
	(void)state;
	srand48(3);
	for (int round = 0; round < 2000; round++) {
		double m[5], a[5], other[5], near_a[5], near_other[5],
			radius = .001 + drand48() * .2, e = 0;
		double sum[3] = {0};
		for (int i = 0; i < 5; i++) {
			sum[0] += m[i] = .02 + drand48();
			sum[1] += a[i] = .02 + drand48() * drand48();
			sum[2] += other[i] = .02 + drand48() * drand48();
		}
		for (int i = 0; i < 5; i++)
			m[i] /= sum[0], a[i] /= sum[1], other[i] /= sum[2];
		evidence_nearest(m, a, radius, 5, near_a);
		evidence_nearest(m, other, radius, 5, near_other); /* some mean of the null */
		for (int i = 0; i < 5; i++)
			e += near_other[i] * a[i] / near_a[i];
		assert_true(e <= 1 + 1e-5);
	}
}

static void test_ebh(void **state)
{
	const double log_e[] = {log(500), log(60), log(40), log(2)};

	(void)state;
	assert_int_equal(evidence_ebh(log_e, 4, log(.1)), 3);  /* 4 / (3 * .1) = 13.3 <= 40 */
	assert_int_equal(evidence_ebh(log_e, 4, log(.01)), 1); /* 400 <= 500; 200 > 60 */
	assert_int_equal(evidence_ebh(log_e, 4, log(.001)), 0);
	assert_int_equal(evidence_ebh(log_e, 0, log(.5)), 0);
}

/* A series that remembers, and one that does not. */
static void test_memory(void **state)
{
	static int64_t counts[2][200][4];
	const int64_t *row[200];
	double got[2];
	int walk = 0;

	(void)state;
	srand48(5);
	for (int t = 0; t < 200; t++) {
		walk = (int)(.8 * walk + (drand48() - .5) * 60);
		for (int i = 0; i < 4; i++) {
			counts[0][t][i] = 100 + (int64_t)(drand48() * 40);
			counts[1][t][i] = counts[0][t][i] + (i == 0 ? walk : 0);
		}
	}
	for (int s = 0; s < 2; s++) {
		struct evidence_windows w = {row, 200, 4};
		for (int t = 0; t < 200; t++)
			row[t] = counts[s][t];
		got[s] = evidence_memory(&w, NULL, 2);
	}
	near(got[0], 1, .25);
	assert_true(got[1] > 2);
}

static void test_sizes(void **state)
{
	(void)state;
	for (size_t i = 0; i < LENGTH(golden_sizes); i++) {
		double p[GOLDEN_BINS], q[GOLDEN_BINS], says[GOLDEN_BINS], psi, js, steady = 0, part = 0;
		size_t k = (size_t)golden_sizes[i].k;
		divergence_shares(golden_sizes[i].p, k, p);
		assert_int_equal(divergence_shares(golden_sizes[i].q, k, q), 500);
		divergence_sizes(p, q, k, .5, &psi, &js, says);
		near(psi, golden_sizes[i].psi, 1e-8);
		near(js, golden_sizes[i].js, 1e-8);
		for (size_t j = 0; j < k; j++) /* p > 0 here */
			p[j] = (p[j] + .01) / (1 + .01 * (double)k);
		part = divergence_sizes(p, q, k, .25, &psi, &js, says);
		for (size_t j = 0; j < k; j++) {
			double after = .75 * q[j] + .25 * p[j];

			steady += (after - p[j]) * log(after / p[j]);
			near(says[j], (after - p[j]) * log(after / p[j]), 1e-14);
		}
		near(part, steady, 1e-12);
	}
}

static void test_order_sizes(void **state)
{
	const double p[4] = {.25, .25, .25, .25}, q[4] = {.1, .2, .3, .4};

	(void)state;
	near(divergence_ks(p, q, 4), .2, 1e-12);
	near(divergence_ks(p, p, 4), 0, 0);
	for (size_t i = 0; i < LENGTH(golden_w1); i++)
		near(divergence_w1(golden_w1[i].p, golden_w1[i].q, GOLDEN_K, golden_w1[i].start,
			     golden_w1[i].end),
			golden_w1[i].want, 1e-6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rising),
		cmocka_unit_test(test_many_at_once),
		cmocka_unit_test(test_rises),
		cmocka_unit_test(test_chi2),
		cmocka_unit_test(test_log_add),
		cmocka_unit_test(test_minimum),
		cmocka_unit_test(test_dm),
		cmocka_unit_test(test_kappa),
		cmocka_unit_test(test_kappa_of_a_constant),
		cmocka_unit_test(test_nearest),
		cmocka_unit_test(test_nearest_makes_an_e_value),
		cmocka_unit_test(test_ebh),
		cmocka_unit_test(test_memory),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_order_sizes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
