/* SPDX-License-Identifier: Apache-2.0
 * The double nearest to a decimal, digits * 10^power; ties to even. Exact: where both factors are exact doubles one
 * division or product rounds once (Clinger 1990); else the 128-bit product of Eisel and Lemire ("Number parsing at a gigabyte per
 * second", 2021); else strtod, in the C locale. Any thread, once nearest_begin has returned. */
#ifndef INPUT_NEAREST_H
#define INPUT_NEAREST_H

#include <float.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define NEAREST_TENS_MOST 22   /* 10^22 is the last that is an exact double */
#define NEAREST_POWER_MOST 55  /* 5^55 is the last below 2^128: enough for every number people log; the rest goes to strtod */

extern const double nearest_tens[NEAREST_TENS_MOST + 1];
/* The upper 128 bits of 5^q, -55 <= q <= 55: cut off, but for -27 <= q < 0 rounded up, as the proof of Eisel and Lemire wants. */
extern struct nearest_five {
	uint64_t high, low;
} nearest_fives[2 * NEAREST_POWER_MOST + 1]; /* made by nearest_begin */

void nearest_begin(void); /* makes the tables; once, before the first use */

/* The number that begins at `text`, by strtod. */
double nearest_text(const char *text);

/* By the 128-bit product; digits > 0. False when it does not decide the rounding, or the power is out of its range. */
static inline bool nearest_product(uint64_t digits, int power, double *ret)
{
	int q = power, zeros = __builtin_clzll(digits), upper;
	uint64_t w = digits << zeros, mantissa, bits;
	unsigned __int128 product;
	uint64_t high, low;

	if (q < -NEAREST_POWER_MOST || q > NEAREST_POWER_MOST)
		return false;
	product = (unsigned __int128)w * nearest_fives[q + NEAREST_POWER_MOST].high;
	high = (uint64_t)(product >> 64);
	low = (uint64_t)product;
	if ((high & 0x1FF) == 0x1FF) {
		uint64_t more = (uint64_t)(((unsigned __int128)w * nearest_fives[q + NEAREST_POWER_MOST].low) >> 64);

		high += __builtin_add_overflow(low, more, &low);
	}
	if (low == UINT64_MAX && (q < -27 || q > 55))
		return false;
	upper = (int)(high >> 63);
	mantissa = high >> (upper + 9); /* 54 bits: one more than a double has */
	power = (((152170 + 65536) * q) >> 16) + 63 + upper - zeros + 1023;
	if (low <= 1 && q >= -4 && q <= 23 && (mantissa & 3) == 1 && mantissa << (upper + 9) == high)
		mantissa &= ~UINT64_C(1); /* exactly half way: to even */
	mantissa = (mantissa + (mantissa & 1)) >> 1;
	if (mantissa >> 53) {
		mantissa >>= 1;
		power++;
	}
	bits = (mantissa & ~(UINT64_C(1) << 52)) | (uint64_t)power << 52;
	memcpy(ret, &bits, sizeof bits);
	return true;
}

/* `text` is the same number as written: asked only where the digits and the power do not tell. */
static inline double nearest_value(uint64_t digits, int64_t power, const char *text)
{
#if FLT_EVAL_METHOD == 0
	double x;

	if (digits <= UINT64_C(1) << 53 && power >= -NEAREST_TENS_MOST && power <= NEAREST_TENS_MOST)
		return power < 0 ? (double)digits / nearest_tens[-power] : (double)digits * nearest_tens[power];
	if (digits && power >= -NEAREST_POWER_MOST && power <= NEAREST_POWER_MOST && nearest_product(digits, (int)power, &x))
		return x;
#endif
	return nearest_text(text);
}

#endif
