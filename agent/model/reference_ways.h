/* SPDX-License-Identifier: Apache-2.0
 * Ways in which a record may be odd: how the surprises of detectors are fused. */
#ifndef MODEL_REFERENCE_WAYS_H
#define MODEL_REFERENCE_WAYS_H

#include "base/error.h"

#include <stddef.h>

#define REFERENCE_MOST_WAYS 8

/* A kind of odd records, told from normal ones by detectors' surprises: the logarithm of how much better "odd in this way" explains a
 * record than "normal" is offset + sum of weight x surprise. */
struct reference_way {
	double *weights;  /* one of each detector, none negative, 0 where it is muted; they do not sum to 0 */
	size_t n_weights; /* of the reference's detectors */
	double offset;
};

struct reference;
void reference_ways_done(struct reference_way *ways, size_t n);
/* Called by reference_check. */
int reference_ways_check(const struct reference *r, struct error *e);

#endif
