/* SPDX-License-Identifier: Apache-2.0
 * The shadow of a model's last layer: do logged logits still follow from the logged embedding?
 *
 * Where logits are W x + b, any few fixed combinations of them, U z, are (U W) x + U b: n rows of weights instead of all of W.
 * Each combination sums to zero over the classes, so that log-probabilities, which are logits less a number of their own, do as
 * well. What is left over, as a share of how much the combinations vary in the reference, is rounding while the model is the one
 * the reference was made of, and a good part of one as soon as it is another under the same version. */
#ifndef MODEL_REFERENCE_LAYER_H
#define MODEL_REFERENCE_LAYER_H

#include "base/error.h"

#include <stddef.h>

#define LAYER_COMBINATIONS 4

/* All zero: the reference knows none. */
struct reference_layer {
	size_t n_combine; /* LAYER_COMBINATIONS x n_logits, by class: the combinations of class c stand side by side */
	float *combine;
	size_t n_weights; /* LAYER_COMBINATIONS x n_embedding, in the same order */
	float *weights;
	size_t n_offsets; /* LAYER_COMBINATIONS */
	double *offsets;
	double variance;  /* of the combinations, summed: what a residual is a share of */
	double usual;     /* held-out records leave at most this share, but for one in a hundred */
};

void reference_layer_done(struct reference_layer *l);
int reference_layer_check(const struct reference_layer *l, size_t n_logits, size_t n_embedding, struct error *e);
/* The share of a record's combinations that its embedding does not explain, 0 for all of it; NaN where a vector holds one. One
 * pass over both vectors. */
double reference_layer_residual(const struct reference_layer *l, const float *logits, size_t n_logits, const float *embedding,
	size_t n_embedding);

#endif
