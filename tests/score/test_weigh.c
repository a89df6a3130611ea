/* SPDX-License-Identifier: Apache-2.0
 * What is fused and by which weights: learned without odd records and without cal-B, the same whoever asks, held back where there is
 * nothing to learn from; and what a contaminated reference and a strict one do to flags. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "score/calibrate.h"
#include "score/fit_pseudo.h"
#include "score/scorer.h"

#include "made.h"

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

/* Records of a model whose last layer is affine: class c is far along axis c, the logits are 2 x_c - 1 and a little of its neighbour. */
static void affine_row(struct batch *b, uint64_t row, uint64_t seed, double away)
{
	float *z, *x;
	size_t class = (size_t)(made_unit(row, seed + 1) * MADE_LOGITS), best = 0;

	batch_row_begin(b);
	z = b->logits + b->n * MADE_LOGITS;
	x = b->embedding + b->n * MADE_EMBEDDING;
	b->time_us[b->n] = (int64_t)row * 1000000;
	b->hash[b->n] = hash_bytes(&row, sizeof row, seed);
	for (size_t i = 0; i < MADE_EMBEDDING; i++)
		x[i] = (float)(made_normal(row, seed + 30 + i) + (i == class ? 5.0 - away : 0.0) + (i >= MADE_LOGITS ? away : 0.0));
	for (size_t i = 0; i < MADE_LOGITS; i++) {
		z[i] = 2.0f * x[i] - 0.5f * x[(i + 1) % MADE_LOGITS] + 0.1f * x[MADE_LOGITS] - 1.0f;
		best = z[i] > z[best] ? i : best;
	}
	b->prediction[b->n++] = made_text(made_classes[best]);
}

static struct batch *affine(uint64_t from, uint64_t to, double away)
{
	struct batch *b = made_open(MADE_LOGITS, MADE_EMBEDDING);

	for (uint64_t row = from; row < to; row++)
		affine_row(b, row, 1, away);
	return b;
}

/* A fit that is still open, so that a test can ask which record was for what. */
struct trial {
	struct fit *f;
	struct reference *r;
	struct fit_notes notes;
};

static struct trial trial_of(const struct batch *b, bool strict)
{
	struct fit_options o = {.model = "made", .window_us = INT64_C(60000000), .strict = strict};
	struct trial t = {.f = fit_open(&o, plugins)};
	struct error e = {""};

	assert_int_equal(fit_add(t.f, PART_ANY, b, &e), 0);
	if (fit_finish(t.f, &t.r, &t.notes, &e) < 0)
		fail_msg("%s", e.text);
	return t;
}

static void trial_done(struct trial *t)
{
	fit_close(t->f);
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

static const struct reference_detector *detector_of(const struct trial *t, const char *name)
{
	for (size_t i = 0; i < t->r->n_detectors; i++)
		if (strcmp(t->r->detectors[i].name, name) == 0)
			return &t->r->detectors[i];
	fail_msg("no %s", name);
	return NULL;
}

/* Of all that a way weighs. */
static double share_of(const struct trial *t, size_t way, const char *name)
{
	const struct reference_way *w = &t->r->ways[way];
	double sum = 0.0, of = 0.0;

	for (size_t i = 0; i < w->n_weights; i++) {
		sum += w->weights[i];
		of += strcmp(t->r->detectors[i].name, name) == 0 ? w->weights[i] : 0.0;
	}
	return of / sum;
}

static void weights_come_from_made_up_records(void **state)
{
	struct batch *b = affine(0, 6000, 0.0);
	struct trial t = trial_of(b, false);
	double sum = 0.0;

	(void)state;
	assert_false(noted(&t, "do not follow"));
	for (size_t i = 0; i < t.r->n_detectors; i++) {
		const struct reference_detector *d = &t.r->detectors[i];

		sum += d->weight;
		assert_true(d->muted || d->pseudo_auroc > 0.3);
		assert_true(d->muted || d->weight >= 0.05);
	}
	assert_true(detector_of(&t, "maxlogit")->pseudo_auroc > 0.6);
	assert_true(detector_of(&t, "mahalanobis")->pseudo_auroc > 0.8);
	assert_int_equal(t.r->n_ways, PSEUDO_KINDS);
	/* Between classes the logits are unsure; far from all they are as large as ever, and the distance says it. */
	assert_true(share_of(&t, 0, "maxlogit") > share_of(&t, 3, "maxlogit"));
	assert_true(share_of(&t, 0, "mahalanobis") < share_of(&t, 3, "mahalanobis"));
	assert_true(fabs(sum / (double)t.r->n_detectors - 1.0) < 0.2);
	trial_done(&t);
	batch_close(b);
}

/* Records of cal-B and null are changed beyond recognition: the weights stay, to the bit. */
static void cal_b_has_no_say(void **state)
{
	struct batch *b = affine(0, 6000, 0.0);
	struct trial one = trial_of(b, false), two;

	(void)state;
	for (size_t i = 0; i < b->n; i++)
		if (one.f->rows[i].part == IN_CAL_B || one.f->rows[i].part == IN_NULL)
			for (size_t j = 0; j < MADE_EMBEDDING; j++)
				b->embedding[i * MADE_EMBEDDING + j] *= 3.0f;
	two = trial_of(b, false);
	assert_int_equal(one.r->n_detectors, two.r->n_detectors);
	for (size_t i = 0; i < one.r->n_detectors; i++) {
		assert_true(one.r->detectors[i].weight == two.r->detectors[i].weight);
		assert_true(one.r->detectors[i].pseudo_auroc == two.r->detectors[i].pseudo_auroc);
	}
	assert_true(one.r->fused.score[0] != two.r->fused.score[0]);
	trial_done(&one);
	trial_done(&two);
	batch_close(b);
}

static void logits_of_another_layer_are_not_weighed(void **state)
{
	struct batch *b = made_batch(0, 6000, 1, MADE_ALL);
	struct trial t = trial_of(b, false);

	(void)state;
	assert_true(noted(&t, "do not follow from the embedding"));
	assert_true(detector_of(&t, "maxlogit")->weight == 1.0);
	assert_true(isnan(detector_of(&t, "maxlogit")->pseudo_auroc));
	assert_true(detector_of(&t, "mahalanobis")->pseudo_auroc > 0.0);
	assert_true(detector_of(&t, "mahalanobis")->weight > 0.0);
	trial_done(&t);
	batch_close(b);
}

static void log_probabilities_are_as_good(void **state)
{
	struct batch *b = affine(0, 6000, 0.0);
	struct trial t;

	(void)state;
	for (size_t i = 0; i < b->n; i++) {
		double sum = 0.0;

		for (size_t c = 0; c < MADE_LOGITS; c++)
			sum += exp((double)b->logits[i * MADE_LOGITS + c]);
		for (size_t c = 0; c < MADE_LOGITS; c++)
			b->logits[i * MADE_LOGITS + c] -= (float)log(sum);
	}
	b->logits_normalised = true;
	t = trial_of(b, false);
	assert_false(noted(&t, "do not follow"));
	assert_true(detector_of(&t, "msp")->pseudo_auroc > 0.8);
	trial_done(&t);
	batch_close(b);
}

/* Two classes: the whole softmax family is one detector. */
static void twins_count_once(void **state)
{
	struct batch *b = made_open(2, 0);
	struct trial t;

	(void)state;
	for (uint64_t row = 0; row < 3000; row++) {
		batch_row_begin(b);
		b->time_us[b->n] = (int64_t)row * 1000000;
		b->hash[b->n] = row * UINT64_C(0x9e3779b97f4a7c15);
		b->logits[2 * b->n] = (float)made_normal(row, 1);
		b->logits[2 * b->n + 1] = -b->logits[2 * b->n];
		b->n++;
	}
	t = trial_of(b, false);
	assert_int_equal(t.r->n_detectors, 1);
	assert_true(noted(&t, "ranks records as maxlogit does"));
	trial_done(&t);
	batch_close(b);
}

/* Flags. */

static double share_flagged(const struct trial *t, const struct batch *b)
{
	const struct scorer *s;
	struct scorer_space space;
	struct scored scored;
	struct error e = {""};
	size_t n = 0;

	assert_int_equal(scorer_open(t->r, plugins, &s, &e), 0);
	scorer_space_init(&space);
	scored_init(&scored);
	scorer_run(s, &space, b, &scored);
	for (size_t i = 0; i < b->n; i++)
		n += scored.flagged[i];
	scored_done(&scored);
	scorer_space_done(&space);
	scorer_close(s);
	return (double)n / (double)b->n;
}

static struct batch *contaminated(uint64_t n, double share)
{
	struct batch *b = made_open(MADE_LOGITS, MADE_EMBEDDING);

	for (uint64_t row = 0; row < n; row++)
		affine_row(b, row, 1, made_unit(row, 77) < share ? 4.0 : 0.0);
	return b;
}

/* Odd records in the reference: normal ones are flagged more rarely, never more often. What is as odd as what was in it is found
 * as long as there is less of it than the flag rate, and is normal once there is more. */
static void odd_records_in_the_reference_cost_power_only(void **state)
{
	static const struct {
		double share, least, most;
	} cases[] = {{0.0, 0.8, 1.0}, {0.005, 0.3, 1.0}, {0.05, 0.0, 0.5}};
	struct batch *normal = affine(20000, 26000, 0.0), *odd = affine(20000, 22000, 4.0);

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct batch *b = contaminated(12000, cases[i].share);
		struct trial t = trial_of(b, false);
		double found = share_flagged(&t, odd), false_flags = share_flagged(&t, normal);

		if (found < cases[i].least || found > cases[i].most || false_flags > 0.015)
			fail_msg("with %g odd: %.3f of the odd and %.4f of the normal flagged", cases[i].share, found, false_flags);
		trial_done(&t);
		batch_close(b);
	}
	batch_close(normal);
	batch_close(odd);
}

static void strict_flags_fewer(void **state)
{
	struct batch *b = affine(0, 12000, 0.0), *fresh = affine(20000, 40000, 0.0), *odd = affine(20000, 22000, 4.0);
	struct trial plain = trial_of(b, false), strict = trial_of(b, true);
	struct buf packed = BUF_EMPTY;
	struct reference *again = NULL;
	struct error e = {""};

	(void)state;
	assert_true(strict.r->strict && !plain.r->strict);
	assert_true(share_flagged(&strict, fresh) <= 0.01);
	assert_true(share_flagged(&strict, fresh) < share_flagged(&plain, fresh));
	assert_true(share_flagged(&strict, odd) > 0.5);
	reference_pack(strict.r, &packed);
	assert_int_equal(reference_unpack_payload(packed.at, packed.n, &again, &e), 0);
	assert_true(again->strict && again->tails);
	assert_true(again->detectors[0].pseudo_auroc == strict.r->detectors[0].pseudo_auroc);
	reference_close(again);
	buf_done(&packed);
	trial_done(&plain);
	trial_done(&strict);
	batch_close(b);
	batch_close(fresh);
	batch_close(odd);
}

static void strict_says_when_it_can_flag_nothing(void **state)
{
	struct batch *b = affine(0, 1000, 0.0);
	struct trial t = trial_of(b, true);

	(void)state;
	assert_true(noted(&t, "strict: with"));
	assert_true(share_flagged(&t, b) == 0.0);
	trial_done(&t);
	batch_close(b);
}

/* Shapes at the edge: many classes, fewer records than dimensions, one class, an embedding that never changes. */
static struct batch *shaped(uint64_t n, size_t n_logits, size_t width, size_t n_classes, double spread)
{
	struct batch *b = made_open(n_logits, width);

	for (uint64_t row = 0; row < n; row++) {
		size_t class = row % n_classes;
		float *z, *x;

		batch_row_begin(b);
		z = b->logits + b->n * n_logits;
		x = b->embedding + b->n * width;
		b->time_us[b->n] = (int64_t)row * 1000000;
		b->hash[b->n] = hash_bytes(&row, sizeof row, 5);
		for (size_t i = 0; i < width; i++)
			x[i] = (float)(spread * (made_unit(row, i) + (i == class % width ? 3.0 : 0.0)));
		for (size_t c = 0; c < n_logits; c++)
			z[c] = x[c % width] - 0.5f * x[(c + c / width) % width];
		b->n++;
	}
	return b;
}

static void odd_shapes_are_weighed_or_left_alone(void **state)
{
	static const struct {
		uint64_t n;
		size_t n_logits, width, n_classes;
		double spread;
	} cases[] = {{1000, 4000, 8, 40, 1.0}, {400, 5, 300, 5, 1.0}, {1000, 4, 8, 1, 1.0}, {1000, 4, 8, 4, 0.0}, {200, 3, 1, 3, 1.0}};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct batch *b = shaped(cases[i].n, cases[i].n_logits, cases[i].width, cases[i].n_classes, cases[i].spread);
		struct trial t = trial_of(b, false);

		for (size_t k = 0; k < t.r->n_detectors; k++)
			assert_true(isfinite(t.r->detectors[k].weight) && t.r->detectors[k].weight >= 0.0);
		assert_true(share_flagged(&t, b) < 0.1);
		trial_done(&t);
		batch_close(b);
	}
}

/* Ways of being odd. */

static struct reference *ways_of(const double weights[2][3], const double offsets[2])
{
	struct reference *r = reference_new();

	r->detectors = mem_zero(3, sizeof *r->detectors);
	r->n_detectors = 3;
	for (size_t i = 0; i < 3; i++)
		r->detectors[i].weight = 1.0;
	r->ways = mem_zero(2, sizeof *r->ways);
	r->n_ways = 2;
	for (size_t k = 0; k < 2; k++)
		r->ways[k] = (struct reference_way){mem_copy(weights[k], 3 * sizeof(double)), 3, offsets[k]};
	return r;
}

/* numpy: logaddexp([.5, 1, 0] @ s - 2, [0, .25, 1.5] @ s - 3) for s = [1, 2, 4]; without the third detector; without all but the third. */
static void likelihoods_of_ways_are_added(void **state)
{
	static const double weights[2][3] = {{0.5, 1.0, 0.0}, {0.0, 0.25, 1.5}}, offsets[2] = {-2.0, -3.0};
	static const float surprise[3] = {1.0f, 2.0f, 4.0f}, lacking[3] = {1.0f, 2.0f, (float)NAN};
	struct reference *r = ways_of(weights, offsets);
	double part[3], odd = 1.0 / (1.0 + exp(0.5 - 3.5)); /* how much of it is the second way */

	(void)state;
	assert_true(fabs((double)calibrate_sum(r, 7, surprise, 1, 0) - 3.548587351573742) < 1e-6);
	/* what is left of the second way, .25 x 2, counts for 1.75 */
	assert_true(fabs((double)calibrate_sum(r, 3, lacking, 1, 0) - 1.1931471805599454) < 1e-6);
	/* nothing is left of the first */
	assert_true(fabs((double)calibrate_sum(r, 4, surprise, 1, 0) - (1.75 * 4.0 - 3.0)) < 1e-6);
	calibrate_parts(r, surprise, 1, 0, part);
	assert_true(fabs(part[0] - (1.0 - odd) * 0.5) < 1e-9 && fabs(part[1] - (2.0 - odd * 1.5)) < 1e-9 && fabs(part[2] - odd * 6.0) < 1e-9);
	calibrate_parts(r, lacking, 1, 0, part);
	assert_true(part[0] > 0.0 && part[1] > 0.0 && part[2] == 0.0);
	reference_close(r);
}

/* Whatever was learned, new records of the same kind have p-values that are uniform, as far as 1,200 records of cal-B can tell. */
static void fused_p_values_are_uniform(void **state)
{
	static const double at[] = {0.005, 0.01, 0.05, 0.2, 0.5, 0.9};
	struct batch *b = affine(0, 6000, 0.0), *fresh = affine(10000, 40000, 0.0);
	struct trial t = trial_of(b, false);
	struct scorer_space space;
	struct scored scored;
	const struct scorer *s;
	struct error e = {""};

	(void)state;
	assert_true(t.r->n_ways > 0);
	assert_int_equal(scorer_open(t.r, plugins, &s, &e), 0);
	scorer_space_init(&space);
	scored_init(&scored);
	scorer_run(s, &space, fresh, &scored);
	for (size_t k = 0; k < sizeof at / sizeof at[0]; k++) {
		double share = 0.0, sd = sqrt(at[k] * (1.0 - at[k]) / (double)t.r->fused.total);

		for (size_t i = 0; i < fresh->n; i++)
			share += (scored.fused[i] <= at[k]) / (double)fresh->n;
		if (fabs(share - at[k]) > 3.0 * sd)
			fail_msg("%.4f of p-values are at most %g", share, at[k]);
	}
	scored_done(&scored);
	scorer_space_done(&space);
	scorer_close(s);
	trial_done(&t);
	batch_close(fresh);
	batch_close(b);
}

/* Surprises. */

static struct reference *table_of(const float *scores, size_t n, bool tails)
{
	struct reference *r = reference_new();
	float *copy = mem_copy(scores, n * sizeof *copy);

	r->tails = tails;
	r->detectors = mem_zero(1, sizeof *r->detectors);
	r->n_detectors = 1;
	r->detectors[0].name = mem_copy_text("one");
	r->detectors[0].weight = 1.0;
	score_table_make(&r->detectors[0].table, copy, n, 4096);
	free(copy);
	return r;
}

#define MANY 2000
#define ASKED 7

static void surprise_at(const struct reference *r, const float scores[ASKED], double p[ASKED], float surprise[ASKED])
{
	uint64_t hash[ASKED] = {1, 2, 3, 4, 5, 6, 7};
	struct calibration *c = calibration_open(r);

	calibrate_p(c, 0, hash, NULL, scores, ASKED, p, surprise);
	calibration_close(c);
}

/* Exponential scores: -log p is the score itself, and the tail goes on where the reference ends. */
static void a_surprise_goes_on_beyond_the_reference(void **state)
{
	static const float asked[ASKED] = {0.5f, 2.0f, 4.0f, 7.0f, 10.0f, 40.0f, 400.0f};
	float scores[MANY], surprise[ASKED];
	double p[ASKED];
	struct reference *r;

	(void)state;
	for (size_t i = 0; i < MANY; i++)
		scores[i] = (float)-log(((double)i + 0.5) / MANY);
	r = table_of(scores, MANY, true);
	surprise_at(r, asked, p, surprise);
	for (size_t i = 0; i < ASKED; i++) {
		assert_true(i == 0 || surprise[i] > surprise[i - 1]);
		assert_true(asked[i] > 10.0f || fabsf(surprise[i] - asked[i]) < 0.05f * asked[i] + 0.01f);
	}
	assert_true(p[5] == p[6] && p[6] == 1.0 / (MANY + 1)); /* the p-value has run out of records */
	assert_true(surprise[6] < 20.0f);
	reference_close(r);
}

static void scores_without_a_tail_have_surprises_too(void **state)
{
	static const float asked[ASKED] = {0.0f, 0.5f, 1.0f, 1.5f, 2.0f, 3.0f, (float)NAN};
	float scores[MANY], surprise[ASKED];
	double p[ASKED];

	(void)state;
	for (int kind = 0; kind < 3; kind++) {
		struct reference *r;

		for (size_t i = 0; i < MANY; i++) /* all alike; nine in ten at the top; a handful */
			scores[i] = kind == 0 ? 1.0f : kind == 1 ? (i % 10 ? 2.0f : 1.0f) : (float)i / 10.0f;
		r = table_of(scores, kind == 2 ? 15 : MANY, true);
		surprise_at(r, asked, p, surprise);
		for (size_t i = 0; i + 1 < ASKED; i++)
			assert_true(isfinite(surprise[i]) && (i == 0 || surprise[i] >= surprise[i - 1]));
		assert_true(isnan(surprise[6]) && isnan(p[6]));
		reference_close(r);
	}
}

static void a_reference_of_old_is_scored_as_of_old(void **state)
{
	static const float asked[ASKED] = {0.5f, 2.0f, 4.0f, 7.0f, 10.0f, 40.0f, 400.0f};
	float scores[MANY], surprise[ASKED];
	double p[ASKED];
	struct reference *r;

	(void)state;
	for (size_t i = 0; i < MANY; i++)
		scores[i] = (float)i / 100.0f;
	r = table_of(scores, MANY, false);
	surprise_at(r, asked, p, surprise);
	for (size_t i = 0; i < ASKED; i++)
		assert_true(surprise[i] == (float)-log(p[i]));
	reference_close(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(weights_come_from_made_up_records),
		cmocka_unit_test(cal_b_has_no_say),
		cmocka_unit_test(logits_of_another_layer_are_not_weighed),
		cmocka_unit_test(log_probabilities_are_as_good),
		cmocka_unit_test(twins_count_once),
		cmocka_unit_test(odd_records_in_the_reference_cost_power_only),
		cmocka_unit_test(strict_flags_fewer),
		cmocka_unit_test(strict_says_when_it_can_flag_nothing),
		cmocka_unit_test(odd_shapes_are_weighed_or_left_alone),
		cmocka_unit_test(likelihoods_of_ways_are_added),
		cmocka_unit_test(fused_p_values_are_uniform),
		cmocka_unit_test(a_surprise_goes_on_beyond_the_reference),
		cmocka_unit_test(scores_without_a_tail_have_surprises_too),
		cmocka_unit_test(a_reference_of_old_is_scored_as_of_old),
	};

	return cmocka_run_group_tests(tests, open_plugins, close_plugins);
}
