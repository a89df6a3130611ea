/* SPDX-License-Identifier: Apache-2.0
 * The product in double precision: see product.inc. */
#include "algebra/product.h"

#include <math.h>

#define REAL double
#define PRODUCT product_f64
#define TYPED(name) product_f64_##name
#define FMA_SCALAR fma

#if defined(__x86_64__)
#include <immintrin.h>
#define AVX2_VECTOR __m256d
#define AVX2_LANES 4
#define AVX2_LOAD _mm256_loadu_pd
#define AVX2_STORE _mm256_storeu_pd
#define AVX2_SPREAD _mm256_set1_pd
#define AVX2_FMA _mm256_fmadd_pd
#define AVX512_VECTOR __m512d
#define AVX512_LANES 8
#define AVX512_LOAD _mm512_loadu_pd
#define AVX512_STORE _mm512_storeu_pd
#define AVX512_SPREAD _mm512_set1_pd
#define AVX512_FMA _mm512_fmadd_pd
#endif

#include "algebra/product.inc"
