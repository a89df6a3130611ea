/* SPDX-License-Identifier: Apache-2.0
 *
 * ReAct (Sun et al. 2021): the energy of the logits, were no activation larger than most of the reference's are. Only what is cut off
 * changes anything: W min(x, c) + b = z - sum over the units above c of (x_j - c) w_j, so a row costs what it has above.
 */
#include "lastlayer/detectors.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "algebra/bytes.h"
#include "algebra/order.h"
#include "algebra/shares.h"
#include "lastlayer/layer.h"
#include "lastlayer/row.h"

#define MAGIC "oodrea01"
/* A GELU or a SiLU leaves some percent of the mass below zero; half of it means that there is no large side to cut. */
#define MOST_BELOW 0.1

struct state {
	struct row_shape shape;
	float most;    /* c: activations above are cut */
	float *across; /* d x n_classes: W', so that a unit's weights lie together */
};

/* ---- fit: an order statistic of all activations, exact, without keeping them ---- */

/* Into 65536 bins: by the upper half of the order, or, for those whose upper half is `within`, by the lower. */
static size_t activations_count(const struct oodd_batch *const *batches, size_t n_batches, int64_t within, uint64_t *bins)
{
	const struct rows *rows = rows_for(PRODUCT_BEST);
	size_t n = 0;

	memset(bins, 0, 65536 * sizeof *bins);
	for (size_t b = 0; b < n_batches; b++)
		for (size_t i = 0; i < batches[b]->n; i++) {
			const float *x = oodd_row(batches[b]->embedding, i);
			if (!row_usable(rows, batches[b], i))
				continue;
			n += batches[b]->embedding.width;
			for (size_t j = 0; j < batches[b]->embedding.width; j++) {
				uint32_t order = order_of(x[j]);
				if (within < 0)
					bins[order >> 16]++;
				else if (order >> 16 == within)
					bins[order & 0xffff]++;
			}
		}
	return n;
}

/* The bin that holds the k-th, counted from 0; *k is then counted within it. */
static uint32_t bin_find(const uint64_t *bins, uint64_t *k)
{
	uint32_t at = 0;

	while (at < 65535 && *k >= bins[at])
		*k -= bins[at++];
	return at;
}

static double activation_find(const struct oodd_batch *const *batches, size_t n_batches, uint64_t k, uint64_t *bins)
{
	activations_count(batches, n_batches, -1, bins);
	uint32_t upper = bin_find(bins, &k);
	activations_count(batches, n_batches, upper, bins);
	return (double)order_float(upper << 16 | bin_find(bins, &k));
}

/* Between order statistics, as numpy.percentile does. */
static int percentile_make(const struct oodd_batch *const *batches, size_t n_batches, double percentile, float *ret)
{
	uint64_t *bins = malloc(65536 * sizeof *bins);

	if (!bins)
		return -ENOMEM;
	size_t n = activations_count(batches, n_batches, -1, bins);
	double at = percentile / 100 * (double)(n - 1), part = at - floor(at);
	double low = activation_find(batches, n_batches, (uint64_t)at, bins);
	double high = part > 0 ? activation_find(batches, n_batches, (uint64_t)at + 1, bins) : low;
	*ret = (float)(low + part * (high - low));
	free(bins);
	return 0;
}

static void result_write(const struct layer *l, float most, const struct oodd_host *host, const void **ret_bytes, size_t *ret_n)
{
	struct bytes_head head = {MAGIC, BYTES_ORDER, (uint32_t)l->d, (uint32_t)l->n_classes, 0};
	struct bytes b = bytes_result(host, &head, (1 + l->d * l->n_classes) * sizeof(float), ret_bytes, ret_n);

	bytes_put(&b, &most, sizeof most);
	for (size_t j = 0; j < l->d; j++)
		for (size_t c = 0; c < l->n_classes; c++)
			bytes_put_f32(&b, &l->w[c * l->d + j], 1);
}

static int react_fit(const struct oodd_host *host, const struct oodd_batch *const *batches, size_t n_batches, const void **ret_bytes, size_t *ret_n)
{
	struct layer l;
	float most = 0;
	int r = layer_recover(&l, host, batches, n_batches, false);

	if (r)
		return r;
	r = rows_one_sided(host, batches, n_batches, MOST_BELOW, "cutting large ones off helps after a ReLU or its like, and harms here");
	r = r ? r : percentile_make(batches, n_batches, host->option(host->context, "percentile"), &most);
	if (!r)
		result_write(&l, most, host, ret_bytes, ret_n);
	layer_done(&l);
	return r;
}

/* ---- open, close ---- */

static void react_close(void *state)
{
	struct state *s = state;

	if (!s)
		return;
	free(s->across);
	free(s);
}

static int react_open(const struct oodd_host *host, const void *bytes, size_t n, void **ret_state)
{
	struct bytes_head head;
	struct bytes b;

	if (!bytes_begin(&b, bytes, n, MAGIC, host, &head))
		return -EINVAL;
	struct state *s = calloc(1, sizeof *s);
	if (!s)
		return -ENOMEM;
	size_t n_weights = (size_t)head.width * head.rows;
	s->shape = (struct row_shape){head.width, head.rows, rows_for(PRODUCT_BEST)};
	bytes_get(&b, &s->most, sizeof s->most);
	s->across = bytes_take(&b, n_weights, sizeof *s->across);
	bool good = bytes_end(&b, host) && isfinite(s->most) && bytes_finite_f32(s->across, n_weights);
	if (good)
		*ret_state = s;
	else
		react_close(s);
	return good ? 0 : -EINVAL;
}

/* ---- score ---- */

/* Logits of the cut activations, into room->z, and which were cut, into room->index. Returns how many. */
static size_t logits_cut(const struct state *s, const float *x, const float *z, struct row_room *room)
{
	const struct rows *rows = s->shape.rows;
	size_t c = s->shape.n_classes, n = rows->above(x, s->shape.d, s->most, room->index);

	memcpy(room->z, z, c * sizeof *z);
	for (size_t i = 0; i < n; i++)
		rows->add(s->across + room->index[i] * c, s->most - x[room->index[i]], room->z, c);
	return n;
}

static double row_score(const void *state, const float *x, const float *z, struct row_room *room)
{
	const struct state *s = state;

	logits_cut(s, x, z, room);
	return row_energy(s->shape.rows, room->z, s->shape.n_classes);
}

static int react_score(const void *state, const struct oodd_batch *batch, float *scores, uint8_t *status)
{
	return rows_score(state, row_score, batch, scores, status);
}

/* ---- explain ---- */

/* The class that is left the largest, and the units of which most was cut off. */
static int react_explain(const void *state, const struct oodd_batch *batch, size_t row, struct oodd_reason *reasons, size_t n)
{
	const struct state *s = state;
	struct oodd_reason best;
	struct row_room room;
	int found = row_check(state, batch, row);

	if (found <= 0)
		return found;
	double *part = calloc(s->shape.d, sizeof *part);
	if (!part || !row_room_open(&room, &s->shape)) {
		free(part);
		return -ENOMEM;
	}
	const float *x = oodd_row(batch->embedding, row);
	size_t n_cut = logits_cut(s, x, oodd_row(batch->logits, row), &room);
	for (size_t i = 0; i < n_cut; i++)
		part[room.index[i]] = (double)x[room.index[i]] - (double)s->most;
	found = row_classes(s->shape.rows, room.z, s->shape.n_classes, &best, 1);
	if (found == 1)
		found = shares_rank((int32_t)best.index, best.weight, part, s->shape.d, reasons, n);
	row_room_close(&room);
	free(part);
	return found;
}

static const struct oodd_option options[] = {
	{"percentile", OODD_OPTION_REAL, 90, 1, 100, NULL, "activations above this percentile of all the reference's are cut to it"},
	{0},
};

const struct oodd_detector react = {
	.name = "react",
	.version = "1.0",
	.summary = "energy of the logits, large activations cut off",
	.needs = OODD_NEEDS_LOGITS | OODD_NEEDS_RAW_LOGITS | OODD_NEEDS_EMBEDDING,
	.options = options,
	.fit = react_fit,
	.open = react_open,
	.close = react_close,
	.score = react_score,
	.explain = react_explain,
};
