/* SPDX-License-Identifier: Apache-2.0
 * Exact tails by the incomplete beta and gamma functions, turned round: shares by Newton, for slices want thousands; counts by
 * halving, for they are printed only. */
#include "stats/interval.h"

#include <assert.h>
#include <math.h>

enum { MOST_TERMS = 100000, HALVINGS = 200 };
#define TINY 1e-300
#define EXACT 1e-15

static double away_from_zero(double x)
{
	return fabs(x) < TINY ? TINY : x;
}

/* Lentz's algorithm for I_x(a, b), DLMF 8.17.22; quick for x < (a + 1) / (a + b + 2). */
static double beta_fraction(double a, double b, double x)
{
	double c = 1, d = 1 / away_from_zero(1 - (a + b) * x / (a + 1)), f = d;

	for (int m = 1; m < MOST_TERMS; m++) {
		double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
		double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)), step;

		d = 1 / away_from_zero(1 + even * d);
		c = away_from_zero(1 + even / c);
		f *= c * d;
		d = 1 / away_from_zero(1 + odd * d);
		c = away_from_zero(1 + odd / c);
		step = c * d;
		f *= step;
		if (fabs(step - 1) < EXACT)
			break;
	}
	return f;
}

/* x^a y^b / B(a, b), y = 1 - x. */
static double beta_front(double a, double b, double x, double y)
{
	return exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log(y));
}

static double beta_of(double a, double b, double x, double y, double front)
{
	if (x < (a + 1) / (a + b + 2))
		return front * beta_fraction(a, b, x) / a;
	return 1 - front * beta_fraction(b, a, y) / b;
}

double interval_beta(double a, double b, double x)
{
	assert(a > 0 && b > 0 && x >= 0 && x <= 1);
	if (x <= 0 || x >= 1)
		return x;
	return beta_of(a, b, x, 1 - x, exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log1p(-x)));
}

/* DLMF 8.11.4. */
static double gamma_series(double a, double x)
{
	double term = 1 / a, sum = term;

	for (int i = 1; i < MOST_TERMS && term > sum * EXACT; i++) {
		term *= x / (a + i);
		sum += term;
	}
	return sum * exp(a * log(x) - x - lgamma(a));
}

/* The upper function, DLMF 8.9.2 by Lentz. */
static double gamma_fraction(double a, double x)
{
	double b = x + 1 - a, c = 1 / TINY, d = 1 / away_from_zero(b), f = d;

	for (int i = 1; i < MOST_TERMS; i++) {
		double an = -i * (i - a), step;

		b += 2;
		d = 1 / away_from_zero(an * d + b);
		c = away_from_zero(b + an / c);
		step = c * d;
		f *= step;
		if (fabs(step - 1) < EXACT)
			break;
	}
	return f * exp(a * log(x) - x - lgamma(a));
}

double interval_gamma(double a, double x)
{
	assert(a > 0 && x >= 0);
	if (x <= 0)
		return 0;
	return x < a + 1 ? gamma_series(a, x) : 1 - gamma_fraction(a, x);
}

/* How many standard deviations a normal falls below its mean with probability p <= 1/2, about (Abramowitz & Stegun 26.2.23). */
static double deviate(double p)
{
	double t = sqrt(-2 * log(p));

	return t - (2.515517 + t * (.802853 + t * .010328)) / (1 + t * (1.432788 + t * (.189269 + t * .001308)));
}

/* log(x / (1 - x)) where I_x(a, b) is p <= 1/2: Newton on log I, which is concave in it, from where the normal law puts it; halves what
 * is left where a step leaves that. */
static double beta_quantile(double a, double b, double p)
{
	double low = -700, high = 700, at = log(a / b) - deviate(p) * sqrt(1 / a + 1 / b);

	for (int i = 0; i < HALVINGS; i++) {
		double x, y, front, below, next;

		at = at > low && at < high ? at : (low + high) / 2;
		x = 1 / (1 + exp(-at)), y = 1 / (1 + exp(at));
		front = beta_front(a, b, x, y);
		below = beta_of(a, b, x, y, front);
		*(below < p ? &low : &high) = at;
		next = at - (log(below) - log(p)) * below / front;
		if (fabs(next - at) < 1e-13 * fmax(1, fabs(at)) || high - low < 1e-13)
			break;
		at = next;
	}
	return at;
}

static double gamma_quantile(double a, double p)
{
	double low = 0, high = 2 * a + 100;

	for (int i = 0; i < HALVINGS; i++) {
		double x = (low + high) / 2;

		*(interval_gamma(a, x) < p ? &low : &high) = x;
	}
	return (low + high) / 2;
}

double interval_share_low(double k, double n, double tail)
{
	return k > 0 && n > 0 ? 1 / (1 + exp(-beta_quantile(k, n - k + 1, tail))) : 0;
}

double interval_share_high(double k, double n, double tail)
{
	return k < n && n > 0 ? 1 / (1 + exp(beta_quantile(n - k, k + 1, tail))) : 1;
}

double interval_count_low(double k, double tail)
{
	return k > 0 ? gamma_quantile(k, tail) : 0;
}

double interval_count_high(double k, double tail)
{
	return gamma_quantile(k + 1, 1 - tail);
}
