/* SPDX-License-Identifier: Apache-2.0
 * How much each detector counts, learned without a single odd record: every detector scores odd records made of the held-out ones
 * (fit_pseudo.c), and logistic regressions that may not give negative weights tell them from the held-out ones themselves: one for
 * each kind of them, which is then a way of being odd (model/reference_ways.h), since no one set of weights suits both what lies
 * between the classes, which the logits show, and what is far from all, where they may be as sure as ever.
 *
 * Made-up records are not what will come, so what they teach is held back: the regressions are penalised for weights that differ
 * (stats/logistic.h), and end between equal weights and those that would suit the made-up records best. Only fit and
 * cal-A are looked at; cal-B then calibrates whatever came out.
 *
 * Where logits do not follow from the embedding, the detectors of embeddings alone are weighed so, and those that read logits count as
 * much as the mean of these; without an embedding all count alike. */
#include "score/fit_pseudo.h"

#include "base/mem.h"
#include "stats/logistic.h"
#include "stats/roc.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MOST_SOURCES 4096
#define MOST_LEARNED 8192
#define EACH 2000      /* of each kind; fewer where they are long */
#define LEAST_SOURCES 50
#define LEAST_HELD 100
#define EVENLY 0.2     /* lambda; 0.1 to 0.5 are as good, see README.md */
#define MOST_FLOATS 16777216.0

/* Surprises of some detectors: rows x n columns, reference first, then kind after kind of made-up records. */
struct table {
	size_t *detector; /* of each column */
	size_t n, rows;
	size_t end[PSEUDO_KINDS + 1]; /* of the reference's rows, and of those of each kind */
	float *at;
	uint8_t *odd;
};

static bool reads_logits(const struct work *w, size_t k)
{
	return (w->detectors[k].plugin->needs & (OODD_NEEDS_LOGITS | OODD_NEEDS_RAW_LOGITS)) != 0;
}

/* n_detectors x n surprises of the made-up records; NaN where they lack what a detector needs. */
static float *pseudo_surprises(const struct work *w, const struct pseudo *p)
{
	size_t n = p->batch.n;
	float *score = mem_zero(n + 1, sizeof *score);
	float *surprise = mem_zero(n * w->r->n_detectors + 1, sizeof *surprise);
	double *p_value = mem_zero(n + 1, sizeof *p_value);
	uint8_t *status = mem_zero(n + 1, 1);
	uint64_t *hash = mem_zero(n + 1, sizeof *hash);

	for (size_t k = 0; k < w->r->n_detectors; k++) {
		detector_score(&w->detectors[k], &p->batch, score, status);
		calibrate_p(w->calibration, k, hash, p->predicted, score, n, p_value, surprise + k * n);
	}
	free(score);
	free(p_value);
	free(status);
	free(hash);
	return surprise;
}

static void held_surprises(struct work *w, struct held *h)
{
	for (size_t k = 0; k < w->r->n_detectors; k++)
		calibrate_p(w->calibration, k, h->hash, h->predicted, h->score + k * h->n, h->n, h->p + k * h->n,
			h->surprise + k * h->n);
}

static bool mostly_scored(const float *surprise, size_t n)
{
	size_t scored = 0;

	for (size_t i = 0; i < n; i++)
		scored += isnan(surprise[i]) ? 0 : 1;
	return n > 0 && 2 * scored >= n;
}

/* Rows first to end of n. */
static void rows_take(struct table *t, const float *surprise, size_t n, size_t first, size_t end, size_t most, bool odd)
{
	for (size_t i = first; i < end; i++) {
		float *row = t->at + t->rows * t->n;
		bool all = true;

		if (n > most && i * most / n == (i + 1) * most / n)
			continue;
		for (size_t c = 0; c < t->n; c++) {
			row[c] = surprise[t->detector[c] * n + i];
			all = all && !isnan(row[c]);
		}
		if (all)
			t->odd[t->rows++] = odd;
	}
}

/* Columns: the detectors that count and could score both. */
static void table_open(const struct work *w, const float *pseudo, size_t n_pseudo, struct table *t)
{
	const struct held *h = &w->held[IN_CAL_A];

	*t = (struct table){.detector = mem_zero(w->r->n_detectors + 1, sizeof *t->detector)};
	for (size_t k = 0; k < w->r->n_detectors; k++)
		if (w->r->detectors[k].weight > 0.0 && mostly_scored(h->surprise + k * h->n, h->n) &&
			mostly_scored(pseudo + k * n_pseudo, n_pseudo))
			t->detector[t->n++] = k;
	t->at = mem_zero((MOST_LEARNED + n_pseudo) * t->n + 1, sizeof *t->at);
	t->odd = mem_zero(MOST_LEARNED + n_pseudo + 1, 1);
	rows_take(t, h->surprise, h->n, 0, h->n, MOST_LEARNED, false);
	t->end[0] = t->rows;
	for (size_t k = 0; k < PSEUDO_KINDS; k++) {
		size_t each = n_pseudo / PSEUDO_KINDS;

		if (t->end[0] >= LEAST_HELD)
			rows_take(t, pseudo, n_pseudo, k * each, (k + 1) * each, SIZE_MAX, true);
		t->end[k + 1] = t->rows;
	}
}

static void table_close(struct table *t)
{
	free(t->detector);
	free(t->at);
	free(t->odd);
}

static void aurocs(const struct work *w, const struct table *t)
{
	double *score = mem_zero(t->rows + 1, sizeof *score);

	for (size_t c = 0; c < t->n; c++) {
		struct roc_figures figures;
		struct roc *roc;

		for (size_t i = 0; i < t->rows; i++)
			score[i] = (double)t->at[i * t->n + c];
		roc = roc_open(score, t->odd, NULL, t->rows);
		roc_measure(roc, &figures);
		roc_close(roc);
		w->r->detectors[t->detector[c]].pseudo_auroc = figures.auroc;
	}
	free(score);
}

static bool in_table(const struct table *t, size_t detector)
{
	for (size_t c = 0; c < t->n; c++)
		if (t->detector[c] == detector)
			return true;
	return false;
}

static double mean_surprise(const float *surprise, size_t n)
{
	double sum = 0.0, scored = 0.0;

	for (size_t i = 0; i < n; i++)
		if (!isnan(surprise[i])) {
			sum += (double)surprise[i];
			scored++;
		}
	return scored > 0.0 ? sum / scored : 0.0;
}

/* Detectors that count and could not be weighed count as the mean of the others; what they bring on average is taken off again. */
static void way_complete(const struct work *w, const struct table *t, double mean, struct reference_way *to)
{
	const struct held *h = &w->held[IN_CAL_A];

	for (size_t k = 0; k < w->r->n_detectors; k++)
		if (w->r->detectors[k].weight > 0.0 && !in_table(t, k)) {
			to->weights[k] = mean;
			to->offset -= mean * mean_surprise(h->surprise + k * h->n, h->n);
		}
}

/* False where these made-up records teach nothing. */
static bool way_learn(const struct work *w, const struct table *t, size_t kind, struct reference_way *ret)
{
	size_t odd = t->end[kind + 1] - t->end[kind], rows = t->end[0] + odd;
	float *at = mem_zero(rows * t->n + 1, sizeof *at);
	uint8_t *class = mem_zero(rows + 1, 1);
	double weight[REFERENCE_MOST_DETECTORS + 1], sum = 0.0;
	bool learned;

	memcpy(at, t->at, t->end[0] * t->n * sizeof *at);
	memcpy(at + t->end[0] * t->n, t->at + t->end[kind] * t->n, odd * t->n * sizeof *at);
	memset(class + t->end[0], 1, odd);
	learned = logistic_weights(at, class, rows, t->n, EVENLY, weight);
	for (size_t c = 0; c < t->n && learned; c++)
		sum += weight[c];
	learned = learned && sum > 0.0;
	if (learned) {
		*ret = (struct reference_way){mem_zero(w->r->n_detectors, sizeof *ret->weights), w->r->n_detectors, weight[t->n]};
		for (size_t c = 0; c < t->n; c++)
			ret->weights[t->detector[c]] = weight[c];
		way_complete(w, t, sum / (double)t->n, ret);
	}
	free(at);
	free(class);
	return learned;
}

/* Over all ways, each scaled to a mean of one. */
static void weights_set(struct reference *r, const struct table *t)
{
	double weight[REFERENCE_MOST_DETECTORS] = {0};

	for (size_t k = 0; k < r->n_ways; k++) {
		double sum = 0.0;

		for (size_t c = 0; c < t->n; c++)
			sum += r->ways[k].weights[t->detector[c]];
		for (size_t c = 0; c < t->n; c++)
			weight[c] += r->ways[k].weights[t->detector[c]] * (double)t->n / sum / (double)r->n_ways;
	}
	for (size_t c = 0; c < t->n; c++)
		r->detectors[t->detector[c]].weight = weight[c];
}

static void weigh_by(struct work *w, const struct pseudo *p)
{
	float *surprise = pseudo_surprises(w, p);
	struct reference *r = w->r;
	struct table t;

	held_surprises(w, &w->held[IN_CAL_A]);
	table_open(w, surprise, p->batch.n, &t);
	if (t.n > 0)
		aurocs(w, &t);
	r->ways = mem_zero(PSEUDO_KINDS, sizeof *r->ways);
	for (size_t k = 0; k < PSEUDO_KINDS && t.n > 1; k++)
		r->n_ways += way_learn(w, &t, k, &r->ways[r->n_ways]);
	if (r->n_ways > 0)
		weights_set(r, &t);
	table_close(&t);
	free(surprise);
}

static void layer_note(const struct work *w, const struct last_layer *l)
{
	if (w->r->n_logits == 0 || l->found)
		return;
	if (isnan(l->r2))
		fit_note(w->f, "too few records to tell whether the logits follow from the embedding: detectors of logits are "
			       "not weighed, and count as much as the mean of the others");
	else
		fit_note(w->f,
			"the logits do not follow from the embedding by one layer (R2 %.3f, same class for %.1f %%): detectors of "
			"logits are not weighed, and count as much as the mean of the others",
			l->r2, 100.0 * l->agreement);
}

static size_t learned_rows(const struct work *w)
{
	size_t n = 4 * w->r->n_embedding;

	return n < 2048 ? 2048 : n > MOST_LEARNED ? MOST_LEARNED : n;
}

static size_t each(const struct vectors *v)
{
	double most = MOST_FLOATS / PSEUDO_KINDS / (double)(v->width + v->n_logits);

	return most < EACH ? (size_t)most : EACH;
}

static bool logits_matter(const struct work *w)
{
	for (size_t k = 0; k < w->r->n_detectors; k++)
		if (w->r->detectors[k].weight > 0.0 && reads_logits(w, k))
			return true;
	return false;
}

void detectors_weigh(struct work *w)
{
	struct vectors learn = {0}, held = {0};
	struct last_layer layer = {.r2 = (double)NAN, .agreement = (double)NAN};
	struct pseudo pseudo;

	if (w->r->n_embedding == 0 || w->r->n_detectors < 2)
		return;
	vectors_gather(w, IN_CAL_A, MOST_SOURCES, &held);
	if (logits_matter(w)) {
		vectors_gather(w, IN_FIT, learned_rows(w), &learn);
		last_layer_find(&learn, &held, &layer);
		layer_note(w, &layer);
		w->r->layer = layer.shadow;
		layer.shadow = (struct reference_layer){0};
	}
	if (held.n >= LEAST_SOURCES) {
		pseudo_make(&held, &layer, w->r->logits_normalised, w->r->n_classes, each(&held), &pseudo);
		weigh_by(w, &pseudo);
		pseudo_done(&pseudo);
	}
	last_layer_done(&layer);
	vectors_done(&learn);
	vectors_done(&held);
}
