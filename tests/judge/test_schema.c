/* SPDX-License-Identifier: Apache-2.0
 * Remarks: since when and in how many records, the same after a restart; none while nothing moves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "judge/judge.h"

#define MINUTE INT64_C(60000000)
#define WINDOW (5 * MINUTE)
#define RECORDS 200
enum { FIELDS, WORDS, MEASURES };
enum { FIELDS_BINS = 5, WORDS_AT = FIELDS_BINS, OTHER = 2, MISSING, MISTYPED, WORDS_BINS, WIDTH = WORDS_AT + WORDS_BINS };

static double draw(uint64_t a, uint64_t b)
{
	uint64_t key[2] = {a, b};

	return hash_unit(hash_bytes(key, sizeof key, 9));
}

/* Two words in equal parts; a share of `fresh` of the records holds a new one, a share of `grown` a new field. */
static void fill(struct window *w, int64_t t, double fresh, double grown)
{
	window_init(w, t * WINDOW, (t + 1) * WINDOW, WIDTH);
	w->n = RECORDS;
	for (uint64_t i = 0; i < RECORDS; i++) {
		uint64_t id = (uint64_t)t << 20 | i;
		int64_t at = w->start_us + (int64_t)i * MINUTE / 100;

		if (draw(id, 1) < fresh) {
			w->v[WORDS_AT + OTHER]++;
			unseen_put(&w->unseen, WORDS, id, (struct text){"Gig-economy", 11}, at);
		} else {
			w->v[WORDS_AT + (draw(id, 2) < .5)]++;
		}
		w->v[draw(id, 3) < grown]++;
		if (draw(id, 3) < grown)
			unseen_put(&w->unseen, FIELDS, id, (struct text){"zip", 3}, at);
	}
}

static struct measure measure_of(const char *name, enum measure_kind kind, size_t first, size_t n)
{
	return (struct measure){.name = mem_copy_text(name), .kind = kind, .first = first, .n = n, .below = MEASURE_NO_BIN, .above = MEASURE_NO_BIN,
		.other = MEASURE_NO_BIN, .missing = MEASURE_NO_BIN, .mistyped = MEASURE_NO_BIN, .sums = MEASURE_NO_BIN, .scale = 1};
}

static struct reference *reference_make(void)
{
	static const double edges[] = {0, 1, 2, 4};
	struct reference *r = reference_new();

	r->model = mem_copy_text("m");
	r->version = mem_copy_text("1");
	snprintf(r->hash, sizeof r->hash, "%064d", 7);
	r->window_us = WINDOW;
	r->width = WIDTH;
	r->n_measures = MEASURES;
	r->measures = mem_zero(MEASURES, sizeof *r->measures);
	r->measures[FIELDS] = measure_of("fields", MEASURE_FIELDS, 0, FIELDS_BINS);
	r->measures[FIELDS].edges = mem_copy(edges, sizeof edges);
	r->measures[FIELDS].n_edges = 4;
	r->measures[WORDS] = measure_of("plan", MEASURE_CATEGORY, WORDS_AT, WORDS_BINS);
	r->measures[WORDS].words = mem_zero(2, sizeof(char *));
	r->measures[WORDS].words[0] = mem_copy_text("a");
	r->measures[WORDS].words[1] = mem_copy_text("gig economy");
	r->measures[WORDS].n_words = 2;
	r->measures[WORDS].other = OTHER;
	r->measures[WORDS].missing = MISSING;
	r->measures[WORDS].mistyped = MISTYPED;
	r->windows = mem_zero(30, sizeof *r->windows);
	for (int64_t t = 0; t < 30; t++) {
		struct window w;

		fill(&w, t, 0, 0);
		r->windows[r->n_windows++] = (struct reference_window){.start_us = w.start_us, .n = w.n, .width = WIDTH, .v = w.v};
		w.v = NULL;
		window_done(&w);
	}
	judge_learn(r, &JUDGE_OPTIONS);
	return r;
}

static struct signal say(struct judge *j, int64_t t, double fresh, double grown)
{
	struct window w;
	struct signal s;

	fill(&w, t, fresh, grown);
	judge_window(j, &w, &s);
	window_done(&w);
	return s;
}

static const struct schema_remark *remark_of(const struct signal *s, enum schema_kind kind)
{
	for (size_t i = 0; i < s->schema.n; i++)
		if (s->schema.at[i].kind == kind)
			return &s->schema.at[i];
	return NULL;
}

static void test_told_once_moved_and_counted_since(void **state)
{
	struct reference *r = reference_make();
	struct judge *j = judge_open(r, &JUDGE_OPTIONS);
	int64_t records = 0, first = 0;

	(void)state;
	for (int64_t t = 100; t < 110; t++) {
		struct signal s = say(j, t, t < 105 ? 0 : .3, 0);
		const struct schema_remark *told = remark_of(&s, SCHEMA_NEW_VALUES);

		assert_int_equal(told != NULL, t >= 105);
		if (told) {
			first = first ? first : told->first_us;
			assert_string_equal(told->field, "plan");
			assert_non_null(strstr(told->detail, "Gig-economy "));
			assert_non_null(strstr(told->detail, "(known: gig economy)"));
			assert_true(told->moved && told->records > records + 40 && told->first_us == first);
			assert_in_range(told->first_us, 105 * WINDOW, 105 * WINDOW + MINUTE);
			records = told->records;
			assert_true(s.fresh == (t == 105));
		}
		signal_done(&s);
	}
	judge_close(j);
	reference_close(r);
}

static void test_a_field_of_few_is_told_without_alarm(void **state)
{
	struct reference *r = reference_make();
	struct judge *j = judge_open(r, &JUDGE_OPTIONS);
	int64_t t = 100;
	struct signal s = say(j, t, 0, .003);
	const struct schema_remark *told = remark_of(&s, SCHEMA_NEW_FIELD);

	(void)state;
	while (!told && t < 120) { /* one record in three hundred: not in every window */
		signal_done(&s);
		s = say(j, ++t, 0, .003);
		told = remark_of(&s, SCHEMA_NEW_FIELD);
	}
	assert_non_null(told);
	assert_string_equal(told->field, "zip");
	assert_true(!told->moved && !s.alarm);
	signal_done(&s);
	s = say(j, ++t, 0, 1);
	assert_true(s.fresh && remark_of(&s, SCHEMA_NEW_FIELD)->moved && s.findings[0].kind == MEASURE_FIELDS);
	assert_non_null(strstr(s.findings[0].change, ": zip 100 %"));
	assert_true(remark_of(&s, SCHEMA_NEW_FIELD)->first_us < t * WINDOW);
	signal_done(&s);
	judge_close(j);
	reference_close(r);
}

static void test_restarts_change_nothing(void **state)
{
	struct reference *r = reference_make();
	struct judge *one = judge_open(r, &JUDGE_OPTIONS), *two = judge_open(r, &JUDGE_OPTIONS);

	(void)state;
	for (int64_t t = 100; t < 160; t++) {
		double fresh = t > 110 && t < 130 ? .2 : 0, grown = t > 120 && t < 150 ? .01 : 0;
		struct signal a = say(one, t, fresh, grown), b = say(two, t, fresh, grown);
		struct buf state_of = BUF_EMPTY;
		struct error e;

		assert_int_equal(a.schema.n, b.schema.n);
		for (size_t i = 0; i < a.schema.n; i++) {
			assert_string_equal(a.schema.at[i].detail, b.schema.at[i].detail);
			assert_int_equal(a.schema.at[i].first_us, b.schema.at[i].first_us);
			assert_int_equal(a.schema.at[i].records, b.schema.at[i].records);
		}
		signal_done(&a);
		signal_done(&b);
		judge_pack(two, &state_of);
		judge_close(two);
		two = judge_open(r, &JUDGE_OPTIONS);
		assert_int_equal(judge_unpack(two, state_of.at, state_of.n, &e), 0);
		buf_done(&state_of);
	}
	judge_close(one);
	judge_close(two);
	reference_close(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_told_once_moved_and_counted_since),
		cmocka_unit_test(test_a_field_of_few_is_told_without_alarm),
		cmocka_unit_test(test_restarts_change_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
