/* SPDX-License-Identifier: Apache-2.0
 * Projected Newton (Bertsekas, Projected Newton Methods for Optimization Problems with Simple Constraints, SIAM J. Control 20, 1982):
 * weights at zero that want to stay there are fixed, the rest take a Newton step, cut back until the loss falls. The loss is convex
 * and a dozen columns wide, so a handful of steps end it; nothing is random. */
#include "stats/logistic.h"

#include "stats/linear.h"

#include <math.h>
#include <string.h>

#define STEPS 60
#define CUTS 40
#define SMALL 1e-9   /* of the loss: a step that gains less was the last */
#define SIZE (LOGISTIC_MOST + 1)

struct problem {
	const float *x;
	const uint8_t *class;
	size_t n, k;
	double share[2]; /* weight of a row of each class */
	double lambda;
};

static double margin(const struct problem *p, const double *w, size_t row)
{
	const float *x = p->x + row * p->k;
	double z = w[p->k];

	for (size_t j = 0; j < p->k; j++)
		z += w[j] * (double)x[j];
	return z;
}

static double mean(const double *w, size_t k)
{
	double sum = 0.0;

	for (size_t j = 0; j < k; j++)
		sum += w[j];
	return sum / (double)k;
}

static double log_1_exp(double z)
{
	return z > 0.0 ? z + log1p(exp(-z)) : log1p(exp(z));
}

static double loss(const struct problem *p, const double *w)
{
	double sum = 0.0, middle = mean(w, p->k);

	for (size_t i = 0; i < p->n; i++) {
		double z = margin(p, w, i);

		sum += p->share[p->class[i]] * log_1_exp(p->class[i] ? -z : z);
	}
	for (size_t j = 0; j < p->k; j++)
		sum += 0.5 * p->lambda * (w[j] - middle) * (w[j] - middle);
	return sum;
}

/* Gradient, and the lower triangle of the Hessian, (k + 1) x (k + 1). */
static void slopes(const struct problem *p, const double *w, double *g, double *h)
{
	size_t k = p->k, size = k + 1;
	double x[SIZE], middle = mean(w, k);

	memset(g, 0, size * sizeof *g);
	memset(h, 0, size * size * sizeof *h);
	for (size_t i = 0; i < p->n; i++) {
		double q = 1.0 / (1.0 + exp(-margin(p, w, i))), share = p->share[p->class[i]];

		for (size_t j = 0; j < k; j++)
			x[j] = (double)p->x[i * k + j];
		x[k] = 1.0;
		for (size_t j = 0; j < size; j++)
			g[j] += share * (q - (double)p->class[i]) * x[j];
		linear_gram_add(h, x, share * q * (1.0 - q), size);
	}
	for (size_t j = 0; j < k; j++) {
		g[j] += p->lambda * (w[j] - middle);
		h[j * size + j] += p->lambda;
		for (size_t m = 0; m <= j; m++)
			h[j * size + m] -= p->lambda / (double)k;
	}
}

/* The Newton step over the columns that are free; zero for the others. */
static void step_find(const struct problem *p, const double *w, const double *g, const double *h, double *step)
{
	size_t size = p->k + 1, at[SIZE], n = 0;
	double a[SIZE * SIZE], d[SIZE];

	for (size_t j = 0; j < size; j++)
		if (j == p->k || w[j] > 0.0 || g[j] < 0.0)
			at[n++] = j;
	for (size_t i = 0; i < n; i++) {
		d[i] = -g[at[i]];
		for (size_t j = 0; j <= i; j++)
			a[i * n + j] = h[at[i] * size + at[j]];
		a[i * n + i] += 1e-9 + 1e-9 * a[i * n + i];
	}
	memset(step, 0, size * sizeof *step);
	if (!linear_cholesky(a, n))
		return;
	linear_solve(a, n, d);
	for (size_t i = 0; i < n; i++)
		step[at[i]] = d[i];
}

static void move(const struct problem *p, const double *w, const double *step, double by, double *to)
{
	for (size_t j = 0; j <= p->k; j++) {
		double x = w[j] + by * step[j];

		to[j] = j < p->k && x < 0.0 ? 0.0 : x;
	}
}

/* False when no step gains anything more. */
static bool improve(const struct problem *p, double *w, double *now)
{
	double g[SIZE], h[SIZE * SIZE], step[SIZE], next[SIZE], by = 1.0;

	slopes(p, w, g, h);
	step_find(p, w, g, h, step);
	for (int cut = 0; cut < CUTS; cut++, by /= 2.0) {
		double then;

		move(p, w, step, by, next);
		then = loss(p, next);
		if (then < *now) {
			bool more = *now - then > SMALL * *now;

			memcpy(w, next, (p->k + 1) * sizeof *w);
			*now = then;
			return more;
		}
	}
	return false;
}

bool logistic_weights(const float *x, const uint8_t *class, size_t n, size_t k, double lambda, double *w)
{
	struct problem p = {x, class, n, k, {0.0, 0.0}, lambda};
	double at[SIZE] = {0}, now, count[2] = {0.0, 0.0};

	for (size_t i = 0; i < n; i++)
		count[class[i]] += 1.0;
	if (k == 0 || k > LOGISTIC_MOST || count[0] < 1.0 || count[1] < 1.0)
		return false;
	p.share[0] = 0.5 / count[0];
	p.share[1] = 0.5 / count[1];
	for (size_t j = 0; j < k; j++)
		at[j] = 0.1;
	now = loss(&p, at);
	for (int i = 0; i < STEPS && improve(&p, at, &now); i++)
		;
	memcpy(w, at, (k + 1) * sizeof *w);
	return true;
}
