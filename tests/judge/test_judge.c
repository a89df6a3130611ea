/* SPDX-License-Identifier: Apache-2.0
 * Signals of a made-up stream whose truth is known: quiet while nothing moves, one alarm for one
 * cause, another for another, the same after any restart. Real logs are judged in trial.sh. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "judge/effect.h"
#include "judge/judge.h"
#include "tests/judge/made.h"
#include "stats/special.h"

#define MINUTE INT64_C(60000000)
#define P_EDGES 7
#define N_CLASSES 6
#define WIDTH (8 + 1 + N_CLASSES + 1 + 5 + 4 + 2)

/* Shares of the truth, in the order of the vector. */
struct truth {
	double p[9], class[N_CLASSES + 1], size[9];
};
static const struct truth normal = {
	{.005, .005, .01, .03, .05, .15, .25, .5, 0},
	{.4, .25, .15, .1, .06, .04, 0},
	{.2, .2, .2, .2, .2, 0, 0, 0, 0},
};

static void put(int64_t *v, const struct truth *t)
{
	size_t size = made_pick(t->size, 9);

	v[made_pick(t->p, 9)]++;
	v[9 + made_pick(t->class, N_CLASSES + 1)]++;
	v[16 + size]++;
	if (size != 7 && size != 8) { /* a number: bins are a standard deviation apart */
		double value = size == 5 ? -9 : size == 6 ? 9 : (double)size - 2;
		v[25] += (int64_t)llround(value * 0x1p20);
		v[26]++;
	}
}

static void fill(struct window *w, int64_t t, int64_t n, const struct truth *truth)
{
	window_init(w, t * 5 * MINUTE, (t + 1) * 5 * MINUTE, WIDTH);
	w->n = n;
	for (int64_t i = 0; i < n; i++)
		put(w->v, truth);
}

static void measures_make(struct reference *r)
{
	static const char *const words[N_CLASSES] = {
		"pay", "ask", "book", "cancel", "thank", "leave"};

	r->n_measures = 3;
	r->measures = mem_zero(3, sizeof *r->measures);
	r->measures[0] = made_p_value(0, 9);
	r->measures[0].missing = 8;
	r->measures[1] = made_class(9, words, N_CLASSES);
	r->measures[2] = made_size(16, 9, 25, 1);
	r->measures[2].below = 5, r->measures[2].above = 6, r->measures[2].missing = 7,
	r->measures[2].mistyped = 8;
}

static struct reference_window *windows_make(size_t n, int64_t first, const struct truth *truth)
{
	struct reference_window *w = mem_zero(n + 1, sizeof *w);

	for (size_t i = 0; i < n; i++) {
		struct window one;
		fill(&one, first + (int64_t)i, 100, truth);
		w[i] = (struct reference_window){
			.start_us = one.start_us, .n = one.n, .width = WIDTH, .v = one.v};
	}
	return w;
}

static struct reference *reference_like(
	size_t n_windows, long seed, const struct truth *truth, int64_t n_cal_b)
{
	struct reference *r = reference_new();

	r->model = mem_copy_text("m");
	r->version = mem_copy_text("1");
	snprintf(r->hash, sizeof r->hash, "%064ld", seed);
	r->window_us = 5 * MINUTE;
	r->n_cal_b = n_cal_b;
	r->width = WIDTH;
	measures_make(r);
	r->windows = windows_make(n_windows, -1000, truth);
	r->n_windows = n_windows;
	r->others = windows_make(n_windows, -500, truth);
	r->n_others = n_windows;
	judge_learn(r, &JUDGE_OPTIONS);
	return r;
}

static struct reference *reference_of(size_t n_windows, long seed)
{
	srand48(seed);
	return reference_like(n_windows, seed, &normal, 2000);
}

/* Judges one window of n records of the truth; the signal's text outlives it. */
static struct signal say(struct judge *j, int64_t t, int64_t n, const struct truth *truth)
{
	struct window w;
	struct signal s;

	fill(&w, t, n, truth);
	judge_window(j, &w, &s);
	window_done(&w);
	return s;
}

static const struct finding *find(const struct signal *s, const char *name)
{
	for (size_t i = 0; i < s->n_findings; i++)
		if (strcmp(s->findings[i].name, name) == 0)
			return &s->findings[i];
	fail_msg("no finding %s", name);
	return NULL;
}

static void test_learned(void **state)
{
	struct reference *r = reference_of(30, 1);

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		const struct measure *m = &r->measures[i];
		double sum = 0;
		for (size_t k = 0; k < m->n; k++)
			sum += m->mean[k];
		assert_true(m->judged && !m->why && fabs(sum - 1) < 1e-9);
		assert_true(m->kappa > 100 && m->tolerance >= .005 && m->tolerance < .05 &&
			    m->memory >= 1 && m->memory < 1.6);
		assert_int_equal(m->n_windows, i == 0 ? 30 : 60);
		assert_true(m->n_effective > 500 && m->n_effective <= m->n_records);
	}
	assert_true(fabs(r->measures[1].mean[0] - .4) < .03);
	reference_close(r);
}

static void test_quiet_while_nothing_moves(void **state)
{
	static const char *const names[3] = {"p-value", "class", "size"};

	(void)state;
	for (long seed = 1; seed <= 3; seed++) {
		struct reference *r = reference_of(30, seed);
		struct judge *j = judge_open(r, &JUDGE_OPTIONS);
		double e[3] = {0};
		for (int64_t t = 0; t < 3000; t++) {
			struct signal s = say(j, t, 100, &normal);
			assert_int_equal(s.state, SIGNAL_QUIET);
			assert_int_equal(s.n_findings, 3);
			assert_true(!s.alarm && !s.fresh && s.severity == 0 && !s.why);
			for (size_t i = 0; i < 3; i++)
				e[i] += exp(find(&s, names[i])->log_e) / 3000;
			signal_done(&s);
		}
		/* What the promise rests on. */
		for (size_t i = 0; i < 3; i++)
			assert_true(e[i] <= 1.02);
		judge_close(j);
		reference_close(r);
	}
}

static const struct truth odd = {
	/* three in ten are of a new kind */
	{.07, .05, .06, .07, .07, .15, .18, .35, 0},
	{.4, .25, .15, .1, .06, .04, 0},
	{.2, .2, .2, .2, .2, 0, 0, 0, 0},
};
static const struct truth odd_and_wide = {
	/* and then sizes go beyond what was seen */
	{.07, .05, .06, .07, .07, .15, .18, .35, 0},
	{.4, .25, .15, .1, .06, .04, 0},
	{.15, .15, .15, .15, .15, 0, .25, 0, 0},
};

static void test_one_alarm_for_one_cause(void **state)
{
	struct reference *r = reference_of(30, 4);
	struct judge *j = judge_open(r, &JUDGE_OPTIONS);
	int alarms = 0, resolved = 0;
	int64_t first = -1;

	(void)state;
	for (int64_t t = 0; t < 120; t++) {
		bool moved = t >= 40 && t < 80;
		struct signal s = say(j, t, 100, moved ? &odd : &normal);
		if (s.fresh) {
			assert_int_equal(s.state, SIGNAL_ALARM);
			assert_string_equal(s.findings[0].name, "p-value");
			assert_true(
				s.findings[0].moved && !s.findings[0].latched && s.severity >= 2);
			assert_non_null(strstr(s.findings[0].change, "p <= 0.0"));
			first = first < 0 ? t : first;
			assert_int_equal(s.since_us, t * 5 * MINUTE);
			alarms++;
		} else if (s.alarm) {
			assert_int_equal(s.state, SIGNAL_ONGOING);
			assert_int_equal(s.since_us, first * 5 * MINUTE);
		}
		resolved += s.state == SIGNAL_RESOLVED;
		if (t >= 90)
			assert_true(!s.alarm);
		signal_done(&s);
	}
	assert_int_equal(alarms, 1);
	assert_int_equal(resolved, 1);
	assert_in_range(first, 40, 41);
	judge_close(j);
	reference_close(r);
}

static void test_what_is_known_hides_nothing(void **state)
{
	struct reference *r = reference_of(30, 5);
	struct judge *j = judge_open(r, &JUDGE_OPTIONS);
	int fresh = 0;

	(void)state;
	for (int64_t t = 0; t < 60; t++) {
		struct signal s = say(j, t, 100, t < 20 ? &normal : t < 40 ? &odd : &odd_and_wide);
		if (s.fresh && t >= 40) {
			const struct finding *f = find(&s, "size");
			assert_in_range(t, 40, 42);
			assert_true(f->moved && find(&s, "p-value")->latched);
			assert_non_null(strstr(f->change, "beyond the reference"));
			assert_true(f->after > f->before);
		}
		fresh += s.fresh;
		signal_done(&s);
	}
	assert_int_equal(fresh, 2);
	judge_close(j);
	reference_close(r);
}

static void test_below_the_smallest_effect(void **state)
{
	struct reference *r = reference_of(200, 6);
	struct judge *j = judge_open(r, &JUDGE_OPTIONS);
	struct truth slightly = normal;

	(void)state;
	slightly.class[0] = .38, slightly.class[1] = .27; /* PSI .0026 */
	for (int64_t t = 0; t < 4000; t++) {
		struct signal s = say(j, t, 100, &slightly);
		assert_int_equal(s.state, SIGNAL_QUIET);
		signal_done(&s);
	}
	judge_close(j);
	reference_close(r);
}

static int falling(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x < y) - (x > y);
}

/* What the p-values of new records are like when they are ranked among n calibration scores, drawn
 * anew: p <= e where the score is above the e (n + 1)-th largest. */
static void ranked(size_t n, const double *edges, struct truth *to)
{
	double *scores = mem_alloc(n * sizeof *scores), up_to, below = 0;

	for (size_t i = 0; i < n; i++)
		scores[i] = drand48();
	qsort(scores, n, sizeof *scores, falling);
	*to = normal;
	for (size_t i = 0; i <= P_EDGES; i++) {
		size_t k = i < P_EDGES ? (size_t)(edges[i] * (double)(n + 1)) : 0;
		up_to = i == P_EDGES ? 1 : k ? 1 - scores[k - 1] : 0;
		to->p[i] = up_to - below;
		below = up_to;
	}
	free(scores);
}

/* A calibration set of 300 is off by as much as it happens to be; the promise is about all of them
 * together: at most one alarm in as many windows as the budget says. */
static void test_errors_of_the_reference(void **state)
{
	static const double edges[P_EDGES] = {.005, .01, .02, .05, .1, .25, .5};
	size_t alarms = 0, n = 60;

	(void)state;
	for (size_t i = 0; i < n; i++) {
		struct truth truth;
		srand48(100 + (long)i);
		ranked(300, edges, &truth);
		struct reference *r = reference_like(15, 8, &truth, 300);
		struct judge_options o = JUDGE_OPTIONS;
		o.per_us = 1; /* the least budget: 1000 windows */
		struct judge *j = judge_open(r, &o);
		bool alarm = false;
		for (int64_t t = 0; t < 1000 && !alarm; t++) {
			struct signal s = say(j, t, 100, &truth);
			alarm = s.fresh;
			signal_done(&s);
		}
		alarms += alarm;
		judge_close(j);
		reference_close(r);
	}
	print_message("%zu of %zu references alarmed within the budget of 1000 windows\n", alarms,
		n);
	assert_true(alarms <= 6);
}

/* One record in ten of a new kind: how long until it is found, beside what no test can beat on
 * average (Lorden 1971). */
static void test_delay(void **state)
{
	static const double kind[8] = {.12, .08, .12, .2, .18, .2, .08, .02};
	struct truth odd_tenth = normal;
	double kl = 0, delay = 0, bound;
	int n = 20;

	(void)state;
	for (size_t i = 0; i < 8; i++) {
		odd_tenth.p[i] = .9 * normal.p[i] + .1 * kind[i];
		kl += odd_tenth.p[i] * log(odd_tenth.p[i] / normal.p[i]);
	}
	for (int i = 0; i < n; i++) {
		struct reference *r = reference_of(60, 200 + i);
		struct judge *j = judge_open(r, &JUDGE_OPTIONS);
		bool alarm = false;
		for (int64_t t = 0; !alarm; t++) {
			struct signal s = say(j, t, 50, t < 40 ? &normal : &odd_tenth);
			alarm = s.fresh;
			assert_true(!alarm || t >= 40);
			delay += t >= 40;
			bound = s.log_budget / (50 * kl);
			signal_done(&s);
		}
		judge_close(j);
		reference_close(r);
	}
	print_message("10 %% of a new kind: found in window %.1f on average, bound %.1f\n",
		delay / n, bound);
	assert_true(delay / n <= 1.5 * bound);
}

static void test_small_shares_never_page(void **state)
{
	struct truth hundredth = normal;

	(void)state;
	srand48(9);
	struct reference *r = reference_like(200, 9, &normal, 20000);
	struct judge *j = judge_open(r, &JUDGE_OPTIONS);
	hundredth.p[0] += .002, hundredth.p[1] += .002, hundredth.p[7] -= .004;
	for (int64_t t = 0; t < 4000; t++) {
		struct signal s = say(j, t, 100, &hundredth);
		assert_int_equal(s.state, SIGNAL_QUIET);
		signal_done(&s);
	}
	judge_close(j);
	reference_close(r);
}

static void packed(const struct judge *j, struct buf *to)
{
	buf_clear(to);
	judge_pack(j, to);
}

static void test_restarts_change_nothing(void **state)
{
	struct reference *r = reference_of(30, 7);
	struct judge *a = judge_open(r, &JUDGE_OPTIONS), *b = judge_open(r, &JUDGE_OPTIONS);
	struct buf one = BUF_EMPTY, two = BUF_EMPTY;

	(void)state;
	for (int64_t t = 0; t < 90; t++) {
		struct window w;
		struct signal s, again;
		fill(&w, t, 100, t % 60 < 20 ? &normal : t % 60 < 40 ? &odd : &odd_and_wide);
		judge_window(a, &w, &s);
		judge_window(b, &w, &again);
		assert_int_equal(s.state, again.state);
		assert_memory_equal(&s.log_m, &again.log_m, sizeof s.log_m);
		for (size_t i = 0; i < s.n_findings; i++)
			assert_string_equal(s.findings[i].change, again.findings[i].change);
		packed(a, &one);
		packed(b, &two);
		assert_int_equal(one.n, two.n);
		assert_memory_equal(one.at, two.at, one.n);
		judge_close(b);
		b = judge_open(r, &JUDGE_OPTIONS);
		assert_int_equal(judge_unpack(b, one.at, one.n, NULL), 0);
		signal_done(&s);
		signal_done(&again);
		window_done(&w);
	}
	judge_close(a);
	judge_close(b);
	buf_done(&one);
	buf_done(&two);
	reference_close(r);
}

static void test_broken_state(void **state)
{
	struct reference *r = reference_of(10, 8), *other = reference_of(10, 9);
	struct judge *j = judge_open(r, &JUDGE_OPTIONS), *k = judge_open(other, &JUDGE_OPTIONS);
	struct buf b = BUF_EMPTY;
	struct error e = {""};

	(void)state;
	for (int64_t t = 0; t < 12; t++) {
		struct signal s = say(j, t, 100, t < 4 ? &normal : &odd);
		signal_done(&s);
	}
	judge_pack(j, &b);
	assert_int_equal(judge_unpack(k, b.at, b.n, &e), -EINVAL);
	assert_non_null(strstr(e.text, "another reference"));
	for (size_t n = 0; n < b.n; n += 3)
		assert_int_equal(judge_unpack(j, b.at, n, &e), -EINVAL);
	for (size_t i = 0; i < b.n; i++) {
		b.at[i] ^= 0x21;
		judge_unpack(j, b.at, b.n, NULL);
		struct signal s = say(j, 13, 100, &normal);
		signal_done(&s);
		b.at[i] ^= 0x21;
	}
	judge_close(j);
	judge_close(k);
	buf_done(&b);
	reference_close(r);
	reference_close(other);
}

static void test_not_enough_data(void **state)
{
	struct reference *r = reference_of(30, 10), *poor = reference_of(1, 11);
	struct judge *j = judge_open(r, &JUDGE_OPTIONS), *k = judge_open(poor, &JUDGE_OPTIONS);
	struct window w;
	struct signal s;
	double was;

	(void)state;
	s = say(j, 0, 7, &normal);
	assert_int_equal(s.state, SIGNAL_UNJUDGED);
	assert_non_null(strstr(s.why, "7 records"));
	was = s.log_m;
	signal_done(&s);
	fill(&w, 1, 500, &odd_and_wide);
	w.cut = true;
	judge_window(j, &w, &s);
	assert_int_equal(s.state, SIGNAL_UNJUDGED);
	assert_false(s.findings[0].judged);
	assert_non_null(strstr(s.findings[0].change, "not enough data"));
	assert_memory_equal(&s.log_m, &was, sizeof was);
	signal_done(&s);
	judge_window(k, &w, &s);
	assert_int_equal(s.state, SIGNAL_UNJUDGED);
	assert_non_null(strstr(s.findings[0].change, "whole windows"));
	signal_done(&s);
	window_done(&w);
	s = say(j, 2, 0, &normal); /* a window without a record is no evidence */
	signal_done(&s);
	judge_close(j);
	judge_close(k);
	reference_close(r);
	reference_close(poor);
}

static void test_budget(void **state)
{
	struct reference *r = reference_of(10, 12);
	struct judge_options options = JUDGE_OPTIONS;
	const struct {
		double alarms;
		int64_t per_us;
		double windows;
	} rows[] = {{1, 8640 * 5 * MINUTE, 8640}, {2, 8640 * 5 * MINUTE, 4320},
		{1, 20 * 5 * MINUTE, 1000}};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		options.false_alarms = rows[i].alarms;
		options.per_us = rows[i].per_us;
		struct judge *j = judge_open(r, &options);
		struct signal s = say(j, 0, 100, &normal);
		assert_true(fabs(s.log_budget - log(rows[i].windows)) < 1e-12);
		signal_done(&s);
		judge_close(j);
	}
	reference_close(r);
}

static void test_severity(void **state)
{
	const struct {
		double psi;
		int severity;
	} rows[] = {{0, 0}, {.0099, 0}, {.011, 1}, {.12, 2}, {.3, 3}, {1.5, 4}};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		assert_int_equal(effect_severity(rows[i].psi, .01), rows[i].severity);
}

static void test_selftest(void **state)
{
	struct reference *r = reference_of(40, 13);
	struct judge_selftest t;

	(void)state;
	judge_selftest(r, &JUDGE_OPTIONS, 8640, 1, &t);
	assert_int_equal(t.n_alarms, 0);
	assert_int_equal(t.learned_from, 20);
	assert_int_equal(t.held_out, 20);
	assert_int_equal(t.n_judged, 8640);
	assert_true(t.highest_log_m < t.log_budget);
	reference_close(r);
}

/* In the order of time, what moves inside the reference is not taken apart. */
static void test_selftest_blocks(void **state)
{
	struct reference *r = reference_of(40, 14);
	struct judge_selftest t, again;

	(void)state;
	judge_selftest_blocks(r, &JUDGE_OPTIONS, 5, &t);
	assert_int_equal(t.n_alarms, 0);
	assert_int_equal(t.n_windows, 40);
	assert_int_equal(t.n_judged, 40);
	assert_int_equal(t.learned_from, 32);
	assert_int_equal(t.held_out, 8);
	judge_selftest_blocks(r, &JUDGE_OPTIONS, 7, &t);
	assert_int_equal(t.n_judged, 40);
	assert_int_equal(t.held_out, 6);
	for (int i = 32; i < 40; i++) {
		struct window w;

		fill(&w, i, 500, &odd_and_wide);
		memcpy(r->windows[i].v, w.v, w.width * sizeof *w.v);
		r->windows[i].n = w.n;
		window_done(&w);
	}
	judge_selftest_blocks(r, &JUDGE_OPTIONS, 5, &t);
	judge_selftest_blocks(r, &JUDGE_OPTIONS, 5, &again);
	assert_memory_equal(&t, &again, sizeof t);
	assert_int_equal(t.n_alarms, 1);
	reference_close(r);
}

/* A night of 17 records, a noon of 90, each of them twenty times. */
static void fill_copies(struct window *w, int64_t t)
{
	fill(w, t, 17 + (t % 24 + 24) % 24 * 73 / 23, &normal);
	w->n *= 20;
	for (size_t i = 0; i < WIDTH; i++)
		w->v[i] *= 20;
}

static void test_copies_in_windows_of_many_sizes(void **state)
{
	int all = 0;

	(void)state;
	for (long seed = 21; seed <= 23; seed++) {
		struct reference *r = reference_new();
		struct judge *j;
		int alarms = 0;

		srand48(seed);
		r->model = mem_copy_text("m");
		r->version = mem_copy_text("1");
		snprintf(r->hash, sizeof r->hash, "%064ld", seed);
		r->window_us = 5 * MINUTE;
		r->n_cal_b = 2000;
		r->width = WIDTH;
		measures_make(r);
		r->windows = mem_zero(96, sizeof *r->windows);
		r->others = mem_zero(96, sizeof *r->others);
		r->n_windows = r->n_others = 96;
		for (int64_t i = 0; i < 192; i++) {
			struct window one;
			fill_copies(&one, i - 1000);
			(i < 96 ? r->windows : r->others)[i % 96] =
				(struct reference_window){.start_us = one.start_us, .n = one.n, .width = WIDTH, .v = one.v};
		}
		judge_learn(r, &JUDGE_OPTIONS);
		j = judge_open(r, &JUDGE_OPTIONS);
		for (int64_t t = 0; t < 1000; t++) {
			struct window w;
			struct signal s;
			fill_copies(&w, t);
			judge_window(j, &w, &s);
			alarms += s.fresh;
			signal_done(&s);
			window_done(&w);
		}
		all += alarms;
		judge_close(j);
		reference_close(r);
	}
	print_message("copies: %d alarms in 3000 windows\n", all);
	assert_true(all <= 5); /* with one kappa for all sizes 8 */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_learned),
		cmocka_unit_test(test_quiet_while_nothing_moves),
		cmocka_unit_test(test_one_alarm_for_one_cause),
		cmocka_unit_test(test_what_is_known_hides_nothing),
		cmocka_unit_test(test_below_the_smallest_effect),
		cmocka_unit_test(test_errors_of_the_reference),
		cmocka_unit_test(test_delay),
		cmocka_unit_test(test_small_shares_never_page),
		cmocka_unit_test(test_copies_in_windows_of_many_sizes),
		cmocka_unit_test(test_restarts_change_nothing),
		cmocka_unit_test(test_broken_state),
		cmocka_unit_test(test_not_enough_data),
		cmocka_unit_test(test_budget),
		cmocka_unit_test(test_severity),
		cmocka_unit_test(test_selftest),
		cmocka_unit_test(test_selftest_blocks),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
