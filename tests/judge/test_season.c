/* SPDX-License-Identifier: Apache-2.0
 * Traffic that is another by night than by day: normal at its hour, news at any other; and seasons that a reference is
 * too short, or its windows too long, to hold. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "judge/judge.h"
#include "tests/judge/made.h"

#define HOUR (INT64_C(3600) * SECOND_US)
#define DAY (24 * HOUR)
#define N_WORDS 4
#define N_EDGES MADE_P_EDGES
#define CLASS_AT (N_EDGES + 1)
#define SIZE_AT (CLASS_AT + N_WORDS + 1)
#define SIZE_N 5
#define WIDTH (SIZE_AT + SIZE_N + 2)

static int64_t monday; /* 2026-10-05T00:00Z */

/* How the truth depends on the time. */
struct truth {
	bool daily, weekly; /* the mix of classes and sizes follows the hour, the weekend */
	bool day_at_night;  /* the shift: nights are like noon */
};

/* 0 by night, 1 at noon. */
static double daylight(const struct truth *t, int64_t us)
{
	int64_t hour = us / HOUR % 24, day = us / DAY % 7; /* day 0: Thursday */
	double light = t->daily ? .5 - .5 * cos(2 * M_PI * (double)hour / 24) : .5;

	if (t->weekly && (day == 2 || day == 3))
		light = .3 * light;
	return t->day_at_night ? 1 : light;
}

static int64_t fill(int64_t *v, const struct truth *t, int64_t start)
{
	static const double p[N_EDGES + 1] = {.005, .005, .01, .03, .05, .15, .25, .5};
	double light = daylight(t, start);
	double class[N_WORDS] = {.1 + .5 * light, .6 - .5 * light, .2, .1};
	double size[SIZE_N] = {.3 - .2 * light, .3 - .1 * light, .2, .1 + .1 * light, .1 + .2 * light};
	int64_t n = 40 + (int64_t)(120 * daylight(&(struct truth){.daily = true}, start));

	for (int64_t i = 0; i < n; i++) {
		size_t s = made_pick(size, SIZE_N);
		v[made_pick(p, N_EDGES + 1)]++;
		v[CLASS_AT + made_pick(class, N_WORDS)]++;
		v[SIZE_AT + s]++;
		v[SIZE_AT + SIZE_N] += (int64_t)llround(((double)s - 2) * 0x1p20);
		v[SIZE_AT + SIZE_N + 1]++;
	}
	return n;
}

static void measures_make(struct reference *r)
{
	static const char *const words[N_WORDS] = {"pay", "ask", "book", "leave"};

	r->n_measures = 3;
	r->measures = mem_zero(3, sizeof *r->measures);
	r->measures[0] = made_p_value(0, N_EDGES + 1);
	r->measures[1] = made_class(CLASS_AT, words, N_WORDS);
	r->measures[2] = made_size(SIZE_AT, SIZE_N, SIZE_AT + SIZE_N, 0);
}

/* Hours dealt one in three to the null part. */
static struct reference *reference_of(
	const struct truth *t, int64_t window_us, int64_t days, enum season asked)
{
	struct reference *r = reference_new();
	struct judge_options o = JUDGE_OPTIONS;
	size_t n = (size_t)(days * DAY / window_us);

	r->model = mem_copy_text("m");
	r->version = mem_copy_text("1");
	snprintf(r->hash, sizeof r->hash, "%064d", 1);
	r->window_us = window_us;
	r->n_cal_b = 2000;
	r->width = WIDTH;
	measures_make(r);
	r->windows = mem_zero(n + 1, sizeof *r->windows);
	r->others = mem_zero(n + 1, sizeof *r->others);
	for (size_t i = 0; i < n; i++) {
		struct reference_window *w = lrand48() % 3 == 0 ? &r->windows[r->n_windows++]
								: &r->others[r->n_others++];
		*w = (struct reference_window){.start_us = monday + (int64_t)i * window_us, .width = WIDTH,
			.v = mem_zero(WIDTH, sizeof *w->v)};
		w->n = fill(w->v, t, w->start_us);
	}
	o.season = asked;
	judge_learn(r, &o);
	return r;
}

static struct signal say(struct judge *j, const struct truth *t, int64_t start)
{
	struct window w;
	struct signal s;

	window_init(&w, start, start + HOUR, WIDTH);
	w.n = fill(w.v, t, start);
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

/* Alarms of so many hours; the first one's hour since `from` in *ret_first, its change of class in `words`. */
static size_t alarms(struct judge *j, const struct truth *t, int64_t from, int64_t hours,
	int64_t *ret_first, char *words)
{
	size_t n = 0;

	*ret_first = -1;
	for (int64_t i = 0; i < hours; i++) {
		struct signal s = say(j, t, from + i * HOUR);
		if (s.fresh && n++ == 0) {
			*ret_first = i;
			strcpy(words, find(&s, "class")->change);
		}
		signal_done(&s);
	}
	return n;
}

static void test_calendar(void **state)
{
	char words[40];
	int64_t turn, next;

	(void)state;
	assert_int_equal(season_bucket(SEASON_HOUR_OF_WEEK, monday + 9 * HOUR, HOUR, NULL), 9);
	assert_int_equal(season_bucket(SEASON_HOUR_OF_WEEK, monday - HOUR, HOUR, NULL), 167);
	assert_int_equal(season_bucket(SEASON_DAY_OF_WEEK, monday - DAY, DAY, &turn), 6);
	assert_int_equal(season_bucket(SEASON_DAY_OF_WEEK, monday, DAY, &next), 0);
	assert_int_equal(next, turn + 1);
	/* Before 1970, and windows that reach into the next hour: the middle counts. */
	assert_int_equal(season_bucket(SEASON_HOUR_OF_DAY, -HOUR, HOUR, NULL), 23);
	assert_int_equal(season_bucket(SEASON_HOUR_OF_DAY, HOUR - 60 * SECOND_US, 420 * SECOND_US, NULL), 1);
	assert_int_equal(season_bucket(SEASON_NONE, monday, HOUR, NULL), 0);
	assert_string_equal(season_bucket_words(SEASON_HOUR_OF_WEEK, 9, words, sizeof words), "Monday 09:00");
	assert_string_equal(season_bucket_words(SEASON_DAY_OF_WEEK, 6, words, sizeof words), "Sunday");
	assert_string_equal(season_bucket_words(SEASON_HOUR_OF_DAY, 13, words, sizeof words), "13:00");
	assert_string_equal(season_bucket_words(SEASON_NONE, 0, words, sizeof words), "");
}

/* A day's season: silent for two months, and the shift that a judge without seasons cannot see is found within an hour or
 * two, in words. */
static void test_hour_of_day(void **state)
{
	const struct truth daily = {.daily = true}, moved = {.daily = true, .day_at_night = true};
	int64_t first, night = monday + 100 * DAY;
	char words[200];

	(void)state;
	srand48(1);
	struct reference *r = reference_of(&daily, HOUR, 28, SEASON_AUTO);
	struct judge *j = judge_open(r, &JUDGE_OPTIONS);
	assert_int_equal(r->season, SEASON_HOUR_OF_DAY);
	assert_null(r->season_why);
	assert_true(r->measures[1].season_prior > 0 && r->measures[1].judged && r->measures[1].kappa > 100);
	assert_true(r->measures[2].season_prior > 0 && r->measures[2].judged);
	assert_true(r->measures[0].season_prior == 0); /* p-values do not vary */
	assert_int_equal(alarms(j, &daily, monday + 30 * DAY, 60 * 24, &first, words), 0);
	assert_true(alarms(j, &moved, night, 24, &first, words) >= 1);
	print_message("night like noon: hour %lld, %s\n", (long long)first, words);
	assert_in_range(first, 0, 1);
	assert_non_null(strstr(words, first ? ", normal for 01:00: " : ", normal for 00:00: "));
	judge_close(j);
	reference_close(r);

	srand48(1);
	r = reference_of(&daily, HOUR, 28, SEASON_NONE);
	j = judge_open(r, &JUDGE_OPTIONS);
	assert_int_equal(r->season, SEASON_NONE);
	assert_true(!r->measures[1].judged || r->measures[1].kappa < 50);
	assert_int_equal(alarms(j, &moved, night, 3, &first, words), 0);
	judge_close(j);
	reference_close(r);
}

static void test_restarts_change_nothing(void **state)
{
	const struct truth daily = {.daily = true}, moved = {.daily = true, .day_at_night = true};
	struct buf one = BUF_EMPTY, two = BUF_EMPTY;

	(void)state;
	srand48(6);
	struct reference *r = reference_of(&daily, HOUR, 14, SEASON_HOUR_OF_DAY);
	struct judge *straight = judge_open(r, &JUDGE_OPTIONS), *broken = judge_open(r, &JUDGE_OPTIONS);
	assert_int_equal(r->season, SEASON_HOUR_OF_DAY);
	for (int64_t i = 0; i < 72; i++) {
		const struct truth *t = i / 24 == 1 ? &moved : &daily;
		struct error e;
		struct signal s;
		srand48(1000 + (long)i);
		s = say(straight, t, monday + 20 * DAY + i * HOUR);
		signal_done(&s);
		srand48(1000 + (long)i);
		s = say(broken, t, monday + 20 * DAY + i * HOUR);
		signal_done(&s);
		buf_clear(&one), buf_clear(&two);
		judge_pack(straight, &one), judge_pack(broken, &two);
		assert_int_equal(one.n, two.n);
		assert_memory_equal(one.at, two.at, one.n);
		judge_close(broken);
		broken = judge_open(r, &JUDGE_OPTIONS);
		assert_int_equal(judge_unpack(broken, two.at, two.n, &e), 0);
	}
	buf_done(&one), buf_done(&two);
	judge_close(straight), judge_close(broken);
	reference_close(r);
}

static void test_hour_of_week(void **state)
{
	const struct truth weekly = {.daily = true, .weekly = true}, weekday = {.daily = true};
	int64_t first;
	char words[200];

	(void)state;
	srand48(2);
	struct reference *r = reference_of(&weekly, HOUR, 42, SEASON_AUTO);
	struct judge *j = judge_open(r, &JUDGE_OPTIONS);
	assert_int_equal(r->season, SEASON_HOUR_OF_WEEK);
	assert_int_equal(alarms(j, &weekly, monday + 42 * DAY, 42 * 24, &first, words), 0);
	/* A Saturday like a Friday. */
	assert_true(alarms(j, &weekday, monday + 89 * DAY, 24, &first, words) >= 1);
	print_message("Saturday like Friday: hour %lld, %s\n", (long long)first, words);
	assert_in_range(first, 6, 14);
	assert_non_null(strstr(words, "normal for Saturday "));
	judge_close(j);
	reference_close(r);
}

static void test_asked_for_and_not_there(void **state)
{
	const struct truth none = {0}, daily = {.daily = true};
	struct reference *r;

	(void)state;
	srand48(3);
	r = reference_of(&none, HOUR, 28, SEASON_AUTO);
	assert_int_equal(r->season, SEASON_NONE);
	assert_non_null(strstr(r->season_why, "no measure varies with it"));
	assert_true(r->measures[1].judged);
	reference_close(r);
	r = reference_of(&daily, HOUR, 1, SEASON_HOUR_OF_DAY);
	assert_int_equal(r->season, SEASON_NONE);
	assert_non_null(strstr(r->season_why, "not enough data: hour-of-day needs 2 periods (2d) of reference"));
	reference_close(r);
	r = reference_of(&daily, HOUR, 10, SEASON_HOUR_OF_WEEK);
	assert_int_equal(r->season, SEASON_NONE);
	assert_non_null(strstr(r->season_why, "needs 2 periods (2w) of reference, it spans"));
	reference_close(r);
	r = reference_of(&daily, 2 * HOUR, 28, SEASON_HOUR_OF_DAY);
	assert_int_equal(r->season, SEASON_NONE);
	assert_non_null(strstr(r->season_why, "windows of 2h are longer than 1h"));
	reference_close(r);
}

/* Hours that resemble their neighbours, in a walk that has nothing to do with the time of day, are no season; nor do they
 * become one by being many: neighbours of one turn are left out together. */
static void test_a_walk_is_no_season(void **state)
{
	const struct truth none = {0};

	(void)state;
	srand48(4);
	struct reference *r = reference_of(&none, HOUR / 12, 4, SEASON_NONE);
	double light = .5;
	struct judge_options o = JUDGE_OPTIONS;
	for (size_t a = 0, b = 0; a < r->n_windows || b < r->n_others;) {
		bool of_null = b == r->n_others || (a < r->n_windows && r->windows[a].start_us < r->others[b].start_us);
		struct reference_window *w = of_null ? &r->windows[a++] : &r->others[b++];
		double class[N_WORDS];
		light = fmin(fmax(light + .04 * (drand48() - .5), 0), 1);
		class[0] = .1 + .5 * light, class[1] = .6 - .5 * light, class[2] = .2, class[3] = .1;
		memset(w->v + CLASS_AT, 0, (N_WORDS + 1) * sizeof *w->v);
		for (int64_t i = 0; i < w->n; i++)
			w->v[CLASS_AT + made_pick(class, N_WORDS)]++;
	}
	judge_learn(r, &o);
	assert_true(r->measures[1].season_prior == 0);
	reference_close(r);
}

static void test_selftest(void **state)
{
	const struct truth daily = {.daily = true};
	struct judge_options o = JUDGE_OPTIONS;
	struct judge_selftest t;

	(void)state;
	srand48(5);
	struct reference *r = reference_of(&daily, HOUR, 28, SEASON_AUTO);
	judge_selftest(r, &o, 4000, 1, &t);
	print_message("self-test: %zu alarms, highest %.1f of %.1f\n", t.n_alarms, t.highest_log_m, t.log_budget);
	assert_int_equal(t.n_alarms, 0);
	assert_int_equal(t.n_unjudged_measures, 0);
	reference_close(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_calendar),
		cmocka_unit_test(test_hour_of_day),
		cmocka_unit_test(test_restarts_change_nothing),
		cmocka_unit_test(test_hour_of_week),
		cmocka_unit_test(test_asked_for_and_not_there),
		cmocka_unit_test(test_a_walk_is_no_season),
		cmocka_unit_test(test_selftest),
	};

	time_parse("2026-10-05T00:00:00Z", 20, &monday);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
