/* SPDX-License-Identifier: Apache-2.0
 * What sums of slices say. Counts are as in a window's stretch, those of all records together first: (slices + 1) * width
 * numbers. Private to judge/. */
#ifndef JUDGE_SLICE_GAP_H
#define JUDGE_SLICE_GAP_H

#include "model/reference.h"
#include "model/signal.h"

#include <stdint.h>

/* All records of a window in the bins of a slice. v: the window's vector. */
void slice_all(const struct reference *r, const int64_t *v, int64_t n, int64_t n_flagged, int64_t *to);
/* The reference's own counts. */
void slice_base(const struct reference *r, int64_t *to);

/* Slices against the rest, in flag rate, shares of predicted classes, output metrics: those that differ, or differ otherwise
 * than in the reference, news first. `windows`: that were added up. */
void slice_gaps_find(const struct reference *r, const int64_t *counts, const int64_t *base, int64_t windows, struct slice_gaps *to);
/* Of each tag and predicted class the two slices furthest apart. */
void slice_parity_find(const struct reference *r, const int64_t *counts, const int64_t *base, int64_t windows, struct slice_parities *to);
/* Of the findings that moved: which slices carry them. */
void slice_where_find(const struct reference *r, const int64_t *counts, const int64_t *base, const struct signal *s,
	struct slice_signal *to);

/* One share inside and in the rest, now and in the reference: fills value, intervals, and whether it differs and is news, each
 * side missed `tail` of the time. k of n in the order inside, rest, inside then, rest then. For true positive rates (equal
 * opportunity) as for any other share. */
void slice_gap_shares(const double k[4], const double n[4], double tail, struct slice_gap *to);

#endif
