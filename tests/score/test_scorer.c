/* SPDX-License-Identifier: Apache-2.0
 * A reference at work: the laws that every figure downstream relies on. A record's result does not
 * depend on its batch or thread; p-values are what they say whatever is missing; every record is
 * counted once in every measure. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>

#include "model/window.h"
#include "score/count.h"
#include "score/fit.h"
#include "score/scorer.h"

#include "made.h"

#define ROWS 12000

static struct plugins *plugins;
static struct reference *reference;
static const struct scorer *scorer;

static const struct fit_detector detectors[] = {
	{"energy", NULL, 0}, {"gen", NULL, 0}, {"embedded", NULL, 0}, {"upright", NULL, 0}};

static int open_all(void **state)
{
	struct fit_options o = {
		.model = "made", .window_us = 60000000, .detectors = detectors, .n_detectors = 4};
	struct fit_notes notes;
	struct error e = {""};
	struct batch *b = made_batch(0, ROWS, 1, MADE_ALL);
	struct fit *f;

	(void)state;
	plugins = made_plugins();
	f = fit_open(&o, plugins);
	if (fit_add(f, PART_ANY, b, &e) || fit_finish(f, &reference, &notes, &e) ||
		scorer_open(reference, plugins, &scorer, &e))
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

static const struct measure *measure_of(const char *name)
{
	for (size_t i = 0; i < reference->n_measures; i++)
		if (strcmp(reference->measures[i].name, name) == 0)
			return &reference->measures[i];
	fail_msg("no measure %s", name);
	return NULL;
}

static size_t bin_in(const struct scored *s, size_t row, const struct measure *m)
{
	return s->bin[row * s->n_measures + (size_t)(m - reference->measures)] - m->first;
}

/* A batch with every sort of record in it. */
static struct batch *motley(uint64_t from, uint64_t to)
{
	struct batch *b = made_open(MADE_LOGITS, MADE_EMBEDDING);

	for (uint64_t row = from; row < to; row++) {
		made_row(b, row, 2, row % 5 == 0 ? (unsigned)(row / 5 % 8) : 0);
		if (row % 11 == 0) /* of another type */
			batch_text_put(b, made_column(b, "size"), b->n - 1,
				made_text(row % 2 ? "large" : "1.5"));
		if (row % 13 == 0)
			b->prediction[b->n - 1] = row % 2 ? (struct text){0} : made_text("fox");
	}
	return b;
}

static bool same(const void *a, const void *b, size_t n)
{
	return memcmp(a, b, n) == 0;
}

/* Row i of `part` is row `at` of `all`, bit for bit. */
static void assert_row_equal(
	const struct scored *all, size_t at, const struct scored *part, size_t i)
{
	for (size_t k = 0; k < all->n_detectors; k++) {
		assert_true(same(&all->score[k * all->n + at], &part->score[k * part->n + i],
			sizeof(float)));
		assert_true(
			same(&all->p[k * all->n + at], &part->p[k * part->n + i], sizeof(double)));
	}
	assert_true(same(&all->fused[at], &part->fused[i], sizeof(double)));
	assert_int_equal(all->flagged[at], part->flagged[i]);
	assert_true(same(all->bin + at * all->n_measures, part->bin + i * part->n_measures,
		all->n_measures * sizeof(uint32_t)));
	assert_true(same(all->term + at * all->n_sums, part->term + i * part->n_sums,
		all->n_sums * sizeof(int64_t)));
}

static void a_row_does_not_depend_on_its_batch(void **state)
{
	struct scorer_space space;
	struct scored all, part;
	struct batch *b = motley(0, 1500);
	uint64_t at = 0, cut = 0;

	(void)state;
	scorer_space_init(&space);
	scored_init(&all);
	scored_init(&part);
	scorer_run(scorer, &space, b, &all);
	batch_close(b);
	while (at < 1500) {
		uint64_t n = 1 + hash_bytes(&cut, sizeof cut, 5) % (++cut % 7 ? 20 : 300);
		uint64_t end = at + n < 1500 ? at + n : 1500;

		b = motley(at, end);
		scorer_run(scorer, &space, b, &part);
		for (uint64_t i = at; i < end; i++)
			assert_row_equal(&all, i, &part, i - at);
		batch_close(b);
		at = end;
	}
	scored_done(&all);
	scored_done(&part);
	scorer_space_done(&space);
}

struct worker {
	pthread_t thread;
	const struct scored *expected;
	size_t wrong;
};

static void *work(void *context)
{
	struct worker *w = context;
	struct scorer_space space;
	struct scored s;
	struct batch *b = motley(0, 400);

	scorer_space_init(&space);
	scored_init(&s);
	for (int turn = 0; turn < 20; turn++) {
		scorer_run(scorer, &space, b, &s);
		w->wrong += !same(s.fused, w->expected->fused, s.n * sizeof(double)) ||
			    !same(s.bin, w->expected->bin, s.n * s.n_measures * sizeof(uint32_t)) ||
			    !same(s.score, w->expected->score, s.n * s.n_detectors * sizeof(float));
	}
	scored_done(&s);
	scorer_space_done(&space);
	batch_close(b);
	return NULL;
}

static void threads_do_not_meet(void **state)
{
	struct scorer_space space;
	struct scored expected;
	struct batch *b = motley(0, 400);
	struct worker workers[4];

	(void)state;
	scorer_space_init(&space);
	scored_init(&expected);
	scorer_run(scorer, &space, b, &expected);
	for (size_t i = 0; i < 4; i++) {
		workers[i] = (struct worker){.expected = &expected};
		assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
	}
	for (size_t i = 0; i < 4; i++) {
		pthread_join(workers[i].thread, NULL);
		assert_int_equal(workers[i].wrong, 0);
	}
	scored_done(&expected);
	scorer_space_done(&space);
	batch_close(b);
}

/* Of fresh records of the reference's kind, a share `a` has a fused p-value of at most a, whatever
 * they lack. What the calibration sets (2,400 records each) leave open is allowed for, and nothing
 * else. */
static void p_values_are_valid_whatever_is_missing(void **state)
{
	static const double levels[] = {0.01, 0.05, 0.2, 0.5};
	static const unsigned lacks[] = {MADE_ALL, NO_LOGITS, NO_EMBEDDING, NO_FEATURES,
		NO_LOGITS | NO_EMBEDDING, NO_LOGITS | NO_FEATURES, NO_EMBEDDING | NO_FEATURES};
	const uint64_t n = 10000;
	struct scorer_space space;
	struct scored s;

	(void)state;
	scorer_space_init(&space);
	scored_init(&s);
	for (size_t k = 0; k < sizeof lacks / sizeof lacks[0]; k++) {
		struct batch *b = made_batch(0, n, 77 + k, lacks[k]);

		scorer_run(scorer, &space, b, &s);
		for (size_t l = 0; l < 4; l++) {
			double a = levels[l], below = 0,
			       deviation =
				       sqrt(a * (1 - a) * (1.0 / (double)n + 2.0 / (ROWS * 0.2)));

			for (uint64_t i = 0; i < n; i++)
				below += s.fused[i] <= a;
			if (fabs(below / (double)n - a) > 4.0 * deviation)
				fail_msg("without %u: %.4f of p-values are at most %.2f", lacks[k],
					below / (double)n, a);
		}
		batch_close(b);
	}
	scored_done(&s);
	scorer_space_done(&space);
}

static void nothing_to_score_is_not_flagged(void **state)
{
	struct scorer_space space;
	struct scored s;
	struct batch *b = made_batch(0, 3, 9, NO_LOGITS | NO_EMBEDDING | NO_FEATURES);

	(void)state;
	scorer_space_init(&space);
	scored_init(&s);
	scorer_run(scorer, &space, b, &s);
	for (size_t i = 0; i < 3; i++) {
		assert_true(isnan(s.fused[i]));
		assert_int_equal(s.flagged[i], 0);
		assert_int_equal(
			bin_in(&s, i, measure_of("p-value")), measure_of("p-value")->missing);
		assert_int_equal(bin_in(&s, i, measure_of("missing")),
			4); /* five features, two vectors, the confidence */
	}
	batch_close(b);
	b = made_open(0, 0);
	scorer_run(scorer, &space, b, &s);
	assert_int_equal(s.n, 0);
	batch_close(b);
	scored_done(&s);
	scorer_space_done(&space);
}

/* One record, all of whose cells the test sets. */
static struct batch *one(void)
{
	return made_batch(0, 1, 3, MADE_ALL);
}

static size_t bin_of_one(struct batch *b, const char *name)
{
	struct scorer_space space;
	struct scored s;
	size_t bin;

	scorer_space_init(&space);
	scored_init(&s);
	scorer_run(scorer, &space, b, &s);
	bin = bin_in(&s, 0, measure_of(name));
	scored_done(&s);
	scorer_space_done(&space);
	batch_close(b);
	return bin;
}

static struct batch *with_word(const char *name, const char *word)
{
	struct batch *b = one();

	batch_text_put(b, made_column(b, name), 0, made_text(word));
	return b;
}

static struct batch *with_cell(const char *name, enum cell kind, double x)
{
	struct batch *b = one();
	struct column *c = made_column(b, name);

	c->kind[0] = (uint8_t)kind;
	c->number[0] = x;
	return b;
}

static void cells_fall_where_they_belong(void **state)
{
	const struct measure *size = measure_of("size"), *word = measure_of("word"),
			     *truth = measure_of("truth");
	char number[32];

	(void)state;
	assert_int_equal(
		bin_of_one(with_cell("size", CELL_NUMBER, 0.25), "size"), measure_bin(size, 0.25));
	assert_int_equal(bin_of_one(with_word("size", "0.25"), "size"), measure_bin(size, 0.25));
	assert_int_equal(bin_of_one(with_word("size", "2.5e-1"), "size"), measure_bin(size, 0.25));
	assert_int_equal(bin_of_one(with_cell("size", CELL_BOOL, 1), "size"), measure_bin(size, 1));
	assert_int_equal(bin_of_one(with_word("size", "0x10"), "size"), size->mistyped);
	assert_int_equal(bin_of_one(with_word("size", "nan"), "size"), size->mistyped);
	assert_int_equal(bin_of_one(with_word("size", "1 "), "size"), size->mistyped);
	assert_int_equal(bin_of_one(with_word("size", ""), "size"), size->mistyped);
	assert_int_equal(bin_of_one(with_cell("size", CELL_OTHER, NAN), "size"), size->mistyped);
	assert_int_equal(bin_of_one(with_cell("size", CELL_NULL, NAN), "size"), size->missing);
	assert_int_equal(bin_of_one(with_cell("size", CELL_ABSENT, NAN), "size"), size->missing);
	assert_int_equal(bin_of_one(with_cell("size", CELL_NUMBER, 1e9), "size"), size->above);
	assert_int_equal(bin_of_one(with_cell("size", CELL_NUMBER, -1e9), "size"), size->below);

	assert_string_equal(word->words[bin_of_one(with_word("word", "w1"), "word")], "w1");
	assert_int_equal(bin_of_one(with_word("word", "never"), "word"), word->other);
	assert_int_equal(bin_of_one(with_word("word", ""), "word"), word->other);
	assert_int_equal(bin_of_one(with_cell("word", CELL_NUMBER, 7), "word"), word->other);
	assert_int_equal(bin_of_one(with_cell("word", CELL_OTHER, NAN), "word"), word->mistyped);
	assert_int_equal(bin_of_one(with_cell("word", CELL_NULL, NAN), "word"), word->missing);
	/* more words than bins: one that is known and rare is not one never seen */
	assert_string_equal(word->words[word->n_words - 1], MEASURE_RARE_WORD);
	assert_int_equal(bin_of_one(with_word("word", reference->category[1].words[60]), "word"),
		word->n_words - 1);

	assert_string_equal(
		truth->words[bin_of_one(with_cell("truth", CELL_BOOL, 1), "truth")], "true");
	assert_string_equal(
		truth->words[bin_of_one(with_word("truth", "false"), "truth")], "false");
	assert_int_equal(number_text(0.1, number), 3);
	assert_string_equal(number, "0.1");
	assert_int_equal(number_text(-0.0, number), 1);
	assert_int_equal(number_text(1e22, number), 5);
	number_text(1.0 / 3.0, number);
	assert_true(strtod(number, NULL) == 1.0 / 3.0);
}

static void classes_fall_where_they_belong(void **state)
{
	const struct measure *class = measure_of("class");
	struct batch *b = one();

	(void)state;
	b->prediction[0] = made_text("cat");
	assert_string_equal(class->words[bin_of_one(b, "class")], "cat");
	b = one();
	b->prediction[0] = made_text("fox");
	assert_int_equal(bin_of_one(b, "class"), class->other);
	b = one();
	b->prediction[0] = (struct text){0}; /* the logits know */
	for (size_t i = 0; i < MADE_LOGITS; i++)
		b->logits[i] = i == 3 ? 9.0f : 0.0f;
	assert_string_equal(class->words[bin_of_one(b, "class")], "dog");
	b = made_batch(0, 1, 3, NO_LOGITS);
	b->prediction[0] = (struct text){0};
	assert_int_equal(bin_of_one(b, "class"), class->missing);
}

static void run_outcome(
	size_t n_logits, size_t n_embedding, bool normalised, unsigned outcome, const char *words)
{
	struct batch *b = made_open(n_logits, n_embedding);
	struct buf text = BUF_EMPTY;
	struct scorer_space space;
	struct scored s;

	batch_row_begin(b);
	for (size_t i = 0; i < n_logits; i++)
		b->logits[i] = (float)i;
	b->logits_normalised = normalised;
	b->n = 1;
	scorer_space_init(&space);
	scored_init(&s);
	scorer_run(scorer, &space, b, &s);
	assert_int_equal(space.outcome, outcome);
	route_outcome_words(space.outcome, &text);
	assert_string_equal(buf_cstr(&text), words);
	assert_true(isnan(
		s.score[0])); /* energy wants raw logits of the right width in every case here */
	scored_done(&s);
	scorer_space_done(&space);
	batch_close(b);
	buf_done(&text);
}

static void shapes_that_do_not_fit_are_named(void **state)
{
	(void)state;
	run_outcome(
		0, MADE_EMBEDDING, false, ROUTE_LOGITS_NONE, "no logits, which the reference has");
	run_outcome(4, 0, false, ROUTE_LOGITS_WIDTH | ROUTE_EMBEDDING_NONE,
		"logits of another width than the reference's; no embedding, which the reference "
		"has");
	run_outcome(MADE_LOGITS, 9, true, ROUTE_LOGITS_NOT_RAW | ROUTE_EMBEDDING_WIDTH,
		"probabilities, where the reference has raw logits; an embedding of another width "
		"than the reference's");
}

static void windows_add_up(void **state)
{
	struct scorer_space space;
	struct scored s;
	struct batch *b = motley(0, 1000);
	struct window whole, halves[2];

	(void)state;
	scorer_space_init(&space);
	scored_init(&s);
	window_init(&whole, 0, 1000000000, reference->width);
	window_init(&halves[0], 0, 1000000000, reference->width);
	window_init(&halves[1], 0, 1000000000, reference->width);
	scorer_run(scorer, &space, b, &s);
	for (size_t i = 0; i < 1000; i++) {
		scored_count(&s, 999 - i, &whole);
		scored_count(&s, i, &halves[i * 7 % 3 == 0]);
	}
	window_add(&halves[0], &halves[1]);
	assert_memory_equal(whole.v, halves[0].v, reference->width * sizeof(int64_t));
	assert_int_equal(whole.n, 1000);
	for (size_t k = 0; k < reference->n_measures; k++) {
		const struct measure *m = &reference->measures[k];
		int64_t sum = 0;

		for (size_t i = 0; i < m->n; i++)
			sum += whole.v[m->first + i];
		assert_int_equal(sum, 1000);
	}
	window_done(&whole);
	window_done(&halves[0]);
	window_done(&halves[1]);
	scored_done(&s);
	scorer_space_done(&space);
	batch_close(b);
}

static void sums_give_the_mean(void **state)
{
	const struct measure *m = measure_of("size");
	struct scorer_space space;
	struct scored s;
	struct batch *b = made_batch(0, 2000, 5, MADE_ALL);
	struct window w;
	double mean = 0;

	(void)state;
	scorer_space_init(&space);
	scored_init(&s);
	window_init(&w, 0, 1, reference->width);
	scorer_run(scorer, &space, b, &s);
	for (size_t i = 0; i < 2000; i++) {
		scored_count(&s, i, &w);
		mean += columns_find(&b->features, "size")->number[i] / 2000.0;
	}
	assert_int_equal(w.v[m->sums + 1], 2000);
	assert_true(fabs(m->centre + m->scale * (double)w.v[m->sums] / 1048576.0 / 2000.0 - mean) <
		    1e-6);
	window_done(&w);
	scored_done(&s);
	scorer_space_done(&space);
	batch_close(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_row_does_not_depend_on_its_batch),
		cmocka_unit_test(threads_do_not_meet),
		cmocka_unit_test(p_values_are_valid_whatever_is_missing),
		cmocka_unit_test(nothing_to_score_is_not_flagged),
		cmocka_unit_test(cells_fall_where_they_belong),
		cmocka_unit_test(classes_fall_where_they_belong),
		cmocka_unit_test(shapes_that_do_not_fit_are_named),
		cmocka_unit_test(windows_add_up),
		cmocka_unit_test(sums_give_the_mean),
	};
	return cmocka_run_group_tests(tests, open_all, close_all);
}
