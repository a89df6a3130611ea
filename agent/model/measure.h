/* SPDX-License-Identifier: Apache-2.0
 * A measure is one thing counted in a window: the bins of a feature, of p-values, of confidence, the predicted classes,
 * what was missing. Its bins are a stretch of the window's vector; the reference fixes them, so windows of two hosts add. */
#ifndef MODEL_MEASURE_H
#define MODEL_MEASURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum measure_kind {
	MEASURE_P_VALUE,    /* fused p-value: bins by fixed edges; one-sided, only an excess of small p is evidence */
	MEASURE_CONFIDENCE, /* reference quantiles */
	MEASURE_CLASS,      /* predicted class */
	MEASURE_NUMERIC,    /* a numeric feature: reference quantiles */
	MEASURE_CATEGORY,   /* a categorical feature: the reference's commonest values */
	MEASURE_MISSING,    /* how many of the reference's fields a record lacks: edges 0, 1, 2, 4 */
	MEASURE_ACCURACY,   /* of labels: "right", and `other` is wrong; one-sided, only more errors are evidence */
	MEASURE_LABEL,      /* of labels: the true class; or the same where one class is predicted (model/performance.h) */
	MEASURE_FIELDS,     /* how many fields a record has that the reference never had: the same edges */
	MEASURE_METRIC,     /* an output metric: a number as MEASURE_NUMERIC, true and false as two words; see model/metric.h */
	MEASURE_LAYER,      /* how much of the logits does not follow from the embedding (model/reference_layer.h): edges from the usual up */
};
#define MEASURE_KINDS (MEASURE_LAYER + 1)
/* What a window detector says: no bins, no struct measure, but a finding as of any measure (model/statistic.h). */
#define MEASURE_STATISTIC ((enum measure_kind)MEASURE_KINDS)

/* "p-value", "confidence", "class", "numeric", "category", "missing", "accuracy", "label", "fields", "metric", "layer"; "statistic" */
extern const char *const measure_kind_words[];

#define MEASURE_NO_BIN SIZE_MAX
#define MEASURE_MOST_EDGES 63
/* The last word of a category with more values than bins: a value that the reference holds, but seldom. `other` is left
 * to what it never held. */
#define MEASURE_RARE_WORD "(rare)"

/* Bins, in this order: first the plain ones, then the special ones that the kind has.
 *   edges e[0..n_edges): plain bin k = (e[k-1], e[k]], first and last open inwards to the reference's own least and most;
 *   words w[0..n_words): plain bin k = that class or category;
 *   below, above: beyond anything the reference held (numeric); other: a category or class that the reference never held
 *   (one too rare for its own bin is MEASURE_RARE_WORD); missing: absent, null, NaN; mistyped: a value of another type.
 * A special index is relative to `first`, or MEASURE_NO_BIN. */
struct measure {
	char *name;              /* "p-value", "confidence", "class", "missing", "fields", or the feature's name */
	enum measure_kind kind;
	size_t first, n;         /* vector[first .. first + n) */
	size_t n_edges;
	double *edges;           /* rising */
	size_t n_words;
	char **words;
	size_t below, above, other, missing, mistyped;
	double least, most;      /* seen in the reference (numeric kinds) */

	/* For before and after: vector[sums] = sum of round((x - centre) / scale * 2^20), each term clipped to +-2^40;
	 * vector[sums + 1] = how many terms. MEASURE_NO_BIN when the measure has no mean. */
	size_t sums;
	double centre, scale;    /* mean and standard deviation of the reference (scale > 0) */

	/* What `mean` is learned from: counts over every reference record that did not go into the thing counted. For features,
	 * classes, confidence and missingness: the whole of cal-A, cal-B and null (and windows that were cut); for p-values: null
	 * alone. Filled by fit. A value that only one reference record holds counts as never seen, a lone least or greatest as
	 * beyond: what that record would have been, had it come later (leave-one-out; for words that is Good-Turing). */
	int64_t *base;           /* n counts; NULL before fit */

	/* Learned from the windows of the reference (judge_learn). */
	double *mean;            /* n values > 0 that sum to 1 */
	double kappa;            /* concentration of the Dirichlet-multinomial: how much windows naturally vary */
	double tolerance;        /* KL radius of the composite null */
	double n_records;        /* reference records behind `mean` */
	double n_effective;      /* the same, after the design effect */
	size_t n_windows;        /* windows behind kappa */
	double memory;           /* autocorrelation time of those windows, >= 1: evidence counts for one part in so many */
	double season_prior;     /* in a season's bucket a bin's share is (seen + this) / (expected + this) of `mean`; 0: no season */
	struct {
		double kappa, memory, n_effective; /* the same along the direction in which windows vary most; zeros: as they are above */
	} along;
	size_t slice, source;    /* slice: 1 + the slice (of the reference) whose records alone it counts, by the bins of measure `source`; 0: all */
	bool judged;             /* false: too little data; then `why` says what is missing */
	char *why;               /* NULL when judged */
};

void measure_done(struct measure *m); /* frees what it holds */

static inline double measure_along_memory(const struct measure *m)
{
	return m->along.memory > m->memory ? m->along.memory : m->memory;
}

/* Its bins are numbers of fields of a record, "none" first. */
static inline bool measure_counts_fields(const struct measure *m)
{
	return m->kind == MEASURE_MISSING || m->kind == MEASURE_FIELDS;
}

/* A feature or an output metric that is a number: with bins beyond what the reference held, and a mean. */
static inline bool measure_counts_numbers(const struct measure *m)
{
	return (m->kind == MEASURE_NUMERIC || m->kind == MEASURE_METRIC) && m->n_words == 0;
}

/* A number of the window's fixed point (a mean, an end), without the digits that it cannot have. */
double measure_rounded(const struct measure *m, double x);

/* Bin of a number (not NaN) for kinds with edges, relative to `first`. */
size_t measure_bin(const struct measure *m, double x);
/* The same for a column: to[i * stride] = first + bin of x[i], NaN left alone. The hot loop of counting. */
void measure_bins(const struct measure *m, const double *x, size_t n, uint32_t *to, size_t stride);
/* The bin in words: "> 40", "(17, 25]", "private", "missing", "never seen". Into `to`; returns it. */
const char *measure_bin_words(const struct measure *m, size_t bin, char *to, size_t n);

#endif
