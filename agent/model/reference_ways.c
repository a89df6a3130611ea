/* SPDX-License-Identifier: Apache-2.0
 * Ways of being odd: freed and checked. */
#include "model/reference.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

void reference_ways_done(struct reference_way *ways, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(ways[i].weights);
	free(ways);
}

static int way_check(const struct reference *r, const struct reference_way *w, struct error *e)
{
	double sum = 0;

	if (w->n_weights != r->n_detectors)
		return error_set(e, -EINVAL, "a way of being odd has %zu weights for %zu detectors", w->n_weights, r->n_detectors);
	for (size_t i = 0; i < w->n_weights; i++) {
		double x = w->weights[i];

		if (!(isfinite(x) && x >= 0) || (x > 0 && !(r->detectors[i].weight > 0)))
			return error_set(e, -EINVAL, "a way of being odd weighs %s %g", r->detectors[i].name, x);
		sum += x;
	}
	if (!(sum > 0) || !isfinite(w->offset))
		return error_set(e, -EINVAL, "a way of being odd with weights of %g in all, and an offset of %g", sum, w->offset);
	return 0;
}

int reference_ways_check(const struct reference *r, struct error *e)
{
	int code = 0;

	if (r->n_ways > REFERENCE_MOST_WAYS)
		return error_set(e, -EINVAL, "%zu ways of being odd, at most %d", r->n_ways, REFERENCE_MOST_WAYS);
	for (size_t i = 0; i < r->n_ways && code == 0; i++)
		code = way_check(r, &r->ways[i], e);
	return code;
}
