/* SPDX-License-Identifier: Apache-2.0
 * A record explained: put to each detector's `explain`, its cells to the measures; scored again, alone, where its scores are gone. */
#include "score/explain.h"

#include "base/mem.h"
#include "score/calibrate.h"
#include "score/family.h"
#include "stats/conformal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ASKED = 24, CLASSES = 2, RECORDS = 3, FEATURES = 5, DIMENSIONS = 2 };

struct explainer {
	struct batch *one;
	struct scorer_space own;
	struct scored own_scored;
	struct explain_detector *detectors;
	size_t room;
	/* During a call: the batch where texts stand, and the row's scores, which may be those of a batch of its own. */
	const struct batch *of;
	size_t row;
	const struct scorer_space *space;
	const struct scored *scored;
	size_t at;
};

struct explainer *explainer_open(void)
{
	struct explainer *x = mem_zero(1, sizeof *x);

	scorer_space_init(&x->own);
	scored_init(&x->own_scored);
	return x;
}

void explainer_close(struct explainer *x)
{
	if (!x)
		return;
	batch_close(x->one);
	scorer_space_done(&x->own);
	scored_done(&x->own_scored);
	free(x->detectors);
	free(x);
}

/* The row as a batch of its own. */

static void cells_copy(struct batch *to, const struct batch *from, size_t row)
{
	for (size_t i = 0; i < from->features.n; i++) {
		const struct column *c = &from->features.at[i];
		size_t at = batch_column(to, &to->features, c->name, strlen(c->name), i, from->features.n);
		struct column *copy = &to->features.at[at];

		copy->kind[0] = c->kind[row];
		copy->number[0] = c->number[row];
		if (c->kind[row] == CELL_TEXT)
			batch_text_put(to, copy, 0, c->text[row]);
	}
}

static struct batch *row_alone(const struct batch *from, size_t row)
{
	struct batch *to = batch_open(from->model, strlen(from->model), from->version, strlen(from->version));

	batch_widths(to, from->n_logits, from->n_embedding);
	to->logits_normalised = from->logits_normalised;
	batch_row_begin(to);
	to->time_us[0] = from->time_us[row];
	to->hash[0] = from->hash[row];
	to->id[0] = from->id[row];
	to->prediction[0] = from->prediction[row];
	to->confidence[0] = from->confidence[row];
	if (from->n_logits)
		memcpy(to->logits, from->logits + row * from->n_logits, from->n_logits * sizeof *to->logits);
	if (from->n_embedding)
		memcpy(to->embedding, from->embedding + row * from->n_embedding, from->n_embedding * sizeof *to->embedding);
	cells_copy(to, from, row);
	to->n = 1;
	return to;
}

/* Reasons. */

static void number_words(double x, char *to, size_t n)
{
	char text[32];

	if (isfinite(x))
		snprintf(to, n, "%.*s", (int)number_text(x, text), text);
	else
		snprintf(to, n, "missing");
}

static void value_words(const struct explainer *x, const char *name, char *to, size_t n)
{
	const struct column *c = columns_find(&x->of->features, name);

	if (!c || c->kind[x->row] == CELL_ABSENT || c->kind[x->row] == CELL_NULL)
		snprintf(to, n, "missing");
	else if (c->kind[x->row] == CELL_TEXT)
		snprintf(to, n, "%.*s", (int)(c->text[x->row].n < 64 ? c->text[x->row].n : 64), c->text[x->row].at);
	else if (c->kind[x->row] == CELL_OTHER)
		snprintf(to, n, "neither a number nor a word");
	else
		number_words(c->number[x->row], to, n);
}

/* The names of what a detector counts; false: an index that the reference does not have. */
static bool reason_name(const struct explainer *x, const struct reference *r, const struct oodd_reason *from,
	struct explain_reason *to)
{
	size_t i = (size_t)from->index;
	const struct reference_row *row;

	*to = (struct explain_reason){.kind = from->kind, .index = from->index, .weight = from->weight};
	if (from->index < 0 || !isfinite(from->weight))
		return false;
	switch (from->kind) {
	case OODD_REASON_CLASS:
		to->name = i < r->n_classes && *r->classes[i] ? r->classes[i] : NULL;
		return i < r->n_classes;
	case OODD_REASON_NUMERIC:
		to->name = i < r->n_numeric ? r->numeric[i] : NULL;
		break;
	case OODD_REASON_CATEGORY:
		to->name = i < r->n_category ? r->category[i].name : NULL;
		break;
	case OODD_REASON_DIMENSION:
		return i < r->n_embedding;
	case OODD_REASON_ROW:
		row = reference_row_find(r->rows, r->n_rows, from->index);
		to->name = row && *row->id ? row->id : NULL;
		to->class = row && *row->prediction ? row->prediction : NULL;
		return true;
	default:
		return false;
	}
	if (to->name)
		value_words(x, to->name, to->value, sizeof to->value);
	return to->name != NULL;
}

/* So many of each kind; dimensions of an embedding tell people little, and come last. */
static void reasons_choose(const struct explainer *x, const struct reference *r, const struct oodd_reason *all, size_t n,
	struct explain_detector *to)
{
	static const int32_t order[] = {OODD_REASON_CLASS, OODD_REASON_ROW, OODD_REASON_NUMERIC, OODD_REASON_CATEGORY, OODD_REASON_DIMENSION};
	static const size_t most[] = {CLASSES, RECORDS, FEATURES, FEATURES, DIMENSIONS};

	for (size_t k = 0; k < sizeof order / sizeof order[0]; k++) {
		size_t taken = 0;

		for (size_t i = 0; i < n && taken < most[k] && to->n_reasons < EXPLAIN_REASONS; i++)
			if (all[i].kind == order[k] && reason_name(x, r, &all[i], &to->reasons[to->n_reasons])) {
				to->n_reasons++;
				taken++;
			}
	}
}

static void detector_explain(const struct scorer *s, struct explainer *x, size_t k, struct explain_detector *to)
{
	const struct reference *r = scorer_reference(s);
	const struct detector *d = &scorer_detectors(s)[k];
	struct oodd_reason reasons[ASKED];
	size_t at = k * x->scored->n + x->at;
	int found = 0;

	*to = (struct explain_detector){.name = r->detectors[k].name, .score = (double)x->scored->score[at], .p = x->scored->p[at],
		.weight = r->detectors[k].weight, .family = family_of(d->plugin)};
	if (d->plugin->explain && !isnan(x->scored->score[at]))
		found = d->plugin->explain(d->state, &x->space->routed.batch, x->at, reasons, ASKED);
	if (found > 0)
		reasons_choose(x, r, reasons, (size_t)found, to);
}

static int share_order(const void *a, const void *b)
{
	const struct explain_detector *x = a, *y = b;

	if (x->share != y->share)
		return x->share > y->share ? -1 : 1;
	return strcmp(x->name, y->name);
}

static void detectors_explain(const struct scorer *s, struct explainer *x, struct explanation *to)
{
	const struct reference *r = scorer_reference(s);
	double sum = 0, part[REFERENCE_MOST_DETECTORS];

	if (r->n_detectors > x->room) {
		x->room = r->n_detectors;
		x->detectors = mem_grow(x->detectors, x->room, sizeof *x->detectors);
	}
	calibrate_parts(r, x->space->surprise, x->scored->n, x->at, part);
	for (size_t k = 0; k < r->n_detectors; k++) {
		detector_explain(s, x, k, &x->detectors[k]);
		x->detectors[k].share = part[k];
		sum += x->detectors[k].share;
	}
	for (size_t k = 0; k < r->n_detectors; k++)
		x->detectors[k].share = sum > 0 ? x->detectors[k].share / sum : 0;
	if (r->n_detectors > 1)
		qsort(x->detectors, r->n_detectors, sizeof *x->detectors, share_order);
	to->detectors = x->detectors;
	to->n_detectors = r->n_detectors;
}

/* By the detector of places that counts most; they name the nearest class first. */
static void nearest_find(struct explanation *to)
{
	double most = -1;

	for (size_t k = 0; k < to->n_detectors; k++) {
		const struct explain_detector *d = &to->detectors[k];
		bool class = d->n_reasons > 0 && d->reasons[0].kind == OODD_REASON_CLASS && d->reasons[0].name;

		if (d->family == ODD_SPACE && class && d->weight > most) {
			most = d->weight;
			to->nearest = d->reasons[0].name;
			to->nearest_by = d->name;
		}
	}
}

/* Cells. */

static void fault_words(const struct explainer *x, const struct measure *m, size_t bin, char *to, size_t n)
{
	char value[80];

	if (m->kind == MEASURE_NUMERIC || m->kind == MEASURE_CATEGORY)
		value_words(x, m->name, value, sizeof value);
	else if (m->kind == MEASURE_CLASS)
		snprintf(value, sizeof value, "%.*s", (int)(x->of->prediction[x->row].n < 64 ? x->of->prediction[x->row].n : 64),
			x->of->prediction[x->row].at ? x->of->prediction[x->row].at : "");
	else
		number_words(x->of->confidence[x->row], value, sizeof value);
	if (bin == m->above)
		snprintf(to, n, "%s, never above %.6g", value, m->most);
	else if (bin == m->below)
		snprintf(to, n, "%s, never below %.6g", value, m->least);
	else if (bin == m->other)
		snprintf(to, n, "%s, never seen", value);
	else if (bin == m->mistyped)
		snprintf(to, n, "%s, which is of another type", value);
	else
		snprintf(to, n, "missing, hardly ever before");
}

static void faults_find(const struct scorer *s, const struct explainer *x, struct explanation *to)
{
	const struct reference *r = scorer_reference(s);

	for (size_t k = 0; k < r->n_measures && to->n_faults < EXPLAIN_FAULTS; k++) {
		const struct measure *m = &r->measures[k];
		uint32_t at = x->scored->bin[x->at * r->n_measures + k];

		if (at == SCORED_NO_BIN || !scorer_is_fault(s, &x->space->routed, x->at, k, at))
			continue;
		to->faults[to->n_faults].name = m->name;
		fault_words(x, m, at - m->first, to->faults[to->n_faults].what, sizeof to->faults[0].what);
		to->n_faults++;
	}
}

void explain_families(const struct scorer *s, const struct scored *scored, size_t row, double *ret)
{
	const struct reference *r = scorer_reference(s);
	int family[REFERENCE_MOST_DETECTORS];

	for (size_t k = 0; k < r->n_detectors; k++)
		family[k] = family_of(scorer_detectors(s)[k].plugin);
	for (int f = 0; f < ODD_FAMILY_N; f++) {
		const struct score_table *t = reference_odd_table(&r->odd, (enum odd_family)f);
		float surprise = family_surprise(r, family, (enum odd_family)f, scored->p, scored->n, row);

		/* Ties: half of them, since nothing is decided here that must hold a rate. */
		ret[f] = isnan(surprise) || t->n == 0 ? (double)NAN : score_table_p(t, surprise, .5);
	}
}

static void explain(const struct scorer *s, struct explainer *x, struct explanation *ret)
{
	*ret = (struct explanation){.p = x->scored->fused[x->at], .flagged = x->scored->flagged[x->at]};
	detectors_explain(s, x, ret);
	nearest_find(ret);
	faults_find(s, x, ret);
	explain_families(s, x->scored, x->at, ret->family);
}

void explain_row(const struct scorer *s, struct explainer *x, const struct batch *b, size_t row, struct explanation *ret)
{
	batch_close(x->one);
	x->one = row_alone(b, row);
	scorer_run(s, &x->own, x->one, &x->own_scored);
	x->of = b;
	x->row = row;
	x->space = &x->own;
	x->scored = &x->own_scored;
	x->at = 0;
	explain(s, x, ret);
}

void explain_scored(const struct scorer *s, struct explainer *x, const struct scorer_space *space, const struct batch *b,
	const struct scored *scored, size_t row, struct explanation *ret)
{
	x->of = b;
	x->row = x->at = row;
	x->space = space;
	x->scored = scored;
	explain(s, x, ret);
}
