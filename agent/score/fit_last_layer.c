/* SPDX-License-Identifier: Apache-2.0
 * The last layer of a model, recovered from its log.
 *
 * With S the scatter of the embeddings around their mean m, the least-squares logits at x are
 * mean z + sum over records i of (x_i - m)' S^-1 (x - m) (z_i - mean z): one Cholesky factor of S, and for each x tried one pass over
 * the records. The bias is that at x = 0. Whether logits are affine in this embedding at all (it may be of an earlier layer, or
 * of another model) is decided on records that were held out. */
#include "score/fit_last_layer.h"

#include "base/mem.h"
#include "stats/linear.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MOST_FLOATS 33554432.0 /* of the vectors of one part: 128 MB */
#define MOST_TRIED 256
#define MOST_PRODUCTS 4e9      /* of trying: a few seconds */
#define LEAST_R2 0.98
#define LEAST_AGREEMENT 0.95
#define RIDGE 1e-8             /* of the mean variance: units that never fire have none */

/* Gathering. */

static bool all_finite(const float *x, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!isfinite(x[i]))
			return false;
	return true;
}

static void logits_copy(float *to, const float *from, size_t n, bool centre)
{
	double mean = 0.0;

	for (size_t i = 0; centre && i < n; i++)
		mean += (double)from[i] / (double)n;
	for (size_t i = 0; i < n; i++)
		to[i] = (float)((double)from[i] - mean);
}

static void vector_take(const struct oodd_batch *b, size_t row, struct vectors *to)
{
	const float *x = oodd_row(b->embedding, row);
	const float *z = to->n_logits ? oodd_row(b->logits, row) : NULL;

	if (!all_finite(x, to->width) || (z && !all_finite(z, to->n_logits)))
		return;
	memcpy(to->x + to->n * to->width, x, to->width * sizeof *x);
	if (z)
		logits_copy(to->z + to->n * to->n_logits, z, to->n_logits, b->logits_normalised);
	to->predicted[to->n++] = b->predicted ? b->predicted[row] : -1;
}

static size_t most_rows(const struct vectors *v, size_t asked, size_t have)
{
	double most = MOST_FLOATS / (double)(v->width + v->n_logits);

	most = most < (double)asked ? most : (double)asked;
	return most < (double)have ? (size_t)most : have;
}

void vectors_gather(const struct work *w, enum part part, size_t most, struct vectors *to)
{
	const struct fit *f = w->f;
	size_t have = fit_rows_in(f, part), seen = 0;
	struct batch *b = batch_open("", 0, "", 0);
	struct routed routed;

	*to = (struct vectors){0, w->r->n_embedding, w->r->n_logits, NULL, NULL, NULL};
	most = most_rows(to, most, have);
	to->x = mem_zero(most * to->width + 1, sizeof *to->x);
	to->z = mem_zero(most * to->n_logits + 1, sizeof *to->z);
	to->predicted = mem_zero(most + 1, sizeof *to->predicted);
	routed_init(&routed);
	for (size_t i = 0; i < f->n_rows && to->width > 0;) {
		batch_reset(b);
		i = fit_rows_gather(f, i, f->n_rows, part, b);
		route_run(w->route, b, &routed);
		for (size_t row = 0; row < b->n; row++, seen++)
			if (seen * most / have != (seen + 1) * most / have && routed.batch.embedding.at &&
				(to->n_logits == 0 || routed.batch.logits.at))
				vector_take(&routed.batch, row, to);
	}
	routed_done(&routed);
	batch_close(b);
}

void vectors_done(struct vectors *v)
{
	free(v->x);
	free(v->z);
	free(v->predicted);
	*v = (struct vectors){0};
}

/* Least squares. */

static double *means(const float *x, size_t n, size_t width)
{
	double *mean = mem_zero(width + 1, sizeof *mean);

	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < width; j++)
			mean[j] += (double)x[i * width + j] / (double)n;
	return mean;
}

static void centred(const struct squares *s, const float *x, double *to)
{
	for (size_t j = 0; j < s->v->width; j++)
		to[j] = (double)x[j] - s->mean_x[j];
}

static bool squares_open(const struct vectors *v, struct squares *s)
{
	size_t d = v->width;
	double *x = mem_zero(d + 1, sizeof *x), trace = 0.0;
	bool can;

	*s = (struct squares){v, means(v->x, v->n, d), means(v->z, v->n, v->n_logits), mem_zero(d * d + 1, sizeof(double))};
	for (size_t i = 0; i < v->n; i++) {
		centred(s, v->x + i * d, x);
		linear_gram_add(s->factor, x, 1.0, d);
	}
	for (size_t j = 0; j < d; j++)
		trace += s->factor[j * d + j];
	for (size_t j = 0; j < d; j++)
		s->factor[j * d + j] += RIDGE * trace / (double)d;
	can = trace > 0.0 && linear_cholesky(s->factor, d);
	free(x);
	return can;
}

static void squares_done(struct squares *s)
{
	free(s->mean_x);
	free(s->mean_z);
	free(s->factor);
}

/* Logits where the embedding is mean + x; x is used up. */
static void squares_at(const struct squares *s, double *x, double *to)
{
	const struct vectors *v = s->v;

	linear_solve(s->factor, v->width, x);
	memcpy(to, s->mean_z, v->n_logits * sizeof *to);
	for (size_t i = 0; i < v->n; i++) {
		const float *x_i = v->x + i * v->width, *z = v->z + i * v->n_logits;
		double by = 0.0;

		for (size_t j = 0; j < v->width; j++)
			by += ((double)x_i[j] - s->mean_x[j]) * x[j];
		for (size_t c = 0; c < v->n_logits; c++)
			to[c] += by * ((double)z[c] - s->mean_z[c]);
	}
}

struct trying {
	double residual, variance;
	size_t n, agreed;
};

static void try_row(const struct squares *s, const float *z, const double *at, struct trying *t)
{
	size_t best = 0, best_at = 0;

	for (size_t c = 0; c < s->v->n_logits; c++) {
		double r = (double)z[c] - at[c], v = (double)z[c] - s->mean_z[c];

		t->residual += r * r;
		t->variance += v * v;
		best = z[c] > z[best] ? c : best;
		best_at = at[c] > at[best_at] ? c : best_at;
	}
	t->n++;
	t->agreed += best == best_at;
}

static struct trying squares_try(const struct squares *s, const struct vectors *held)
{
	size_t d = held->width, c = held->n_logits, n = held->n < MOST_TRIED ? held->n : MOST_TRIED;
	double most = MOST_PRODUCTS / ((double)s->v->n * (double)(d + c) + 1.0);
	double *x = mem_zero(d + 1, sizeof *x), *at = mem_zero(c + 1, sizeof *at);
	struct trying t = {0};

	n = most < (double)n ? (size_t)most + 1 : n;
	for (size_t i = 0; i < n; i++) {
		size_t row = i * held->n / n;

		centred(s, held->x + row * d, x);
		squares_at(s, x, at);
		try_row(s, held->z + row * c, at, &t);
	}
	free(x);
	free(at);
	return t;
}

static void bias_find(const struct squares *s, double *bias)
{
	double *x = mem_zero(s->v->width + 1, sizeof *x);

	for (size_t j = 0; j < s->v->width; j++)
		x[j] = -s->mean_x[j];
	squares_at(s, x, bias);
	free(x);
}

void last_layer_find(const struct vectors *learn, const struct vectors *held, struct last_layer *to)
{
	struct squares s;

	*to = (struct last_layer){.r2 = (double)NAN, .agreement = (double)NAN, .bias = mem_zero(learn->n_logits + 1, sizeof(double))};
	if (learn->n_logits < 2 || held->n < 30 || learn->n < learn->width + learn->width / 2 + 1)
		return;
	if (squares_open(learn, &s)) {
		struct trying t = squares_try(&s, held);

		to->r2 = t.variance > 0.0 ? 1.0 - t.residual / t.variance : (double)NAN;
		to->agreement = (double)t.agreed / (double)t.n;
		to->found = to->r2 >= LEAST_R2 && to->agreement >= LEAST_AGREEMENT;
		bias_find(&s, to->bias);
		if (to->found)
			layer_shadow(&s, held, &to->shadow);
	}
	squares_done(&s);
}

void last_layer_done(struct last_layer *l)
{
	free(l->bias);
	reference_layer_done(&l->shadow);
	*l = (struct last_layer){0};
}
