/* SPDX-License-Identifier: Apache-2.0
 * Are the logits an affine function of the embedding? Private to the fit_*.c files. */
#ifndef SCORE_FIT_LAST_LAYER_H
#define SCORE_FIT_LAST_LAYER_H

#include "score/fit_work.h"

/* Embeddings and logits of some records of one part, evenly spaced; rows without either are left out. */
struct vectors {
	size_t n, width, n_logits; /* n_logits 0: the log holds none */
	float *x, *z;              /* n x width, n x n_logits; log-probabilities less their mean, which is affine where they are not */
	int32_t *predicted;        /* -1 unknown */
};
/* At most `most` rows, fewer where they are long. */
void vectors_gather(const struct work *w, enum part part, size_t most, struct vectors *to);
void vectors_done(struct vectors *v); /* accepts the zeroed */

/* The least squares that recover it. */
struct squares {
	const struct vectors *v;
	double *mean_x, *mean_z;
	double *factor; /* Cholesky, of the scatter of x */
};

struct last_layer {
	bool found;      /* logits follow the embedding, on records that were not learned from */
	double r2;       /* 1 - residual / variance there; NaN when it could not be tried */
	double agreement; /* share of those records whose largest logit is the recovered one */
	double *bias;    /* n_logits: the logits of an embedding of zero */
	struct reference_layer shadow; /* all zero unless logits follow closely */
};
/* Least squares on `learn`, tried on `held`. Sums over affine combinations of records need no more than the bias: logits of
 * a x + b y are a z_x + b z_y when a + b = 1. So no matrix of classes by width is made, and 10,000 classes cost no more
 * than their logits. */
void last_layer_find(const struct vectors *learn, const struct vectors *held, struct last_layer *to);
void last_layer_done(struct last_layer *l);
/* fit_layer.c: all zero where held-out logits do not follow from it closely. */
void layer_shadow(const struct squares *s, const struct vectors *held, struct reference_layer *to);

#endif
