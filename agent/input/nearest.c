/* SPDX-License-Identifier: Apache-2.0
 * The tables of nearest.h are made once, by long division, so that nobody has to believe 200 constants. */
#include "input/nearest.h"

#include <assert.h>
#include <locale.h>
#include <stdlib.h>

const double nearest_tens[] = {1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18,
	1e19, 1e20, 1e21, 1e22};

struct nearest_five nearest_fives[2 * NEAREST_POWER_MOST + 1];

static locale_t c_locale;

static void five_put(int q, unsigned __int128 x)
{
	nearest_fives[q + NEAREST_POWER_MOST].high = (uint64_t)(x >> 64);
	nearest_fives[q + NEAREST_POWER_MOST].low = (uint64_t)x;
}

/* floor(2^(z + 127) / five), z the bits of `five`: long division, one bit at a time. */
static unsigned __int128 reciprocal(unsigned __int128 five)
{
	unsigned __int128 rest = 1, quotient = 0;
	unsigned bits = 0;

	for (unsigned __int128 x = five; x; x >>= 1)
		bits++;
	for (unsigned i = 0; i < bits + 127; i++) {
		bool carry = rest >> 127;

		rest <<= 1;
		quotient <<= 1;
		if (carry || rest >= five) {
			rest -= five;
			quotient |= 1;
		}
	}
	return quotient;
}

static void fives_make(void)
{
	unsigned __int128 five = 1;

	for (int q = 0; q <= NEAREST_POWER_MOST; q++, five *= 5) {
		unsigned __int128 x = five;

		while (!(x >> 127))
			x <<= 1;
		five_put(q, x);
		if (q)
			five_put(-q, reciprocal(five) + (q <= 27));
	}
}

double nearest_text(const char *text)
{
	return strtod_l(text, NULL, c_locale);
}

void nearest_begin(void)
{
	fives_make();
	c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
	assert(c_locale);
}
