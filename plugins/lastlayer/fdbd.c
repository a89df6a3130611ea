/* SPDX-License-Identifier: Apache-2.0
 *
 * Fast decision boundary distance (Liu & Qin 2024): how far, on average, the embedding would have to move to be another class, in
 * units of how far it is from the middle of all. The distance to the boundary with class c is (z_a - z_c)/|w_a - w_c|: with the
 * lengths of the differences in a table, a pass over the logits. Log-probabilities do as well, since only differences count.
 */
#include "lastlayer/detectors.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "algebra/bytes.h"
#include "algebra/top.h"
#include "lastlayer/layer.h"

#define MAGIC "oodfdb01"
/* Up to here a table of all pairs (16 MB); beyond, lengths are taken when they are wanted. */
#define MOST_TABLE 2048
/* Rows of W this near, in units of the longest, are the same row but for rounding: no boundary runs between them. */
#define LEAST_APART 1e-6f
#define MOST_REASONS 16

struct state {
	size_t d, n_classes;
	const struct rows *rows;
	float *mean;  /* d */
	float *w;     /* n_classes x d */
	float *table; /* n_classes x n_classes: 1/|w_a - w_c|, 0 where there is no boundary; NULL when that is too large */
	float least;
};

/* ---- fit ---- */

/* Mean of the usable rows. */
static void mean_make(const struct oodd_batch *const *batches, size_t n_batches, size_t d, double *mean)
{
	const struct rows *rows = rows_for(PRODUCT_BEST);
	size_t n = 0;

	memset(mean, 0, d * sizeof *mean);
	for (size_t b = 0; b < n_batches; b++)
		for (size_t i = 0; i < batches[b]->n; i++) {
			if (!layer_row_usable(rows, batches[b], i))
				continue;
			n++;
			for (size_t j = 0; j < d; j++)
				mean[j] += (double)oodd_row(batches[b]->embedding, i)[j];
		}
	for (size_t j = 0; j < d; j++)
		mean[j] /= (double)n;
}

static int fdbd_fit(const struct oodd_host *host, const struct oodd_batch *const *batches, size_t n_batches, const void **ret_bytes, size_t *ret_n)
{
	struct layer l;
	int r = layer_recover(&l, host, batches, n_batches, true);

	if (r)
		return r;
	struct bytes_head head = {MAGIC, BYTES_ORDER, (uint32_t)l.d, (uint32_t)l.n_classes, 0};
	double *mean = malloc(l.d * sizeof *mean);
	if (!mean) {
		layer_done(&l);
		return -ENOMEM;
	}
	mean_make(batches, n_batches, l.d, mean);
	*ret_n = sizeof head + (l.d + l.n_classes * l.d) * sizeof(float);
	struct bytes b = {host->alloc(host->context, *ret_n), *ret_n, false};
	*ret_bytes = b.at;
	bytes_put(&b, &head, sizeof head);
	bytes_put_f32(&b, mean, l.d);
	bytes_put_f32(&b, l.w, l.n_classes * l.d);
	free(mean);
	layer_done(&l);
	return 0;
}

/* ---- open, close ---- */

static void fdbd_close(void *state)
{
	struct state *s = state;

	if (!s)
		return;
	free(s->mean);
	free(s->w);
	free(s->table);
	free(s);
}

static float apart(const struct state *s, size_t a, size_t c)
{
	float length = sqrtf(s->rows->distance(s->w + a * s->d, s->w + c * s->d, s->d));

	return length > s->least ? 1 / length : 0;
}

static int table_make(struct state *s)
{
	size_t n = s->n_classes;
	double most = 0;

	for (size_t c = 0; c < n; c++)
		most = fmax(most, s->rows->squares(s->w + c * s->d, s->d));
	s->least = LEAST_APART * (float)sqrt(most);
	if (n > MOST_TABLE)
		return 0;
	s->table = malloc(n * n * sizeof *s->table);
	if (!s->table)
		return -ENOMEM;
	for (size_t a = 0; a < n; a++)
		for (size_t c = 0; c <= a; c++)
			s->table[a * n + c] = s->table[c * n + a] = a == c ? 0 : apart(s, a, c);
	return 0;
}

static int fdbd_open(const struct oodd_host *host, const void *bytes, size_t n, void **ret_state)
{
	struct bytes_head head;
	struct bytes b;

	if (!bytes_begin(&b, bytes, n, MAGIC, host, &head))
		return -EINVAL;
	struct state *s = calloc(1, sizeof *s);
	if (!s)
		return -ENOMEM;
	s->d = head.width;
	s->n_classes = head.rows;
	s->rows = rows_for(PRODUCT_BEST);
	s->mean = bytes_take(&b, s->d, sizeof *s->mean);
	s->w = bytes_take(&b, s->n_classes * s->d, sizeof *s->w);
	bool good = bytes_end(&b, host) && bytes_finite_f32(s->mean, s->d) && bytes_finite_f32(s->w, s->n_classes * s->d);
	int r = good ? table_make(s) : -EINVAL;
	if (r)
		fdbd_close(s);
	else
		*ret_state = s;
	return r;
}

/* ---- score ---- */

/* 1/|w_a - w_c| for all c: from the table, or made in `room`. */
static const float *lengths_of(const struct state *s, size_t a, float *room)
{
	if (s->table)
		return s->table + a * s->n_classes;
	for (size_t c = 0; c < s->n_classes; c++)
		room[c] = a == c ? 0 : apart(s, a, c);
	return room;
}

static double row_score(const struct state *s, const float *x, const float *z, float *room)
{
	size_t a = layer_argmax(s->rows, z, s->n_classes);
	const float *inverse = lengths_of(s, a, room);
	size_t n = s->rows->count(inverse, s->n_classes, 1e-38f);
	double away = sqrt((double)s->rows->distance(x, s->mean, s->d));

	return -(s->rows->gaps(z[a], z, inverse, s->n_classes) / (double)n) / away;
}

static int fdbd_score(const void *state, const struct oodd_batch *batch, float *scores, uint8_t *status)
{
	const struct state *s = state;

	if (batch->n == 0)
		return 0;
	if (!s || batch->embedding.width != s->d || batch->logits.width != s->n_classes)
		return -EINVAL;
	float *room = malloc(s->n_classes * sizeof *room);
	if (!room)
		return -ENOMEM;
	for (size_t i = 0; i < batch->n; i++) {
		if (status[i] == OODD_ROW_UNSCORED)
			continue;
		scores[i] = layer_row_usable(s->rows, batch, i) ?
			(float)row_score(s, oodd_row(batch->embedding, i), oodd_row(batch->logits, i), room) : NAN;
		if (!isfinite(scores[i]))
			status[i] = OODD_ROW_UNSCORED;
	}
	free(room);
	return 0;
}

/* ---- explain ---- */

/* The classes whose boundaries are nearest, by nearness: the nearest one's distance over theirs. */
static int boundaries_rank(const struct state *s, const float *z, const float *inverse, size_t a, struct oodd_reason *reasons, size_t n)
{
	float value[MOST_REASONS];
	uint32_t index[MOST_REASONS];
	struct top t = {0, n < MOST_REASONS ? n : MOST_REASONS, value, index};

	if (n == 0)
		return 0;
	for (size_t c = 0; c < s->n_classes; c++)
		if (inverse[c] > 0)
			top_put(&t, (z[c] - z[a]) * inverse[c], (uint32_t)c);
	top_sort(&t);
	for (size_t i = 0; i < t.n; i++)
		reasons[i] = (struct oodd_reason){OODD_REASON_CLASS, index[i], value[i] < 0 ? (double)value[0] / (double)value[i] : 1};
	return (int)t.n;
}

static int fdbd_explain(const void *state, const struct oodd_batch *batch, size_t row, struct oodd_reason *reasons, size_t n)
{
	const struct state *s = state;

	if (!s || row >= batch->n || batch->embedding.width != s->d || batch->logits.width != s->n_classes)
		return -EINVAL;
	if (!layer_row_usable(s->rows, batch, row))
		return 0;
	float *room = malloc(s->n_classes * sizeof *room);
	if (!room)
		return -ENOMEM;
	const float *z = oodd_row(batch->logits, row);
	size_t a = layer_argmax(s->rows, z, s->n_classes);
	int found = boundaries_rank(s, z, lengths_of(s, a, room), a, reasons, n);
	free(room);
	return found;
}

const struct oodd_detector fdbd = {
	.name = "fdbd",
	.version = "1.0",
	.summary = "mean distance to the decision boundaries, from the last layer found again in the log",
	.needs = OODD_NEEDS_LOGITS | OODD_NEEDS_EMBEDDING,
	.fit = fdbd_fit,
	.open = fdbd_open,
	.close = fdbd_close,
	.score = fdbd_score,
	.explain = fdbd_explain,
};
