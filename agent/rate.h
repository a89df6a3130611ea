/* SPDX-License-Identifier: Apache-2.0
 * How often there were false alarms, beside how often there may be: counts, exact bounds, words. */
#ifndef RATE_H
#define RATE_H

#include "base/buf.h"

#include <stddef.h>
#include <stdint.h>

/* What the user allows: so many false alarms per so long; but never on less evidence than log_budget asks for. */
struct rate_budget {
	double false_alarms;
	int64_t per_us, window_us;
	double log_budget;     /* of the judge: the log of the windows to a false alarm that it keeps to, at least */
};

struct rate {
	size_t alarms, windows;
	double allowed;        /* alarms that the budget allows in so many windows, on average */
	double upper;          /* 95 % one-sided bound of their mean number (Poisson) */
	double low, high;      /* 95 % two-sided */
	double lower;          /* 95 % one-sided */
	double per_period, upper_per_period; /* alarms and bound in the budget's own period; NaN without windows */
	double low_per_period, high_per_period; /* of `low` and `high` */
};

/* effect >= 1: alarms that come together tell less; as many as alarms / effect, each worth effect, are what the bounds are made for.
 * 1 where they come alone. */
void rate_of(size_t alarms, size_t windows, double effect, const struct rate_budget *b, struct rate *ret);
/* Are so many alarms more than the budget explains (P below 5 %)? */
int rate_broken(const struct rate *r);
/* "kept" (the bound is below what is allowed), "BROKEN", "not broken" (so many windows cannot show more), "not tried" (none). */
const char *rate_verdict(const struct rate *r);
/* "0 alarms in 86400 windows (300 days); the budget allows 10; upper 95 % bound 1 per 100 days" */
void rate_text(const struct rate *r, const struct rate_budget *b, struct buf *to);
/* "alarms":..,"windows":..,"allowed":..,"upper95":..,"interval":[..],"per_period":..,"upper95_per_period":..,"interval_per_period":[..],
 * "period_s":..,"within_budget":true, false, or null where there was no window; members of an object. */
void rate_json(const struct rate *r, const struct rate_budget *b, struct buf *to);
/* A share of flagged records over windows. Windows that differ by more than chance make the records worth fewer: the interval is
 * that of Clopper & Pearson for n / effect of them (Korn & Graubard 1998). */
struct rate_share {
	int64_t k, n;
	double share, low, high; /* 95 %, two-sided; share NaN when n is 0 */
	double effect;           /* >= 1: Pearson's chi-square over its degrees of freedom */
};
struct rate_pair {
	int64_t k, n;
};
void rate_share_of(const struct rate_pair *windows, size_t n_windows, struct rate_share *ret);

/* "12 min", "5.3 h", "300 days" */
const char *rate_duration(double seconds, char *to, size_t n);

#endif
