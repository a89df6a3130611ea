/* SPDX-License-Identifier: Apache-2.0
 * Logarithms, exponentials, logarithms of the gamma function, and what is made of them bin by bin, of many numbers at once: a closed
 * window wants thousands, and libm makes them one by one. */
#include "stats/divergence.h"
#include "stats/rise.h"
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
/* Up to so many records the factors are multiplied out; above, Stirling's series needs no shift. */
#define RISE_FEW 10
/* Above this the difference of log-gammas has too few digits left. */
#define RISE_FAR 1e5

#define NAMED(name) plain_##name
#define TARGET
#define LANES 2
#include "stats/logs.inc"
#include "stats/rise.inc"
#undef NAMED
#undef TARGET
#undef LANES

#if defined(__x86_64__)
#define NAMED(name) avx2_##name
#define TARGET __attribute__((target("avx2")))
#define LANES 4
#include "stats/logs.inc"
#include "stats/rise.inc"
#else
#define avx2_logs plain_logs
#define avx2_log_gammas plain_log_gammas
#define avx2_exps plain_exps
#define avx2_segment plain_segment
#define avx2_spread plain_spread
#define avx2_sizes plain_sizes
#define avx2_rise plain_rise
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

void special_exps(const double *x, size_t n, double *to)
{
	(has_avx2() ? avx2_exps : plain_exps)(x, n, to);
}

/* False when all counts are 0. */
static bool group_make(struct rise_group *g, const int64_t *n, size_t from, size_t k)
{
	int64_t any = 0, few = 0;

	*g = (struct rise_group){.from = from, .k = k};
	for (size_t i = 0; i < k; i++) {
		any |= n[from + i];
		g->n[i] = (double)n[from + i];
		g->many |= n[from + i] > RISE_FEW;
		few = n[from + i] <= RISE_FEW && n[from + i] > few ? n[from + i] : few;
	}
	g->few = (int)few;
	return any != 0;
}

void rises_make(struct rises *to, const int64_t *n, size_t k)
{
	to->n = 0;
	to->k = k;
	to->all = 0;
	for (size_t i = 0; i < k; i++)
		to->all += n[i];
	for (size_t from = 0; from < k; from += RISE_LANES)
		to->n += group_make(&to->groups[to->n], n, from, k - from < RISE_LANES ? k - from : RISE_LANES);
}

/* A group that is not full reads no further than its bins. */
struct tail {
	double at[RISE_LANES];
};

static const double *tail_of(const double *from, size_t k, double rest, struct tail *to)
{
	if (!from)
		return NULL;
	*to = (struct tail){{rest, rest, rest, rest, rest, rest, rest, rest}};
	for (size_t i = 0; i < k; i++)
		to->at[i] = from[i];
	return to->at;
}

static double lanes_sum(const double *s)
{
	return ((s[0] + s[1]) + (s[2] + s[3])) + ((s[4] + s[5]) + (s[6] + s[7]));
}

/* b, known: or NULL. */
static double rises(const struct rises *r, double kappa, const double *a, const double *b, const double *known)
{
	double s[RISE_LANES] = {0};
	struct tail tails[3];
	bool avx2 = has_avx2();

	for (size_t i = 0; i < r->n; i++) {
		const struct rise_group *g = &r->groups[i];
		const double *x = a + g->from, *y = b ? b + g->from : NULL, *z = known ? known + g->from : NULL;

		if (g->k < RISE_LANES) {
			x = tail_of(x, g->k, 1, &tails[0]);
			y = tail_of(y, g->k, 1, &tails[1]);
			z = tail_of(z, g->k, 1, &tails[2]);
		}
		(avx2 ? avx2_rise : plain_rise)(g, kappa, x, y, z, s);
	}
	return lanes_sum(s);
}

double rises_sum(const struct rises *r, double kappa, const double *shares, const double *known)
{
	return rises(r, kappa, shares, NULL, known);
}

double rises_ratio(const struct rises *r, double kappa, const double *a, const double *b)
{
	return rises(r, kappa, a, b, NULL);
}

double rises_segment(const double *m, const double *t, size_t k, double s, double *ret_slope)
{
	double kl[RISE_LANES] = {0}, slope[RISE_LANES] = {0};
	struct tail tails[2];
	bool avx2 = has_avx2();

	for (size_t i = 0; i < k; i += RISE_LANES) {
		const double *mean = m + i, *to = t + i;

		if (k - i < RISE_LANES) {
			mean = tail_of(mean, k - i, 0, &tails[0]);
			to = tail_of(to, k - i, 0, &tails[1]);
		}
		(avx2 ? avx2_segment : plain_segment)(mean, to, s, kl, slope);
	}
	*ret_slope = -lanes_sum(slope);
	return -lanes_sum(kl);
}

double rises_spread(const double *counts, const double *shares, size_t k, double *ret_sum, double *ret_chance)
{
	double chi2[RISE_LANES] = {0}, chance[RISE_LANES] = {0}, even = 0, odd = 0, all;
	struct tail tails[2];
	bool avx2 = has_avx2();

	for (size_t i = 0; i + 1 < k; i += 2) {
		even += counts[i];
		odd += counts[i + 1];
	}
	all = even + odd + (k % 2 ? counts[k - 1] : 0);
	for (size_t i = 0; i < k; i += RISE_LANES) {
		const double *n = counts + i, *share = shares + i;

		if (k - i < RISE_LANES) {
			n = tail_of(n, k - i, 0, &tails[0]);
			share = tail_of(share, k - i, 0, &tails[1]);
		}
		(avx2 ? avx2_spread : plain_spread)(n, share, all, chi2, chance);
	}
	*ret_sum = all;
	*ret_chance = lanes_sum(chance);
	return lanes_sum(chi2);
}

double divergence_sizes(const double *p, const double *q, size_t k, double prior, double *ret_psi, double *ret_js, double *says)
{
	double psi[RISE_LANES] = {0}, js[RISE_LANES] = {0}, part[RISE_LANES], sum = 0;
	struct tail tails[2];
	bool avx2 = has_avx2();

	for (size_t from = 0; from < k; from += RISE_LANES) {
		size_t n = k - from < RISE_LANES ? k - from : RISE_LANES;
		const double *before = p + from, *after = q + from;

		if (n < RISE_LANES) {
			before = tail_of(before, n, 0, &tails[0]);
			after = tail_of(after, n, 0, &tails[1]);
		}
		(avx2 ? avx2_sizes : plain_sizes)(before, after, prior, DIVERGENCE_LEAST, psi, js, part);
		for (size_t i = 0; i < n; i++)
			sum += says[from + i] = part[i];
	}
	*ret_psi = lanes_sum(psi);
	*ret_js = lanes_sum(js) / (2 * LN2_HIGH + 2 * LN2_LOW);
	return sum;
}
