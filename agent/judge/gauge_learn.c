/* SPDX-License-Identifier: Apache-2.0
 * How far windows of the reference are from the rest of it. Each is compared with the windows of other stretches of time, never
 * with its own neighbours, as a live one will be. */
#include "judge/gauge.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "judge/caution.h"

#define STRETCHES 10
#define MOST_PAIRS 200

struct heights {
	const struct reference_window **windows; /* oldest first */
	struct oodd_comparison *of;
	double *height;
	size_t n;
};

static int by_start(const void *a, const void *b)
{
	const struct reference_window *x = *(const struct reference_window *const *)a,
				      *y = *(const struct reference_window *const *)b;

	return (x->start_us > y->start_us) - (x->start_us < y->start_us);
}

/* Window detectors learn from the fit part alone, so all others are as good as live ones. */
static void windows_take(const struct reference *r, const struct statistic *s, struct heights *h)
{
	size_t room = r->n_windows + r->n_others + 1;

	*h = (struct heights){.windows = mem_alloc(room * sizeof *h->windows),
		.of = mem_alloc(room * sizeof *h->of),
		.height = mem_alloc(room * sizeof *h->height)};
	for (size_t i = 0; i < r->n_windows + r->n_others; i++) {
		const struct reference_window *w = i < r->n_windows ? &r->windows[i] : &r->others[i - r->n_windows];

		if (w->v[s->first] > 0)
			h->windows[h->n++] = w;
	}
	qsort(h->windows, h->n, sizeof *h->windows, by_start);
}

static void heights_done(struct heights *h)
{
	free(h->windows);
	free(h->of);
	free(h->height);
}

/* Vectors come from a file: wrapping, where they are absurd, is defined. */
static void stretch_add(int64_t *to, const int64_t *v, size_t n, uint64_t times)
{
	for (size_t i = 0; i < n; i++)
		to[i] = (int64_t)((uint64_t)to[i] + times * (uint64_t)v[i]);
}

/* Windows that cannot be compared are dropped. */
static void windows_compare(const struct statistic *s, struct heights *h)
{
	size_t n = s->width + 1, kept = 0, stretches = h->n < STRETCHES ? h->n : STRETCHES;
	int64_t *rest = mem_alloc(n * sizeof *rest);

	for (size_t b = 0; b < stretches; b++) {
		size_t from = h->n * b / stretches, to = h->n * (b + 1) / stretches;

		memcpy(rest, s->base, n * sizeof *rest);
		for (size_t t = from; t < to; t++)
			stretch_add(rest, h->windows[t]->v + s->first, n, UINT64_MAX);
		for (size_t t = from; t < to; t++)
			if (statistic_compare(s, rest, h->windows[t]->v + s->first, &h->of[kept]))
				h->windows[kept++] = h->windows[t];
	}
	h->n = kept;
	free(rest);
}

static double mean_of(const double *x, size_t n)
{
	double sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += x[i];
	return sum / (double)n;
}

/* How much more than chance windows are apart: as a multiple of chance, and as an addition to it. */
static void excess_find(struct statistic *s, const struct heights *h)
{
	s->ratio = s->excess = 0;
	for (size_t t = 0; t < h->n; t++) {
		s->ratio += h->of[t].statistic / h->of[t].expected / (double)h->n;
		s->excess += (h->of[t].statistic - h->of[t].expected) / (double)h->n;
	}
	s->ratio = fmax(s->ratio, 1);
	s->excess = fmax(s->excess, 0);
}

/* Mean of how far windows are apart that lie `lag` apart, and its standard error; NAN where they cannot be compared. Of a
 * thousand pairs at most. */
static double apart_by(const struct statistic *s, const struct heights *h, size_t lag, double *ret_error)
{
	size_t step = 1 + (h->n - lag) / MOST_PAIRS, n = 0;
	double sum = 0, squares = 0;

	for (size_t t = lag; t < h->n; t += step) {
		struct oodd_comparison c;
		double x;
		if (!statistic_compare(s, h->windows[t - lag]->v + s->first, h->windows[t]->v + s->first, &c))
			continue;
		x = c.statistic / c.expected;
		sum += x;
		squares += x * x;
		n++;
	}
	*ret_error = sqrt(fmax(squares / (double)n - sum / (double)n * sum / (double)n, 0) / (double)n);
	return n ? sum / (double)n : NAN;
}

/* How far windows are apart that have nothing to do with one another: those of the two halves. */
static double apart_by_half(const struct statistic *s, const struct heights *h)
{
	double sum = 0, error;
	size_t n = 0;

	for (size_t lag = h->n / 2; lag < h->n - h->n / 8; lag += 1 + h->n / 16) {
		double one = apart_by(s, h, lag, &error);
		if (isnan(one))
			return NAN;
		sum += one;
		n++;
	}
	return sum / (double)n;
}

/* Integrated autocorrelation time of the windows themselves, as evidence_memory has it, from the variogram: half the squared
 * distance of two windows is their variance less their covariance. The first lag that chance explains ends it. */
static double memory_of_windows(const struct statistic *s, const struct heights *h)
{
	double far = apart_by_half(s, h), memory = 1, error;

	for (size_t lag = 1; far > 0 && lag <= h->n / 3; lag++) {
		double correlation = 1 - apart_by(s, h, lag, &error) / far;
		if (!(correlation > CAUTION_MEMORY_Z * error / far))
			break;
		memory += 2 * correlation * (double)h->n / (double)(h->n - lag);
	}
	return memory;
}

/* The same of how far they are from the rest. */
static double memory_of_heights(const double *x, size_t n, double mean)
{
	double variance = 0, memory = 1;

	for (size_t t = 0; t < n; t++)
		variance += (x[t] - mean) * (x[t] - mean) / (double)n;
	for (size_t lag = 1; variance > 1e-12 && lag <= n / 3; lag++) {
		double sum = 0;
		for (size_t t = lag; t < n; t++)
			sum += (x[t] - mean) * (x[t - lag] - mean) / (double)(n - lag);
		if (sum / variance <= CAUTION_MEMORY_Z / sqrt((double)(n - lag)))
			break;
		memory += 2 * sum / variance * (double)n / (double)(n - lag);
	}
	return memory;
}

/* Mean and spread of the heights, each as large as they may be, but for one reference in a thousand. */
static void law_find(struct statistic *s, const struct heights *h)
{
	double n = (double)h->n, mean = mean_of(h->height, h->n), squares = 0, independent;

	s->memory = fmax(memory_of_heights(h->height, h->n, mean), memory_of_windows(s, h));
	independent = fmax(n / s->memory, 2);
	for (size_t t = 0; t < h->n; t++)
		squares += (h->height[t] - mean) * (h->height[t] - mean) / (n - 1);
	s->sd = sqrt(squares * (independent - 1) / fmax(special_chi2_quantile(independent - 1, -CAUTION_Z), 1e-3));
	s->sd = fmax(s->sd, CAUTION_LEAST_SPREAD);
	s->mean = mean + CAUTION_Z * sqrt(squares / independent);
}

static char *why_not(const struct statistic *s)
{
	double independent = (double)s->n_windows / s->memory;

	if (!s->door)
		return mem_format("its plugin is not at hand");
	if (s->n_windows < CAUTION_LEAST_HEIGHTS)
		return mem_format("not enough data: %zu whole windows in the reference, %d needed", s->n_windows,
			CAUTION_LEAST_HEIGHTS);
	if (s->memory > CAUTION_MOST_MEMORY || (s->memory > 1 && independent < CAUTION_LEAST_INDEPENDENT))
		return mem_format("not enough data: it drifts within the reference itself; its %zu windows are worth %.1f "
				  "independent ones",
			s->n_windows, independent);
	return NULL;
}

void gauge_learn(const struct reference *r, struct statistic *s)
{
	struct heights h;

	windows_take(r, s, &h);
	windows_compare(s, &h);
	s->n_windows = h.n;
	s->ratio = s->memory = 1;
	s->excess = s->mean = s->sd = 0;
	if (h.n >= CAUTION_LEAST_HEIGHTS) {
		excess_find(s, &h);
		for (size_t t = 0; t < h.n; t++)
			h.height[t] = statistic_height(s, &h.of[t]);
		law_find(s, &h);
	}
	heights_done(&h);
	free(s->why);
	s->why = why_not(s);
	s->judged = !s->why;
}

void gauge_allow(struct statistic *s, size_t n)
{
	double known = s->memory / (double)(s->n_windows + 1), drawn = s->memory / (double)(n + 1);

	s->mean += CAUTION_Z * s->sd * (sqrt(known + drawn) - sqrt(known));
}
