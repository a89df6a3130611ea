/* SPDX-License-Identifier: Apache-2.0
 * Numbers and strings by vectors, sixteen or thirty-two bytes at a time.
 *
 * Arrays of numbers are read by their commas: a bit mask of the delimiters in 64 bytes gives the start and end of each number at once,
 * so that numbers do not wait for one another; each is then read from its last byte backwards, which lines its digits up without a
 * loop. What does not fit (an exponent, more than 20 characters, an error) is left to the plain reader. */
#include "input/json_room.h"

#include <float.h>

#include "input/nearest.h"

#if defined(__x86_64__)
#include <immintrin.h>

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
		by_point[k] = k < 16 ? nearest_tens[15 - k] : 1;
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
		x = (double)(int64_t)m / nearest_tens[31 - point];
	else if (!nearest_product(m, (int)point - 31, &x))
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
	return json_plain_number(j, p, ret);
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
		return json_plain_floats(j, p, to, room, ret_n, ret_whole);
	for (; block - p <= FAR; block += 64)
		for (uint64_t mask = json_way.delimiters(block); mask; mask &= mask - 1) {
			end = block + __builtin_ctzll(mask);
			if (n == room) {
				*ret_n = n;
				return p;
			}
			if (number_between(p, end, &x)) {
				to[n] = (float)x;
			} else if (!(end = json_plain_element(j, p, to + n))) {
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
	p = json_plain_floats(j, p, to + n, room - n, &more, ret_whole);
	*ret_n = n + more;
	return p;
}

static const char *special_sse2(const char *p)
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

static AVX2 const char *special_avx2(const char *p)
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

void json_wide_way(enum json_path path, struct json_way *way)
{
	if (path == JSON_PORTABLE)
		return;
	way->special = path == JSON_AVX2 ? special_avx2 : special_sse2;
	way->number = number_sse41;
	way->floats = floats_by_commas;
	way->delimiters = path == JSON_AVX2 ? delimiters_avx2 : delimiters_sse41;
}

void json_wide_begin(void)
{
	points_make();
}

enum json_path json_path_best(void)
{
#if FLT_EVAL_METHOD == 0
	__builtin_cpu_init();
	if (__builtin_cpu_supports("avx2"))
		return JSON_AVX2;
	if (__builtin_cpu_supports("sse4.1"))
		return JSON_SSE41;
#endif
	return JSON_PORTABLE;
}

#else

void json_wide_way(enum json_path path, struct json_way *way)
{
	(void)path;
	(void)way;
}

void json_wide_begin(void)
{
}

enum json_path json_path_best(void)
{
	return JSON_PORTABLE;
}

#endif
