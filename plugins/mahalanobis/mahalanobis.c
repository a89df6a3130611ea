/* SPDX-License-Identifier: Apache-2.0
 *
 * Squared Mahalanobis distance to the nearest class, one covariance for all classes: how far an embedding stands from every
 * class the model knows, in units of how far its own kind usually stands (Lee et al. 2018). By default on embeddings of length
 * one (Mueller & Hein 2025, "Mahalanobis++").
 *
 * With S = L L', whitening by the inverse of L (triangular: half a product) makes it a plain distance, y to nu_c. The nearest
 * class is found by a second product, y.nu_c - |nu_c|^2/2, whose digits cancel; the distance itself is then taken directly.
 */
#include "oodd/detector.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "algebra/bytes.h"
#include "algebra/product.h"
#include "algebra/rows.h"
#include "algebra/shares.h"
#include "algebra/whiten.h"
#include "mahalanobis/moments.h"
#include "mahalanobis/relative.h"

#define MAGIC "oodmah01"
/* Rows at a time: with what is made of them they fill half a megabyte of the second cache, and are worth streaming W for. */
#define BLOCK_BYTES (512 * 1024)
#define LEAST_BLOCK 96
#define MOST_BLOCK 384

struct state {
	size_t d, n_classes;
	size_t block;        /* rows at a time: a multiple of 12 */
	bool normalise;
	const struct rows *rows;
	int32_t *class_index;
	float *mean;         /* d */
	float *class_mean;   /* n_classes x d, less the mean */
	float *centre;       /* nu: n_classes x stride of whiten */
	float margin;        /* classes this near to the best are compared directly */
	struct product_f32 *whiten, *classes;
};

/* ---- fit ---- */

static void result_write(const struct moments *m, bool normalise, const struct oodd_host *host, const void **ret_bytes, size_t *ret_n)
{
	size_t d = m->d, c = m->n_classes;
	struct bytes_head head = {MAGIC, BYTES_ORDER, (uint32_t)d, (uint32_t)c, normalise};
	struct bytes b = bytes_result(host, &head, c * sizeof(int32_t) + (d + c * d + whiten_floats(d)) * sizeof(float), ret_bytes, ret_n);

	bytes_put(&b, m->class_index, c * sizeof(int32_t));
	bytes_put_f32(&b, m->mean, d);
	for (size_t i = 0; i < c * d; i++) {
		double x = m->class_mean[i] - m->mean[i % d];
		bytes_put_f32(&b, &x, 1);
	}
	whiten_write(m->within, d, &b);
}

static int mahalanobis_fit(const struct oodd_host *host, const struct oodd_batch *const *batches, size_t n_batches,
	const void **ret_bytes, size_t *ret_n)
{
	bool normalise = host->option(host->context, "normalise") != 0;
	struct moments m;
	int r = moments_make(&m, host, batches, n_batches, normalise);

	if (r)
		return r;
	if (!whiten_ridge(m.within, m.d, host->option(host->context, "regularisation"))) {
		host->log(host->context, OODD_LOG_ERROR, "all embeddings of a class are the same: there is no scatter to measure by");
		r = -EDOM;
	}
	if (!r)
		r = whiten_make(m.within, m.d, "the embeddings", host);
	if (!r)
		result_write(&m, normalise, host, ret_bytes, ret_n);
	moments_done(&m);
	return r;
}

/* ---- open, close ---- */

static void mahalanobis_close(void *state)
{
	struct state *s = state;

	if (!s)
		return;
	product_f32_close(s->whiten);
	product_f32_close(s->classes);
	free(s->class_index);
	free(s->mean);
	free(s->class_mean);
	free(s->centre);
	free(s);
}

/* Whitened class means, and the product that compares with all of them. */
static int classes_open(struct state *s)
{
	size_t stride = product_f32_stride(s->whiten), d = s->d;
	float *packed = malloc(s->n_classes * d * sizeof *packed), *bias = malloc(s->n_classes * sizeof *bias), most = 0;

	s->centre = malloc(s->n_classes * stride * sizeof *s->centre);
	if (packed && bias && s->centre) {
		product_f32_rows(s->whiten, s->class_mean, d, s->n_classes, s->centre);
		for (size_t c = 0; c < s->n_classes; c++) {
			const float *centre = memcpy(packed + c * d, s->centre + c * stride, d * sizeof *packed);
			bias[c] = (float)(-s->rows->squares(centre, d) / 2);
			most = -2 * bias[c] > most ? -2 * bias[c] : most;
		}
		/* What rounding can do to a sum of d products of such lengths, generously. */
		s->margin = 4e-6f * most;
		s->classes = product_f32_open(packed, s->n_classes, d, bias, false, PRODUCT_BEST);
	}
	free(packed);
	free(bias);
	return !s->classes ? -ENOMEM : isfinite(most) ? 0 : -EINVAL;
}

static void block_plan(struct state *s)
{
	size_t row = (s->d + product_f32_stride(s->whiten) + product_f32_stride(s->classes)) * sizeof(float);
	size_t rows = BLOCK_BYTES / row / 12 * 12;

	s->block = rows < LEAST_BLOCK ? LEAST_BLOCK : rows > MOST_BLOCK ? MOST_BLOCK : rows;
}

static int mahalanobis_open(const struct oodd_host *host, const void *bytes, size_t n, void **ret_state)
{
	struct bytes_head head;
	struct bytes b;

	if (!bytes_begin(&b, bytes, n, MAGIC, host, &head))
		return -EINVAL;
	struct state *s = calloc(1, sizeof *s);
	if (!s)
		return -ENOMEM;
	size_t d = s->d = head.width, c = s->n_classes = head.rows, corner = whiten_floats(d);
	s->normalise = head.flags & 1;
	s->rows = rows_for(PRODUCT_BEST);
	s->class_index = bytes_take(&b, c, sizeof *s->class_index);
	s->mean = bytes_take(&b, d, sizeof *s->mean);
	s->class_mean = bytes_take(&b, c * d, sizeof *s->class_mean);
	float *triangle = bytes_take(&b, corner, sizeof *triangle);
	bool good = bytes_end(&b, host) && bytes_finite_f32(s->mean, d) && bytes_finite_f32(s->class_mean, c * d) &&
		bytes_finite_f32(triangle, corner);
	if (good)
		s->whiten = whiten_open(triangle, d);
	free(triangle);
	int r = !good ? -EINVAL : !s->whiten ? -ENOMEM : classes_open(s);
	if (r) {
		mahalanobis_close(s);
		return r;
	}
	block_plan(s);
	*ret_state = s;
	return 0;
}

/* ---- score ---- */

/* Memory for a block, in one piece. */
struct scratch {
	float *x;       /* rows x d: centred, normalised if asked; zeros where the row cannot be used */
	float *y;       /* rows x stride of whiten */
	float *near;    /* rows x stride of classes */
	unsigned *some; /* stride of classes */
};

static bool scratch_open(struct scratch *w, const struct state *s, size_t rows)
{
	size_t stride_y = product_f32_stride(s->whiten), stride_c = product_f32_stride(s->classes);

	w->x = malloc((rows * (s->d + stride_y + stride_c) + stride_c) * sizeof *w->x);
	if (!w->x)
		return false;
	w->y = w->x + rows * s->d;
	w->near = w->y + rows * stride_y;
	w->some = (unsigned *)(w->near + rows * stride_c);
	return true;
}

/* False where the row cannot be scored. */
static bool row_prepare(const struct state *s, const float *x, float *to)
{
	double squares = s->rows->squares(x, s->d);
	double scale = s->normalise ? 1 / sqrt(squares) : 1;

	if (!isfinite(squares) || !isfinite(scale)) {
		memset(to, 0, s->d * sizeof *to);
		return false;
	}
	s->rows->shift(x, (float)scale, s->mean, to, s->d);
	return true;
}

/* Distance to the nearest class: of those that look nearest, measured directly. Equal ones: the first. */
static float row_nearest(const struct state *s, const float *y, const float *near, unsigned *some, size_t *ret_class)
{
	float best = INFINITY, most = s->rows->most(near, s->n_classes), floor = most - s->margin;
	size_t stride = product_f32_stride(s->whiten);
	size_t n = s->rows->above(near, s->n_classes, floor < most ? floor : nextafterf(most, -INFINITY), some);

	*ret_class = 0;
	for (size_t i = 0; i < n; i++) {
		float distance = s->rows->distance(y, s->centre + some[i] * stride, s->d);
		if (distance < best) {
			best = distance;
			*ret_class = some[i];
		}
	}
	return best;
}

static void block_score(const struct state *s, const struct oodd_batch *batch, size_t from, size_t n, const struct scratch *w,
	float *scores, uint8_t *status)
{
	size_t stride_y = product_f32_stride(s->whiten), stride_c = product_f32_stride(s->classes), class;

	for (size_t i = 0; i < n; i++)
		if (!row_prepare(s, oodd_row(batch->embedding, from + i), w->x + i * s->d))
			status[from + i] = OODD_ROW_UNSCORED;
	product_f32_rows(s->whiten, w->x, s->d, n, w->y);
	product_f32_rows(s->classes, w->y, stride_y, n, w->near);
	for (size_t i = 0; i < n; i++) {
		if (status[from + i] == OODD_ROW_UNSCORED)
			continue;
		scores[from + i] = row_nearest(s, w->y + i * stride_y, w->near + i * stride_c, w->some, &class);
		if (!isfinite(scores[from + i]))
			status[from + i] = OODD_ROW_UNSCORED;
	}
}

static int mahalanobis_score(const void *state, const struct oodd_batch *batch, float *scores, uint8_t *status)
{
	const struct state *s = state;
	struct scratch w;

	if (batch->n == 0)
		return 0;
	if (!s || batch->embedding.width != s->d)
		return -EINVAL;
	if (!scratch_open(&w, s, batch->n < s->block ? batch->n : s->block))
		return -ENOMEM;
	for (size_t from = 0; from < batch->n; from += s->block)
		block_score(s, batch, from, batch->n - from < s->block ? batch->n - from : s->block, &w, scores, status);
	free(w.x);
	return 0;
}

/* ---- explain ---- */

/* The distance is the sum over dimensions of (x - mu_c) times S^-1 (x - mu_c): what each dimension adds. */
static void parts_make(const struct state *s, const float *x, const float *y, size_t class, double *part)
{
	const float *centre = s->centre + class * product_f32_stride(s->whiten), *mean = s->class_mean + class * s->d;

	for (size_t j = 0; j < s->d; j++) {
		double back = 0;
		for (size_t i = j; i < s->d; i++)
			back += (double)product_f32_at(s->whiten, i, j) * ((double)y[i] - (double)centre[i]);
		part[j] = back * ((double)x[j] - (double)mean[j]);
	}
}

/* How clearly it is that class, were all equally likely: exp(-distance/2) over the sum of all classes'. */
static double class_weight(const struct state *s, const float *near, size_t class)
{
	double sum = 0;

	for (size_t c = 0; c < s->n_classes; c++)
		sum += exp((double)near[c] - (double)near[class]);
	return 1 / sum;
}

static int mahalanobis_explain(const void *state, const struct oodd_batch *batch, size_t row, struct oodd_reason *reasons, size_t n)
{
	const struct state *s = state;
	struct scratch w;
	size_t class;
	int found = 0;

	if (!s || batch->embedding.width != s->d || row >= batch->n)
		return -EINVAL;
	double *part = malloc(s->d * sizeof *part);
	if (!part || !scratch_open(&w, s, 1)) {
		free(part);
		return -ENOMEM;
	}
	if (row_prepare(s, oodd_row(batch->embedding, row), w.x)) {
		product_f32_rows(s->whiten, w.x, s->d, 1, w.y);
		product_f32_rows(s->classes, w.y, product_f32_stride(s->whiten), 1, w.near);
		row_nearest(s, w.y, w.near, w.some, &class);
		parts_make(s, w.x, w.y, class, part);
		found = shares_rank(s->class_index[class], class_weight(s, w.near, class), part, s->d, reasons, n);
	}
	free(w.x);
	free(part);
	return found;
}

static const struct oodd_detector mahalanobis = {
	.name = "mahalanobis",
	.version = "1.0",
	.summary = "squared distance to the nearest predicted class, one covariance for all",
	.needs = OODD_NEEDS_EMBEDDING | OODD_NEEDS_PREDICTED,
	.options = mahalanobis_options,
	.fit = mahalanobis_fit,
	.open = mahalanobis_open,
	.close = mahalanobis_close,
	.score = mahalanobis_score,
	.explain = mahalanobis_explain,
};

OODD_PLUGIN("Apache-2.0", &mahalanobis, &relative);
