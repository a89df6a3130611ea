/* SPDX-License-Identifier: Apache-2.0
 * Slices beside the whole: what moves everywhere is one alarm, however late a rare slice shows it; what moves in one slice alone is
 * told of that slice; and what a slice does on its own while the whole's shift is known speaks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "judge/judge.h"
#include "tests/judge/made.h"

#define HOUR INT64_C(3600000000)
#define K 4      /* three classes, and another */
#define SLICES 3 /* of 100 records 60, 30 and 10 */
#define WIDTH (K + SLICES * K)

static const int64_t records[SLICES] = {60, 30, 10};
static const double normal[K] = {.6, .3, .1, 0}, moved[K] = {.3, .3, .4, 0}, gone[K] = {.02, .02, .96, 0};

static void fill(struct window *w, int64_t t, const double *const *truth)
{
	window_init(w, t * HOUR, (t + 1) * HOUR, WIDTH);
	w->n = 100;
	for (size_t s = 0; s < SLICES; s++)
		for (int64_t i = 0; i < records[s]; i++) {
			size_t class = made_pick(truth[s], K);
			w->v[class]++;
			w->v[K + s * K + class]++;
		}
}

static struct reference *made(long seed)
{
	static const char *const words[K - 1] = {"pay", "ask", "book"}, *const names[] = {"class", "class[t=a]", "class[t=b]", "class[t=c]"};
	static const double *const truth[SLICES] = {normal, normal, normal};
	struct reference *r = reference_new();

	srand48(seed);
	r->model = mem_copy_text("m");
	r->version = mem_copy_text("1");
	snprintf(r->hash, sizeof r->hash, "%064ld", seed);
	r->window_us = HOUR;
	r->width = WIDTH;
	r->n_measures = 1 + SLICES;
	r->measures = mem_zero(r->n_measures, sizeof *r->measures);
	for (size_t i = 0; i < r->n_measures; i++) {
		r->measures[i] = made_class(i * K, words, K - 1);
		r->measures[i].slice = i;
		free(r->measures[i].name);
		r->measures[i].name = mem_copy_text(names[i]);
	}
	r->n_windows = r->n_others = 100;
	r->windows = mem_zero(100, sizeof *r->windows);
	r->others = mem_zero(100, sizeof *r->others);
	for (int64_t i = 0; i < 200; i++) {
		struct window w;
		fill(&w, i - 1000, truth);
		(i < 100 ? r->windows : r->others)[i % 100] = (struct reference_window){.start_us = w.start_us, .n = w.n, .width = WIDTH, .v = w.v};
	}
	judge_learn(r, &JUDGE_OPTIONS);
	return r;
}

static const struct finding *find(const struct signal *s, const char *name)
{
	for (size_t i = 0; i < s->n_findings; i++)
		if (strcmp(s->findings[i].name, name) == 0)
			return &s->findings[i];
	return NULL;
}

/* Alarms from window `from` to `to`; what the first of them says of the rarest slice. */
static int run(struct judge *j, int64_t from, int64_t to, const double *const *truth, bool *ret_told)
{
	int fresh = 0;

	for (int64_t t = from; t < to; t++) {
		struct window w;
		struct signal s;
		fill(&w, t, truth);
		judge_window(j, &w, &s);
		if (s.fresh && fresh++ == 0)
			*ret_told = find(&s, "class[t=c]") != NULL;
		signal_done(&s);
		window_done(&w);
	}
	return fresh;
}

static void test_everywhere_is_one_cause(void **state)
{
	static const double *const calm[SLICES] = {normal, normal, normal}, *const all[SLICES] = {moved, moved, moved},
				   *const further[SLICES] = {moved, moved, gone};

	(void)state;
	for (long seed = 1; seed <= 5; seed++) {
		struct reference *r = made(seed);
		struct judge *j = judge_open(r, &JUDGE_OPTIONS);
		bool told = true;
		assert_int_equal(run(j, 0, 40, calm, &told), 0);
		assert_int_equal(run(j, 40, 240, all, &told), 1);
		assert_false(told);
		assert_int_equal(run(j, 240, 280, further, &told), 1);
		assert_true(told);
		judge_close(j);
		reference_close(r);
	}
}

static void test_one_slice_is_told(void **state)
{
	static const double *const one[SLICES] = {normal, normal, gone};

	(void)state;
	for (long seed = 11; seed <= 15; seed++) {
		struct reference *r = made(seed);
		struct judge *j = judge_open(r, &JUDGE_OPTIONS);
		bool told = false;
		assert_int_equal(run(j, 0, 100, one, &told), 1); /* the whole's own small part of it is no further cause */
		assert_true(told);
		judge_close(j);
		reference_close(r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_everywhere_is_one_cause),
		cmocka_unit_test(test_one_slice_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
