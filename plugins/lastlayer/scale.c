/* SPDX-License-Identifier: Apache-2.0
 *
 * SCALE (Xu et al. 2024): the energy of the logits, were all activations multiplied by exp(r), where r is the sum of the activations
 * over the sum of the largest of them. Since W (x e^r) + b = e^r (z - b) + b, nothing of the last layer is needed but b.
 */
#include "lastlayer/detectors.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "algebra/bytes.h"
#include "algebra/order.h"
#include "lastlayer/layer.h"
#include "lastlayer/row.h"

#define MAGIC "oodscl01"
/* Logged as decimals, a zero stays a zero: what is below zero was meant. */
#define MOST_BELOW 1e-6

struct state {
	struct row_shape shape;
	size_t kept;   /* of the d activations, how many count as the largest */
	double *b;     /* n_classes */
};

/* ---- fit ---- */

static int scale_fit(const struct oodd_host *host, const struct oodd_batch *const *batches, size_t n_batches, const void **ret_bytes, size_t *ret_n)
{
	struct layer l;
	int r = layer_recover(&l, host, batches, n_batches, false);

	if (r)
		return r;
	r = rows_one_sided(host, batches, n_batches, MOST_BELOW, "a share of their sum means something only after a ReLU");
	if (!r) {
		struct bytes_head head = {MAGIC, BYTES_ORDER, (uint32_t)l.d, (uint32_t)l.n_classes, 0};
		struct bytes b = bytes_result(host, &head, l.n_classes * sizeof *l.b, ret_bytes, ret_n);
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
	size_t d = head.width, cut = (size_t)rint((double)d * host->option(host->context, "percentile") / 100);
	s->shape = (struct row_shape){d, head.rows, rows_for(PRODUCT_BEST)};
	s->kept = cut < d ? d - cut : 1;
	s->b = bytes_take(&b, head.rows, sizeof *s->b);
	if (!bytes_end(&b, host) || !bytes_finite_f64(s->b, head.rows)) {
		scale_close(s);
		return -EINVAL;
	}
	*ret_state = s;
	return 0;
}

/* ---- score ---- */

/* The k-th largest, by halving the range of all floats. */
static float largest_find(const struct rows *rows, const float *x, size_t n, size_t k)
{
	uint32_t low = ORDER_LEAST, high = ORDER_MOST;

	while (high - low > 1) {
		uint32_t middle = low + (high - low) / 2;
		if (rows->count(x, n, order_float(middle)) >= k)
			low = middle;
		else
			high = middle;
	}
	return order_float(low);
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

/* Logits of the scaled activations, into room->z; false where there is no telling. */
static bool logits_scale(const struct state *s, const float *x, const float *z, struct row_room *room)
{
	const struct rows *rows = s->shape.rows;
	double all = rows->sum(x, s->shape.d), kept = largest_sum(rows, x, s->shape.d, s->kept, room->index);
	/* No activation at all: whatever it is multiplied by, it stays so. */
	double by = all == 0 && kept == 0 ? 1 : exp(all / kept);

	if (!(all >= 0 && kept >= 0 && isfinite(by)))
		return false;
	for (size_t c = 0; c < s->shape.n_classes; c++)
		room->z[c] = (float)(by * ((double)z[c] - s->b[c]) + s->b[c]);
	return true;
}

static double row_score(const void *state, const float *x, const float *z, struct row_room *room)
{
	const struct state *s = state;

	return logits_scale(s, x, z, room) ? row_energy(s->shape.rows, room->z, s->shape.n_classes) : (double)NAN;
}

static int scale_score(const void *state, const struct oodd_batch *batch, float *scores, uint8_t *status)
{
	return rows_score(state, row_score, batch, scores, status);
}

/* Which classes share the probability of the scaled logits. */
static int scale_explain(const void *state, const struct oodd_batch *batch, size_t row, struct oodd_reason *reasons, size_t n)
{
	const struct state *s = state;
	struct row_room room;
	int found = row_check(state, batch, row);

	if (found <= 0)
		return found;
	if (!row_room_open(&room, &s->shape))
		return -ENOMEM;
	found = logits_scale(s, oodd_row(batch->embedding, row), oodd_row(batch->logits, row), &room) ?
		row_classes(s->shape.rows, room.z, s->shape.n_classes, reasons, n) : 0;
	row_room_close(&room);
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
