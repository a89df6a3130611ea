/* SPDX-License-Identifier: Apache-2.0
 * Explanations: of the record's own score, whatever batch it came in; neighbours by the ids they had; cells that do not fit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "model/pack.h"
#include "score/explain.h"
#include "score/fit.h"

#include "made.h"

#define ROWS 6000

static struct plugins *plugins;
static struct reference *reference;
static const struct scorer *scorer;

static const struct option_text knn_options[] = {{"k", "1"}, {"bank", "500"}};
static const struct fit_detector detectors[] = {{"gen", NULL, 0}, {"mahalanobis", NULL, 0}, {"knn", knn_options, 2}, {"ecod", NULL, 0}};

static void ids_give(struct batch *b)
{
	char id[32];

	for (size_t i = 0; i < b->n; i++) {
		snprintf(id, sizeof id, "r%zu", i);
		b->id[i] = made_text(arena_span(b->arena, id, strlen(id)));
	}
}

static int open_all(void **state)
{
	struct fit_options o = {.model = "made", .window_us = 60000000, .detectors = detectors, .n_detectors = 4};
	struct batch *b = made_batch(0, ROWS, 1, MADE_ALL);
	struct fit_notes notes;
	struct error e = {""};
	struct fit *f;

	(void)state;
	plugins = made_plugins();
	ids_give(b);
	f = fit_open(&o, plugins);
	if (fit_add(f, PART_ANY, b, &e) || fit_finish(f, &reference, &notes, &e) || scorer_open(reference, plugins, &scorer, &e))
		fail_msg("%s", e.text);
	fit_close(f);
	fit_notes_done(&notes);
	batch_close(b);
	return 0;
}

static int close_all(void **state)
{
	(void)state;
	scorer_close(scorer);
	reference_close(reference);
	plugins_close(plugins);
	return 0;
}

static void the_same_scores(void **state)
{
	struct batch *b = made_batch(0, 200, 9, MADE_ALL);
	struct scorer_space space;
	struct scored scored;
	struct explainer *x = explainer_open();
	struct explanation e;
	struct buf alone = BUF_EMPTY, among = BUF_EMPTY;

	(void)state;
	scorer_space_init(&space);
	scored_init(&scored);
	scorer_run(scorer, &space, b, &scored);
	for (size_t i = 0; i < b->n; i++) {
		double share = 0, family[ODD_FAMILY_N];

		explain_row(scorer, x, b, i, &e);
		assert_true(e.p == scored.fused[i] && e.flagged == scored.flagged[i] && (e.n_faults > 0) == scored.faulty[i]);
		for (size_t k = 0; k < e.n_detectors; k++)
			share += e.detectors[k].share;
		assert_true(fabs(share - 1) < 1e-9);
		assert_string_equal(e.nearest_by, "mahalanobis");
		explain_families(scorer, &scored, i, family);
		for (int f = 0; f < ODD_FAMILY_N; f++)
			assert_true(e.family[f] == family[f] && family[f] > 0 && family[f] <= 1);
		/* Among its batch, by the scores that are there, the same is said. */
		buf_clear(&alone);
		buf_clear(&among);
		explanation_json(&e, &alone);
		explanation_words(&e, &alone);
		explain_scored(scorer, x, &space, b, &scored, i, &e);
		explanation_json(&e, &among);
		explanation_words(&e, &among);
		assert_string_equal(buf_cstr(&alone), buf_cstr(&among));
	}
	buf_done(&alone);
	buf_done(&among);
	explainer_close(x);
	scored_done(&scored);
	scorer_space_done(&space);
	batch_close(b);
}

static const struct explain_detector *detector_of(const struct explanation *e, const char *name)
{
	for (size_t k = 0; k < e->n_detectors; k++)
		if (strcmp(e->detectors[k].name, name) == 0)
			return &e->detectors[k];
	fail_msg("no detector %s", name);
	return NULL;
}

/* The reference's own records again: each that is in the bank is its own nearest neighbour, under its own id. */
static void neighbours_have_their_ids(void **state)
{
	struct batch *b = made_batch(0, ROWS, 1, MADE_ALL);
	struct explainer *x = explainer_open();
	struct explanation e;
	size_t met = 0;

	(void)state;
	assert_int_equal(reference->n_rows, 500);
	for (size_t k = 0; k < reference->n_rows; k += 50) {
		const struct explain_detector *knn;
		size_t row = (size_t)atol(reference->rows[k].id + 1);

		explain_row(scorer, x, b, row, &e);
		knn = detector_of(&e, "knn");
		assert_int_equal(knn->reasons[0].kind, OODD_REASON_ROW);
		assert_string_equal(knn->reasons[0].name, reference->rows[k].id);
		assert_true(knn->reasons[0].weight < 1e-3);
		assert_true(b->prediction[row].n == strlen(knn->reasons[0].class) &&
			    !memcmp(b->prediction[row].at, knn->reasons[0].class, b->prediction[row].n));
		met++;
	}
	assert_int_equal(met, 10);
	explainer_close(x);
	batch_close(b);
}

static void cells_that_do_not_fit(void **state)
{
	struct batch *b = made_open(MADE_LOGITS, MADE_EMBEDDING);
	struct explainer *x = explainer_open();
	struct explanation e;
	struct buf text = BUF_EMPTY;
	const struct column *age;
	size_t at;

	(void)state;
	made_row(b, 3, 9, MADE_ALL);
	at = batch_column(b, &b->features, reference->numeric[0], strlen(reference->numeric[0]), 0, 100);
	b->features.at[at].kind[0] = CELL_NUMBER;
	b->features.at[at].number[0] = 1e6;
	age = &b->features.at[at];
	explain_row(scorer, x, b, 0, &e);
	assert_int_equal(e.n_faults, 1);
	assert_string_equal(e.faults[0].name, age->name);
	assert_non_null(strstr(e.faults[0].what, "1000000, never above "));
	explanation_words(&e, &text);
	assert_non_null(strstr(buf_cstr(&text), e.faults[0].what));
	buf_clear(&text);
	explanation_json(&e, &text);
	assert_non_null(strstr(buf_cstr(&text), "\"faults\":[{\"name\":\""));
	buf_done(&text);
	explainer_close(x);
	batch_close(b);
}

/* What a detector of features says, in words: only what counts, and nothing twice. */
static void only_what_counts_is_told(void **state)
{
	static const struct {
		double share[3];
		const char *fault, *words;
	} cases[] = {
		{{.77, .14, .03}, NULL, "rare value: age = 99 (77 % of what is odd), rate = 0.1 (14 %)"},
		{{.3, .2, .01}, NULL, "rare together: age = 99 (30 % of what is odd), rate = 0.1 (20 %)"},
		{{.05, .04, .03}, NULL, "its features are unusual together, none by itself"},
		{{.9, .01, 0}, "age", "age missing"},
		{{.05, .04, .03}, "size", "size missing"},
		{{.9, .01, 0}, "size", "size missing; rare value: age = 99 (90 % of what is odd)"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct explain_detector d = {.name = "copula", .share = 1, .family = ODD_FEATURES, .n_reasons = 3};
		struct explanation x = {.flagged = true, .detectors = &d, .n_detectors = 1, .n_faults = cases[i].fault != NULL};
		struct buf text = BUF_EMPTY;
		static const char *const names[] = {"age", "rate", "x2"}, *const values[] = {"99", "0.1", "7"};

		for (size_t k = 0; k < 3; k++) {
			d.reasons[k] = (struct explain_reason){.kind = OODD_REASON_NUMERIC, .name = names[k], .weight = cases[i].share[k]};
			snprintf(d.reasons[k].value, sizeof d.reasons[k].value, "%s", values[k]);
		}
		x.faults[0].name = cases[i].fault;
		snprintf(x.faults[0].what, sizeof x.faults[0].what, "missing");
		buf_text(&text, "id\t"); /* behind something else */
		explanation_words(&x, &text);
		assert_string_equal(buf_cstr(&text) + 3, cases[i].words);
		buf_done(&text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_same_scores),
		cmocka_unit_test(neighbours_have_their_ids),
		cmocka_unit_test(cells_that_do_not_fit),
		cmocka_unit_test(only_what_counts_is_told),
	};

	return cmocka_run_group_tests(tests, open_all, close_all);
}
