/* SPDX-License-Identifier: Apache-2.0
 * Output metrics among the measures of a reference (toxicity, groundedness, refusal, ...): by name, and
 * how many records of a window lie beyond a number. */
#ifndef MODEL_METRIC_H
#define MODEL_METRIC_H

#include "model/reference.h"

#include <stdbool.h>
#include <stdint.h>

/* A metric measure bears its metric's name; where another measure has that name already (a feature "length"), it is
 * METRIC_PREFIX and the name. */
#define METRIC_PREFIX "metrics."
/* The prediction itself, where it is a number (a regression's) and the log has no metric of this name: counted as a metric. */
#define METRIC_PREDICTION "prediction"
/* The metric that a MEASURE_METRIC counts; borrowed from the measure. */
const char *metric_name(const struct reference *r, const struct measure *m);
/* The measure of that metric, or NULL. */
const struct measure *metric_find(const struct reference *r, const char *name);

/* true and false, which have words instead of edges. */
static inline bool metric_is_bool(const struct measure *m)
{
	return m->n_words > 0;
}
#define METRIC_FALSE 0
#define METRIC_TRUE 1

/* A record counts by bins, so a threshold can be counted exactly where one bin ends at it. Make it so: an edge at x, or
 * least or most moved out to it. false: no room for a further edge. Before anything was counted. */
bool metric_edge_add(struct measure *m, double x);
/* Of the counts in a window's vector: how many records have a number, and how many of them one above x. false: no bin of
 * this measure ends at x. */
bool metric_above(
	const struct measure *m, const int64_t *v, double x, int64_t *ret_n, int64_t *ret_above);
/* "< x" is not "above metric_before(x)". */
double metric_before(double x);

#endif
