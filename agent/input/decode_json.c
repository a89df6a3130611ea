/* SPDX-License-Identifier: Apache-2.0
 * JSON objects by guesswork. Records of one log look alike, so the keys of the last record are kept as they were written,
 * quotes, colon and blank included: a record that has them in the same order is read with one comparison for each key and no
 * look-up. A key that is not where it was is looked for a little further on (a field left out), then by name. The guess
 * only ever saves time: what a record means does not depend on the ones before it. */
#include "input/decode_json.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define KEY_WRITTEN_MOST 256  /* bytes as written; longer ones are not remembered. Less than JSON_PAD. */
#define KEYS_MOST 65536       /* remembered by a decoder */
#define KEYS_AHEAD 8

enum key_is { KEY_SKIPPED, KEY_PLACE, KEY_COLUMN };

struct key {
	char *written;         /* n_written bytes and 8 more that may be read */
	uint32_t n_written;
	enum key_is is;
	const struct place *place;
	enum field columns;
	char *name;            /* of a column, flattened */
	size_t n_name;
	size_t column;         /* its index in the batch with that serial */
	uint64_t serial;
	struct shape *inner;   /* of the value as an object */
	struct shape *elements; /* of the value as an array: by index, their keys have no name */
};

struct shape {
	struct key *at;
	size_t n, room;
};

/* An object being read. */
struct level {
	struct shape *shape;
	const struct place *place; /* NULL in a flattened one */
	enum field columns;        /* what members without a place are; FIELD_N: nothing */
	const struct key *prefix;  /* of their names, or NULL */
	unsigned flat;             /* levels flattened so far */
};

static const char *object_read(struct json_reader *r, const char *p, const struct level *l);
static const char *place_read(struct json_reader *r, const char *p, const struct place *place, struct key *k);

/* ---- memory ---- */

static void shape_close(struct json_reader *r, struct shape *s);

static void key_done(struct json_reader *r, struct key *k)
{
	shape_close(r, k->inner);
	shape_close(r, k->elements);
	free(k->written);
	free(k->name);
}

static void shape_close(struct json_reader *r, struct shape *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->n; i++)
		key_done(r, &s->at[i]);
	r->n_keys -= s->n;
	free(s->at);
	free(s);
}

static struct shape *shape_of(struct shape **where)
{
	if (!*where)
		*where = mem_zero(1, sizeof **where);
	return *where;
}

void json_reader_open(struct json_reader *r, struct row *row, const struct place *places, unsigned deepest)
{
	json_begin();
	*r = (struct json_reader){.row = row, .places = places};
	r->json.deepest = deepest < JSON_DEEPEST ? deepest : JSON_DEEPEST;
	shape_of(&r->shape);
}

void json_reader_done(struct json_reader *r)
{
	shape_close(r, r->shape);
	buf_done(&r->name);
}

/* ---- keys ---- */

static inline uint64_t load8(const char *p)
{
	uint64_t x;

	memcpy(&x, p, sizeof x);
	return x;
}

static inline bool key_here(const struct key *k, const char *p)
{
	uint32_t i = 0;

	for (; i + 8 <= k->n_written; i += 8)
		if (load8(p + i) != load8(k->written + i))
			return false;
	for (; i < k->n_written; i++)
		if (p[i] != k->written[i])
			return false;
	return k->n_written;
}

static struct row_text text_here(struct json_text t)
{
	return (struct row_text){t.at, t.n, t.escaped ? TEXT_ESCAPED : TEXT_HERE};
}

/* What is a key of that name at this level? k->name is made for columns. False: its name is too long. */
static bool key_mean(struct json_reader *r, const struct level *l, const struct row_text *key, struct key *k)
{
	buf_clear(&r->name);
	if (!row_name(&r->name, key)) {
		k->is = KEY_SKIPPED;
		return !(l->columns != FIELD_N);
	}
	k->place = l->place ? place_find(l->place, r->name.at ? r->name.at : "", r->name.n) : NULL;
	k->columns = l->columns;
	k->is = k->place ? KEY_PLACE : l->columns != FIELD_N ? KEY_COLUMN : KEY_SKIPPED;
	if (k->is != KEY_COLUMN)
		return true;
	buf_clear(&r->name);
	if (l->prefix) {
		buf_put(&r->name, l->prefix->name, l->prefix->n_name);
		buf_put(&r->name, ".", 1);
	}
	if (!row_name(&r->name, key)) {
		k->is = KEY_SKIPPED;
		return false;
	}
	k->name = mem_copy_span(r->name.at ? r->name.at : "", r->name.n);
	k->n_name = r->name.n;
	return true;
}

/* Room for a key at position i of a shape that may still grow; else the one there is given up. NULL: nothing can be kept. */
static struct key *key_room(struct json_reader *r, struct shape *s, size_t i)
{
	if (r->n_keys >= KEYS_MOST || s->n >= 2 * r->row->options->most_columns + 64) {
		if (i >= s->n)
			return NULL;
		key_done(r, &s->at[i]);
		return &s->at[i];
	}
	if (s->n == s->room) {
		s->room = s->room ? 2 * s->room : 16;
		s->at = mem_grow(s->at, s->room, sizeof *s->at);
	}
	memmove(s->at + i + 1, s->at + i, (s->n - i) * sizeof *s->at);
	s->n++;
	r->n_keys++;
	return &s->at[i];
}

/* A key that is not the one guessed for position *i: found further on, or learned, or (not worth keeping) put into `once`.
 * p at its quote; *ret_value behind its colon. */
static struct key *key_find(struct json_reader *r, const char *p, const struct level *l, size_t *i, struct key *once,
	const char **ret_value)
{
	struct shape *s = l->shape;
	struct key k = {0}, *kept = NULL;
	struct json_text key;
	struct row_text name;
	const char *value;

	for (size_t ahead = *i + 1; ahead < s->n && ahead <= *i + KEYS_AHEAD; ahead++)
		if (key_here(&s->at[ahead], p)) {
			*i = ahead;
			*ret_value = p + s->at[ahead].n_written;
			return &s->at[ahead];
		}
	value = json_key(&r->json, p, &key);
	if (!value)
		return NULL;
	name = text_here(key);
	if (!key_mean(r, l, &name, &k))
		row_fault(r->row, REJECT_TOO_MANY_FIELDS, "the name of a field is longer than %d bytes", ROW_NAME_MOST);
	k.n_written = (uint32_t)(value - p);
	if (value - p <= KEY_WRITTEN_MOST)
		kept = key_room(r, s, *i);
	if (kept) {
		k.written = mem_alloc(k.n_written);
		memcpy(k.written, p, k.n_written);
	}
	*ret_value = value;
	*(kept ? kept : once) = k;
	return kept ? kept : once;
}

/* ---- values ---- */

/* A value that is not a container; those become VALUE_OTHER. */
static const char *value_read(struct json_reader *r, const char *p, struct row_value *v)
{
	struct json_text text;
	const char *begin = p;

	*v = (struct row_value){.kind = VALUE_OTHER};
	switch ((enum json_kind)json_kinds[(unsigned char)*p]) {
	case JSON_STRING:
		v->kind = VALUE_TEXT;
		p = json_string(&r->json, p + 1, &text);
		if (p)
			v->text = text_here(text);
		return p;
	case JSON_NUMBER:
		v->kind = VALUE_NUMBER;
		p = json_number(&r->json, p, &v->number);
		if (p) {
			v->text = (struct row_text){begin, (size_t)(p - begin), TEXT_HERE};
			v->whole = row_whole(begin, v->text.n, &v->integer);
		}
		return p;
	case JSON_TRUE:
	case JSON_FALSE:
		v->kind = VALUE_BOOL;
		v->number = *p == 't';
		return json_literal(&r->json, p);
	case JSON_NULL:
		v->kind = VALUE_NULL;
		return json_literal(&r->json, p);
	default:
		return json_skip(&r->json, p);
	}
}

static size_t column_of(struct json_reader *r, struct key *k)
{
	struct batch *b = row_batch(r->row);
	size_t at;

	if (k->serial == b->serial)
		return k->column;
	at = row_column(r->row, k->columns, k->name, k->n_name, k->column);
	if (at != SIZE_MAX) {
		k->column = at;
		k->serial = b->serial;
	}
	return at;
}

/* The value of a column. Numbers, the common case, go straight to their cell. */
static const char *column_read(struct json_reader *r, const char *p, struct key *k, unsigned flat)
{
	enum json_kind kind = json_kinds[(unsigned char)*p];
	struct row_value v;
	size_t at;

	if (kind == JSON_OBJECT && flat < ROW_FLAT_MOST) {
		struct level inner = {shape_of(&k->inner), NULL, k->columns, k, flat + 1};

		return object_read(r, p, &inner);
	}
	at = column_of(r, k);
	if (kind == JSON_NUMBER && at != SIZE_MAX) {
		struct column *c = &row_columns(r->row, k->columns)->at[at];
		size_t row = r->row->batch->n;
		double x;

		if (!(p = json_number(&r->json, p, &x)))
			return NULL;
		c->kind[row] = isfinite(x) ? CELL_NUMBER : CELL_NULL;
		c->number[row] = isfinite(x) ? x : (double)NAN;
		return p;
	}
	p = value_read(r, p, &v);
	if (p && at != SIZE_MAX)
		row_cell(r->row, k->columns, at, &v);
	return p;
}

static const char *vector_read(struct json_reader *r, const char *p, enum field field)
{
	size_t room, n;
	bool whole;
	float *to;

	if (*p == 'n') {
		row_vector_none(r->row, field);
		return json_literal(&r->json, p);
	}
	if (*p != '[') {
		row_fault(r->row, REJECT_WRONG_TYPE, "%s is not an array", field_words[field]);
		return json_skip(&r->json, p);
	}
	if (r->json.depth >= r->json.deepest)
		return json_fault(&r->json, p, JSON_DEEP, "less nesting");
	to = row_vector_room(r->row, field, &room);
	p = json_floats(&r->json, p + 1, to, room, &n, &whole);
	if (p && whole) {
		row_vector_put(r->row, field, n);
		return p;
	}
	if (!p)
		return NULL;
	if (n == room)
		row_fault(r->row, REJECT_VECTOR_WIDTH, "%s is wider than %zu", field_words[field], room);
	else
		row_fault(r->row, REJECT_VECTOR_VALUE, "element %zu of %s is not a finite number", n, field_words[field]);
	r->json.depth++;
	p = json_skip_elements(&r->json, p);
	r->json.depth--;
	return p;
}

static bool field_is_vector(enum field f)
{
	return f == FIELD_EMBEDDING || f == FIELD_LOGITS || f == FIELD_PROBABILITIES;
}

static const char *field_read(struct json_reader *r, const char *p, enum field field)
{
	struct row_value v;

	if (field_is_vector(field))
		return vector_read(r, p, field);
	p = value_read(r, p, &v);
	if (p)
		row_field(r->row, field, &v);
	return p;
}

static void key_forget(struct json_reader *r, struct key *once)
{
	key_done(r, once);
	*once = (struct key){0};
}

/* An element that a pointer may name; what is known of it stands by its index. */
static const char *element_read(struct json_reader *r, const char *p, const struct place *place, struct shape *s, size_t i)
{
	char index[24];
	const struct place *element = place_find(place, index, (size_t)snprintf(index, sizeof index, "%zu", i));
	struct key once = {0}, *k = i < s->n ? &s->at[i] : NULL;

	if (!element)
		return json_skip(&r->json, p);
	if (!k && i == s->n && (k = key_room(r, s, i)))
		*k = (struct key){0};
	p = place_read(r, p, element, k ? k : &once);
	key_forget(r, &once);
	return p;
}

static const char *array_read(struct json_reader *r, const char *p, const struct place *place, struct shape *s)
{
	if (r->json.depth >= r->json.deepest)
		return json_fault(&r->json, p, JSON_DEEP, "less nesting");
	r->json.depth++;
	p = json_blanks(p + 1);
	for (size_t i = 0; *p != ']' || i; i++) {
		if (!(p = element_read(r, p, place, s, i)))
			return NULL;
		p = json_blanks(p);
		if (*p == ']')
			break;
		if (*p != ',')
			return json_fault(&r->json, p, JSON_SYNTAX, "',' or ']'");
		p = json_blanks(p + 1);
	}
	r->json.depth--;
	return p + 1;
}

/* A value that the pointers speak of. One value may be several fields: it is then read once for each. */
static const char *place_read(struct json_reader *r, const char *p, const struct place *place, struct key *k)
{
	const char *end = NULL;

	if (*p == '{' && (place->n_inner || place->columns != FIELD_N)) {
		struct level l = {shape_of(&k->inner), place, place->columns, NULL, 0};

		return object_read(r, p, &l);
	}
	if (*p == '[' && place->n_inner)
		return array_read(r, p, place, shape_of(&k->elements));
	if (place->columns != FIELD_N && *p != 'n')
		row_fault(r->row, REJECT_WRONG_TYPE, "%s is not an object", field_words[place->columns]);
	for (unsigned rest = place->fields; rest; rest &= rest - 1) {
		end = field_read(r, p, (enum field)__builtin_ctz(rest));
		if (!end)
			return NULL;
	}
	return end ? end : json_skip(&r->json, p);
}

static const char *member_read(struct json_reader *r, const char *p, struct key *k, unsigned flat)
{
	p = json_blanks(p);
	if (k->is == KEY_COLUMN)
		return column_read(r, p, k, flat);
	return k->is == KEY_PLACE ? place_read(r, p, k->place, k) : json_skip(&r->json, p);
}

/* ---- objects ---- */

static const char *members_read(struct json_reader *r, const char *p, const struct level *l)
{
	struct shape *s = l->shape;
	struct key once = {0}, *k;

	for (size_t i = 0;; i++) {
		const char *value = NULL;

		if (i < s->n && key_here(&s->at[i], p)) {
			k = &s->at[i];
			value = p + k->n_written;
		} else if (!(k = key_find(r, p, l, &i, &once, &value))) {
			return NULL;
		}
		p = member_read(r, value, k, l->flat);
		if (k == &once)
			key_forget(r, &once);
		if (!p)
			return NULL;
		p = json_blanks(p);
		if (*p == '}')
			return p + 1;
		if (*p != ',')
			return json_fault(&r->json, p, JSON_SYNTAX, "',' or '}'");
		p = json_blanks(p + 1);
	}
}

static const char *object_read(struct json_reader *r, const char *p, const struct level *l)
{
	if (r->json.depth >= r->json.deepest)
		return json_fault(&r->json, p, JSON_DEEP, "less nesting");
	r->json.depth++;
	p = json_blanks(p + 1);
	p = *p == '}' ? p + 1 : members_read(r, p, l);
	r->json.depth--;
	return p;
}

const char *json_reader_object(struct json_reader *r, const char *p)
{
	struct level l = {r->shape, r->places, r->places->columns, NULL, 0};

	r->json.depth = 0;
	r->json.wrong = JSON_FINE;
	return object_read(r, p, &l);
}
