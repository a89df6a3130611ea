/* SPDX-License-Identifier: Apache-2.0
 * The classifier's last layer, logits z = W x + b, found again from what it logged: the least squares solution of least norm of
 * [x 1] on z over the rows of a fit. It is used only where it explains rows that were held out, so a wrong one is never believed. */
#ifndef LASTLAYER_LAYER_H
#define LASTLAYER_LAYER_H

#include <stdbool.h>
#include <stddef.h>

#include "oodd/detector.h"

/* What it must reach on the rows held out: share of the logits' variance explained, and of rows whose class comes out the same. */
#define LAYER_LEAST_R2 0.999
#define LAYER_LEAST_AGREEMENT 0.995

struct layer {
	size_t d, n_classes;
	double *w; /* n_classes x d */
	double *b; /* n_classes */
};

/* 0; -ENODATA where there are too few rows, -EDOM where the logits are not made of the embedding, both after telling the host in a
 * sentence with the figures. centred: each row's mean logit is taken away first, so that log-probabilities do as well; then W and b
 * are known up to what all classes share. */
int layer_recover(struct layer *l, const struct oodd_host *host, const struct oodd_batch *const *batches, size_t n_batches, bool centred);
void layer_done(struct layer *l);

#endif
