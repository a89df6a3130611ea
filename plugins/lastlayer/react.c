/* SPDX-License-Identifier: Apache-2.0
 *
 * ReAct (Sun et al. 2021): the energy of the logits, were no activation larger than most of the reference's are. Only what is cut off
 * changes anything: W min(x, c) + b = z - sum over the units above c of (x_j - c) w_j, so a row costs what it has above.
 */
#include "lastlayer/detectors.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "algebra/bytes.h"
#include "algebra/shares.h"
#include "lastlayer/layer.h"

#define MAGIC "oodrea01"
/* A GELU or a SiLU leaves some percent of the mass below zero; half of it means that there is no large side to cut. */
#define MOST_BELOW 0.1

struct state {
	size_t d, n_classes;
	float most;    /* c: activations above are cut */
	const struct rows *rows;
	float *across; /* d x n_classes: W', so that a unit's weights lie together */
};

/* ---- fit: an order statistic of all activations, exact, without keeping them ---- */

/* Floats as unsigned numbers of the same order. */
static uint32_t rank_of(float x)
{
	uint32_t bits;

	memcpy(&bits, &x, sizeof bits);
	return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
}

static float float_of(uint32_t rank)
{
	uint32_t bits = rank & 0x80000000u ? rank ^ 0x80000000u : ~rank;
	float x;

	memcpy(&x, &bits, sizeof x);
	return x;
}

/* Into 65536 bins: by the upper half of the rank, or, for those whose upper half is `within`, by the lower. */
static size_t activations_count(const struct oodd_batch *const *batches, size_t n_batches, int64_t within, uint64_t *bins)
{
	const struct rows *rows = rows_for(PRODUCT_BEST);
	size_t n = 0;

	memset(bins, 0, 65536 * sizeof *bins);
	for (size_t b = 0; b < n_batches; b++)
		for (size_t i = 0; i < batches[b]->n; i++) {
			const float *x = oodd_row(batches[b]->embedding, i);
			if (!layer_row_usable(rows, batches[b], i))
				continue;
			n += batches[b]->embedding.width;
			for (size_t j = 0; j < batches[b]->embedding.width; j++) {
				uint32_t rank = rank_of(x[j]);
				if (within < 0)
					bins[rank >> 16]++;
				else if (rank >> 16 == within)
					bins[rank & 0xffff]++;
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
	return (double)float_of(upper << 16 | bin_find(bins, &k));
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
	size_t n = sizeof head + (1 + l->d * l->n_classes) * sizeof(float);
	struct bytes b = {host->alloc(host->context, n), n, false};

	*ret_bytes = b.at;
	*ret_n = n;
	bytes_put(&b, &head, sizeof head);
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
	r = layer_one_sided(host, batches, n_batches, MOST_BELOW, "cutting large ones off helps after a ReLU or its like, and harms here");
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
	*s = (struct state){.d = head.width, .n_classes = head.rows, .rows = rows_for(PRODUCT_BEST)};
	float *most = bytes_take(&b, 1, sizeof *most);
	s->across = bytes_take(&b, s->d * s->n_classes, sizeof *s->across);
	bool good = bytes_end(&b, host) && isfinite(*most) && bytes_finite_f32(s->across, s->d * s->n_classes);
	if (good)
		s->most = *most;
	free(most);
	if (good)
		*ret_state = s;
	else
		react_close(s);
	return good ? 0 : -EINVAL;
}

/* ---- score ---- */

/* Logits of the cut activations, into `to`, and which were cut, into `cut`. Returns how many. */
static size_t logits_cut(const struct state *s, const float *x, const float *z, unsigned *cut, float *to)
{
	size_t n = s->rows->above(x, s->d, s->most, cut);

	memcpy(to, z, s->n_classes * sizeof *to);
	for (size_t i = 0; i < n; i++)
		s->rows->add(s->across + cut[i] * s->n_classes, s->most - x[cut[i]], to, s->n_classes);
	return n;
}

/* Room for a row: indices of d activations, n_classes logits. */
static unsigned *room_open(const struct state *s, float **ret_z)
{
	unsigned *room = malloc(s->d * sizeof *room + s->n_classes * sizeof **ret_z);

	*ret_z = room ? (float *)(room + s->d) : NULL;
	return room;
}

static double row_score(const struct state *s, const struct oodd_batch *batch, size_t i, unsigned *room, float *z)
{
	float most;

	logits_cut(s, oodd_row(batch->embedding, i), oodd_row(batch->logits, i), room, z);
	return layer_energy(s->rows, z, s->n_classes, &most);
}

static int react_score(const void *state, const struct oodd_batch *batch, float *scores, uint8_t *status)
{
	const struct state *s = state;
	float *z;

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
		scores[i] = layer_row_usable(s->rows, batch, i) ? (float)row_score(s, batch, i, room, z) : NAN;
		if (!isfinite(scores[i]))
			status[i] = OODD_ROW_UNSCORED;
	}
	free(room);
	return 0;
}

/* ---- explain ---- */

/* The class that is left the largest, and the units of which most was cut off. */
static int react_explain(const void *state, const struct oodd_batch *batch, size_t row, struct oodd_reason *reasons, size_t n)
{
	const struct state *s = state;
	struct oodd_reason best;
	float *z;
	int found = 0;

	if (!s || row >= batch->n || batch->embedding.width != s->d || batch->logits.width != s->n_classes)
		return -EINVAL;
	if (!layer_row_usable(s->rows, batch, row))
		return 0;
	unsigned *cut = room_open(s, &z);
	double *part = calloc(s->d, sizeof *part);
	if (!cut || !part) {
		free(cut);
		free(part);
		return -ENOMEM;
	}
	const float *x = oodd_row(batch->embedding, row);
	size_t n_cut = logits_cut(s, x, oodd_row(batch->logits, row), cut, z);
	for (size_t i = 0; i < n_cut; i++)
		part[cut[i]] = (double)x[cut[i]] - (double)s->most;
	if (layer_classes_rank(s->rows, z, s->n_classes, &best, 1) == 1)
		found = shares_rank((int32_t)best.index, best.weight, part, s->d, reasons, n);
	free(cut);
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
