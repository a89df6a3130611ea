/* SPDX-License-Identifier: Apache-2.0
 * The arithmetic of evidence: probabilities of counts, what is learned from the reference's
 * windows, and the two steps (Shiryaev-Roberts, e-BH) that turn ratios into a promise. */
#include "stats/evidence.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "stats/special.h"

#define BLOCK 64

void evidence_log_gammas(double kappa, const double *mean, size_t k, double *to)
{
	for (size_t i = 0; i < k; i++)
		to[i] = kappa * mean[i];
	special_log_gammas(to, k, to);
}

double evidence_dm_of(const struct rises *r, double kappa, const double *mean, const double *log_gammas)
{
	return rises_sum(r, kappa, mean, log_gammas) - special_log_rising(kappa, r->all);
}

/* The rising factorials of all bins: of the shares a, less those of b unless it is NULL. */
static double rises_of(double kappa, const double *a, const double *b, const int64_t *n, size_t k)
{
	struct rise_group groups[BLOCK / RISE_LANES];
	struct rises r = {.groups = groups};
	double sum = 0;

	for (size_t i = 0; i < k; i += BLOCK) {
		rises_make(&r, n + i, k - i < BLOCK ? k - i : BLOCK);
		sum += b ? rises_ratio(&r, kappa, a + i, b + i) : rises_sum(&r, kappa, a + i, NULL);
	}
	return sum;
}

double evidence_dm(double kappa, const double *mean, const int64_t *n, size_t k)
{
	int64_t all = 0;

	for (size_t i = 0; i < k; i++)
		all += n[i];
	return rises_of(kappa, mean, NULL, n, k) - special_log_rising(kappa, all);
}

double evidence_ratio(double kappa, const double *a, const double *b, const int64_t *n, size_t k)
{
	return rises_of(kappa, a, b, n, k);
}

static void base_of(const struct evidence_windows *w, const int64_t *base, double *to)
{
	for (size_t i = 0; i < w->k; i++)
		to[i] = base ? (double)base[i] : 0;
	for (size_t t = 0; !base && t < w->n; t++)
		for (size_t i = 0; i < w->k; i++)
			to[i] += (double)w->counts[t][i];
}

/* Half a record in every bin: Jeffreys. */
static void smooth(const double *counts, const int64_t *less, size_t k, double *mean)
{
	double all = 0;

	for (size_t i = 0; i < k; i++) {
		double left = counts[i] - (double)less[i];
		mean[i] = (left > 0 ? left : 0) + .5;
		all += mean[i];
	}
	for (size_t i = 0; i < k; i++)
		mean[i] /= all;
}

struct posterior {
	const struct evidence_windows *w;
	const double *means; /* w->n x k: each window's by the others */
	struct evidence_prior prior;
	double target; /* for the search downwards */
};

static double log_posterior(const struct posterior *l, double log_kappa)
{
	double off = (log_kappa - l->prior.mean) / l->prior.sd, sum = -off * off / 2;

	for (size_t t = 0; t < l->w->n; t++)
		sum += evidence_dm(
			exp(log_kappa), l->means + t * l->w->k, l->w->counts[t], l->w->k);
	return sum;
}

static double loss(double log_kappa, const void *arg)
{
	return -log_posterior(arg, log_kappa);
}

/* The log kappa below `best` where the posterior falls to the target; 0 (kappa 1) when it never
 * does. */
static double fall_to(const struct posterior *l, double best)
{
	double low = 0, high = best;

	if (log_posterior(l, low) >= l->target)
		return low;
	while (high - low > 1e-3) {
		double middle = (low + high) / 2;
		*(log_posterior(l, middle) < l->target ? &low : &high) = middle;
	}
	return high;
}

void evidence_means(const struct evidence_windows *w, const int64_t *base, double *to)
{
	double *all = mem_alloc(w->k * sizeof *all);

	base_of(w, base, all);
	for (size_t t = 0; t < w->n; t++)
		smooth(all, w->counts[t], w->k, to + t * w->k);
	free(all);
}

double evidence_kappa(const struct evidence_windows *w, const double *means, double most,
	struct evidence_prior prior, double drop, double *ret_best, double *ret_low)
{
	struct posterior l = {.w = w, .means = means, .prior = prior};
	double best, top = log(most);

	assert(w->n > 0 && w->k > 0 && most >= 1 && drop >= 0);
	best = special_minimum(loss, &l, 0, top);
	if (log_posterior(&l, top) >= log_posterior(&l, best))
		best = top;
	l.target = log_posterior(&l, best) - drop;
	*ret_best = exp(best);
	*ret_low = exp(fall_to(&l, best));
	return l.target + drop;
}

/* (share - mean) / sqrt(mean): unit variance in every direction when windows are drawn from it. */
static void off_means(const struct evidence_windows *w, const double *means, double *to)
{
	for (size_t t = 0; t < w->n; t++) {
		const double *mean = means + t * w->k;
		double all = 0;
		for (size_t i = 0; i < w->k; i++)
			all += (double)w->counts[t][i];
		for (size_t i = 0; i < w->k; i++)
			to[t * w->k + i] = ((double)w->counts[t][i] / (all > 0 ? all : 1) - mean[i]) /
					   sqrt(mean[i]);
	}
}

/* The same, the mean being that of the windows. */
static void standardise(const struct evidence_windows *w, double *to)
{
	memset(to, 0, w->n * w->k * sizeof *to);
	for (size_t t = 0; t < w->n; t++) {
		double all = 0;
		for (size_t i = 0; i < w->k; i++)
			all += (double)w->counts[t][i];
		for (size_t i = 0; i < w->k; i++)
			to[t * w->k + i] = (double)w->counts[t][i] / (all > 0 ? all : 1);
	}
	for (size_t i = 0; i < w->k; i++) {
		double mean = 0;
		for (size_t t = 0; t < w->n; t++)
			mean += to[t * w->k + i] / (double)w->n;
		for (size_t t = 0; t < w->n; t++)
			to[t * w->k + i] = mean > 0 ? (to[t * w->k + i] - mean) / sqrt(mean) : 0;
	}
}

static double dot(const double *a, const double *b, size_t k)
{
	double sum = 0;

	for (size_t i = 0; i < k; i++)
		sum += a[i] * b[i];
	return sum;
}

/* Sum over t of <x_t, x_t+lag>, and the root of the sum of its squares: its standard error when
 * windows are independent. */
static double lagged(const double *x, size_t n, size_t k, size_t lag, double *ret_error)
{
	double sum = 0, squares = 0;

	for (size_t t = 0; t + lag < n; t++) {
		double one = dot(x + t * k, x + (t + lag) * k, k);
		sum += one;
		squares += one * one;
	}
	*ret_error = sqrt(squares);
	return sum;
}

double evidence_memory(const struct evidence_windows *w, const double *means, double z)
{
	double *x = mem_alloc(w->n * w->k * sizeof *x), error, memory = 1;
	double variance;

	if (means)
		off_means(w, means, x);
	else
		standardise(w, x);
	variance = lagged(x, w->n, w->k, 0, &error);
	/* The first lag that chance explains ends it (Geyer's initial sequence, with a test in
	 * place of a sign). */
	for (size_t lag = 1; variance > 1e-12 && lag <= w->n / 3; lag++) {
		double sum = lagged(x, w->n, w->k, lag, &error);
		if (sum <= z * error)
			break;
		memory += 2 * sum / variance * (double)w->n / (double)(w->n - lag);
	}
	free(x);
	return memory;
}

/* Standardised so that windows drawn with this kappa have unit variance in every direction. */
static void off_by_kappa(const struct evidence_windows *w, const double *means, double kappa, double *to)
{
	off_means(w, means, to);
	for (size_t t = 0; t < w->n; t++) {
		double all = 0;
		for (size_t i = 0; i < w->k; i++)
			all += (double)w->counts[t][i];
		for (size_t i = 0; i < w->k; i++)
			to[t * w->k + i] *= sqrt(all / (1 + fmax(all - 1, 0) / (kappa + 1)));
	}
}

/* The direction in which rows of x vary most: a hundred steps of the power method from where the bins are unlike. Returns y, rows along it. */
static void most_restless(const double *x, size_t n, size_t k, double *y)
{
	double *v = mem_alloc(k * sizeof *v), norm;

	for (size_t i = 0; i < k; i++)
		v[i] = sin(1.0 + (double)i);
	for (int step = 0; step < 60; step++) {
		for (size_t t = 0; t < n; t++)
			y[t] = dot(x + t * k, v, k);
		memset(v, 0, k * sizeof *v);
		for (size_t t = 0; t < n; t++)
			for (size_t i = 0; i < k; i++)
				v[i] += y[t] * x[t * k + i];
		norm = sqrt(dot(v, v, k));
		for (size_t i = 0; i < k; i++)
			v[i] = norm > 0 ? v[i] / norm : 0;
	}
	for (size_t t = 0; t < n; t++)
		y[t] = dot(x + t * k, v, k);
	free(v);
}

static void along_scores(const double *x, const struct evidence_windows *w, const double *means, const double *scores, double *y)
{
	for (size_t t = 0; t < w->n; t++) {
		const double *mean = means + t * w->k;
		double sum = 0, centre = 0, squares = 0;
		for (size_t i = 0; i < w->k; i++) {
			sum += x[t * w->k + i] * sqrt(mean[i]) * scores[i];
			centre += mean[i] * scores[i];
			squares += mean[i] * scores[i] * scores[i];
		}
		y[t] = sum / sqrt(fmax(squares - centre * centre, 1e-12));
	}
}

/* What variance the direction really has when the largest of k was found in n rows. */
static double less_the_search(double largest, double k, double n)
{
	double ratio = k / n, edge = (1 + sqrt(ratio)) * (1 + sqrt(ratio)), b = largest + 1 - ratio;

	return largest > 1.15 * edge ? (b + sqrt(b * b - 4 * largest)) / 2 : 1;
}

/* Fewer pairs of windows at a lag say nothing of it. */
#define LEAST_PAIRS 8

/* Mean of y_s y_t over pairs of windows that lie `lag` apart, and its standard error when they are independent; false: too few. at rises. */
static bool lagged_in_time(const double *y, const int64_t *at, size_t n, int64_t lag, double *ret, double *ret_error)
{
	double sum = 0, squares = 0;
	size_t pairs = 0;

	for (size_t s = 0, t = 0; s < n; s++) {
		while (t < n && at[t] < at[s] + lag)
			t++;
		if (t == n || at[t] != at[s] + lag)
			continue;
		sum += y[s] * y[t];
		squares += y[s] * y[s] * y[t] * y[t];
		pairs++;
	}
	if (pairs < LEAST_PAIRS)
		return false;
	*ret = sum / (double)pairs;
	*ret_error = sqrt(squares) / (double)pairs;
	return true;
}

/* A first lag that chance explains less than once in forty begins it; then as evidence_memory. Lags are of time: windows that other parts
 * of the reference took lie between, and at a lag that is nowhere seen it is taken for what it was before. */
static double memory_of(double *y, const int64_t *at, size_t n)
{
	double mean = 0, error = 0, variance = 0, memory = 1, now = 0;
	bool begun = false;

	for (size_t t = 0; t < n; t++)
		mean += y[t] / (double)n;
	for (size_t t = 0; t < n; t++) {
		y[t] -= mean;
		variance += y[t] * y[t] / (double)n;
	}
	for (int64_t lag = 1; variance > 1e-12 && lag <= (int64_t)(n / 3); lag++) {
		bool seen = lagged_in_time(y, at, n, lag, &now, &error);

		if (seen && now <= (begun ? 1 : 2) * error)
			break;
		begun |= seen;
		memory += begun ? 2 * now / variance : 0;
	}
	return memory;
}

void evidence_along(const struct evidence_windows *w, const int64_t *at, const double *means, double kappa, const double *scores,
	double *ret_dispersion, double *ret_memory)
{
	double *x = mem_alloc(w->n * w->k * sizeof *x), *y = mem_alloc((w->n + 1) * sizeof *y), dispersion;

	assert(w->n > 0);
	off_by_kappa(w, means, kappa, x);
	if (scores)
		along_scores(x, w, means, scores, y);
	else
		most_restless(x, w->n, w->k, y);
	dispersion = dot(y, y, w->n) / (double)w->n;
	if (!scores)
		dispersion = less_the_search(dispersion, (double)w->k, (double)w->n);
	*ret_dispersion = dispersion;
	*ret_memory = dispersion > 1 || scores ? memory_of(y, at, w->n) : 1;
	free(x);
	free(y);
}

double evidence_kl(const double *p, const double *q, size_t k)
{
	double sum = 0;

	for (size_t i = 0; i < k; i++)
		if (p[i] > 0)
			sum += p[i] * log(p[i] / q[i]);
	return sum > 0 ? sum : 0;
}

/* Where KL(m || m (1 + s t)) is about the radius: by its first three terms in s, one Newton step behind the first alone. */
static double segment_guess(const double *m, const double *t, double radius, size_t k)
{
	double c2 = 0, c3 = 0, c4 = 0, s;

	for (size_t i = 0; i < k; i++) {
		double t2 = t[i] * t[i], mt2 = m[i] * t2;
		c2 += mt2;
		c3 += mt2 * t[i];
		c4 += mt2 * t2;
	}
	s = c2 > 0 ? sqrt(2 * radius / c2) : 1;
	for (int i = 0; i < 2; i++) {
		double slope = s * (c2 - s * (c3 - s * c4));
		double next = s - (s * s * (c2 / 2 - s * (c3 / 3 - s * c4 / 4)) - radius) / slope;
		if (!(slope > 0 && next > s / 2 && next < 2 * s))
			break;
		s = next;
	}
	return fmin(s, 1);
}

double evidence_nearest(const double *m, const double *a, double radius, size_t k, double *to)
{
	double s, slope, kl;

	for (size_t i = 0; i < k; i++)
		to[i] = (a[i] - m[i]) / m[i];
	/* Newton on a convex rising function: from the left it passes the root, from the right it falls to it. */
	s = segment_guess(m, to, radius, k);
	kl = rises_segment(m, to, k, s, &slope);
	for (int i = 0; fabs(kl - radius) > radius * 1e-6 && !(s == 1 && kl < radius) && i < 40; i++) {
		s = fmin(s - (kl - radius) / slope, 1);
		kl = rises_segment(m, to, k, s, &slope);
	}
	for (size_t i = 0; i < k; i++)
		to[i] = m[i] * (1 + s * to[i]);
	return s;
}

double evidence_step(double m, double log_e)
{
	return fmin((m + 1) * exp(log_e), EVIDENCE_MOST);
}

void evidence_steps(double *m, const double *log_e, size_t n)
{
	double e[BLOCK];

	for (size_t from = 0; from < n; from += BLOCK) {
		size_t k = n - from < BLOCK ? n - from : BLOCK;

		special_exps(log_e + from, k, e);
		for (size_t i = 0; i < k; i++) {
			double next = (m[from + i] + 1) * e[i];
			m[from + i] = next < EVIDENCE_MOST ? next : EVIDENCE_MOST;
		}
	}
}

size_t evidence_ebh(const double *log_e, size_t n, double log_alpha)
{
	size_t named = 0;

	for (size_t i = 0; i < n; i++)
		if (log_e[i] >= log((double)n / (double)(i + 1)) - log_alpha)
			named = i + 1;
	return named;
}
