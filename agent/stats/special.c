/* SPDX-License-Identifier: Apache-2.0
 * A window's evidence is a thousand differences of log-gammas: lgamma() twice costs five times as
 * much as the difference done directly, and loses digits where both are large and nearly equal. */
#include "stats/special.h"

#include <assert.h>
#include <math.h>

/* Up to here a plain product is quicker than two logarithms, and cannot overflow for x < 1e20. */
#define PRODUCT_MOST 14
#define STIRLING_LEAST 10.0

static double rising_product(double x, int64_t n)
{
	double product = x;

	for (int64_t i = 1; i < n; i++)
		product *= x + (double)i;
	return product;
}

static double stirling_rest(double x)
{
	double r = 1 / x, r2 = r * r;

	return r * (1. / 12 - r2 * (1. / 360 - r2 * (1. / 1260 - r2 * (1. / 1680))));
}

double special_log_rising(double x, int64_t n)
{
	double shift = 0, y = (double)n;

	assert(x > 0 && n >= 0);
	if (n == 0)
		return 0;
	if (n <= PRODUCT_MOST)
		return log(rising_product(x, n));
	if (x < STIRLING_LEAST) {
		int64_t steps = (int64_t)ceil(STIRLING_LEAST - x);
		shift = log(rising_product(x, steps));
		x += (double)steps;
		y -= (double)steps;
	}
	/* n > PRODUCT_MOST > steps, so that y > 0. */
	return shift + (x - .5) * log1p(y / x) + y * log(x + y) - y + stirling_rest(x + y) -
	       stirling_rest(x);
}

double special_log_rising_ratio(double x, double y, int64_t n)
{
	if (n > PRODUCT_MOST)
		return special_log_rising(x, n) - special_log_rising(y, n);
	return n ? log(rising_product(x, n) / rising_product(y, n)) : 0;
}

double special_log_add(double a, double b)
{
	double most = a > b ? a : b, least = a > b ? b : a;

	return least == -INFINITY ? most : most + log1p(exp(least - most));
}

double special_chi2_quantile(double k, double z)
{
	double c = 2 / (9 * k), root = 1 - c + z * sqrt(c);

	assert(k > 0);
	return root > 0 ? k * root * root * root : 0;
}

#define GOLDEN 0.3819660112501051

/* Step of the parabola through (x, fx), (w, fw), (v, fv), or NAN where it would leave the bracket
 * or not shrink. */
static double parabola_step(double x, double w, double v, double fx, double fw, double fv,
	double low, double high, double before)
{
	double r = (x - w) * (fx - fv), q = (x - v) * (fx - fw), p = (x - v) * q - (x - w) * r;

	q = 2 * (q - r);
	if (q > 0)
		p = -p;
	q = fabs(q);
	if (fabs(p) >= fabs(q * before / 2) || p <= q * (low - x) || p >= q * (high - x))
		return NAN;
	return p / q;
}

double special_minimum(
	double (*f)(double x, const void *arg), const void *arg, double low, double high)
{
	double tolerance = (high - low) * 1e-4;
	double x = low + GOLDEN * (high - low), w = x, v = x, step = 0, before = 0;
	double fx = f(x, arg), fw = fx, fv = fx;

	for (int i = 0; i < 100; i++) {
		double middle = (low + high) / 2, u, fu, next;
		if (fabs(x - middle) <= 2 * tolerance - (high - low) / 2)
			break;
		next = fabs(before) > tolerance
			       ? parabola_step(x, w, v, fx, fw, fv, low, high, before)
			       : NAN;
		before = isnan(next) ? (x >= middle ? low : high) - x : step;
		step = isnan(next) ? GOLDEN * before : next;
		u = fabs(step) >= tolerance ? x + step : x + copysign(tolerance, step);
		fu = f(u, arg);
		if (fu <= fx) {
			*(u >= x ? &low : &high) = x;
			v = w, fv = fw, w = x, fw = fx, x = u, fx = fu;
		} else {
			*(u < x ? &low : &high) = u;
			if (fu <= fw || w == x)
				v = w, fv = fw, w = u, fw = fu;
			else if (fu <= fv || v == x || v == w)
				v = u, fv = fu;
		}
	}
	return x;
}
