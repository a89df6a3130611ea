/* SPDX-License-Identifier: Apache-2.0
 * Maps of msgpack into a row: keys by guesswork (decode_shape.h), values where they stand for what they are to become. */
#include "input/msgpack_wire.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"

#define EXPONENT UINT64_C(0x7FF0000000000000) /* all ones: infinite, or no number */

/* Extension type -1: seconds in 32 bits, or with nanoseconds in 64 or 96. */
static bool timestamp(const struct item *i, struct row_value *v)
{
	uint64_t nanoseconds = 0;
	int64_t seconds;

	if (i->kind != ITEM_EXT || i->type != -1 || (i->n != 4 && i->n != 8 && i->n != 12))
		return false;
	if (i->n == 4) {
		seconds = (int64_t)wire_big(i->at, 4);
	} else if (i->n == 8) {
		nanoseconds = wire_big(i->at, 8) >> 34;
		seconds = (int64_t)(wire_big(i->at, 8) & ((UINT64_C(1) << 34) - 1));
	} else {
		nanoseconds = wire_big(i->at, 4);
		seconds = (int64_t)wire_big(i->at + 4, 8);
	}
	if (nanoseconds > 999999999)
		return false;
	v->kind = VALUE_TIME;
	return !__builtin_mul_overflow(seconds, SECOND_US, &v->integer) &&
		!__builtin_add_overflow(v->integer, (int64_t)nanoseconds / 1000, &v->integer);
}

static void value_of(const struct item *i, struct row_value *v)
{
	*v = (struct row_value){.kind = VALUE_OTHER, .number = i->number};
	switch (i->kind) {
	case ITEM_NIL:
		v->kind = VALUE_NULL;
		break;
	case ITEM_BOOL:
		v->kind = VALUE_BOOL;
		break;
	case ITEM_INT:
		v->whole = true;
		v->integer = i->integer;
		v->kind = VALUE_NUMBER;
		break;
	case ITEM_UINT:
	case ITEM_FLOAT:
		v->kind = VALUE_NUMBER;
		break;
	case ITEM_STR:
		v->kind = VALUE_TEXT;
		v->text = (struct row_text){i->at, i->n, TEXT_HERE};
		break;
	default:
		break;
	}
}

static const char *field_read(struct cursor *c, const char *p, const struct item *i, enum field field)
{
	struct row *row = &c->d->row;
	struct row_value v;

	if (field == FIELD_EMBEDDING || field == FIELD_LOGITS || field == FIELD_PROBABILITIES)
		return wire_vector(c, p, i, field);
	if (!(p = wire_skip(c, p, i)))
		return NULL;
	value_of(i, &v);
	if (field == FIELD_TIME)
		timestamp(i, &v);
	if (i->kind == ITEM_UINT) { /* above what int64 holds: hashes as ids */
		int n = snprintf(row->made[field], sizeof row->made[field], "%llu", (unsigned long long)i->natural);

		v.text = (struct row_text){row->made[field], (size_t)n, TEXT_MADE};
	}
	row_field(row, field, &v);
	return p;
}

/* ---- maps ---- */

static const char *place_read(struct cursor *c, const char *p, const struct place *place, struct key *k);

static const char *column_read(struct cursor *c, const char *p, struct key *k, unsigned flat)
{
	struct shapes *shapes = &c->d->json.shapes;
	struct row_value v;
	struct item i;
	size_t at;

	if (!(p = wire_item(c, p, &i)))
		return NULL;
	if (i.kind == ITEM_MAP && flat < ROW_FLAT_MOST) {
		struct level inner = {shape_of(&k->inner), NULL, k->columns, k, flat + 1};

		return wire_map(c, p, i.n, &inner);
	}
	at = key_column(shapes, k);
	if (!(p = wire_skip(c, p, &i)))
		return NULL;
	value_of(&i, &v);
	if (at != SIZE_MAX)
		row_cell(&c->d->row, k->columns, at, &v);
	return p;
}

static const char *array_read(struct cursor *c, const char *p, uint32_t n, const struct place *place, struct shape *s)
{
	struct shapes *shapes = &c->d->json.shapes;
	struct key once = {0};
	char index[24];

	if (c->depth >= c->deepest)
		return wire_wrong(c, WRONG_DEEP, p);
	c->depth++;
	for (uint32_t i = 0; p && i < n; i++) {
		const struct place *element = place_find(place, index, (size_t)snprintf(index, sizeof index, "%u", i));
		struct item head;

		if (element)
			p = place_read(c, p, element, key_element(shapes, s, i, &once));
		else if ((p = wire_item(c, p, &head)))
			p = wire_skip(c, p, &head);
		key_forget(shapes, &once);
	}
	c->depth--;
	return p;
}

static const char *place_read(struct cursor *c, const char *p, const struct place *place, struct key *k)
{
	const char *end = NULL;
	struct item i;

	if (!(p = wire_item(c, p, &i)))
		return NULL;
	if (i.kind == ITEM_MAP && (place->n_inner || place->columns != FIELD_N)) {
		struct level l = {shape_of(&k->inner), place, place->columns, NULL, 0};

		return wire_map(c, p, i.n, &l);
	}
	if (i.kind == ITEM_ARRAY && place->n_inner)
		return array_read(c, p, i.n, place, shape_of(&k->elements));
	if (place->columns != FIELD_N && i.kind != ITEM_NIL)
		row_fault(&c->d->row, REJECT_WRONG_TYPE, "%s is not a map", field_words[place->columns]);
	for (unsigned rest = place->fields; rest; rest &= rest - 1)
		if (!(end = field_read(c, p, &i, (enum field)__builtin_ctz(rest))))
			return NULL;
	return end ? end : wire_skip(c, p, &i);
}

/* Keys are text. A number is one too in msgpack, though it names nothing of ours; a map or a list never is in a log. */
static bool key_sound(const struct cursor *c, const struct item *key)
{
	return key->kind == ITEM_STR || (c->depth > 1 && key->kind < ITEM_EXT);
}

/* The key at p, at position *i or wherever. Not text: NULL without a fault, *ret_value behind it. */
static struct key *key_read(struct cursor *c, const char *p, const struct level *l, size_t *i, struct key *once,
	const char **ret_value)
{
	const struct shape *s = l->shape;
	size_t there = (size_t)(c->end - p);
	struct key *k = NULL;
	struct row_text name;
	struct item text;

	if (*i < s->n && s->at[*i].n_written <= there && key_here(&s->at[*i], p))
		k = &s->at[*i];
	else
		k = key_ahead(s, i, p, there);
	if (k) {
		*ret_value = p + k->n_written;
		return k;
	}
	*ret_value = wire_item(c, p, &text);
	if (*ret_value && !key_sound(c, &text))
		*ret_value = wire_wrong(c, WRONG_STEP, p);
	if (*ret_value)
		*ret_value = wire_skip(c, *ret_value, &text);
	if (!*ret_value || text.kind != ITEM_STR)
		return NULL;
	name = (struct row_text){text.at, text.n, TEXT_HERE};
	return key_learn(&c->d->json.shapes, l, *i, p, (size_t)(*ret_value - p), &name, once);
}

static const char *member_read(struct cursor *c, const char *p, struct key *k, unsigned flat)
{
	struct item i;

	if (k && k->is == KEY_COLUMN)
		return column_read(c, p, k, flat);
	if (k && k->is == KEY_PLACE)
		return place_read(c, p, k->place, k);
	p = wire_item(c, p, &i);
	return p ? wire_skip(c, p, &i) : NULL;
}

/* The common case of members: one after another the keys of the last record, each with a float64, straight to their cells. Moves *i
 * and *n on; behind the last of these. */
static const char *members_plain(const struct cursor *c, const char *p, const struct level *l, size_t *i, uint32_t *n)
{
	const struct shape *s = l->shape;
	struct batch *b = c->d->row.batch;
	struct column *columns;

	if (!b || l->columns == FIELD_N)
		return p;
	columns = batch_columns(b, l->columns)->at;
	for (; *n && *i < s->n; ++*i, --*n) {
		const struct key *k = &s->at[*i];
		size_t there = (size_t)(c->end - p);
		uint64_t bits;

		if (k->is != KEY_COLUMN || k->serial != b->serial || there < k->n_written + 9u || !key_here(k, p) || (unsigned char)p[k->n_written] != 0xCB)
			break;
		bits = wire_big8(p + k->n_written + 1);
		p += k->n_written + 9;
		if ((bits & EXPONENT) == EXPONENT) {
			columns[k->column].kind[b->n] = CELL_NULL;
			columns[k->column].number[b->n] = NAN;
			continue;
		}
		columns[k->column].kind[b->n] = CELL_NUMBER;
		memcpy(&columns[k->column].number[b->n], &bits, sizeof bits);
	}
	return p;
}

const char *wire_map(struct cursor *c, const char *p, uint32_t n, const struct level *l)
{
	struct shapes *shapes = &c->d->json.shapes;
	struct key once = {0};

	if (c->depth >= c->deepest)
		return wire_wrong(c, WRONG_DEEP, p);
	c->depth++;
	for (size_t i = 0; p && n; i++, n--) {
		const char *value = NULL;
		struct key *k;

		p = members_plain(c, p, l, &i, &n);
		if (!n)
			break;
		k = key_read(c, p, l, &i, &once, &value);
		p = value ? member_read(c, value, k, l->flat) : NULL;
		if (k == &once)
			key_forget(shapes, &once);
	}
	c->depth--;
	return p;
}
