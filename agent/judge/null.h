/* SPDX-License-Identifier: Apache-2.0
 * A composite null and the alternatives to it. Private to judge/. */
#ifndef JUDGE_NULL_H
#define JUDGE_NULL_H

#include "judge/track.h"
#include "stats/rise.h"

/* Rates at which the two memories of recent windows fade: a few windows, and a dozen. */
extern const double recent_rates[TRACK_RECENTS];

/* mean is copied. */
void null_make(struct null *null, const struct measure *m, const double *mean, double kappa,
	double tolerance, double fixed_radius);
/* The mean as it is in a season's bucket: the null's own times `factor` (k of them, which stay as they are while the null lives). */
void null_shift(struct null *null, const struct measure *m, const double *factor);
/* x times factor, summing to 1 again. */
void null_season(double *x, const double *factor, size_t k);
void null_done(struct null *null);

/* So many records, in independent ones, are behind the mean along one direction; but no more than
 * leave a shift of the smallest effect undetected. */
double null_prior(const struct null *null);
/* What the next window will be like if nothing has moved: its mean, and the returned kappa; `live`
 * are the counts seen so far, in independent records. Polya's urn: exact when kappa is infinite. */
double null_predict(const struct null *null, const double *live, size_t k, double *to);
/* n records of a window tell as much as this many independent ones. */
double null_independent(double kappa, double n);
/* Shares of counts (in independent records), shrunk towards `toward` as far as chance explains
 * their distance. Returns how much of the distance is left: 0 none, 1 all. */
double null_shares(const double *counts, const double *toward, size_t k, double *to);
/* A window as its alternatives see it. */
struct seen {
	const int64_t *n;
	size_t k;
	const struct rises *rises; /* of n */
	int64_t all;  /* records */
	double worth; /* 1 + kappa log(1 + all / kappa): sum of kappa / (kappa + i) over its
			 records, at most */
	const double *normal; /* TILT: null_predict ... */
	double kappa;         /* ... and its kappa */
	double normal_log; /* rises_sum by these */
	double best;          /* highest log probability that a mean of the null is known to give it; for
			 LOOSE ... */
	bool is_best;         /* ... by the nearest mean too, not only by the null's own */
	double *recent[TRACK_RECENTS]; /* shares of the memories ... */
	double moved[TRACK_RECENTS]; /* ... and how much of their distance chance leaves; 0: none */
};
/* log e of one alternative. work: k doubles of scratch. */
double null_evidence(const struct null *null, const struct alternative *a, const struct seen *seen,
	double *work);

#endif
