/* SPDX-License-Identifier: Apache-2.0
 * What might odd records look like, when none was ever seen? Four guesses, each an affine combination of embeddings that were:
 *
 *	between   a point between two records of different classes: what belongs to neither
 *	pale      a record drawn towards the mean of all: an input that says less than any known one
 *	foreign   x + y - z, brought back to x's length: strengths of known directions that never come together
 *	beyond    the mean, and the sum or difference of 16 records' ways from it, times 2 / sqrt(16): normal, but for a fourfold covariance
 *
 * Each flatters one family of detectors (between and pale the logits, foreign and beyond the distances) and predicts the order of detectors on
 * some sets and not on others; see README.md for what was measured. Their logits are the same combinations of the records' logits,
 * exactly, where the model's last layer is affine. Who is combined with whom follows from a hash of the number of the record
 * made: no generator, no seed. */
#include "score/fit_pseudo.h"

#include "base/hash.h"
#include "base/mem.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define DRAWS 20 /* for a record of another class */
#define MOST_ROWS 16
#define BEYOND 2.0 /* standard deviations where normal records have one */

/* x = scale * (sum of part[i] * row[i] + rest * mean), the rest being what the parts lack of 1. */
struct recipe {
	size_t n;
	size_t row[MOST_ROWS];
	double part[MOST_ROWS];
	bool as_long_as_first;
};

static double unit(uint64_t k, uint64_t of)
{
	return hash_unit(hash_bytes(&k, sizeof k, of));
}

static size_t draw(const struct vectors *v, uint64_t k, uint64_t of)
{
	return (size_t)(unit(k, of) * (double)v->n);
}

static size_t draw_other(const struct vectors *v, size_t than, uint64_t k, uint64_t of)
{
	size_t row = draw(v, k, of);

	for (uint64_t again = 1; again < DRAWS && v->predicted[row] == v->predicted[than]; again++)
		row = draw(v, k, of + again);
	return row;
}

static struct recipe between(const struct vectors *v, uint64_t k)
{
	size_t first = draw(v, k, 100), second = draw_other(v, first, k, 200);
	double t = 0.3 + 0.4 * unit(k, 300);

	return (struct recipe){2, {first, second}, {t, 1.0 - t}, false};
}

static struct recipe pale(const struct vectors *v, uint64_t k)
{
	size_t row = draw(v, k, 400);
	double t = 0.3 + 0.4 * unit(k, 500);

	return (struct recipe){1, {row}, {t}, false};
}

static struct recipe foreign(const struct vectors *v, uint64_t k)
{
	size_t first = draw(v, k, 600), second = draw_other(v, first, k, 700);

	return (struct recipe){3, {first, second, draw(v, k, 800)}, {1.0, 1.0, -1.0}, true};
}

static struct recipe beyond(const struct vectors *v, uint64_t k)
{
	double each = BEYOND / sqrt(MOST_ROWS);
	struct recipe r = {.n = MOST_ROWS};

	for (uint64_t i = 0; i < MOST_ROWS; i++) {
		r.row[i] = draw(v, k, 900 + i);
		r.part[i] = unit(k, 1000 + i) < 0.5 ? -each : each;
	}
	return r;
}

static struct recipe (*const kinds[PSEUDO_KINDS])(const struct vectors *, uint64_t) = {between, pale, foreign, beyond};

static void combine(const struct recipe *by, const float *rows, const double *mean, size_t width, float *to)
{
	double rest = 1.0;

	for (size_t i = 0; i < by->n; i++)
		rest -= by->part[i];
	for (size_t j = 0; j < width; j++) {
		double sum = rest * mean[j];

		for (size_t i = 0; i < by->n; i++)
			sum += by->part[i] * (double)rows[by->row[i] * width + j];
		to[j] = (float)sum;
	}
}

static double length(const float *x, size_t n)
{
	double sum = 0.0;

	for (size_t j = 0; j < n; j++)
		sum += (double)x[j] * (double)x[j];
	return sqrt(sum);
}

/* z: logits of scale * x, given those of x. */
static void rescale(float *x, size_t n, double scale, float *z, const double *bias, size_t n_logits)
{
	for (size_t j = 0; j < n; j++)
		x[j] = (float)(scale * (double)x[j]);
	for (size_t c = 0; z && c < n_logits; c++)
		z[c] = (float)(bias[c] + scale * ((double)z[c] - bias[c]));
}

static void normalise(float *z, size_t n)
{
	double most = -INFINITY, sum = 0.0;

	for (size_t c = 0; c < n; c++)
		most = fmax(most, (double)z[c]);
	for (size_t c = 0; c < n; c++)
		sum += exp((double)z[c] - most);
	for (size_t c = 0; c < n; c++)
		z[c] = (float)((double)z[c] - most - log(sum));
}

static int32_t largest(const float *z, size_t n)
{
	size_t best = 0;

	for (size_t c = 1; c < n; c++)
		best = z[c] > z[best] ? c : best;
	return (int32_t)best;
}

struct making {
	const struct vectors *from;
	const struct last_layer *layer;
	bool normalised;
	double *mean_x, *mean_z;
};

static void make_row(const struct making *m, const struct recipe *by, struct pseudo *to, size_t row)
{
	const struct vectors *v = m->from;
	float *x = to->x + row * v->width, *z = to->z ? to->z + row * v->n_logits : NULL;

	combine(by, v->x, m->mean_x, v->width, x);
	if (z)
		combine(by, v->z, m->mean_z, v->n_logits, z);
	if (by->as_long_as_first) {
		double is = length(x, v->width);

		rescale(x, v->width, is > 0.0 ? length(v->x + by->row[0] * v->width, v->width) / is : 1.0, z,
			m->layer->bias, v->n_logits);
	}
	if (z && m->normalised)
		normalise(z, v->n_logits);
	to->predicted[row] = z ? largest(z, v->n_logits) : -1;
}

static double *column_means(const float *x, size_t n, size_t width)
{
	double *mean = mem_zero(width + 1, sizeof *mean);

	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < width; j++)
			mean[j] += (double)x[i * width + j] / (double)n;
	return mean;
}

void pseudo_make(const struct vectors *from, const struct last_layer *layer, bool normalised, size_t n_classes,
	size_t n_each, struct pseudo *to)
{
	struct making m = {from, layer, normalised, column_means(from->x, from->n, from->width),
		column_means(from->z, from->n, from->n_logits)};
	size_t n = PSEUDO_KINDS * n_each;

	*to = (struct pseudo){.x = mem_aligned(n * from->width * sizeof *to->x + 64),
		.predicted = mem_zero(n + 1, sizeof *to->predicted)};
	if (layer->found)
		to->z = mem_aligned(n * from->n_logits * sizeof *to->z + 64);
	for (size_t kind = 0; kind < PSEUDO_KINDS; kind++)
		for (size_t k = 0; k < n_each; k++) {
			struct recipe by = kinds[kind](from, k);

			make_row(&m, &by, to, kind * n_each + k);
		}
	to->batch = (struct oodd_batch){.size = sizeof to->batch, .n = n,
		.logits = {to->z, to->z ? from->n_logits : 0}, .embedding = {to->x, from->width},
		.predicted = to->predicted, .n_classes = (int32_t)n_classes, .logits_normalised = normalised};
	free(m.mean_x);
	free(m.mean_z);
}

void pseudo_done(struct pseudo *p)
{
	free(p->x);
	free(p->z);
	free(p->predicted);
	*p = (struct pseudo){0};
}
