/* SPDX-License-Identifier: Apache-2.0
 * A stream of msgpack maps into rows, by a cursor over the bytes: nothing is unpacked into objects, vectors go from the wire into
 * the batch. Packed vectors (`bin` of little-endian float32) are the quickest.
 *
 * msgpack has no marks between records, so a broken one loses step. The rule that finds it again, whatever the chunks were: the
 * record is given up at its first byte, and the bytes behind it are passed over, one by one, until a map that begins
 * with one of the keys the pointers name decodes into a row. What was passed over is syntax, in bytes but not in records.
 *
 *     [ half a record | whole record ...     the half swallows the beginning of the whole one as its own value or key, which
 *       ^given up       ^step found again    shows: at a key that is a map, or where the half is refused and a record begins
 *                                            inside it and ends behind it */
#include "input/decode_private.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"

#define LOOKED_AT_MOST 1024 /* bytes a failed try may have read before the search goes on behind them: keeps it linear */

enum item_kind { ITEM_NIL, ITEM_BOOL, ITEM_INT, ITEM_UINT, ITEM_FLOAT, ITEM_STR, ITEM_BIN, ITEM_EXT, ITEM_ARRAY, ITEM_MAP };

/* A value's head; of text and bytes the body too. */
struct item {
	enum item_kind kind;
	int64_t integer;
	uint64_t natural;
	double number;         /* of bool, integers and floats */
	uint32_t n;            /* bytes, elements or pairs */
	const char *at;        /* bytes */
	int8_t type;           /* of an ext */
};

enum wrong { WRONG_NOT, WRONG_SHORT, WRONG_STEP, WRONG_UTF8, WRONG_DEEP };

struct cursor {
	struct decoder *d;
	const char *end;       /* of what may be a part of this record */
	enum wrong wrong;
	const char *at;
	unsigned depth;
};

static const char *wrong(struct cursor *c, enum wrong what, const char *at)
{
	c->wrong = what;
	c->at = at;
	return NULL;
}

/* ---- the wire ---- */

static uint64_t big_endian(const char *p, unsigned n)
{
	uint64_t x = 0;

	for (unsigned i = 0; i < n; i++)
		x = x << 8 | (unsigned char)p[i];
	return x;
}

static inline uint64_t big_endian8(const char *p)
{
	uint64_t x;

	memcpy(&x, p, sizeof x);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	x = __builtin_bswap64(x);
#endif
	return x;
}

/* Heads 0xC0 to 0xDF: what follows and how many bytes of it are a number. 0xC1 is never used. */
static const struct {
	enum item_kind kind;
	uint8_t n_number, ext; /* ext: 1 a type byte follows */
	uint8_t fixed;         /* bytes of body when the head has no length */
} heads[32] = {
	[0xC0 - 0xC0] = {ITEM_NIL, 0, 0, 0}, [0xC2 - 0xC0] = {ITEM_BOOL, 0, 0, 0}, [0xC3 - 0xC0] = {ITEM_BOOL, 0, 0, 0},
	[0xC4 - 0xC0] = {ITEM_BIN, 1, 0, 0}, [0xC5 - 0xC0] = {ITEM_BIN, 2, 0, 0}, [0xC6 - 0xC0] = {ITEM_BIN, 4, 0, 0},
	[0xC7 - 0xC0] = {ITEM_EXT, 1, 1, 0}, [0xC8 - 0xC0] = {ITEM_EXT, 2, 1, 0}, [0xC9 - 0xC0] = {ITEM_EXT, 4, 1, 0},
	[0xCA - 0xC0] = {ITEM_FLOAT, 4, 0, 0}, [0xCB - 0xC0] = {ITEM_FLOAT, 8, 0, 0},
	[0xCC - 0xC0] = {ITEM_UINT, 1, 0, 0}, [0xCD - 0xC0] = {ITEM_UINT, 2, 0, 0}, [0xCE - 0xC0] = {ITEM_UINT, 4, 0, 0},
	[0xCF - 0xC0] = {ITEM_UINT, 8, 0, 0},
	[0xD0 - 0xC0] = {ITEM_INT, 1, 0, 0}, [0xD1 - 0xC0] = {ITEM_INT, 2, 0, 0}, [0xD2 - 0xC0] = {ITEM_INT, 4, 0, 0},
	[0xD3 - 0xC0] = {ITEM_INT, 8, 0, 0},
	[0xD4 - 0xC0] = {ITEM_EXT, 0, 1, 1}, [0xD5 - 0xC0] = {ITEM_EXT, 0, 1, 2}, [0xD6 - 0xC0] = {ITEM_EXT, 0, 1, 4},
	[0xD7 - 0xC0] = {ITEM_EXT, 0, 1, 8}, [0xD8 - 0xC0] = {ITEM_EXT, 0, 1, 16},
	[0xD9 - 0xC0] = {ITEM_STR, 1, 0, 0}, [0xDA - 0xC0] = {ITEM_STR, 2, 0, 0}, [0xDB - 0xC0] = {ITEM_STR, 4, 0, 0},
	[0xDC - 0xC0] = {ITEM_ARRAY, 2, 0, 0}, [0xDD - 0xC0] = {ITEM_ARRAY, 4, 0, 0},
	[0xDE - 0xC0] = {ITEM_MAP, 2, 0, 0}, [0xDF - 0xC0] = {ITEM_MAP, 4, 0, 0},
};

static void item_integer(struct item *i, int64_t x)
{
	i->kind = ITEM_INT;
	i->integer = x;
	i->natural = (uint64_t)x;
	i->number = (double)x;
}

static double float_of(uint64_t bits, unsigned n)
{
	uint32_t narrow = (uint32_t)bits;
	double x;
	float f;

	if (n == 8)
		memcpy(&x, &bits, sizeof x);
	else
		memcpy(&f, &narrow, sizeof f);
	return n == 8 ? x : (double)f;
}

/* Head and number behind 0xC0..0xDF are at hand: what the number says. */
static void item_number(struct item *i, unsigned char head, uint64_t x, unsigned n)
{
	unsigned unused = 64 - 8 * n;

	switch (i->kind) {
	case ITEM_BOOL:
		i->number = head & 1;
		break;
	case ITEM_FLOAT:
		i->number = float_of(x, n);
		break;
	case ITEM_INT:
		item_integer(i, (int64_t)(x << unused) >> unused);
		break;
	case ITEM_UINT:
		item_integer(i, (int64_t)x);
		i->kind = x >> 63 ? ITEM_UINT : ITEM_INT;
		i->number = (double)x;
		break;
	default:
		i->n = (uint32_t)x;
	}
}

static const char *item_body(struct cursor *c, const char *p, struct item *i)
{
	i->at = p;
	if ((size_t)(c->end - p) < i->n)
		return wrong(c, WRONG_SHORT, c->end);
	return p + i->n;
}

static const char *item_read(struct cursor *c, const char *p, struct item *i)
{
	unsigned char head;
	unsigned n;

	if (p == c->end)
		return wrong(c, WRONG_SHORT, p);
	head = (unsigned char)*p;
	if (head < 0x80 || head >= 0xE0) {
		item_integer(i, (signed char)head);
		return p + 1;
	}
	if (head < 0xC0) {
		i->kind = head < 0x90 ? ITEM_MAP : head < 0xA0 ? ITEM_ARRAY : ITEM_STR;
		i->n = head & (head < 0xA0 ? 0x0F : 0x1F);
		return i->kind == ITEM_STR ? item_body(c, p + 1, i) : p + 1;
	}
	if (head == 0xC1)
		return wrong(c, WRONG_STEP, p);
	i->kind = heads[head - 0xC0].kind;
	n = heads[head - 0xC0].n_number;
	if ((size_t)(c->end - p) < 1u + n + heads[head - 0xC0].ext)
		return wrong(c, WRONG_SHORT, c->end);
	i->n = 0;
	item_number(i, head, big_endian(p + 1, n), n);
	p += 1 + n;
	if (i->kind == ITEM_EXT) {
		i->type = (int8_t)*p++;
		i->n = n ? i->n : heads[head - 0xC0].fixed;
	}
	return i->kind == ITEM_STR || i->kind == ITEM_BIN || i->kind == ITEM_EXT ? item_body(c, p, i) : p;
}

static const char *text_check(struct cursor *c, const struct item *i)
{
	size_t good = json_utf8(i->at, i->n);

	return good == i->n ? i->at : wrong(c, WRONG_UTF8, i->at + good);
}

/* Behind a whole value, whatever its depth: only the wire is looked at. */
static const char *value_end(struct cursor *c, const char *p)
{
	struct item i;

	for (uint64_t values = 1; values; values--) {
		if (!(p = item_read(c, p, &i)))
			return NULL;
		values += i.kind == ITEM_ARRAY ? i.n : i.kind == ITEM_MAP ? 2 * (uint64_t)i.n : 0;
	}
	return p;
}

/* Behind a value nobody asked for; its text and depth are checked like any other's. */
static const char *value_skip(struct cursor *c, const char *p, const struct item *head)
{
	uint64_t values = head->kind == ITEM_ARRAY ? head->n : 2 * (uint64_t)head->n;
	struct item i;

	if (head->kind == ITEM_STR && !text_check(c, head))
		return NULL;
	if (head->kind != ITEM_ARRAY && head->kind != ITEM_MAP)
		return p;
	if (c->depth >= c->d->options.deepest)
		return wrong(c, WRONG_DEEP, p);
	c->depth++;
	for (; p && values; values--)
		if ((p = item_read(c, p, &i)))
			p = value_skip(c, p, &i);
	c->depth--;
	return p;
}

/* ---- vectors ---- */

/* Four at a time: compilers do not see it by themselves at -O2. */
static bool floats_finite(const float *at, size_t n)
{
	typedef uint32_t four __attribute__((vector_size(16)));
	const four exponent = {0x7F800000, 0x7F800000, 0x7F800000, 0x7F800000};
	four bits, bad = {0};
	size_t i;

	for (i = 0; i + 4 <= n; i += 4) {
		memcpy(&bits, at + i, sizeof bits);
		bad |= (four)((bits & exponent) == exponent);
	}
	for (; i < n; i++)
		bad[0] |= isfinite(at[i]) ? 0 : 1;
	return !(bad[0] | bad[1] | bad[2] | bad[3]);
}

static float float_big(const char *p)
{
	uint32_t bits;
	float x;

	memcpy(&bits, p, sizeof bits);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	bits = __builtin_bswap32(bits);
#endif
	memcpy(&x, &bits, sizeof x);
	return x;
}

static void floats_little(const char *p, size_t n, float *to)
{
	memcpy(to, p, n * sizeof *to);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	for (size_t i = 0; i < n; i++) {
		uint32_t bits;

		memcpy(&bits, to + i, sizeof bits);
		bits = __builtin_bswap32(bits);
		memcpy(to + i, &bits, sizeof bits);
	}
#endif
}

/* Elements that are all float32, the common case: those read before the first that is not. */
static size_t floats_plain(const char *p, size_t n, float *to)
{
	float *at = to, *end = to + n;

	for (; at < end && (unsigned char)*p == 0xCA; p += 5)
		*at++ = float_big(p + 1);
	return (size_t)(at - to);
}

/* The rest of an array's elements, of any numeric kind; the first that is not a finite float goes to *ret_odd. */
static const char *floats_rest(struct cursor *c, const char *p, size_t from, size_t n, float *to, size_t *ret_odd)
{
	struct item i;

	for (size_t k = from; k < n; k++) {
		if (!(p = item_read(c, p, &i)))
			return NULL;
		if (i.kind == ITEM_INT || i.kind == ITEM_UINT || i.kind == ITEM_FLOAT)
			to[k] = (float)i.number;
		if ((i.kind < ITEM_INT || i.kind > ITEM_FLOAT || !isfinite(to[k])) && *ret_odd == SIZE_MAX)
			*ret_odd = k;
		if (!(p = value_skip(c, p, &i)))
			return NULL;
	}
	return p;
}

/* The first `unsure` of them may not be finite; SIZE_MAX: one is not. */
static void vector_put(struct row *row, const float *at, size_t unsure, size_t n, enum field field)
{
	if (unsure == SIZE_MAX || !floats_finite(at, unsure))
		row_fault(row, REJECT_VECTOR_VALUE, "an element of %s is not a finite number", field_words[field]);
	else
		row_vector_put(row, field, n);
}

static const char *vector_array(struct cursor *c, const char *p, const struct item *head, enum field field)
{
	struct row *row = &c->d->row;
	size_t room, n = head->n, there = (size_t)(c->end - p), odd = SIZE_MAX, plain;
	float *to = row_vector_room(row, field, &room);

	if (c->depth >= c->d->options.deepest)
		return wrong(c, WRONG_DEEP, p);
	if (n > there)
		return wrong(c, WRONG_SHORT, c->end);
	if (n > room) {
		row_fault(row, REJECT_VECTOR_WIDTH, "%s is of width %zu, not %zu", field_words[field], n, room);
		return value_skip(c, p, head);
	}
	plain = floats_plain(p, n < there / 5 ? n : there / 5, to);
	c->depth++;
	p = floats_rest(c, p + 5 * plain, plain, n, to, &odd);
	c->depth--;
	if (!p)
		return NULL;
	vector_put(row, to, odd == SIZE_MAX ? plain : SIZE_MAX, n, field);
	return p;
}

static void vector_packed(struct cursor *c, const struct item *i, enum field field)
{
	struct row *row = &c->d->row;
	size_t room, n = i->n / sizeof(float);
	float *to = row_vector_room(row, field, &room);

	if (i->n % sizeof(float))
		row_fault(row, REJECT_VECTOR_VALUE, "%u bytes of %s are not float32", i->n, field_words[field]);
	else if (n > room)
		row_fault(row, REJECT_VECTOR_WIDTH, "%s is of width %zu, not %zu", field_words[field], n, room);
	else {
		floats_little(i->at, n, to);
		vector_put(row, to, n, n, field);
	}
}

static const char *vector_read(struct cursor *c, const char *p, const struct item *i, enum field field)
{
	if (i->kind == ITEM_ARRAY)
		return vector_array(c, p, i, field);
	if (i->kind == ITEM_BIN)
		vector_packed(c, i, field);
	else if (i->kind == ITEM_NIL)
		row_vector_none(&c->d->row, field);
	else
		row_fault(&c->d->row, REJECT_WRONG_TYPE, "%s is neither an array nor packed", field_words[field]);
	return value_skip(c, p, i);
}

/* ---- fields ---- */

/* Extension type -1: seconds in 32 bits, or with nanoseconds in 64 or 96. */
static bool timestamp(const struct item *i, struct row_value *v)
{
	uint64_t nanoseconds = 0;
	int64_t seconds;

	if (i->kind != ITEM_EXT || i->type != -1 || (i->n != 4 && i->n != 8 && i->n != 12))
		return false;
	if (i->n == 4) {
		seconds = (int64_t)big_endian(i->at, 4);
	} else if (i->n == 8) {
		nanoseconds = big_endian(i->at, 8) >> 34;
		seconds = (int64_t)(big_endian(i->at, 8) & ((UINT64_C(1) << 34) - 1));
	} else {
		nanoseconds = big_endian(i->at, 4);
		seconds = (int64_t)big_endian(i->at + 4, 8);
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
		return vector_read(c, p, i, field);
	if (!(p = value_skip(c, p, i)))
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

static const char *map_read(struct cursor *c, const char *p, uint32_t n, const struct level *l);
static const char *place_read(struct cursor *c, const char *p, const struct place *place, struct key *k);

/* A float64, what features mostly are, goes straight to its cell. */
static bool column_double(struct cursor *c, const char *p, struct key *k)
{
	size_t at = key_column(&c->d->json.shapes, k), row = c->d->row.batch->n;
	double x = float_of(big_endian8(p + 1), 8);
	struct column *column;

	if (at == SIZE_MAX)
		return false;
	column = &batch_columns(c->d->row.batch, k->columns)->at[at];
	column->kind[row] = isfinite(x) ? CELL_NUMBER : CELL_NULL;
	column->number[row] = isfinite(x) ? x : (double)NAN;
	return true;
}

static const char *column_read(struct cursor *c, const char *p, struct key *k, unsigned flat)
{
	struct shapes *shapes = &c->d->json.shapes;
	struct row_value v;
	struct item i;
	size_t at;

	if (c->end - p >= 9 && (unsigned char)*p == 0xCB && column_double(c, p, k))
		return p + 9;
	if (!(p = item_read(c, p, &i)))
		return NULL;
	if (i.kind == ITEM_MAP && flat < ROW_FLAT_MOST) {
		struct level inner = {shape_of(&k->inner), NULL, k->columns, k, flat + 1};

		return map_read(c, p, i.n, &inner);
	}
	at = key_column(shapes, k);
	if (!(p = value_skip(c, p, &i)))
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

	if (c->depth >= c->d->options.deepest)
		return wrong(c, WRONG_DEEP, p);
	c->depth++;
	for (uint32_t i = 0; p && i < n; i++) {
		const struct place *element = place_find(place, index, (size_t)snprintf(index, sizeof index, "%u", i));
		struct item head;

		if (element)
			p = place_read(c, p, element, key_element(shapes, s, i, &once));
		else if ((p = item_read(c, p, &head)))
			p = value_skip(c, p, &head);
		key_forget(shapes, &once);
	}
	c->depth--;
	return p;
}

static const char *place_read(struct cursor *c, const char *p, const struct place *place, struct key *k)
{
	const char *end = NULL;
	struct item i;

	if (!(p = item_read(c, p, &i)))
		return NULL;
	if (i.kind == ITEM_MAP && (place->n_inner || place->columns != FIELD_N)) {
		struct level l = {shape_of(&k->inner), place, place->columns, NULL, 0};

		return map_read(c, p, i.n, &l);
	}
	if (i.kind == ITEM_ARRAY && place->n_inner)
		return array_read(c, p, i.n, place, shape_of(&k->elements));
	if (place->columns != FIELD_N && i.kind != ITEM_NIL)
		row_fault(&c->d->row, REJECT_WRONG_TYPE, "%s is not a map", field_words[place->columns]);
	for (unsigned rest = place->fields; rest; rest &= rest - 1)
		if (!(end = field_read(c, p, &i, (enum field)__builtin_ctz(rest))))
			return NULL;
	return end ? end : value_skip(c, p, &i);
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
	*ret_value = item_read(c, p, &text);
	if (*ret_value && !key_sound(c, &text))
		*ret_value = wrong(c, WRONG_STEP, p);
	if (*ret_value)
		*ret_value = value_skip(c, *ret_value, &text);
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
	p = item_read(c, p, &i);
	return p ? value_skip(c, p, &i) : NULL;
}

/* Members of a map, p behind its head. */
static const char *map_read(struct cursor *c, const char *p, uint32_t n, const struct level *l)
{
	struct shapes *shapes = &c->d->json.shapes;
	struct key once = {0};

	if (c->depth >= c->d->options.deepest)
		return wrong(c, WRONG_DEEP, p);
	c->depth++;
	for (size_t i = 0; p && n; i++, n--) {
		const char *value = NULL;
		struct key *k = key_read(c, p, l, &i, &once, &value);

		p = value ? member_read(c, value, k, l->flat) : NULL;
		if (k == &once)
			key_forget(shapes, &once);
	}
	c->depth--;
	return p;
}

/* ---- records ---- */

/* A chunk on its way. */
struct run {
	struct decoder *d;
	struct decoded *to;
	const char *at, *end;
	uint64_t offset;       /* of `at` in the file */
	bool final;
};

enum got {
	GOT_ROW,     /* up to *ret_end */
	GOT_REFUSED, /* a whole value up to *ret_end, but no record: reason, why */
	GOT_SHORT,   /* the chunk ends first */
	GOT_LOST,    /* no value, or none that is short enough; *ret_end is how far it was looked at */
};

struct why {
	enum reject_reason reason;
	char text[96];
};

static void why_set(struct why *w, enum reject_reason reason, const char *p, const char *at, const char *text)
{
	w->reason = reason;
	snprintf(w->text, sizeof w->text, "byte %zu: %s", (size_t)(at - p) + 1, text);
}

/* Short of bytes: does the chunk end there, or the patience? */
static enum got got_short(const struct run *r, const struct cursor *c, const char *p, const char **ret_end, struct why *w)
{
	size_t longest = r->d->options.longest;

	*ret_end = c->end;
	if ((size_t)(r->end - p) < longest || (c->end == r->end && (size_t)(r->end - p) == longest && !r->final))
		return GOT_SHORT;
	w->reason = REJECT_TOO_LONG;
	snprintf(w->text, sizeof w->text, "longer than %zu bytes", longest);
	return GOT_LOST;
}

static enum got got_wrong(const struct run *r, struct cursor *c, const char *p, const char **ret_end, struct why *w)
{
	if (c->wrong == WRONG_UTF8 || c->wrong == WRONG_DEEP) {
		why_set(w, c->wrong == WRONG_UTF8 ? REJECT_UTF8 : REJECT_TOO_DEEP, p, c->at,
			c->wrong == WRONG_UTF8 ? "text that is not UTF-8" : "nested too deep");
		*ret_end = value_end(c, p);
		if (*ret_end)
			return GOT_REFUSED;
	}
	if (c->wrong == WRONG_SHORT)
		return got_short(r, c, p, ret_end, w);
	*ret_end = c->at + 1;
	why_set(w, REJECT_SYNTAX, p, c->at, (unsigned char)*c->at == 0xC1 ? "0xC1, which msgpack never uses" : "a key that is not text");
	return GOT_LOST;
}

static enum got row_got(const struct run *r, struct cursor *c, const char *p, uint32_t pairs, const char *body, const char **ret_end,
	struct why *w)
{
	struct row *row = &r->d->row;
	struct level l = {r->d->json.shapes.root, r->d->places, r->d->places->columns, NULL, 0};
	const char *end = map_read(c, body, pairs, &l);
	enum row_end how;
	size_t n;

	if (!end)
		return got_wrong(r, c, p, ret_end, w);
	*ret_end = end;
	n = (size_t)(end - p);
	how = row_end(row, p, n, r->offset + (uint64_t)(p - r->at), (uint32_t)n);
	if (how == ROW_AGAIN) {
		row_again(row);
		map_read(c, body, pairs, &l);
		how = row_end(row, p, n, r->offset + (uint64_t)(p - r->at), (uint32_t)n);
	}
	if (how == ROW_TAKEN)
		return GOT_ROW;
	w->reason = row->fault;
	memcpy(w->text, row->why, sizeof w->text);
	return GOT_REFUSED;
}

/* Try what stands at p. */
static enum got record_read(const struct run *r, const char *p, const char **ret_end, struct why *w)
{
	size_t there = (size_t)(r->end - p), longest = r->d->options.longest;
	struct cursor c = {.d = r->d, .end = p + (there < longest ? there : longest)};
	struct item head;
	const char *body = item_read(&c, p, &head);

	if (body && head.kind == ITEM_MAP) {
		row_begin(&r->d->row);
		return row_got(r, &c, p, head.n, body, ret_end, w);
	}
	if (body)
		body = value_end(&c, p);
	if (!body)
		return got_wrong(r, &c, p, ret_end, w);
	*ret_end = body;
	why_set(w, *p ? REJECT_NOT_OBJECT : REJECT_BLANK, p, p, "a value, but not a map");
	return GOT_REFUSED;
}

/* ---- in and out of step ---- */

enum sign { SIGN_NO, SIGN_YES, SIGN_CUT };

/* May a record begin at p: a map whose first key is one the pointers name? */
static enum sign record_sign(const struct run *r, const char *p)
{
	struct cursor c = {.d = r->d, .end = r->end};
	struct item map, key;
	const char *q = item_read(&c, p, &map);

	if (q && (map.kind != ITEM_MAP || !map.n))
		return SIGN_NO;
	q = q ? item_read(&c, q, &key) : NULL;
	if (!q)
		return c.wrong == WRONG_SHORT ? SIGN_CUT : SIGN_NO;
	return key.kind == ITEM_STR && place_find(r->d->places, key.at, key.n) ? SIGN_YES : SIGN_NO;
}

/* A head that is cut, or a key that would be longer than any of ours, is not worth waiting for. */
static bool sign_near(const struct run *r, const char *p)
{
	return (size_t)(r->end - p) < 5 + 5 + KEY_WRITTEN_MOST;
}

/* From p on, where step is found again: a row was taken there, up to *ret_end. NULL: not in this chunk; *ret_end is how far that is sure. */
static const char *step_find(const struct run *r, const char *p, const char **ret_end)
{
	struct why w;

	while (p < r->end) {
		enum sign sign = record_sign(r, p);
		const char *end = p + 1;

		if (sign == SIGN_YES) {
			enum got got = record_read(r, p, &end, &w);

			if (got == GOT_ROW) {
				*ret_end = end;
				return p;
			}
			if (got == GOT_SHORT && !r->final)
				break;
			if (end - p <= LOOKED_AT_MOST || got == GOT_SHORT)
				end = p + 1;
		} else if (sign == SIGN_CUT && !r->final && sign_near(r, p)) {
			break;
		}
		p = end;
	}
	*ret_end = p;
	return NULL;
}

/* Pass bytes over from p until step is found again; returns where to go on. */
static const char *step_again(struct run *r, const char *p)
{
	const char *end, *found = step_find(r, p, &end);

	decoded_more(r->to, REJECT_SYNTAX, (size_t)((found ? found : end) - p));
	if (found)
		decoded_taken(r->to, (size_t)(end - found));
	r->to->skipping = !found && !r->final;
	return end;
}

static void value_reject(const struct run *r, const char *p, size_t n, size_t there, const struct why *w)
{
	decoded_reject(r->to, p, r->offset + (uint64_t)(p - r->at), n, there, w->reason, "%s", w->text);
}

/* Does a record begin inside the refused value at p and end behind its `end`? Then it was no value, and the record (whose row is
 * taken) goes up to *ret_end. *ret_cut: that cannot be told before more of the chunk is here. */
static const char *step_inside(const struct run *r, const char *p, const char *end, const char **ret_end, bool *ret_cut)
{
	struct why w;

	*ret_cut = false;
	for (const char *q = p + 1, *behind; q < end; q = behind) {
		struct cursor c = {.d = r->d, .end = r->end};
		enum sign sign = record_sign(r, q);

		behind = q + 1;
		*ret_cut = sign == SIGN_CUT && !r->final && sign_near(r, q);
		if (*ret_cut)
			return NULL;
		if (sign != SIGN_YES)
			continue;
		*ret_end = value_end(&c, q);
		if (*ret_end && *ret_end <= end)
			behind = *ret_end - q > LOOKED_AT_MOST ? *ret_end : q + 1;
		else if (*ret_end && record_read(r, q, ret_end, &w) == GOT_ROW)
			return q;
		else if (c.wrong == WRONG_SHORT && !r->final && (size_t)(r->end - q) < r->d->options.longest) {
			*ret_cut = true;
			return NULL;
		}
	}
	return NULL;
}

/* A value that is no record. Returns where to go on; NULL: not before there is more. */
static const char *value_refused(struct run *r, const char *p, const char *end, const struct why *w)
{
	const struct why step = {REJECT_SYNTAX, "a value that ends inside another record"};
	const char *behind, *found;
	bool cut;

	found = step_inside(r, p, end, &behind, &cut);
	if (cut)
		return NULL;
	if (!found) {
		value_reject(r, p, (size_t)(end - p), (size_t)(end - p), w);
		return end;
	}
	value_reject(r, p, (size_t)(found - p), (size_t)(found - p), &step);
	decoded_taken(r->to, (size_t)(behind - found));
	return behind;
}

/* A last value that will never be whole: unless a record begins in it, all of it is one partial record. */
static const char *value_partial(struct run *r, const char *p)
{
	struct why w = {REJECT_PARTIAL, "the file ends inside a value"};
	const char *end, *found = step_find(r, p + 1, &end);

	if (!found) {
		value_reject(r, p, (size_t)(r->end - p), (size_t)(r->end - p), &w);
		return r->end;
	}
	w = (struct why){REJECT_SYNTAX, "a value that ends inside another record"};
	value_reject(r, p, 1, (size_t)(found - p), &w);
	decoded_more(r->to, REJECT_SYNTAX, (size_t)(found - p - 1));
	decoded_taken(r->to, (size_t)(end - found));
	return end;
}

void msgpack_run(struct decoder *d, const char *at, size_t n, uint64_t offset, bool skipping, bool final, struct decoded *to)
{
	struct run r = {d, to, at, at + n, offset, final};
	const char *p = at, *end = at;
	struct why w;

	d->row.shift = 0;
	to->skipping = skipping && !final;
	if (skipping)
		p = step_again(&r, p);
	while (p < r.end && !to->skipping) {
		enum got got = record_read(&r, p, &end, &w);

		if (got == GOT_SHORT && !final)
			break;
		if (got == GOT_ROW) {
			decoded_taken(to, (size_t)(end - p));
			p = end;
		} else if (got == GOT_REFUSED) {
			end = value_refused(&r, p, end, &w);
			if (!end)
				break;
			p = end;
		} else if (got == GOT_LOST) {
			value_reject(&r, p, 1, (size_t)(end - p), &w);
			p = step_again(&r, p + 1);
		} else {
			p = value_partial(&r, p);
		}
	}
	to->consumed = (size_t)(p - at);
}
