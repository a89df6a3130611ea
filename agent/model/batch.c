/* SPDX-License-Identifier: Apache-2.0
 * Predictions side by side. Memory is the whole trouble: a batch is filled thousands of times a second by a log whose fields
 * nobody announced, so columns appear as they are met, rows grow by doubling, and a reset gives nothing back but the text. */
#include "model/batch.h"

#include <assert.h>
#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/mem.h"

#define ROWS_FIRST 64
#define COLUMNS_FIRST 16

struct batch *batch_open(const char *model, size_t n_model, const char *version, size_t n_version)
{
	static _Atomic uint64_t serial;
	struct batch *b = mem_zero(1, sizeof *b);

	b->serial = atomic_fetch_add(&serial, 1) + 1;
	b->model = mem_copy_span(model, n_model);
	b->version = mem_copy_span(version, n_version);
	b->arena = arena_open();
	return b;
}

static void columns_done(struct columns *c)
{
	for (size_t i = 0; i < c->n; i++) {
		free(c->at[i].name);
		free(c->at[i].kind);
		free(c->at[i].number);
		free(c->at[i].spare);
	}
	free(c->at);
	free(c->index);
}

void batch_close(struct batch *b)
{
	if (!b)
		return;
	columns_done(&b->features);
	columns_done(&b->tags);
	columns_done(&b->metrics);
	free(b->model);
	free(b->version);
	free(b->time_us);
	free(b->offset);
	free(b->length);
	free(b->hash);
	free(b->id);
	free(b->prediction);
	free(b->label_text);
	free(b->confidence);
	free(b->logits);
	free(b->embedding);
	arena_close(b->arena);
	free(b);
}

static void columns_reset(struct columns *c)
{
	for (size_t i = 0; i < c->n; i++)
		c->at[i].text = NULL;
}

void batch_reset(struct batch *b)
{
	b->n = 0;
	b->logits_normalised = false;
	columns_reset(&b->features);
	columns_reset(&b->tags);
	columns_reset(&b->metrics);
	arena_reset(b->arena);
}

/* 64-byte aligned memory cannot be grown in place. */
static float *vectors_grow(float *was, size_t rows, size_t room, size_t width)
{
	float *to;

	if (!width)
		return NULL;
	to = mem_aligned(room * width * sizeof *to);
	if (was)
		memcpy(to, was, rows * width * sizeof *to);
	free(was);
	return to;
}

static void column_grow(struct column *c, size_t room)
{
	c->kind = mem_grow(c->kind, room, sizeof *c->kind);
	c->number = mem_grow(c->number, room, sizeof *c->number);
	if (!c->spare)
		return;
	c->spare = mem_grow(c->spare, room, sizeof *c->spare);
	if (c->text)
		c->text = c->spare;
}

static void columns_grow(struct columns *c, size_t room)
{
	for (size_t i = 0; i < c->n; i++)
		column_grow(&c->at[i], room);
}

static void rows_grow(struct batch *b)
{
	size_t room = b->room ? 2 * b->room : ROWS_FIRST;

	b->time_us = mem_grow(b->time_us, room, sizeof *b->time_us);
	b->offset = mem_grow(b->offset, room, sizeof *b->offset);
	b->length = mem_grow(b->length, room, sizeof *b->length);
	b->hash = mem_grow(b->hash, room, sizeof *b->hash);
	b->id = mem_grow(b->id, room, sizeof *b->id);
	b->prediction = mem_grow(b->prediction, room, sizeof *b->prediction);
	b->label_text = mem_grow(b->label_text, room, sizeof *b->label_text);
	b->confidence = mem_grow(b->confidence, room, sizeof *b->confidence);
	b->logits = vectors_grow(b->logits, b->n, room, b->n_logits);
	b->embedding = vectors_grow(b->embedding, b->n, room, b->n_embedding);
	columns_grow(&b->features, room);
	columns_grow(&b->tags, room);
	columns_grow(&b->metrics, room);
	b->room = room;
}

/* All bits set is a NaN, and the one that memset can write. */
static void nan_fill(float *at, size_t n)
{
	memset(at, 0xFF, n * sizeof *at);
}

static void columns_row(struct columns *c, size_t row)
{
	for (size_t i = 0; i < c->n; i++) {
		struct column *column = &c->at[i];

		column->kind[row] = CELL_ABSENT;
		column->number[row] = NAN;
		if (column->text)
			column->text[row] = (struct text){0};
	}
}

void batch_row_begin(struct batch *b)
{
	batch_row_open(b);
	batch_row_blank(b, true, true);
}

void batch_row_blank(struct batch *b, bool logits, bool embedding)
{
	if (logits && b->n_logits)
		nan_fill(b->logits + b->n * b->n_logits, b->n_logits);
	if (embedding && b->n_embedding)
		nan_fill(b->embedding + b->n * b->n_embedding, b->n_embedding);
}

void batch_row_open(struct batch *b)
{
	size_t row = b->n;

	if (row == b->room)
		rows_grow(b);
	b->time_us[row] = TIME_NONE;
	b->offset[row] = b->hash[row] = 0;
	b->length[row] = 0;
	b->id[row] = b->prediction[row] = b->label_text[row] = (struct text){0};
	b->confidence[row] = NAN;
	columns_row(&b->features, row);
	columns_row(&b->tags, row);
	columns_row(&b->metrics, row);
}

/* Rows up to and with b->n, the one being filled. */
static size_t rows_begun(const struct batch *b)
{
	return b->n < b->room ? b->n + 1 : b->n;
}

void batch_widths(struct batch *b, size_t n_logits, size_t n_embedding)
{
	assert(!n_logits || !b->n_logits || b->n_logits == n_logits);
	assert(!n_embedding || !b->n_embedding || b->n_embedding == n_embedding);
	if (n_logits && !b->n_logits) {
		b->n_logits = n_logits;
		b->logits = vectors_grow(NULL, 0, b->room, n_logits);
		nan_fill(b->logits, rows_begun(b) * n_logits);
	}
	if (n_embedding && !b->n_embedding) {
		b->n_embedding = n_embedding;
		b->embedding = vectors_grow(NULL, 0, b->room, n_embedding);
		nan_fill(b->embedding, rows_begun(b) * n_embedding);
	}
}

void batch_text_put(struct batch *b, struct column *c, size_t row, struct text t)
{
	assert(row < b->room);
	if (!c->text) {
		if (!c->spare)
			c->spare = mem_grow(NULL, b->room, sizeof *c->spare);
		c->text = c->spare;
		memset(c->text, 0, rows_begun(b) * sizeof *c->text);
	}
	c->kind[row] = CELL_TEXT;
	c->text[row] = t;
}

static bool named(const struct column *c, const char *name, size_t n)
{
	return !strncmp(c->name, name, n) && !c->name[n];
}

/* The slot of a name, or the empty one where it belongs. The table is never more than half full. */
static size_t slot_of(const struct columns *in, const char *name, size_t n)
{
	size_t slot = (size_t)hash_bytes(name, n, 0) & (in->index_room - 1);

	while (in->index[slot] && !named(&in->at[in->index[slot] - 1], name, n))
		slot = (slot + 1) & (in->index_room - 1);
	return slot;
}

static void index_grow(struct columns *in)
{
	free(in->index);
	in->index_room = in->index_room ? 2 * in->index_room : 4 * COLUMNS_FIRST;
	in->index = mem_zero(in->index_room, sizeof *in->index);
	for (size_t i = 0; i < in->n; i++)
		in->index[slot_of(in, in->at[i].name, strlen(in->at[i].name))] = (uint32_t)i + 1;
}

static size_t column_make(struct batch *b, struct columns *in, const char *name, size_t n)
{
	struct column *c;

	if (in->n == in->room) {
		in->room = in->room ? 2 * in->room : COLUMNS_FIRST;
		in->at = mem_grow(in->at, in->room, sizeof *in->at);
	}
	if (2 * (in->n + 1) > in->index_room)
		index_grow(in);
	in->index[slot_of(in, name, n)] = (uint32_t)in->n + 1;
	c = &in->at[in->n];
	*c = (struct column){.name = mem_copy_span(name, n)};
	if (b->room)
		column_grow(c, b->room);
	for (size_t row = 0; row < rows_begun(b); row++) {
		c->kind[row] = CELL_ABSENT;
		c->number[row] = NAN;
	}
	return in->n++;
}

size_t batch_column(struct batch *b, struct columns *in, const char *name, size_t n, size_t guess, size_t most)
{
	size_t slot;

	if (guess < in->n && named(&in->at[guess], name, n))
		return guess;
	if (in->index) {
		slot = slot_of(in, name, n);
		if (in->index[slot])
			return in->index[slot] - 1;
	}
	if (in->n >= most)
		return SIZE_MAX;
	return column_make(b, in, name, n);
}

const struct column *columns_find(const struct columns *in, const char *name)
{
	if (in->index) {
		uint32_t at = in->index[slot_of(in, name, strlen(name))];

		return at ? &in->at[at - 1] : NULL;
	}
	for (size_t i = 0; i < in->n; i++)
		if (!strcmp(in->at[i].name, name))
			return &in->at[i];
	return NULL;
}
