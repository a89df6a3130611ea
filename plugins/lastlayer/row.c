/* SPDX-License-Identifier: Apache-2.0
 * What the detectors of this family do with a row, whatever they make of it. */
#include "lastlayer/row.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "algebra/top.h"

#define MOST_REASONS 16

bool row_usable(const struct rows *rows, const struct oodd_batch *b, size_t i)
{
	return isfinite(rows->squares(oodd_row(b->embedding, i), b->embedding.width)) &&
		isfinite(rows->squares(oodd_row(b->logits, i), b->logits.width));
}

static bool shape_suits(const struct row_shape *s, const struct oodd_batch *batch)
{
	return s && batch->embedding.width == s->d && batch->logits.width == s->n_classes;
}

int row_check(const void *state, const struct oodd_batch *batch, size_t i)
{
	const struct row_shape *s = state;

	if (i >= batch->n || !shape_suits(s, batch))
		return -EINVAL;
	return row_usable(s->rows, batch, i);
}

bool row_room_open(struct row_room *room, const struct row_shape *s)
{
	room->index = malloc(s->d * sizeof *room->index + s->n_classes * sizeof *room->z);
	room->z = room->index ? (float *)(room->index + s->d) : NULL;
	return room->index != NULL;
}

void row_room_close(struct row_room *room)
{
	free(room->index);
}

int rows_score(const void *state, row_function *function, const struct oodd_batch *batch, float *scores, uint8_t *status)
{
	const struct row_shape *s = state;
	struct row_room room;

	if (batch->n == 0)
		return 0;
	if (!shape_suits(s, batch))
		return -EINVAL;
	if (!row_room_open(&room, s))
		return -ENOMEM;
	for (size_t i = 0; i < batch->n; i++) {
		if (status[i] == OODD_ROW_UNSCORED)
			continue;
		scores[i] = row_usable(s->rows, batch, i) ?
			(float)function(state, oodd_row(batch->embedding, i), oodd_row(batch->logits, i), &room) : NAN;
		if (!isfinite(scores[i]))
			status[i] = OODD_ROW_UNSCORED;
	}
	row_room_close(&room);
	return 0;
}

static double share_below(const struct rows *rows, const struct oodd_batch *const *batches, size_t n_batches)
{
	double below = 0, all = 0;

	for (size_t b = 0; b < n_batches; b++)
		for (size_t i = 0; i < batches[b]->n; i++) {
			const float *x = oodd_row(batches[b]->embedding, i);
			if (!row_usable(rows, batches[b], i))
				continue;
			for (size_t j = 0; j < batches[b]->embedding.width; j++) {
				below += x[j] < 0 ? -(double)x[j] : 0;
				all += fabs((double)x[j]);
			}
		}
	return all > 0 ? below / all : 0;
}

int rows_one_sided(const struct oodd_host *host, const struct oodd_batch *const *batches, size_t n_batches, double most, const char *why)
{
	double below = share_below(rows_for(PRODUCT_BEST), batches, n_batches);
	char text[220];

	if (below <= most)
		return 0;
	snprintf(text, sizeof text, "%.3g %% of the activations' mass is below zero: %s", 100 * below, why);
	host->log(host->context, OODD_LOG_ERROR, text);
	return -EDOM;
}

size_t row_argmax(const struct rows *rows, const float *z, size_t n)
{
	float most = rows->most(z, n);
	size_t a = 0;

	while (a + 1 < n && z[a] != most)
		a++;
	return a;
}

double row_energy(const struct rows *rows, float *z, size_t n)
{
	float most = rows->most(z, n);

	rows->minus(z, most, z, n);
	return -((double)most + log(rows->exps(z, 1, n, NULL)));
}

int row_classes(const struct rows *rows, const float *z, size_t n_classes, struct oodd_reason *reasons, size_t n)
{
	float value[MOST_REASONS];
	uint32_t index[MOST_REASONS];
	struct top t = {0, n < MOST_REASONS ? n : MOST_REASONS, value, index};
	double most = (double)rows->most(z, n_classes), sum = 0;

	if (n == 0 || !isfinite(most))
		return 0;
	for (size_t c = 0; c < n_classes; c++) {
		sum += exp((double)z[c] - most);
		top_put(&t, z[c], (uint32_t)c);
	}
	top_sort(&t);
	for (size_t i = 0; i < t.n; i++)
		reasons[i] = (struct oodd_reason){OODD_REASON_CLASS, index[i], exp((double)value[i] - most) / sum};
	return (int)t.n;
}
