/* SPDX-License-Identifier: Apache-2.0
 * Limits in words, and whether a reference can count them. */
#include "model/limit.h"

#include "base/mem.h"
#include "model/metric.h"

#include <stdio.h>
#include <stdlib.h>

void limits_done(struct limits *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->at[i].metric);
	free(l->at);
	*l = (struct limits){0};
}

void limit_signal_done(struct limit_signal *s)
{
	for (size_t i = 0; i < s->n; i++)
		free(s->at[i].metric);
	free(s->at);
	*s = (struct limit_signal){0};
}

bool limit_edge(const struct limit *l, double *ret)
{
	*ret = l->of == LIMIT_BELOW ? metric_before(l->threshold) : l->threshold;
	return l->of == LIMIT_ABOVE || l->of == LIMIT_BELOW;
}

char *limit_unfit(const struct limit *l, const struct reference *r)
{
	const struct measure *m = metric_find(r, l->metric);
	int64_t *none, n, k;
	double edge;
	bool counted;

	if (!m)
		return mem_format("the reference knows no output metric '%s'", l->metric);
	if (l->of == LIMIT_TRUE && !metric_is_bool(m))
		return mem_format("%s is a number: say above or below what, or mean_at_most", l->metric);
	if (l->of != LIMIT_TRUE && metric_is_bool(m))
		return mem_format("%s is true or false: say at_most or at_least, and nothing else", l->metric);
	if (!limit_edge(l, &edge))
		return NULL;
	none = mem_zero(r->width + 1, sizeof *none);
	counted = metric_above(m, none, edge, &n, &k);
	free(none);
	return counted ? NULL
		       : mem_format("the reference was fitted without the threshold %g of %s: fit again", l->threshold,
				 l->metric);
}

const char *limit_words(const struct limit *l, char *to, size_t n)
{
	if (l->of == LIMIT_MEAN)
		snprintf(to, n, "mean of %.80s", l->metric);
	else if (l->of == LIMIT_TRUE)
		snprintf(to, n, "%.80s", l->metric);
	else
		snprintf(to, n, "%.80s %s %g", l->metric, l->of == LIMIT_ABOVE ? "above" : "below", l->threshold);
	return to;
}
