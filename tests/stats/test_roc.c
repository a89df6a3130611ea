/* SPDX-License-Identifier: Apache-2.0
 * ROC figures against scikit-learn, exact intervals against scipy, the bootstrap by its laws. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>

#include "base/hash.h"
#include "stats/interval.h"
#include "stats/roc.h"

#include "roc_golden.h"

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

static void near(double ours, double theirs, const char *what)
{
	if (fabs(ours - theirs) > 1e-9 * fmax(fabs(theirs), 1e-9))
		fail_msg("%s: %.17g, expected %.17g", what, ours, theirs);
}

static void three_are(const struct roc_figures *f, const double *theirs, const char *name)
{
	near(f->auroc, theirs[0], name);
	near(f->aupr, theirs[1], name);
	near(f->fpr95, theirs[2], name);
	assert_true(isnan(f->tpr) && isnan(f->fpr));
}

static void figures_are_those_of_scikit_learn(void **state)
{
	(void)state;
	for (size_t k = 0; k < COUNT(golden_rocs); k++) {
		struct roc *r = roc_open(golden_rocs[k].score, golden_rocs[k].positive, NULL, golden_rocs[k].n);
		struct roc_figures f;

		roc_measure(r, &f);
		three_are(&f, golden_rocs[k].plain, golden_rocs[k].name);
		roc_measure_weighted(r, golden_rocs[k].weight, &f);
		three_are(&f, golden_rocs[k].weighted, golden_rocs[k].name);
		roc_close(r);
	}
}

static void one_class_has_no_curve_but_its_decisions(void **state)
{
	const double score[] = {3, 1, 2, 5};
	const uint8_t none[4] = {0}, all[] = {1, 1, 1, 1}, against[] = {1, 0, 0, 0};
	struct roc_figures f, low, high;
	struct roc *r = roc_open(score, none, against, 4);

	(void)state;
	roc_measure(r, &f);
	assert_true(isnan(f.auroc) && isnan(f.aupr) && isnan(f.fpr95) && isnan(f.tpr));
	assert_true(f.fpr == .25);
	roc_intervals(r, 50, 1, &low, &high);
	assert_true(isnan(low.auroc) && low.fpr >= 0 && low.fpr <= .25 && high.fpr >= .25);
	roc_close(r);
	r = roc_open(score, all, against, 4);
	roc_measure(r, &f);
	assert_true(isnan(f.auroc) && isnan(f.fpr95) && isnan(f.fpr) && f.tpr == .25);
	roc_close(r);
	r = roc_open(score, all, against, 0);
	roc_measure(r, &f);
	assert_true(isnan(f.auroc) && isnan(f.tpr) && isnan(f.fpr));
	roc_close(r);
}

enum { ROWS = 400 };

static double unit(uint64_t seed, uint64_t i)
{
	uint64_t key[] = {seed, i};

	return hash_unit(hash_bytes(key, sizeof key, 0));
}

/* Rows whose scores agree in runs of `run`. */
static void rows_make(uint64_t seed, size_t run, double *score, uint8_t *positive, uint8_t *against)
{
	for (size_t i = 0; i < ROWS; i++) {
		positive[i] = i % 4 == 3;
		score[i] = unit(seed, i / run) + .3 * positive[i] + 1e-6 * unit(seed + 1, i);
		against[i] = score[i] > .95;
	}
}

static void intervals_are_repeatable_and_hold_the_figure(void **state)
{
	double score[ROWS];
	uint8_t positive[ROWS], against[ROWS];
	struct roc_figures f, low, high, again, other;
	struct roc *r;

	(void)state;
	rows_make(5, 1, score, positive, against);
	r = roc_open(score, positive, against, ROWS);
	roc_measure(r, &f);
	roc_intervals(r, 300, 9, &low, &high);
	roc_intervals(r, 300, 9, &again, &other);
	assert_memory_equal(&low, &again, sizeof low);
	assert_memory_equal(&high, &other, sizeof high);
	roc_intervals(r, 300, 10, &again, &other);
	assert_memory_not_equal(&low, &again, sizeof low);
	assert_true(low.auroc < f.auroc && f.auroc < high.auroc);
	assert_true(low.aupr < f.aupr && f.aupr < high.aupr);
	assert_true(low.fpr95 <= f.fpr95 && f.fpr95 <= high.fpr95);
	assert_true(low.tpr < f.tpr && f.tpr < high.tpr && low.fpr < f.fpr && f.fpr < high.fpr);
	roc_close(r);
}

/* The true AUROC of a uniform against one moved by .3 is 1 - .7^2 / 2. Of 200 data sets, 95 % of the
 * intervals should hold it, and do not when they are made as if rows in runs were alone. */
static void intervals_cover_the_truth(void **state)
{
	const double truth = 1 - .49 / 2;
	double score[ROWS];
	uint8_t positive[ROWS], against[ROWS];
	size_t covered = 0;

	(void)state;
	for (uint64_t s = 0; s < 200; s++) {
		struct roc_figures low, high;
		struct roc *r;

		rows_make(100 + 2 * s, 1, score, positive, against);
		r = roc_open(score, positive, against, ROWS);
		roc_intervals(r, 200, s, &low, &high);
		covered += low.auroc <= truth && truth <= high.auroc;
		roc_close(r);
	}
	assert_in_range(covered, 180, 199);
}

static void runs_widen_the_intervals(void **state)
{
	double score[ROWS], width[2] = {0};
	uint8_t positive[ROWS], against[ROWS];

	(void)state;
	for (uint64_t s = 0; s < 40; s++) {
		struct roc_figures low, high;
		struct roc *r;

		for (size_t in_runs = 0; in_runs < 2; in_runs++) {
			rows_make(1000 + 2 * s, in_runs ? 20 : 1, score, positive, against);
			r = roc_open(score, positive, against, ROWS);
			roc_intervals(r, 100, s, &low, &high);
			width[in_runs] += high.fpr - low.fpr;
			roc_close(r);
		}
	}
	assert_true(width[1] > 1.5 * width[0]);
}

static void exact_intervals_are_those_of_scipy(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(golden_intervals); i++) {
		double k = golden_intervals[i].k, n = golden_intervals[i].n, tail = golden_intervals[i].tail;

		near(interval_share_low(k, n, tail), golden_intervals[i].share_low, "share, low");
		near(interval_share_high(k, n, tail), golden_intervals[i].share_high, "share, high");
		near(interval_count_low(k, tail), golden_intervals[i].count_low, "count, low");
		near(interval_count_high(k, tail), golden_intervals[i].count_high, "count, high");
	}
	for (size_t i = 0; i < COUNT(golden_tails); i++) {
		near(interval_beta(golden_tails[i].a, golden_tails[i].b, golden_tails[i].x), golden_tails[i].beta, "beta");
		near(interval_gamma(golden_tails[i].a, golden_tails[i].b * golden_tails[i].x), golden_tails[i].gamma, "gamma");
	}
	assert_true(interval_share_low(0, 0, .025) == 0 && interval_share_high(0, 0, .025) == 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(figures_are_those_of_scikit_learn),
		cmocka_unit_test(one_class_has_no_curve_but_its_decisions),
		cmocka_unit_test(intervals_are_repeatable_and_hold_the_figure),
		cmocka_unit_test(intervals_cover_the_truth),
		cmocka_unit_test(runs_widen_the_intervals),
		cmocka_unit_test(exact_intervals_are_those_of_scipy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
