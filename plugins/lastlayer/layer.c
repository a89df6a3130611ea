/* SPDX-License-Identifier: Apache-2.0
 *
 * Normal equations, streamed: the products of [x 1] with itself and with z are summed in double precision by blocks through the
 * fixed-order kernel, so that the same rows give the same bits. Directions that the rows do not span (a unit that never fired) get
 * weight 0, which is what least norm means. The last tenth of the rows is held out of a first solution, which must explain it; where
 * rows are not many times what is unknown, a second one is made of all.
 */
#include "lastlayer/layer.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "algebra/lapack.h"
#include "algebra/product.h"
#include "algebra/rows.h"
#include "lastlayer/row.h"

#define BLOCK 128
#define LEAST_ROWS 20
#define MANY_TIMES 4
/* Rows beyond this, or beyond four times what is unknown, teach nothing that a rounding would not hide. */
#define MOST_ROWS 10000
/* Directions with less of the largest one's sum of squares than this were not seen: it is what rounding to single precision makes. */
#define LEAST_SPREAD 1e-12

/* What is summed over rows. */
struct sums {
	size_t d, k, c;  /* k = d + 1 */
	size_t n, fill;
	double *columns; /* (k + c) x BLOCK: [x 1 z], a row of the fit in each column */
	double *product; /* (k + c) x stride */
	double *sum;     /* (k + c) x k: [x 1 z]' [x 1] */
	bool centred;
};

/* What is being solved, beside the sums. */
struct solver {
	struct sums s;
	size_t step, n_train, n_held;
	double *vectors; /* k x k */
	double *values;  /* k */
	double *theta;   /* c x k: [W b] */
};

static int shape_check(const struct oodd_host *host, const struct oodd_batch *const *batches, size_t n_batches, size_t *ret_d, size_t *ret_c)
{
	size_t d = 0, c = 0;
	bool same = true;

	for (size_t b = 0; b < n_batches; b++) {
		if (batches[b]->n == 0)
			continue;
		d = d ? d : batches[b]->embedding.width;
		c = c ? c : batches[b]->logits.width;
		same &= batches[b]->embedding.at && batches[b]->logits.at && batches[b]->embedding.width == d && batches[b]->logits.width == c;
	}
	if (!same || d == 0 || c < 2) {
		host->log(host->context, OODD_LOG_ERROR, "the reference has no rows with an embedding and two logits or more, or of several widths");
		return -ENODATA;
	}
	*ret_d = d;
	*ret_c = c;
	return 0;
}

static size_t usable_count(const struct oodd_batch *const *batches, size_t n_batches)
{
	const struct rows *rows = rows_for(PRODUCT_BEST);
	size_t n = 0;

	for (size_t b = 0; b < n_batches; b++)
		for (size_t i = 0; i < batches[b]->n; i++)
			n += row_usable(rows, batches[b], i);
	return n;
}

/* ---- sums ---- */

static int sums_flush(struct sums *s)
{
	struct product_f64 *p = product_f64_open(s->columns, s->k, BLOCK, NULL, false, PRODUCT_BEST);

	if (!p)
		return -ENOMEM;
	size_t stride = product_f64_stride(p);
	product_f64_rows(p, s->columns, BLOCK, s->k + s->c, s->product);
	for (size_t i = 0; i < s->k + s->c; i++)
		for (size_t j = 0; j < s->k; j++)
			s->sum[i * s->k + j] += s->product[i * stride + j];
	product_f64_close(p);
	memset(s->columns, 0, (s->k + s->c) * BLOCK * sizeof *s->columns);
	s->fill = 0;
	return 0;
}

static double row_centre(const struct sums *s, const float *z)
{
	return s->centred ? rows_for(PRODUCT_BEST)->sum(z, s->c) / (double)s->c : 0;
}

static int sums_put(struct sums *s, const float *x, const float *z)
{
	double centre = row_centre(s, z), *to = s->columns + s->fill;

	for (size_t j = 0; j < s->d; j++)
		to[j * BLOCK] = (double)x[j];
	to[s->d * BLOCK] = 1;
	for (size_t j = 0; j < s->c; j++)
		to[(s->k + j) * BLOCK] = (double)z[j] - centre;
	s->n++;
	return ++s->fill == BLOCK ? sums_flush(s) : 0;
}

/* ---- going through the rows that are used ---- */

typedef int row_visit(void *context, const float *x, const float *z);

/* Of the usable rows every `step`-th; of those the ones from `from` to `to`. */
static int rows_visit(const struct oodd_batch *const *batches, size_t n_batches, size_t step, size_t from, size_t to, row_visit *visit,
	void *context)
{
	const struct rows *rows = rows_for(PRODUCT_BEST);
	size_t usable = 0;
	int r = 0;

	for (size_t b = 0; b < n_batches && !r; b++)
		for (size_t i = 0; i < batches[b]->n && !r; i++) {
			if (!row_usable(rows, batches[b], i) || usable++ % step != 0)
				continue;
			size_t at = (usable - 1) / step;
			if (at >= from && at < to)
				r = visit(context, oodd_row(batches[b]->embedding, i), oodd_row(batches[b]->logits, i));
		}
	return r;
}

static int sum_visit(void *context, const float *x, const float *z)
{
	return sums_put(context, x, z);
}

static int rows_sum(struct solver *v, const struct oodd_batch *const *batches, size_t n_batches, size_t from, size_t to)
{
	int r = rows_visit(batches, n_batches, v->step, from, to, sum_visit, &v->s);

	return r ? r : sums_flush(&v->s);
}

/* ---- solving ---- */

/* Some rows of H', BLOCK at a time: to the eigenvectors, divided, and back. */
static void theta_rows(struct solver *v, const struct product_f64 *to, const struct product_f64 *back, double *between, double *wide)
{
	size_t k = v->s.k, c = v->s.c, stride = product_f64_stride(to);
	double least = LEAST_SPREAD * v->values[k - 1];

	for (size_t i = 0; i < c; i += BLOCK) {
		size_t n = c - i < BLOCK ? c - i : BLOCK;
		product_f64_rows(to, v->s.sum + (k + i) * k, k, n, between);
		for (size_t j = 0; j < n * stride; j++)
			between[j] = j % stride < k && v->values[j % stride] > least ? between[j] / v->values[j % stride] : 0;
		product_f64_rows(back, between, stride, n, wide);
		for (size_t j = 0; j < n; j++)
			memcpy(v->theta + (i + j) * k, wide + j * stride, k * sizeof *wide);
	}
}

/* theta = H' V (1/D) V' with G = V D V', directions of no spread left out. */
static int theta_make(struct solver *v)
{
	size_t k = v->s.k;
	double *across = malloc(k * k * sizeof *across), *both = NULL;
	struct product_f64 *to = NULL, *back = product_f64_open(v->vectors, k, k, NULL, false, PRODUCT_BEST);

	for (size_t i = 0; across && i < k * k; i++)
		across[i] = v->vectors[i % k * k + i / k];
	if (across && back)
		to = product_f64_open(across, k, k, NULL, false, PRODUCT_BEST);
	if (to)
		both = malloc(2 * BLOCK * product_f64_stride(to) * sizeof *both);
	if (both)
		theta_rows(v, to, back, both, both + BLOCK * product_f64_stride(to));
	int r = both ? 0 : -ENOMEM;
	product_f64_close(to);
	product_f64_close(back);
	free(across);
	free(both);
	return r;
}

static int theta_solve(struct solver *v, const struct oodd_host *host)
{
	struct lapack l;
	int r = lapack_open(&l, host), k = (int)v->s.k;

	if (r)
		return r;
	memcpy(v->vectors, v->s.sum, v->s.k * v->s.k * sizeof *v->vectors);
	if (l.syevd(LAPACK_ROW_MAJOR, 'V', 'L', k, v->vectors, k, v->values)) {
		host->log(host->context, OODD_LOG_ERROR, "the embeddings have no eigenvectors that can be found: are they out of all measure?");
		r = -EDOM;
	}
	lapack_close(&l);
	return r ? r : theta_make(v);
}

/* ---- what it explains of rows it has not seen ---- */

struct trial {
	const struct sums *s;
	const double *theta;
	double *off, *off_squares; /* c: sums of the logits less their mean before, and of the squares */
	double residual;
	size_t n, n_agree;
};

/* theta . [x 1], in four lanes. */
static double logit_make(const double *theta, const float *x, size_t d)
{
	double lane[4] = {theta[d], 0, 0, 0};
	size_t j = 0;

	for (; j + 4 <= d; j += 4)
		for (size_t i = 0; i < 4; i++)
			lane[i] += theta[j + i] * (double)x[j + i];
	for (; j < d; j++)
		lane[0] += theta[j] * (double)x[j];
	return (lane[0] + lane[1]) + (lane[2] + lane[3]);
}

static int trial_visit(void *context, const float *x, const float *z)
{
	struct trial *t = context;
	size_t k = t->s->k, c = t->s->c, best = 0;
	double centre = row_centre(t->s, z), top = -INFINITY;

	for (size_t i = 0; i < c; i++) {
		double made = logit_make(t->theta + i * k, x, k - 1), is = (double)z[i] - centre;
		double before = t->s->sum[(k + i) * k + k - 1] / (double)t->s->n;
		t->residual += (is - made) * (is - made);
		t->off[i] += is - before;
		t->off_squares[i] += (is - before) * (is - before);
		best = made > top ? i : best;
		top = made > top ? made : top;
	}
	t->n++;
	t->n_agree += z[best] == rows_for(PRODUCT_BEST)->most(z, c);
	return 0;
}

static double trial_variance(const struct trial *t)
{
	double all = 0;

	for (size_t i = 0; i < t->s->c; i++)
		all += t->off_squares[i] - t->off[i] * t->off[i] / (double)t->n;
	return all;
}

static int trial_judge(const struct trial *t, const struct oodd_host *host)
{
	double variance = trial_variance(t), r2 = variance > 0 ? 1 - t->residual / variance : 0;
	double agreement = (double)t->n_agree / (double)t->n;
	char text[240];

	if (r2 >= LAYER_LEAST_R2 && agreement >= LAYER_LEAST_AGREEMENT)
		return 0;
	if (t->s->n < t->s->k)
		snprintf(text, sizeof text, "%zu rows are too few to find a last layer of %zu dimensions: R2 %.4g and class agreement %.4g on rows held out",
			t->s->n, t->s->d, r2, agreement);
	else
		snprintf(text, sizeof text, "the logged embedding is not what the logits are made of: R2 %.4g (at least %g), class agreement %.4g (at least %g)",
			r2, LAYER_LEAST_R2, agreement, LAYER_LEAST_AGREEMENT);
	host->log(host->context, OODD_LOG_ERROR, text);
	return -EDOM;
}

static int theta_try(struct solver *v, const struct oodd_host *host, const struct oodd_batch *const *batches, size_t n_batches)
{
	double *off = calloc(2 * v->s.c, sizeof *off);
	struct trial t = {.s = &v->s, .theta = v->theta, .off = off, .off_squares = off ? off + v->s.c : NULL};

	if (!off)
		return -ENOMEM;
	rows_visit(batches, n_batches, v->step, v->n_train, v->n_train + v->n_held, trial_visit, &t);
	int r = trial_judge(&t, host);
	free(off);
	return r;
}

/* ---- all of it ---- */

static int solver_open(struct solver *v, size_t d, size_t c, bool centred)
{
	size_t k = d + 1;

	*v = (struct solver){.s = {.d = d, .k = k, .c = c, .centred = centred}};
	v->s.columns = calloc((k + c) * BLOCK, sizeof *v->s.columns);
	v->s.product = malloc((k + c) * (k + 64) * sizeof *v->s.product);
	v->s.sum = calloc((k + c) * k, sizeof *v->s.sum);
	v->vectors = malloc(k * k * sizeof *v->vectors);
	v->values = malloc(k * sizeof *v->values);
	v->theta = malloc(c * k * sizeof *v->theta);
	return v->s.columns && v->s.product && v->s.sum && v->vectors && v->values && v->theta ? 0 : -ENOMEM;
}

static void solver_close(struct solver *v)
{
	free(v->s.columns);
	free(v->s.product);
	free(v->s.sum);
	free(v->vectors);
	free(v->values);
	free(v->theta);
}

static int rows_plan(struct solver *v, const struct oodd_host *host, const struct oodd_batch *const *batches, size_t n_batches)
{
	size_t n = usable_count(batches, n_batches), most = 4 * v->s.k > MOST_ROWS ? 4 * v->s.k : MOST_ROWS;
	char text[160];

	if (n < LEAST_ROWS) {
		snprintf(text, sizeof text, "%zu rows have a whole embedding and whole logits, at least %d are needed to find the last layer", n, LEAST_ROWS);
		host->log(host->context, OODD_LOG_ERROR, text);
		return -ENODATA;
	}
	v->step = (n + most - 1) / most;
	n = (n + v->step - 1) / v->step;
	v->n_held = n / 10;
	v->n_train = n - v->n_held;
	return 0;
}

static int layer_take(struct layer *l, const struct solver *v)
{
	size_t d = l->d = v->s.d, c = l->n_classes = v->s.c;

	l->w = malloc(c * d * sizeof *l->w);
	l->b = malloc(c * sizeof *l->b);
	for (size_t i = 0; l->w && l->b && i < c; i++) {
		memcpy(l->w + i * d, v->theta + i * v->s.k, d * sizeof *l->w);
		l->b[i] = v->theta[i * v->s.k + d];
	}
	return l->w && l->b ? 0 : -ENOMEM;
}

int layer_recover(struct layer *l, const struct oodd_host *host, const struct oodd_batch *const *batches, size_t n_batches, bool centred)
{
	struct solver v;
	size_t d, c;

	*l = (struct layer){0};
	int r = shape_check(host, batches, n_batches, &d, &c);
	if (r)
		return r;
	r = solver_open(&v, d, c, centred);
	r = r ? r : rows_plan(&v, host, batches, n_batches);
	r = r ? r : rows_sum(&v, batches, n_batches, 0, v.n_train);
	r = r ? r : theta_solve(&v, host);
	r = r ? r : theta_try(&v, host, batches, n_batches);
	if (!r && v.n_train < MANY_TIMES * v.s.k) {
		r = rows_sum(&v, batches, n_batches, v.n_train, v.n_train + v.n_held);
		r = r ? r : theta_solve(&v, host);
	}
	r = r ? r : layer_take(l, &v);
	solver_close(&v);
	if (r)
		layer_done(l);
	return r;
}

void layer_done(struct layer *l)
{
	free(l->w);
	free(l->b);
	l->w = l->b = NULL;
}
