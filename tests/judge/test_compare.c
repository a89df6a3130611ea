/* SPDX-License-Identifier: Apache-2.0
 * Canary against stable: how often equal versions are told apart when one looks after every window, how soon unequal ones
 * are, and that what is kept comes back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "judge/compare.h"

enum { CLASSES = 6, EDGES = 9, ODD_AT = CLASSES + 2 + EDGES + 2, WIDTH = ODD_AT + 4, WINDOW = 300000000 };

static uint64_t dice_state;

static double dice(void)
{
	return hash_unit(hash_bytes(&dice_state, sizeof dice_state, dice_state++));
}

static struct measure measure_of(const char *name, enum measure_kind kind, size_t first)
{
	return (struct measure){.name = mem_copy_text(name), .kind = kind, .first = first, .below = MEASURE_NO_BIN,
		.above = MEASURE_NO_BIN, .other = MEASURE_NO_BIN, .missing = MEASURE_NO_BIN, .mistyped = MEASURE_NO_BIN,
		.sums = MEASURE_NO_BIN, .scale = 1, .kappa = 300};
}

/* Six classes, ten bins of confidence, p-values. */
static struct reference *reference_of(const char *version)
{
	struct reference *r = reference_new();
	struct measure *m;

	r->model = mem_copy_text("m");
	r->version = mem_copy_text(version);
	r->flag_rate = .01;
	r->window_us = WINDOW;
	r->width = WIDTH;
	r->measures = mem_zero(3, sizeof *r->measures);
	r->n_measures = 3;
	m = &r->measures[0];
	*m = measure_of("class", MEASURE_CLASS, 0);
	m->words = mem_zero(CLASSES, sizeof(char *));
	m->base = mem_zero(CLASSES + 2, sizeof(int64_t));
	for (size_t i = 0; i < CLASSES; i++) {
		m->words[i] = mem_format("class-%zu", i);
		m->base[i] = 200;
	}
	m->n_words = CLASSES;
	m->other = CLASSES;
	m->missing = CLASSES + 1;
	m->n = CLASSES + 2;
	m = &r->measures[1];
	*m = measure_of("confidence", MEASURE_CONFIDENCE, CLASSES + 2);
	m->edges = mem_zero(EDGES, sizeof(double));
	m->base = mem_zero(EDGES + 2, sizeof(int64_t));
	for (size_t i = 0; i <= EDGES; i++) {
		m->base[i] = 100;
		if (i < EDGES)
			m->edges[i] = (double)(i + 1) / 10;
	}
	m->n_edges = EDGES;
	m->n = EDGES + 2;
	m->missing = EDGES + 1;
	m = &r->measures[2];
	*m = measure_of("p-value", MEASURE_P_VALUE, ODD_AT);
	m->edges = mem_copy((double[]){.05, .5}, 2 * sizeof(double));
	m->n_edges = 2;
	m->n = 4;
	m->missing = 3;
	hash_sha256_hex(version, strlen(version), r->hash);
	return r;
}

/* What traffic of a version is like. */
struct traffic {
	size_t n;      /* records in a window */
	size_t burst;  /* each comes so often, and the window holds as many as before */
	double odd;    /* share that is odd, and unsure */
	double class0; /* share moved from class 1 to class 0 */
	double wander; /* windows differ by nature: sd of the log odds of `odd` */
};

static void window_make(const struct traffic *t, int64_t at, struct window *w)
{
	double odds = t->odd / (1 - t->odd), odd;

	window_init(w, at * WINDOW, (at + 1) * WINDOW, WIDTH);
	odds *= exp(t->wander * (dice() + dice() + dice() + dice() - 2) * 1.73);
	odd = odds / (1 + odds);
	for (size_t i = 0; i < t->n; i += t->burst) {
		bool odd_one = dice() < odd;
		size_t class = (size_t)(dice() * CLASSES), bin = (size_t)(dice() * (odd_one ? 3 : EDGES + 1));

		if (class == 1 && dice() < t->class0 * CLASSES)
			class = 0;
		w->n += (int64_t)t->burst;
		w->v[ODD_AT + (odd_one ? 0 : 1)] += (int64_t)t->burst;
		w->v[class] += (int64_t)t->burst;
		w->v[CLASSES + 2 + bin] += (int64_t)t->burst;
	}
}

struct outcome {
	int64_t promoted, rolled_back; /* pair of windows; 0: never */
	struct comparison last;
};

/* Looks after every window; stable's come first, or the canary's a window later. */
static struct outcome look(struct compare *c, const struct traffic *stable, const struct traffic *canary, int64_t windows)
{
	struct outcome o = {0};

	for (int64_t i = 0; i < windows; i++) {
		struct comparison now;
		struct window w;

		window_make(stable, i, &w);
		assert_false(compare_window(c, COMPARE_STABLE, &w, &now));
		window_done(&w);
		window_make(canary, i, &w);
		assert_true(compare_window(c, COMPARE_CANARY, &w, &now));
		window_done(&w);
		assert_int_equal(now.n_windows, i + 1);
		if (now.verdict == COMPARISON_PROMOTE && !o.promoted)
			o.promoted = i + 1;
		if (now.verdict == COMPARISON_ROLL_BACK && !o.rolled_back)
			o.rolled_back = i + 1;
		o.last = now;
	}
	return o;
}

struct rates {
	int rolled_back, promoted;
	double mean_promoted, mean_rolled_back; /* pairs of windows */
};

static struct rates many(const struct traffic *stable, const struct traffic *canary, int seeds, int64_t windows)
{
	struct reference *a = reference_of("1"), *b = reference_of("2");
	struct rates r = {0};

	for (int seed = 0; seed < seeds; seed++) {
		struct compare *c = compare_open(a, b, &COMPARE_OPTIONS);
		struct outcome o;

		dice_state = hash_bytes(&seed, sizeof seed, 7);
		o = look(c, stable, canary, windows);
		r.rolled_back += o.rolled_back > 0;
		r.promoted += o.promoted > 0;
		r.mean_promoted += (double)o.promoted;
		r.mean_rolled_back += (double)o.rolled_back;
		compare_close(c);
	}
	r.mean_promoted /= r.promoted ? r.promoted : 1;
	r.mean_rolled_back /= r.rolled_back ? r.rolled_back : 1;
	print_message("n=%zu/%zu burst=%zu odd=%.3f/%.3f class=%.2f wander=%.1f: rolled back %d (after %.1f), promoted %d (after %.1f) of %d\n",
		stable->n, canary->n, canary->burst, stable->odd, canary->odd, canary->class0, canary->wander, r.rolled_back,
		r.mean_rolled_back, r.promoted, r.mean_promoted, seeds);
	reference_close(a);
	reference_close(b);
	return r;
}

enum { SEEDS = 100, WINDOWS = 100 };
#define ALPHA_OF(seeds) ((seeds) * .01 + 3 * sqrt((seeds) * .01)) /* three standard errors above alpha */

static void equal_versions_are_not_told_apart(void **state)
{
	const struct traffic all[] = {{200, 1, .01, 0, 0}, {1000, 1, .05, 0, 0}, {200, 1, .01, 0, .5}};

	(void)state;
	for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
		struct traffic canary = all[i];
		struct rates r;

		canary.n /= 4;
		r = many(&all[i], &canary, SEEDS, WINDOWS);
		assert_true(r.rolled_back <= ALPHA_OF(SEEDS));
		assert_true(r.promoted >= .8 * SEEDS);
	}
}

static void bursts_are_no_difference(void **state)
{
	const size_t bursts[] = {5, 20};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		const struct traffic stable = {400, bursts[i], .02, 0, 0}, canary = {200, bursts[i], .02, 0, 0};

		assert_true(many(&stable, &canary, SEEDS, WINDOWS).rolled_back <= ALPHA_OF(SEEDS));
	}
}

/* At the edge of what is tolerated, in any one thing, it is hardly ever promoted. */
static void what_is_as_bad_as_tolerated_is_not_promoted(void **state)
{
	const struct traffic stable = {400, 1, .02, 0, 0}, odd = {200, 1, .041, 0, 0}, class = {200, 1, .02, .051, 0},
		bursts = {200, 5, .041, 0, 0};

	(void)state;
	assert_true(many(&stable, &odd, SEEDS, WINDOWS).promoted <= ALPHA_OF(SEEDS));
	assert_true(many(&stable, &class, SEEDS, WINDOWS).promoted <= ALPHA_OF(SEEDS));
	assert_true(many(&stable, &bursts, SEEDS, WINDOWS).promoted <= ALPHA_OF(SEEDS));
}

static void a_worse_canary_is_rolled_back(void **state)
{
	const struct traffic stable = {400, 1, .01, 0, 0}, canary = {100, 1, .09, 0, 0}, bursts = {100, 5, .09, 0, 0};
	struct rates r = many(&stable, &canary, 50, 40);

	(void)state;
	assert_int_equal(r.rolled_back, 50);
	assert_true(r.mean_rolled_back < 12);
	assert_int_equal(r.promoted, 0);
	r = many(&stable, &bursts, 50, 120);
	assert_true(r.rolled_back >= 45);
}

static void other_classes_are_held_and_named(void **state)
{
	struct reference *a = reference_of("1"), *b = reference_of("2");
	struct compare *c = compare_open(a, b, &COMPARE_OPTIONS);
	const struct traffic stable = {400, 1, .01, 0, 0}, canary = {200, 1, .01, .12, 0};
	struct outcome o;

	(void)state;
	dice_state = 5;
	o = look(c, &stable, &canary, 60);
	assert_int_equal(o.promoted + o.rolled_back, 0);
	assert_non_null(strstr(o.last.reason, "class class-"));
	assert_non_null(strstr(o.last.reason, "different"));
	for (size_t i = 0; i < o.last.n_rows; i++)
		if (!strcmp(o.last.rows[i].name, "class")) {
			assert_true(o.last.rows[i].differs);
			assert_false(o.last.rows[i].worse);
			assert_true(o.last.rows[i].low > .05 || o.last.rows[i].high < -.05);
		}
	compare_close(c);
	reference_close(a);
	reference_close(b);
}

/* The interval around the difference holds it at every look at once. */
static void intervals_hold_at_all_times(void **state)
{
	struct reference *a = reference_of("1"), *b = reference_of("2");
	const struct traffic stable = {300, 1, .03, 0, 0}, canary = {150, 1, .05, 0, 0};
	int missed = 0;

	(void)state;
	for (int seed = 0; seed < SEEDS; seed++) {
		struct compare *c = compare_open(a, b, &COMPARE_OPTIONS);
		bool out = false;

		dice_state = hash_bytes(&seed, sizeof seed, 11);
		for (int64_t i = 0; i < 60; i++) {
			struct comparison now;
			struct window w;

			window_make(&canary, i, &w);
			compare_window(c, COMPARE_CANARY, &w, &now);
			window_done(&w);
			window_make(&stable, i, &w);
			assert_true(compare_window(c, COMPARE_STABLE, &w, &now));
			window_done(&w);
			assert_string_equal(now.rows[2].name, "odd");
			out |= now.rows[2].low > .02 || now.rows[2].high < .02;
		}
		missed += out;
		compare_close(c);
	}
	print_message("true difference outside at some look: %d of %d\n", missed, SEEDS);
	assert_true(missed <= SEEDS * .05 + 3 * sqrt(SEEDS * .05));
	reference_close(a);
	reference_close(b);
}

/* A metric in ten bins, and ATC's sums behind it. */
static void estimate_add(struct reference *r)
{
	struct measure *m;

	r->measures = mem_grow(r->measures, 4, sizeof *r->measures);
	m = &r->measures[r->n_measures++];
	*m = measure_of("length", MEASURE_METRIC, WIDTH);
	m->edges = mem_zero(EDGES, sizeof(double));
	for (size_t i = 0; i < EDGES; i++)
		m->edges[i] = (double)i;
	m->n_edges = EDGES;
	m->below = EDGES + 1;
	m->above = EDGES + 2;
	m->n = EDGES + 3;
	r->performance = (struct performance){.width = PERFORMANCE_WIDTH, .first = WIDTH + EDGES + 3, .basis = PERFORMANCE_LABELS,
		.accuracy = .9, .atc = .9};
	r->width = WIDTH + EDGES + 3 + PERFORMANCE_WIDTH;
}

/* 5 % likely wrong beside 25 %, and metrics that move by a bin. */
static void estimates_and_metrics_are_compared_too(void **state)
{
	struct reference *a = reference_of("1"), *b = reference_of("2");
	struct compare *c;
	struct comparison now;

	(void)state;
	estimate_add(a);
	estimate_add(b);
	c = compare_open(a, b, &COMPARE_OPTIONS);
	dice_state = 3;
	for (int64_t i = 0; i < 30; i++)
		for (int g = 0; g < 2; g++) {
			struct window w;

			window_init(&w, i * WINDOW, (i + 1) * WINDOW, a->width);
			for (w.n = 0; w.n < 200; w.n++) {
				w.v[WIDTH + (size_t)(dice() * 5) + (g ? 2 : 0)]++;
				w.v[a->performance.first] += dice() < (g ? .25 : .05) ? 0 : (int64_t)PERFORMANCE_ONE;
				w.v[a->performance.first + 1]++;
			}
			compare_window(c, g ? COMPARE_CANARY : COMPARE_STABLE, &w, &now);
			window_done(&w);
		}
	assert_int_equal(now.n_windows, 30);
	assert_int_equal(now.verdict, COMPARISON_ROLL_BACK);
	for (size_t i = 0; i < now.n_rows; i++) {
		const struct comparison_row *r = &now.rows[i];

		if (!strcmp(r->name, "estimated accuracy")) {
			assert_int_equal(r->side, SIDE_MORE_IS_WORSE);
			assert_string_equal(r->what, "likely wrong");
			assert_true(fabs(r->stable - .05) < .01 && fabs(r->canary - .25) < .02 && r->worse);
			assert_true(r->low < .2 && r->high > .2 && r->low > .1);
		} else if (!strcmp(r->name, "length")) {
			assert_int_equal(r->side, SIDE_DIFFERENCE);
			assert_true(r->differs && r->worse); /* two fifths of it: gross */
		} else {
			assert_false(r->worse || r->differs || r->not_worse); /* nothing was counted */
		}
	}
	assert_int_equal(now.n_rows, 5);
	compare_close(c);
	reference_close(a);
	reference_close(b);
}

static void what_is_kept_comes_back(void **state)
{
	struct reference *a = reference_of("1"), *b = reference_of("2"), *other = reference_of("3");
	struct compare *c = compare_open(a, b, &COMPARE_OPTIONS), *back = compare_open(a, b, &COMPARE_OPTIONS),
		       *wrong = compare_open(a, other, &COMPARE_OPTIONS);
	const struct traffic stable = {300, 1, .03, 0, 0}, canary = {150, 1, .08, 0, 0};
	struct buf kept = BUF_EMPTY, then = BUF_EMPTY;
	struct comparison now, same;
	struct window w;
	struct error e;

	(void)state;
	dice_state = 1;
	look(c, &stable, &canary, 9);
	for (int64_t i = 9; i < 12; i++) { /* three wait */
		window_make(&stable, i, &w);
		assert_false(compare_window(c, COMPARE_STABLE, &w, &now));
		window_done(&w);
	}
	compare_pack(c, &kept);
	assert_int_equal(compare_unpack(back, kept.at, kept.n, &e), 0);
	compare_pack(back, &then);
	assert_int_equal(kept.n, then.n);
	assert_memory_equal(kept.at, then.at, kept.n);
	window_make(&canary, 10, &w); /* 9 had none: given up */
	assert_true(compare_window(c, COMPARE_CANARY, &w, &now));
	assert_true(compare_window(back, COMPARE_CANARY, &w, &same));
	window_done(&w);
	assert_int_equal(now.n_windows, 10);
	assert_true(now.rows[0].log_worse == same.rows[0].log_worse && now.rows[1].log_not_worse == same.rows[1].log_not_worse);
	assert_string_equal(now.reason, same.reason);
	assert_int_equal(compare_unpack(wrong, kept.at, kept.n, &e), -EINVAL);
	for (size_t n = 0; n < kept.n; n += 7)
		assert_int_equal(compare_unpack(wrong, kept.at, n, &e), -EINVAL);
	assert_true(compare_is_of(c, a, b));
	assert_false(compare_is_of(c, a, other));
	buf_done(&kept);
	buf_done(&then);
	compare_close(c);
	compare_close(back);
	compare_close(wrong);
	reference_close(a);
	reference_close(b);
	reference_close(other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(equal_versions_are_not_told_apart),
		cmocka_unit_test(bursts_are_no_difference),
		cmocka_unit_test(what_is_as_bad_as_tolerated_is_not_promoted),
		cmocka_unit_test(a_worse_canary_is_rolled_back),
		cmocka_unit_test(other_classes_are_held_and_named),
		cmocka_unit_test(intervals_hold_at_all_times),
		cmocka_unit_test(estimates_and_metrics_are_compared_too),
		cmocka_unit_test(what_is_kept_comes_back),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
