/* SPDX-License-Identifier: Apache-2.0
 * Streams that have next to nothing to judge by: constants, empty windows, 50 records, 10,000 classes. */
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

#define MINUTE INT64_C(60000000)

/* One measure of k bins, the last of them for what was never seen; records fall evenly into the first `used`. */
static void fill(int64_t *v, size_t used, int64_t n)
{
	for (int64_t i = 0; i < n; i++)
		v[(size_t)lrand48() % used]++;
}

static struct reference *reference_of(size_t k, size_t used, size_t n_windows, int64_t n)
{
	struct reference *r = reference_new();

	r->model = mem_copy_text("m");
	r->version = mem_copy_text("1");
	snprintf(r->hash, sizeof r->hash, "%064d", 7);
	r->window_us = 5 * MINUTE;
	r->n_cal_b = 100;
	r->width = k;
	r->n_measures = 1;
	r->measures = mem_zero(1, sizeof *r->measures);
	r->measures[0] = (struct measure){.name = mem_copy_text("class"),
		.kind = MEASURE_CLASS,
		.n = k,
		.n_words = k - 1,
		.below = MEASURE_NO_BIN,
		.above = MEASURE_NO_BIN,
		.other = k - 1,
		.missing = MEASURE_NO_BIN,
		.mistyped = MEASURE_NO_BIN,
		.sums = MEASURE_NO_BIN,
		.scale = 1};
	r->measures[0].words = mem_alloc(k * sizeof *r->measures[0].words);
	for (size_t i = 0; i < k - 1; i++)
		r->measures[0].words[i] = mem_format("w%zu", i);
	r->windows = mem_zero(n_windows + 1, sizeof *r->windows);
	r->n_windows = n_windows;
	for (size_t i = 0; i < n_windows; i++) {
		r->windows[i] = (struct reference_window){.start_us = (int64_t)i * r->window_us, .n = n, .width = k,
			.v = mem_zero(k, sizeof *r->windows[i].v)};
		fill(r->windows[i].v, used, n);
	}
	judge_learn(r, &JUDGE_OPTIONS);
	return r;
}

static struct signal say(struct judge *j, size_t k, size_t used, int64_t n, int64_t strange, int64_t t)
{
	struct window w;
	struct signal s;

	window_init(&w, t * 5 * MINUTE, (t + 1) * 5 * MINUTE, k);
	w.n = n;
	fill(w.v, used, n - strange);
	w.v[k - 1] += strange;
	judge_window(j, &w, &s);
	window_done(&w);
	return s;
}

static size_t alarms(struct judge *j, size_t k, size_t used, int64_t n, int64_t strange, int64_t from, int64_t windows)
{
	size_t fresh = 0;

	for (int64_t t = from; t < from + windows; t++) {
		struct signal s = say(j, k, used, n, strange, t);
		fresh += s.fresh;
		signal_done(&s);
	}
	return fresh;
}

static void test_a_constant(void **state)
{
	struct reference *r = reference_of(3, 1, 30, 100);
	struct judge *j = judge_open(r, &JUDGE_OPTIONS);

	(void)state;
	assert_true(r->measures[0].judged);
	assert_int_equal(alarms(j, 3, 1, 100, 0, 100, 1000), 0);
	/* Nothing says how much a lone constant may vary, so the first window of anything else is not enough. */
	assert_int_equal(alarms(j, 3, 1, 100, 20, 1100, 4), 1);
	judge_close(j);
	reference_close(r);
}

static void test_empty_windows(void **state)
{
	struct reference *r = reference_of(5, 4, 30, 100);
	struct judge *j = judge_open(r, &JUDGE_OPTIONS);
	double before = 0;

	(void)state;
	for (int64_t t = 0; t < 20; t++) {
		struct signal s = say(j, 5, 4, t < 10 ? 100 : 0, 0, 100 + t);
		if (t < 10) {
			before = s.log_m;
		} else {
			assert_int_equal(s.state, SIGNAL_UNJUDGED);
			assert_string_equal(s.why, "not enough data: 0 records");
			assert_true(s.log_m == before); /* nothing seen is no evidence */
			assert_true(isnan(s.findings[0].psi));
		}
		signal_done(&s);
	}
	judge_close(j);
	reference_close(r);
}

static void test_fifty_records(void **state)
{
	struct reference *r = reference_of(5, 4, 5, 10);
	struct judge *j = judge_open(r, &JUDGE_OPTIONS);

	(void)state;
	assert_true(r->measures[0].judged || strstr(r->measures[0].why, "not enough data"));
	print_message("50 records: %s\n", r->measures[0].why ? r->measures[0].why : "judged");
	assert_int_equal(alarms(j, 5, 4, 50, 0, 100, 1000), 0);
	judge_close(j);
	reference_close(r);
}

/* Most classes are never seen: the reference says that it is too small, in moderate time and memory. */
static void test_ten_thousand_classes(void **state)
{
	size_t k = 10001;
	int64_t begin = clock_monotonic_us();
	struct reference *r = reference_of(k, 10000, 60, 500);
	struct judge *j = judge_open(r, &JUDGE_OPTIONS);
	int64_t learned = clock_monotonic_us();

	(void)state;
	assert_int_equal(alarms(j, k, 10000, 500, 0, 100, 50), 0);
	print_message("10,000 classes: learned in %.0f ms, %.0f us a window; %s\n", (double)(learned - begin) / 1e3,
		(double)(clock_monotonic_us() - learned) / 50, r->measures[0].why ? r->measures[0].why : "judged");
	if (!r->measures[0].judged)
		assert_non_null(strstr(r->measures[0].why, "are too few for"));
	judge_close(j);
	reference_close(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_constant),
		cmocka_unit_test(test_empty_windows),
		cmocka_unit_test(test_fifty_records),
		cmocka_unit_test(test_ten_thousand_classes),
	};

	srand48(1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
