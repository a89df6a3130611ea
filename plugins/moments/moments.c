/* SPDX-License-Identifier: Apache-2.0
 *
 * Mean and covariance of a window's embeddings against the reference's, in the directions in which the fit data varied most. A
 * window adds up z and z z' of its rows, so windows merge by addition. README.md has the formulas.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "algebra/bytes.h"
#include "algebra/lapack.h"
#include "algebra/product.h"
#include "algebra/rows.h"
#include "algebra/window.h"
#include "oodd/detector.h"

#define MAGIC "oodd-mom"
#define CLIP 32.0     /* standard deviations: one row cannot carry a window */
#define MOST_DIMENSIONS 64
#define MOST_ROWS 4000 /* that directions are learned from */
#define LEAST_SHARE 1e-9 /* of the largest variance: less is no direction */

struct state {
	size_t d, p;
	bool normalise;
	double sample;
	const struct rows *rows;
	struct product_f32 *directions;
	float *centre; /* p: of the fit data, in those directions */
};

/* ---- fit ---- */

struct learner {
	size_t d, n;
	bool normalise;
	double *mean;    /* d */
	double *scatter; /* d x d, lower triangle; then its eigenvectors, in columns */
	double *values;  /* d: eigenvalues, rising */
	double *row;     /* d */
};

static void learner_done(struct learner *l)
{
	free(l->mean);
	free(l->scatter);
	free(l->values);
	free(l->row);
}

static int learner_open(struct learner *l, size_t d, bool normalise)
{
	*l = (struct learner){.d = d, .normalise = normalise};
	l->mean = calloc(d, sizeof(double));
	l->scatter = calloc(d * d, sizeof(double));
	l->values = calloc(d, sizeof(double));
	l->row = calloc(d, sizeof(double));
	if (l->mean && l->scatter && l->values && l->row)
		return 0;
	learner_done(l);
	return -ENOMEM;
}

static void mean_add(struct learner *l)
{
	l->n++;
	for (size_t j = 0; j < l->d; j++)
		l->mean[j] += l->row[j];
}

static void scatter_add(struct learner *l)
{
	for (size_t j = 0; j < l->d; j++)
		l->row[j] -= l->mean[j];
	for (size_t j = 0; j < l->d; j++)
		for (size_t k = 0; k <= j; k++)
			l->scatter[j * l->d + k] += l->row[j] * l->row[k];
}

/* Rows evenly over the fit data, one after the other into l->row. */
static void rows_pass(struct learner *l, const struct oodd_batch *const *batches, size_t n_batches, void (*add)(struct learner *))
{
	const struct rows *rows = rows_for(PRODUCT_BEST);
	size_t all = window_rows(batches, n_batches), seen = 0;

	for (size_t b = 0; b < n_batches; b++)
		for (size_t i = 0; i < batches[b]->n; i++, seen++) {
			const float *x = oodd_row(batches[b]->embedding, i);
			double scale = window_taken(seen, all, MOST_ROWS) ? window_scale(rows, x, l->d, l->normalise) : 0;
			for (size_t j = 0; j < l->d; j++)
				l->row[j] = (double)x[j] * scale;
			if (scale > 0)
				add(l);
		}
}

static int directions_find(struct learner *l, const struct oodd_host *host, const struct oodd_batch *const *batches, size_t n_batches)
{
	struct lapack lapack;
	int r;

	rows_pass(l, batches, n_batches, mean_add);
	if (l->n < 2) {
		host->log(host->context, OODD_LOG_ERROR, "too few embeddings");
		return -ENODATA;
	}
	for (size_t j = 0; j < l->d; j++)
		l->mean[j] /= (double)l->n;
	rows_pass(l, batches, n_batches, scatter_add);
	r = lapack_open(&lapack, host);
	if (r)
		return r;
	r = lapack.syevd(LAPACK_ROW_MAJOR, 'V', 'L', (int)l->d, l->scatter, (int)l->d, l->values) ? -EDOM : 0;
	lapack_close(&lapack);
	if (r || !(l->values[l->d - 1] > 0)) {
		host->log(host->context, OODD_LOG_ERROR, "all embeddings are the same, or their variance is beyond numbers");
		return -EDOM;
	}
	return 0;
}

static size_t directions_kept(const struct learner *l, size_t most)
{
	size_t p = 0;

	while (p < most && p < l->d && l->values[l->d - 1 - p] > LEAST_SHARE * l->values[l->d - 1])
		p++;
	return p;
}

static void result_write(const struct learner *l, size_t p, const struct oodd_host *host, const void **ret_bytes, size_t *ret_n)
{
	size_t d = l->d, n = sizeof(struct bytes_head) + (p * d + p) * sizeof(float);
	struct bytes_head head = {MAGIC, BYTES_ORDER, (uint32_t)d, (uint32_t)p, l->normalise};
	struct bytes b = {host->alloc(host->context, n), n, false};

	*ret_bytes = b.at;
	*ret_n = n;
	bytes_put(&b, &head, sizeof head);
	for (size_t i = 0; i < p; i++)
		for (size_t j = 0; j < d; j++) {
			double w = l->scatter[j * d + (d - 1 - i)] / sqrt(l->values[d - 1 - i] / (double)l->n);
			bytes_put_f32(&b, &w, 1);
		}
	for (size_t i = 0; i < p; i++) {
		double centre = 0;
		for (size_t j = 0; j < d; j++)
			centre += l->mean[j] * l->scatter[j * d + (d - 1 - i)] / sqrt(l->values[d - 1 - i] / (double)l->n);
		bytes_put_f32(&b, &centre, 1);
	}
}

static int moments_fit(const struct oodd_host *host, const struct oodd_batch *const *batches, size_t n_batches, const void **ret_bytes,
	size_t *ret_n)
{
	size_t most = (size_t)host->option(host->context, "dimensions");
	struct learner l;
	int r;

	if (n_batches == 0) {
		host->log(host->context, OODD_LOG_ERROR, "too few embeddings");
		return -ENODATA;
	}
	r = learner_open(&l, batches[0]->embedding.width, host->option(host->context, "normalise") != 0);
	if (r)
		return r;
	r = directions_find(&l, host, batches, n_batches);
	if (!r)
		result_write(&l, directions_kept(&l, most), host, ret_bytes, ret_n);
	learner_done(&l);
	return r;
}

/* ---- open, close ---- */

static void moments_close(void *state)
{
	struct state *s = state;

	if (!s)
		return;
	product_f32_close(s->directions);
	free(s->centre);
	free(s);
}

static int moments_open(const struct oodd_host *host, const void *bytes, size_t n, void **ret_state)
{
	struct bytes_head head;
	struct bytes b;

	if (!bytes_begin(&b, bytes, n, MAGIC, host, &head) || head.rows > MOST_DIMENSIONS)
		return -EINVAL;
	struct state *s = calloc(1, sizeof *s);
	if (!s)
		return -ENOMEM;
	*s = (struct state){.d = head.width, .p = head.rows, .normalise = head.flags & 1, .rows = rows_for(PRODUCT_BEST)};
	s->sample = host->option(host->context, "sample");
	float *w = bytes_take(&b, s->p * s->d, sizeof *w);
	s->centre = bytes_take(&b, s->p, sizeof *s->centre);
	bool good = bytes_end(&b, host) && bytes_finite_f32(w, s->p * s->d) && bytes_finite_f32(s->centre, s->p);
	if (good)
		s->directions = product_f32_open(w, s->p, s->d, NULL, false, PRODUCT_BEST);
	free(w);
	if (!s->directions) {
		moments_close(s);
		return good ? -ENOMEM : -EINVAL;
	}
	*ret_state = s;
	return 0;
}

/* ---- at work ---- */

/* First the p means, then the lower triangle of products, row after row. */
static size_t moments_width(const void *state)
{
	size_t p = ((const struct state *)state)->p;

	return p + p * (p + 1) / 2;
}

static int row_add(const struct state *s, const float *x, int64_t *vector)
{
	float y[4 * MOST_DIMENSIONS]; /* the product writes whole panels */
	double z[MOST_DIMENSIONS], scale = window_scale(s->rows, x, s->d, s->normalise);
	int64_t *products = vector + s->p;

	if (scale == 0)
		return 0;
	product_f32_rows(s->directions, x, s->d, 1, y);
	for (size_t i = 0; i < s->p; i++) {
		z[i] = fmax(-CLIP, fmin(CLIP, (double)y[i] * scale - (double)s->centre[i]));
		if (!isfinite(y[i]))
			return 0;
	}
	for (size_t i = 0; i < s->p; i++) {
		vector[i] += window_fixed(z[i]);
		for (size_t k = 0; k <= i; k++)
			*products++ += window_fixed(z[i] * z[k]);
	}
	return 1;
}

static int moments_accumulate(const void *state, const struct oodd_batch *batch, size_t from, size_t to, int64_t *vector)
{
	const struct state *s = state;
	int added = 0;

	if (batch->embedding.width != s->d)
		return -EINVAL;
	for (size_t i = from; i < to; i++)
		if (oodd_sampled(batch, i, s->sample))
			added += row_add(s, oodd_row(batch->embedding, i), vector);
	return added;
}

struct law {
	double mean[MOST_DIMENSIONS];
	double covariance[MOST_DIMENSIONS * MOST_DIMENSIONS]; /* lower triangle */
};

static void law_make(size_t p, const int64_t *v, double n, struct law *to)
{
	const int64_t *products = v + p;

	for (size_t i = 0; i < p; i++)
		to->mean[i] = window_mean(v[i], n);
	for (size_t i = 0; i < p; i++)
		for (size_t k = 0; k <= i; k++)
			to->covariance[i * p + k] =
				(window_mean(*products++, n) - to->mean[i] * to->mean[k]) * n / fmax(n - 1, 1);
}

/* A = L L', in place. False where it is not positive definite. */
static bool cholesky(double *a, size_t p)
{
	for (size_t i = 0; i < p; i++)
		for (size_t k = 0; k <= i; k++) {
			double sum = a[i * p + k];
			for (size_t j = 0; j < k; j++)
				sum -= a[i * p + j] * a[k * p + j];
			if (i == k && !(sum > 1e-12))
				return false;
			a[i * p + k] = i == k ? sqrt(sum) : sum / a[k * p + k];
		}
	return true;
}

/* x = L^-1 x, of values `step` apart. */
static void solve(const double *l, size_t p, double *x, size_t step)
{
	for (size_t i = 0; i < p; i++) {
		double sum = x[i * step];
		for (size_t j = 0; j < i; j++)
			sum -= l[i * p + j] * x[j * step];
		x[i * step] = sum / l[i * p + i];
	}
}

/* The reference's law with its covariance factored, and the window's. */
static int laws_make(const struct state *s, const int64_t *reference, int64_t m, const int64_t *window, int64_t n, struct law of[2])
{
	law_make(s->p, reference, (double)m, &of[0]);
	law_make(s->p, window, (double)n, &of[1]);
	return cholesky(of[0].covariance, s->p) ? 0 : -EDOM;
}

/* Hotelling's T-square over n m / (n + m): twice the symmetric KL of two normal laws that differ in their mean. */
static int mean_compare(const void *state, const int64_t *reference, int64_t m, const int64_t *window, int64_t n,
	struct oodd_comparison *ret)
{
	const struct state *s = state;
	struct law of[2];
	double off[MOST_DIMENSIONS], sum = 0;
	int r = laws_make(s, reference, m, window, n, of);

	for (size_t i = 0; i < s->p; i++)
		off[i] = of[1].mean[i] - of[0].mean[i];
	if (!r)
		solve(of[0].covariance, s->p, off, 1);
	for (size_t i = 0; i < s->p; i++)
		sum += off[i] * off[i];
	*ret = window_answer(sum, (double)s->p * (1 / (double)n + 1 / (double)m));
	return r;
}

/* 1/2 tr (S - I)^2 of S = L^-1 C L'^-1 (Nagao 1973), which is the symmetric KL of two normal laws of one mean, to second order. */
static int covariance_compare(const void *state, const int64_t *reference, int64_t m, const int64_t *window, int64_t n,
	struct oodd_comparison *ret)
{
	const struct state *s = state;
	struct law of[2];
	size_t p = s->p;
	double *c = of[1].covariance, sum = 0;
	int r = n < 2 ? -EDOM : laws_make(s, reference, m, window, n, of);

	if (r)
		return r;
	for (size_t i = 0; i < p; i++)
		for (size_t k = 0; k < i; k++)
			c[k * p + i] = c[i * p + k];
	for (size_t i = 0; i < p; i++)
		solve(of[0].covariance, p, c + i, p);
	for (size_t i = 0; i < p; i++)
		solve(of[0].covariance, p, c + i * p, 1);
	for (size_t i = 0; i < p; i++)
		for (size_t k = 0; k < p; k++)
			sum += (c[i * p + k] - (i == k)) * (c[i * p + k] - (i == k)) / 2;
	*ret = window_answer(sum, (double)(p * (p + 1)) / 2 * (1 / (double)n + 1 / (double)m));
	return 0;
}

static const struct oodd_option options[] = {
	{"dimensions", OODD_OPTION_INT, 16, 1, MOST_DIMENSIONS, NULL, "directions, those in which the fit data varied most"},
	WINDOW_OPTION_SAMPLE,
	WINDOW_OPTION_NORMALISE,
	{0},
};

static const struct oodd_detector mean_shift = {
	.name = "mean_shift",
	.version = "1.0",
	.summary = "Hotelling's T-square of the mean of a window's embeddings, in a fixed projection",
	.needs = OODD_NEEDS_EMBEDDING,
	.options = options,
	.fit = moments_fit,
	.open = moments_open,
	.close = moments_close,
	.width = moments_width,
	.accumulate = moments_accumulate,
	.compare = mean_compare,
};

static const struct oodd_detector covariance_shift = {
	.name = "covariance_shift",
	.version = "1.0",
	.summary = "divergence of the covariance of a window's embeddings, in a fixed projection",
	.needs = OODD_NEEDS_EMBEDDING,
	.options = options,
	.fit = moments_fit,
	.open = moments_open,
	.close = moments_close,
	.width = moments_width,
	.accumulate = moments_accumulate,
	.compare = covariance_compare,
};

OODD_PLUGIN("Apache-2.0", &mean_shift, &covariance_shift);
