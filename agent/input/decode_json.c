/* SPDX-License-Identifier: Apache-2.0
 * JSON objects into rows. One pass, no tree: a value is read where it stands for what it is to become, numbers of a vector
 * straight into the batch. A field of the wrong kind is noted and reading goes on; only what is not JSON ends it. */
#include "input/decode_json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static const char *object_read(struct json_reader *r, const char *p, const struct level *l);
static const char *place_read(struct json_reader *r, const char *p, const struct place *place, struct key *k);

void json_reader_open(struct json_reader *r, struct row *row, const struct place *places, unsigned deepest)
{
	json_begin();
	*r = (struct json_reader){.row = row, .places = places};
	r->json.deepest = deepest < JSON_DEEPEST ? deepest : JSON_DEEPEST;
	shapes_open(&r->shapes, row);
}

void json_reader_done(struct json_reader *r)
{
	shapes_done(&r->shapes);
}

static struct row_text text_here(struct json_text t)
{
	return (struct row_text){t.at, t.n, t.escaped ? TEXT_ESCAPED : TEXT_HERE};
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
	at = key_column(&r->shapes, k);
	if (kind == JSON_NUMBER && at != SIZE_MAX) {
		struct column *c = &batch_columns(r->row->batch, k->columns)->at[at];
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

/* An element that a pointer may name; what is known of it stands by its index. */
static const char *element_read(struct json_reader *r, const char *p, const struct place *place, struct shape *s, size_t i)
{
	char index[24];
	const struct place *element = place_find(place, index, (size_t)snprintf(index, sizeof index, "%zu", i));
	struct key once = {0};

	if (!element)
		return json_skip(&r->json, p);
	p = place_read(r, p, element, key_element(&r->shapes, s, i, &once));
	key_forget(&r->shapes, &once);
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

/* The key at p, at position *i or wherever; *ret_value behind its colon. */
static inline struct key *key_read(struct json_reader *r, const char *p, const struct level *l, size_t *i, struct key *once,
	const char **ret_value)
{
	struct shape *s = l->shape;
	struct key *k = NULL;
	struct json_text text;
	struct row_text name;

	if (*i < s->n && key_here(&s->at[*i], p))
		k = &s->at[*i];
	else
		k = key_ahead(s, i, p, JSON_PAD);
	if (k) {
		*ret_value = p + k->n_written;
		return k;
	}
	if (!(*ret_value = json_key(&r->json, p, &text)))
		return NULL;
	name = text_here(text);
	return key_learn(&r->shapes, l, *i, p, (size_t)(*ret_value - p), &name, once);
}

static const char *members_read(struct json_reader *r, const char *p, const struct level *l)
{
	struct key once = {0};

	for (size_t i = 0;; i++) {
		struct key *k = key_read(r, p, l, &i, &once, &p);

		if (!k)
			return NULL;
		p = member_read(r, p, k, l->flat);
		if (k == &once)
			key_forget(&r->shapes, &once);
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
	struct level l = {r->shapes.root, r->places, r->places->columns, NULL, 0};

	r->json.depth = 0;
	r->json.wrong = JSON_FINE;
	return object_read(r, p, &l);
}
