/* SPDX-License-Identifier: Apache-2.0
 * The keys of the last record. What a key means (a place that the pointers name, a column, nothing) is settled once, when it is
 * first met where it stands; the memory for all of it is bounded, because the log decides what keys there are. */
#include "input/decode_shape.h"

#include <stdlib.h>

#include "base/mem.h"

#define KEYS_MOST 65536 /* of a decoder */
#define KEYS_AHEAD 8
#define ELEMENTS_MOST 64

static void shape_close(struct shapes *s, struct shape *shape);

static void key_done(struct shapes *s, struct key *k)
{
	shape_close(s, k->inner);
	shape_close(s, k->elements);
	free(k->written);
	free(k->name);
}

static void shape_close(struct shapes *s, struct shape *shape)
{
	if (!shape)
		return;
	for (size_t i = 0; i < shape->n; i++)
		key_done(s, &shape->at[i]);
	s->n_keys -= shape->n;
	free(shape->at);
	free(shape);
}

struct shape *shape_of(struct shape **where)
{
	if (!*where)
		*where = mem_zero(1, sizeof **where);
	return *where;
}

void shapes_open(struct shapes *s, struct row *row)
{
	*s = (struct shapes){.row = row};
	shape_of(&s->root);
}

void shapes_done(struct shapes *s)
{
	shape_close(s, s->root);
	buf_done(&s->name);
}

void key_forget(struct shapes *s, struct key *once)
{
	key_done(s, once);
	*once = (struct key){0};
}

struct key *key_ahead(const struct shape *s, size_t *i, const char *p, size_t there)
{
	for (size_t ahead = *i + 1; ahead < s->n && ahead <= *i + KEYS_AHEAD; ahead++)
		if (s->at[ahead].n_written <= there && key_here(&s->at[ahead], p)) {
			*i = ahead;
			return &s->at[ahead];
		}
	return NULL;
}

/* Room at position i of a shape that may still grow, or at its end (keys before it may not have been worth keeping); else the
 * key there is given up. NULL: nothing can be kept. */
static struct key *key_room(struct shapes *s, struct shape *shape, size_t i)
{
	i = i < shape->n ? i : shape->n;
	if (s->n_keys >= KEYS_MOST || shape->n >= 2 * s->row->options->most_columns + 64) {
		if (i >= shape->n)
			return NULL;
		key_done(s, &shape->at[i]);
		return &shape->at[i];
	}
	if (shape->n == shape->room) {
		shape->room = shape->room ? 2 * shape->room : 16;
		shape->at = mem_grow(shape->at, shape->room, sizeof *shape->at);
	}
	memmove(shape->at + i + 1, shape->at + i, (shape->n - i) * sizeof *shape->at);
	shape->n++;
	s->n_keys++;
	return &shape->at[i];
}

/* The flattened name of a column. False: too long. */
static bool key_name(struct shapes *s, const struct level *l, const struct row_text *name, struct key *k)
{
	buf_clear(&s->name);
	if (l->prefix) {
		buf_put(&s->name, l->prefix->name, l->prefix->n_name);
		buf_put(&s->name, ".", 1);
	}
	if (!row_name(&s->name, name))
		return false;
	k->n_name = s->name.n;
	k->name = mem_copy_span(buf_cstr(&s->name), s->name.n);
	return true;
}

/* What is a key of that name at this level? */
static void key_mean(struct shapes *s, const struct level *l, const struct row_text *name, struct key *k)
{
	k->columns = l->columns;
	buf_clear(&s->name);
	if (l->place && row_name(&s->name, name))
		k->place = place_find(l->place, buf_cstr(&s->name), s->name.n);
	if (k->place)
		k->is = KEY_PLACE;
	else if (l->columns != FIELD_N)
		k->is = key_name(s, l, name, k) ? KEY_COLUMN : KEY_SKIPPED;
	if (l->columns != FIELD_N && k->is == KEY_SKIPPED)
		row_fault(s->row, REJECT_TOO_MANY_FIELDS, "the name of a field is longer than %d bytes", ROW_NAME_MOST);
}

struct key *key_learn(struct shapes *s, const struct level *l, size_t i, const char *written, size_t n_written,
	const struct row_text *name, struct key *once)
{
	struct key k = {.n_written = (uint32_t)n_written}, *kept = NULL;

	key_mean(s, l, name, &k);
	/* A name that is refused is refused each time, so it is not kept. */
	if (n_written <= KEY_WRITTEN_MOST && (k.is != KEY_SKIPPED || l->columns == FIELD_N))
		kept = key_room(s, l->shape, i);
	if (!kept) {
		*once = k;
		return once;
	}
	k.written = mem_copy(written, n_written);
	*kept = k;
	return kept;
}

struct key *key_element(struct shapes *s, struct shape *of, size_t i, struct key *once)
{
	struct key *k = i < of->n ? &of->at[i] : NULL;

	if (!k && i == of->n && i < ELEMENTS_MOST && (k = key_room(s, of, i)))
		*k = (struct key){0};
	return k ? k : once;
}

size_t key_column_find(struct shapes *s, struct key *k)
{
	struct batch *b = row_batch(s->row);
	size_t at = row_column(s->row, k->columns, k->name, k->n_name, k->column);

	if (at != SIZE_MAX) {
		k->column = at;
		k->serial = b->serial;
	}
	return at;
}
