/* SPDX-License-Identifier: Apache-2.0
 * x = m 2^q. For 0 <= p <= 27 the product N = m 5^p has at most 116 bits and is exact, and x 10^p = N / 2^s with s = -q - p: so digits,
 * rounding, and whether they read back (within half a unit of m, that is 5^p / 2 of N) are whole-number arithmetic. What lies outside is
 * left to printf and strtod. */
#include "base/decimal.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LEAST_DIGITS 15
#define MOST_DIGITS 17
#define MOST_POWER 27
/* 10^(e + 16) at most has 27 zeros; and the exponent has one digit, or two. */
#define LEAST 1e-11
#define MOST 1e15

__extension__ typedef unsigned __int128 wide; /* gcc's and clang's */

static const double tens[] = {1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};
static const double tenths[] = {1, 1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-9, 1e-10, 1e-11};

static uint64_t power_of(uint64_t base, int exponent)
{
	uint64_t p = 1;

	for (; exponent; exponent >>= 1, base *= base)
		p *= exponent & 1 ? base : 1;
	return p;
}

/* 10^e <= x < 10^(e+1), unless x is a neighbour of a power that is no double. */
static int exponent_of(double x)
{
	int e = 0;

	if (x >= 1)
		while (x >= tens[e + 1])
			e++;
	else
		while (x < tenths[-e])
			e--;
	return e;
}

/* The `digits` digits of x into *ret. False: not exact here, or they do not read back though they must. */
static bool digits_of(uint64_t m, int q, int e, int digits, uint64_t *ret)
{
	int p = digits - 1 - e, s = -q - p;
	uint64_t five, whole, limit = power_of(10, digits);
	wide n, rest, half, off;

	if (p < 0 || p > MOST_POWER || s < 1 || s > 120)
		return false;
	five = power_of(5, p);
	n = (wide)m * five;
	whole = (uint64_t)(n >> s);
	rest = n - ((wide)whole << s);
	half = (wide)1 << (s - 1);
	whole += rest > half || (rest == half && (whole & 1));
	off = (wide)whole << s;
	off = off > n ? off - n : n - off;
	if (whole < limit / 10 || whole >= limit)
		return false;
	*ret = whole;
	return 2 * off < five;
}

/* As "%.*g" has them: zeros at the end left out, an exponent below 1e-4. */
static size_t digits_write(uint64_t whole, int digits, int e, char *to)
{
	char figures[MOST_DIGITS];
	size_t n = 0;
	int last = digits, point = e < -4 ? 0 : e;

	for (int i = digits - 1; i >= 0; i--, whole /= 10)
		figures[i] = (char)('0' + whole % 10);
	while (last > 1 && last > point + 1 && figures[last - 1] == '0')
		last--;
	if (point < 0) {
		memcpy(to, "0.000", 5);
		n = (size_t)(1 - point);
	}
	for (int i = 0; i < last; i++) {
		if (i == point + 1 && point >= 0)
			to[n++] = '.';
		to[n++] = figures[i];
	}
	if (e < -4)
		return n + (size_t)sprintf(to + n, "e-%02d", -e);
	to[n] = '\0';
	return n;
}

static size_t whole_write(uint64_t whole, char *to)
{
	size_t n = 1;

	for (uint64_t rest = whole; rest >= 10; rest /= 10)
		n++;
	for (size_t i = n; i-- > 0; whole /= 10)
		to[i] = (char)('0' + whole % 10);
	to[n] = '\0';
	return n;
}

static size_t by_printf(double x, char *to)
{
	int n = 0;

	for (int digits = LEAST_DIGITS; digits <= MOST_DIGITS; digits++) {
		n = snprintf(to, DECIMAL_ROOM, "%.*g", digits, x);
		if (strtod(to, NULL) == x)
			break;
	}
	return (size_t)n;
}

size_t decimal_write(double x, char *to)
{
	double size = fabs(x);
	uint64_t bits, m, whole = 0;
	int q, e, digits;

	if (!(size >= LEAST && size < MOST))
		return by_printf(x, to);
	to[0] = '-';
	if (size == floor(size))
		return (size_t)(x < 0) + whole_write((uint64_t)size, to + (x < 0));
	memcpy(&bits, &size, sizeof bits);
	m = (bits & (UINT64_MAX >> 12)) | UINT64_C(1) << 52;
	q = (int)(bits >> 52) - 1075;
	e = exponent_of(size);
	for (digits = LEAST_DIGITS; digits <= MOST_DIGITS; digits++)
		if (digits_of(m, q, e, digits, &whole))
			break;
	if (digits > MOST_DIGITS || m == UINT64_C(1) << 52) /* the gap below a power of two is half as wide */
		return by_printf(x, to);
	return (size_t)(x < 0) + digits_write(whole, digits, e, to + (x < 0));
}
