/* SPDX-License-Identifier: Apache-2.0
 * Ways in which traffic moves, and ways in which it only seems to: a number that shifts a little is found; a mean that wanders within the
 * reference is no news, but what was never there is; a constant that breaks is told though its neighbours are restless. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "judge/judge.h"
#include "tests/judge/made.h"

#define MINUTES_5 INT64_C(300000000)
#define N 100
#define EDGES 19
#define NUMBER (EDGES + 1 + 2) /* a number of twenty even bins, below, above */
#define CONSTANT 3	       /* a constant: it, below, above */
#define WIDTH (NUMBER + CONSTANT)

/* Standard normal, by the sum of twelve. */
static double gauss(void)
{
	double sum = -6;

	for (int i = 0; i < 12; i++)
		sum += drand48();
	return sum;
}

static const double edges[EDGES] = {-1.645, -1.282, -1.036, -.842, -.674, -.524, -.385, -.253, -.126, 0, .126, .253, .385, .524, .674, .842, 1.036,
	1.282, 1.645};

static int records = N; /* of a window */
/* What a constant that broke is now: one value, or NULL: one of its own in each record. */
static const char *since = NULL;

static void put_broken(struct window *w, int i)
{
	char own[16];

	snprintf(own, sizeof own, "%d", i);
	const char *value = since ? since : own;
	unseen_put(&w->unseen, 1, (uint64_t)i, (struct text){value, (uint32_t)strlen(value)}, w->start_us);
	w->v[NUMBER + 2]++;
}

static void fill(struct window *w, int64_t t, double mean, double broken)
{
	window_init(w, t * MINUTES_5, (t + 1) * MINUTES_5, WIDTH);
	w->n = records;
	for (int i = 0; i < records; i++) {
		double x = mean + gauss();
		size_t bin = 0;
		while (bin < EDGES && x > edges[bin])
			bin++;
		w->v[x > 5 ? EDGES + 2 : bin]++;
		if (drand48() < broken)
			put_broken(w, i);
		else
			w->v[NUMBER]++;
	}
}

/* A mean that is forgotten in `memory` windows, of deviation sd. */
static double wander(double now, double memory, double sd)
{
	double keep = exp(-1 / memory);

	return keep * now + sd * sqrt(1 - keep * keep) * gauss();
}

static struct reference *made(long seed, size_t n, double memory, double sd)
{
	struct reference *r = reference_new();
	double mean = 0;

	srand48(seed);
	r->model = mem_copy_text("m");
	r->version = mem_copy_text("1");
	snprintf(r->hash, sizeof r->hash, "%064ld", seed);
	r->window_us = MINUTES_5;
	r->width = WIDTH;
	r->n_measures = 2;
	r->measures = mem_zero(2, sizeof *r->measures);
	r->measures[0] = made_measure("x", MEASURE_NUMERIC, 0, NUMBER);
	made_edges(&r->measures[0], edges, EDGES);
	r->measures[0].below = EDGES + 1, r->measures[0].above = EDGES + 2;
	r->measures[0].least = -5, r->measures[0].most = 5;
	r->measures[1] = made_measure("c", MEASURE_NUMERIC, NUMBER, CONSTANT);
	r->measures[1].below = 1, r->measures[1].above = 2;
	r->n_windows = n;
	r->windows = mem_zero(n, sizeof *r->windows);
	for (size_t i = 0; i < n; i++) {
		struct window w;
		mean = wander(mean, memory, sd);
		fill(&w, (int64_t)i - 1000, mean, 0);
		r->windows[i] = (struct reference_window){.start_us = w.start_us, .n = w.n, .width = WIDTH, .v = w.v};
	}
	judge_learn(r, &JUDGE_OPTIONS);
	return r;
}

/* Windows until an alarm, SIZE_MAX: none; what moved first. */
static size_t run(struct judge *j, int64_t from, size_t n, double memory, double sd, double by, double broken, char *ret_name)
{
	double mean = 0;

	for (size_t i = 0; i < n; i++) {
		struct window w;
		struct signal s;
		bool fresh;
		mean = wander(mean, memory, sd);
		fill(&w, from + (int64_t)i, mean + by, broken);
		judge_window(j, &w, &s);
		fresh = s.fresh;
		for (size_t f = s.n_findings; fresh && f-- > 0;)
			if (s.findings[f].moved)
				snprintf(ret_name, 8, "%s", s.findings[f].name);
		signal_done(&s);
		window_done(&w);
		if (fresh)
			return i + 1;
	}
	return SIZE_MAX;
}

/* A quarter of a deviation: KL 1/32, 3 nats a window; no test beats 3 windows, and one that leaves a tenth of a deviation alone 8. */
static void test_a_small_shift(void **state)
{
	(void)state;
	for (long seed = 1; seed <= 5; seed++) {
		struct reference *r = made(seed, 60, 1, 0);
		struct judge *j = judge_open(r, &JUDGE_OPTIONS);
		char name[8] = "";
		size_t at;

		assert_true(run(j, 0, 500, 1, 0, 0, 0, name) == SIZE_MAX);
		at = run(j, 500, 60, 1, 0, .25, 0, name);
		assert_true(at <= 25);
		assert_string_equal(name, "x");
		judge_close(j);
		reference_close(r);
	}
}

/* The same traffic, cut more finely, is found after as many records. */
static void test_tiny_windows(void **state)
{
	(void)state;
	for (long seed = 1; seed <= 4; seed++) {
		struct reference *r;
		struct judge *j;
		char name[8] = "";

		records = 5;
		r = made(seed, 1200, 1, 0);
		j = judge_open(r, &JUDGE_OPTIONS);
		assert_true(run(j, 0, 2000, 1, 0, 0, 0, name) == SIZE_MAX);
		assert_true(run(j, 2000, 200, 1, 0, .3, 0, name) <= 200); /* 1,000 records; at the pace of large windows one in four is never found */
		assert_string_equal(name, "x");
		judge_close(j);
		reference_close(r);
	}
	records = N;
}

/* A budget of 1,000 windows allows twelve; before windows were looked at along directions there were sixteen in 2,500. */
static void test_a_mean_that_wanders(void **state)
{
	int alarms = 0;

	(void)state;
	for (long seed = 1; seed <= 12; seed++) {
		struct reference *r = made(seed, 200, 12, .3);
		struct judge *j = judge_open(r, &JUDGE_OPTIONS);
		char name[8] = "";

		assert_true(r->measures[0].along.memory > 4); /* all bins together hardly see it */
		assert_true(r->measures[0].along.kappa < r->measures[0].kappa / 2);
		assert_true(r->measures[1].judged);
		alarms += run(j, 0, 1000, 12, .3, 0, 0, name) != SIZE_MAX;
		judge_close(j);
		j = judge_open(r, &JUDGE_OPTIONS);
		assert_true(run(j, 1000, 5, 12, .3, 0, .2, name) <= 3); /* what never was is news */
		assert_string_equal(name, "c");
		judge_close(j);
		reference_close(r);
	}
	assert_true(alarms <= 2);
}

/* Windows so unlike one another that a single one proves nothing, yet: it was always the same. */
static void test_a_constant_that_breaks(void **state)
{
	struct reference *r = made(3, 20, 1, 1.5);
	struct judge *j;
	char name[8] = "";

	(void)state;
	r->measures[1].kappa = r->measures[1].along.kappa = 2;
	r->measures[1].n_effective = r->measures[1].along.n_effective = 30;
	j = judge_open(r, &JUDGE_OPTIONS);
	assert_true(run(j, 0, 50, 1, 1.5, 0, .1, name) == SIZE_MAX);
	since = "7";
	assert_int_equal(run(j, 50, 1, 1, 1.5, 0, .43, name), 1);
	assert_string_equal(name, "c");
	assert_true(run(j, 51, 2, 1, 1.5, 0, 1, name) == SIZE_MAX); /* the switch is thrown: known */
	since = NULL;
	assert_true(run(j, 53, 1, 1, 1.5, 0, .1, name) == SIZE_MAX); /* strays */
	name[0] = 0;
	assert_int_equal(run(j, 54, 1, 1, 1.5, 0, .6, name), 1); /* and now it varies: told once */
	assert_string_equal(name, "c");
	assert_true(run(j, 55, 3, 1, 1.5, 0, .6, name) == SIZE_MAX);
	judge_close(j);
	reference_close(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_small_shift),
		cmocka_unit_test(test_tiny_windows),
		cmocka_unit_test(test_a_mean_that_wanders),
		cmocka_unit_test(test_a_constant_that_breaks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
