/* SPDX-License-Identifier: Apache-2.0
 * Numbers, read from their first byte to their last: the plain reader, for any processor and any number that is one. */
#include <math.h>

#include "input/nearest.h"
#include "input/json_room.h"

static inline bool eight_digits(uint64_t x)
{
	return ((x & EIGHT(0xF0)) | (((x + EIGHT(0x06)) & EIGHT(0xF0)) >> 4)) == EIGHT(0x33);
}

static inline uint64_t eight_value(uint64_t x)
{
	const uint64_t pairs = UINT64_C(0x000000FF000000FF);

	x -= EIGHT('0');
	x = x * 10 + (x >> 8);
	return (((x & pairs) * UINT64_C(0x000F424000000064)) + (((x >> 16) & pairs) * UINT64_C(0x0000271000000001))) >> 32;
}

/* Digits at p, none to many, behind those already in *m. */
static inline const char *digits_read(const char *p, uint64_t *m)
{
	for (; digit_of(p) <= 9; p++)
		*m = *m * 10 + digit_of(p);
	return p;
}

static inline const char *many_digits_read(const char *p, uint64_t *m)
{
	uint64_t x;

	for (; eight_digits(x = load8(p)); p += 8)
		*m = *m * 100000000 + eight_value(x);
	if (eight_digits(x << 32 | EIGHT('0') >> 32)) { /* the first four, behind four zeros */
		*m = *m * 10000 + eight_value(x << 32 | EIGHT('0') >> 32);
		p += 4;
	}
	return digits_read(p, m);
}

static inline double signed_of(double x, uint64_t negative)
{
	uint64_t bits;

	memcpy(&bits, &x, sizeof bits);
	bits |= negative << 63;
	memcpy(&x, &bits, sizeof bits);
	return x;
}

/* More than 19 digits: leading zeros do not count; else only strtod can tell. */
static double many_digits(const char *text, const char *end, int64_t q)
{
	const char *p = text;
	uint64_t m = 0;
	int n = 0;

	for (; p < end && (*p == '0' || *p == '.'); p++)
		;
	for (; p < end && (*p | 0x20) != 'e' && n < 20; p++)
		if (*p != '.') {
			m = m * 10 + digit_of(p);
			n++;
		}
	return n < 20 ? nearest_value(m, q, text) : nearest_text(text);
}

static const char *not_finite(struct json *j, const char *p, const char *sign, double *ret)
{
	if (!memcmp(p, "Infinity", 8)) {
		*ret = sign ? -INFINITY : INFINITY;
		return p + 8;
	}
	if (!sign && !memcmp(p, "NaN", 3)) {
		*ret = NAN;
		return p + 3;
	}
	return json_fault(j, p, JSON_SYNTAX, sign ? "a digit" : "a value");
}

/* The power of ten behind 'e', cut where no double can follow. */
static const char *exponent_read(struct json *j, const char *p, int64_t *q)
{
	bool negative = *p == '-';
	int64_t power = 0;

	p += *p == '-' || *p == '+';
	if (digit_of(p) > 9)
		return json_fault(j, p, JSON_SYNTAX, "a digit of the exponent");
	for (; digit_of(p) <= 9; p++)
		if (power < 100000)
			power = power * 10 + digit_of(p);
	*q += negative ? -power : power;
	return p;
}

static inline __attribute__((always_inline)) const char *number_plain(struct json *j, const char *p, double *ret)
{
	uint64_t negative = byte_is(p, '-');
	const char *text = p += negative, *point;
	uint64_t m = 0;
	int64_t q = 0, n;

	p = digits_read(p, &m);
	n = p - text;
	if (!n)
		return not_finite(j, p, negative ? p - 1 : NULL, ret);
	if (*text == '0' && n > 1)
		return json_fault(j, text + 1, JSON_SYNTAX, "no digit behind a leading 0");
	if (*p == '.') {
		point = ++p;
		p = many_digits_read(p, &m);
		if (p == point)
			return json_fault(j, p, JSON_SYNTAX, "a digit behind the '.'");
		q = point - p;
		n -= q;
	}
	if ((*p | 0x20) == 'e' && !(p = exponent_read(j, p + 1, &q)))
		return NULL;
	*ret = signed_of(n <= 19 ? nearest_value(m, q, text) : many_digits(text, p, q), negative);
	return p;
}

const char *json_plain_number(struct json *j, const char *p, double *ret)
{
	return number_plain(j, p, ret);
}

/* ---- arrays ---- */

static inline __attribute__((always_inline)) const char *element_plain(struct json *j, const char *p, float *ret)
{
	double x;

	p = json_blanks(p);
	if (json_kinds[(unsigned char)*p] != JSON_NUMBER || !(p = number_plain(j, p, &x)))
		return NULL;
	if (!isfinite((float)x))
		return NULL;
	*ret = (float)x;
	p = json_blanks(p);
	return *p == ',' || *p == ']' ? p : json_fault(j, p, JSON_SYNTAX, "',' or ']'");
}

const char *json_plain_element(struct json *j, const char *p, float *ret)
{
	return element_plain(j, p, ret);
}

const char *json_plain_floats(struct json *j, const char *p, float *to, size_t room, size_t *ret_n, bool *ret_whole)
{
	size_t n = 0;

	for (; n < room; n++) {
		const char *end = element_plain(j, p, to + n);

		if (!end && j->wrong)
			return NULL;
		if (!end)
			break;
		p = end + 1;
		if (*end == ']') {
			*ret_whole = true;
			n++;
			break;
		}
	}
	*ret_n = n;
	return p;
}
