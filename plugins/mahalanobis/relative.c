/* SPDX-License-Identifier: Apache-2.0
 *
 * Relative Mahalanobis distance: how much farther from the nearest class than from the middle of everything (Ren et al. 2021).
 * What is unusual in every direction alike cancels, and what is left tells near OOD better.
 *
 * Two covariances, S within classes and S0 around the mean of all, would be two whitenings. One is enough: the generalised
 * eigenvectors V of (S0, S) have V'SV = I and V'S0V = D, so with y = V'(x - m) and nu_c = V'(mu_c - m)
 *
 *     score = min over c of |y - nu_c|^2  -  sum of y_i^2 / D_i
 *
 * All in double precision: the score crosses zero, where two sums of some hundreds are nearly equal.
 */
#include "mahalanobis/relative.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "algebra/bytes.h"
#include "algebra/lapack.h"
#include "algebra/product.h"
#include "algebra/rows.h"
#include "algebra/shares.h"
#include "algebra/whiten.h"
#include "mahalanobis/moments.h"

#define MAGIC "oodrel01"
#define BLOCK 48
#define CANCELLED 1e-3 /* of a sum that much was taken away from: three digits are gone */

const struct oodd_option mahalanobis_options[] = {
	{"normalise", OODD_OPTION_BOOL, 1, 0, 1, NULL, "bring embeddings to length 1 first (Mahalanobis++)"},
	{"regularisation", OODD_OPTION_REAL, 1e-6, 0, 1, NULL, "this share of the mean variance is added to every direction's"},
	{0},
};

struct state {
	size_t d, n_classes;
	bool normalise;
	const struct rows *rows;
	int32_t *class_index;
	double *mean;        /* d */
	double *class_mean;  /* n_classes x d, less the mean */
	double *inverse;     /* 1/D: d */
	double *centre;      /* nu: n_classes x stride of whiten */
	struct product_f64 *whiten, *classes;
};

/* ---- fit ---- */

/* V in the columns of s0 (row-major), D in `values`. Uses up s. */
static int eigen_make(double *s0, double *s, double *values, size_t d, const struct oodd_host *host)
{
	struct lapack l;
	int r = lapack_open(&l, host), n = (int)d;

	if (r)
		return r;
	if (l.sygvd(LAPACK_ROW_MAJOR, 1, 'V', 'L', n, s0, n, s, n, values))
		r = -EDOM;
	lapack_close(&l);
	for (size_t i = 0; i < d && !r; i++)
		if (!(values[i] > 0))
			r = -EDOM;
	if (r)
		host->log(host->context, OODD_LOG_ERROR, "the covariance of the embeddings cannot be inverted: raise regularisation");
	return r;
}

static void result_write(const struct moments *m, const double *values, bool normalise, const struct oodd_host *host,
	const void **ret_bytes, size_t *ret_n)
{
	size_t d = m->d, c = m->n_classes;
	struct bytes_head head = {MAGIC, BYTES_ORDER, (uint32_t)d, (uint32_t)c, normalise};
	struct bytes b = bytes_result(host, &head, (d + c * d + d * d + d) * sizeof(double) + c * sizeof(int32_t), ret_bytes, ret_n);

	bytes_put(&b, m->mean, d * sizeof(double));
	for (size_t i = 0; i < c * d; i++) {
		double x = m->class_mean[i] - m->mean[i % d];
		bytes_put(&b, &x, sizeof x);
	}
	/* Rows of V' are what the product wants. */
	for (size_t i = 0; i < d * d; i++)
		bytes_put(&b, &m->between[i % d * d + i / d], sizeof(double));
	for (size_t i = 0; i < d; i++) {
		double inverse = 1 / values[i];
		bytes_put(&b, &inverse, sizeof inverse);
	}
	bytes_put(&b, m->class_index, c * sizeof(int32_t));
}

static int relative_fit(const struct oodd_host *host, const struct oodd_batch *const *batches, size_t n_batches,
	const void **ret_bytes, size_t *ret_n)
{
	bool normalise = host->option(host->context, "normalise") != 0;
	double share = host->option(host->context, "regularisation");
	struct moments m;
	int r = moments_make(&m, host, batches, n_batches, normalise);

	if (r)
		return r;
	double *values = malloc(m.d * sizeof *values);
	r = values ? 0 : -ENOMEM;
	for (size_t i = 0; i < m.d * m.d; i++)
		m.between[i] += m.within[i];
	if (!r && (!whiten_ridge(m.within, m.d, share) || !whiten_ridge(m.between, m.d, share))) {
		host->log(host->context, OODD_LOG_ERROR, "all embeddings of a class are the same: there is no scatter to measure by");
		r = -EDOM;
	}
	if (!r)
		r = eigen_make(m.between, m.within, values, m.d, host);
	if (!r)
		result_write(&m, values, normalise, host, ret_bytes, ret_n);
	free(values);
	moments_done(&m);
	return r;
}

/* ---- open, close ---- */

static void relative_close(void *state)
{
	struct state *s = state;

	if (!s)
		return;
	product_f64_close(s->whiten);
	product_f64_close(s->classes);
	free(s->class_index);
	free(s->mean);
	free(s->class_mean);
	free(s->inverse);
	free(s->centre);
	free(s);
}

static double squares(const double *x, size_t n)
{
	double sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += x[i] * x[i];
	return sum;
}

static int classes_open(struct state *s)
{
	size_t stride = product_f64_stride(s->whiten), d = s->d;
	double *packed = malloc(s->n_classes * d * sizeof *packed), *bias = malloc(s->n_classes * sizeof *bias), most = 0;

	s->centre = malloc(s->n_classes * stride * sizeof *s->centre);
	if (packed && bias && s->centre) {
		product_f64_rows(s->whiten, s->class_mean, d, s->n_classes, s->centre);
		for (size_t c = 0; c < s->n_classes; c++) {
			const double *centre = memcpy(packed + c * d, s->centre + c * stride, d * sizeof *packed);
			bias[c] = -squares(centre, d) / 2;
			most = fmax(most, -bias[c]);
		}
		s->classes = product_f64_open(packed, s->n_classes, d, bias, false, PRODUCT_BEST);
	}
	free(packed);
	free(bias);
	return !s->classes ? -ENOMEM : isfinite(most) ? 0 : -EINVAL;
}

static int relative_open(const struct oodd_host *host, const void *bytes, size_t n, void **ret_state)
{
	struct bytes_head head;
	struct bytes b;

	if (!bytes_begin(&b, bytes, n, MAGIC, host, &head))
		return -EINVAL;
	struct state *s = calloc(1, sizeof *s);
	if (!s)
		return -ENOMEM;
	size_t d = s->d = head.width, c = s->n_classes = head.rows;
	s->normalise = head.flags & 1;
	s->rows = rows_for(PRODUCT_BEST);
	s->mean = bytes_take(&b, d, sizeof *s->mean);
	s->class_mean = bytes_take(&b, c * d, sizeof *s->class_mean);
	double *v = bytes_take(&b, d * d, sizeof *v);
	s->inverse = bytes_take(&b, d, sizeof *s->inverse);
	s->class_index = bytes_take(&b, c, sizeof *s->class_index);
	bool good = bytes_end(&b, host) && bytes_finite_f64(s->mean, d) && bytes_finite_f64(s->class_mean, c * d) &&
		bytes_finite_f64(v, d * d) && bytes_finite_f64(s->inverse, d);
	if (good)
		s->whiten = product_f64_open(v, d, d, NULL, false, PRODUCT_BEST);
	free(v);
	int r = !good ? -EINVAL : !s->whiten ? -ENOMEM : classes_open(s);
	if (r)
		relative_close(s);
	else
		*ret_state = s;
	return r;
}

/* ---- score ---- */

struct scratch {
	double *x, *y, *near;
};

static bool scratch_open(struct scratch *w, const struct state *s, size_t rows)
{
	size_t stride_y = product_f64_stride(s->whiten), stride_c = product_f64_stride(s->classes);

	w->x = malloc(rows * (s->d + stride_y + stride_c) * sizeof *w->x);
	if (!w->x)
		return false;
	w->y = w->x + rows * s->d;
	w->near = w->y + rows * stride_y;
	return true;
}

static bool row_prepare(const struct state *s, const float *x, double *to)
{
	double length = s->rows->squares(x, s->d);
	double scale = s->normalise ? 1 / sqrt(length) : 1;
	bool usable = isfinite(length) && isfinite(scale);

	for (size_t j = 0; j < s->d; j++)
		to[j] = usable ? (double)x[j] * scale - s->mean[j] : 0;
	return usable;
}

static size_t row_class(const struct state *s, const double *near)
{
	size_t best = 0;

	for (size_t c = 1; c < s->n_classes; c++)
		if (near[c] > near[best])
			best = c;
	return best;
}

static double row_relative(const struct state *s, const double *y, size_t class)
{
	const double *centre = s->centre + class * product_f64_stride(s->whiten);

	return s->rows->distance_f64(y, centre, s->d) - s->rows->weighted_f64(y, s->inverse, s->d);
}

/* Values that a log wrote with at most six digits: each is the float nearest to such a decimal, and the decimal itself is known then. A
 * row of other floats does not pass for one: at most an eighth of all floats are nearest to one, and every value has to be. */
static bool row_decimals(const float *x, size_t d, double *to)
{
	char text[32];

	for (size_t j = 0; j < d; j++) {
		snprintf(text, sizeof text, "%.6g", (double)x[j]);
		to[j] = strtod(text, NULL);
		if ((float)to[j] != x[j])
			return false;
	}
	return true;
}

/* Near zero the two sums leave what rounding the embedding to floats has left of them. Where what was rounded is known, it is used:
 * the score as it was, or better. Row i of the scratch is used up. */
static float row_sharper(const struct state *s, const float *x, const struct scratch *w, size_t i, float score)
{
	double *to = w->x + i * s->d, *y = w->y + i * product_f64_stride(s->whiten), *near = w->near + i * product_f64_stride(s->classes);
	double scale = 1, length = 0;

	if (fabs((double)score) > CANCELLED * s->rows->weighted_f64(y, s->inverse, s->d) || !row_decimals(x, s->d, to))
		return score;
	for (size_t j = 0; j < s->d; j++)
		length += to[j] * to[j];
	if (s->normalise)
		scale = 1 / sqrt(length);
	for (size_t j = 0; j < s->d; j++)
		to[j] = to[j] * scale - s->mean[j];
	product_f64_rows(s->whiten, to, s->d, 1, y);
	product_f64_rows(s->classes, y, product_f64_stride(s->whiten), 1, near);
	return (float)row_relative(s, y, row_class(s, near));
}

static void block_score(const struct state *s, const struct oodd_batch *batch, size_t from, size_t n, const struct scratch *w,
	float *scores, uint8_t *status)
{
	size_t stride_y = product_f64_stride(s->whiten), stride_c = product_f64_stride(s->classes);

	for (size_t i = 0; i < n; i++)
		if (!row_prepare(s, oodd_row(batch->embedding, from + i), w->x + i * s->d))
			status[from + i] = OODD_ROW_UNSCORED;
	product_f64_rows(s->whiten, w->x, s->d, n, w->y);
	product_f64_rows(s->classes, w->y, stride_y, n, w->near);
	for (size_t i = 0; i < n; i++) {
		const double *y = w->y + i * stride_y;
		if (status[from + i] == OODD_ROW_UNSCORED)
			continue;
		scores[from + i] = (float)row_relative(s, y, row_class(s, w->near + i * stride_c));
		scores[from + i] = row_sharper(s, oodd_row(batch->embedding, from + i), w, i, scores[from + i]);
		if (!isfinite(scores[from + i]))
			status[from + i] = OODD_ROW_UNSCORED;
	}
}

static int relative_score(const void *state, const struct oodd_batch *batch, float *scores, uint8_t *status)
{
	const struct state *s = state;
	struct scratch w;

	if (batch->n == 0)
		return 0;
	if (!s || batch->embedding.width != s->d)
		return -EINVAL;
	if (!scratch_open(&w, s, batch->n < BLOCK ? batch->n : BLOCK))
		return -ENOMEM;
	for (size_t from = 0; from < batch->n; from += BLOCK)
		block_score(s, batch, from, batch->n - from < BLOCK ? batch->n - from : BLOCK, &w, scores, status);
	free(w.x);
	return 0;
}

/* ---- explain ---- */

/* What each dimension adds: (x - mu_c) times V (y - nu_c), less (x - m) times V (y / D). */
static void parts_make(const struct state *s, const double *x, const double *y, size_t class, double *part)
{
	const double *centre = s->centre + class * product_f64_stride(s->whiten), *mean = s->class_mean + class * s->d;

	for (size_t j = 0; j < s->d; j++) {
		double near = 0, middle = 0;
		for (size_t i = 0; i < s->d; i++) {
			double v = product_f64_at(s->whiten, i, j);
			near += v * (y[i] - centre[i]);
			middle += v * y[i] * s->inverse[i];
		}
		part[j] = near * (x[j] - mean[j]) - middle * x[j];
	}
}

static double class_weight(const struct state *s, const double *near, size_t class)
{
	double sum = 0;

	for (size_t c = 0; c < s->n_classes; c++)
		sum += exp(near[c] - near[class]);
	return 1 / sum;
}

static int relative_explain(const void *state, const struct oodd_batch *batch, size_t row, struct oodd_reason *reasons, size_t n)
{
	const struct state *s = state;
	struct scratch w;
	int found = 0;

	if (!s || batch->embedding.width != s->d || row >= batch->n)
		return -EINVAL;
	double *part = malloc(s->d * sizeof *part);
	if (!part || !scratch_open(&w, s, 1)) {
		free(part);
		return -ENOMEM;
	}
	if (row_prepare(s, oodd_row(batch->embedding, row), w.x)) {
		product_f64_rows(s->whiten, w.x, s->d, 1, w.y);
		product_f64_rows(s->classes, w.y, product_f64_stride(s->whiten), 1, w.near);
		size_t class = row_class(s, w.near);
		parts_make(s, w.x, w.y, class, part);
		found = shares_rank(s->class_index[class], class_weight(s, w.near, class), part, s->d, reasons, n);
	}
	free(w.x);
	free(part);
	return found;
}

const struct oodd_detector relative = {
	.name = "relative",
	.version = "1.0",
	.summary = "Mahalanobis distance to the nearest class less that to the middle of all",
	.needs = OODD_NEEDS_EMBEDDING | OODD_NEEDS_PREDICTED,
	.options = mahalanobis_options,
	.fit = relative_fit,
	.open = relative_open,
	.close = relative_close,
	.score = relative_score,
	.explain = relative_explain,
};
