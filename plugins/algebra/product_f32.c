/* SPDX-License-Identifier: Apache-2.0
 * The product in single precision: see product.inc. And which processor this is. */
#include "algebra/product.h"

#include <math.h>

#define REAL float
#define PRODUCT product_f32
#define TYPED(name) product_f32_##name
#define FMA_SCALAR fmaf

#if defined(__x86_64__)
#include <immintrin.h>
#define AVX2_VECTOR __m256
#define AVX2_LANES 8
#define AVX2_LOAD _mm256_loadu_ps
#define AVX2_STORE _mm256_storeu_ps
#define AVX2_SPREAD _mm256_set1_ps
#define AVX2_FMA _mm256_fmadd_ps
#define AVX512_VECTOR __m512
#define AVX512_LANES 16
#define AVX512_LOAD _mm512_loadu_ps
#define AVX512_STORE _mm512_storeu_ps
#define AVX512_SPREAD _mm512_set1_ps
#define AVX512_FMA _mm512_fmadd_ps
#endif

bool product_path_runs(enum product_path path)
{
	switch (path) {
#if defined(__x86_64__)
	case PRODUCT_AVX2:
		return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
	case PRODUCT_AVX512:
		return __builtin_cpu_supports("avx512f");
#endif
	case PRODUCT_PORTABLE:
	case PRODUCT_BEST:
		return true;
	default:
		return false;
	}
}

#include "algebra/product.inc"

/* ---- what is larger than a floor ---- */

#if defined(__x86_64__)
__attribute__((target("avx512f"))) static size_t avx512_above(const float *v, size_t n, float floor, unsigned *at)
{
	const __m512 least = _mm512_set1_ps(floor);
	size_t found = 0;

	for (size_t i = 0; i < n; i += 32) {
		unsigned low = _mm512_cmp_ps_mask(_mm512_loadu_ps(v + i), least, _CMP_GT_OQ);
		unsigned high = _mm512_cmp_ps_mask(_mm512_loadu_ps(v + i + 16), least, _CMP_GT_OQ);
		for (unsigned mask = low | high << 16; mask; mask &= mask - 1)
			at[found++] = (unsigned)i + (unsigned)__builtin_ctz(mask);
	}
	return found;
}

__attribute__((target("avx2"))) static size_t avx2_above(const float *v, size_t n, float floor, unsigned *at)
{
	const __m256 least = _mm256_set1_ps(floor);
	size_t found = 0;

	for (size_t i = 0; i < n; i += 16) {
		unsigned low = (unsigned)_mm256_movemask_ps(_mm256_cmp_ps(_mm256_loadu_ps(v + i), least, _CMP_GT_OQ));
		unsigned high = (unsigned)_mm256_movemask_ps(_mm256_cmp_ps(_mm256_loadu_ps(v + i + 8), least, _CMP_GT_OQ));
		for (unsigned mask = low | high << 8; mask; mask &= mask - 1)
			at[found++] = (unsigned)i + (unsigned)__builtin_ctz(mask);
	}
	return found;
}
#endif

static size_t portable_above(const float *v, size_t n, float floor, unsigned *at)
{
	size_t found = 0;

	for (size_t i = 0; i < n; i++)
		if (v[i] > floor)
			at[found++] = (unsigned)i;
	return found;
}

size_t product_f32_above(const struct product_f32 *p, const float *v, size_t n, float floor, unsigned *at)
{
	assert(n % p->kernel->panel == 0);
#if defined(__x86_64__)
	if (p->kernel == &avx512_kernel)
		return avx512_above(v, n, floor, at);
	if (p->kernel == &avx2_kernel)
		return avx2_above(v, n, floor, at);
#endif
	return portable_above(v, n, floor, at);
}
