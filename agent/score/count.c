/* SPDX-License-Identifier: Apache-2.0
 * One increment for each measure, one term for each mean: what happens to a record last, and most
 * often. */
#include "score/count.h"

#include "score/route.h"

#include <assert.h>
#include <math.h>
#include <string.h>

void scored_count(const struct scored *s, size_t row, struct window *w)
{
	const uint32_t *bin = s->bin + row * s->n_measures;
	const int64_t *term = s->term + row * s->n_sums;

	assert(row < s->n);
	w->n++;
	w->n_flagged += s->flagged[row];
	for (size_t k = 0; k < s->n_measures; k++)
		if (bin[k] != SCORED_NO_BIN)
			w->v[bin[k]]++;
	if (w->n_ends != s->n_sums)
		window_ends(w, s->n_sums);
	for (size_t k = 0; k < s->n_sums; k++)
		if (term[k] != INT64_MIN) {
			int64_t *ends = w->ends + 2 * k;

			w->v[s->sum_at[k]] += term[k];
			w->v[s->sum_at[k] + 1]++;
			ends[0] = term[k] < ends[0] ? term[k] : ends[0];
			ends[1] = term[k] > ends[1] ? term[k] : ends[1];
		}
	for (size_t k = 0; k < s->n_statistics; k++)
		scored_slot_add(s, row, k, w->v + s->stretch_at[k]);
	if (s->slices)
		scored_slice_add(s, row, true, w->v + s->slices->first);
}

/* The row into one slice: its bins, in fewer. */
static void slice_add(const struct scored *s, size_t row, int64_t *v)
{
	const uint32_t *bin = s->bin + row * s->n_measures;

	v[SLICE_RECORDS]++;
	for (size_t k = 0; k < s->slices->n_aspects; k++) {
		const struct slice_aspect *a = &s->slices->aspects[k];
		int64_t term = INT64_MIN;

		if (bin[a->measure] == SCORED_NO_BIN)
			continue;
		v[a->at + (size_t)a->map[bin[a->measure] - s->slices_first[k]]]++;
		if (a->sums)
			term = s->term[row * s->n_sums + s->slices_sum[k]];
		if (term != INT64_MIN) {
			v[a->at + a->n] += term;
			v[a->at + a->n + 1]++;
		}
	}
}

void scored_slice_add(const struct scored *s, size_t row, bool flags, int64_t *v)
{
	for (size_t t = 0; t < s->slices->n_tags; t++) {
		int32_t in = s->slice[row * s->slices->n_tags + t];

		if (in < 0)
			continue;
		slice_add(s, row, v + (size_t)in * s->slices->width);
		v[(size_t)in * s->slices->width + SLICE_SCORED] += flags && !isnan(s->fused[row]);
		v[(size_t)in * s->slices->width + SLICE_FLAGGED] += flags && s->flagged[row];
	}
}

/* `number`: 32 bytes for one made into text. */
static struct text value_of(const struct scored_unseen *u, const struct batch *b, char *number)
{
	const struct column *c = u->column;

	if (!c)
		return b->prediction[u->row];
	if (u->field)
		return (struct text){c->name, (uint32_t)strlen(c->name)};
	switch ((enum cell)c->kind[u->row]) {
	case CELL_TEXT:
		return c->text[u->row];
	case CELL_NUMBER:
		return (struct text){number, (uint32_t)number_text(c->number[u->row], number)};
	case CELL_BOOL:
		return c->number[u->row] != 0.0 ? (struct text){"true", 4} : (struct text){"false", 5};
	default:
		return (struct text){"(array)", 7};
	}
}

void scored_name(const struct scored *s, const struct batch *b, size_t row, size_t *at, struct window *w)
{
	char number[32];

	while (*at < s->n_unseen && s->unseen[*at].row < row)
		(*at)++;
	for (; *at < s->n_unseen && s->unseen[*at].row == row; (*at)++) {
		const struct scored_unseen *u = &s->unseen[*at];

		unseen_put(&w->unseen, u->measure, b->hash[row], value_of(u, b, number), b->time_us[row]);
	}
}
