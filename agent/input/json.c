/* SPDX-License-Identifier: Apache-2.0
 * Reading JSON numbers is most of what this agent does, so this file is the one place where instructions are counted.
 *
 * Three things make it quick. A newline ends the text, so no token checks for an end. Arrays of numbers are read by their
 * commas: a bit mask of the delimiters in 64 bytes gives the start and end of each number at once, so that numbers do not wait
 * for one another; each is then read from its last byte backwards, which lines its digits up without a loop. Whatever does
 * not fit (an exponent, more than 20 characters, an error) falls through to the plain reader, which alone decides what is
 * valid.
 *
 * Numbers are exact: where both the digits and the power of ten are exact doubles one division rounds once (Clinger 1990);
 * else the 128-bit product of Eisel and Lemire ("Number parsing at a gigabyte per second", 2021); else strtod, in the C locale. */
#include "input/json.h"

#include <assert.h>
#include <float.h>
#include <locale.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#define HAVE_X86 1
#else
#define HAVE_X86 0
#endif

#define EIGHT(byte) (UINT64_C(0x0101010101010101) * (byte))
#define HIGH_BITS EIGHT(0x80)

const char *const json_path_words[JSON_PATH_N] = {"portable", "sse4.1", "avx2"};

const uint8_t json_kinds[256] = {
	['"'] = JSON_STRING, ['{'] = JSON_OBJECT, ['['] = JSON_ARRAY, ['t'] = JSON_TRUE, ['f'] = JSON_FALSE, ['n'] = JSON_NULL,
	['-'] = JSON_NUMBER, ['0'] = JSON_NUMBER, ['1'] = JSON_NUMBER, ['2'] = JSON_NUMBER, ['3'] = JSON_NUMBER,
	['4'] = JSON_NUMBER, ['5'] = JSON_NUMBER, ['6'] = JSON_NUMBER, ['7'] = JSON_NUMBER, ['8'] = JSON_NUMBER,
	['9'] = JSON_NUMBER, ['N'] = JSON_NUMBER, ['I'] = JSON_NUMBER,
};

const char *json_fault(struct json *j, const char *at, enum json_wrong wrong, const char *expected)
{
	j->wrong = wrong;
	j->at = at;
	j->expected = expected;
	return NULL;
}

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

/* ---- numbers ---- */

/* 1 where the byte is c, else 0. Arithmetic, because a compiler's SETcc writes a byte of a register and so makes this number
 * wait for the last one: measured, half the speed. */
static inline uint64_t byte_is(const char *p, char c)
{
	return ((uint64_t)(unsigned char)(*p ^ c) - 1) >> 63;
}

/* 10^0 .. 10^22: all that are exact doubles. */
static const double tens[] = {1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17,
	1e18, 1e19, 1e20, 1e21, 1e22};

#define FIVES_MOST 55 /* 5^55 is the last below 2^128: enough for every number people log; the rest goes to strtod */

/* The upper 128 bits of 5^q, -55 <= q <= 55: cut off, but for -27 <= q < 0 rounded up, as the proof of Eisel-Lemire wants. */
static struct {
	uint64_t high, low;
} fives[2 * FIVES_MOST + 1];

static locale_t c_locale;

static void five_put(int q, unsigned __int128 x)
{
	fives[q + FIVES_MOST].high = (uint64_t)(x >> 64);
	fives[q + FIVES_MOST].low = (uint64_t)x;
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

	for (int q = 0; q <= FIVES_MOST; q++, five *= 5) {
		unsigned __int128 x = five;

		while (!(x >> 127))
			x <<= 1;
		five_put(q, x);
		if (q)
			five_put(-q, reciprocal(five) + (q <= 27));
	}
}

/* digits * 10^q, digits > 0: false when 128 bits do not decide the rounding. */
static bool eisel_lemire(uint64_t digits, int q, double *ret)
{
	int zeros = __builtin_clzll(digits), upper, power;
	uint64_t w = digits << zeros, mantissa, bits;
	unsigned __int128 product;
	uint64_t high, low;

	if (q < -FIVES_MOST || q > FIVES_MOST)
		return false;
	product = (unsigned __int128)w * fives[q + FIVES_MOST].high;
	high = (uint64_t)(product >> 64);
	low = (uint64_t)product;
	if ((high & 0x1FF) == 0x1FF) {
		uint64_t more = (uint64_t)(((unsigned __int128)w * fives[q + FIVES_MOST].low) >> 64);

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

/* m * 10^q, not negative; `text` is the same number as written. */
static inline double value_of(uint64_t m, int64_t q, const char *text)
{
	double x;

#if FLT_EVAL_METHOD == 0
	if (m <= UINT64_C(1) << 53 && q >= -22 && q <= 22)
		return q < 0 ? (double)m / tens[-q] : (double)m * tens[q];
	if (m && q >= -FIVES_MOST && q <= FIVES_MOST && eisel_lemire(m, (int)q, &x))
		return x;
#endif
	x = strtod_l(text, NULL, c_locale);
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
	return n < 20 ? value_of(m, q, text) : strtod_l(text, NULL, c_locale);
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
	*ret = signed_of(n <= 19 ? value_of(m, q, text) : many_digits(text, p, q), negative);
	return p;
}

static const char *number_portable(struct json *j, const char *p, double *ret)
{
	return number_plain(j, p, ret);
}

/* ---- strings ---- */

/* The first byte at or behind p that is a quote, a backslash, a control character, or not ASCII. */
static const char *plain_portable(const char *p)
{
	for (;; p += 8) {
		uint64_t x = load8(p), quote = x ^ EIGHT('"'), slash = x ^ EIGHT('\\'), hit;

		hit = ((quote - EIGHT(1)) & ~quote) | ((slash - EIGHT(1)) & ~slash) | ((x - EIGHT(0x20)) & ~x) | x;
		hit &= HIGH_BITS;
		if (hit)
			return p + __builtin_ctzll(hit) / 8;
	}
}

static inline unsigned continuation(const char *p)
{
	return ((unsigned char)*p & 0xC0) == 0x80;
}

/* One character of two to four bytes: shortest form, no surrogates, nothing above U+10FFFF. NULL: none. */
static const char *utf8_one(const char *p)
{
	unsigned a = (unsigned char)p[0], b = (unsigned char)p[1];

	if (a >= 0xC2 && a < 0xE0)
		return continuation(p + 1) ? p + 2 : NULL;
	if ((a & 0xF0) == 0xE0) {
		if (!continuation(p + 1) || (a == 0xE0 && b < 0xA0) || (a == 0xED && b > 0x9F) || !continuation(p + 2))
			return NULL;
		return p + 3;
	}
	if (a >= 0xF0 && a < 0xF5) {
		if (!continuation(p + 1) || (a == 0xF0 && b < 0x90) || (a == 0xF4 && b > 0x8F) || !continuation(p + 2) ||
			!continuation(p + 3))
			return NULL;
		return p + 4;
	}
	return NULL;
}

size_t json_utf8(const char *at, size_t n)
{
	size_t i = 0;

	while (i < n) {
		char one[4] = {0};
		const char *end;

		if (n - i >= 8 && !(load8(at + i) & HIGH_BITS)) {
			i += 8;
			continue;
		}
		if ((unsigned char)at[i] < 0x80) {
			i++;
			continue;
		}
		memcpy(one, at + i, n - i < 4 ? n - i : 4);
		if (!(end = utf8_one(one)))
			break;
		i += (size_t)(end - one);
	}
	return i;
}

static const int8_t hex_values[256] = {
	['0'] = 1, ['1'] = 2, ['2'] = 3, ['3'] = 4, ['4'] = 5, ['5'] = 6, ['6'] = 7, ['7'] = 8, ['8'] = 9, ['9'] = 10,
	['a'] = 11, ['b'] = 12, ['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16,
	['A'] = 11, ['B'] = 12, ['C'] = 13, ['D'] = 14, ['E'] = 15, ['F'] = 16,
};

/* Four hexadecimal digits; -1 when they are not. */
static int hex_four(const char *p)
{
	int x = 0;

	for (int i = 0; i < 4; i++) {
		int digit = hex_values[(unsigned char)p[i]] - 1;

		if (digit < 0)
			return -1;
		x = x << 4 | digit;
	}
	return x;
}

static const char escapes[256] = {
	['"'] = '"', ['\\'] = '\\', ['/'] = '/', ['b'] = '\b', ['f'] = '\f', ['n'] = '\n', ['r'] = '\r', ['t'] = '\t',
};

/* p at a backslash: behind the escape, or NULL. */
static const char *escape_check(struct json *j, const char *p)
{
	int high, low;

	if (escapes[(unsigned char)p[1]])
		return p + 2;
	if (p[1] != 'u')
		return json_fault(j, p + 1, JSON_SYNTAX, "an escape: one of \"\\/bfnrtu");
	high = hex_four(p + 2);
	if (high < 0)
		return json_fault(j, p + 2, JSON_SYNTAX, "four hexadecimal digits");
	if (high < 0xD800 || high > 0xDFFF)
		return p + 6;
	if (high > 0xDBFF || p[6] != '\\' || p[7] != 'u')
		return json_fault(j, p, JSON_UTF8, "both halves of a surrogate pair");
	low = hex_four(p + 8);
	if (low < 0xDC00 || low > 0xDFFF)
		return json_fault(j, p, JSON_UTF8, "both halves of a surrogate pair");
	return p + 12;
}

static char *utf8_put(char *to, unsigned c)
{
	if (c < 0x80) {
		*to++ = (char)c;
	} else if (c < 0x800) {
		*to++ = (char)(0xC0 | c >> 6);
		*to++ = (char)(0x80 | (c & 0x3F));
	} else if (c < 0x10000) {
		*to++ = (char)(0xE0 | c >> 12);
		*to++ = (char)(0x80 | (c >> 6 & 0x3F));
		*to++ = (char)(0x80 | (c & 0x3F));
	} else {
		*to++ = (char)(0xF0 | c >> 18);
		*to++ = (char)(0x80 | (c >> 12 & 0x3F));
		*to++ = (char)(0x80 | (c >> 6 & 0x3F));
		*to++ = (char)(0x80 | (c & 0x3F));
	}
	return to;
}

size_t json_unescape(struct json_text t, char *to)
{
	const char *p = t.at, *end = t.at + t.n;
	char *begin = to;

	while (p < end) {
		unsigned c;

		if (*p != '\\') {
			*to++ = *p++;
			continue;
		}
		if (p[1] != 'u') {
			*to++ = escapes[(unsigned char)p[1]];
			p += 2;
			continue;
		}
		c = (unsigned)hex_four(p + 2);
		p += 6;
		if (c >= 0xD800 && c <= 0xDFFF) {
			c = 0x10000 + ((c - 0xD800) << 10) + ((unsigned)hex_four(p + 2) - 0xDC00);
			p += 6;
		}
		to = utf8_put(to, c);
	}
	return (size_t)(to - begin);
}

/* ---- the ways through ---- */

static const char *floats_portable(struct json *j, const char *p, float *to, size_t room, size_t *ret_n, bool *ret_whole);

static struct {
	const char *(*plain)(const char *p);
	const char *(*number)(struct json *j, const char *p, double *ret);
	const char *(*floats)(struct json *j, const char *p, float *to, size_t room, size_t *ret_n, bool *ret_whole);
	uint64_t (*delimiters)(const char *p);
} way = {.plain = plain_portable, .number = number_portable, .floats = floats_portable};

const char *json_number(struct json *j, const char *p, double *ret)
{
	return way.number(j, p, ret);
}

const char *json_string(struct json *j, const char *p, struct json_text *ret)
{
	const char *begin = p;
	bool escaped = false;

	for (;;) {
		p = way.plain(p);
		if (*p == '"')
			break;
		if (*p == '\\') {
			escaped = true;
			if (!(p = escape_check(j, p)))
				return NULL;
		} else if ((unsigned char)*p < 0x20) {
			return json_fault(j, p, JSON_SYNTAX, "'\"' (control characters must be escaped)");
		} else {
			const char *was = p;

			do
				p = utf8_one(was = p);
			while (p && (unsigned char)*p >= 0x80);
			if (!p)
				return json_fault(j, was, JSON_UTF8, "UTF-8");
		}
	}
	*ret = (struct json_text){begin, (size_t)(p - begin), escaped};
	return p + 1;
}

const char *json_key(struct json *j, const char *p, struct json_text *ret)
{
	if (*p != '"')
		return json_fault(j, p, JSON_SYNTAX, "a key in quotes");
	if (!(p = json_string(j, p + 1, ret)))
		return NULL;
	p = json_blanks(p);
	return *p == ':' ? json_blanks(p + 1) : json_fault(j, p, JSON_SYNTAX, "':'");
}

const char *json_literal(struct json *j, const char *p)
{
	static const struct {
		const char *word;
		size_t n;
	} words[] = {[JSON_TRUE] = {"true", 4}, [JSON_FALSE] = {"false", 5}, [JSON_NULL] = {"null", 4}};
	unsigned kind = json_kinds[(unsigned char)*p];

	if (kind < JSON_TRUE || memcmp(p, words[kind].word, words[kind].n))
		return json_fault(j, p, JSON_SYNTAX, "a value");
	return p + words[kind].n;
}

const char *json_floats(struct json *j, const char *p, float *to, size_t room, size_t *ret_n, bool *ret_whole)
{
	p = json_blanks(p);
	*ret_n = 0;
	*ret_whole = *p == ']';
	return *ret_whole ? p + 1 : way.floats(j, p, to, room, ret_n, ret_whole);
}

/* One element, blanks around it allowed: the delimiter behind it; NULL with a fault; or NULL without one: not a finite float. */
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

static const char *element(struct json *j, const char *p, float *ret)
{
	return element_plain(j, p, ret);
}

static const char *floats_portable(struct json *j, const char *p, float *to, size_t room, size_t *ret_n, bool *ret_whole)
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

#if HAVE_X86
#define SSE41 __attribute__((target("sse4.1")))
#define AVX2 __attribute__((target("avx2")))

/* L bytes kept at the end of 16: load at keep + L. */
static const uint8_t keep[32] = {[16] = 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255};

/* Shuffles that take out the '.' at byte k and move what stands before it up to it; [16]: there is none. [15] leaves it,
 * because digits must follow. */
static _Alignas(16) uint8_t without_point[17][16];
/* What to divide by then; [16]: no fraction. */
static double by_point[17];

static void points_make(void)
{
	for (int k = 0; k <= 16; k++) {
		for (int i = 0; i < 16; i++)
			without_point[k][i] = (uint8_t)(k >= 15 || i > k ? i : i ? i - 1 : 0x80);
		by_point[k] = k < 16 ? tens[15 - k] : 1;
	}
}

/* 16 digits, most significant first. */
static inline SSE41 uint64_t digits16(__m128i v)
{
	const __m128i ones = _mm_set1_epi16(0x010A), hundreds = _mm_set1_epi32(0x00010064), myriads = _mm_set1_epi32(0x00012710);
	uint64_t halves;

	v = _mm_madd_epi16(_mm_maddubs_epi16(v, ones), hundreds);
	v = _mm_madd_epi16(_mm_packus_epi32(v, v), myriads);
	halves = (uint64_t)_mm_cvtsi128_si64(v);
	return (halves & 0xFFFFFFFF) * 100000000 + (halves >> 32);
}

/* The characters of a number's last `n` bytes (at most 16, the window ends with them): digits but for one '.', whose place
 * goes to *ret_point (16: none). Anything else, a '.' at the very end too: *bad is not 0. */
static inline SSE41 uint64_t window(const char *end, size_t n, size_t *ret_point, uint64_t *bad)
{
	__m128i x = _mm_loadu_si128((const __m128i *)(const void *)(end - 16));
	__m128i kept = _mm_loadu_si128((const __m128i *)(const void *)(keep + n)), v;
	unsigned points = (unsigned)_mm_movemask_epi8(_mm_and_si128(_mm_cmpeq_epi8(x, _mm_set1_epi8('.')), kept));
	size_t point = (size_t)__builtin_ctz(points | 0x10000);

	v = _mm_and_si128(_mm_sub_epi8(x, _mm_set1_epi8('0')), kept);
	v = _mm_shuffle_epi8(v, _mm_load_si128((const __m128i *)(const void *)without_point[point]));
	*bad |= (uint64_t)_mm_movemask_epi8(_mm_adds_epu8(v, _mm_set1_epi8(127 - 9))); /* above 9: the sign bit */
	*ret_point = point;
	return digits16(v);
}

/* Does it begin with a digit, and with 0 only before something else than a digit? Both bytes as one number, less '0' each: one
 * range holds all that is allowed. */
static inline bool begins_well(const char *s)
{
	unsigned two = ((unsigned)(unsigned char)s[0] << 8 | (unsigned char)s[1]) ^ 0x3030;

	return two - 10 < 0x0A00 - 10;
}

static inline SSE41 double with_sign(double x, uint64_t negative)
{
	static const _Alignas(16) uint64_t signs[2][2] = {{0}, {UINT64_C(1) << 63}};
	__m128i sign = _mm_load_si128((const __m128i *)(const void *)signs[negative]);

	return _mm_cvtsd_f64(_mm_xor_pd(_mm_set_sd(x), _mm_castsi128_pd(sign)));
}

/* 17 to 20 characters, the '.' among the first of them: what a double prints. */
static SSE41 bool long_between(const char *s, const char *end, size_t n, double *ret, uint64_t negative)
{
	size_t point, none;
	uint64_t bad = 0, upper = window(end - 16, n - 16, &point, &bad), m = upper * UINT64_C(10000000000000000);
	double x;

	m += window(end, 16, &none, &bad);
	if (bad | (none != 16) | (point == 16) || !begins_well(s))
		return false;
	if (!(m >> 53))
		x = (double)(int64_t)m / tens[31 - point];
	else if (!eisel_lemire(m, (int)point - 31, &x))
		return false;
	*ret = with_sign(x, negative);
	return true;
}

/* A number that fills [s, end) but for one blank before it: false when it is of no common form, or none at all. */
static inline SSE41 bool number_between(const char *s, const char *end, double *ret)
{
	uint64_t negative, m, bad = 0;
	size_t n, point;

	if (__builtin_expect(*s == ' ', 0)) /* of a whole log or of none: a branch costs nothing */
		s++;
	negative = byte_is(s, '-');
	s += negative;
	n = (size_t)(end - s);
	if (__builtin_expect(n - 1 >= 16, 0))
		return n - 17 < 4 && long_between(s, end, n, ret, negative);
	m = window(end, n, &point, &bad);
	if (__builtin_expect(bad || !begins_well(s), 0))
		return false;
	*ret = with_sign((double)(int64_t)m / by_point[point], negative);
	return true;
}

/* A number in an object: it ends at the first ',' or '}'. */
static SSE41 const char *number_sse41(struct json *j, const char *p, double *ret)
{
	__m128i x = _mm_loadu_si128((const __m128i *)(const void *)p);
	__m128i hit = _mm_or_si128(_mm_cmpeq_epi8(x, _mm_set1_epi8(',')), _mm_cmpeq_epi8(x, _mm_set1_epi8('}')));
	unsigned mask = (unsigned)_mm_movemask_epi8(hit);
	const char *end = p + __builtin_ctz(mask | 0x10000);

	if (mask && p - j->begin >= 16 && number_between(p, end, ret))
		return end;
	return number_portable(j, p, ret);
}

/* Bit i: byte i of 64 is ',' or ']'. */
static SSE41 uint64_t delimiters_sse41(const char *p)
{
	const __m128i comma = _mm_set1_epi8(','), bracket = _mm_set1_epi8(']');
	uint64_t mask = 0;

	for (int i = 0; i < 4; i++) {
		__m128i x = _mm_loadu_si128((const __m128i *)(const void *)(p + 16 * i));
		__m128i hit = _mm_or_si128(_mm_cmpeq_epi8(x, comma), _mm_cmpeq_epi8(x, bracket));

		mask |= (uint64_t)(unsigned)_mm_movemask_epi8(hit) << (16 * i);
	}
	return mask;
}

static AVX2 uint64_t delimiters_avx2(const char *p)
{
	const __m256i comma = _mm256_set1_epi8(','), bracket = _mm256_set1_epi8(']');
	uint64_t mask = 0;

	for (int i = 0; i < 2; i++) {
		__m256i x = _mm256_loadu_si256((const __m256i *)(const void *)(p + 32 * i));
		__m256i hit = _mm256_or_si256(_mm256_cmpeq_epi8(x, comma), _mm256_cmpeq_epi8(x, bracket));

		mask |= (uint64_t)(unsigned)_mm256_movemask_epi8(hit) << (32 * i);
	}
	return mask;
}

#define FAR 256 /* no number is that long; a longer stretch without a delimiter is given to the plain reader */

static SSE41 const char *floats_by_commas(struct json *j, const char *p, float *to, size_t room, size_t *ret_n, bool *ret_whole)
{
	const char *block = p, *end;
	size_t n = 0, more = 0;
	double x;

	if (p - j->begin < 32)
		return floats_portable(j, p, to, room, ret_n, ret_whole);
	for (; block - p <= FAR; block += 64)
		for (uint64_t mask = way.delimiters(block); mask; mask &= mask - 1) {
			end = block + __builtin_ctzll(mask);
			if (n == room) {
				*ret_n = n;
				return p;
			}
			if (number_between(p, end, &x)) {
				to[n] = (float)x;
			} else if (!(end = element(j, p, to + n))) {
				*ret_n = n;
				return j->wrong ? NULL : p;
			}
			n++;
			p = end + 1;
			if (*end == ']') {
				*ret_n = n;
				*ret_whole = true;
				return p;
			}
		}
	p = floats_portable(j, p, to + n, room - n, &more, ret_whole);
	*ret_n = n + more;
	return p;
}

static const char *plain_sse2(const char *p)
{
	for (;; p += 16) {
		__m128i x = _mm_loadu_si128((const __m128i *)(const void *)p);
		__m128i hit = _mm_or_si128(_mm_cmpeq_epi8(x, _mm_set1_epi8('"')), _mm_cmpeq_epi8(x, _mm_set1_epi8('\\')));
		unsigned mask;

		/* As signed bytes, control characters and those above 127 are both less than a blank. */
		hit = _mm_or_si128(hit, _mm_cmplt_epi8(x, _mm_set1_epi8(' ')));
		mask = (unsigned)_mm_movemask_epi8(hit);
		if (mask)
			return p + __builtin_ctz(mask);
	}
}

static AVX2 const char *plain_avx2(const char *p)
{
	for (;; p += 32) {
		__m256i x = _mm256_loadu_si256((const __m256i *)(const void *)p);
		__m256i hit = _mm256_or_si256(_mm256_cmpeq_epi8(x, _mm256_set1_epi8('"')), _mm256_cmpeq_epi8(x, _mm256_set1_epi8('\\')));
		unsigned mask;

		hit = _mm256_or_si256(hit, _mm256_cmpgt_epi8(_mm256_set1_epi8(' '), x));
		mask = (unsigned)_mm256_movemask_epi8(hit);
		if (mask)
			return p + __builtin_ctz(mask);
	}
}
#endif

enum json_path json_path_best(void)
{
#if HAVE_X86 && FLT_EVAL_METHOD == 0
	__builtin_cpu_init();
	if (__builtin_cpu_supports("avx2"))
		return JSON_AVX2;
	if (__builtin_cpu_supports("sse4.1"))
		return JSON_SSE41;
#endif
	return JSON_PORTABLE;
}

bool json_path_set(enum json_path path)
{
	if (path > json_path_best())
		return false;
	way.plain = plain_portable;
	way.number = number_portable;
	way.floats = floats_portable;
#if HAVE_X86
	if (path != JSON_PORTABLE) {
		way.plain = path == JSON_AVX2 ? plain_avx2 : plain_sse2;
		way.delimiters = path == JSON_AVX2 ? delimiters_avx2 : delimiters_sse41;
		way.number = number_sse41;
		way.floats = floats_by_commas;
	}
#endif
	return true;
}

static void begin_once(void)
{
	fives_make();
	c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
	assert(c_locale);
#if HAVE_X86
	points_make();
#endif
	json_path_set(json_path_best());
}

void json_begin(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, begin_once);
}

/* ---- values nobody asked for ---- */

/* Which of the open levels are objects: one bit each. */
struct levels {
	unsigned n;
	uint64_t object[JSON_DEEPEST / 64];
};

static void level_push(struct levels *l, bool object)
{
	uint64_t bit = UINT64_C(1) << l->n % 64;

	l->object[l->n / 64] = object ? l->object[l->n / 64] | bit : l->object[l->n / 64] & ~bit;
	l->n++;
}

static bool level_object(const struct levels *l)
{
	return l->object[(l->n - 1) / 64] >> (l->n - 1) % 64 & 1;
}

static const char *key_skip(struct json *j, const char *p)
{
	struct json_text key;

	return json_key(j, p, &key);
}

static const char *scalar_skip(struct json *j, const char *p)
{
	struct json_text text;
	double number;

	switch ((enum json_kind)json_kinds[(unsigned char)*p]) {
	case JSON_STRING:
		return json_string(j, p + 1, &text);
	case JSON_NUMBER:
		return json_number(j, p, &number);
	default:
		return json_literal(j, p);
	}
}

/* Behind a value: close the levels that end there; at the next value, or behind the last level (then n is 0). */
static const char *close_or_next(struct json *j, const char *p, struct levels *l)
{
	while (l->n) {
		bool object = level_object(l);

		p = json_blanks(p);
		if (*p == ',') {
			p = json_blanks(p + 1);
			return object ? key_skip(j, p) : p;
		}
		if (*p != (object ? '}' : ']'))
			return json_fault(j, p, JSON_SYNTAX, object ? "',' or '}'" : "',' or ']'");
		l->n--;
		p++;
	}
	return p;
}

/* Without recursion: how deep a log nests is not for it to decide. */
const char *json_skip(struct json *j, const char *p)
{
	struct levels l;

	assert(j->deepest <= JSON_DEEPEST);
	l.n = 0;
	do {
		enum json_kind kind = json_kinds[(unsigned char)*p];

		if (kind == JSON_OBJECT || kind == JSON_ARRAY) {
			if (j->depth + l.n >= j->deepest)
				return json_fault(j, p, JSON_DEEP, "less nesting");
			level_push(&l, kind == JSON_OBJECT);
			p = json_blanks(p + 1);
			if (*p != (kind == JSON_OBJECT ? '}' : ']')) {
				if (kind == JSON_OBJECT && !(p = key_skip(j, p)))
					return NULL;
				continue;
			}
			l.n--;
			p++;
		} else if (!(p = scalar_skip(j, p))) {
			return NULL;
		}
		if (!(p = close_or_next(j, p, &l)))
			return NULL;
	} while (l.n);
	return p;
}

const char *json_skip_elements(struct json *j, const char *p)
{
	p = json_blanks(p);
	for (;;) {
		if (!(p = json_skip(j, p)))
			return NULL;
		p = json_blanks(p);
		if (*p == ']')
			return p + 1;
		if (*p != ',')
			return json_fault(j, p, JSON_SYNTAX, "',' or ']'");
		p = json_blanks(p + 1);
	}
}
