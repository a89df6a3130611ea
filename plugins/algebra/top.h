/* SPDX-License-Identifier: Apache-2.0
 * The largest of many, met one after the other. */
#ifndef ALGEBRA_TOP_H
#define ALGEBRA_TOP_H

#include <stddef.h>
#include <stdint.h>

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
