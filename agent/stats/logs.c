/* SPDX-License-Identifier: Apache-2.0
 * Logarithms, and those of the gamma function, of many numbers at once: a closed window wants thousands, and libm makes them one by
 * one. */
#include "stats/special.h"

#include <stdbool.h>
#include <string.h>

#define EXPONENT 0x7ff
#define EXPONENT_ONE 0x3ff0000000000000
#define ROOT_HALF 0x3fe6a09e00000000 /* sqrt(1/2), cut off */
#define TWO_TO_52 0x4330000000000000
#define FRACTION 0x000fffffffffffff
#define LN2_HIGH 6.93147180369123816490e-01
#define LN2_LOW 1.90821492927058770002e-10
#define L1 6.666666666666735130e-01
#define L2 3.999999999940941908e-01
#define L3 2.857142874366239149e-01
#define L4 2.222219843214978396e-01
#define L5 1.818357216161805012e-01
#define L6 1.531383769920937332e-01
#define L7 1.479819860511658591e-01

#define STIRLING_LEAST 10.0

#define NAMED(name) plain_##name
#define TARGET
#define LANES 2
#include "stats/logs.inc"
#undef NAMED
#undef TARGET
#undef LANES

#if defined(__x86_64__)
#define NAMED(name) avx2_##name
#define TARGET __attribute__((target("avx2")))
#define LANES 4
#include "stats/logs.inc"
#else
#define avx2_logs plain_logs
#define avx2_log_gammas plain_log_gammas
#endif

static bool has_avx2(void)
{
#if defined(__x86_64__)
	return __builtin_cpu_supports("avx2");
#else
	return false;
#endif
}

void special_logs(const double *x, size_t n, double *to)
{
	(has_avx2() ? avx2_logs : plain_logs)(x, n, to);
}

void special_log_gammas(const double *x, size_t n, double *to)
{
	(has_avx2() ? avx2_log_gammas : plain_log_gammas)(x, n, to);
}
