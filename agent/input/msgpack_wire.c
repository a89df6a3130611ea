/* SPDX-License-Identifier: Apache-2.0
 * The wire of msgpack: heads, numbers, and how long a value is. No object is made of anything. */
#include "input/msgpack_wire.h"

const char *wire_wrong(struct cursor *c, enum wrong what, const char *at)
{
	c->wrong = what;
	c->at = at;
	return NULL;
}

uint64_t wire_big(const char *p, unsigned n)
{
	uint64_t x = 0;

	for (unsigned i = 0; i < n; i++)
		x = x << 8 | (unsigned char)p[i];
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

/* Head and number behind 0xC0..0xDF are at hand: what the number says. */
static void item_number(struct item *i, unsigned char head, const char *at, unsigned n)
{
	unsigned unused = 64 - 8 * n;
	uint64_t x = wire_big(at, n);

	switch (i->kind) {
	case ITEM_BOOL:
		i->number = head & 1;
		break;
	case ITEM_FLOAT:
		i->number = n == 8 ? wire_double(at) : (double)wire_float(at);
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
		return wire_wrong(c, WRONG_SHORT, c->end);
	return p + i->n;
}

const char *wire_item_any(struct cursor *c, const char *p, struct item *i)
{
	unsigned char head;
	unsigned n;

	if (p == c->end)
		return wire_wrong(c, WRONG_SHORT, p);
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
		return wire_wrong(c, WRONG_STEP, p);
	i->kind = heads[head - 0xC0].kind;
	n = heads[head - 0xC0].n_number;
	if ((size_t)(c->end - p) < 1u + n + heads[head - 0xC0].ext)
		return wire_wrong(c, WRONG_SHORT, c->end);
	i->n = 0;
	item_number(i, head, p + 1, n);
	p += 1 + n;
	if (i->kind == ITEM_EXT) {
		i->type = (int8_t)*p++;
		i->n = n ? i->n : heads[head - 0xC0].fixed;
	}
	return i->kind == ITEM_STR || i->kind == ITEM_BIN || i->kind == ITEM_EXT ? item_body(c, p, i) : p;
}

const char *wire_end(struct cursor *c, const char *p)
{
	struct item i;

	for (uint64_t values = 1; values; values--) {
		if (!(p = wire_item(c, p, &i)))
			return NULL;
		values += i.kind == ITEM_ARRAY ? i.n : i.kind == ITEM_MAP ? 2 * (uint64_t)i.n : 0;
	}
	return p;
}

/* Short ASCII, which is what most text is, without a call. */
static bool ascii(const char *p, size_t n)
{
	uint64_t bits = 0, some;

	for (; n >= sizeof some; p += sizeof some, n -= sizeof some) {
		memcpy(&some, p, sizeof some);
		bits |= some;
	}
	for (; n; n--)
		bits |= (unsigned char)*p++;
	return !(bits & 0x8080808080808080);
}

const char *wire_skip_text(struct cursor *c, const char *p, const struct item *head)
{
	size_t good = ascii(head->at, head->n) ? head->n : json_utf8(head->at, head->n);

	return good == head->n ? p : wire_wrong(c, WRONG_UTF8, head->at + good);
}

const char *wire_skip_inner(struct cursor *c, const char *p, const struct item *head)
{
	uint64_t values = head->kind == ITEM_ARRAY ? head->n : 2 * (uint64_t)head->n;
	struct item i;

	if (c->depth >= c->deepest)
		return wire_wrong(c, WRONG_DEEP, p);
	c->depth++;
	for (; p && values; values--)
		if ((p = wire_item(c, p, &i)))
			p = wire_skip(c, p, &i);
	c->depth--;
	return p;
}
