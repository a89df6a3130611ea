/* SPDX-License-Identifier: Apache-2.0
 * The book of slices: sums of windows whatever the order, what they say, and that a restart changes no bit of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/mem.h"
#include "judge/slice.h"
#include "judge/slice_gap.h"
#include "model/pack.h"
#include "model/slice.h"

#define HOUR INT64_C(3600000000)
#define VALUES 3 /* a, b, (other) */

static char **texts(size_t n, const char *const *from)
{
	char **to = mem_zero(n + 1, sizeof *to);

	for (size_t i = 0; i < n; i++)
		to[i] = mem_copy_text(from[i]);
	return to;
}

/* One measure, the class; one tag. The reference: 10 % yes in a, 30 % in b, 20 % in the rest. */
static struct reference *made(void)
{
	static const char *const words[] = {"no", "yes"}, *const bins[] = {"no", "yes", "never seen", "missing"},
				*const values[] = {"a", "b", SLICE_OTHER}, *const tag[] = {"region"};
	static const int64_t base[4] = {4000 - 800, 800, 0, 0}, map[4] = {0, 1, 2, 3};
	static const int64_t of[VALUES][SLICE_HEAD + 4] = {
		{1500, 0, 0, 1350, 150}, {1500, 0, 0, 1050, 450}, {1000, 0, 0, 800, 200}};
	struct reference *r = reference_new();
	struct slices *s = &r->slices;

	r->measures = mem_zero(1, sizeof *r->measures);
	r->n_measures = 1;
	r->measures[0] = (struct measure){.name = mem_copy_text("class"), .kind = MEASURE_CLASS, .n = 4, .n_words = 2,
		.words = texts(2, words), .other = 2, .missing = 3, .below = MEASURE_NO_BIN, .above = MEASURE_NO_BIN,
		.mistyped = MEASURE_NO_BIN, .sums = MEASURE_NO_BIN, .kappa = 5000, .memory = 1, .n_windows = 40,
		.base = mem_copy(base, sizeof base)};
	r->n_windows = 0;
	*s = (struct slices){.tags = texts(1, tag), .n_tags = 1, .at = mem_zero(VALUES, sizeof *s->at), .n = VALUES,
		.aspects = mem_zero(1, sizeof *s->aspects), .n_aspects = 1, .first = 4, .width = SLICE_HEAD + 4,
		.base = mem_copy(of, sizeof of), .n_base = VALUES * (SLICE_HEAD + 4)};
	for (size_t i = 0; i < VALUES; i++)
		s->at[i] = (struct slice){mem_copy_text("region"), mem_copy_text(values[i]), i == VALUES - 1};
	s->aspects[0] = (struct slice_aspect){.at = SLICE_HEAD, .words = texts(4, bins), .n = 4, .map = mem_copy(map, sizeof map),
		.n_map = 4, .output = true};
	r->width = 4 + s->n_base;
	r->flag_rate = .01;
	return r;
}

/* n records of a slice, `yes` of them yes. */
static void records(const struct reference *r, struct window *w, size_t slice, int64_t n, int64_t yes)
{
	int64_t *at = w->v + r->slices.first + slice * r->slices.width;

	w->n += n;
	w->v[0] += n - yes;
	w->v[1] += yes;
	at[SLICE_RECORDS] += n;
	at[SLICE_HEAD] += n - yes;
	at[SLICE_HEAD + 1] += yes;
}

static struct window hour(const struct reference *r, int64_t i, int64_t yes_a, int64_t yes_b)
{
	struct window w;

	window_init(&w, i * HOUR, (i + 1) * HOUR, r->width);
	records(r, &w, 0, 100, yes_a);
	records(r, &w, 1, 100, yes_b);
	records(r, &w, 2, 50, 10);
	return w;
}

static void push(struct slice_book *b, struct window w, bool alarm, bool fresh, struct signal *s)
{
	static struct finding moved = {.name = "class", .kind = MEASURE_CLASS, .moved = true};

	*s = (struct signal){.alarm = alarm, .fresh = fresh, .findings = &moved, .n_findings = 1};
	slice_book_window(b, &w, s);
	window_done(&w);
}

static void the_reference_is_in_its_own_order(void **state)
{
	struct reference *r = made();
	struct error e = {""};

	(void)state;
	assert_int_equal(slices_check(r, 4, &e), 0);
	assert_int_not_equal(slices_check(r, 5, &e), 0);
	r->slices.aspects[0].map[1] = 4;
	assert_int_not_equal(slices_check(r, 4, &e), 0);
	r->slices.aspects[0].map[1] = 1;
	r->slices.base[0] = -1;
	assert_int_not_equal(slices_check(r, 4, &e), 0);
	reference_close(r);
}

static void a_period_ends_with_the_next(void **state)
{
	struct reference *r = made();
	struct slice_book b;
	struct signal s;

	(void)state;
	slice_book_open(&b, r, 24 * HOUR);
	for (int64_t i = 5; i < 24; i++) {
		push(&b, hour(r, i, 10, 30), false, false, &s);
		assert_int_equal(s.slices.period_start_us, TIME_NONE);
		slice_signal_done(&s.slices);
	}
	push(&b, hour(r, 30, 10, 30), false, false, &s); /* hours without a record do not matter */
	assert_true(s.slices.period_fresh);
	assert_int_equal(s.slices.period_start_us, 0);
	assert_int_equal(s.slices.period_end_us, 24 * HOUR);
	assert_int_equal(s.slices.period_n, 19 * 250);
	assert_int_equal(s.slices.counts[r->slices.width + SLICE_RECORDS], 1900);
	assert_true(s.slices.gaps.n >= 2); /* as unequal as ever: told, and no news */
	for (size_t i = 0; i < s.slices.gaps.n; i++)
		assert_true(s.slices.gaps.at[i].differs && !s.slices.gaps.at[i].news);
	assert_int_equal(s.slices.parity.n, 1);
	assert_string_equal(s.slices.parity.at[0].highest, "b");
	assert_string_equal(s.slices.parity.at[0].lowest, "a");
	assert_true(fabs(s.slices.parity.at[0].difference - .2) < 1e-12 && fabs(s.slices.parity.at[0].ratio - 1. / 3) < 1e-12);
	assert_true(fabs(s.slices.parity.at[0].before - .2) < 1e-12 && !s.slices.parity.at[0].news);
	slice_signal_done(&s.slices);
	push(&b, hour(r, 31, 10, 30), false, false, &s);
	assert_false(s.slices.period_fresh); /* said once, known on */
	assert_int_equal(s.slices.period_n, 19 * 250);
	slice_signal_done(&s.slices);
	slice_book_done(&b);
	reference_close(r);
}

static void what_becomes_unequal_is_news(void **state)
{
	struct reference *r = made();
	struct slice_book b;
	struct signal s;
	bool news = false;

	(void)state;
	slice_book_open(&b, r, 24 * HOUR);
	for (int64_t i = 0; i < 25; i++) {
		push(&b, hour(r, i, 10, 45), false, false, &s);
		for (size_t k = 0; k < s.slices.gaps.n; k++)
			news |= s.slices.gaps.at[k].news && strcmp(s.slices.gaps.at[k].value, "b") == 0;
		slice_signal_done(&s.slices);
	}
	assert_true(news);
	slice_book_done(&b);
	reference_close(r);
}

static void it_sits_in_one_or_everywhere(void **state)
{
	struct reference *r = made();
	struct slice_book b;
	struct signal s;
	struct window w;

	(void)state;
	slice_book_open(&b, r, 24 * HOUR);
	push(&b, hour(r, 0, 60, 30), true, true, &s);
	assert_int_equal(s.slices.where.n, 1);
	assert_string_equal(s.slices.where.at[0].value, "a");
	assert_true(fabs(s.slices.where.at[0].share - 1) < .1 && fabs(s.slices.where.at[0].of_records - .4) < 1e-9);
	slice_signal_done(&s.slices);
	push(&b, hour(r, 1, 60, 30), true, false, &s); /* it lasts: added up */
	assert_int_equal(s.slices.where.at[0].n, 200);
	assert_int_equal(s.slices.where_from_us, 0);
	slice_signal_done(&s.slices);
	window_init(&w, 2 * HOUR, 3 * HOUR, r->width);
	records(r, &w, 0, 100, 50);
	records(r, &w, 1, 100, 70);
	records(r, &w, 2, 50, 30);
	push(&b, w, true, true, &s);
	assert_int_equal(s.slices.where.n, 0);
	assert_non_null(strstr(s.slices.where_words, "everywhere"));
	slice_signal_done(&s.slices);
	window_init(&w, 3 * HOUR, 4 * HOUR, r->width); /* all of all: that more of b's records came by is no reason */
	records(r, &w, 0, 50, 50);
	records(r, &w, 1, 170, 170);
	records(r, &w, 2, 30, 30);
	push(&b, w, true, true, &s);
	for (size_t i = 0; i < s.slices.where.n; i++)
		assert_string_not_equal(s.slices.where.at[i].value, "b");
	slice_signal_done(&s.slices);
	slice_book_done(&b);
	reference_close(r);
}

static void same(const struct slice_signal *a, const struct slice_signal *b)
{
	assert_int_equal(a->gaps.n, b->gaps.n);
	for (size_t i = 0; i < a->gaps.n; i++)
		assert_string_equal(a->gaps.at[i].words, b->gaps.at[i].words);
	assert_string_equal(a->where_words, b->where_words);
	assert_int_equal(a->period_start_us, b->period_start_us);
	assert_int_equal(a->period_fresh, b->period_fresh);
	assert_int_equal(a->period_n, b->period_n);
	assert_int_equal(a->parity.n, b->parity.n);
	assert_int_equal(a->where_from_us, b->where_from_us);
}

/* After every window the book is closed and read back. */
static void a_restart_changes_nothing(void **state)
{
	struct reference *r = made();
	struct slice_book b, other;

	(void)state;
	slice_book_open(&b, r, 4 * HOUR);
	slice_book_open(&other, r, 4 * HOUR);
	for (int64_t i = 0; i < 14; i++) {
		struct signal s, t;
		struct buf first = BUF_EMPTY, second = BUF_EMPTY;
		struct unpacked *u;

		push(&b, hour(r, i, 10 + 4 * i, 30), i > 5, i == 6, &s);
		push(&other, hour(r, i, 10 + 4 * i, 30), i > 5, i == 6, &t);
		same(&s.slices, &t.slices);
		slice_signal_done(&s.slices);
		slice_signal_done(&t.slices);
		slice_book_pack(&b, &first);
		slice_book_done(&other);
		slice_book_open(&other, r, 4 * HOUR);
		u = unpack_open(first.at, first.n);
		slice_book_read(&other, unpack_root(u));
		unpack_close(u);
		slice_book_pack(&other, &second);
		assert_int_equal(first.n, second.n);
		assert_memory_equal(first.at, second.at, first.n);
		buf_done(&first);
		buf_done(&second);
	}
	slice_book_done(&b);
	slice_book_done(&other);
	reference_close(r);
}

/* True positive rates, for equal opportunity: as any other share. */
static void opportunity_is_a_share(void **state)
{
	const double k[4] = {30, 90, 45, 95}, n[4] = {100, 100, 50, 100};
	struct slice_gap g = {.n = 0};

	(void)state;
	slice_gap_shares(k, n, .025, &g);
	assert_true(fabs(g.inside - .3) < 1e-12 && fabs(g.rest - .9) < 1e-12 && g.differs && g.news);
	assert_true(fabs(g.change - (-.6 + .05)) < 1e-12);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_reference_is_in_its_own_order),
		cmocka_unit_test(a_period_ends_with_the_next),
		cmocka_unit_test(what_becomes_unequal_is_news),
		cmocka_unit_test(it_sits_in_one_or_everywhere),
		cmocka_unit_test(a_restart_changes_nothing),
		cmocka_unit_test(opportunity_is_a_share),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
