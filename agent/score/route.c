/* SPDX-License-Identifier: Apache-2.0
 * Columns of a log to columns of a reference. What a column holds may change from record to record:
 * text that reads as a number is taken for one where the reference has numbers, a number for its
 * shortest text where it has words; the rest is missing to detectors, and counted as mistyped by
 * the windows. */
#include "score/route.h"

#include "base/mem.h"
#include "score/lookup.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct route {
	const struct reference *r;
	struct word_index classes;
	struct word_index *category; /* n_category */
	struct word_index known;     /* names of features */
	char **names;                /* of them, borrowed */
	bool *lone;                  /* by name: it counts as never seen */
	bool has_class, has_confidence;
};

static bool has_measure(const struct reference *r, enum measure_kind kind)
{
	for (size_t i = 0; i < r->n_measures; i++)
		if (r->measures[i].kind == kind)
			return true;
	return false;
}

/* Every feature that a record of the reference had. */
static void known_open(struct route *t)
{
	const struct reference *r = t->r;
	size_t n = 0;

	t->names = mem_zero(r->n_numeric + r->n_category + r->n_left_out + 1, sizeof *t->names);
	for (size_t i = 0; i < r->n_numeric; i++)
		t->names[n++] = r->numeric[i];
	for (size_t i = 0; i < r->n_category; i++)
		t->names[n++] = r->category[i].name;
	for (size_t i = 0; i < r->n_left_out; i++)
		t->names[n++] = r->left_out[i].name;
	t->lone = mem_zero(n + 1, sizeof *t->lone);
	word_index_open(&t->known, t->names, n);
}

void route_unsee(const struct route *t, const char *name)
{
	int32_t code = word_index_find(&t->known, name, strlen(name));

	if (code >= 0)
		t->lone[code] = true;
}

struct route *route_open(const struct reference *r)
{
	struct route *t = mem_zero(1, sizeof *t);

	t->r = r;
	/* Of a version that inherits its measures, what the model puts out is not expected to be there. */
	t->has_class = !r->inherited_from && has_measure(r, MEASURE_CLASS);
	t->has_confidence = !r->inherited_from && has_measure(r, MEASURE_CONFIDENCE);
	known_open(t);
	word_index_open(&t->classes, r->classes, r->n_classes);
	t->category = mem_zero(r->n_category + 1, sizeof *t->category);
	for (size_t i = 0; i < r->n_category; i++)
		word_index_open(&t->category[i], r->category[i].words, r->category[i].n_words);
	return t;
}

int32_t route_class(const struct route *t, struct text prediction)
{
	return prediction.at ? word_index_find(&t->classes, prediction.at, prediction.n) : -1;
}

void route_close(struct route *t)
{
	if (!t)
		return;
	word_index_close(&t->classes);
	word_index_close(&t->known);
	free(t->names);
	free(t->lone);
	for (size_t i = 0; i < t->r->n_category; i++)
		word_index_close(&t->category[i]);
	free(t->category);
	free(t);
}

void routed_init(struct routed *to)
{
	*to = (struct routed){0};
}

void routed_done(struct routed *to)
{
	free(to->numeric);
	free(to->category);
	free(to->numbers);
	free(to->codes);
	free(to->predicted);
	free(to->lacks);
	free(to->strange);
	free(to->numerics);
	free(to->categories);
	routed_init(to);
}

static size_t larger(size_t a, size_t b)
{
	return a > b ? a : b;
}

/* Streams of several references may pass through one routed: it grows to the largest of each. */
static void routed_room(struct routed *to, const struct reference *r, size_t n)
{
	if (to->room > 0 && n <= to->room && r->n_numeric <= to->room_numeric &&
		r->n_category <= to->room_category)
		return;
	to->room = n <= to->room ? to->room : n + n / 2 + 64;
	to->room_numeric = larger(to->room_numeric, r->n_numeric);
	to->room_category = larger(to->room_category, r->n_category);
	to->numeric = mem_grow(to->numeric, to->room_numeric + 1, sizeof *to->numeric);
	to->category = mem_grow(to->category, to->room_category + 1, sizeof *to->category);
	to->numerics = mem_grow(to->numerics, to->room_numeric + 1, sizeof *to->numerics);
	to->categories = mem_grow(to->categories, to->room_category + 1, sizeof *to->categories);
	to->numbers = mem_grow(to->numbers, to->room * to->room_numeric + 1, sizeof *to->numbers);
	to->codes = mem_grow(to->codes, to->room * to->room_category + 1, sizeof *to->codes);
	to->predicted = mem_grow(to->predicted, to->room + 1, sizeof *to->predicted);
	to->lacks = mem_grow(to->lacks, to->room + 1, sizeof *to->lacks);
}

bool text_number(struct text t, double *ret)
{
	char copy[64], *end;

	if (t.n == 0 || t.n >= sizeof copy)
		return false;
	memcpy(copy, t.at, t.n);
	copy[t.n] = '\0';
	if (strspn(copy, "0123456789+-.eE") != t.n) /* no blanks, hexadecimals, infinities */
		return false;
	*ret = strtod(copy, &end);
	return end == copy + t.n && isfinite(*ret);
}

size_t number_text(double x, char *to)
{
	int n = 0;

	if (x == trunc(x) && fabs(x) < 1e15)
		return (size_t)snprintf(to, 32, "%.0f", x + 0.0);
	for (int digits = 15; digits <= 17; digits++) {
		n = snprintf(to, 32, "%.*g", digits, x);
		if (strtod(to, NULL) == x)
			break;
	}
	return (size_t)n;
}

static double cell_number(const struct column *c, size_t row)
{
	double x = (double)NAN;

	switch ((enum cell)c->kind[row]) {
	case CELL_NUMBER:
		return c->number[row];
	case CELL_BOOL:
		return c->number[row];
	case CELL_TEXT:
		return text_number(c->text[row], &x) ? x : (double)NAN;
	default:
		return x;
	}
}

void column_numbers(const struct column *c, size_t n, double *to)
{
	for (size_t i = 0; i < n; i++)
		to[i] = c ? cell_number(c, i) : (double)NAN;
}

static int32_t word_code(const struct word_index *words, int32_t n_known, const char *at, size_t n)
{
	int32_t code = word_index_find(words, at, n);

	return code >= 0 ? code : n_known;
}

static int32_t cell_code(
	const struct column *c, size_t row, const struct word_index *words, int32_t n_known)
{
	char number[32];

	switch ((enum cell)c->kind[row]) {
	case CELL_TEXT:
		return word_code(words, n_known, c->text[row].at, c->text[row].n);
	case CELL_NUMBER:
		return word_code(words, n_known, number, number_text(c->number[row], number));
	case CELL_BOOL:
		return c->number[row] != 0.0 ? word_code(words, n_known, "true", 4)
					     : word_code(words, n_known, "false", 5);
	default:
		return -1;
	}
}

static void category_route(const struct column *c, const struct word_index *words, int32_t n_known,
	size_t n, int32_t *to)
{
	for (size_t i = 0; i < n; i++)
		to[i] = c ? cell_code(c, i, words, n_known) : -1;
}

static void features_route(const struct route *t, const struct batch *b, struct routed *to)
{
	const struct reference *r = t->r;

	for (size_t k = 0; k < r->n_numeric; k++) {
		to->numeric[k] = columns_find(&b->features, r->numeric[k]);
		column_numbers(to->numeric[k], b->n, to->numbers + k * to->room);
		to->numerics[k] = (struct oodd_numeric){r->numeric[k], to->numbers + k * to->room};
	}
	for (size_t k = 0; k < r->n_category; k++) {
		int32_t n_known = (int32_t)r->category[k].n_words;

		to->category[k] = columns_find(&b->features, r->category[k].name);
		category_route(
			to->category[k], &t->category[k], n_known, b->n, to->codes + k * to->room);
		to->categories[k] = (struct oodd_category){
			r->category[k].name, to->codes + k * to->room, n_known};
	}
}

/* A name of no letters is no name: nothing is said of it. */
static void strange_find(const struct route *t, const struct batch *b, struct routed *to)
{
	to->n_strange = 0;
	for (size_t i = 0; i < b->features.n; i++) {
		const char *name = b->features.at[i].name;
		int32_t code = word_index_find(&t->known, name, strlen(name));

		if (name[0] == '\0' || (code >= 0 && !t->lone[code]))
			continue;
		if (to->n_strange == to->room_strange) {
			to->room_strange = to->room_strange ? 2 * to->room_strange : 16;
			to->strange = mem_grow(to->strange, to->room_strange, sizeof *to->strange);
		}
		to->strange[to->n_strange++] = &b->features.at[i];
	}
}

/* A vector that fits the reference, or none and the reason. */
static struct oodd_matrix vector_route(const float *at, size_t width, size_t expected,
	unsigned none, unsigned other, unsigned *outcome)
{
	bool fits = at && width == expected && expected > 0;

	if (expected > 0 && !fits)
		*outcome |= at && width > 0 ? other : none;
	return fits ? (struct oodd_matrix){at, width} : (struct oodd_matrix){NULL, 0};
}

static void vectors_route(const struct reference *r, const struct batch *b, struct routed *to)
{
	to->batch.logits = vector_route(b->logits, b->n_logits, r->n_logits, ROUTE_LOGITS_NONE,
		ROUTE_LOGITS_WIDTH, &to->outcome);
	to->batch.embedding = vector_route(b->embedding, b->n_embedding, r->n_embedding,
		ROUTE_EMBEDDING_NONE, ROUTE_EMBEDDING_WIDTH, &to->outcome);
	if (to->batch.logits.at && b->logits_normalised && !r->logits_normalised)
		to->outcome |= ROUTE_LOGITS_NOT_RAW;
	to->batch.logits_normalised = b->logits_normalised || r->logits_normalised;
}

static int32_t largest(const float *logits, size_t n)
{
	size_t best = 0;

	for (size_t i = 1; i < n; i++)
		best = logits[i] > logits[best] ? i : best;
	return isnan(logits[best]) ? -1 : (int32_t)best;
}

/* The prediction as logged; where the log names none, what the logits say. */
static void predicted_route(const struct route *t, const struct batch *b, struct routed *to)
{
	struct oodd_matrix logits = to->batch.logits;

	if (t->r->inherited_from && b->logits && b->n_logits == t->r->n_classes)
		logits = (struct oodd_matrix){b->logits, b->n_logits};
	for (size_t i = 0; i < b->n; i++)
		if (b->prediction[i].at)
			to->predicted[i] = word_index_find(
				&t->classes, b->prediction[i].at, b->prediction[i].n);
		else
			to->predicted[i] =
				logits.at ? largest(oodd_row(logits, i), logits.width) : -1;
}

static bool row_lacks(struct oodd_matrix m, size_t row)
{
	return !m.at || isnan(oodd_row(m, row)[0]);
}

/* An embedding of zeros has no direction, and what made it did not work: it is as good as none. */
static bool row_empty(struct oodd_matrix m, size_t row)
{
	const float *x = m.at ? oodd_row(m, row) : NULL;
	size_t i = 0;

	while (x && i < m.width && x[i] == 0)
		i++;
	return !x || i == m.width || isnan(x[0]);
}

static void lacks_count(const struct route *t, struct routed *to)
{
	const struct reference *r = t->r;

	memset(to->lacks, 0, to->batch.n * sizeof *to->lacks);
	for (size_t k = 0; k < r->n_numeric; k++)
		for (size_t i = 0; i < to->batch.n; i++)
			to->lacks[i] += isnan(to->numerics[k].at[i]) ? 1 : 0;
	for (size_t k = 0; k < r->n_category; k++)
		for (size_t i = 0; i < to->batch.n; i++)
			to->lacks[i] += to->categories[k].at[i] < 0;
	for (size_t i = 0; i < to->batch.n; i++) {
		to->lacks[i] += r->n_logits > 0 && row_lacks(to->batch.logits, i);
		to->lacks[i] += r->n_embedding > 0 && row_empty(to->batch.embedding, i);
		to->lacks[i] += t->has_confidence && isnan(to->batch.confidence[i]);
	}
}

/* The prediction is a field too, whether its class is known or not. */
static void lacks_prediction(const struct route *t, const struct batch *b, struct routed *to)
{
	for (size_t i = 0; t->has_class && i < b->n; i++)
		to->lacks[i] += !b->prediction[i].at && to->predicted[i] < 0;
}

void route_run(const struct route *t, const struct batch *b, struct routed *to)
{
	const struct reference *r = t->r;

	routed_room(to, r, b->n);
	to->outcome = 0;
	to->batch = (struct oodd_batch){.size = sizeof to->batch,
		.n = b->n,
		.predicted = to->predicted,
		.confidence = b->confidence,
		.numeric = to->numerics,
		.category = to->categories,
		.n_numeric = r->n_numeric,
		.n_category = r->n_category,
		.n_classes = (int32_t)r->n_classes,
		.hash = b->hash};
	features_route(t, b, to);
	strange_find(t, b, to);
	vectors_route(r, b, to);
	predicted_route(t, b, to);
	lacks_count(t, to);
	lacks_prediction(t, b, to);
}

static const char *const outcome_words[ROUTE_OUTCOMES] = {
	"no logits, which the reference has",
	"logits of another width than the reference's",
	"probabilities, where the reference has raw logits",
	"no embedding, which the reference has",
	"an embedding of another width than the reference's",
};

void route_outcome_words(unsigned outcome, struct buf *to)
{
	for (unsigned i = 0; i < ROUTE_OUTCOMES; i++)
		if (outcome >> i & 1) {
			buf_text(to, to->n > 0 ? "; " : "");
			buf_text(to, outcome_words[i]);
		}
}
