/* SPDX-License-Identifier: Apache-2.0
 * A composite null and the alternatives to it. Private to judge/. */
#ifndef JUDGE_NULL_H
#define JUDGE_NULL_H

#include "judge/track.h"
#include "stats/rise.h"

/* Rates at which the two memories of recent windows fade: a few windows, and a dozen. */
extern const double recent_rates[TRACK_RECENTS];

/* mean is copied. less: kappa is this times that of the measure. */
void null_make(struct null *null, const struct measure *m, const double *mean, double less,
	const struct caution *caution);
/* Windows that it takes to learn as much as from an independent one. */
static inline double null_memory(const struct measure *m, const struct alternative *a)
{
	return a->kind == ALTERNATIVE_BIN ? m->memory : measure_along_memory(m);
}
/* Scores of bins that have an order (their mean's, power 1, or their spread's, 2), each less the average: false where they have none, or
 * nearly all records are in one bin. */
bool null_scores(const struct measure *m, const double *mean, int power, double *to);
/* The mean as it is in a season's bucket: the null's own times `factor` (k of them, which stay as they are while the null lives). */
void null_shift(struct null *null, const struct measure *m, const double *factor);
/* x times factor, summing to 1 again. */
void null_season(double *x, const double *factor, size_t k);
void null_done(struct null *null);

/* What the next window will be like if nothing has moved: its mean, and the returned kappa; `live`
 * are the counts seen so far, in independent records. Polya's urn: exact when kappa is infinite. */
double null_predict(const struct null *null, const double *live, size_t k, double *to);
/* n records of a window tell as much as this many independent ones. */
double null_independent(double kappa, double n);
/* Shares of counts (in independent records), shrunk towards `toward` as far as chance explains
 * their distance. faded: how much less than of so many records their variance is (older ones count less and less); 1 where all
 * count alike. Returns how much of the distance is left: 0 none, 1 all. */
double null_shares(const double *counts, const double *toward, double faded, size_t k, double *to);
/* A window as its alternatives see it. */
struct seen {
	const int64_t *n;
	size_t k;
	const struct rises *rises; /* of n */
	int64_t all;  /* records */
	double worth; /* 1 + kappa log(1 + all / kappa): sum of kappa / (kappa + i) over its
			 records, at most */
	const double *normal; /* null_predict, in season ... */
	double kappa;         /* ... and its kappa */
	double normal_log; /* TILT: rises_sum by these */
	double best;          /* highest log probability that a mean of the null is known to give it; for
			 LOOSE ... */
	bool is_best;         /* ... by the nearest mean too, not only by the null's own */
	double *recent[TRACK_RECENTS]; /* shares of the memories ... */
	double moved[TRACK_RECENTS]; /* ... and how much of their distance chance leaves; 0: none */
};
/* log e of one alternative. work: 2 k doubles of scratch. */
double null_evidence(const struct null *null, const struct alternative *a, const struct seen *seen,
	double *work);

#endif
