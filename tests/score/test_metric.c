/* SPDX-License-Identifier: Apache-2.0
 * Output metrics as measures: which kinds are learned, how they are named, and that a threshold given
 * at fit time is counted exactly. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "model/metric.h"
#include "model/window.h"
#include "score/count.h"
#include "score/fit.h"
#include "score/scorer.h"

#include "made.h"

#define ROWS 3000

static struct column *metric(struct batch *b, const char *name)
{
	size_t at = batch_column(b, &b->metrics, name, strlen(name), 0, 100);

	return &b->metrics.at[at];
}

static void put(struct batch *b, const char *name, enum cell kind, double x)
{
	struct column *c = metric(b, name);

	c->kind[b->n] = (uint8_t)kind;
	c->number[b->n] = x;
}

static double toxicity(uint64_t row)
{
	return pow(made_unit(row, 7), 6);
}

/* Odd rows hold what they should not. */
static struct batch *rows_make(uint64_t from, uint64_t to, bool odd)
{
	struct batch *b = made_open(0, 0);

	for (uint64_t row = from; row < to; row++) {
		batch_row_begin(b);
		b->time_us[b->n] = (int64_t)row * 1000000;
		b->hash[b->n] = row;
		made_number(b, "length", made_unit(row, 8));
		if (odd && row % 4 == 0)
			batch_text_put(b, metric(b, "toxicity"), b->n, made_text("none"));
		else if (row % 10 == 0)
			batch_text_put(b, metric(b, "toxicity"), b->n, made_text("0.25"));
		else if (row % 10 != 1)
			put(b, "toxicity", CELL_NUMBER, toxicity(row));
		put(b, "length", CELL_NUMBER, floor(100 * made_unit(row, 9)));
		put(b, "refusal", odd ? CELL_NUMBER : CELL_BOOL, made_unit(row, 10) < .1);
		batch_text_put(b, metric(b, "judge"), b->n, made_text("fine"));
		b->n++;
	}
	return b;
}

static struct reference *fitted(struct plugins *plugins, struct fit_notes *notes)
{
	struct limit limits[] = {{.metric = "toxicity", .of = LIMIT_ABOVE, .threshold = .5},
		{.metric = "toxicity", .of = LIMIT_ABOVE, .threshold = 2},
		{.metric = "toxicity", .of = LIMIT_ABOVE, .threshold = -1},
		{.metric = "length", .of = LIMIT_BELOW, .threshold = 30}};
	const struct limits all = {limits, 4};
	struct fit_options o = {.model = "made", .window_us = 60000000, .limits = &all};
	struct fit *f = fit_open(&o, plugins);
	struct batch *b = rows_make(0, ROWS, false);
	struct reference *r = NULL;
	struct error e = {""};

	assert_int_equal(fit_add(f, PART_ANY, b, &e), 0);
	if (fit_finish(f, &r, notes, &e) < 0)
		fail_msg("%s", e.text);
	batch_close(b);
	fit_close(f);
	return r;
}

static struct window counted(const struct reference *r, struct plugins *plugins, struct batch *b)
{
	const struct scorer *s;
	struct scorer_space space;
	struct scored scored;
	struct window w;
	struct error e = {""};

	assert_int_equal(scorer_open(r, plugins, &s, &e), 0);
	scorer_space_init(&space);
	scored_init(&scored);
	window_init(&w, 0, r->window_us, r->width);
	scorer_run(s, &space, b, &scored);
	for (size_t i = 0; i < b->n; i++)
		scored_count(&scored, i, &w);
	scored_done(&scored);
	scorer_space_done(&space);
	scorer_close(s);
	return w;
}

static void kinds_and_names_are_learned(void **state)
{
	struct plugins *plugins = made_plugins();
	struct fit_notes notes;
	struct reference *r = fitted(plugins, &notes);
	const struct measure *toxicity = metric_find(r, "toxicity"), *refusal = metric_find(r, "refusal"),
			     *length = metric_find(r, "length");
	bool noted = false;

	(void)state;
	assert_non_null(toxicity);
	assert_true(toxicity->sums != MEASURE_NO_BIN && !metric_is_bool(toxicity));
	assert_true(metric_is_bool(refusal) && refusal->n == 4);
	assert_string_equal(length->name, "metrics.length"); /* a feature has the name */
	assert_string_equal(metric_name(r, length), "length");
	assert_null(metric_find(r, "judge"));
	for (size_t i = 0; i < notes.n_lines; i++)
		noted |= strstr(notes.lines[i], "metric judge is left out") != NULL;
	assert_true(noted);
	fit_notes_done(&notes);
	reference_close(r);
	plugins_close(plugins);
}

static void thresholds_are_counted_exactly(void **state)
{
	struct plugins *plugins = made_plugins();
	struct fit_notes notes;
	struct reference *r = fitted(plugins, &notes);
	const struct measure *m = metric_find(r, "toxicity"), *l = metric_find(r, "length");
	struct batch *b = rows_make(5000, 6000, true);
	struct window w = counted(r, plugins, b);
	int64_t n, k, above = 0, some = 0, mistyped = 0, missing = 0, thirty = 0;

	(void)state;
	for (uint64_t row = 5000; row < 6000; row++) {
		bool text = row % 4 == 0, absent = !text && row % 10 == 1;
		double x = row % 10 == 0 ? .25 : toxicity(row);

		mistyped += text;
		missing += absent;
		some += !text && !absent;
		above += !text && !absent && x > .5;
		thirty += floor(100 * made_unit(row, 9)) < 30;
	}
	assert_true(metric_above(m, w.v, .5, &n, &k));
	assert_int_equal(n, some);
	assert_int_equal(k, above);
	assert_int_equal(w.v[m->sums + 1], some);
	assert_int_equal(w.v[m->first + m->mistyped], mistyped);
	assert_int_equal(w.v[m->first + m->missing], missing);
	assert_true(metric_above(m, w.v, 2, &n, &k)); /* beyond all that was seen */
	assert_int_equal(k, 0);
	assert_true(metric_above(m, w.v, -1, &n, &k));
	assert_int_equal(k, some);
	assert_false(metric_above(m, w.v, .4999, &n, &k));
	assert_true(metric_above(l, w.v, metric_before(30), &n, &k)); /* "below 30" is what is not above that */
	assert_int_equal(n - k, thirty);
	window_done(&w);
	batch_close(b);
	fit_notes_done(&notes);
	reference_close(r);
	plugins_close(plugins);
}

/* The last number a bin can hold, on either side of it; against a count of the values themselves. */
static void an_edge_may_stand_anywhere(void **state)
{
	const double at[] = {0, .1, .2, .5, .9, 1, -3, 3};

	(void)state;
	for (size_t i = 0; i < sizeof at / sizeof *at; i++) {
		double edges[] = {.2, .5};
		int64_t v[16] = {0}, n, k, above = 0;
		struct measure m = {.kind = MEASURE_METRIC, .n = 5, .n_edges = 2, .least = 0, .most = 1,
			.below = 3, .above = 4, .other = MEASURE_NO_BIN, .missing = MEASURE_NO_BIN,
			.mistyped = MEASURE_NO_BIN, .sums = MEASURE_NO_BIN};

		m.edges = mem_copy(edges, sizeof edges);
		assert_true(metric_edge_add(&m, at[i]));
		for (int x = -40; x <= 40; x++) {
			v[measure_bin(&m, x / 10.)]++;
			above += x / 10. > at[i];
		}
		assert_true(metric_above(&m, v, at[i], &n, &k));
		assert_int_equal(n, 81);
		assert_int_equal(k, above);
		free(m.edges);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kinds_and_names_are_learned),
		cmocka_unit_test(thresholds_are_counted_exactly),
		cmocka_unit_test(an_edge_may_stand_anywhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
