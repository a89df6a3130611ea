/* SPDX-License-Identifier: Apache-2.0
 * Vectors of msgpack, from the wire into the batch: arrays of float32 (a head and four bytes each, the wrong way round), of anything
 * else that is a number, and packed ones (`bin` of little-endian float32), which are the quickest. */
#include "input/msgpack_wire.h"

#include <math.h>
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#define AVX2 __attribute__((target("avx2")))
#endif

#define HEAD_FLOAT32 0xCA
#define HEAD_FLOAT64 0xCB
#define FLOAT32_BYTES 5
#define FLOAT64_BYTES 9

/* ---- many at once ---- */

#if defined(__x86_64__)
/* Six elements of an array of float32 in 30 bytes: turned round, brought together, their heads beside them. Stops at the first six
 * that are not whole or hold something else; the last ones are left to others. */
AVX2 static size_t singles_avx2(const char *p, const char *end, size_t n, float *to)
{
	const __m256i turned = _mm256_setr_epi8(4, 3, 2, 1, 9, 8, 7, 6, 14, 13, 12, 11, 0, 5, 10, -1, 4, 3, 2, 1, 9, 8, 7, 6, 14, 13, 12, 11, 0, 5,
			      10, -1),
		      together = _mm256_setr_epi32(0, 1, 2, 4, 5, 6, 3, 7);
	size_t i = 0;

	for (; i + 8 <= n && end - p >= 32; i += 6, p += 6 * FLOAT32_BYTES) {
		__m256i six = _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)p)),
			_mm_loadu_si128((const __m128i *)(p + 15)), 1);

		six = _mm256_permutevar8x32_epi32(_mm256_shuffle_epi8(six, turned), together);
		if (_mm256_extract_epi64(six, 3) != 0x00CACACA00CACACA)
			break;
		_mm256_storeu_si256((__m256i *)(to + i), six); /* two more than are meant: what comes next covers them */
	}
	return i;
}

/* Those looked at before the first that is not finite, or before the last few. */
AVX2 static size_t finite_avx2(const float *at, size_t n)
{
	const __m256i exponent = _mm256_set1_epi32(0x7F800000);
	size_t i = 0;

	for (; i + 16 <= n; i += 16) {
		__m256i a = _mm256_and_si256(_mm256_loadu_si256((const __m256i *)(at + i)), exponent);
		__m256i b = _mm256_and_si256(_mm256_loadu_si256((const __m256i *)(at + i + 8)), exponent);

		a = _mm256_or_si256(_mm256_cmpeq_epi32(a, exponent), _mm256_cmpeq_epi32(b, exponent));
		if (!_mm256_testz_si256(a, a))
			break;
	}
	return i;
}

static bool has_avx2(void)
{
	return __builtin_cpu_supports("avx2");
}
#endif

static bool floats_finite(const float *at, size_t n)
{
	size_t i = 0;

#if defined(__x86_64__)
	if (has_avx2())
		i = finite_avx2(at, n);
#endif
	for (; i < n; i++)
		if (!isfinite(at[i]))
			return false;
	return true;
}

/* Elements that are all float32: those read before the first that is not, or is not whole. */
static size_t singles(const char *p, const char *end, size_t n, float *to)
{
	size_t i = 0;

#if defined(__x86_64__)
	if (has_avx2())
		i = singles_avx2(p, end, n, to);
#endif
	for (p += i * FLOAT32_BYTES; i < n && end - p >= FLOAT32_BYTES && (unsigned char)*p == HEAD_FLOAT32; p += FLOAT32_BYTES)
		to[i++] = wire_float(p + 1);
	return i;
}

static size_t doubles(const char *p, const char *end, size_t n, float *to)
{
	size_t i = 0;

	for (; i < n && end - p >= FLOAT64_BYTES && (unsigned char)*p == HEAD_FLOAT64; p += FLOAT64_BYTES)
		to[i++] = (float)wire_double(p + 1);
	return i;
}

static void floats_little(const char *p, size_t n, float *to)
{
	memcpy(to, p, n * sizeof *to);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	for (size_t i = 0; i < n; i++) {
		uint32_t bits;

		memcpy(&bits, to + i, sizeof bits);
		bits = __builtin_bswap32(bits);
		memcpy(to + i, &bits, sizeof bits);
	}
#endif
}

/* ---- arrays ---- */

/* The rest of an array's elements, of any numeric kind; the first that is not a finite float goes to *ret_odd. */
static const char *floats_rest(struct cursor *c, const char *p, size_t from, size_t n, float *to, size_t *ret_odd)
{
	struct item i;

	for (size_t k = from; k < n; k++) {
		if (!(p = wire_item(c, p, &i)))
			return NULL;
		if (i.kind == ITEM_INT || i.kind == ITEM_UINT || i.kind == ITEM_FLOAT)
			to[k] = (float)i.number;
		if ((i.kind < ITEM_INT || i.kind > ITEM_FLOAT || !isfinite(to[k])) && *ret_odd == SIZE_MAX)
			*ret_odd = k;
		if (!(p = wire_skip(c, p, &i)))
			return NULL;
	}
	return p;
}

/* ---- either ---- */

/* The first `unsure` of them may not be finite; SIZE_MAX: one is not. */
static void vector_put(struct row *row, const float *at, size_t unsure, size_t n, enum field field)
{
	if (unsure == SIZE_MAX || !floats_finite(at, unsure))
		row_fault(row, REJECT_VECTOR_VALUE, "an element of %s is not a finite number", field_words[field]);
	else
		row_vector_put(row, field, n);
}

static const char *vector_array(struct cursor *c, const char *p, const struct item *head, enum field field)
{
	struct row *row = &c->d->row;
	size_t room, n = head->n, there = (size_t)(c->end - p), odd = SIZE_MAX, plain;
	float *to = row_vector_room(row, field, &room);

	if (c->depth >= c->deepest)
		return wire_wrong(c, WRONG_DEEP, p);
	if (n > there)
		return wire_wrong(c, WRONG_SHORT, c->end);
	if (n > room) {
		row_fault(row, REJECT_VECTOR_WIDTH, "%s is of width %zu, not %zu", field_words[field], n, room);
		return wire_skip(c, p, head);
	}
	plain = singles(p, c->end, n, to);
	p += FLOAT32_BYTES * plain;
	if (!plain) {
		plain = doubles(p, c->end, n, to);
		p += FLOAT64_BYTES * plain;
	}
	c->depth++;
	p = floats_rest(c, p, plain, n, to, &odd);
	c->depth--;
	if (!p)
		return NULL;
	vector_put(row, to, odd == SIZE_MAX ? plain : SIZE_MAX, n, field);
	return p;
}

static void vector_packed(struct cursor *c, const struct item *i, enum field field)
{
	struct row *row = &c->d->row;
	size_t room, n = i->n / sizeof(float);
	float *to = row_vector_room(row, field, &room);

	if (i->n % sizeof(float))
		row_fault(row, REJECT_VECTOR_VALUE, "%u bytes of %s are not float32", i->n, field_words[field]);
	else if (n > room)
		row_fault(row, REJECT_VECTOR_WIDTH, "%s is of width %zu, not %zu", field_words[field], n, room);
	else {
		floats_little(i->at, n, to);
		vector_put(row, to, n, n, field);
	}
}

const char *wire_vector(struct cursor *c, const char *p, const struct item *i, enum field field)
{
	if (i->kind == ITEM_ARRAY)
		return vector_array(c, p, i, field);
	if (i->kind == ITEM_BIN)
		vector_packed(c, i, field);
	else if (i->kind == ITEM_NIL)
		row_vector_none(&c->d->row, field);
	else
		row_fault(&c->d->row, REJECT_WRONG_TYPE, "%s is neither an array nor packed", field_words[field]);
	return wire_skip(c, p, i);
}

