/* SPDX-License-Identifier: Apache-2.0
 * The shadow of the last layer: freed, checked, held against a record. */
#include "model/reference_layer.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { N = LAYER_COMBINATIONS };

void reference_layer_done(struct reference_layer *l)
{
	free(l->combine);
	free(l->weights);
	free(l->offsets);
	*l = (struct reference_layer){0};
}

static int numbers_check(const float *x, size_t n, const char *what, struct error *e)
{
	for (size_t i = 0; i < n; i++)
		if (!isfinite(x[i]))
			return error_set(e, -EINVAL, "last layer: %s %zu is not finite", what, i + 1);
	return 0;
}

int reference_layer_check(const struct reference_layer *l, size_t n_logits, size_t n_embedding, struct error *e)
{
	int code;

	if (l->n_combine == 0)
		return 0;
	if (l->n_combine != N * n_logits || l->n_weights != N * n_embedding || l->n_offsets != N)
		return error_set(e, -EINVAL, "last layer: %zu and %zu weights for %zu logits and %zu dimensions", l->n_combine, l->n_weights,
			n_logits, n_embedding);
	code = numbers_check(l->combine, l->n_combine, "combination", e);
	if (!code)
		code = numbers_check(l->weights, l->n_weights, "weight", e);
	for (size_t i = 0; i < N && !code; i++)
		if (!isfinite(l->offsets[i]))
			code = error_set(e, -EINVAL, "last layer: offset %zu is not finite", i + 1);
	if (!code && !(isfinite(l->variance) && l->variance > 0 && isfinite(l->usual) && l->usual >= 0))
		code = error_set(e, -EINVAL, "last layer: a variance of %g, a usual residual of %g", l->variance, l->usual);
	return code;
}

/* One float of each combination. */
typedef float lanes __attribute__((vector_size(N * sizeof(float))));

/* Combinations side by side, and two sums in turn: what one waits for, the others use. A fixed order, hence the same bits. */
static void combine(const float *weights, const float *x, size_t n, double to[N])
{
	lanes a = {0}, b = {0}, w, v;
	float all[N];
	size_t i = 0;

	for (; i + 1 < n; i += 2) {
		memcpy(&w, weights + i * N, sizeof w);
		memcpy(&v, weights + (i + 1) * N, sizeof v);
		a += w * x[i];
		b += v * x[i + 1];
	}
	if (i < n) {
		memcpy(&w, weights + i * N, sizeof w);
		a += w * x[i];
	}
	a += b;
	memcpy(all, &a, sizeof all);
	for (size_t k = 0; k < N; k++)
		to[k] = (double)all[k];
}

double reference_layer_residual(const struct reference_layer *l, const float *logits, size_t n_logits, const float *embedding,
	size_t n_embedding)
{
	double is[N], made[N], sum = 0;

	combine(l->combine, logits, n_logits, is);
	combine(l->weights, embedding, n_embedding, made);
	for (size_t k = 0; k < N; k++) {
		double off = is[k] - made[k] - l->offsets[k];

		sum += off * off;
	}
	return sum / l->variance;
}
