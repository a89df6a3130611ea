/* SPDX-License-Identifier: Apache-2.0
 * Exact tails by the incomplete beta and gamma functions, turned round by halving: a few hundred
 * calls for each interval printed, where speed is no matter. */
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

double interval_beta(double a, double b, double x)
{
	double front;

	assert(a > 0 && b > 0 && x >= 0 && x <= 1);
	if (x <= 0 || x >= 1)
		return x;
	front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log1p(-x));
	if (x < (a + 1) / (a + b + 2))
		return front * beta_fraction(a, b, x) / a;
	return 1 - front * beta_fraction(b, a, 1 - x) / b;
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

/* Where the rising I_x(a, b) is p. */
static double beta_quantile(double a, double b, double p)
{
	double low = 0, high = 1;

	for (int i = 0; i < HALVINGS; i++) {
		double x = (low + high) / 2;

		*(interval_beta(a, b, x) < p ? &low : &high) = x;
	}
	return (low + high) / 2;
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
	return k > 0 && n > 0 ? beta_quantile(k, n - k + 1, tail) : 0;
}

double interval_share_high(double k, double n, double tail)
{
	return k < n && n > 0 ? beta_quantile(k + 1, n - k, 1 - tail) : 1;
}

double interval_count_low(double k, double tail)
{
	return k > 0 ? gamma_quantile(k, tail) : 0;
}

double interval_count_high(double k, double tail)
{
	return gamma_quantile(k + 1, 1 - tail);
}
