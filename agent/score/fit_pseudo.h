/* SPDX-License-Identifier: Apache-2.0
 * Odd records made of normal ones. Private to the fit_*.c files. */
#ifndef SCORE_FIT_PSEUDO_H
#define SCORE_FIT_PSEUDO_H

#include "score/fit_last_layer.h"

#define PSEUDO_KINDS 4 /* between, pale, foreign, beyond; in this order */

/* n_each records of each kind, kind after kind, as a batch that detectors may be lent; without logits where `layer` was not found. */
struct pseudo {
	struct oodd_batch batch;
	float *x, *z;
	int32_t *predicted;
};
void pseudo_make(const struct vectors *from, const struct last_layer *layer, bool normalised, size_t n_classes,
	size_t n_each, struct pseudo *to);
void pseudo_done(struct pseudo *p);

#endif
