/* SPDX-License-Identifier: Apache-2.0
 *
 * Virtual-logit matching (Wang et al. 2022): the length of what the embedding has outside the subspace where the reference lives,
 * scaled to the size of a logit, against the energy of the logits. In double precision, because the score crosses zero between the
 * two.
 */
#include "lastlayer/detectors.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "algebra/bytes.h"
#include "algebra/lapack.h"
#include "algebra/product.h"
#include "algebra/shares.h"
#include "lastlayer/layer.h"
#include "lastlayer/row.h"

#define MAGIC "oodvim01"
#define BLOCK 48
#define GATHER 128
/* Singular values of W below this share of the largest are what single precision left there. */
#define LEAST_SINGULAR 1e-6

struct state {
	struct row_shape shape;
	size_t n_rest;
	double alpha;
	double *origin; /* u: d */
	struct product_f64 *rest; /* R': n_rest x d */
};

/* What fit works with. */
struct learner {
	size_t d, c, n_rest, n;
	double *origin;  /* d */
	double *scatter; /* d x d; then its eigenvectors, in columns */
	double *values;  /* d */
	double *columns; /* d x GATHER, or GATHER x d */
	double *product; /* d or GATHER, whichever is more, x stride */
	double *rest;    /* n_rest x d */
	double alpha;
};

/* ---- fit ---- */

/* u = -pinv(W) b, where all logits would be as near to zero as they come. */
static int origin_make(struct learner *v, struct layer *l, const struct lapack *lapack, const struct oodd_host *host)
{
	size_t most = l->d > l->n_classes ? l->d : l->n_classes;
	double *b = calloc(most, sizeof *b), *singular = malloc(most * sizeof *singular);
	int rank = 0, r = b && singular ? 0 : -ENOMEM;

	for (size_t i = 0; !r && i < l->n_classes; i++)
		b[i] = -l->b[i];
	if (!r && lapack->gelsd(LAPACK_ROW_MAJOR, (int)l->n_classes, (int)l->d, 1, l->w, (int)l->d, b, 1, singular, LEAST_SINGULAR, &rank)) {
		host->log(host->context, OODD_LOG_ERROR, "the singular values of the last layer cannot be found");
		r = -EDOM;
	}
	if (!r)
		memcpy(v->origin, b, l->d * sizeof *b);
	free(b);
	free(singular);
	return r;
}

static int scatter_add(struct learner *v)
{
	struct product_f64 *p = product_f64_open(v->columns, v->d, GATHER, NULL, false, PRODUCT_BEST);

	if (!p)
		return -ENOMEM;
	size_t stride = product_f64_stride(p);
	product_f64_rows(p, v->columns, GATHER, v->d, v->product);
	for (size_t i = 0; i < v->d; i++)
		for (size_t j = 0; j < v->d; j++)
			v->scatter[i * v->d + j] += v->product[i * stride + j];
	product_f64_close(p);
	memset(v->columns, 0, v->d * GATHER * sizeof *v->columns);
	return 0;
}

/* Sum of (x - u)(x - u)'. */
static int scatter_make(struct learner *v, const struct oodd_batch *const *batches, size_t n_batches)
{
	const struct rows *rows = rows_for(PRODUCT_BEST);
	int r = 0;

	for (size_t b = 0; b < n_batches; b++)
		for (size_t i = 0; i < batches[b]->n && !r; i++) {
			if (!row_usable(rows, batches[b], i))
				continue;
			for (size_t j = 0; j < v->d; j++)
				v->columns[j * GATHER + v->n % GATHER] = (double)oodd_row(batches[b]->embedding, i)[j] - v->origin[j];
			if (++v->n % GATHER == 0)
				r = scatter_add(v);
		}
	return r ? r : scatter_add(v);
}

/* The eigenvectors beyond the first d - n_rest, as rows. Eigenvalues rise, so they come first. */
static int rest_make(struct learner *v, const struct lapack *lapack, const struct oodd_host *host)
{
	int d = (int)v->d;

	if (lapack->syevd(LAPACK_ROW_MAJOR, 'V', 'L', d, v->scatter, d, v->values)) {
		host->log(host->context, OODD_LOG_ERROR, "the eigenvectors of the embeddings' scatter cannot be found");
		return -EDOM;
	}
	for (size_t i = 0; i < v->n_rest; i++)
		for (size_t j = 0; j < v->d; j++)
			v->rest[i * v->d + j] = v->scatter[j * v->d + i];
	return 0;
}

/* Sum of |R'(x - u)| over the n rows gathered. */
static double residuals_sum(struct learner *v, const struct product_f64 *rest, size_t n)
{
	double sum = 0;

	product_f64_rows(rest, v->columns, v->d, n, v->product);
	for (size_t i = 0; i < n; i++) {
		const double *left = v->product + i * product_f64_stride(rest);
		double squares = 0;
		for (size_t j = 0; j < v->n_rest; j++)
			squares += left[j] * left[j];
		sum += sqrt(squares);
	}
	return sum;
}

/* alpha: what makes the residual as large as the largest logit, on average. */
static int alpha_make(struct learner *v, const struct oodd_host *host, const struct oodd_batch *const *batches, size_t n_batches)
{
	const struct rows *rows = rows_for(PRODUCT_BEST);
	struct product_f64 *rest = product_f64_open(v->rest, v->n_rest, v->d, NULL, false, PRODUCT_BEST);
	double most = 0, left = 0;
	size_t n = 0;

	if (!rest)
		return -ENOMEM;
	for (size_t b = 0; b < n_batches; b++)
		for (size_t i = 0; i < batches[b]->n; i++) {
			if (!row_usable(rows, batches[b], i))
				continue;
			for (size_t j = 0; j < v->d; j++)
				v->columns[n * v->d + j] = (double)oodd_row(batches[b]->embedding, i)[j] - v->origin[j];
			most += (double)rows->most(oodd_row(batches[b]->logits, i), v->c);
			if (++n == GATHER) {
				left += residuals_sum(v, rest, n);
				n = 0;
			}
		}
	left += residuals_sum(v, rest, n);
	product_f64_close(rest);
	v->alpha = most / left;
	if (most > 0 && isfinite(v->alpha))
		return 0;
	host->log(host->context, OODD_LOG_ERROR, most > 0 ? "the embeddings leave nothing outside their principal directions" :
		"the largest logits are not above zero on average, and the residual is scaled to them");
	return -EDOM;
}

static int learner_open(struct learner *v, const struct layer *l, const struct oodd_host *host)
{
	size_t d = l->d, principal = (size_t)host->option(host->context, "principal");
	char text[120];

	*v = (struct learner){.d = d, .c = l->n_classes};
	principal = principal ? principal : d / 2;
	if (principal >= d) {
		snprintf(text, sizeof text, "principal is %zu, and the embedding has only %zu dimensions: nothing is left outside", principal, d);
		host->log(host->context, OODD_LOG_ERROR, text);
		return -EINVAL;
	}
	v->n_rest = d - principal;
	v->origin = malloc(d * sizeof *v->origin);
	v->scatter = calloc(d * d, sizeof *v->scatter);
	v->values = malloc(d * sizeof *v->values);
	v->columns = calloc(d * GATHER, sizeof *v->columns);
	v->product = malloc((d > GATHER ? d : GATHER) * (d + 64) * sizeof *v->product);
	v->rest = malloc(v->n_rest * d * sizeof *v->rest);
	return v->origin && v->scatter && v->values && v->columns && v->product && v->rest ? 0 : -ENOMEM;
}

static void learner_close(struct learner *v)
{
	free(v->origin);
	free(v->scatter);
	free(v->values);
	free(v->columns);
	free(v->product);
	free(v->rest);
}

static void result_write(const struct learner *v, const struct oodd_host *host, const void **ret_bytes, size_t *ret_n)
{
	struct bytes_head head = {MAGIC, BYTES_ORDER, (uint32_t)v->d, (uint32_t)v->c, (uint32_t)v->n_rest};
	struct bytes b = bytes_result(host, &head, (1 + v->d + v->n_rest * v->d) * sizeof(double), ret_bytes, ret_n);

	bytes_put(&b, &v->alpha, sizeof v->alpha);
	bytes_put(&b, v->origin, v->d * sizeof(double));
	bytes_put(&b, v->rest, v->n_rest * v->d * sizeof(double));
}

static int vim_fit(const struct oodd_host *host, const struct oodd_batch *const *batches, size_t n_batches, const void **ret_bytes, size_t *ret_n)
{
	struct layer l;
	struct learner v;
	struct lapack lapack;
	int r = layer_recover(&l, host, batches, n_batches, false);

	if (r)
		return r;
	r = learner_open(&v, &l, host);
	r = r ? r : lapack_open(&lapack, host);
	if (!r) {
		r = origin_make(&v, &l, &lapack, host);
		r = r ? r : scatter_make(&v, batches, n_batches);
		r = r ? r : rest_make(&v, &lapack, host);
		lapack_close(&lapack);
	}
	r = r ? r : alpha_make(&v, host, batches, n_batches);
	if (!r)
		result_write(&v, host, ret_bytes, ret_n);
	learner_close(&v);
	layer_done(&l);
	return r;
}

/* ---- open, close ---- */

static void vim_close(void *state)
{
	struct state *s = state;

	if (!s)
		return;
	product_f64_close(s->rest);
	free(s->origin);
	free(s);
}

static int vim_open(const struct oodd_host *host, const void *bytes, size_t n, void **ret_state)
{
	struct bytes_head head;
	struct bytes b;

	if (!bytes_begin(&b, bytes, n, MAGIC, host, &head))
		return -EINVAL;
	struct state *s = calloc(1, sizeof *s);
	if (!s)
		return -ENOMEM;
	size_t d = head.width, n_rest = s->n_rest = head.flags;
	s->shape = (struct row_shape){d, head.rows, rows_for(PRODUCT_BEST)};
	b.bad |= n_rest == 0 || n_rest > d;
	bytes_get(&b, &s->alpha, sizeof s->alpha);
	s->origin = bytes_take(&b, d, sizeof *s->origin);
	double *rest = bytes_take(&b, n_rest * d, sizeof *rest);
	bool good = bytes_end(&b, host) && isfinite(s->alpha) && bytes_finite_f64(s->origin, d) && bytes_finite_f64(rest, n_rest * d);
	if (good)
		s->rest = product_f64_open(rest, n_rest, d, NULL, false, PRODUCT_BEST);
	free(rest);
	if (s->rest) {
		*ret_state = s;
		return 0;
	}
	vim_close(s);
	return good ? -ENOMEM : -EINVAL;
}

/* ---- score ---- */

/* Memory for a block of rows. */
struct scratch {
	double *off;  /* rows x d: x - u, zeros where the row cannot be used */
	double *left; /* rows x stride: R' of it */
	float *z;     /* n_classes */
};

static bool scratch_open(struct scratch *w, const struct state *s, size_t rows)
{
	w->off = malloc(rows * (s->shape.d + product_f64_stride(s->rest)) * sizeof *w->off + s->shape.n_classes * sizeof *w->z);
	if (!w->off)
		return false;
	w->left = w->off + rows * s->shape.d;
	w->z = (float *)(w->left + rows * product_f64_stride(s->rest));
	return true;
}

static void rows_left(const struct state *s, const struct oodd_batch *batch, size_t from, size_t n, const struct scratch *w, uint8_t *status)
{
	for (size_t i = 0; i < n; i++) {
		const float *x = oodd_row(batch->embedding, from + i);
		if (!row_usable(s->shape.rows, batch, from + i))
			status[from + i] = OODD_ROW_UNSCORED;
		for (size_t j = 0; j < s->shape.d; j++)
			w->off[i * s->shape.d + j] = status[from + i] == OODD_ROW_UNSCORED ? 0 : (double)x[j] - s->origin[j];
	}
	product_f64_rows(s->rest, w->off, s->shape.d, n, w->left);
}

static double row_score(const struct state *s, const float *z, const double *left, float *room)
{
	double sum = 0;

	for (size_t i = 0; i < s->n_rest; i++)
		sum += left[i] * left[i];
	memcpy(room, z, s->shape.n_classes * sizeof *room);
	return s->alpha * sqrt(sum) + row_energy(s->shape.rows, room, s->shape.n_classes);
}

static void block_score(const struct state *s, const struct oodd_batch *batch, size_t from, size_t n, const struct scratch *w, float *scores,
	uint8_t *status)
{
	rows_left(s, batch, from, n, w, status);
	for (size_t i = 0; i < n; i++) {
		if (status[from + i] == OODD_ROW_UNSCORED)
			continue;
		scores[from + i] = (float)row_score(s, oodd_row(batch->logits, from + i), w->left + i * product_f64_stride(s->rest), w->z);
		if (!isfinite(scores[from + i]))
			status[from + i] = OODD_ROW_UNSCORED;
	}
}

static int vim_score(const void *state, const struct oodd_batch *batch, float *scores, uint8_t *status)
{
	const struct state *s = state;
	struct scratch w;

	if (batch->n == 0)
		return 0;
	if (!s || batch->embedding.width != s->shape.d || batch->logits.width != s->shape.n_classes)
		return -EINVAL;
	if (!scratch_open(&w, s, batch->n < BLOCK ? batch->n : BLOCK))
		return -ENOMEM;
	for (size_t from = 0; from < batch->n; from += BLOCK)
		block_score(s, batch, from, batch->n - from < BLOCK ? batch->n - from : BLOCK, &w, scores, status);
	free(w.off);
	return 0;
}

/* ---- explain ---- */

/* The squared residual is the sum over dimensions of (x - u) times R R'(x - u): what each dimension adds. */
static void parts_make(const struct state *s, const double *off, const double *left, double *part)
{
	for (size_t j = 0; j < s->shape.d; j++) {
		double back = 0;
		for (size_t i = 0; i < s->n_rest; i++)
			back += product_f64_at(s->rest, i, j) * left[i];
		part[j] = back * off[j];
	}
}

static int vim_explain(const void *state, const struct oodd_batch *batch, size_t row, struct oodd_reason *reasons, size_t n)
{
	const struct state *s = state;
	struct scratch w;
	struct oodd_reason best;
	int found = row_check(state, batch, row);

	if (found <= 0)
		return found;
	double *part = malloc(s->shape.d * sizeof *part);
	if (!part || !scratch_open(&w, s, 1)) {
		free(part);
		return -ENOMEM;
	}
	for (size_t j = 0; j < s->shape.d; j++)
		w.off[j] = (double)oodd_row(batch->embedding, row)[j] - s->origin[j];
	product_f64_rows(s->rest, w.off, s->shape.d, 1, w.left);
	parts_make(s, w.off, w.left, part);
	found = row_classes(s->shape.rows, oodd_row(batch->logits, row), s->shape.n_classes, &best, 1);
	if (found == 1)
		found = shares_rank((int32_t)best.index, best.weight, part, s->shape.d, reasons, n);
	free(w.off);
	free(part);
	return found;
}

static const struct oodd_option options[] = {
	{"principal", OODD_OPTION_INT, 0, 0, BYTES_MOST_WIDTH, NULL, "how many principal directions the reference lives in; 0: half of the dimensions"},
	{0},
};

const struct oodd_detector vim = {
	.name = "vim",
	.version = "1.0",
	.summary = "what the embedding has outside the reference's subspace, against the energy of the logits",
	.needs = OODD_NEEDS_LOGITS | OODD_NEEDS_RAW_LOGITS | OODD_NEEDS_EMBEDDING,
	.options = options,
	.fit = vim_fit,
	.open = vim_open,
	.close = vim_close,
	.score = vim_score,
	.explain = vim_explain,
};
