/* SPDX-License-Identifier: Apache-2.0
 * What is counted in a window, and into which bins.
 *
 * Edges are quantiles of the records that calibrate: a training set is often resampled, and not
 * what traffic looks like. Least and most, and which words are known, come from all records. */
#include "score/fit_work.h"

#include "base/mem.h"
#include "model/metric.h"
#include "stats/quantile.h"

#include <assert.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MOST_CLASS_BINS 1000
#define LAYER_EDGES 4
#define LAYER_GROSS .5
#define MOST_BINS 21 /* quantile_edges may give three times as many edges */

/* Fixed edges of the p-value measure: the trial's (evidence.py). */
static const double p_edges[] = {.005, .01, .02, .05, .1, .2, .35, .5, .75};
static const double fields_edges[] = {0, 1, 2, 4};

static struct measure *measure_add(struct fit *f, const char *name, enum measure_kind kind)
{
	struct reference *r = f->r;
	struct measure *m;

	r->measures = mem_grow(r->measures, r->n_measures + 1, sizeof *r->measures);
	m = &r->measures[r->n_measures++];
	*m = (struct measure){.name = mem_copy_text(name),
		.kind = kind,
		.first = r->width,
		.below = MEASURE_NO_BIN,
		.above = MEASURE_NO_BIN,
		.other = MEASURE_NO_BIN,
		.missing = MEASURE_NO_BIN,
		.mistyped = MEASURE_NO_BIN,
		.sums = MEASURE_NO_BIN,
		.scale = 1.0};
	return m;
}

static void edges_set(struct measure *m, const double *edges, size_t n)
{
	m->edges = n > 0 ? mem_copy(edges, n * sizeof *edges) : NULL;
	m->n_edges = n;
	m->n = n + 1;
}

/* All its bins are there: the next measure begins behind them. */
static void measure_close(struct fit *f, struct measure *m)
{
	m->base = mem_zero(m->n, sizeof *m->base);
	f->r->width = m->first + m->n + (m->sums == MEASURE_NO_BIN ? 0 : 2);
}

static void sums_set(struct measure *m)
{
	m->sums = m->first + m->n;
}

/* Numbers of the records, as they will be routed. */
struct numbers {
	double *all;       /* of every record that has one, sorted */
	double *calibrate; /* of those that calibrate, sorted */
	size_t n_all, n_calibrate;
};

static void numbers_put(struct numbers *x, double value, bool calibrates)
{
	if (isnan(value))
		return;
	x->all[x->n_all++] = value;
	if (calibrates)
		x->calibrate[x->n_calibrate++] = value;
}

static struct numbers numbers_open(const struct fit *f)
{
	return (struct numbers){mem_alloc((f->n_rows + 1) * sizeof(double)),
		mem_alloc((f->n_rows + 1) * sizeof(double)), 0, 0};
}

static void numbers_sort(struct numbers *x)
{
	quantile_sort(x->all, x->n_all);
	quantile_sort(x->calibrate, x->n_calibrate);
}

static void numbers_done(struct numbers *x)
{
	free(x->all);
	free(x->calibrate);
}

static double column_number(const struct column *c, size_t row)
{
	double x = (double)NAN;

	if (c && (c->kind[row] == CELL_NUMBER || c->kind[row] == CELL_BOOL))
		x = c->number[row];
	else if (c && c->kind[row] == CELL_TEXT && !text_number(c->text[row], &x))
		x = (double)NAN;
	return x;
}

/* Features or metrics of a batch. */
typedef const struct columns *columns_of(const struct batch *b);

static const struct columns *features_of(const struct batch *b)
{
	return &b->features;
}

static const struct columns *metrics_of(const struct batch *b)
{
	return &b->metrics;
}

static struct numbers numbers_of(const struct fit *f, columns_of *of, const char *name)
{
	struct numbers x = numbers_open(f);
	const struct column **columns = mem_zero(f->n_batches + 1, sizeof *columns);

	for (size_t b = 0; b < f->n_batches; b++)
		columns[b] = columns_find(of(f->batches[b]), name);
	for (size_t i = 0; i < f->n_rows; i++)
		numbers_put(&x, column_number(columns[f->rows[i].batch], f->rows[i].row),
			fit_row_calibrates(f, i));
	free(columns);
	numbers_sort(&x);
	return x;
}

static struct numbers numbers_of_confidence(const struct fit *f)
{
	struct numbers x = numbers_open(f);

	for (size_t i = 0; i < f->n_rows; i++)
		numbers_put(&x, f->batches[f->rows[i].batch]->confidence[f->rows[i].row],
			fit_row_calibrates(f, i));
	numbers_sort(&x);
	return x;
}

/* Mean and standard deviation, of numbers scaled so that neither can overflow. */
static void moments_set(struct measure *m, const double *x, size_t n)
{
	double mean = 0.0, square = 0.0, unit = fmax(fabs(x[0]), fabs(x[n - 1])), s;

	unit = unit > 0.0 ? unit : 1.0;
	for (size_t i = 0; i < n; i++)
		mean += x[i] / unit / (double)n;
	for (size_t i = 0; i < n; i++)
		square += (x[i] / unit - mean) * (x[i] / unit - mean) / (double)n;
	s = sqrt(square) * unit;
	m->centre = mean * unit;
	/* A constant has no scale of its own: then a unit is its own size. */
	m->scale = s > DBL_MIN && s > 1e-12 * unit ? s : unit;
}

/* The same thing counted in another version's reference, if it has edges. */
static const struct measure *measure_like(const struct fit *f, const struct measure *m)
{
	for (size_t i = 0; f->o.like && i < f->o.like->n_measures; i++) {
		const struct measure *other = &f->o.like->measures[i];

		if (other->kind == m->kind && other->n_edges > 0 && strcmp(other->name, m->name) == 0)
			return other;
	}
	return NULL;
}

static void quantiles_set(const struct fit *f, struct measure *m, const struct numbers *x)
{
	double edges[3 * MOST_BINS];
	const double *from = x->n_calibrate > 0 ? x->calibrate : x->all;
	size_t n = x->n_calibrate > 0 ? x->n_calibrate : x->n_all;
	const struct measure *like = measure_like(f, m);

	if (like)
		edges_set(m, like->edges, like->n_edges);
	else
		edges_set(m, edges,
			quantile_edges(from, n, f->o.bins < MOST_BINS ? f->o.bins : MOST_BINS, edges));
	moments_set(m, from, n);
	m->least = x->all[0];
	m->most = x->all[x->n_all - 1];
}

/* An end that was moved for a threshold (metric_edge_add) is no record's. */
static void lone_ends(struct fit *f, const struct numbers *x)
{
	size_t k = f->r->n_measures - 1, n = x->n_all;

	f->lone_least[k] = n < 2 || x->all[0] < x->all[1];
	f->lone_most[k] = n < 2 || x->all[n - 1] > x->all[n - 2];
}

static void numeric_measure(struct fit *f, const char *name)
{
	struct numbers x = numbers_of(f, features_of, name);
	struct measure *m = measure_add(f, name, MEASURE_NUMERIC);

	quantiles_set(f, m, &x);
	lone_ends(f, &x);
	if (m->least == m->most && x.n_all > 1)
		fit_note(f, "feature %s is constant: %.6g in all %zu records that have it; any other value is news", name, m->least, x.n_all);
	m->below = m->n++;
	m->above = m->n++;
	m->missing = m->n++;
	m->mistyped = m->n++;
	sums_set(m);
	measure_close(f, m);
	numbers_done(&x);
}

static void confidence_measure(struct fit *f)
{
	struct numbers x = numbers_of_confidence(f);

	if (2 * x.n_all > f->n_rows) {
		struct measure *m = measure_add(f, "confidence", MEASURE_CONFIDENCE);

		quantiles_set(f, m, &x);
		m->missing = m->n++;
		sums_set(m);
		measure_close(f, m);
	}
	numbers_done(&x);
}

static void p_value_measure(struct fit *f)
{
	struct measure *m = measure_add(f, "p-value", MEASURE_P_VALUE);

	edges_set(m, p_edges, sizeof p_edges / sizeof p_edges[0]);
	m->most = 1.0;
	m->missing = m->n++;
	measure_close(f, m);
}

static void fields_measure(struct fit *f, const char *name, enum measure_kind kind)
{
	struct measure *m = measure_add(f, name, kind);

	edges_set(m, fields_edges, sizeof fields_edges / sizeof fields_edges[0]);
	measure_close(f, m);
}

/* From four times what is usual, in equal ratios, up to half of what there is to explain. */
static void layer_measure(struct fit *f)
{
	double edges[LAYER_EDGES], low = 4 * f->r->layer.usual;

	if (f->r->layer.n_combine == 0 || low > LAYER_GROSS / 4)
		return;
	for (size_t i = 0; i < LAYER_EDGES; i++)
		edges[i] = low * pow(LAYER_GROSS / low, (double)i / (LAYER_EDGES - 1));
	struct measure *m = measure_add(f, "last layer", MEASURE_LAYER);
	edges_set(m, edges, LAYER_EDGES);
	measure_close(f, m);
}

static void words_set(struct measure *m, char *const *words, size_t n, size_t most)
{
	size_t kept = n <= most ? n : most;

	m->words = mem_zero(kept + 2, sizeof *m->words);
	for (size_t i = 0; i < kept; i++)
		m->words[m->n_words++] = mem_copy_text(words[i]);
	if (kept < n)
		m->words[m->n_words++] = mem_copy_text(MEASURE_RARE_WORD);
	m->n = m->n_words;
}

static void category_measure(struct fit *f, const struct reference_category *c)
{
	struct measure *m = measure_add(f, c->name, MEASURE_CATEGORY);

	words_set(m, c->words, c->n_words, f->o.words);
	if (c->n_words == 1)
		fit_note(f, "feature %s is constant: always %s; any other value is news", c->name, c->words[0]);
	m->other = m->n++;
	m->missing = m->n++;
	m->mistyped = m->n++;
	measure_close(f, m);
}

/* In the order of the logits; those that were never predicted have no bin of their own. */
static void class_measure(struct fit *f)
{
	struct reference *r = f->r;
	char **named = mem_zero(r->n_classes + 1, sizeof *named);
	size_t n = 0;

	for (size_t i = 0; i < r->n_classes; i++)
		if (r->classes[i][0])
			named[n++] = r->classes[i];
	if (n > 0) {
		struct measure *m = measure_add(f, "class", MEASURE_CLASS);

		words_set(m, named, n, MOST_CLASS_BINS);
		m->other = m->n++;
		m->missing = m->n++;
		measure_close(f, m);
	}
	free(named);
}

/* Output metrics. What a log holds of them is not declared either: numbers, or true and false. */

#define MOST_METRICS 64

static const struct measure *measure_named(const struct reference *r, const char *name)
{
	for (size_t i = 0; i < r->n_measures; i++)
		if (strcmp(r->measures[i].name, name) == 0)
			return &r->measures[i];
	return NULL;
}

static struct measure *metric_add(struct fit *f, const char *name)
{
	char *longer = mem_format(METRIC_PREFIX "%s", name);
	struct measure *m =
		measure_add(f, measure_named(f->r, name) ? longer : name, MEASURE_METRIC);

	free(longer);
	return m;
}

static void metric_edges(struct fit *f, struct measure *m, const char *name)
{
	double at;

	for (size_t i = 0; f->o.limits && i < f->o.limits->n; i++) {
		const struct limit *l = &f->o.limits->at[i];

		if (strcmp(l->metric, name) == 0 && limit_edge(l, &at) && !metric_edge_add(m, at))
			fit_note(f, "metric %s: no room for a bin that ends at %g", name,
				l->threshold);
	}
}

static void metric_numbers(struct fit *f, const char *name)
{
	struct numbers x = numbers_of(f, metrics_of, name);
	struct measure *m = metric_add(f, name);

	quantiles_set(f, m, &x);
	lone_ends(f, &x);
	m->below = m->n++;
	m->above = m->n++;
	m->missing = m->n++;
	m->mistyped = m->n++;
	sums_set(m);
	metric_edges(f, m, name);
	measure_close(f, m);
	numbers_done(&x);
}

static void metric_truths(struct fit *f, const char *name)
{
	char *words[] = {"false", "true"}; /* METRIC_FALSE, METRIC_TRUE */
	struct measure *m = metric_add(f, name);

	words_set(m, words, 2, 2);
	m->missing = m->n++;
	m->mistyped = m->n++;
	measure_close(f, m);
}

static void metric_measure(struct fit *f, const char *name)
{
	size_t numbers = 0, truths = 0, rest = 0;

	for (size_t b = 0; b < f->n_batches; b++) {
		const struct column *c = columns_find(&f->batches[b]->metrics, name);
		double x;

		for (size_t i = 0; c && i < f->batches[b]->n; i++) {
			truths += c->kind[i] == CELL_BOOL;
			numbers += c->kind[i] == CELL_NUMBER ||
				   (c->kind[i] == CELL_TEXT && text_number(c->text[i], &x));
			rest += c->kind[i] == CELL_OTHER ||
				(c->kind[i] == CELL_TEXT && !text_number(c->text[i], &x));
		}
	}
	if (numbers + truths + rest == 0)
		fit_note(f, "metric %s is left out: no record has a value", name);
	else if (rest > numbers + truths)
		fit_note(f,
			"metric %s is left out: it is neither a number nor true or false (log it "
			"as a feature or a tag)",
			name);
	else if (truths > numbers)
		metric_truths(f, name);
	else
		metric_numbers(f, name);
}

/* Names of every metric of any record, in the order met; batch_close. */
static struct batch *metric_names(const struct fit *f)
{
	struct batch *names = batch_open("", 0, "", 0);

	for (size_t b = 0; b < f->n_batches; b++)
		for (size_t i = 0; i < f->batches[b]->metrics.n; i++) {
			const char *name = f->batches[b]->metrics.at[i].name;

			batch_column(names, &names->metrics, name, strlen(name), i, SIZE_MAX);
		}
	return names;
}

static void metric_measures(struct fit *f, const struct columns *names)
{
	for (size_t i = 0; i < names->n && i < MOST_METRICS; i++)
		metric_measure(f, names->at[i].name);
	if (names->n > MOST_METRICS)
		fit_note(f, "%zu output metrics: the first %d are watched", names->n, MOST_METRICS);
}

static bool some_detector_counts(const struct reference *r)
{
	for (size_t i = 0; i < r->n_detectors; i++)
		if (r->detectors[i].weight > 0.0)
			return true;
	return false;
}

/* Behind the measures. */
static void stretches_place(struct reference *r)
{
	for (size_t i = 0; i < r->n_statistics; i++) {
		struct statistic *s = &r->statistics[i];

		s->first = r->width;
		s->n_base = s->width + 1;
		s->base = mem_zero(s->n_base, sizeof *s->base);
		r->width += s->n_base;
	}
}

void fit_measures(struct fit *f)
{
	const struct reference *r = f->r;
	size_t most = r->n_numeric + r->n_category + 6 + MOST_METRICS + SLICE_MOST_MEASURES;
	struct batch *metrics = metric_names(f);

	f->lone_least = mem_zero(most, sizeof *f->lone_least);
	f->lone_most = mem_zero(most, sizeof *f->lone_most);
	if (some_detector_counts(r))
		p_value_measure(f);
	confidence_measure(f);
	class_measure(f);
	fields_measure(f, "missing", MEASURE_MISSING);
	fields_measure(f, "fields", MEASURE_FIELDS);
	layer_measure(f);
	for (size_t i = 0; i < r->n_numeric; i++)
		numeric_measure(f, r->numeric[i]);
	for (size_t i = 0; i < r->n_category; i++)
		category_measure(f, &r->category[i]);
	metric_measures(f, &metrics->metrics);
	fit_slices(f);
	batch_close(metrics);
	stretches_place(f->r);
}
