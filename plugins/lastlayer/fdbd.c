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
#include "lastlayer/row.h"

#define MAGIC "oodfdb01"
/* Up to here a table of all pairs (16 MB); beyond, lengths are taken when they are wanted. */
#define MOST_TABLE 2048
/* Rows of W this near, in units of the longest, are the same row but for rounding: no boundary runs between them. */
#define LEAST_APART 1e-6f
#define MOST_REASONS 16

struct state {
	struct row_shape shape;
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
			if (!row_usable(rows, batches[b], i))
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
	struct bytes b = bytes_result(host, &head, (l.d + l.n_classes * l.d) * sizeof(float), ret_bytes, ret_n);
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
	size_t d = s->shape.d;
	float length = sqrtf(s->shape.rows->distance(s->w + a * d, s->w + c * d, d));

	return length > s->least ? 1 / length : 0;
}

static int table_make(struct state *s)
{
	size_t n = s->shape.n_classes, d = s->shape.d;
	double most = 0;

	for (size_t c = 0; c < n; c++)
		most = fmax(most, s->shape.rows->squares(s->w + c * d, d));
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
	size_t d = head.width, n_weights = d * head.rows;
	s->shape = (struct row_shape){d, head.rows, rows_for(PRODUCT_BEST)};
	s->mean = bytes_take(&b, d, sizeof *s->mean);
	s->w = bytes_take(&b, n_weights, sizeof *s->w);
	bool good = bytes_end(&b, host) && bytes_finite_f32(s->mean, d) && bytes_finite_f32(s->w, n_weights);
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
		return s->table + a * s->shape.n_classes;
	for (size_t c = 0; c < s->shape.n_classes; c++)
		room[c] = a == c ? 0 : apart(s, a, c);
	return room;
}

static double row_score(const void *state, const float *x, const float *z, struct row_room *room)
{
	const struct state *s = state;
	const struct rows *rows = s->shape.rows;
	size_t n_classes = s->shape.n_classes, a = row_argmax(rows, z, n_classes);
	const float *inverse = lengths_of(s, a, room->z);
	size_t n = rows->count(inverse, n_classes, 1e-38f);
	double away = sqrt((double)rows->distance(x, s->mean, s->shape.d));

	return -(rows->gaps(z[a], z, inverse, n_classes) / (double)n) / away;
}

static int fdbd_score(const void *state, const struct oodd_batch *batch, float *scores, uint8_t *status)
{
	return rows_score(state, row_score, batch, scores, status);
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
	for (size_t c = 0; c < s->shape.n_classes; c++)
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
	struct row_room room;
	int found = row_check(state, batch, row);

	if (found <= 0)
		return found;
	if (!row_room_open(&room, &s->shape))
		return -ENOMEM;
	const float *z = oodd_row(batch->logits, row);
	size_t a = row_argmax(s->shape.rows, z, s->shape.n_classes);
	found = boundaries_rank(s, z, lengths_of(s, a, room.z), a, reasons, n);
	row_room_close(&room);
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
