/* SPDX-License-Identifier: Apache-2.0
 *
 * How far a record's normal scores stand from the k-th nearest of the reference's (Ramaswamy, Rastogi & Shim 2000, on ranks instead of
 * raw values). No shape is assumed, and the answer names the very records that are nearest.
 *
 * Exact, by brute force: b is near x where x.b - |b|^2 / 2 is large, a matrix product with a bias; the few best are measured again
 * directly, since a difference of large numbers has few digits left.
 */
#include "tabular/tabular.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "algebra/bytes.h"
#include "algebra/product.h"
#include "algebra/rows.h"
#include "algebra/top.h"
#include "tabular/scores.h"

#define MAGIC "oodtnn01"
#define BLOCK 96
#define COLUMNS 512 /* of the bank at a time: a multiple of any panel */
#define SPARE 8     /* candidates beyond k: rounding may swap neighbours that are equally far */

struct state {
	size_t d, n, k, candidates;
	struct scores *scores;
	float *rows_of;  /* n x d */
	int64_t *row;    /* of the fit data, for each of the bank */
	struct product_f32 *bank;
	const struct rows *rows;
};

/* ---- fit ---- */

static size_t rows_usable(const struct scores *s, const struct oodd_batch *const *batches, size_t n_batches, float *z)
{
	size_t n = 0;
	bool there;

	for (size_t b = 0; b < n_batches; b++)
		for (size_t i = 0; i < batches[b]->n; i++) {
			scores_rows(s, batches[b], i, 1, z, &there);
			n += there;
		}
	return n;
}

/* Evenly spaced ones when there are more than fit: all of the reference's time is there. */
static void bank_fill(const struct scores *s, const struct oodd_batch *const *batches, size_t n_batches, size_t usable, size_t kept,
	float *to, int64_t *rows)
{
	size_t met = 0, taken = 0, d = scores_width(s);
	int64_t row = 0;
	bool there;

	for (size_t b = 0; b < n_batches; b++)
		for (size_t i = 0; i < batches[b]->n && taken < kept; i++, row++) {
			scores_rows(s, batches[b], i, 1, to + taken * d, &there);
			if (!there || ++met * kept / usable == taken)
				continue;
			rows[taken++] = row;
		}
}

static int bank_write(const struct scores *s, const struct oodd_batch *const *batches, size_t n_batches, size_t kept, size_t usable,
	const struct oodd_host *host, const void **ret_bytes, size_t *ret_n)
{
	size_t d = scores_width(s);
	struct bytes_head head = {MAGIC, BYTES_ORDER, (uint32_t)d, (uint32_t)kept, 0};
	float *bank = malloc(kept * d * sizeof *bank);
	int64_t *rows = malloc(kept * sizeof *rows);
	int r = bank && rows ? 0 : -ENOMEM;

	if (!r) {
		struct bytes b = bytes_result(host, &head, scores_size(s) + kept * (d * sizeof *bank + sizeof *rows), ret_bytes, ret_n);

		bank_fill(s, batches, n_batches, usable, kept, bank, rows);
		scores_write(s, &b);
		bytes_put(&b, bank, kept * d * sizeof *bank);
		bytes_put(&b, rows, kept * sizeof *rows);
	}
	free(bank);
	free(rows);
	return r;
}

static int neighbour_fit(const struct oodd_host *host, const struct oodd_batch *const *batches, size_t n_batches, const void **ret_bytes,
	size_t *ret_n)
{
	size_t k = (size_t)host->option(host->context, "k"), most = (size_t)host->option(host->context, "bank");
	struct scores *s = NULL;
	char text[128];
	int r = scores_learn(host, batches, n_batches, &s);

	if (r)
		return r;
	float *z = malloc(scores_width(s) * sizeof *z);
	size_t usable = z ? rows_usable(s, batches, n_batches, z) : 0, kept = usable < most ? usable : most;
	free(z);
	if (kept < k) {
		snprintf(text, sizeof text, "k is %zu, and only %zu rows with a feature are in the bank", k, kept);
		host->log(host->context, OODD_LOG_ERROR, text);
		r = -ENODATA;
	} else
		r = bank_write(s, batches, n_batches, kept, usable, host, ret_bytes, ret_n);
	scores_close(s);
	return r;
}

/* ---- open, close ---- */

static void neighbour_close(void *state)
{
	struct state *s = state;

	if (!s)
		return;
	product_f32_close(s->bank);
	scores_close(s->scores);
	free(s->rows_of);
	free(s->row);
	free(s);
}

static struct product_f32 *bank_open(const struct state *s)
{
	float *bias = malloc(s->n * sizeof *bias);

	for (size_t i = 0; bias && i < s->n; i++)
		bias[i] = (float)(-s->rows->squares(s->rows_of + i * s->d, s->d) / 2);
	struct product_f32 *p = bias ? product_f32_open(s->rows_of, s->n, s->d, bias, false, PRODUCT_BEST) : NULL;
	free(bias);
	return p;
}

static int neighbour_open(const struct oodd_host *host, const void *bytes, size_t n, void **ret_state)
{
	struct bytes_head head;
	struct bytes b;

	if (!bytes_begin(&b, bytes, n, MAGIC, host, &head))
		return -EINVAL;
	struct state *s = calloc(1, sizeof *s);
	if (!s)
		return -ENOMEM;
	s->d = head.width;
	s->n = head.rows;
	s->k = (size_t)host->option(host->context, "k");
	s->candidates = s->k + SPARE < s->n ? s->k + SPARE : s->n;
	s->rows = rows_for(PRODUCT_BEST);
	s->scores = scores_read(&b);
	s->rows_of = bytes_take(&b, s->n * s->d, sizeof *s->rows_of);
	s->row = bytes_take(&b, s->n, sizeof *s->row);
	bool good = bytes_end(&b, host) && scores_width(s->scores) == s->d && s->k >= 1 && s->k <= s->n && bytes_finite_f32(s->rows_of, s->n * s->d);
	if (good)
		s->bank = bank_open(s);
	if (!s->bank) {
		neighbour_close(s);
		return good ? -ENOMEM : -EINVAL;
	}
	*ret_state = s;
	return 0;
}

/* ---- search ---- */

/* Memory for a block of rows, in one piece. */
struct scratch {
	struct top *best; /* rows */
	float *z;         /* rows x d */
	float *near;      /* rows x COLUMNS */
	float *value;     /* rows x candidates */
	uint32_t *index;  /* rows x candidates */
	unsigned *some;   /* COLUMNS */
	bool *there;      /* rows */
};

static bool scratch_open(struct scratch *w, const struct state *s, size_t rows)
{
	size_t words = rows * (s->d + COLUMNS + 2 * s->candidates) + COLUMNS;
	char *at = malloc(rows * sizeof *w->best + words * sizeof(float) + rows * sizeof *w->there);

	if (!at)
		return false;
	w->best = (struct top *)(void *)at;
	w->z = (float *)(void *)(at + rows * sizeof *w->best);
	w->near = w->z + rows * s->d;
	w->value = w->near + rows * COLUMNS;
	w->index = (uint32_t *)(void *)(w->value + rows * s->candidates);
	w->some = (unsigned *)(w->index + rows * s->candidates);
	w->there = (bool *)(w->some + COLUMNS);
	return true;
}

static void row_look(const struct state *s, const struct scratch *w, size_t i, size_t from, size_t columns)
{
	const float *near = w->near + i * COLUMNS;
	size_t n = s->rows->above(near, columns, top_floor(&w->best[i]), w->some);

	for (size_t j = 0; j < n; j++)
		top_put(&w->best[i], near[w->some[j]], (uint32_t)(from + w->some[j]));
}

/* Candidates become neighbours: nearest first, values become distances. */
static void row_measure(const struct state *s, const struct scratch *w, size_t i)
{
	struct top *best = &w->best[i], again = {.k = best->n, .value = best->value, .index = best->index};

	for (size_t j = 0; j < best->n; j++) {
		uint32_t index = best->index[j];

		top_put(&again, -s->rows->distance(w->z + i * s->d, s->rows_of + index * s->d, s->d), index);
	}
	top_sort(&again);
	for (size_t j = 0; j < best->n; j++)
		best->value[j] = sqrtf(-best->value[j]);
}

static void block_search(const struct state *s, const struct oodd_batch *batch, size_t from, size_t n, const struct scratch *w)
{
	scores_rows(s->scores, batch, from, n, w->z, w->there);
	for (size_t i = 0; i < n; i++)
		w->best[i] = (struct top){.k = s->candidates, .value = w->value + i * s->candidates, .index = w->index + i * s->candidates};
	for (size_t column = 0; column < s->n; column += COLUMNS) {
		size_t columns = s->n - column < COLUMNS ? s->n - column : COLUMNS;

		product_f32_part(s->bank, column, columns, w->z, s->d, n, w->near, COLUMNS);
		for (size_t i = 0; i < n; i++)
			row_look(s, w, i, column, columns);
	}
	for (size_t i = 0; i < n; i++)
		row_measure(s, w, i);
}

static int neighbour_score(const void *state, const struct oodd_batch *batch, float *scores, uint8_t *status)
{
	const struct state *s = state;
	struct scratch w;

	if (batch->n == 0)
		return 0;
	if (!s || !scores_suit(s->scores, batch))
		return -EINVAL;
	if (!scratch_open(&w, s, BLOCK))
		return -ENOMEM;
	for (size_t from = 0; from < batch->n; from += BLOCK) {
		size_t n = batch->n - from < BLOCK ? batch->n - from : BLOCK;

		block_search(s, batch, from, n, &w);
		for (size_t i = 0; i < n; i++)
			if (w.there[i] && w.best[i].n >= s->k && isfinite(w.best[i].value[s->k - 1]))
				scores[from + i] = w.best[i].value[s->k - 1];
			else
				status[from + i] = OODD_ROW_UNSCORED;
	}
	free(w.best);
	return 0;
}

/* The columns by what they add to the squared distance from the k-th nearest, and the neighbours, nearest first. */
static int neighbour_explain(const void *state, const struct oodd_batch *batch, size_t row, struct oodd_reason *reasons, size_t n)
{
	const struct state *s = state;
	struct scratch w;
	size_t told = 0;

	if (!s || row >= batch->n || !scores_suit(s->scores, batch))
		return -EINVAL;
	double *part = malloc(s->d * sizeof *part);
	if (!part || !scratch_open(&w, s, 1)) {
		free(part);
		return -ENOMEM;
	}
	block_search(s, batch, row, 1, &w);
	if (w.there[0] && w.best[0].n >= s->k) {
		const float *nearest = s->rows_of + w.best[0].index[s->k - 1] * s->d;

		for (size_t j = 0; j < s->d; j++)
			part[j] = ((double)w.z[j] - (double)nearest[j]) * ((double)w.z[j] - (double)nearest[j]);
		for (; told < n && told < s->k; told++)
			reasons[told] = (struct oodd_reason){OODD_REASON_ROW, s->row[w.best[0].index[told]], (double)w.best[0].value[told]};
		told += (size_t)scores_reasons(s->scores, part, reasons + told, n - told);
	}
	free(w.best);
	free(part);
	return (int)told;
}

static const struct oodd_option options[] = {
	{"k", OODD_OPTION_INT, 1, 1, 1000, NULL, "which neighbour: the k-th nearest"},
	{"bank", OODD_OPTION_INT, 5000, 1, 1e6, NULL, "most reference rows to keep, evenly spaced in time; the cost is proportional to it"},
	{0},
};

const struct oodd_detector neighbour = {
	.name = "tabular_knn",
	.version = "1.0",
	.summary = "distance to the k-th nearest of the reference's records, by the ranks of their features",
	.needs = OODD_NEEDS_FEATURES,
	.options = options,
	.fit = neighbour_fit,
	.open = neighbour_open,
	.close = neighbour_close,
	.score = neighbour_score,
	.explain = neighbour_explain,
};
