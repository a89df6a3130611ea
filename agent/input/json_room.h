/* SPDX-License-Identifier: Apache-2.0
 * Private to json*.c: the pieces that the plain reader and the wide one (vectors) both have, and the way chosen between them. */
#ifndef INPUT_JSON_ROOM_H
#define INPUT_JSON_ROOM_H

#include <string.h>

#include "input/json.h"

/* How text is gone through on this processor. All ways give the same results. */
struct json_way {
	/* The first byte at or behind p that is a quote, a backslash, a control character, or not ASCII. */
	const char *(*special)(const char *p);
	/* As json_number and json_floats, but for blanks and an empty array. */
	const char *(*number)(struct json *j, const char *p, double *ret);
	const char *(*floats)(struct json *j, const char *p, float *to, size_t room, size_t *ret_n, bool *ret_whole);
	uint64_t (*delimiters)(const char *p); /* json_wide.c's own. Bit i: byte i of 64 is ',' or ']' */
};
extern struct json_way json_way; /* written by json_begin and json_path_set only */

/* The plain reader: it alone decides what is valid, and any other may give up and ask it. */
const char *json_plain_special(const char *p);
const char *json_plain_number(struct json *j, const char *p, double *ret);
const char *json_plain_floats(struct json *j, const char *p, float *to, size_t room, size_t *ret_n, bool *ret_whole);
/* One element of an array, blanks around it allowed: the delimiter behind it; NULL with a fault; or NULL without one: not a finite float. */
const char *json_plain_element(struct json *j, const char *p, float *ret);

/* Reading by vectors: sets what it has for that path, which must run here. Without such instructions, nothing. */
void json_wide_way(enum json_path path, struct json_way *way);
void json_wide_begin(void); /* makes its tables; once, behind nearest_begin */

#define EIGHT(byte) (UINT64_C(0x0101010101010101) * (byte))
#define HIGH_BITS EIGHT(0x80)

static inline uint64_t load8(const char *p)
{
	uint64_t x;

	memcpy(&x, p, sizeof x);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	x = __builtin_bswap64(x);
#endif
	return x;
}

static inline unsigned digit_of(const char *p)
{
	return (unsigned)(unsigned char)*p - '0';
}

/* 1 where the byte is c, else 0. Arithmetic, because a compiler's SETcc writes a byte of a register and so makes this number
 * wait for the last one: measured, half the speed. */
static inline uint64_t byte_is(const char *p, char c)
{
	return ((uint64_t)(unsigned char)(*p ^ c) - 1) >> 63;
}

#endif
