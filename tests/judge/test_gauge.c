/* SPDX-License-Identifier: Apache-2.0
 * Evidence from a window detector: the budget is kept on what does not move, however windows vary and however few there are; what
 * moves is found, said once, and gone when it is gone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "judge/judge.h"

#define WINDOW_US (INT64_C(300) * 1000000)
#define P 4
#define ONE 1048576.0

/* How windows are drawn: of `n` records (n / 5 to n where they vary), their means off by `natural` times a normal, or a t of three
 * degrees of freedom, each window `memory` like the last, and by `shift` in every dimension. */
struct nature {
	int64_t n;
	bool sizes_vary, heavy;
	double natural, memory, shift;
};

static double normal(void)
{
	return sqrt(-2 * log(1 - drand48())) * cos(2 * M_PI * drand48());
}

static double natural_of(const struct nature *t)
{
	double chi2 = 0;

	if (!t->heavy)
		return t->natural * normal();
	for (int i = 0; i < 3; i++)
		chi2 += pow(normal(), 2);
	return t->natural * normal() / sqrt(chi2 / 3);
}

static void fill(int64_t *v, const struct nature *t, double *last, double shift)
{
	int64_t n = t->sizes_vary ? t->n / 5 + lrand48() % t->n : t->n;

	v[0] = n;
	for (size_t i = 0; i < P; i++) {
		last[i] = t->memory * last[i] + sqrt(1 - t->memory * t->memory) * natural_of(t);
		v[1 + i] = llrint(ONE * (double)n * (last[i] + shift + normal() / sqrt((double)n)));
	}
}

/* Squared distance of means; records of variance 1. The smaller its own variance, the more a window varies by nature alone. */
static int compare(const void *state, const int64_t *reference, int64_t m, const int64_t *window, int64_t n, struct oodd_comparison *ret)
{
	(void)state;
	*ret = (struct oodd_comparison){.expected = P * (1 / (double)n + 1 / (double)m)};
	for (size_t i = 0; i < P; i++)
		ret->statistic += pow((double)window[i] / (double)n / ONE - (double)reference[i] / (double)m / ONE, 2);
	ret->effect = fmax(0, ret->statistic - ret->expected);
	ret->n_shifts = 1;
	ret->shifts[0] = (struct oodd_shift){OODD_REASON_DIMENSION, 2, 0, ret->statistic};
	return 0;
}

static struct reference *reference_of(const struct nature *t, size_t n_windows, long seed)
{
	struct reference *r = reference_new();
	struct statistic *s = r->statistics = mem_zero(1, sizeof *s);
	double last[P] = {0};

	srand48(seed);
	r->model = mem_copy_text("m");
	r->version = mem_copy_text("1");
	snprintf(r->hash, sizeof r->hash, "%064ld", seed);
	r->window_us = WINDOW_US;
	r->n_statistics = 1;
	r->width = P + 1;
	*s = (struct statistic){.name = mem_copy_text("apart"), .plugin_version = mem_copy_text("1"), .width = P,
		.base = mem_zero(P + 1, sizeof(int64_t)), .n_base = P + 1};
	s->door = mem_zero(1, sizeof *s->door);
	s->door->compare = compare;
	r->windows = mem_zero(n_windows + 1, sizeof *r->windows);
	for (size_t i = 0; i < n_windows; i++) {
		r->windows[i] = (struct reference_window){.start_us = (int64_t)i * WINDOW_US, .width = r->width, .v = mem_zero(r->width, sizeof(int64_t))};
		fill(r->windows[i].v, t, last, 0);
		r->windows[i].n = r->windows[i].v[0];
		for (size_t k = 0; k < r->width; k++)
			s->base[k] += r->windows[i].v[k];
	}
	r->n_windows = n_windows;
	judge_learn(r, &JUDGE_OPTIONS);
	return r;
}

static struct signal say(struct judge *j, const struct nature *t, double *last, double shift, int64_t at)
{
	struct window w;
	struct signal s;

	window_init(&w, at * WINDOW_US, (at + 1) * WINDOW_US, P + 1);
	fill(w.v, t, last, shift);
	w.n = w.v[0];
	judge_window(j, &w, &s);
	window_done(&w);
	return s;
}

static size_t alarms(struct judge *j, const struct nature *t, double shift, int64_t from, int64_t windows)
{
	double last[P] = {0};
	size_t fresh = 0;

	for (int64_t i = from; i < from + windows; i++) {
		struct signal s = say(j, t, last, shift, i);
		fresh += s.fresh;
		signal_done(&s);
	}
	return fresh;
}

/* Alarms of n references, each before 2,000 windows of what it was made of. */
static size_t false_alarms(const struct nature *t, size_t n_windows, long n, size_t *ret_judged)
{
	size_t sum = 0;

	*ret_judged = 0;
	for (long seed = 1; seed <= n; seed++) {
		struct reference *r = reference_of(t, n_windows, seed);
		struct judge *j = judge_open(r, &JUDGE_OPTIONS);

		*ret_judged += r->statistics[0].judged;
		sum += alarms(j, t, 0, 10000, 2000);
		judge_close(j);
		reference_close(r);
	}
	return sum;
}

static void test_the_budget_is_kept(void **state)
{
	static const struct {
		const char *what;
		struct nature of;
		size_t windows;
	} natures[] = {
		{"chance alone", {.n = 200}, 40},
		{"chance alone, eight windows", {.n = 200}, 8},
		{"windows of all sizes", {.n = 500, .sizes_vary = true}, 40},
		{"windows differ by nature", {.n = 500, .natural = .3}, 40},
		{"by nature, and in size", {.n = 500, .sizes_vary = true, .natural = .2}, 20},
		{"heavy tails", {.n = 500, .natural = .2, .heavy = true}, 60},
		{"each like the last", {.n = 500, .natural = .3, .memory = .6}, 100},
		{"a slow walk", {.n = 500, .natural = .5, .memory = .97}, 60},
		{"a slow walk, smaller than chance", {.n = 500, .natural = .025, .memory = .97}, 60},
		{"the same, longer known", {.n = 500, .natural = .025, .memory = .97}, 130},
		{"chance alone, enough for sixteen", {.n = 200}, 160},
		{"heavy tails, enough for sixteen", {.n = 500, .natural = .2, .heavy = true}, 160},
		{"seven in ten of the last", {.n = 500, .natural = .3, .memory = .8}, 60},
	};

	(void)state;
	for (size_t i = 0; i < sizeof natures / sizeof *natures; i++) {
		size_t judged, n = false_alarms(&natures[i].of, natures[i].windows, 60, &judged);

		/* 60 x 2,000 windows at a budget of 8,640: 14 would be what was asked. */
		print_message("%s: %zu alarms in 120000 windows, %zu of 60 references judged\n", natures[i].what, n, judged);
		assert_true(n <= 14);
		assert_true(judged >= 20 || natures[i].of.memory > .7);
	}
}

static void test_what_moves_is_said_once(void **state)
{
	struct nature t = {.n = 200, .natural = .05};
	struct reference *r = reference_of(&t, 40, 3);
	struct judge *j = judge_open(r, &JUDGE_OPTIONS);
	double last[P] = {0};
	struct signal s;
	int64_t found = 0;

	(void)state;
	assert_true(r->statistics[0].judged);
	assert_int_equal(alarms(j, &t, 0, 1000, 200), 0);
	for (int64_t i = 0; i < 10 && !found; i++) {
		s = say(j, &t, last, .3, 2000 + i);
		found = s.fresh ? i + 1 : 0;
		if (!found)
			signal_done(&s);
	}
	assert_in_range(found, 1, 5);
	assert_int_equal(s.n_findings, 1);
	assert_string_equal(s.findings[0].name, "apart");
	assert_int_equal(s.findings[0].kind, MEASURE_STATISTIC);
	assert_true(s.findings[0].moved && s.findings[0].severity >= 3 && s.findings[0].after > s.findings[0].before);
	assert_non_null(strstr(s.findings[0].change, "times as far"));
	assert_non_null(strstr(s.findings[0].change, "dimension 2"));
	signal_done(&s);
	/* What lasts is silent, what moves further speaks, what is gone is gone. */
	assert_int_equal(alarms(j, &t, .3, 3000, 300), 0);
	assert_int_equal(alarms(j, &t, .9, 4000, 20), 1);
	assert_int_equal(alarms(j, &t, .9, 4100, 300), 0);
	assert_int_equal(alarms(j, &t, 0, 5000, 20), 0);
	s = say(j, &t, last, 0, 5100);
	assert_int_equal(s.state, SIGNAL_QUIET);
	assert_false(s.alarm);
	signal_done(&s);
	assert_int_equal(alarms(j, &t, .3, 6000, 10), 1);
	judge_close(j);
	reference_close(r);
}

/* What no window shows, sixteen together do. */
static void test_small_shifts_show_in_longer_stretches(void **state)
{
	struct nature t = {.n = 200};
	struct reference *r = reference_of(&t, 480, 2);
	struct statistic *s = &r->statistics[0];
	size_t n_longer = s->n_longer;
	struct judge *j;
	struct signal said;
	double last[P] = {0};
	int64_t found = 0;

	(void)state;
	assert_int_equal(n_longer, 2);
	assert_int_equal(s->longer[0].windows, 4);
	assert_int_equal(s->longer[0].n, 120);
	assert_int_equal(s->longer[1].windows, 16);
	s->n_longer = 0;
	j = judge_open(r, &JUDGE_OPTIONS);
	assert_int_equal(alarms(j, &t, .05, 1000, 150), 0);
	judge_close(j);
	s->n_longer = n_longer;
	j = judge_open(r, &JUDGE_OPTIONS);
	assert_int_equal(alarms(j, &t, 0, 1000, 300), 0);
	for (int64_t i = 0; i < 200 && !found; i++) {
		said = say(j, &t, last, .05, 2000 + i);
		found = said.fresh ? i + 1 : 0;
		if (!found)
			signal_done(&said);
	}
	print_message("found in the %lldth window: %s\n", (long long)found, found ? said.findings[0].change : "");
	assert_in_range(found, 16, 150);
	assert_non_null(strstr(said.findings[0].change, ", over the last 4 windows (20m); dimension 2"));
	assert_true(said.findings[0].psi > .002 && said.findings[0].psi < .05 && said.findings[0].moved);
	signal_done(&said);
	said = say(j, &t, last, .05, 2000 + found);
	assert_int_equal(said.state, SIGNAL_ONGOING);
	assert_non_null(strstr(said.findings[0].change, ", over 4 windows (20m), 1 window ago"));
	signal_done(&said);
	/* It lasts, and is known; it grows, and is told; all of it goes, and all is quiet. */
	assert_int_equal(alarms(j, &t, .05, 3000, 600), 0);
	said = say(j, &t, last, .05, 3600);
	assert_int_equal(said.state, SIGNAL_ONGOING);
	signal_done(&said);
	assert_int_equal(alarms(j, &t, .4, 4000, 100), 1);
	assert_int_equal(alarms(j, &t, 0, 5000, 200), 0);
	said = say(j, &t, last, 0, 5200);
	assert_int_equal(said.state, SIGNAL_QUIET);
	signal_done(&said);
	judge_close(j);
	reference_close(r);
}

/* What single windows hardly see they do not call over either. */
static void test_small_shifts_go(void **state)
{
	struct nature t = {.n = 200};
	struct reference *r = reference_of(&t, 480, 2);
	struct judge *j = judge_open(r, &JUDGE_OPTIONS);
	double last[P] = {0};
	int64_t gone = 0;

	(void)state;
	assert_int_equal(alarms(j, &t, .05, 1000, 200), 1);
	for (int64_t i = 0; i < 100 && !gone; i++) {
		struct signal s = say(j, &t, last, 0, 2000 + i);
		gone = s.state == SIGNAL_RESOLVED ? i + 1 : 0;
		assert_false(s.fresh);
		signal_done(&s);
	}
	print_message("gone in the %lldth window\n", (long long)gone);
	assert_in_range(gone, 16, 96);
	judge_close(j);
	reference_close(r);
}

/* What lasts is told once, however weak: windows that look normal by chance do not end it. */
static void test_what_is_weak_and_lasts_is_told_once(void **state)
{
	static const struct {
		double shift;
		size_t windows;
	} of[] = {{.12, 20}, {.12, 60}, {.08, 400}};
	struct nature t = {.n = 200};

	(void)state;
	for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
		size_t found = 0, told = 0;
		for (long seed = 1; seed <= 6; seed++) {
			struct reference *r = reference_of(&t, of[i].windows, seed);
			struct judge *j = judge_open(r, &JUDGE_OPTIONS);
			size_t n = alarms(j, &t, of[i].shift, 1000, 2000);

			found += n > 0;
			told += n;
			judge_close(j);
			reference_close(r);
		}
		print_message("%.2f, %zu windows known: found in %zu of 6, told %zu times\n", of[i].shift, of[i].windows, found, told);
		assert_true(found >= 4 && told <= found + 1);
	}
}

/* A cut window is part of no stretch; one that ran over a gap says how long it was. */
static void test_stretches_run_over_gaps(void **state)
{
	struct nature t = {.n = 200};
	struct reference *r = reference_of(&t, 480, 2);
	struct judge *j = judge_open(r, &JUDGE_OPTIONS);
	double last[P] = {0};
	bool found = false;

	(void)state;
	for (int64_t i = 0; i < 400 && !found; i++) {
		struct window w;
		struct signal s;
		int64_t at = i / 2 * 20 + i % 2; /* two windows in twenty; the first is cut, and far off */

		window_init(&w, at * WINDOW_US, (at + 1) * WINDOW_US, P + 1);
		fill(w.v, &t, last, i % 2 ? .08 : 5);
		w.n = w.v[0];
		w.cut = i % 2 == 0;
		judge_window(j, &w, &s);
		assert_false(w.cut && s.fresh);
		found = s.fresh;
		if (found)
			assert_non_null(strstr(s.findings[0].change, "over the last 4 windows (5h5m)"));
		signal_done(&s);
		window_done(&w);
	}
	assert_true(found);
	judge_close(j);
	reference_close(r);
}

/* However sure: below the smallest effect nothing pages. */
static void test_small_shifts_are_no_news(void **state)
{
	struct nature t = {.n = 1000000};
	struct reference *r = reference_of(&t, 40, 5);
	struct judge *j = judge_open(r, &JUDGE_OPTIONS);

	(void)state;
	assert_int_equal(alarms(j, &t, .045, 1000, 300), 0); /* effect .008 */
	assert_int_equal(alarms(j, &t, .1, 2000, 10), 1);     /* .04 */
	judge_close(j);
	reference_close(r);
}

static void state_goes_on(struct nature t, size_t n_windows, double small, double large)
{
	struct reference *r = reference_of(&t, n_windows, 7);
	struct judge *a = judge_open(r, &JUDGE_OPTIONS), *b = judge_open(r, &JUDGE_OPTIONS);
	struct buf one = BUF_EMPTY, two = BUF_EMPTY;
	size_t fresh = 0;
	struct error e = {""};

	for (int64_t step = 0; step < 60; step++) {
		double shift = step < 5 ? 0 : step < 35 ? small : step < 42 ? large : 0;

		srand48(step);
		fresh += alarms(a, &t, shift, step * 3, 3);
		srand48(step);
		alarms(b, &t, shift, step * 3, 3);
		buf_clear(&one);
		buf_clear(&two);
		judge_pack(a, &one);
		judge_pack(b, &two);
		assert_int_equal(one.n, two.n);
		assert_memory_equal(one.at, two.at, one.n);
		judge_close(b);
		b = judge_open(r, &JUDGE_OPTIONS);
		assert_int_equal(judge_unpack(b, one.at, one.n, &e), 0);
		for (size_t cut = 0; cut < one.n && step % 5 == 0; cut += 7) {
			struct judge *c = judge_open(r, &JUDGE_OPTIONS);
			assert_true(judge_unpack(c, one.at, cut, &e) < 0);
			judge_close(c);
		}
	}
	assert_true(fresh >= 2);
	buf_done(&one);
	buf_done(&two);
	judge_close(a);
	judge_close(b);
	reference_close(r);
}

static void test_state_goes_on_where_it_was(void **state)
{
	(void)state;
	state_goes_on((struct nature){.n = 100, .natural = .1}, 30, .5, 1.5);
	state_goes_on((struct nature){.n = 200}, 160, .08, .5);
}

/* Of before there were longer stretches: they begin now, and what was known is. */
static void test_older_states_open(void **state)
{
	static const double shifts[] = {0, .5};
	struct nature t = {.n = 200};
	struct reference *r = reference_of(&t, 480, 2);
	size_t n_longer = r->statistics[0].n_longer;
	struct error e = {""};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct buf old = BUF_EMPTY, new = BUF_EMPTY;
		struct judge *a, *b;

		r->statistics[0].n_longer = 0;
		a = judge_open(r, &JUDGE_OPTIONS);
		assert_int_equal(alarms(a, &t, shifts[i], 1000, 20), i);
		judge_pack(a, &old);
		judge_close(a);
		r->statistics[0].n_longer = n_longer;
		b = judge_open(r, &JUDGE_OPTIONS);
		assert_int_equal(judge_unpack(b, old.at, old.n, &e), 0);
		assert_int_equal(alarms(b, &t, shifts[i], 1020, 200), 0);
		judge_pack(b, &new);
		assert_true(new.n > old.n);
		judge_close(b);
		buf_done(&old);
		buf_done(&new);
	}
	reference_close(r);
}

static void unjudged(struct reference *r, const char *why)
{
	struct nature t = {.n = 200};
	struct judge *j = judge_open(r, &JUDGE_OPTIONS);
	double last[P] = {0};
	struct signal s = say(j, &t, last, 9, 1000);

	assert_false(r->statistics[0].judged);
	assert_non_null(strstr(r->statistics[0].why, why));
	assert_int_equal(s.state, SIGNAL_UNJUDGED);
	assert_false(s.findings[0].judged || s.findings[0].moved);
	assert_non_null(strstr(s.findings[0].change, why));
	signal_done(&s);
	judge_close(j);
	reference_close(r);
}

static void test_too_little_to_judge_by(void **state)
{
	struct nature t = {.n = 200}, walk = {.n = 500, .natural = .5, .memory = .97};
	struct reference *r;

	(void)state;
	unjudged(reference_of(&t, 7, 1), "7 whole windows in the reference, 8 needed");
	unjudged(reference_of(&t, 0, 1), "0 whole windows");
	unjudged(reference_of(&walk, 40, 4), "drifts within the reference itself");
	r = reference_of(&t, 20, 1);
	free(r->statistics[0].door);
	r->statistics[0].door = NULL;
	judge_learn(r, &JUDGE_OPTIONS);
	unjudged(r, "its plugin is not at hand");
}

/* A window without any row that it could use says nothing; neither does a cut one. */
static void test_windows_that_say_nothing(void **state)
{
	struct nature t = {.n = 200};
	struct reference *r = reference_of(&t, 20, 1);
	struct judge *j = judge_open(r, &JUDGE_OPTIONS);
	struct window w;
	struct signal s;

	(void)state;
	window_init(&w, 0, WINDOW_US, P + 1);
	w.n = 100;
	judge_window(j, &w, &s);
	assert_false(s.alarm);
	assert_true(s.findings[0].log_e == 0 && isnan(s.findings[0].psi));
	assert_non_null(strstr(s.findings[0].change, "no record"));
	signal_done(&s);
	w.v[0] = 100, w.v[1] = 100 * (int64_t)ONE;
	w.cut = true;
	judge_window(j, &w, &s);
	assert_true(s.findings[0].log_e == 0 && s.findings[0].psi > .5);
	signal_done(&s);
	window_done(&w);
	judge_close(j);
	reference_close(r);
}

static void test_selftest_holds_it_too(void **state)
{
	struct nature t = {.n = 100, .natural = .15};
	struct reference *r = reference_of(&t, 100, 11);
	struct judge_selftest found;

	(void)state;
	judge_selftest(r, &JUDGE_OPTIONS, 8640, 1, &found);
	assert_int_equal(found.n_measures, 1);
	assert_int_equal(found.n_unjudged_measures, 0);
	assert_int_equal(found.n_alarms, 0);
	assert_true(isfinite(found.highest_log_m));
	judge_selftest_blocks(r, &JUDGE_OPTIONS, 5, &found);
	assert_int_equal(found.n_unjudged_measures, 0);
	assert_int_equal(found.n_alarms, 0);
	assert_int_equal(found.n_judged, 100);
	reference_close(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_budget_is_kept),
		cmocka_unit_test(test_what_moves_is_said_once),
		cmocka_unit_test(test_small_shifts_show_in_longer_stretches),
		cmocka_unit_test(test_small_shifts_go),
		cmocka_unit_test(test_what_is_weak_and_lasts_is_told_once),
		cmocka_unit_test(test_stretches_run_over_gaps),
		cmocka_unit_test(test_small_shifts_are_no_news),
		cmocka_unit_test(test_state_goes_on_where_it_was),
		cmocka_unit_test(test_older_states_open),
		cmocka_unit_test(test_too_little_to_judge_by),
		cmocka_unit_test(test_windows_that_say_nothing),
		cmocka_unit_test(test_selftest_holds_it_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
