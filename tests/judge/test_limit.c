/* SPDX-License-Identifier: Apache-2.0
 * Limits of output metrics: silent at the very limit as long as the budget says, loud beyond it, back when it is over, and the
 * same after a restart. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "judge/limit.h"
#include "model/metric.h"
#include "model/pack.h"

#define BUDGET 1000

static uint64_t drawn;

static double unit(void)
{
	drawn++;
	return hash_unit(hash_bytes(&drawn, sizeof drawn, 5));
}

/* One metric of numbers in [0, inf): mean 1, sd 1, with an edge at 3 (the share beyond is e^-3 = 4.98 %); and one of truths. */
static struct reference *made(double kappa)
{
	struct reference *r = reference_new();
	double edges[] = {.2, .5, 1, 2, 3};
	int64_t base[10] = {1813, 2121, 2387, 2325, 856, 498};
	char *words[] = {"false", "true"};

	r->measures = mem_zero(2, sizeof *r->measures);
	r->n_measures = 2;
	r->measures[0] = (struct measure){.name = mem_copy_text("score"), .kind = MEASURE_METRIC, .first = 0, .n = 10, .n_edges = 5,
		.edges = mem_copy(edges, sizeof edges), .below = 6, .above = 7, .missing = 8, .mistyped = 9, .other = MEASURE_NO_BIN,
		.least = 0, .most = 12, .sums = 10, .centre = 1, .scale = 1, .kappa = kappa, .memory = 1, .n_windows = 50,
		.base = mem_copy(base, sizeof base)};
	r->measures[1] = (struct measure){.name = mem_copy_text("refusal"), .kind = MEASURE_METRIC, .first = 12, .n = 4, .n_words = 2,
		.words = mem_zero(2, sizeof(char *)), .below = MEASURE_NO_BIN, .above = MEASURE_NO_BIN, .missing = 2, .mistyped = 3,
		.other = MEASURE_NO_BIN, .sums = MEASURE_NO_BIN, .kappa = kappa, .memory = 1, .n_windows = 50};
	for (size_t i = 0; i < 2; i++)
		r->measures[1].words[i] = mem_copy_text(words[i]);
	r->width = 16;
	return r;
}

static void record(const struct reference *r, struct window *w, double x, bool truth)
{
	const struct measure *m = &r->measures[0];

	w->n++;
	w->v[m->first + measure_bin(m, x)]++;
	w->v[m->sums] += (int64_t)rint((x - m->centre) / m->scale * 1048576);
	w->v[m->sums + 1]++;
	w->v[r->measures[1].first + (truth ? METRIC_TRUE : METRIC_FALSE)]++;
}

/* n records, each `copies` times, exponential with this mean. */
static struct window filled(const struct reference *r, size_t n, size_t copies, double mean, double truths)
{
	struct window w;

	window_init(&w, 0, 300000000, r->width);
	for (size_t i = 0; i < n; i++) {
		double x = -mean * log(unit());
		bool truth = unit() < truths;

		for (size_t c = 0; c < copies; c++)
			record(r, &w, x, truth);
	}
	return w;
}

/* Windows until a breach of any limit, at most `most`; `most` where there is none. */
static size_t run(struct limit_tracks *t, const struct reference *r, size_t most, size_t n, size_t copies, double mean, double truths)
{
	size_t i = 0;
	bool breached = false;

	for (; i < most && !breached; i++) {
		struct window w = filled(r, n, copies, mean, truths);
		struct limit_signal s;

		limit_tracks_window(t, &w, true, &s);
		breached = s.breached;
		limit_signal_done(&s);
		window_done(&w);
	}
	return breached ? i : most;
}

static struct limit at_the_limit[] = {
	{.metric = "score", .of = LIMIT_ABOVE, .threshold = 3, .limit = .0498},
	{.metric = "score", .of = LIMIT_MEAN, .limit = 1},
	{.metric = "score", .of = LIMIT_MEAN, .limit = 1, .at_least = true},
	{.metric = "refusal", .of = LIMIT_TRUE, .limit = .1},
	{.metric = "refusal", .of = LIMIT_TRUE, .limit = .1, .at_least = true},
};

/* Truth exactly at every limit: breaches in all of 40,000 windows at most as often as the budget allows (one run in a
 * thousand windows); also in small windows, and with records in bursts when windows were seen to be so. */
static void at_the_limit_the_budget_holds(void **state)
{
	const struct {
		size_t n, copies;
		double kappa;
	} trials[] = {{200, 1, 1e6}, {12, 1, 1e6}, {40, 5, 11}};
	struct limits limits = {at_the_limit, 5};

	(void)state;
	for (size_t k = 0; k < 3; k++) {
		struct reference *r = made(trials[k].kappa);
		size_t breaches = 0;

		r->measures[0].memory = r->measures[1].memory = 1;
		for (size_t rep = 0; rep < 14; rep++) {
			struct limit_tracks t;

			limit_tracks_open(&t, r, &limits, log(BUDGET));
			for (size_t i = 0; i < t.n; i++) /* as a reference of such bursts would have shown */
				t.at[i].between = trials[k].copies > 1 ? 4. / 200 : 0;
			breaches += run(&t, r, BUDGET, trials[k].n, trials[k].copies, 1, .1) < BUDGET;
			limit_tracks_done(&t);
		}
		print_message("%zu records x %zu: %zu breaches in 14 budgets\n", trials[k].n, trials[k].copies, breaches);
		assert_true(breaches <= 14);
		reference_close(r);
	}
}

static void beyond_the_limit_it_speaks_soon(void **state)
{
	const struct {
		struct limit limit;
		double mean, truths;
		size_t soon; /* windows of 200 records */
	} trials[] = {
		{{.metric = "score", .of = LIMIT_ABOVE, .threshold = 3, .limit = .02}, 1, .1, 7},  /* 5 % where 2 % are allowed */
		{{.metric = "score", .of = LIMIT_BELOW, .threshold = .2, .limit = .1}, 1, .1, 4},  /* 18 % where 10 % are */
		{{.metric = "score", .of = LIMIT_MEAN, .limit = .8}, 1, .1, 8},
		{{.metric = "score", .of = LIMIT_MEAN, .limit = 1.3, .at_least = true}, 1, .1, 4},
		{{.metric = "refusal", .of = LIMIT_TRUE, .limit = .05}, 1, .1, 8},
		{{.metric = "refusal", .of = LIMIT_TRUE, .limit = .8, .at_least = true}, 1, .7, 6},
		{{.metric = "refusal", .of = LIMIT_TRUE, .limit = 0}, 1, .02, 3},
	};

	(void)state;
	for (size_t k = 0; k < sizeof trials / sizeof *trials; k++) {
		struct reference *r = made(1000);
		struct limit l = trials[k].limit;
		struct limits limits = {&l, 1};
		struct limit_tracks t;
		double edge;
		size_t windows;

		if (l.of == LIMIT_BELOW && limit_edge(&l, &edge)) {
			reference_close(r);
			r = made(1000);
			assert_true(metric_edge_add(&r->measures[0], edge));
			r->measures[1].first++;
			r->width++;
		}
		limit_tracks_open(&t, r, &limits, log(8640));
		windows = run(&t, r, 50, 200, 1, trials[k].mean, trials[k].truths);
		print_message("limit %zu: %zu windows\n", k, windows);
		assert_true(windows <= trials[k].soon);
		limit_tracks_done(&t);
		reference_close(r);
	}
}

/* Two bad ones of ten where 2 % are allowed: no page by chance. */
static void a_small_window_does_not_speak(void **state)
{
	struct reference *r = made(1000);
	struct limit l = {.metric = "refusal", .of = LIMIT_TRUE, .limit = .02};
	struct limits limits = {&l, 1};
	struct limit_tracks t;
	struct limit_signal s;
	struct window w;

	(void)state;
	limit_tracks_open(&t, r, &limits, log(BUDGET));
	window_init(&w, 0, 300000000, r->width);
	for (size_t i = 0; i < 10; i++)
		record(r, &w, 1, i < 2);
	limit_tracks_window(&t, &w, true, &s);
	assert_false(s.breached);
	assert_true(fabs(s.at[0].value - .2) < 1e-12 && s.at[0].low < .03 && s.at[0].high > .5);
	limit_signal_done(&s);
	window_done(&w);
	limit_tracks_done(&t);
	reference_close(r);
}

/* 12 of 250, as scipy.stats.beta.ppf has it. */
static void the_interval_is_clopper_and_pearsons(void **state)
{
	struct reference *r = made(1e12);
	struct limit l = {.metric = "refusal", .of = LIMIT_TRUE, .limit = .02};
	struct limits limits = {&l, 1};
	struct limit_tracks t;
	struct limit_signal s;
	struct window w;

	(void)state;
	limit_tracks_open(&t, r, &limits, log(BUDGET));
	window_init(&w, 0, 300000000, r->width);
	for (size_t i = 0; i < 250; i++)
		record(r, &w, 1, i < 12);
	limit_tracks_window(&t, &w, true, &s);
	assert_true(fabs(s.at[0].low - 0.0250449969) < 1e-6);
	assert_true(fabs(s.at[0].high - 0.0823446291) < 1e-6);
	assert_non_null(strstr(s.at[0].words, "4.8 % of 250 records"));
	limit_signal_done(&s);
	window_done(&w);
	limit_tracks_done(&t);
	reference_close(r);
}

static void it_ends_and_a_restart_changes_nothing(void **state)
{
	struct reference *r = made(1000);
	struct limits limits = {at_the_limit, 5};
	struct limit_tracks t, again;
	struct buf blob = BUF_EMPTY, second = BUF_EMPTY;
	struct unpacked *u;
	size_t windows = 0;

	(void)state;
	limit_tracks_open(&t, r, &limits, log(8640));
	assert_true(run(&t, r, 20, 200, 1, 1.5, .1) < 20);
	limit_tracks_pack(&t, &blob);
	limit_tracks_open(&again, r, &limits, log(8640));
	u = unpack_open(blob.at, blob.n);
	limit_tracks_read(&again, unpack_root(u));
	unpack_close(u);
	limit_tracks_pack(&again, &second);
	assert_int_equal(blob.n, second.n);
	assert_memory_equal(blob.at, second.at, blob.n);
	for (bool breached = true; breached && windows < 50; windows++) {
		struct window w = filled(r, 200, 1, .7, .1);
		struct limit_signal s;

		limit_tracks_window(&again, &w, true, &s);
		breached = s.at[0].breached || s.at[1].breached;
		limit_signal_done(&s);
		window_done(&w);
	}
	assert_in_range(windows, 2, 12);
	limit_tracks_done(&t);
	limit_tracks_done(&again);
	buf_done(&blob);
	buf_done(&second);
	reference_close(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(at_the_limit_the_budget_holds),
		cmocka_unit_test(beyond_the_limit_it_speaks_soon),
		cmocka_unit_test(a_small_window_does_not_speak),
		cmocka_unit_test(the_interval_is_clopper_and_pearsons),
		cmocka_unit_test(it_ends_and_a_restart_changes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
