/* SPDX-License-Identifier: Apache-2.0
 * Short texts. Numbers of ordinary size are written here; where an exponent is told, printf does it. */
#include "base/note.h"

#include <assert.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define MOST_DIGITS 9

static const double tens[] = {1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12};

struct note note_open(char *at, size_t room)
{
	assert(room > 0);
	at[0] = '\0';
	return (struct note){at, room, 0};
}

struct note note_behind(char *at, size_t room)
{
	return (struct note){at, room, strlen(at)};
}

static void span(struct note *to, const char *text, size_t n)
{
	size_t left = to->room - 1 - to->n;

	n = n < left ? n : left;
	memcpy(to->at + to->n, text, n);
	to->n += n;
	to->at[to->n] = '\0';
}

void note_text(struct note *to, const char *text)
{
	span(to, text, strlen(text));
}

/* Of the first digit: 10^e <= x < 10^(e+1), for 1e-4 <= x < 1e9. */
static int exponent_of(double x)
{
	int e = 0;

	while (x >= tens[e + 1])
		e++;
	if (x < 1)
		e = x >= 1e-1 ? -1 : x >= 1e-2 ? -2 : x >= 1e-3 ? -3 : -4;
	return e;
}

/* `whole` has `digits` digits, the first of which stands for 10^e; zeros at the end of a fraction are left out. */
static size_t fixed_write(long whole, int digits, int e, char *to)
{
	char figures[MOST_DIGITS + 1];
	size_t n = 0;
	int last = digits;

	for (int i = digits - 1; i >= 0; i--, whole /= 10)
		figures[i] = (char)('0' + whole % 10);
	while (last > 1 && last > e + 1 && figures[last - 1] == '0')
		last--;
	if (e < 0) {
		to[n++] = '0';
		to[n++] = '.';
	}
	for (int i = e + 1; i < 0; i++)
		to[n++] = '0';
	for (int i = 0; i < last; i++) {
		if (i == e + 1 && e >= 0)
			to[n++] = '.';
		to[n++] = figures[i];
	}
	return n;
}

/* x * ten, rounded as printf does: by all of its digits, half to even. */
static double rounded(double x, double ten)
{
	double product = x * ten, whole = floor(product), rest = product - whole, lost;

	if (rest != .5)
		return rest > .5 ? whole + 1 : whole;
	lost = fma(x, ten, -product); /* a half is a number too: only there can it tell */
	return lost > 0 || (lost == 0 && fmod(whole, 2) != 0) ? whole + 1 : whole;
}

/* False where it is left to printf. */
static bool number_write(double x, int digits, char *to, size_t *ret_n)
{
	double size = fabs(x), near;
	size_t n = 0;
	int e;

	if (!(size >= 1e-4 && size < tens[digits]))
		return false;
	e = exponent_of(size);
	near = rounded(size, tens[digits - 1 - e]);
	if (near >= tens[digits])
		return false;
	if (x < 0)
		to[n++] = '-';
	*ret_n = n + fixed_write((long)near, digits, e, to + n);
	return true;
}

void note_number(struct note *to, double x, int digits)
{
	char text[40];
	size_t n;

	assert(digits >= 1 && digits <= MOST_DIGITS);
	if (x == 0 && !signbit(x))
		note_text(to, "0");
	else if (number_write(x, digits, text, &n))
		span(to, text, n);
	else
		span(to, text, (size_t)snprintf(text, sizeof text, "%.*g", digits, x));
}

static void whole_percent(struct note *to, double x)
{
	char text[40];
	size_t n = sizeof text;

	if (!(x < 1000)) {
		span(to, text, (size_t)snprintf(text, sizeof text, "%.0f", x));
		return;
	}
	for (long whole = lrint(x); whole || n == sizeof text; whole /= 10)
		text[--n] = (char)('0' + whole % 10);
	span(to, text + n, sizeof text - n);
}

void note_percent(struct note *to, double share)
{
	double x = 100 * share;
	long tenths = x < 9.95 ? lrint(10 * x) : 0;
	char one[3] = {(char)('0' + tenths / 10), '.', (char)('0' + tenths % 10)};

	if (x != 0 && x < .095)
		note_number(to, x, 2);
	else if (x < 9.95)
		span(to, one, sizeof one);
	else
		whole_percent(to, x);
	note_text(to, " %");
}
