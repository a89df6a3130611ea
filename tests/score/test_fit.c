/* SPDX-License-Identifier: Apache-2.0
 * The making of a reference: how records are dealt, what is learned from them, which detectors
 * count, and what is said when something cannot be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>


#include "score/fit.h"
#include "score/fit_work.h"
#include "score/scorer.h"

#include "made.h"

#define MINUTE_US INT64_C(60000000)

static struct plugins *plugins;

static int open_plugins(void **state)
{
	(void)state;
	plugins = made_plugins();
	return 0;
}

static int close_plugins(void **state)
{
	(void)state;
	plugins_close(plugins);
	return 0;
}

/* Detectors by name: "upright embedded". Fits rows [0, n) of stream `seed`. */
struct trial {
	struct reference *r;
	struct fit_notes notes;
	struct error e;
	int code;
};

static struct fit_detector *detectors_of(const char *names, size_t *n)
{
	static char copy[200];
	static struct fit_detector detectors[8];

	snprintf(copy, sizeof copy, "%s", names);
	*n = 0;
	for (char *name = strtok(copy, " "); name; name = strtok(NULL, " "))
		detectors[(*n)++] = (struct fit_detector){name, NULL, 0};
	return detectors;
}

static struct trial trial_of(struct batch *b, const char *names)
{
	struct trial t = {.code = 0};
	struct fit_options o = {.model = "made", .window_us = MINUTE_US, .made_by = "test"};
	struct fit *f;

	if (names)
		o.detectors = detectors_of(names, &o.n_detectors);
	f = fit_open(&o, plugins);
	t.code = fit_add(f, PART_ANY, b, &t.e);
	if (t.code == 0)
		t.code = fit_finish(f, &t.r, &t.notes, &t.e);
	fit_close(f);
	batch_close(b);
	return t;
}

static void trial_done(struct trial *t)
{
	reference_close(t->r);
	fit_notes_done(&t->notes);
}

static bool noted(const struct trial *t, const char *words)
{
	for (size_t i = 0; i < t->notes.n_lines; i++)
		if (strstr(t->notes.lines[i], words))
			return true;
	return false;
}

static const struct measure *measure_of(const struct reference *r, const char *name)
{
	for (size_t i = 0; i < r->n_measures; i++)
		if (strcmp(r->measures[i].name, name) == 0)
			return &r->measures[i];
	return NULL;
}

static int64_t base_sum(const struct measure *m)
{
	int64_t sum = 0;

	for (size_t i = 0; i < m->n; i++)
		sum += m->base[i];
	return sum;
}

/* The deal. */

static struct fit *dealt(uint64_t n, const double share[4], int64_t step_us)
{
	struct fit_options o = {.model = "made", .window_us = MINUTE_US};
	static struct fit_notes notes;
	struct error e = {""};
	struct batch *b = made_open(0, 0);
	struct fit *f;

	fit_notes_done(&notes);
	if (share)
		memcpy(o.share, share, sizeof o.share);
	for (uint64_t row = 0; row < n; row++) {
		batch_row_begin(b);
		b->time_us[b->n++] = (int64_t)row * step_us;
	}
	f = fit_open(&o, plugins);
	f->notes = &notes;
	f->r = reference_new();
	assert_int_equal(fit_add(f, PART_ANY, b, &e), 0);
	fit_rows_sort(f);
	fit_split(f);
	batch_close(b);
	return f;
}

static void dealt_done(struct fit *f)
{
	fit_notes_done(f->notes);
	reference_close(f->r);
	f->r = NULL;
	fit_close(f);
}

static void parts_get_their_shares(void **state)
{
	static const double shares[][4] = {
		{0.4, 0.2, 0.2, 0.2}, {0.1, 0.1, 0.1, 0.7}, {0.25, 0.25, 0.25, 0.25}};

	(void)state;
	for (size_t k = 0; k < 3; k++)
		for (int64_t step = 1000000; step <= 3000000; step += 1000000) {
			struct fit *f = dealt(12000, shares[k], step);
			int64_t got[4] = {f->r->n_fit, f->r->n_cal_a, f->r->n_cal_b, f->r->n_null};

			for (size_t i = 0; i < 4; i++)
				assert_true(fabs((double)got[i] / 12000.0 - shares[k][i]) < 0.03);
			dealt_done(f);
		}
}

static void a_window_is_in_one_part(void **state)
{
	struct fit *f = dealt(12000, NULL, 1000000);

	(void)state;
	for (size_t i = 1; i < f->n_rows; i++)
		if (f->rows[i].time_us / MINUTE_US == f->rows[i - 1].time_us / MINUTE_US)
			assert_int_equal(f->rows[i].part, f->rows[i - 1].part);
	dealt_done(f);
}

/* Whatever the period of a season, each part holds some of each of its phases; and of each quarter
 * of the log. */
static void every_part_sees_every_season_and_the_trend(void **state)
{
	struct fit *f = dealt(60 * 400, NULL, 1000000); /* 400 windows */

	(void)state;
	for (int64_t period = 2; period <= 12; period++) {
		size_t seen[PARTS][12] = {0};

		for (size_t i = 0; i < f->n_rows; i++)
			seen[f->rows[i].part][f->rows[i].time_us / MINUTE_US % period]++;
		for (size_t part = 0; part < PARTS; part++)
			for (int64_t phase = 0; phase < period; phase++)
				assert_true(seen[part][phase] > 0);
	}
	for (size_t quarter = 0; quarter < 4; quarter++) {
		size_t n[PARTS] = {0};

		for (size_t i = 6000 * quarter; i < 6000 * (quarter + 1); i++)
			n[f->rows[i].part]++;
		for (size_t part = 0; part < PARTS; part++)
			assert_in_range(
				n[part], part == IN_FIT ? 1500 : 600, part == IN_FIT ? 3300 : 1900);
	}
	dealt_done(f);
}

static void a_short_log_is_cut_by_number_and_says_so(void **state)
{
	struct fit *f = dealt(1000, NULL, 100000); /* less than two windows */

	(void)state;
	assert_in_range(f->r->n_cal_a, 150, 250);
	assert_in_range(f->r->n_null, 150, 250);
	assert_int_equal(f->notes->n_lines, 1);
	assert_non_null(strstr(f->notes->lines[0], "spans 2 windows"));
	dealt_done(f);
}

static void logs_to_fit_and_to_calibrate_stay_apart(void **state)
{
	struct fit_options o = {.model = "made", .window_us = MINUTE_US};
	struct fit_notes notes;
	struct reference *r = NULL;
	struct error e = {""};
	struct fit *f = fit_open(&o, plugins);
	struct batch *a = made_batch(0, 3000, 1, MADE_ALL),
		     *b = made_batch(3000, 7500, 1, MADE_ALL);

	(void)state;
	assert_int_equal(fit_add(f, PART_CALIBRATE, b, &e), 0);
	assert_int_equal(fit_add(f, PART_FIT, a, &e), 0);
	assert_int_equal(fit_finish(f, &r, &notes, &e), 0);
	assert_int_equal(r->n_fit, 3000);
	assert_int_equal(r->n_cal_a + r->n_cal_b + r->n_null, 4500);
	assert_in_range(r->n_null, 1600, 2000);
	for (size_t i = 0; i < r->n_windows; i++)
		assert_true(r->windows[i].start_us >= 3000000000);
	reference_close(r);
	fit_notes_done(&notes);
	fit_close(f);
	batch_close(a);
	batch_close(b);
}

/* What is learned. */

static void a_fit_is_a_function_of_its_records(void **state)
{
	struct buf bytes[2] = {BUF_EMPTY, BUF_EMPTY};

	(void)state;
	for (int turn = 0; turn < 2; turn++) {
		struct fit_options o = {.model = "made", .window_us = MINUTE_US};
		struct fit_notes notes;
		struct reference *r = NULL;
		struct error e = {""};
		struct fit *f = fit_open(&o, plugins);

		/* the second time in pieces of other sizes, the last first */
		for (uint64_t end = 4000, size = turn ? 333 : 4000; end > 0;
			end -= end < size ? end : size) {
			struct batch *b = made_batch(end < size ? 0 : end - size, end, 1, MADE_ALL);

			assert_int_equal(fit_add(f, PART_ANY, b, &e), 0);
			batch_close(b);
		}
		assert_int_equal(fit_finish(f, &r, &notes, &e), 0);
		reference_pack(r, &bytes[turn]);
		reference_close(r);
		fit_notes_done(&notes);
		fit_close(f);
	}
	assert_int_equal(bytes[0].n, bytes[1].n);
	assert_memory_equal(bytes[0].at, bytes[1].at, bytes[0].n);
	buf_done(&bytes[0]);
	buf_done(&bytes[1]);
}

static void the_schema_is_what_was_logged(void **state)
{
	struct trial t = trial_of(made_batch(0, 4000, 1, MADE_ALL), "energy");
	const struct measure *m;

	(void)state;
	assert_int_equal(t.code, 0);
	assert_int_equal(t.r->n_numeric, 3);
	assert_int_equal(t.r->n_category, 2);
	assert_string_equal(t.r->category[0].name, "truth"); /* true and false are words */
	assert_string_equal(t.r->classes[2], "cat");
	assert_false(t.r->logits_normalised);
	m = measure_of(t.r, "count"); /* four values: a bin each */
	assert_int_equal(m->n_edges, 3);
	m = measure_of(t.r, "zero"); /* a constant that 80 % hold has a bin alone */
	for (size_t i = 0, alone = 0; i <= m->n_edges; i++) {
		alone += i > 0 && i < m->n_edges && m->edges[i] == 0.0 &&
			 m->base[i] > base_sum(m) * 3 / 4;
		assert_true(i < m->n_edges || alone == 1);
	}
	m = measure_of(t.r, "word");
	assert_int_equal(m->n_words, 41);
	assert_string_equal(m->words[0], "w1");
	assert_string_equal(m->words[40], MEASURE_RARE_WORD);
	trial_done(&t);
}

static void base_counts_are_of_held_out_records(void **state)
{
	struct trial t = trial_of(made_batch(0, 6000, 1, MADE_ALL), "energy upright");
	const struct reference *r = t.r;
	int64_t held_out = r->n_cal_a + r->n_cal_b + r->n_null;

	(void)state;
	for (size_t i = 0; i < r->n_measures; i++)
		assert_int_equal(base_sum(&r->measures[i]),
			r->measures[i].kind == MEASURE_P_VALUE ? r->n_null : held_out);
	/* windows are whole: 60 records each; null and others are of different times */
	assert_in_range(r->n_windows, 15, 25);
	assert_in_range(r->n_others, 30, 50);
	for (size_t i = 0; i < r->n_windows; i++) {
		assert_int_equal(r->windows[i].n, 60);
		for (size_t k = 0; k < r->n_others; k++)
			assert_true(r->windows[i].start_us != r->others[k].start_us);
	}
	assert_int_equal(t.notes.n_scored_null, r->n_null);
	trial_done(&t);
}

/* The share of fresh records whose word was never seen, or whose number lies beyond, is what the
 * base counts say. */
static void new_values_are_expected_as_often_as_they_come(void **state)
{
	struct trial t = trial_of(made_batch(0, 6000, 1, MADE_ALL), "energy");
	const struct measure *m = measure_of(t.r, "word");
	double expected = (double)m->base[m->other] / (double)base_sum(m), met = 0;
	const struct scorer *s;
	struct scorer_space space;
	struct scored scored;
	struct batch *b = made_batch(0, 20000, 4, MADE_ALL);

	(void)state;
	assert_true(expected > 0.01); /* Zipf: naively it would be 0 */
	assert_int_equal(scorer_open(t.r, plugins, &s, &t.e), 0);
	scorer_space_init(&space);
	scored_init(&scored);
	scorer_run(s, &space, b, &scored);
	for (size_t i = 0; i < 20000; i++)
		met += scored.bin[i * scored.n_measures + (size_t)(m - t.r->measures)] ==
		       m->first + m->other;
	assert_true(fabs(met / 20000.0 - expected) < 0.15 * expected);
	m = measure_of(t.r, "size"); /* one record of 6,000 alone is the least, one the most; they
					may be in the fit part */
	assert_true(m->base[m->below] <= 1 && m->base[m->above] <= 1);
	scored_done(&scored);
	scorer_space_done(&space);
	scorer_close(s);
	batch_close(b);
	trial_done(&t);
}

static void normal_records_are_flagged_at_the_rate_asked(void **state)
{
	struct trial t = trial_of(made_batch(0, 30000, 1, MADE_ALL), "energy gen embedded upright");
	double n = (double)t.notes.n_scored_null, share = (double)t.notes.n_flagged_null / n;

	(void)state;
	assert_int_equal(t.code, 0);
	assert_true(fabs(share - 0.01) < 4.0 * sqrt(0.01 * 2.0 / n));
	for (size_t i = 0; i < t.r->n_detectors; i++)
		assert_true(fabs(t.r->detectors[i].held_out_flag_rate - 0.01) <
			    4.0 * sqrt(0.01 * 2.0 / n));
	assert_true(
		t.r->detectors[0].n_by_class == MADE_LOGITS); /* 1,200 of each class calibrate */
	trial_done(&t);
}

/* Which detectors count. */

static const struct reference_detector *detector_of(const struct trial *t, const char *name)
{
	for (size_t i = 0; i < t->r->n_detectors; i++)
		if (strcmp(t->r->detectors[i].name, name) == 0)
			return &t->r->detectors[i];
	fail_msg("no detector %s", name);
	return NULL;
}

static void useless_detectors_are_muted_and_say_why(void **state)
{
	struct trial t = trial_of(made_batch(0, 4000, 1, MADE_ALL),
		"backwards upright embedded constant picky infinite");

	(void)state;
	assert_int_equal(t.code, 0);
	assert_non_null(strstr(detector_of(&t, "backwards")->muted, "against the other detectors"));
	assert_true(detector_of(&t, "backwards")->agreement < -0.5);
	assert_non_null(strstr(detector_of(&t, "constant")->muted, "the same score"));
	assert_non_null(strstr(detector_of(&t, "picky")->muted, "can score only"));
	assert_non_null(strstr(detector_of(&t, "infinite")->muted, "can score only 0.0 %"));
	assert_null(detector_of(&t, "upright")->muted);
	assert_null(detector_of(&t, "embedded")->muted);
	assert_true(detector_of(&t, "embedded")->agreement > 0.5);
	assert_true(detector_of(&t, "upright")->weight == 1.0 &&
		    detector_of(&t, "backwards")->weight == 0.0);
	trial_done(&t);
}

static void of_two_that_disagree_the_first_named_stays(void **state)
{
	struct trial t = trial_of(made_batch(0, 4000, 1, MADE_ALL), "upright backwards");

	(void)state;
	assert_null(detector_of(&t, "upright")->muted);
	assert_non_null(detector_of(&t, "backwards")->muted);
	assert_true(isnan(
		detector_of(&t, "upright")->agreement)); /* there is nobody left to agree with */
	trial_done(&t);
}

static void features_are_no_judge_of_models_nor_models_of_features(void **state)
{
	struct trial t = trial_of(made_batch(0, 4000, 1, MADE_ALL), "upright embedded rare");

	(void)state;
	assert_null(detector_of(&t, "rare")->muted);
	assert_true(isnan(detector_of(&t, "rare")->agreement));
	assert_null(detector_of(&t, "upright")->muted);
	assert_true(detector_of(&t, "embedded")->agreement > 0.5);
	trial_done(&t);
}

static void all_useless_is_a_reference_that_flags_nothing(void **state)
{
	struct trial t = trial_of(made_batch(0, 4000, 1, MADE_ALL), "constant infinite");

	(void)state;
	assert_int_equal(t.code, 0);
	assert_int_equal(t.notes.n_scored_null, 0);
	assert_null(measure_of(t.r, "p-value"));
	trial_done(&t);
}

static void features_alone_make_a_reference(void **state)
{
	struct batch *b = made_open(0, 0);
	struct trial t;

	(void)state;
	for (uint64_t row = 0; row < 2000; row++) {
		batch_row_begin(b);
		b->time_us[b->n] = (int64_t)row * 1000000;
		made_number(b, "x", made_normal(row, 1));
		b->n++;
	}
	t = trial_of(b, NULL);
	assert_int_equal(t.code, 0);
	assert_int_equal(t.r->n_detectors, 2); /* of one feature, ecod ranks records as the copula does */
	assert_string_equal(t.r->detectors[0].name, "copula");
	assert_string_equal(t.r->detectors[1].name, "tabular_knn");
	assert_int_equal(t.r->n_measures, 4); /* p-value, missing, fields, x */
	assert_true(t.r->n_windows > 0);
	trial_done(&t);
}

static bool notes_hold(const struct trial *t, const char *words)
{
	bool found = false;

	for (size_t i = 0; i < t->notes.n_lines; i++)
		found |= strstr(t->notes.lines[i], words) != NULL;
	return found;
}

/* Each hour has its neighbours among what was learned, so calibration on hours between would not show it. */
static void what_drifts_is_not_asked_for_neighbours(void **state)
{
	struct batch *b = made_open(0, 0);
	struct trial t;

	(void)state;
	for (uint64_t row = 0; row < 4000; row++) {
		batch_row_begin(b);
		b->time_us[b->n] = (int64_t)row * 1000000;
		made_number(b, "x", (double)row / 500 + made_normal(row, 1));
		b->n++;
	}
	t = trial_of(b, NULL);
	assert_int_equal(t.r->n_detectors, 1);
	assert_string_equal(t.r->detectors[0].name, "ecod");
	assert_true(notes_hold(&t, "left out: copula, tabular_knn: fitted on the earlier half"));
	trial_done(&t);
	t = trial_of(made_batch(0, 4000, 1, MADE_ALL), "rare copula"); /* who asks by name knows better */
	assert_non_null(detector_of(&t, "copula"));
	trial_done(&t);
}

/* The model began to log its vectors later than its predictions. */
static void vectors_may_come_late(void **state)
{
	struct fit_options o = {.model = "made", .window_us = MINUTE_US};
	struct fit_notes notes;
	struct reference *r = NULL;
	struct error e = {""};
	struct fit *f = fit_open(&o, plugins);
	struct batch *a = made_open(0, 0), *b = made_batch(500, 4000, 1, MADE_ALL);

	(void)state;
	for (uint64_t row = 0; row < 500; row++) {
		batch_row_begin(a);
		a->time_us[a->n] = (int64_t)row * 1000000;
		a->prediction[a->n++] = made_text("cat");
	}
	assert_int_equal(fit_add(f, PART_ANY, a, &e), 0);
	assert_int_equal(fit_add(f, PART_ANY, b, &e), 0);
	assert_int_equal(fit_finish(f, &r, &notes, &e), 0);
	assert_int_equal(r->n_logits, MADE_LOGITS);
	assert_string_equal(r->classes[2], "cat");
	assert_string_equal(r->detectors[0].name, "maxlogit");
	assert_null(r->detectors[0].muted);
	reference_close(r);
	fit_notes_done(&notes);
	fit_close(f);
	batch_close(a);
	batch_close(b);
}

static void detectors_follow_what_the_log_holds(void **state)
{
	struct batch *b = made_batch(0, 2000, 1, MADE_ALL);
	struct trial t;

	(void)state;
	t = trial_of(made_batch(0, 2000, 1, MADE_ALL), NULL);
	assert_string_equal(t.r->detectors[0].name, "maxlogit");
	trial_done(&t);
	/* log-probabilities: no scale, so no energy; whether or not the log says so */
	for (size_t i = 0; i < b->n; i++) {
		double sum = 0;

		for (size_t k = 0; k < MADE_LOGITS; k++)
			sum += exp((double)b->logits[i * MADE_LOGITS + k]);
		for (size_t k = 0; k < MADE_LOGITS; k++)
			b->logits[i * MADE_LOGITS + k] -= (float)log(sum);
	}
	t = trial_of(b, NULL);
	assert_true(t.r->logits_normalised);
	assert_string_equal(t.r->detectors[0].name, "msp");
	trial_done(&t);
}

static struct batch *confident(uint64_t from, uint64_t to)
{
	struct batch *b = made_open(0, 0);

	for (uint64_t row = from; row < to; row++) {
		made_row(b, row, 1, NO_LOGITS | NO_EMBEDDING | NO_FEATURES);
		b->confidence[b->n - 1] = 1.0 - 0.5 * made_unit(row, 7);
	}
	return b;
}

/* A log of predictions and confidences alone: what is unsure is odd, and what has no confidence is not scored. */
static void a_confidence_alone_will_do(void **state)
{
	struct batch *fresh = confident(5000, 5003);
	struct trial t = trial_of(confident(0, 2000), NULL);
	struct scorer_space space;
	struct scored scored;
	const struct scorer *s;
	struct error e = {""};

	(void)state;
	assert_int_equal(t.r->n_detectors, 1);
	assert_string_equal(t.r->detectors[0].name, "confidence");
	fresh->confidence[0] = 0.99;
	fresh->confidence[1] = 0.3;
	fresh->confidence[2] = (double)NAN;
	assert_int_equal(scorer_open(t.r, plugins, &s, &e), 0);
	scorer_space_init(&space);
	scored_init(&scored);
	scorer_run(s, &space, fresh, &scored);
	assert_true(scored.fused[0] > 0.9 && !scored.flagged[0]);
	assert_true(scored.fused[1] < 0.005 && scored.flagged[1]);
	assert_true(isnan(scored.fused[2]) && !scored.flagged[2]);
	scored_done(&scored);
	scorer_space_done(&space);
	scorer_close(s);
	batch_close(fresh);
	trial_done(&t);
}

/* What cannot be. */

static void assert_refused(struct trial *t, const char *words)
{
	assert_int_equal(t->code < 0, 1);
	assert_null(t->r);
	if (!strstr(t->e.text, words))
		fail_msg("\"%s\" does not say \"%s\"", t->e.text, words);
	trial_done(t);
}

static void what_cannot_be_is_said(void **state)
{
	struct trial t;

	(void)state;
	t = trial_of(made_batch(0, 199, 1, MADE_ALL), "energy");
	assert_refused(&t, "199 records are too few");
	t = trial_of(made_batch(0, 0, 1, MADE_ALL), "energy");
	assert_refused(&t, "0 records are too few");
	t = trial_of(made_batch(0, 500, 1, MADE_ALL), "enrgy");
	assert_refused(&t, "enrgy");
	t = trial_of(made_batch(0, 500, 1, MADE_ALL), "stubborn");
	assert_refused(&t, "there is no learning this");
}

static void a_detector_without_its_input_is_refused(void **state)
{
	struct batch *b = made_open(MADE_LOGITS, 0);
	struct trial t;

	(void)state;
	for (uint64_t row = 0; row < 500; row++) {
		batch_row_begin(b);
		b->time_us[b->n++] = (int64_t)row * 1000000;
	}
	t = trial_of(b, "embedded");
	assert_refused(
		&t, "detector embedded needs an embedding, which the log of made does not hold");
}

static void a_small_reference_says_what_it_cannot(void **state)
{
	struct trial t = trial_of(made_batch(0, 400, 1, MADE_ALL), "energy");

	(void)state;
	assert_int_equal(t.code, 0);
	assert_true(noted(&t, "no p-value can reach the flag rate"));
	assert_true(noted(&t, "spans 7 windows"));
	trial_done(&t);
	t = trial_of(made_batch(0, 3000, 1, MADE_ALL), "energy");
	assert_true(noted(&t, "may be well off"));
	trial_done(&t);
}

/* One class, a constant, nothing but nulls, an identifier, arrays, no logits in a third of the
 * rows. */
static void odd_logs_make_a_reference_all_the_same(void **state)
{
	struct batch *b = made_open(MADE_LOGITS, MADE_EMBEDDING);
	struct trial t;
	char id[32];

	(void)state;
	for (uint64_t row = 0; row < 2000; row++) {
		batch_row_begin(b);
		b->time_us[b->n] = (int64_t)row * 1000000;
		made_vectors(b, row, 1, row % 3 == 0 ? NO_LOGITS : 0);
		b->prediction[b->n] = made_text("only");
		made_number(b, "constant", 1e300);
		made_number(b, "never", (double)NAN);
		snprintf(id, sizeof id, "%llu", (unsigned long long)(row * 7919));
		made_word(b, "id", strcat(id, "x"));
		made_column(b, "list")->kind[b->n] = CELL_OTHER;
		b->n++;
	}
	t = trial_of(b, "energy mahalanobis embedded");
	if (t.code < 0)
		fail_msg("%s", t.e.text);
	assert_true(noted(&t, "feature never is left out"));
	assert_true(noted(&t, "feature id is left out"));
	assert_true(noted(&t, "feature list is left out"));
	assert_true(noted(&t, "largest logit in only"));
	assert_int_equal(t.r->n_numeric, 1);
	assert_true(isfinite(measure_of(t.r, "constant")->scale));
	assert_int_equal(t.r->n_partial > 0, 1);
	trial_done(&t);
}

static void the_summary_is_readable_twice(void **state)
{
	struct trial t =
		trial_of(made_batch(0, 4000, 1, MADE_ALL), "energy backwards upright embedded");
	struct buf text = BUF_EMPTY, json = BUF_EMPTY;
	int depth = 0;

	(void)state;
	fit_summary_text(t.r, &t.notes, &text);
	fit_summary_json(t.r, &t.notes, &json);
	assert_non_null(strstr(buf_cstr(&text), "records    4000: fit "));
	assert_non_null(strstr(
		buf_cstr(&text), "muted: on the reference it ranks records against the other"));
	assert_non_null(
		strstr(buf_cstr(&json), "\"detectors\":[{\"name\":\"energy\",\"weight\":1,"));
	assert_null(strstr(buf_cstr(&json), "nan"));
	for (size_t i = 0; i < json.n; i++) {
		depth += (json.at[i] == '{') + (json.at[i] == '[') - (json.at[i] == '}') -
			 (json.at[i] == ']');
		assert_true(depth > 0 || i == json.n - 1);
	}
	assert_int_equal(depth, 0);
	buf_done(&text);
	buf_done(&json);
	trial_done(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parts_get_their_shares),
		cmocka_unit_test(a_window_is_in_one_part),
		cmocka_unit_test(every_part_sees_every_season_and_the_trend),
		cmocka_unit_test(a_short_log_is_cut_by_number_and_says_so),
		cmocka_unit_test(logs_to_fit_and_to_calibrate_stay_apart),
		cmocka_unit_test(a_fit_is_a_function_of_its_records),
		cmocka_unit_test(the_schema_is_what_was_logged),
		cmocka_unit_test(base_counts_are_of_held_out_records),
		cmocka_unit_test(new_values_are_expected_as_often_as_they_come),
		cmocka_unit_test(normal_records_are_flagged_at_the_rate_asked),
		cmocka_unit_test(useless_detectors_are_muted_and_say_why),
		cmocka_unit_test(of_two_that_disagree_the_first_named_stays),
		cmocka_unit_test(features_are_no_judge_of_models_nor_models_of_features),
		cmocka_unit_test(all_useless_is_a_reference_that_flags_nothing),
		cmocka_unit_test(features_alone_make_a_reference),
		cmocka_unit_test(what_drifts_is_not_asked_for_neighbours),
		cmocka_unit_test(detectors_follow_what_the_log_holds),
		cmocka_unit_test(a_confidence_alone_will_do),
		cmocka_unit_test(vectors_may_come_late),
		cmocka_unit_test(what_cannot_be_is_said),
		cmocka_unit_test(a_detector_without_its_input_is_refused),
		cmocka_unit_test(a_small_reference_says_what_it_cannot),
		cmocka_unit_test(odd_logs_make_a_reference_all_the_same),
		cmocka_unit_test(the_summary_is_readable_twice),
	};
	return cmocka_run_group_tests(tests, open_plugins, close_plugins);
}
