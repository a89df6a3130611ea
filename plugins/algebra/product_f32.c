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
