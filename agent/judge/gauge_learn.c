/* SPDX-License-Identifier: Apache-2.0
 * How far windows of the reference are from the rest of it, and stretches of several windows added up. Each is compared with other
 * tenths of the reference, never with its own neighbours, as a live one will be. */
#include "judge/gauge.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "judge/caution.h"

#define PARTS 10
#define MOST_PAIRS 200
/* Of how far stretches vary their own number is too few to say much. They are made of windows, and by as much as those do they vary
 * where windows are independent: worth so many times the stretches' own. */
#define TRUST_IN_WINDOWS 3
/* Lengths: a step of four loses at most half of what the best length between would find. */
static const size_t lengths[] = {4, 16};

struct heights {
	const int64_t **stretch; /* oldest first */
	int64_t *sums;           /* of longer stretches: what `stretch` points into; else NULL */
	struct oodd_comparison *of;
	double *height;
	size_t n;
};

/* What windows say of longer stretches. */
struct spread {
	double variance, independent;
};

static int by_start(const void *a, const void *b)
{
	const struct reference_window *x = *(const struct reference_window *const *)a,
				      *y = *(const struct reference_window *const *)b;

	return (x->start_us > y->start_us) - (x->start_us < y->start_us);
}

static void heights_open(struct heights *h, size_t n)
{
	*h = (struct heights){.stretch = mem_alloc((n + 1) * sizeof *h->stretch),
		.of = mem_alloc((n + 1) * sizeof *h->of),
		.height = mem_alloc((n + 1) * sizeof *h->height)};
}

static void heights_done(struct heights *h)
{
	free(h->stretch);
	free(h->sums);
	free(h->of);
	free(h->height);
}

/* Window detectors learn from the fit part alone, so all others are as good as live ones. */
static void windows_take(const struct reference *r, const struct statistic *s, struct heights *h)
{
	const struct reference_window **windows = mem_alloc((r->n_windows + r->n_others + 1) * sizeof *windows);
	size_t n = 0;

	heights_open(h, r->n_windows + r->n_others);
	for (size_t i = 0; i < r->n_windows + r->n_others; i++) {
		const struct reference_window *w = i < r->n_windows ? &r->windows[i] : &r->others[i - r->n_windows];

		if (w->v[s->first] > 0)
			windows[n++] = w;
	}
	qsort(windows, n, sizeof *windows, by_start);
	for (size_t i = 0; i < n; i++)
		h->stretch[h->n++] = windows[i]->v + s->first;
	free(windows);
}

/* The windows, `length` by `length`. */
static void stretches_take(const struct statistic *s, const struct heights *windows, size_t length, struct heights *h)
{
	size_t n = s->width + 1;

	heights_open(h, windows->n / length);
	h->n = windows->n / length;
	h->sums = mem_zero(h->n * n + 1, sizeof *h->sums);
	for (size_t i = 0; i < h->n * length; i++)
		statistic_add(h->sums + i / length * n, windows->stretch[i], n, 1);
	for (size_t i = 0; i < h->n; i++)
		h->stretch[i] = h->sums + i * n;
}

/* Those that cannot be compared are dropped. */
static void stretches_compare(const struct statistic *s, struct heights *h)
{
	size_t n = s->width + 1, kept = 0, parts = h->n < PARTS ? h->n : PARTS;
	int64_t *rest = mem_alloc(n * sizeof *rest);

	for (size_t b = 0; b < parts; b++) {
		size_t from = h->n * b / parts, to = h->n * (b + 1) / parts;

		memcpy(rest, s->base, n * sizeof *rest);
		for (size_t t = from; t < to; t++)
			statistic_add(rest, h->stretch[t], n, -1);
		for (size_t t = from; t < to; t++)
			if (statistic_compare(s, rest, h->stretch[t], &h->of[kept]))
				h->stretch[kept++] = h->stretch[t];
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
static void excess_find(struct statistic_law *l, const struct heights *h)
{
	l->ratio = l->excess = 0;
	for (size_t t = 0; t < h->n; t++) {
		l->ratio += h->of[t].statistic / h->of[t].expected / (double)h->n;
		l->excess += (h->of[t].statistic - h->of[t].expected) / (double)h->n;
	}
	l->ratio = fmax(l->ratio, 1);
	l->excess = fmax(l->excess, 0);
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
		if (!statistic_compare(s, h->stretch[t - lag], h->stretch[t], &c))
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
static struct spread law_find(const struct statistic *s, const struct heights *h, struct spread windows, struct statistic_law *l)
{
	double n = (double)h->n, mean = mean_of(h->height, h->n), squares = 0, degrees, trusted;
	struct spread found;

	l->memory = fmax(l->memory, fmax(memory_of_heights(h->height, h->n, mean), memory_of_windows(s, h)));
	found.independent = fmax(n / l->memory, 2);
	degrees = found.independent - 1;
	trusted = fmin(fmax(windows.independent - 1, 0), TRUST_IN_WINDOWS * degrees);
	for (size_t t = 0; t < h->n; t++)
		squares += (h->height[t] - mean) * (h->height[t] - mean) / (n - 1);
	found.variance = squares;
	squares = (squares * degrees + windows.variance * trusted) / (degrees + trusted);
	degrees += trusted;
	l->sd = fmax(sqrt(squares * degrees / fmax(special_chi2_quantile(degrees, -CAUTION_Z), 1e-3)), CAUTION_LEAST_SPREAD);
	l->mean = mean + (l->windows > 1 ? CAUTION_LONGER_Z : CAUTION_Z) * sqrt(squares / found.independent);
	return found;
}

/* Of stretches of so many windows; *l is of zeros but for `windows` and what `memory` is at least. */
static struct spread law_learn(const struct statistic *s, struct heights *h, struct spread windows, struct statistic_law *l)
{
	stretches_compare(s, h);
	l->n = h->n;
	if (h->n < CAUTION_LEAST_HEIGHTS)
		return windows;
	excess_find(l, h);
	for (size_t t = 0; t < h->n; t++)
		h->height[t] = statistic_height(l, &h->of[t]);
	return law_find(s, h, windows, l);
}

static bool is_enough(const struct statistic_law *l)
{
	double independent = (double)l->n / l->memory;

	return l->n >= CAUTION_LEAST_HEIGHTS && l->memory <= CAUTION_MOST_MEMORY && (l->memory <= 1 || independent >= CAUTION_LEAST_INDEPENDENT);
}

static char *why_not(const struct statistic *s)
{
	if (!s->door)
		return mem_format("its plugin is not at hand");
	if (s->one.n < CAUTION_LEAST_HEIGHTS)
		return mem_format("not enough data: %zu whole windows in the reference, %d needed", s->one.n, CAUTION_LEAST_HEIGHTS);
	if (!is_enough(&s->one))
		return mem_format("not enough data: it drifts within the reference itself; its %zu windows are worth %.1f "
				  "independent ones",
			s->one.n, (double)s->one.n / s->one.memory);
	return NULL;
}

/* What resembles its neighbours as windows goes on to do so as stretches, but for what they hold of one another. */
static void longer_learn(struct statistic *s, const struct heights *windows, struct spread spread)
{
	for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
		struct statistic_law l = {.windows = lengths[i], .ratio = 1, .memory = 1 + (s->one.memory - 1) / (double)lengths[i]};
		struct heights h;

		stretches_take(s, windows, lengths[i], &h);
		law_learn(s, &h, spread, &l);
		heights_done(&h);
		if (!is_enough(&l))
			return;
		s->longer = mem_grow(s->longer, s->n_longer + 1, sizeof l);
		s->longer[s->n_longer++] = l;
	}
}

void gauge_learn(const struct reference *r, struct statistic *s)
{
	struct heights windows, h;
	struct spread spread;

	windows_take(r, s, &windows);
	stretches_take(s, &windows, 1, &h);
	s->one = (struct statistic_law){.windows = 1, .ratio = 1, .memory = 1};
	s->n_longer = 0;
	spread = law_learn(s, &h, (struct spread){0}, &s->one);
	heights_done(&h);
	free(s->why);
	s->why = why_not(s);
	s->judged = !s->why;
	if (s->judged)
		longer_learn(s, &windows, spread);
	heights_done(&windows);
}

static void law_allow(struct statistic_law *l, size_t n)
{
	double known = l->memory / (double)(l->n + 1), drawn = l->memory * (double)l->windows / (double)(n + 1);

	l->mean += CAUTION_Z * l->sd * (sqrt(known + drawn) - sqrt(known));
	/* Their own mean is off by what n windows are; a stretch that is longer shows it the more. */
	if (l->windows > 1)
		l->mean += log1p((double)l->windows / (double)n * exp(CAUTION_Z * l->sd));
}

void gauge_allow(struct statistic *s, size_t n)
{
	law_allow(&s->one, n);
	for (size_t i = 0; i < s->n_longer; i++)
		law_allow(&s->longer[i], n);
}
