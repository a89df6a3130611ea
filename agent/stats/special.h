/* SPDX-License-Identifier: Apache-2.0
 * Special functions that libm lacks or is slow at. Pure; any thread. */
#ifndef STATS_SPECIAL_H
#define STATS_SPECIAL_H

#include <stddef.h>
#include <stdint.h>

/* log(x (x+1) ... (x+n-1)) = lgamma(x + n) - lgamma(x) for x > 0, n >= 0, without the cancellation:
 * relative error below 1e-12 (Stirling's series, Abramowitz & Stegun 6.1.41, behind a shift to x >=
 * 10). */
double special_log_rising(double x, int64_t n);
/* special_log_rising(x, n) - special_log_rising(y, n), in half the time. */
double special_log_rising_ratio(double x, double y, int64_t n);
/* to[i] = log(x[i]) within two units in the last place, for finite x of at least DBL_MIN: two at a time, at a third of what
 * log() costs. The same bits whatever stands beside it. `to` may be x. */
void special_logs(const double *x, size_t n, double *to);
/* to[i] = exp(x[i]) within two units in the last place; 0 below -700, as at 700 above. `to` may be x. */
void special_exps(const double *x, size_t n, double *to);
/* lgamma(x[i]) - log(2 pi) / 2, x > 0, within 3e-14 of itself or of 1; for differences, so that the constant
 * cancels. `to` may be x. */
void special_log_gammas(const double *x, size_t n, double *to);
/* log(exp(a) + exp(b)); -INFINITY is log 0. */
double special_log_add(double a, double b);
/* The value that a chi-square of k > 0 degrees of freedom exceeds as often as a standard normal
 * exceeds z (Wilson & Hilferty 1931; within 2 % for k >= 1, z <= 4). */
double special_chi2_quantile(double k, double z);
/* Where f is least on [low, high], to a relative 1e-4 of the interval (Brent 1973, chapter 5). f is
 * unimodal there. */
double special_minimum(
	double (*f)(double x, const void *arg), const void *arg, double low, double high);

#endif
