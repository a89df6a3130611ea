/* SPDX-License-Identifier: Apache-2.0
 * Passes over a row, for each kind of processor: see rows.inc. */
#include "algebra/rows.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

/* Vectors never cross the boundary of a function that is not inlined, so that their size is nobody's ABI. */
#pragma GCC diagnostic ignored "-Wpsabi"
#define INLINE static inline __attribute__((always_inline))

typedef float v16 __attribute__((vector_size(64)));
typedef int i16 __attribute__((vector_size(64)));
typedef float f8 __attribute__((vector_size(32)));
typedef double d8 __attribute__((vector_size(64)));

/* ---- the last n < 16 values, `rest` behind them: never a read beyond the row ---- */

INLINE v16 portable_load_some(const float *x, size_t n, float rest)
{
	v16 v = rest - (v16){0};
	memcpy(&v, x, n * sizeof *x);
	return v;
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) INLINE v16 avx2_load_some(const float *x, size_t n, float rest)
{
	const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
	const __m256i low = _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n), lane), high = _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n - 8), lane);
	const __m256 fill = _mm256_set1_ps(rest);
	__m256 half[2] = {_mm256_blendv_ps(fill, _mm256_maskload_ps(x, low), _mm256_castsi256_ps(low)),
		_mm256_blendv_ps(fill, _mm256_maskload_ps(n > 8 ? x + 8 : x, high), _mm256_castsi256_ps(high))};
	v16 v;
	memcpy(&v, half, sizeof v);
	return v;
}

__attribute__((target("avx512f"))) INLINE v16 avx512_load_some(const float *x, size_t n, float rest)
{
	return (v16)_mm512_mask_loadu_ps(_mm512_set1_ps(rest), (__mmask16)((1u << n) - 1), x);
}
#endif

/* ---- what is larger than a floor: few are, and which is a mask's business ---- */

static size_t portable_above(const float *x, size_t n, float floor, unsigned *at)
{
	size_t found = 0;

	for (size_t i = 0; i < n; i++)
		if (x[i] > floor)
			at[found++] = (unsigned)i;
	return found;
}

#if defined(__x86_64__)
static inline size_t mask_put(unsigned mask, size_t first, unsigned *at)
{
	size_t found = 0;

	for (; mask; mask &= mask - 1)
		at[found++] = (unsigned)first + (unsigned)__builtin_ctz(mask);
	return found;
}

__attribute__((target("avx2"))) static size_t avx2_above(const float *x, size_t n, float floor, unsigned *at)
{
	const __m256 least = _mm256_set1_ps(floor);
	const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
	size_t found = 0, i = 0;

	for (; i + 16 <= n; i += 16) {
		unsigned low = (unsigned)_mm256_movemask_ps(_mm256_cmp_ps(_mm256_loadu_ps(x + i), least, _CMP_GT_OQ));
		unsigned high = (unsigned)_mm256_movemask_ps(_mm256_cmp_ps(_mm256_loadu_ps(x + i + 8), least, _CMP_GT_OQ));
		found += mask_put(low | high << 8, i, at + found);
	}
	for (; i < n; i += 8) {
		__m256i there = _mm256_cmpgt_epi32(_mm256_set1_epi32((int)(n - i < 8 ? n - i : 8)), lane);
		__m256 more = _mm256_and_ps(_mm256_cmp_ps(_mm256_maskload_ps(x + i, there), least, _CMP_GT_OQ), _mm256_castsi256_ps(there));
		found += mask_put((unsigned)_mm256_movemask_ps(more), i, at + found);
	}
	return found;
}

__attribute__((target("avx512f"))) static size_t avx512_above(const float *x, size_t n, float floor, unsigned *at)
{
	const __m512 least = _mm512_set1_ps(floor);
	size_t found = 0, i = 0;

	for (; i + 32 <= n; i += 32) {
		unsigned low = _mm512_cmp_ps_mask(_mm512_loadu_ps(x + i), least, _CMP_GT_OQ);
		unsigned high = _mm512_cmp_ps_mask(_mm512_loadu_ps(x + i + 16), least, _CMP_GT_OQ);
		found += mask_put(low | high << 16, i, at + found);
	}
	for (; i < n; i += 16) {
		__mmask16 there = (__mmask16)(n - i < 16 ? (1u << (n - i)) - 1 : 0xFFFF);
		found += mask_put(_mm512_mask_cmp_ps_mask(there, _mm512_maskz_loadu_ps(there, x + i), least, _CMP_GT_OQ), i, at + found);
	}
	return found;
}
#endif

/* ---- the rest ---- */

#define NAMED(name) portable_##name
#define TARGET
#include "algebra/rows.inc"
#undef NAMED
#undef TARGET

#if defined(__x86_64__)
#define NAMED(name) avx2_##name
#define TARGET __attribute__((target("avx2")))
#include "algebra/rows.inc"
#undef NAMED
#undef TARGET

#define NAMED(name) avx512_##name
#define TARGET __attribute__((target("avx512f")))
#include "algebra/rows.inc"
#endif

const struct rows *rows_for(enum product_path path)
{
#if defined(__x86_64__)
	if ((path == PRODUCT_BEST || path == PRODUCT_AVX512) && product_path_runs(PRODUCT_AVX512))
		return &avx512_rows;
	if ((path == PRODUCT_BEST || path == PRODUCT_AVX2) && product_path_runs(PRODUCT_AVX2))
		return &avx2_rows;
#endif
	assert(path == PRODUCT_BEST || path == PRODUCT_PORTABLE);
	return &portable_rows;
}
