/* SPDX-License-Identifier: Apache-2.0
 *
 * SCALE (Xu et al. 2024): the energy of the logits, were all activations multiplied by exp(r), where r is the sum of the activations
 * over the sum of the largest of them. Since W (x e^r) + b = e^r (z - b) + b, nothing of the last layer is needed but b.
 */
#include "lastlayer/detectors.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "algebra/bytes.h"
#include "lastlayer/layer.h"

#define MAGIC "oodscl01"
/* Logged as decimals, a zero stays a zero: what is below zero was meant. */
#define MOST_BELOW 1e-6

struct state {
	size_t d, n_classes;
	size_t kept;   /* of the d activations, how many count as the largest */
	const struct rows *rows;
	double *b;     /* n_classes */
};

/* ---- fit ---- */

static int scale_fit(const struct oodd_host *host, const struct oodd_batch *const *batches, size_t n_batches, const void **ret_bytes, size_t *ret_n)
{
	struct layer l;
	int r = layer_recover(&l, host, batches, n_batches, false);

	if (r)
		return r;
	r = layer_one_sided(host, batches, n_batches, MOST_BELOW, "a share of their sum means something only after a ReLU");
	if (!r) {
		struct bytes_head head = {MAGIC, BYTES_ORDER, (uint32_t)l.d, (uint32_t)l.n_classes, 0};
		*ret_n = sizeof head + l.n_classes * sizeof *l.b;
		struct bytes b = {host->alloc(host->context, *ret_n), *ret_n, false};
		*ret_bytes = b.at;
		bytes_put(&b, &head, sizeof head);
		bytes_put(&b, l.b, l.n_classes * sizeof *l.b);
	}
	layer_done(&l);
	return r;
}

/* ---- open, close ---- */

static void scale_close(void *state)
{
	struct state *s = state;

	if (!s)
		return;
	free(s->b);
	free(s);
}

static int scale_open(const struct oodd_host *host, const void *bytes, size_t n, void **ret_state)
{
	struct bytes_head head;
	struct bytes b;

	if (!bytes_begin(&b, bytes, n, MAGIC, host, &head))
		return -EINVAL;
	struct state *s = calloc(1, sizeof *s);
	if (!s)
		return -ENOMEM;
	*s = (struct state){.d = head.width, .n_classes = head.rows, .rows = rows_for(PRODUCT_BEST)};
	size_t cut = (size_t)rint((double)s->d * host->option(host->context, "percentile") / 100);
	s->kept = cut < s->d ? s->d - cut : 1;
	s->b = bytes_take(&b, s->n_classes, sizeof *s->b);
	if (!bytes_end(&b, host) || !bytes_finite_f64(s->b, s->n_classes)) {
		scale_close(s);
		return -EINVAL;
	}
	*ret_state = s;
	return 0;
}

/* ---- score ---- */

/* Floats in the order of their bits, those below zero turned round. */
static float float_at(uint32_t rank)
{
	uint32_t bits = rank & 0x80000000u ? rank ^ 0x80000000u : ~rank;
	float x;

	memcpy(&x, &bits, sizeof x);
	return x;
}

/* The k-th largest, by halving the range of all floats. */
static float largest_find(const struct rows *rows, const float *x, size_t n, size_t k)
{
	uint32_t low = 0x007fffffu, high = 0xff800000u; /* -INFINITY, INFINITY */

	while (high - low > 1) {
		uint32_t middle = low + (high - low) / 2;
		if (rows->count(x, n, float_at(middle)) >= k)
			low = middle;
		else
			high = middle;
	}
	return float_at(low);
}

/* Sum of the k largest: those above the k-th, and as many of its own kind as are wanting. */
static double largest_sum(const struct rows *rows, const float *x, size_t n, size_t k, unsigned *room)
{
	float least = largest_find(rows, x, n, k);
	size_t above = rows->above(x, n, least, room);
	double sum = (double)(k - above) * (double)least;

	for (size_t i = 0; i < above; i++)
		sum += (double)x[room[i]];
	return sum;
}

/* Logits of the scaled activations, into `to`; false where there is no telling. */
static bool logits_scale(const struct state *s, const float *x, const float *z, unsigned *room, float *to)
{
	double all = s->rows->sum(x, s->d), kept = largest_sum(s->rows, x, s->d, s->kept, room);
	/* No activation at all: whatever it is multiplied by, it stays so. */
	double by = all == 0 && kept == 0 ? 1 : exp(all / kept);

	if (!(all >= 0 && kept >= 0 && isfinite(by)))
		return false;
	for (size_t c = 0; c < s->n_classes; c++)
		to[c] = (float)(by * ((double)z[c] - s->b[c]) + s->b[c]);
	return true;
}

/* Room for a row: indices of d activations, n_classes logits. */
static unsigned *room_open(const struct state *s, float **ret_z)
{
	unsigned *room = malloc(s->d * sizeof *room + s->n_classes * sizeof **ret_z);

	*ret_z = room ? (float *)(room + s->d) : NULL;
	return room;
}

static bool row_scale(const struct state *s, const struct oodd_batch *batch, size_t i, unsigned *room, float *to)
{
	return layer_row_usable(s->rows, batch, i) && logits_scale(s, oodd_row(batch->embedding, i), oodd_row(batch->logits, i), room, to);
}

static int scale_score(const void *state, const struct oodd_batch *batch, float *scores, uint8_t *status)
{
	const struct state *s = state;
	float *z, most;

	if (batch->n == 0)
		return 0;
	if (!s || batch->embedding.width != s->d || batch->logits.width != s->n_classes)
		return -EINVAL;
	unsigned *room = room_open(s, &z);
	if (!room)
		return -ENOMEM;
	for (size_t i = 0; i < batch->n; i++) {
		if (status[i] == OODD_ROW_UNSCORED)
			continue;
		scores[i] = row_scale(s, batch, i, room, z) ? (float)layer_energy(s->rows, z, s->n_classes, &most) : NAN;
		if (!isfinite(scores[i]))
			status[i] = OODD_ROW_UNSCORED;
	}
	free(room);
	return 0;
}

/* Which classes share the probability of the scaled logits. */
static int scale_explain(const void *state, const struct oodd_batch *batch, size_t row, struct oodd_reason *reasons, size_t n)
{
	const struct state *s = state;
	float *z;

	if (!s || row >= batch->n || batch->embedding.width != s->d || batch->logits.width != s->n_classes)
		return -EINVAL;
	unsigned *room = room_open(s, &z);
	if (!room)
		return -ENOMEM;
	int found = row_scale(s, batch, row, room, z) ? layer_classes_rank(s->rows, z, s->n_classes, reasons, n) : 0;
	free(room);
	return found;
}

static const struct oodd_option options[] = {
	{"percentile", OODD_OPTION_REAL, 85, 0, 99, NULL, "activations below it do not count among the largest"},
	{0},
};

const struct oodd_detector scale = {
	.name = "scale",
	.version = "1.0",
	.summary = "energy of the logits, activations scaled by how concentrated they are",
	.needs = OODD_NEEDS_LOGITS | OODD_NEEDS_RAW_LOGITS | OODD_NEEDS_EMBEDDING,
	.options = options,
	.fit = scale_fit,
	.open = scale_open,
	.close = scale_close,
	.score = scale_score,
	.explain = scale_explain,
};
