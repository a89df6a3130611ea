/* SPDX-License-Identifier: Apache-2.0
 * The records of a fit, kept. A decoded batch borrows its text from a chunk that is soon reused, so
 * rows are copied, without what fit has no use for (input text). */
#include "score/fit_work.h"

#include "base/clock.h"
#include "base/mem.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MOST_COLUMNS 65536

static struct text text_kept(struct batch *to, struct text t, bool copy)
{
	if (!copy || !t.at)
		return t;
	return (struct text){arena_span(to->arena, t.at, t.n), t.n};
}

static void cell_copy(
	struct batch *to, struct column *c, const struct column *from, size_t row, bool copy)
{
	c->kind[to->n] = from->kind[row];
	c->number[to->n] = from->number[row];
	if (from->kind[row] == CELL_TEXT)
		batch_text_put(to, c, to->n, text_kept(to, from->text[row], copy));
}

/* Tags that nothing is told apart by are left behind. */
static bool is_kept(const struct fit *f, const char *tag)
{
	for (size_t i = 0; i < f->o.n_slices; i++)
		if (strcmp(f->o.slices[i], tag) == 0)
			return true;
	return false;
}

static void tags_copy(const struct fit *f, struct batch *to, const struct batch *from, size_t row, bool copy)
{
	for (size_t i = 0; f->o.n_slices > 0 && i < from->tags.n; i++) {
		const struct column *c = &from->tags.at[i];
		size_t at;

		if (c->kind[row] == CELL_ABSENT || !is_kept(f, c->name))
			continue;
		at = batch_column(to, &to->tags, c->name, strlen(c->name), 0, MOST_COLUMNS);
		if (at != SIZE_MAX)
			cell_copy(to, &to->tags.at[at], c, row, copy);
	}
}

static void columns_copy(struct batch *to, struct columns *into, const struct columns *from,
	size_t row, bool copy)
{
	for (size_t i = 0; i < from->n; i++) {
		const struct column *c = &from->at[i];
		size_t at;

		if (c->kind[row] == CELL_ABSENT)
			continue;
		at = batch_column(to, into, c->name, strlen(c->name), i, MOST_COLUMNS);
		if (at != SIZE_MAX)
			cell_copy(to, &into->at[at], c, row, copy);
	}
}

static void vector_copy(
	float *to, size_t n_to, size_t at, const float *from, size_t n_from, size_t row)
{
	if (n_from > 0 && n_from == n_to)
		memcpy(to + at * n_to, from + row * n_from, n_to * sizeof *to);
}

static void row_copy(const struct fit *f, struct batch *to, const struct batch *from, size_t row, bool copy)
{
	batch_row_begin(to);
	to->time_us[to->n] = from->time_us[row];
	to->hash[to->n] = from->hash[row];
	to->id[to->n] = text_kept(to, from->id[row], copy);
	to->confidence[to->n] = from->confidence[row];
	to->prediction[to->n] = text_kept(to, from->prediction[row], copy);
	vector_copy(to->logits, to->n_logits, to->n, from->logits, from->n_logits, row);
	vector_copy(to->embedding, to->n_embedding, to->n, from->embedding, from->n_embedding, row);
	columns_copy(to, &to->features, &from->features, row, copy);
	columns_copy(to, &to->metrics, &from->metrics, row, copy);
	tags_copy(f, to, from, row, copy);
	to->n++;
}

/* The first vectors met decide their widths, for all that is kept. */
static void widths_learn(struct fit *f, const struct batch *b)
{
	f->n_logits = f->n_logits ? f->n_logits : b->n_logits;
	f->n_embedding = f->n_embedding ? f->n_embedding : b->n_embedding;
	f->normalised |= b->n_logits > 0 && b->logits_normalised;
	if ((b->n_logits && b->n_logits != f->n_logits) ||
		(b->n_embedding && b->n_embedding != f->n_embedding))
		f->n_other_width += (int64_t)b->n;
}

static struct batch *batch_with_room(struct fit *f)
{
	struct batch *b = f->n_batches > 0 ? f->batches[f->n_batches - 1] : NULL;

	if (!b || b->n >= FIT_ROWS) {
		b = batch_open(f->o.model, strlen(f->o.model), f->o.version, strlen(f->o.version));
		f->batches = mem_grow(f->batches, f->n_batches + 1, sizeof *f->batches);
		f->batches[f->n_batches++] = b;
	}
	batch_widths(b, f->n_logits, f->n_embedding);
	return b;
}

static void row_keep(struct fit *f, enum fit_part part, const struct batch *from, size_t row)
{
	struct batch *b = batch_with_room(f);
	struct fit_label label = {NULL, TIME_NONE};

	if (f->o.label && from->id[row].at && !f->o.label(f->o.context, from->id[row].at, from->id[row].n, &label))
		label.class = NULL;
	if (f->n_rows == f->room) {
		f->room = f->room ? 2 * f->room : 4096;
		f->rows = mem_grow(f->rows, f->room, sizeof *f->rows);
	}
	f->rows[f->n_rows++] = (struct fit_row){from->time_us[row], (uint32_t)(f->n_batches - 1),
		(uint32_t)b->n, (uint8_t)part, IN_FIT, label};
	row_copy(f, b, from, row, true);
}

int fit_add(struct fit *f, enum fit_part part, const struct batch *b, struct error *e)
{
	if (b->n > FIT_MOST_RECORDS - f->n_rows)
		return error_set(e, -E2BIG,
			"more than %d records of %s: give fewer logs, a reference needs no more",
			FIT_MOST_RECORDS, f->o.model);
	widths_learn(f, b);
	for (size_t i = 0; i < b->n; i++)
		row_keep(f, part, b, i);
	return 0;
}

/* By time; of one time, in the order they came. */
static int row_order(const void *a, const void *b)
{
	const struct fit_row *p = a, *q = b;

	if (p->time_us != q->time_us)
		return p->time_us < q->time_us ? -1 : 1;
	if (p->batch != q->batch)
		return p->batch < q->batch ? -1 : 1;
	return (p->row > q->row) - (p->row < q->row);
}

void fit_rows_sort(struct fit *f)
{
	if (f->n_rows > 1)
		qsort(f->rows, f->n_rows, sizeof *f->rows, row_order);
}

size_t fit_rows_gather(
	const struct fit *f, size_t from, size_t to, enum part part, struct batch *batch)
{
	size_t i = from;

	batch_widths(batch, f->n_logits, f->n_embedding);
	batch->logits_normalised = f->normalised;
	for (; i < to && batch->n < FIT_ROWS; i++)
		if (part == PARTS || f->rows[i].part == part)
			row_copy(f, batch, f->batches[f->rows[i].batch], f->rows[i].row, false);
	return i;
}

size_t fit_rows_in(const struct fit *f, enum part part)
{
	size_t n = 0;

	for (size_t i = 0; i < f->n_rows; i++)
		n += f->rows[i].part == part;
	return n;
}

bool fit_row_calibrates(const struct fit *f, size_t row)
{
	return f->rows[row].given != PART_FIT;
}
