/* SPDX-License-Identifier: Apache-2.0
 * What the files that read msgpack share: the wire (items), vectors, maps. Only for msgpack*.c. */
#ifndef INPUT_MSGPACK_WIRE_H
#define INPUT_MSGPACK_WIRE_H

#include "input/decode_private.h"

#include <stdint.h>
#include <string.h>

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

/* A record being read. What reads moves a pointer over its bytes, and returns it behind what it read, or NULL after saying here what
 * is wrong and where. */
struct cursor {
	struct decoder *d;
	const char *end;       /* of what may be a part of this record */
	enum wrong wrong;
	const char *at;
	unsigned depth, deepest;
};

const char *wire_wrong(struct cursor *c, enum wrong what, const char *at); /* returns NULL */

static inline uint64_t wire_big8(const char *p)
{
	uint64_t x;

	memcpy(&x, p, sizeof x);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	x = __builtin_bswap64(x);
#endif
	return x;
}

static inline float wire_float(const char *p)
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

static inline double wire_double(const char *p)
{
	uint64_t bits = wire_big8(p);
	double x;

	memcpy(&x, &bits, sizeof x);
	return x;
}

uint64_t wire_big(const char *p, unsigned n); /* n <= 8 bytes */
const char *wire_item_any(struct cursor *c, const char *p, struct item *i);
/* A head, and of text and bytes the body. Short text, which most items are, without a call. */
static inline const char *wire_item(struct cursor *c, const char *p, struct item *i)
{
	size_t there = (size_t)(c->end - p), n;

	if (!there || ((unsigned char)*p & 0xE0) != 0xA0)
		return wire_item_any(c, p, i);
	n = (unsigned char)*p & 0x1F;
	if (n >= there)
		return wire_wrong(c, WRONG_SHORT, c->end);
	i->kind = ITEM_STR;
	i->n = (uint32_t)n;
	i->at = p + 1;
	return p + 1 + n;
}
/* Behind a whole value, whatever its depth: only the wire is looked at. */
const char *wire_end(struct cursor *c, const char *p);
/* Behind a value nobody asked for, `head` read and p behind it; its text and depth are checked like any other's. */
const char *wire_skip_text(struct cursor *c, const char *p, const struct item *head);
const char *wire_skip_inner(struct cursor *c, const char *p, const struct item *head);
static inline const char *wire_skip(struct cursor *c, const char *p, const struct item *head)
{
	if (head->kind == ITEM_STR)
		return wire_skip_text(c, p, head);
	return head->kind == ITEM_ARRAY || head->kind == ITEM_MAP ? wire_skip_inner(c, p, head) : p;
}

/* msgpack_vector.c: the value whose head was read, p behind it, as a vector of the row. */
const char *wire_vector(struct cursor *c, const char *p, const struct item *head, enum field field);
/* msgpack_map.c: n members of a map, p behind its head, into the row. */
const char *wire_map(struct cursor *c, const char *p, uint32_t n, const struct level *l);

#endif
