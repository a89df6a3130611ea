/* SPDX-License-Identifier: Apache-2.0
 * The largest of values that come in blocks: a heap, so that most are turned away by one comparison. */
#include "algebra/top.h"

#include <math.h>
#include <stdbool.h>

static void swap(float *a, float *b)
{
	float t = *a;
	*a = *b;
	*b = t;
}

/* Does a stand before b? The larger value, then the lower index. */
static bool before(float value_a, uint32_t index_a, float value_b, uint32_t index_b)
{
	return value_a > value_b || (value_a == value_b && index_a < index_b);
}

static bool heap_above(const struct top *t, size_t a, size_t b)
{
	return before(t->value[b], t->index[b], t->value[a], t->index[a]);
}

static void heap_swap(struct top *t, size_t a, size_t b)
{
	uint32_t index = t->index[a];

	swap(&t->value[a], &t->value[b]);
	t->index[a] = t->index[b];
	t->index[b] = index;
}

static void heap_sink(struct top *t)
{
	for (size_t at = 0, child; (child = 2 * at + 1) < t->n; at = child) {
		if (child + 1 < t->n && heap_above(t, child + 1, child))
			child++;
		if (!heap_above(t, child, at))
			return;
		heap_swap(t, at, child);
	}
}

static void heap_rise(struct top *t, size_t at)
{
	for (; at > 0 && heap_above(t, at, (at - 1) / 2); at = (at - 1) / 2)
		heap_swap(t, at, (at - 1) / 2);
}

float top_floor(const struct top *t)
{
	return t->n < t->k ? -INFINITY : t->value[0];
}

void top_put(struct top *t, float value, uint32_t index)
{
	if (t->n < t->k) {
		t->value[t->n] = value;
		t->index[t->n] = index;
		heap_rise(t, t->n++);
	} else if (before(value, index, t->value[0], t->index[0])) {
		t->value[0] = value;
		t->index[0] = index;
		heap_sink(t);
	}
}

void top_sort(struct top *t)
{
	size_t n = t->n;

	while (t->n > 1) {
		heap_swap(t, 0, --t->n);
		heap_sink(t);
	}
	t->n = n;
}
