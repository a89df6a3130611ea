/* SPDX-License-Identifier: Apache-2.0
 * Products of bytes. The bank has one unit for all of its rows, 1/127 of its largest value, and is kept as unsigned bytes (the value
 * and 128), which is what the instruction wants of one side; a row asked about has a unit of its own and stays signed. 128 times its
 * sum is taken off again.
 *
 *     panel of 32 rows: rows 0..15, dimensions 0..3 | rows 16..31, 0..3 | rows 0..15, dimensions 4..7 | ...
 *
 * How far off: x = x' + e, b = b' + f, what was rounded away; |x.b - x'.b'| <= |e| |b| + |x'| |f|. */
#include "algebra/coarse.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#define VNNI __attribute__((target("avx512f,avx512bw,avx512vnni")))

#define STEPS 127
#define MIDDLE 128
#define FOUR 4
#define TALL 12
/* What rounding of single precision adds to products of rows of length 1, here and in whoever computes the true ones, generously. */
#define SLACK 1e-5

struct coarse {
	size_t n, d, groups; /* of four dimensions: a multiple of 16 in all */
	float unit;
	double most;    /* longest row ... */
	double rounded; /* ... and the most that was rounded away from one */
	uint8_t *bank;
};

static __mmask16 there(size_t left)
{
	return (__mmask16)(left < 16 ? (1u << left) - 1 : 0xFFFF);
}

VNNI static float largest(const float *x, size_t n)
{
	__m512 most = _mm512_setzero_ps();

	for (size_t i = 0; i < n; i += 16)
		most = _mm512_max_ps(most, _mm512_abs_ps(_mm512_maskz_loadu_ps(there(n - i), x + i)));
	return _mm512_reduce_max_ps(most);
}

VNNI static double length(const float *x, size_t n)
{
	__m512 squares = _mm512_setzero_ps();

	for (size_t i = 0; i < n; i += 16) {
		__m512 v = _mm512_maskz_loadu_ps(there(n - i), x + i);
		squares = _mm512_fmadd_ps(v, v, squares);
	}
	return sqrt((double)_mm512_reduce_add_ps(squares));
}

/* In units, 16 dimensions at a time, zeros behind the last; returns the length of what is lost, `sum` that of the bytes. */
VNNI static double row_round(const float *x, size_t n, float unit, int8_t *to, int32_t *ret_sum)
{
	const __m512 one = _mm512_set1_ps(unit), steps_in_one = _mm512_set1_ps(unit > 0 ? 1 / unit : 0);
	__m512 lost = _mm512_setzero_ps();
	__m512i sum = _mm512_setzero_si512();

	for (size_t i = 0; i < n; i += 16) {
		__m512 v = _mm512_maskz_loadu_ps(there(n - i), x + i);
		__m512i steps = _mm512_cvtps_epi32(_mm512_mul_ps(v, steps_in_one));
		v = _mm512_fnmadd_ps(_mm512_cvtepi32_ps(steps), one, v);
		lost = _mm512_fmadd_ps(v, v, lost);
		sum = _mm512_add_epi32(sum, steps);
		_mm_storeu_si128((__m128i *)(to + i), _mm512_cvtsepi32_epi8(steps));
	}
	*ret_sum = _mm512_reduce_add_epi32(sum);
	return sqrt((double)_mm512_reduce_add_ps(lost));
}

static void row_pack(struct coarse *c, size_t row, const int8_t *bytes)
{
	uint8_t *panel = c->bank + row / COARSE_PANEL * COARSE_PANEL * c->groups * FOUR;

	for (size_t j = 0; j < c->d; j++)
		panel[(j / FOUR * COARSE_PANEL + row % COARSE_PANEL) * FOUR + j % FOUR] = (uint8_t)(bytes[j] + MIDDLE);
}

struct coarse *coarse_open(const float *rows, size_t n, size_t d)
{
	struct coarse *c = malloc(sizeof *c);
	int8_t *bytes = malloc(d + 16);
	int32_t sum;

	if (c)
		*c = (struct coarse){.n = n, .d = d, .groups = (d + 15) / 16 * 16 / FOUR, .unit = largest(rows, n * d) / STEPS};
	if (c)
		c->bank = aligned_alloc(64, (n + COARSE_PANEL - 1) / COARSE_PANEL * COARSE_PANEL * c->groups * FOUR + 64);
	if (!c || !bytes || !c->bank) {
		free(bytes);
		coarse_close(c);
		return NULL;
	}
	memset(c->bank, MIDDLE, (n + COARSE_PANEL - 1) / COARSE_PANEL * COARSE_PANEL * c->groups * FOUR);
	for (size_t i = 0; i < n; i++) {
		c->rounded = fmax(c->rounded, row_round(rows + i * d, d, c->unit, bytes, &sum));
		c->most = fmax(c->most, length(rows + i * d, d));
		row_pack(c, i, bytes);
	}
	free(bytes);
	return c;
}

void coarse_close(struct coarse *c)
{
	if (c)
		free(c->bank);
	free(c);
}

size_t coarse_width(const struct coarse *c)
{
	return c->groups * FOUR;
}

void coarse_row(const struct coarse *c, const float *x, int8_t *to, struct coarse_row *ret)
{
	float unit = largest(x, c->d) / STEPS;
	int32_t sum;
	double lost = row_round(x, c->d, unit, to, &sum), whole = length(x, c->d) + lost;
	double off = lost * c->most + whole * c->rounded + SLACK * whole * c->most;

	*ret = (struct coarse_row){unit > 0 && c->unit > 0 ? (float)(off / ((double)unit * (double)c->unit)) : INFINITY, MIDDLE * sum};
}

bool coarse_runs(void)
{
	return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vnni");
}

/* n rows by a panel. */
VNNI static inline __attribute__((always_inline)) void tile(const size_t n, const uint8_t *panel, size_t groups, const int8_t *x,
	const struct coarse_row *rows, float *to, size_t ldt)
{
	__m512i sum[TALL][2];

	for (size_t i = 0; i < n; i++)
		sum[i][0] = sum[i][1] = _mm512_setzero_si512();
	for (size_t g = 0; g < groups; g++, panel += COARSE_PANEL * FOUR) {
		__m512i low = _mm512_load_si512(panel), high = _mm512_load_si512(panel + 64);

#pragma GCC unroll 12
		for (size_t i = 0; i < n; i++) {
			int32_t four;
			memcpy(&four, x + (i * groups + g) * FOUR, sizeof four);
			sum[i][0] = _mm512_dpbusd_epi32(sum[i][0], low, _mm512_set1_epi32(four));
			sum[i][1] = _mm512_dpbusd_epi32(sum[i][1], high, _mm512_set1_epi32(four));
		}
	}
#pragma GCC unroll 12
	for (size_t i = 0; i < n; i++)
		for (size_t h = 0; h < 2; h++)
			_mm512_storeu_ps(to + i * ldt + 16 * h, _mm512_cvtepi32_ps(_mm512_sub_epi32(sum[i][h], _mm512_set1_epi32(rows[i].shift))));
}

VNNI static void panel_rows(const struct coarse *c, const uint8_t *panel, const int8_t *x, const struct coarse_row *rows, size_t n, float *to,
	size_t ldt)
{
	size_t i = 0, width = coarse_width(c);

	for (; i + TALL <= n; i += TALL)
		tile(TALL, panel, c->groups, x + i * width, rows + i, to + i * ldt, ldt);
	for (; i + 4 <= n; i += 4)
		tile(4, panel, c->groups, x + i * width, rows + i, to + i * ldt, ldt);
	for (; i < n; i++)
		tile(1, panel, c->groups, x + i * width, rows + i, to + i * ldt, ldt);
}

void coarse_part(const struct coarse *c, size_t from, size_t count, const int8_t *x, const struct coarse_row *rows, size_t n, float *to,
	size_t ldt)
{
	for (size_t p = 0; p < count; p += COARSE_PANEL)
		panel_rows(c, c->bank + (from + p) * c->groups * FOUR, x, rows, n, to + p, ldt);
}
#else
bool coarse_runs(void)
{
	return false;
}

struct coarse *coarse_open(const float *rows, size_t n, size_t d)
{
	(void)rows, (void)n, (void)d;
	return NULL;
}

void coarse_close(struct coarse *c)
{
	(void)c;
}

size_t coarse_width(const struct coarse *c)
{
	(void)c;
	return 0;
}

void coarse_row(const struct coarse *c, const float *x, int8_t *to, struct coarse_row *ret)
{
	(void)c, (void)x, (void)to, (void)ret;
}

void coarse_part(const struct coarse *c, size_t from, size_t count, const int8_t *x, const struct coarse_row *rows, size_t n, float *to,
	size_t ldt)
{
	(void)c, (void)from, (void)count, (void)x, (void)rows, (void)n, (void)to, (void)ldt;
}
#endif
