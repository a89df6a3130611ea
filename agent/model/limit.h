/* SPDX-License-Identifier: Apache-2.0
 * Absolute limits of output metrics: what a user will not have, whatever the reference held. Made from the configuration,
 * judged by judge/limit.c, told in the signal. */
#ifndef MODEL_LIMIT_H
#define MODEL_LIMIT_H

#include "model/reference.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum limit_of {
	LIMIT_ABOVE, /* the share of records with a number above `threshold` */
	LIMIT_BELOW, /* .. below it */
	LIMIT_TRUE,  /* the share of records where it is true */
	LIMIT_MEAN,  /* the mean */
};

struct limit {
	char *metric;
	enum limit_of of;
	double threshold; /* ABOVE, BELOW */
	bool at_least;    /* else at most */
	double limit;     /* a share in [0, 1], or a mean */
	int line;         /* of the configuration */
};

struct limits {
	struct limit *at;
	size_t n;
};
void limits_done(struct limits *l);
/* Where a bin must end for this limit to be counted. false: nowhere (means, and true and false). */
bool limit_edge(const struct limit *l, double *ret);
/* NULL, or why this reference cannot count it: a sentence, free. */
char *limit_unfit(const struct limit *l, const struct reference *r);
/* "toxicity above 0.5", "refusal", "mean of groundedness". Into `to`; returns it. */
const char *limit_words(const struct limit *l, char *to, size_t n);

/* One limit in one window. */
struct limit_finding {
	char name[120];       /* limit_words */
	char *metric;         /* owned */
	bool mean;            /* value is a mean, else a share */
	bool at_least;
	double limit;
	int64_t n;            /* records that have the metric */
	double value;         /* of this window; NaN when n is 0 */
	double low, high;     /* 95 % interval of it, widened by how unlike one another windows are */
	bool breached;        /* known to be beyond the limit, since ... */
	bool fresh;           /* ... this very window */
	int64_t since_us;     /* TIME_NONE when not breached */
	double log_m;         /* evidence against "within the limit"; a breach from log_budget on, the signal's and log(limits) */
	char words[240];      /* all of it: "4.8 % of 250 records (2.5 % to 8.2 %), at most 2 % allowed" */
};

struct limit_signal {
	struct limit_finding *at; /* in the order of the configuration */
	size_t n;
	bool breached;            /* any of them */
};
void limit_signal_done(struct limit_signal *s);

#endif
