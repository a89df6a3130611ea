/* SPDX-License-Identifier: Apache-2.0
 * The largest of many. Deterministic: no random pivots. */
#ifndef ALGEBRA_TOP_H
#define ALGEBRA_TOP_H

#include <stddef.h>
#include <stdint.h>

/* Reorder v so that the k largest of its n values stand first, in no order. No NaN. k >= n: nothing to do. */
void top_partition(float *v, size_t n, size_t k);

/* The k largest (value, index) pairs met, in a heap whose root is the least of them: a new one enters by beating the root.
 * Of equal values the one with the lower index stays, whatever the order in which they came. */
struct top {
	size_t n, k;
	float *value;   /* k, the caller's */
	uint32_t *index; /* k, the caller's */
};

/* Below or at this nothing enters any more; -INFINITY while there is room. */
float top_floor(const struct top *t);
void top_put(struct top *t, float value, uint32_t index);
/* Largest first; of equal ones the lower index first. No heap any more. */
void top_sort(struct top *t);

#endif
