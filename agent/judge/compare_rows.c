/* SPDX-License-Identifier: Apache-2.0
 * Which measures of two references mean the same, and what about each would be worse. */
#include "judge/compare_rows.h"

#include "base/mem.h"
#include "judge/caution.h"
#include "model/pack.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Shares of what is not odd may differ by so many times the tolerance. */
#define WIDER 2.5
/* A record is odd where so few of the reference's were as odd: more of them tell sooner than those flagged alone. */
#define ODD .05
/* Confidence is low where it is among this share of the stable's lowest. */
#define LOW_CONFIDENCE .2

static struct row row_open(const char *name, enum comparison_side side, double tolerance, double kappa, size_t k)
{
	struct row r = {.name = mem_copy_text(name), .side = side, .tolerance = tolerance, .k = k};

	r.kappa = kappa > 0 ? kappa : CAUTION_USUAL_KAPPA;
	r.words = mem_zero(k + 1, sizeof(char *));
	r.usual = mem_zero(k + 1, sizeof(double));
	r.difference = mem_zero(k + 1, sizeof(double));
	r.variance = mem_zero(k + 1, sizeof(double));
	r.same = mem_zero(2 * k + 2, sizeof(double));
	for (int g = 0; g < 2; g++) {
		r.recent[g] = mem_zero(k + 1, sizeof(double));
		r.all[g] = mem_zero(k + 1, sizeof(double));
	}
	return r;
}

static void row_done(struct row *r)
{
	for (size_t i = 0; i < r->k; i++)
		free(r->words[i]);
	free(r->words);
	free(r->name);
	free(r->usual);
	free(r->difference);
	free(r->variance);
	free(r->same);
	for (int g = 0; g < 2; g++) {
		free(r->recent[g]);
		free(r->all[g]);
		free(r->map[g]);
	}
}

void rows_done(struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++)
		row_done(&rows[i]);
	free(rows);
}

static void map_open(struct row *r, int which, const struct measure *m)
{
	r->first[which] = m->first;
	r->n[which] = m->n;
	r->map[which] = mem_alloc((m->n + 1) * sizeof(int32_t));
	for (size_t i = 0; i < m->n; i++)
		r->map[which][i] = -1;
}

/* What the stable's reference held, each bin at least half a record. */
static void usual_set(struct row *r, const struct measure *m)
{
	double sum = 0;

	for (size_t b = 0; b < r->k; b++)
		r->usual[b] = .5;
	for (size_t i = 0; i < m->n; i++)
		if (r->map[0][i] >= 0)
			r->usual[r->map[0][i]] += m->base ? (double)m->base[i] : m->mean ? 1000 * m->mean[i] : 0;
	for (size_t b = 0; b < r->k; b++)
		sum += r->usual[b];
	for (size_t b = 0; b < r->k; b++)
		r->usual[b] /= sum;
}

static void bins_named(struct row *r, const struct measure *m)
{
	char word[120];

	for (size_t i = 0; i < m->n; i++) {
		int32_t b = r->map[0][i];

		if (b >= 0 && !r->words[b])
			r->words[b] = mem_copy_text(measure_bin_words(m, i, word, sizeof word));
	}
	for (size_t b = 0; b < r->k; b++)
		r->words[b] = r->words[b] ? r->words[b] : mem_copy_text("other");
}

/* Beyond a reference's own least and most is another thing in each: it goes into the first and the last bin. */
static bool same_edges(const struct measure *a, const struct measure *b)
{
	return a->n_words == 0 && b->n_words == 0 && a->n_edges == b->n_edges &&
		(a->n_edges == 0 || !memcmp(a->edges, b->edges, a->n_edges * sizeof *a->edges));
}

/* Odd by each version's own detectors: p-values this small are as common as they say in each one's own normal traffic. */
static bool odd_row(const struct measure *a, const struct measure *b, double tolerance, struct row *ret)
{
	size_t odd = 0;

	while (odd < a->n_edges && a->edges[odd] <= ODD * 1.0001)
		odd++;
	if (!same_edges(a, b) || odd == 0)
		return false;
	*ret = row_open("odd", SIDE_MORE_IS_WORSE, tolerance, a->kappa, 2);
	map_open(ret, 0, a);
	map_open(ret, 1, b);
	for (size_t i = 0; i <= a->n_edges; i++)
		ret->map[0][i] = ret->map[1][i] = i < odd;
	ret->words[0] = mem_format("p > %g", a->edges[odd - 1]);
	ret->words[1] = mem_format("p <= %g", a->edges[odd - 1]);
	ret->usual[1] = a->edges[odd - 1];
	ret->usual[0] = 1 - ret->usual[1];
	return true;
}

/* Each version's own estimate of how often it is wrong, where both can make one. */
static bool accuracy_row(const struct reference *stable, const struct reference *canary, double tolerance, struct row *ret)
{
	const struct performance *both[2] = {&stable->performance, &canary->performance};

	for (int g = 0; g < 2; g++)
		if (!both[g]->width || both[g]->basis == PERFORMANCE_NONE || !(both[g]->atc >= 0))
			return false;
	*ret = row_open("estimated accuracy", SIDE_MORE_IS_WORSE, WIDER * tolerance, 0, 2);
	ret->estimate = true;
	ret->words[0] = mem_copy_text("likely right");
	ret->words[1] = mem_copy_text("likely wrong");
	ret->usual[0] = fmin(fmax(both[0]->atc, .001), .999);
	ret->usual[1] = 1 - ret->usual[0];
	for (int g = 0; g < 2; g++)
		ret->first[g] = both[g]->first + 2 * PERFORMANCE_ATC;
	return true;
}

/* The share of records with less confidence than all but a fifth of the stable's usual ones. */
static bool confidence_row(const struct measure *a, const struct measure *b, double tolerance, struct row *ret)
{
	double all = 0, below = 0;
	size_t low = 0;
	char word[64];

	if (!same_edges(a, b) || a->n_edges == 0 || !a->base)
		return false;
	for (size_t i = 0; i <= a->n_edges; i++)
		all += (double)a->base[i];
	for (; low < a->n_edges && below + (double)a->base[low] <= LOW_CONFIDENCE * all; low++)
		below += (double)a->base[low];
	low = low == 0 ? 1 : low; /* bins [0, low) */
	*ret = row_open(a->name, SIDE_MORE_IS_WORSE, WIDER * tolerance, a->kappa, 2);
	map_open(ret, 0, a);
	map_open(ret, 1, b);
	for (size_t i = 0; i <= a->n_edges; i++)
		ret->map[0][i] = ret->map[1][i] = i < low;
	snprintf(word, sizeof word, "at most %.3g", a->edges[low - 1]);
	ret->words[1] = mem_copy_text(word);
	snprintf(word, sizeof word, "above %.3g", a->edges[low - 1]);
	ret->words[0] = mem_copy_text(word);
	usual_set(ret, a);
	return true;
}

static int32_t word_of(const struct measure *m, const char *word)
{
	for (size_t i = 0; i < m->n_words; i++)
		if (!strcmp(m->words[i], word))
			return (int32_t)i;
	return (int32_t)m->n_words;
}

/* The stable's words and one bin for all others; `special` further ones for values that are missing or of another type. */
static bool words_row(const struct measure *a, const struct measure *b, enum comparison_side side, bool special, double tolerance,
	struct row *ret)
{
	const struct measure *both[2] = {a, b};
	int32_t other = (int32_t)a->n_words;

	*ret = row_open(a->name, side, WIDER * tolerance, a->kappa, a->n_words + 1 + (special ? 2 : 0));
	for (int g = 0; g < 2; g++) {
		const struct measure *m = both[g];

		map_open(ret, g, m);
		for (size_t i = 0; i < m->n_words; i++)
			ret->map[g][i] = word_of(a, m->words[i]);
		if (m->other != MEASURE_NO_BIN)
			ret->map[g][m->other] = other;
		if (special && m->missing != MEASURE_NO_BIN)
			ret->map[g][m->missing] = other + 1;
		if (special && m->mistyped != MEASURE_NO_BIN)
			ret->map[g][m->mistyped] = other + 2;
	}
	usual_set(ret, a);
	bins_named(ret, a);
	return true;
}

/* A class that only the canary's own reference knows is meant, and is not compared; one that no reference knows is another thing, and is.
 * False where they have no class in common. */
static bool class_row(const struct measure *a, const struct measure *b, double tolerance, struct row *ret)
{
	size_t common = 0;

	for (size_t i = 0; i < b->n_words; i++)
		common += word_of(a, b->words[i]) < (int32_t)a->n_words;
	if (b->n_words > 0 && common == 0)
		return false;
	words_row(a, b, SIDE_DIFFERENCE, false, tolerance, ret);
	for (size_t i = 0; i < b->n_words; i++)
		if (word_of(a, b->words[i]) == (int32_t)a->n_words)
			ret->map[1][i] = -1;
	return true;
}

static bool category_row(const struct measure *a, const struct measure *b, double tolerance, struct row *ret)
{
	return words_row(a, b, SIDE_TRAFFIC, true, tolerance, ret);
}

/* The plain bins, and one each for what is missing and what is of another type. */
static bool edges_row(const struct measure *a, const struct measure *b, enum comparison_side side, double tolerance, struct row *ret)
{
	const struct measure *both[2] = {a, b};
	size_t plain = a->n_edges + 1;

	if (!same_edges(a, b))
		return false;
	*ret = row_open(a->name, side, WIDER * tolerance, a->kappa, plain + 2);
	for (int g = 0; g < 2; g++) {
		const struct measure *m = both[g];
		const size_t special[] = {m->below, m->above, m->missing, m->mistyped};
		const size_t to[] = {0, plain - 1, plain, plain + 1};

		map_open(ret, g, m);
		for (size_t i = 0; i < plain; i++)
			ret->map[g][i] = (int32_t)i;
		for (size_t i = 0; i < sizeof special / sizeof *special; i++)
			if (special[i] != MEASURE_NO_BIN)
				ret->map[g][special[i]] = (int32_t)to[i];
	}
	usual_set(ret, a);
	bins_named(ret, a);
	return true;
}

static bool metric_row(const struct measure *a, const struct measure *b, double tolerance, struct row *ret)
{
	return a->n_words > 0 ? words_row(a, b, SIDE_DIFFERENCE, false, tolerance, ret) : edges_row(a, b, SIDE_DIFFERENCE, tolerance, ret);
}

static bool numeric_row(const struct measure *a, const struct measure *b, double tolerance, struct row *ret)
{
	return edges_row(a, b, SIDE_TRAFFIC, tolerance, ret);
}

/* How a measure of both references is compared; NULL: not. */
static bool (*const makers[MEASURE_KINDS])(const struct measure *a, const struct measure *b, double tolerance, struct row *ret) = {
	[MEASURE_P_VALUE] = odd_row,
	[MEASURE_CONFIDENCE] = confidence_row,
	[MEASURE_CLASS] = class_row,
	[MEASURE_NUMERIC] = numeric_row,
	[MEASURE_CATEGORY] = category_row,
	[MEASURE_METRIC] = metric_row,
};

static const struct measure *measure_like(const struct reference *r, const struct measure *m)
{
	for (size_t i = 0; i < r->n_measures; i++)
		if (r->measures[i].kind == m->kind && !strcmp(r->measures[i].name, m->name))
			return &r->measures[i];
	return NULL;
}

size_t rows_make(const struct reference *stable, const struct reference *canary, double tolerance, struct row **ret)
{
	struct row *rows = mem_zero(stable->n_measures + 2, sizeof *rows);
	size_t n = accuracy_row(stable, canary, tolerance, &rows[0]);

	for (size_t i = 0; i < stable->n_measures; i++) {
		const struct measure *a = &stable->measures[i], *b = measure_like(canary, a);

		if (makers[a->kind] && b && !a->slice)
			n += makers[a->kind](a, b, tolerance, &rows[n]);
	}
	*ret = rows;
	return n;
}

void row_counts(const struct row *r, int which, const struct window *w, int64_t *to)
{
	memset(to, 0, r->k * sizeof *to);
	if (r->estimate) {
		to[0] = (int64_t)((double)w->v[r->first[which]] / PERFORMANCE_ONE);
		to[1] = w->v[r->first[which] + 1] - to[0];
		return;
	}
	for (size_t i = 0; i < r->n[which]; i++)
		if (r->map[which][i] >= 0)
			to[r->map[which][i]] += w->v[r->first[which] + i];
}

#define EACH_TABLE(X, r)                                                                                                       \
	X((r)->recent[0], (r)->k)                                                                                              \
	X((r)->recent[1], (r)->k)                                                                                              \
	X((r)->all[0], (r)->k)                                                                                                 \
	X((r)->all[1], (r)->k)                                                                                                 \
	X((r)->difference, (r)->k)                                                                                             \
	X((r)->variance, (r)->k)                                                                                               \
	X((r)->worse, ROW_BETS)                                                                                                \
	X((r)->differs, ROW_BETS)                                                                                              \
	X((r)->same, 2 * (r)->k)

void row_pack(const struct row *r, struct buf *to)
{
	const double alone[] = {r->weight, r->squares, r->by};

	pack_array(to, 12);
	pack_int(to, r->n_pairs);
	pack_int(to, r->n_squares);
	pack_reals(to, alone, 3);
#define X(at, n) pack_reals(to, at, n);
	EACH_TABLE(X, r)
#undef X
}

bool row_unpack(struct row *r, const struct msgpack_object *o)
{
	double alone[3];
	size_t i = 3;

	if (!unpack_int(unpack_item(o, 0), 0, INT64_MAX - 1, &r->n_pairs) || !unpack_int(unpack_item(o, 1), 0, INT64_MAX - 1, &r->n_squares) ||
		!unpack_reals(unpack_item(o, 2), alone, 3))
		return false;
	r->weight = alone[0];
	r->squares = alone[1];
	r->by = alone[2];
#define X(at, n)                                                                                                               \
	if (!unpack_reals(unpack_item(o, i++), at, n))                                                                         \
		return false;
	EACH_TABLE(X, r)
#undef X
	return true;
}

void row_reset(struct row *r)
{
#define X(at, n) memset(at, 0, (n) * sizeof(double));
	EACH_TABLE(X, r)
#undef X
	r->weight = r->squares = r->by = 0;
	r->n_pairs = r->n_squares = 0;
}
