/* SPDX-License-Identifier: Apache-2.0
 *
 * Gaussian copula: how far a record's normal scores stand from their mean, in the metric of their covariance; but for a constant twice
 * the negative logarithm of the nonparanormal density without its marginals (Liu, Lafferty & Wasserman 2009). A combination that
 * correlations speak against is odd, though each of its values is common.
 */
#include "tabular/tabular.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "algebra/batches.h"
#include "algebra/bytes.h"
#include "algebra/product.h"
#include "algebra/rows.h"
#include "algebra/whiten.h"
#include "tabular/scores.h"

#define MAGIC "oodcop01"
#define BLOCK 96
#define MOST_PRODUCTS 4000000000u

struct state {
	size_t d;
	struct scores *scores;
	float *mean;
	struct product_f32 *whiten; /* inverse of the covariance's Cholesky factor */
	const struct rows *rows;
};

/* ---- fit ---- */

/* Mean and covariance of the rows that have any feature. Two passes: a large mean costs no digits. */
struct moments {
	size_t d, n;
	double *mean, *covariance; /* d, d x d: lower triangle */
};

/* Calls for every usable row, or one in `step`; `z` has room for one. */
static void rows_each(const struct scores *s, const struct oodd_batch *const *batches, size_t n_batches, size_t step, float *z,
	void (*each)(struct moments *m, const float *z), struct moments *m)
{
	size_t row = 0;
	bool there;

	for (size_t b = 0; b < n_batches; b++)
		for (size_t i = 0; i < batches[b]->n; i++) {
			if (row++ % step)
				continue;
			scores_rows(s, batches[b], i, 1, z, &there);
			if (there)
				each(m, z);
		}
}

static void mean_add(struct moments *m, const float *z)
{
	m->n++;
	for (size_t j = 0; j < m->d; j++)
		m->mean[j] += (double)z[j];
}

static void covariance_add(struct moments *m, const float *z)
{
	for (size_t j = 0; j < m->d; j++)
		for (size_t k = 0; k <= j; k++)
			m->covariance[j * m->d + k] += ((double)z[j] - m->mean[j]) * ((double)z[k] - m->mean[k]) / (double)m->n;
}

static int moments_make(struct moments *m, const struct scores *s, const struct oodd_batch *const *batches, size_t n_batches,
	const struct oodd_host *host)
{
	float *z = malloc(m->d * sizeof *z);

	m->mean = calloc(m->d, sizeof *m->mean);
	m->covariance = calloc(m->d * m->d, sizeof *m->covariance);
	if (!z || !m->mean || !m->covariance) {
		free(z);
		return -ENOMEM;
	}
	/* Wide rows: some, evenly spaced, are enough for a covariance, and all would take minutes. */
	size_t most = MOST_PRODUCTS / (m->d * m->d) + 4 * m->d, step = batches_rows(batches, n_batches) / most + 1;
	rows_each(s, batches, n_batches, step, z, mean_add, m);
	for (size_t j = 0; j < m->d && m->n > 0; j++)
		m->mean[j] /= (double)m->n;
	rows_each(s, batches, n_batches, step, z, covariance_add, m);
	free(z);
	if (m->n == 0 || !whiten_ridge(m->covariance, m->d, host->option(host->context, "regularisation"))) {
		host->log(host->context, OODD_LOG_ERROR, "no feature varies in the reference: there is no scatter to measure by");
		return -EDOM;
	}
	return whiten_make(m->covariance, m->d, "the features", host);
}

static void result_write(const struct scores *s, const struct moments *m, const struct oodd_host *host, const void **ret_bytes, size_t *ret_n)
{
	struct bytes_head head = {MAGIC, BYTES_ORDER, (uint32_t)m->d, 1, 0};
	struct bytes b = bytes_result(host, &head, scores_size(s) + (m->d + whiten_floats(m->d)) * sizeof(float), ret_bytes, ret_n);

	scores_write(s, &b);
	bytes_put_f32(&b, m->mean, m->d);
	whiten_write(m->covariance, m->d, &b);
}

static int copula_fit(const struct oodd_host *host, const struct oodd_batch *const *batches, size_t n_batches, const void **ret_bytes,
	size_t *ret_n)
{
	struct scores *s = NULL;
	int r = scores_learn(host, batches, n_batches, &s);

	if (r)
		return r;
	struct moments m = {.d = scores_width(s)};
	r = moments_make(&m, s, batches, n_batches, host);
	if (!r)
		result_write(s, &m, host, ret_bytes, ret_n);
	free(m.mean);
	free(m.covariance);
	scores_close(s);
	return r;
}

/* ---- open, close ---- */

static void copula_close(void *state)
{
	struct state *s = state;

	if (!s)
		return;
	product_f32_close(s->whiten);
	scores_close(s->scores);
	free(s->mean);
	free(s);
}

static int copula_open(const struct oodd_host *host, const void *bytes, size_t n, void **ret_state)
{
	struct bytes_head head;
	struct bytes b;

	if (!bytes_begin(&b, bytes, n, MAGIC, host, &head))
		return -EINVAL;
	struct state *s = calloc(1, sizeof *s);
	if (!s)
		return -ENOMEM;
	size_t d = s->d = head.width, corner = whiten_floats(d);
	s->rows = rows_for(PRODUCT_BEST);
	s->scores = scores_read(&b);
	s->mean = bytes_take(&b, d, sizeof *s->mean);
	float *triangle = bytes_take(&b, corner, sizeof *triangle);
	bool good = bytes_end(&b, host) && scores_width(s->scores) == d && bytes_finite_f32(s->mean, d) &&
		bytes_finite_f32(triangle, corner);
	if (good)
		s->whiten = whiten_open(triangle, d);
	free(triangle);
	if (!s->whiten) {
		copula_close(s);
		return good ? -ENOMEM : -EINVAL;
	}
	*ret_state = s;
	return 0;
}

/* ---- score ---- */

struct scratch {
	float *z, *y; /* rows x d; rows x stride */
	bool *there;
};

static bool scratch_open(struct scratch *w, const struct state *s, size_t rows)
{
	w->z = malloc(rows * (s->d + product_f32_stride(s->whiten)) * sizeof *w->z + rows * sizeof *w->there);
	if (!w->z)
		return false;
	w->y = w->z + rows * s->d;
	w->there = (bool *)(w->y + rows * product_f32_stride(s->whiten));
	return true;
}

/* Whitened rows, in w->y. */
static void block_whiten(const struct state *s, const struct oodd_batch *batch, size_t from, size_t n, const struct scratch *w)
{
	scores_rows(s->scores, batch, from, n, w->z, w->there);
	for (size_t i = 0; i < n; i++)
		s->rows->shift(w->z + i * s->d, 1, s->mean, w->z + i * s->d, s->d);
	product_f32_rows(s->whiten, w->z, s->d, n, w->y);
}

static int copula_score(const void *state, const struct oodd_batch *batch, float *scores, uint8_t *status)
{
	const struct state *s = state;
	struct scratch w;

	if (batch->n == 0)
		return 0;
	if (!s || !scores_suit(s->scores, batch))
		return -EINVAL;
	if (!scratch_open(&w, s, BLOCK))
		return -ENOMEM;
	for (size_t from = 0; from < batch->n; from += BLOCK) {
		size_t n = batch->n - from < BLOCK ? batch->n - from : BLOCK;

		block_whiten(s, batch, from, n, &w);
		for (size_t i = 0; i < n; i++) {
			double squares = s->rows->squares(w.y + i * product_f32_stride(s->whiten), s->d);

			scores[from + i] = (float)squares;
			if (!w.there[i] || !isfinite(scores[from + i]))
				status[from + i] = OODD_ROW_UNSCORED;
		}
	}
	free(w.z);
	return 0;
}

/* The score is x' P x, x the centred scores and P = A'A: column j adds x_j (P x)_j, exactly, and some take away. */
static int copula_explain(const void *state, const struct oodd_batch *batch, size_t row, struct oodd_reason *reasons, size_t n)
{
	const struct state *s = state;
	struct scratch w;
	int told = 0;

	if (!s || row >= batch->n || !scores_suit(s->scores, batch))
		return -EINVAL;
	double *part = calloc(s->d, sizeof *part);
	if (!part || !scratch_open(&w, s, 1)) {
		free(part);
		return -ENOMEM;
	}
	block_whiten(s, batch, row, 1, &w);
	for (size_t j = 0; j < s->d; j++) {
		for (size_t i = j; i < s->d; i++)
			part[j] += (double)w.y[i] * (double)product_f32_at(s->whiten, i, j);
		part[j] *= (double)w.z[j];
	}
	if (w.there[0])
		told = scores_reasons(s->scores, part, reasons, n);
	free(w.z);
	free(part);
	return told;
}

static const struct oodd_option options[] = {
	{"regularisation", OODD_OPTION_REAL, 1e-2, 0, 1, NULL, "this share of the mean variance is added to every coordinate's"},
	{0},
};

const struct oodd_detector copula = {
	.name = "copula",
	.version = "1.0",
	.summary = "Gaussian copula of the features: combinations that their correlations speak against",
	.needs = OODD_NEEDS_FEATURES,
	.options = options,
	.fit = copula_fit,
	.open = copula_open,
	.close = copula_close,
	.score = copula_score,
	.explain = copula_explain,
};
