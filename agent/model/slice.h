/* SPDX-License-Identifier: Apache-2.0
 * Slices: records by the value of a tag ("region" = "EU"), and what is counted of each. A reference lays out one stretch of the
 * window's vector: of every slice the same few numbers, so that windows add. And what a signal says of slices. */
#ifndef MODEL_SLICE_H
#define MODEL_SLICE_H

#include "base/error.h"
#include "model/measure.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SLICE_MOST_TAGS 8
#define SLICE_MOST_VALUES 16        /* of a tag, commonest first; the rest and what is new are pooled ... */
#define SLICE_OTHER "(other)"       /* ... here. A record without the tag is in none of its slices */
#define SLICE_MOST 64               /* in all */
#define SLICE_MOST_NUMBERS (1 << 15) /* of the stretch */
#define SLICE_LEVEL .95           /* at which all intervals of a period hold together */
#define SLICE_MOST_MEASURES 128    /* of slices, that may alarm */
#define SLICE_LEAST_RECORDS 50      /* of the reference: a value with fewer goes to the others */

/* The numbers of a slice: its records, those with a p-value, the flagged ones, then its aspects. In `base` the second and the
 * third are of the null part alone, whose p-values no table has seen. */
enum { SLICE_RECORDS, SLICE_SCORED, SLICE_FLAGGED, SLICE_HEAD };

/* A measure of the stream in fewer bins: quarters of a number and what lies beyond the reference, the commonest words. */
struct slice_aspect {
	size_t measure;  /* of the reference */
	size_t at;       /* of a slice's numbers: n counts, then sum and terms as those of the measure where it is a metric's mean */
	char **words;    /* n: what a bin holds, as the measure's own in words */
	size_t n;
	int64_t *map;    /* from a bin of the measure to one of these */
	size_t n_map;
	bool sums;
	bool output;     /* predicted class or an output metric: compared between slices */
};

struct slice {
	char *tag, *value;
	bool other;
};

/* Of a reference. */
struct reference;
struct slices {
	char **asked;         /* tags as named in the configuration; not all may have enough records */
	size_t n_asked;
	char **tags;
	size_t n_tags;
	struct slice *at;     /* by tag, then commonest first, the others last */
	size_t n;
	struct slice_aspect *aspects;
	size_t n_aspects;
	size_t first, width;  /* slice s has vector[first + s * width ... + width) */
	int64_t *base;        /* n * width, of every reference record that calibrates */
	size_t n_base;
};
void slices_done(struct slices *s);
int slices_check(const struct reference *r, size_t first, struct error *e);

/* A share or a mean inside a slice against the rest of the stream, and what that difference was in the reference. */
struct slice_gap {
	const char *tag, *value; /* borrowed from the reference, as is `name` */
	const char *name;        /* "flagged", a class, a metric; the measure that moved */
	char what[96];           /* "flag rate", "share of >50K", "mean of toxicity"; of what moved: its bin */
	bool mean;
	int64_t n;               /* records inside */
	double inside, rest;
	double low, high;        /* of inside - rest: an interval as the list says */
	double ratio;            /* inside / rest; NaN where the rest has none */
	double before, before_rest; /* in the reference */
	double change;           /* (inside - rest) - (before - before_rest) ... */
	double change_low, change_high;
	double share;            /* of what moved: this part of the excess is here ... */
	double of_records;       /* ... and this part of the records; NaN: does not apply */
	bool differs;            /* the interval of inside - rest leaves out 0 */
	bool news;               /* and that of the change */
	char words[400];
};

struct slice_gaps {
	struct slice_gap *at;
	size_t n;
};

/* Demographic parity: of one tag, the slices with the largest and the smallest share of a predicted class. */
struct slice_parity {
	const char *tag, *name;      /* borrowed from the reference; name: the class */
	const char *highest, *lowest; /* values */
	double difference, low, high; /* of the shares, and its interval, which also holds that these two were picked */
	double ratio;                /* smallest / largest */
	double before;               /* the difference of the same two in the reference */
	double change_low, change_high; /* interval of difference - before */
	bool differs, news;
};

/* Of a signal. */
struct slice_signal {
	struct slice_gaps where;  /* of what moved: slices that carry it, largest share first; none: it is everywhere, or too little is known */
	char where_words[400];    /* "in sex Female: 97 % of the excess (33 % of the records)", "everywhere", or "" when nothing moved */
	int64_t where_from_us;    /* the windows that were added up for it: from the one that alarmed */
	struct slice_gaps gaps;   /* of the last whole period: slices that differ from the rest in flag rate or an output */
	struct slice_parities {
		struct slice_parity *at;
		size_t n;
	} parity;                 /* of the same period: one for each tag and predicted class */
	struct slice_gaps opportunity; /* where labels come, in the window that ends a period: of the records truly of a class, the share that was
	                                * predicted so, inside and in the rest (equal opportunity); `name` is the class */
	const struct reference *of; /* NULL: no slices */
	int64_t *counts;          /* of the same period: of all records together, then of each slice as in a window; NULL before */
	int64_t period_start_us, period_end_us; /* TIME_NONE before the first has passed */
	int64_t period_n;
	bool period_fresh;        /* the period ended with this window: `gaps` are new */
	double level;             /* every interval of `gaps` holds together at this level */
};
void slice_signal_done(struct slice_signal *s);

#endif
