/* SPDX-License-Identifier: Apache-2.0
 * The nearest pair on a line, and the ratio to it. */
#include "stats/two_sample.h"

#include <assert.h>
#include <math.h>

/* Derivative of n KL(a || t), and its own: convex, for the second is (t - a)^2 + a (1 - a) over (t (1 - t))^2. */
static double slope(double n, double a, double t, double *ret_rise)
{
	double v = t * (1 - t);

	*ret_rise += n * ((t - a) * (t - a) + a * (1 - a)) / (v * v);
	return n * (t - a) / v;
}

/* Newton's steps between bounds that close in: the slope rises from -inf to +inf. */
static double nearest(const double n[2], const double a[2], double margin)
{
	double low = fmax(0, -margin), high = fmin(1, 1 - margin), t = (low + high) / 2;

	for (int i = 0; i < 100 && high - low > 1e-15; i++) {
		double rise = 0, at = slope(n[0], a[0], t, &rise), step;

		at += slope(n[1], a[1], t + margin, &rise);
		step = at / rise;
		if (fabs(step) < 1e-14)
			break;
		*(at < 0 ? &low : &high) = t;
		t = t - step > low && t - step < high ? t - step : (low + high) / 2;
	}
	return t;
}

static double log_ratio(double x, double n, double a, double t)
{
	return x * log(a / t) + (n - x) * log((1 - a) / (1 - t));
}

double two_sample_log_e(const double x[2], const double n[2], const double a[2], double margin, enum two_sample_null null)
{
	double off = a[1] - a[0] - margin, t;

	assert(a[0] > 0 && a[0] < 1 && a[1] > 0 && a[1] < 1 && fabs(margin) < 1);
	if ((null == TWO_SAMPLE_AT_MOST ? off <= 0 : off >= 0) || n[0] + n[1] <= 0)
		return 0;
	t = nearest(n, a, margin);
	return log_ratio(x[0], n[0], a[0], t) + log_ratio(x[1], n[1], a[1], t + margin);
}

double two_sample_half_width(double variance, double weight, double rho, double alpha)
{
	return weight > 0 ? sqrt((variance + rho) * log((variance + rho) / (rho * alpha * alpha))) / weight : INFINITY;
}
