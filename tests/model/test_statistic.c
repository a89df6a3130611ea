/* SPDX-License-Identifier: Apache-2.0
 * Window detectors in a reference: written and read back, held to what is promised of them, their answers distrusted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "model/reference.h"
#include "made_reference.h"

#define SUMS 5

static void widen(struct reference_window *w, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		w[i].v = mem_grow(w[i].v, w[i].width + SUMS + 1, sizeof *w[i].v);
		w[i].v[w[i].width] = w[i].n - 1;
		for (size_t k = 1; k <= SUMS; k++)
			w[i].v[w[i].width + k] = (int64_t)k * -1000000007;
		w[i].width += SUMS + 1;
	}
}

/* The stretch of how often the model is right stands behind those of window detectors: off, so that theirs can be put there. */
static void narrow(struct reference_window *w, size_t n, size_t by)
{
	for (size_t i = 0; i < n; i++)
		w[i].width -= by;
}

static struct reference *with_statistic(void)
{
	struct reference *r = sample();
	struct statistic *s = r->statistics = mem_zero(1, sizeof *s);
	size_t last = r->performance.width;

	performance_done(&r->performance);
	r->performance = (struct performance){0};
	narrow(r->windows, r->n_windows, last);
	narrow(r->others, r->n_others, last);
	r->width -= last;
	r->n_statistics = 1;
	*s = (struct statistic){.name = mem_copy_text("apart"), .plugin_version = mem_copy_text("1.2"), .bytes = mem_copy("abc", 3), .n_bytes = 3,
		.first = r->width, .width = SUMS, .base = mem_zero(SUMS + 1, sizeof(int64_t)), .n_base = SUMS + 1, .one = {.ratio = 1.5, .excess = .25,
		.mean = -.125, .sd = .5, .n = 30, .memory = 1.75}, .judged = true};
	s->longer = mem_zero(2, sizeof *s->longer);
	s->longer[0] = (struct statistic_law){.windows = 4, .ratio = 1, .sd = .5, .n = 12, .memory = 1};
	s->longer[1] = (struct statistic_law){.windows = 16, .ratio = 1.25, .mean = .5, .sd = .75, .n = 9, .memory = 1.5};
	s->n_longer = 2;
	s->options = mem_zero(1, sizeof *s->options);
	s->options[0] = (struct reference_option){mem_copy_text("sample"), .5};
	s->n_options = 1;
	s->base[0] = 77;
	s->base[SUMS] = INT64_MIN;
	widen(r->windows, r->n_windows);
	widen(r->others, r->n_others);
	r->width += SUMS + 1;
	return r;
}

static void test_what_is_written_comes_back(void **state)
{
	struct reference *r = with_statistic(), *back = NULL;
	struct buf a = BUF_EMPTY, b = BUF_EMPTY;
	struct error e = {""};

	(void)state;
	reference_pack(r, &a);
	assert_int_equal(reference_unpack_payload(a.at, a.n, &back, &e), 0);
	reference_pack(back, &b);
	assert_int_equal(a.n, b.n);
	assert_memory_equal(a.at, b.at, a.n);
	assert_int_equal(back->n_statistics, 1);
	assert_string_equal(back->statistics[0].name, "apart");
	assert_memory_equal(back->statistics[0].base, r->statistics[0].base, (SUMS + 1) * sizeof(int64_t));
	assert_true(back->statistics[0].options[0].value == .5 && back->statistics[0].one.sd == .5 && back->statistics[0].one.memory == 1.75);
	assert_int_equal(back->statistics[0].n_longer, 2);
	assert_true(back->statistics[0].longer[1].windows == 16 && back->statistics[0].longer[1].memory == 1.5);
	assert_null(back->statistics[0].door);
	buf_done(&a);
	buf_done(&b);
	reference_close(back);
	reference_close(r);
}

/* clang-format off */
static void b_name(struct reference *r) { free(r->statistics[0].name); r->statistics[0].name = NULL; }
static void b_first(struct reference *r) { r->statistics[0].first--; }
static void b_width(struct reference *r) { r->statistics[0].width++; }
static void b_none(struct reference *r) { r->statistics[0].width = 0; }
static void b_base(struct reference *r) { r->statistics[0].base[0] = -1; }
static void b_short(struct reference *r) { r->statistics[0].n_base--; }
static void b_sd(struct reference *r) { r->statistics[0].one.sd = 0; }
static void b_mean(struct reference *r) { r->statistics[0].one.mean = (double)NAN; }
static void b_memory(struct reference *r) { r->statistics[0].one.memory = .5; }
static void b_longer(struct reference *r) { r->statistics[0].longer[1].sd = 0; }
static void b_order(struct reference *r) { r->statistics[0].longer[1].windows = 4; }
static void b_many(struct reference *r) { r->statistics[0].longer[1].windows = STATISTIC_MOST_WINDOWS + 1; }
static void b_option(struct reference *r) { r->statistics[0].options[0].value = (double)INFINITY; }
static void b_count(struct reference *r) { r->windows[1].v[r->statistics[0].first] = r->windows[1].n + 1; }
static void b_negative(struct reference *r) { r->others[0].v[r->statistics[0].first] = -1; }
static void b_kind(struct reference *r) { r->measures[0].kind = MEASURE_STATISTIC; }
/* clang-format on */

static void test_every_promise_is_checked(void **state)
{
	static void (*const breaks[])(struct reference *) = {b_name, b_first, b_width, b_none, b_base, b_short, b_sd, b_mean, b_memory, b_longer, b_order, b_many, b_option,
		b_count, b_negative, b_kind};

	(void)state;
	for (size_t i = 0; i < sizeof breaks / sizeof *breaks; i++) {
		struct reference *r = with_statistic();
		struct error e = {""};

		assert_int_equal(reference_check(r, &e), 0);
		breaks[i](r);
		if (reference_check(r, &e) != -EINVAL)
			fail_msg("break %zu was not found", i);
		reference_close(r);
	}
}

/* What the made-up detector answers. */
static struct oodd_comparison answer;
static int answer_code;

static int compare(const void *state, const int64_t *reference, int64_t m, const int64_t *window, int64_t n, struct oodd_comparison *ret)
{
	(void)state, (void)reference, (void)window;
	assert_true(m > 0 && n > 0);
	*ret = answer;
	return answer_code;
}

static void test_answers_are_distrusted(void **state)
{
	static const struct oodd_comparison none[] = {
		{.statistic = NAN, .expected = 1}, {.statistic = INFINITY, .expected = 1}, {.statistic = -1, .expected = 1}, {.statistic = 1},
		{.statistic = 1, .expected = -1}, {.statistic = 1, .expected = 1, .effect = NAN}, {.statistic = 1, .expected = 1, .effect = -1},
		{.statistic = 1, .expected = 1, .n_shifts = OODD_MOST_SHIFTS + 1},
	};
	struct statistic_door door = {.compare = compare};
	struct statistic s = {.one = {.ratio = 1.5, .excess = .25}, .door = &door};
	int64_t base[] = {100, 0}, some[] = {10, 0}, no[] = {0, 0};
	struct oodd_comparison c;

	(void)state;
	for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
		answer = none[i];
		assert_false(statistic_compare(&s, base, some, &c));
	}
	answer = (struct oodd_comparison){.statistic = 6, .expected = 2};
	assert_true(statistic_compare(&s, base, some, &c));
	assert_true(fabs(statistic_height(&s.one, &c) - log(2)) < 1e-12); /* of 2 x 1.5 */
	answer.expected = .1;
	assert_true(statistic_compare(&s, base, some, &c));
	assert_true(fabs(statistic_height(&s.one, &c) - log(6 / .35)) < 1e-12); /* of .1 + .25 */
	answer.statistic = 0;
	assert_true(statistic_compare(&s, base, some, &c) && isfinite(statistic_height(&s.one, &c)));
	assert_false(statistic_compare(&s, base, no, &c) || statistic_compare(&s, no, some, &c) || statistic_compare(&s, NULL, some, &c));
	answer_code = -EDOM;
	assert_false(statistic_compare(&s, base, some, &c));
	s.door = NULL;
	assert_false(statistic_compare(&s, base, some, &c));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_written_comes_back),
		cmocka_unit_test(test_every_promise_is_checked),
		cmocka_unit_test(test_answers_are_distrusted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
