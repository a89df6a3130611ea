/* SPDX-License-Identifier: Apache-2.0
 * The shadow of the last layer (model/reference_layer.h), from the least squares that recovered it: weights of a combination are
 * S^-1 times the sum of (x_i - m)(u_i - mean u), u being that combination of record i's logits. */
#include "score/fit_last_layer.h"

#include "base/hash.h"
#include "base/mem.h"
#include "stats/linear.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { N = LAYER_COMBINATIONS };

/* Logits must follow from the embedding this well on held-out records; a looser fit would follow less well where traffic moves,
 * and say that the model did. */
#define LEAST_R2 0.999
#define USUAL .99
/* Logs are rounded. */
#define LEAST_USUAL 1e-6
#define MOST_HELD 2000

/* Signs by the hash of their place, less their mean over the classes, of length one. */
static float *combinations(size_t n_logits)
{
	float *to = mem_zero(N * n_logits + 1, sizeof *to);

	for (uint64_t k = 0; k < N; k++) {
		double mean = 0, length = 0;

		for (uint64_t c = 0; c < n_logits; c++) {
			uint64_t place[2] = {c, k};

			to[c * N + k] = hash_bytes(place, sizeof place, 0) & 1 ? 1.0f : -1.0f;
			mean += (double)to[c * N + k] / (double)n_logits;
		}
		for (size_t c = 0; c < n_logits; c++)
			length += ((double)to[c * N + k] - mean) * ((double)to[c * N + k] - mean);
		for (size_t c = 0; c < n_logits; c++)
			to[c * N + k] = length > 0 ? (float)(((double)to[c * N + k] - mean) / sqrt(length)) : 0;
	}
	return to;
}

static void combined(const struct reference_layer *l, const float *z, size_t n_logits, double u[N])
{
	memset(u, 0, N * sizeof *u);
	for (size_t c = 0; c < n_logits; c++)
		for (size_t k = 0; k < N; k++)
			u[k] += (double)l->combine[c * N + k] * (double)z[c];
}

/* Right-hand sides, and the variance of the combinations. */
static void sides_sum(const struct squares *s, struct reference_layer *to, double *side, double mean[N])
{
	size_t d = s->v->width, c = s->v->n_logits;
	double u[N], square[N] = {0};

	memset(mean, 0, N * sizeof *mean);
	for (size_t i = 0; i < s->v->n; i++) {
		combined(to, s->v->z + i * c, c, u);
		for (size_t k = 0; k < N; k++) {
			mean[k] += u[k] / (double)s->v->n;
			square[k] += u[k] * u[k] / (double)s->v->n;
		}
		for (size_t j = 0; j < d; j++)
			for (size_t k = 0; k < N; k++)
				side[k * d + j] += ((double)s->v->x[i * d + j] - s->mean_x[j]) * u[k];
	}
	for (size_t k = 0; k < N; k++)
		to->variance += square[k] - mean[k] * mean[k];
}

static void weights_solve(const struct squares *s, struct reference_layer *to)
{
	size_t d = s->v->width;
	double *side = mem_zero(N * d + 1, sizeof *side), mean[N];

	to->n_weights = N * d;
	to->weights = mem_zero(N * d + 1, sizeof *to->weights);
	to->n_offsets = N;
	to->offsets = mem_zero(N, sizeof *to->offsets);
	sides_sum(s, to, side, mean);
	for (size_t k = 0; k < N; k++) {
		linear_solve(s->factor, d, side + k * d);
		to->offsets[k] = mean[k];
		for (size_t j = 0; j < d; j++) {
			to->weights[j * N + k] = (float)side[k * d + j];
			to->offsets[k] -= side[k * d + j] * s->mean_x[j];
		}
	}
	free(side);
}

static int compare_doubles(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* false: held-out logits do not follow well enough. */
static bool held_follow(const struct vectors *held, struct reference_layer *l)
{
	size_t n = held->n < MOST_HELD ? held->n : MOST_HELD;
	double *left = mem_zero(n + 1, sizeof *left), mean = 0;

	for (size_t i = 0; i < n; i++) {
		size_t row = i * held->n / n;

		left[i] = reference_layer_residual(l, held->z + row * held->n_logits, held->n_logits, held->x + row * held->width,
			held->width);
		mean += left[i] / (double)n;
	}
	qsort(left, n, sizeof *left, compare_doubles);
	l->usual = fmax(left[(size_t)(USUAL * (double)(n - 1))], LEAST_USUAL);
	free(left);
	return isfinite(mean) && mean <= 1 - LEAST_R2;
}

void layer_shadow(const struct squares *s, const struct vectors *held, struct reference_layer *to)
{
	*to = (struct reference_layer){.n_combine = N * s->v->n_logits, .combine = combinations(s->v->n_logits)};
	weights_solve(s, to);
	if (!(to->variance > 0) || !held_follow(held, to))
		reference_layer_done(to);
}
