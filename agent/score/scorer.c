/* SPDX-License-Identifier: Apache-2.0
 * The order of scoring a batch: route, detectors, p-values, fusion, flags, then for each measure of
 * the reference the bin and the term of every row, column by column, since a column shares its
 * edges. */
#include "score/scorer.h"

#include "base/mem.h"
#include "model/metric.h"
#include "score/calibrate.h"
#include "score/detector.h"
#include "score/performance.h"
#include "score/slicer.h"
#include "score/statistic.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* How one measure is counted. */
struct plan {
	const struct measure *m;
	size_t feature;   /* of a numeric or categorical measure: which one */
	uint32_t *bin_of; /* of a class or category: position in the vector by code; one more for
			     what is not known */
	size_t n_codes;
	const char *metric; /* of a metric measure: its metric */
	size_t sum; /* index among the sums, SIZE_MAX when it has none */
	size_t index; /* of the measure */
};

struct scorer {
	const struct reference *r;
	struct route *route;
	struct detector *detectors;
	struct calibration *calibration;
	struct slicer *slicer;
	struct plan *plans;
	size_t n_sums, first_performance; /* sums in all; the first of those that are not a measure's */
	uint8_t *fault; /* by position in the window's vector: does it count faults (1), or may it, by how far out they are (2)? */
};

/* Opening. */

static size_t name_find(char *const *names, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(names[i], name) == 0)
			return i;
	return SIZE_MAX;
}

static size_t category_find(const struct reference *r, const char *name)
{
	for (size_t i = 0; i < r->n_category; i++)
		if (strcmp(r->category[i].name, name) == 0)
			return i;
	return SIZE_MAX;
}

static uint32_t special_at(const struct measure *m, size_t special)
{
	return special == MEASURE_NO_BIN ? SCORED_NO_BIN : (uint32_t)(m->first + special);
}

/* A word with no bin of its own is rare, where the measure has a bin for that, else as good as
 * never seen. */
static uint32_t word_bin(const struct measure *m, const char *word)
{
	size_t bin = name_find(m->words, m->n_words, word);

	if (bin == SIZE_MAX)
		bin = name_find(m->words, m->n_words, MEASURE_RARE_WORD);
	return bin == SIZE_MAX || word[0] == '\0' ? special_at(m, m->other)
						  : (uint32_t)(m->first + bin);
}

static void plan_words(struct plan *p, char *const *words, size_t n)
{
	p->n_codes = n;
	p->bin_of = mem_zero(n + 1, sizeof *p->bin_of);
	for (size_t i = 0; i < n; i++)
		p->bin_of[i] = word_bin(p->m, words[i]);
	p->bin_of[n] = special_at(p->m, p->m->other);
}

/* false: the measure is of a feature that the reference does not have. */
static bool plan_make(const struct reference *r, const struct measure *m, struct plan *ret)
{
	struct plan p = {.m = m, .feature = SIZE_MAX, .sum = SIZE_MAX};

	if (m->kind == MEASURE_ACCURACY || m->kind == MEASURE_LABEL)
		return false;
	if (m->kind == MEASURE_NUMERIC)
		p.feature = name_find(r->numeric, r->n_numeric, m->name);
	if (m->kind == MEASURE_CATEGORY)
		p.feature = category_find(r, m->name);
	if ((m->kind == MEASURE_NUMERIC || m->kind == MEASURE_CATEGORY) && p.feature == SIZE_MAX)
		return false;
	if (m->kind == MEASURE_CATEGORY)
		plan_words(&p, r->category[p.feature].words, r->category[p.feature].n_words);
	if (m->kind == MEASURE_CLASS)
		plan_words(&p, r->classes, r->n_classes);
	if (m->kind == MEASURE_METRIC)
		p.metric = metric_name(r, m);
	*ret = p;
	return true;
}

static int plans_make(struct scorer *s, struct error *e)
{
	s->plans = mem_zero(s->r->n_measures + 1, sizeof *s->plans);
	for (size_t i = 0; i < s->r->n_measures; i++) {
		const struct measure *m = &s->r->measures[i];

		if (!plan_make(s->r, m, &s->plans[i]))
			return error_set(e, -EINVAL,
				"measure %s: the reference has no such feature", m->name);
		s->plans[i].index = i;
		if (m->sums != MEASURE_NO_BIN)
			s->plans[i].sum = s->n_sums++;
	}
	s->first_performance = s->n_sums;
	s->n_sums += s->r->performance.width ? PERFORMANCE_SLOTS : 0;
	return 0;
}

/* A special bin counts faults where no more records of the reference are in it than, over all features, the flag rate would
 * allow; a single one may always be chance. */
static void faults_make(struct scorer *s)
{
	size_t n_features = s->r->n_numeric + s->r->n_category;

	s->fault = mem_zero(s->r->width + 1, 1);
	for (size_t i = 0; i < s->r->n_measures; i++) {
		const struct measure *m = &s->r->measures[i];
		size_t special[] = {m->below, m->above, m->other, m->missing, m->mistyped};
		int64_t n = 0;

		if (!m->base || (m->kind != MEASURE_NUMERIC && m->kind != MEASURE_CATEGORY))
			continue;
		for (size_t k = 0; k < m->n; k++)
			n += m->base[k];
		for (size_t k = 0; k < sizeof special / sizeof special[0]; k++)
			if (special[k] != MEASURE_NO_BIN &&
				(double)m->base[special[k]] <= fmax(1.0, (double)n * s->r->flag_rate / (double)n_features))
				s->fault[m->first + special[k]] = special[k] == m->below || special[k] == m->above ? 2 : 1;
	}
}

static void slices_attach(struct scorer *s)
{
	size_t *sums = mem_zero(s->r->n_measures + 1, sizeof *sums);

	for (size_t i = 0; i < s->r->n_measures; i++)
		sums[i] = s->plans[i].sum;
	s->slicer = slicer_open(s->r, sums);
	free(sums);
}

static int detectors_attach(struct scorer *s, const struct plugins *plugins, struct error *e)
{
	int code = 0;

	s->detectors = mem_zero(s->r->n_detectors + 1, sizeof *s->detectors);
	s->calibration = calibration_open(s->r);
	for (size_t i = 0; i < s->r->n_detectors && code == 0; i++)
		code = detector_attach(&s->r->detectors[i], plugins, &s->detectors[i], e);
	return code;
}

static void scorer_free(struct scorer *s)
{
	route_close(s->route);
	for (size_t i = 0; s->detectors && i < s->r->n_detectors; i++)
		detector_detach(&s->detectors[i]);
	for (size_t i = 0; s->plans && i < s->r->n_measures; i++)
		free(s->plans[i].bin_of);
	free(s->fault);
	free(s->detectors);
	calibration_close(s->calibration);
	slicer_close(s->slicer);
	free(s->plans);
	free(s);
}

int scorer_open(const struct reference *r, const struct plugins *plugins, const struct scorer **ret,
	struct error *e)
{
	struct scorer *s = mem_zero(1, sizeof *s);
	int code;

	s->r = r;
	s->route = route_open(r);
	faults_make(s);
	code = plans_make(s, e);
	if (code == 0)
		slices_attach(s);
	if (code == 0)
		code = detectors_attach(s, plugins, e);
	if (code < 0)
		scorer_free(s);
	else
		*ret = s;
	return code;
}

void scorer_close(const struct scorer *s)
{
	if (s)
		scorer_free((struct scorer *)s);
}

const struct reference *scorer_reference(const struct scorer *s)
{
	return s->r;
}

int32_t scorer_class(const struct scorer *s, struct text prediction)
{
	return route_class(s->route, prediction);
}

const struct detector *scorer_detectors(const struct scorer *s)
{
	return s->detectors;
}

void scorer_unsee(const struct scorer *s, size_t category, size_t code)
{
	for (size_t i = 0; i < s->r->n_measures; i++) {
		const struct plan *p = &s->plans[i];

		if (p->m->kind == MEASURE_CATEGORY && p->feature == category && code < p->n_codes)
			p->bin_of[code] = special_at(p->m, p->m->other);
	}
}

void scorer_unsee_class(const struct scorer *s, size_t class)
{
	for (size_t i = 0; i < s->r->n_measures; i++) {
		const struct plan *p = &s->plans[i];

		if (p->m->kind == MEASURE_CLASS && class < p->n_codes)
			p->bin_of[class] = special_at(p->m, p->m->other);
	}
}

void scorer_unsee_field(const struct scorer *s, const char *name)
{
	route_unsee(s->route, name);
}

void scorer_space_init(struct scorer_space *space)
{
	*space = (struct scorer_space){0};
	routed_init(&space->routed);
}

void scorer_space_done(struct scorer_space *space)
{
	routed_done(&space->routed);
	free(space->status);
	free(space->surprise);
	free(space->numbers);
	free(space->kinds);
	*space = (struct scorer_space){0};
}

/* Scores to flags. */

static void rows_score(const struct scorer *s, struct scorer_space *space, const struct batch *b,
	struct scored *to)
{
	for (size_t k = 0; k < s->r->n_detectors; k++) {
		const struct reference_detector *d = &s->r->detectors[k];
		float *scores = to->score + k * b->n;

		if (detector_score(&s->detectors[k], &space->routed.batch, scores, space->status) <
			0)
			space->failed |= UINT64_C(1) << k;
		calibrate_p(s->calibration, k, b->hash, space->routed.predicted, scores, b->n,
			to->p + k * b->n, space->surprise + k * b->n);
		for (size_t i = 0; d->weight == 0.0 && i < b->n; i++)
			to->p[k * b->n + i] = (double)NAN;
	}
	calibrate_fuse(s->calibration, b->hash, to->p, space->surprise, b->n, to->fused);
	for (size_t i = 0; i < b->n; i++)
		to->flagged[i] = to->fused[i] <= s->r->flag_rate; /* NaN is not */
}

/* Bins: one function for each kind of measure; `to` is the measure's column, one value every
 * n_measures. */

struct counting {
	const struct batch *b;
	const struct routed *routed;
	const struct scored *scored;
	size_t n, stride;
	struct scored *named; /* takes what bins have no name for */
	const struct column *metric; /* of the metric at hand; NULL when the batch has none .. */
	struct column prediction;    /* .. or this one, made of the predictions .. */
	double *numbers;             /* .. and its numbers */
	const struct reference_layer *layer;
};

static void column_fill(uint32_t *to, const struct counting *c, uint32_t bin)
{
	for (size_t i = 0; i < c->n; i++)
		to[i * c->stride] = bin;
}

/* Where the value is missing, was there something of another type? */
static void column_mistyped(const struct plan *p, const struct counting *c,
	const struct column *from, uint32_t missing, uint32_t *to)
{
	uint32_t mistyped = special_at(p->m, p->m->mistyped);

	for (size_t i = 0; from && i < c->n; i++)
		if (to[i * c->stride] == missing &&
			(from->kind[i] == CELL_TEXT || from->kind[i] == CELL_OTHER))
			to[i * c->stride] = mistyped;
}

/* Special bins stand behind the plain ones: what lies in any of them but `missing` has no other name than its own. */
static void column_name(const struct plan *p, const struct counting *c, const struct column *from, uint32_t missing, const uint32_t *to)
{
	uint32_t plain = (uint32_t)(p->m->first + (p->m->n_words > 0 ? p->m->n_words : p->m->n_edges + 1));

	for (size_t i = 0; from && i < c->n; i++)
		if (to[i * c->stride] >= plain && to[i * c->stride] != missing)
			scored_unseen_add(c->named, (struct scored_unseen){(uint32_t)i, (uint32_t)p->index, from == &c->prediction ? NULL : from, false});
}

static void bins_p_value(const struct plan *p, const struct counting *c, uint32_t *to)
{
	column_fill(to, c, special_at(p->m, p->m->missing));
	measure_bins(p->m, c->scored->fused, c->n, to, c->stride);
}

static void bins_confidence(const struct plan *p, const struct counting *c, uint32_t *to)
{
	column_fill(to, c, special_at(p->m, p->m->missing));
	measure_bins(p->m, c->b->confidence, c->n, to, c->stride);
}

static void bins_class(const struct plan *p, const struct counting *c, uint32_t *to)
{
	uint32_t missing = special_at(p->m, p->m->missing);

	for (size_t i = 0; i < c->n; i++) {
		int32_t class = c->routed->predicted[i];
		bool unknown = class < 0 && c->b->prediction[i].at;

		to[i * c->stride] = class >= 0 ? p->bin_of[class] : unknown ? p->bin_of[p->n_codes] : missing;
		if (unknown)
			scored_unseen_add(c->named, (struct scored_unseen){(uint32_t)i, (uint32_t)p->index, NULL, false});
	}
}

static void bins_numeric(const struct plan *p, const struct counting *c, uint32_t *to)
{
	uint32_t missing = special_at(p->m, p->m->missing);

	column_fill(to, c, missing);
	measure_bins(p->m, c->routed->numerics[p->feature].at, c->n, to, c->stride);
	column_mistyped(p, c, c->routed->numeric[p->feature], missing, to);
	column_name(p, c, c->routed->numeric[p->feature], missing, to);
}

static void bins_category(const struct plan *p, const struct counting *c, uint32_t *to)
{
	const int32_t *codes = c->routed->categories[p->feature].at;
	uint32_t missing = special_at(p->m, p->m->missing);

	for (size_t i = 0; i < c->n; i++)
		to[i * c->stride] = codes[i] >= 0 ? p->bin_of[codes[i]] : missing;
	column_mistyped(p, c, c->routed->category[p->feature], missing, to);
	column_name(p, c, c->routed->category[p->feature], missing, to);
}

static void bins_missing(const struct plan *p, const struct counting *c, uint32_t *to)
{
	for (size_t i = 0; i < c->n; i++)
		to[i * c->stride] =
			(uint32_t)(p->m->first + measure_bin(p->m, c->routed->lacks[i]));
}

/* Fields that the reference never had: usually no column of the batch is one. */
static void bins_fields(const struct plan *p, const struct counting *c, uint32_t *to)
{
	const struct routed *routed = c->routed;

	column_fill(to, c, (uint32_t)p->m->first);
	for (size_t i = 0; routed->n_strange > 0 && i < c->n; i++) {
		size_t n = 0;

		for (size_t k = 0; k < routed->n_strange; k++) {
			if (routed->strange[k]->kind[i] == CELL_ABSENT)
				continue;
			scored_unseen_add(c->named, (struct scored_unseen){(uint32_t)i, (uint32_t)p->index, routed->strange[k], true});
			n++;
		}
		to[i * c->stride] = (uint32_t)(p->m->first + measure_bin(p->m, (double)n));
	}
}

static void bins_truth(const struct plan *p, const struct counting *c, uint32_t *to)
{
	const struct column *from = c->metric;

	column_fill(to, c, special_at(p->m, p->m->missing));
	for (size_t i = 0; from && i < c->n; i++)
		if (from->kind[i] == CELL_BOOL || (from->kind[i] == CELL_NUMBER &&
							  (from->number[i] == 0.0 || from->number[i] == 1.0)))
			to[i * c->stride] = (uint32_t)(p->m->first +
						       (from->number[i] != 0.0 ? METRIC_TRUE : METRIC_FALSE));
		else if (from->kind[i] != CELL_ABSENT && from->kind[i] != CELL_NULL)
			to[i * c->stride] = special_at(p->m, p->m->mistyped);
}

static void bins_metric(const struct plan *p, const struct counting *c, uint32_t *to)
{
	uint32_t missing = special_at(p->m, p->m->missing);

	if (metric_is_bool(p->m)) {
		bins_truth(p, c, to);
		return;
	}
	column_fill(to, c, missing);
	measure_bins(p->m, c->numbers, c->n, to, c->stride);
	column_mistyped(p, c, c->metric, missing, to);
	column_name(p, c, c->metric, missing, to);
}

/* A record without both vectors says nothing about what makes one of the other. */
static void bins_layer(const struct plan *p, const struct counting *c, uint32_t *to)
{
	struct oodd_matrix logits = c->routed->batch.logits, embedding = c->routed->batch.embedding;

	column_fill(to, c, SCORED_NO_BIN);
	for (size_t i = 0; logits.at && embedding.at && i < c->n; i++) {
		double left = reference_layer_residual(c->layer, oodd_row(logits, i), logits.width, oodd_row(embedding, i), embedding.width);

		if (!isnan(left))
			to[i * c->stride] = (uint32_t)(p->m->first + measure_bin(p->m, left));
	}
}

static void (*const bins[MEASURE_KINDS])(
	const struct plan *, const struct counting *, uint32_t *) = {
	[MEASURE_P_VALUE] = bins_p_value,
	[MEASURE_CONFIDENCE] = bins_confidence,
	[MEASURE_CLASS] = bins_class,
	[MEASURE_NUMERIC] = bins_numeric,
	[MEASURE_CATEGORY] = bins_category,
	[MEASURE_MISSING] = bins_missing,
	[MEASURE_FIELDS] = bins_fields,
	[MEASURE_METRIC] = bins_metric,
	[MEASURE_LAYER] = bins_layer,
};

/* Terms of the sums behind a mean: fixed point, so that addition is exact in any order. */

#define TERM_ONE 1048576.0        /* 2^20 */
#define TERM_MOST 1099511627776.0 /* 2^40: a million standard deviations */

static int64_t term_of(double x, double centre, double scale)
{
	double term = rint((x - centre) / scale * TERM_ONE);

	if (isnan(term))
		return INT64_MIN;
	return (int64_t)(term > TERM_MOST ? TERM_MOST : term < -TERM_MOST ? -TERM_MOST : term);
}

static const double *values_of(const struct plan *p, const struct counting *c)
{
	if (p->m->kind == MEASURE_METRIC)
		return c->numbers;
	return p->m->kind == MEASURE_NUMERIC ? c->routed->numerics[p->feature].at
					     : c->b->confidence;
}

static void terms_count(const struct plan *p, const struct counting *c, struct scored *to)
{
	const double *x = values_of(p, c);

	to->sum_at[p->sum] = (uint32_t)p->m->sums;
	for (size_t i = 0; i < c->n; i++)
		to->term[i * to->n_sums + p->sum] = term_of(x[i], p->m->centre, p->m->scale);
}

static int unseen_order_rows(const void *a, const void *b)
{
	const struct scored_unseen *p = a, *q = b;

	return p->row != q->row ? (p->row > q->row) - (p->row < q->row) : (p->measure > q->measure) - (p->measure < q->measure);
}

/* Predictions as the column of a metric: text that reads as a number is one. */
static const struct column *prediction_column(struct scorer_space *space, struct counting *c)
{
	for (size_t i = 0; i < c->n; i++)
		space->kinds[i] = c->b->prediction[i].at ? CELL_TEXT : CELL_ABSENT;
	c->prediction = (struct column){.kind = space->kinds, .text = c->b->prediction};
	return &c->prediction;
}

static void metric_take(const struct plan *p, struct scorer_space *space, struct counting *c)
{
	if (c->n > space->room_numbers) {
		space->room_numbers = c->n + c->n / 2 + 64;
		space->numbers =
			mem_grow(space->numbers, space->room_numbers, sizeof *space->numbers);
		space->kinds = mem_grow(space->kinds, space->room_numbers, sizeof *space->kinds);
	}
	c->numbers = space->numbers;
	c->metric = columns_find(&c->b->metrics, p->metric);
	if (!c->metric && strcmp(p->metric, METRIC_PREDICTION) == 0)
		c->metric = prediction_column(space, c);
	column_numbers(c->metric, c->n, c->numbers);
}

static void rows_count(const struct scorer *s, struct scorer_space *space, const struct batch *b,
	struct scored *to)
{
	struct counting c = {
		.b = b, .routed = &space->routed, .scored = to, .n = b->n, .stride = s->r->n_measures, .named = to,
		.layer = &s->r->layer};

	for (size_t k = 0; k < s->r->n_measures; k++) {
		const struct plan *p = &s->plans[k];

		if (p->m->slice)
			continue;
		if (p->metric)
			metric_take(p, space, &c);
		bins[p->m->kind](p, &c, to->bin + k);
		if (p->sum != SIZE_MAX)
			terms_count(p, &c, to);
	}
	if (s->r->performance.width)
		performance_terms(&s->r->performance, &space->routed.batch, to, s->first_performance);
	if (to->n_unseen > 1)
		qsort(to->unseen, to->n_unseen, sizeof *to->unseen, unseen_order_rows);
}

/* Out of range is a fault where it is by more than the range is wide; a little beyond is what drift looks like. What never varied
 * says nothing of how much it may. */
static bool far_out(const struct plan *p, const struct routed *routed, size_t row)
{
	double x = routed->numerics[p->feature].at[row], wide = p->m->most - p->m->least;

	return wide > 0 && (x > p->m->most + wide || x < p->m->least - wide);
}

static bool row_far_out(const struct scorer *s, const struct routed *routed, const uint32_t *bin, size_t row)
{
	for (size_t k = 0; k < s->r->n_measures; k++)
		if (bin[k] < s->r->width && s->fault[bin[k]] == 2 && far_out(&s->plans[k], routed, row))
			return true;
	return false;
}

static void rows_fault(const struct scorer *s, const struct routed *routed, struct scored *to)
{
	size_t n = s->r->n_measures;

	for (size_t i = 0; i < to->n; i++) {
		const uint32_t *bin = to->bin + i * n;
		unsigned fault = 0;

		for (size_t k = 0; k < n; k++)
			fault |= s->fault[bin[k] < s->r->width ? bin[k] : s->r->width];
		to->faulty[i] = (fault & 1) || (fault & 2 && row_far_out(s, routed, bin, i));
	}
}

bool scorer_is_fault(const struct scorer *s, const struct routed *routed, size_t row, size_t measure, uint32_t bin)
{
	return bin < s->r->width && (s->fault[bin] == 1 || (s->fault[bin] == 2 && far_out(&s->plans[measure], routed, row)));
}

void scorer_run(const struct scorer *s, struct scorer_space *space, const struct batch *b,
	struct scored *to)
{
	if (b->n > space->room) {
		space->room = b->n + b->n / 2 + 64;
		space->status = mem_grow(space->status, space->room, 1);
	}
	if (b->n * s->r->n_detectors > space->room_surprise) {
		space->room_surprise = space->room * s->r->n_detectors;
		space->surprise =
			mem_grow(space->surprise, space->room_surprise, sizeof *space->surprise);
	}
	space->failed = 0;
	scored_room(to, b->n, s->r->n_detectors, s->r->n_measures, s->n_sums);
	route_run(s->route, b, &space->routed);
	space->outcome = space->routed.outcome;
	rows_score(s, space, b, to);
	rows_count(s, space, b, to);
	slicer_run(s->slicer, b, to);
	slicer_bins(s->slicer, to);
	rows_fault(s, &space->routed, to);
	scored_room_statistics(to, s->r->n_statistics);
	statistics_run(s->r, &space->routed.batch, to);
}
