/* SPDX-License-Identifier: Apache-2.0
 * What is known of two versions of a model that run side by side, after the last pair of their windows. Made by
 * judge/compare.c, read by rules/ and the commands; lent for a call. */
#ifndef MODEL_COMPARISON_H
#define MODEL_COMPARISON_H

#include "model/measure.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum comparison_verdict {
	COMPARISON_HOLD,      /* neither is shown; `reason` says what is lacking or what differs */
	COMPARISON_PROMOTE,   /* evidence that the canary is not worse by more than is tolerated, in anything compared */
	COMPARISON_ROLL_BACK, /* evidence that it is worse, and by more than that as far as can be told; for good */
};
extern const char *const comparison_verdict_words[]; /* "hold", "promote", "roll back" */

enum comparison_side {
	SIDE_MORE_IS_WORSE, /* a share that should not grow: of odd records, of likely errors, of low confidence */
	SIDE_DIFFERENCE,    /* shares that should stay as they are; only a gross change is worse by itself */
	SIDE_TRAFFIC,       /* what both are given: where it differs the versions cannot be compared */
};
extern const char *const comparison_side_words[]; /* "more is worse", "difference", "traffic" */

/* One thing compared. Shares and differences are of `what`, over all pairs of windows. */
struct comparison_row {
	const char *name;      /* "odd", "estimated accuracy", or the measure's; borrowed */
	enum comparison_side side;
	const char *what;      /* which share: "p <= 0.05", "at most 0.62", "refund"; of several, the one that differs most; borrowed */
	double stable, canary; /* in 0..1; NaN before the first pair */
	double difference, low, high; /* canary - stable, weighted by windows; 95 % at all times at once */
	double tolerance;
	double log_worse;      /* evidence: worse (SIDE_DIFFERENCE: different by four times what is tolerated) */
	double log_differs;    /* .. different by more than is tolerated, either way; 0 for SIDE_MORE_IS_WORSE */
	double log_not_worse;  /* .. not worse (not different) by as much as that */
	bool worse;            /* evidence enough, and as far as can be told by more than is tolerated */
	bool differs, not_worse;
};

struct comparison {
	const char *model, *stable, *canary; /* versions */
	int64_t start_us, end_us;   /* of the last pair of windows */
	int64_t n_windows;          /* pairs */
	int64_t n_stable, n_canary; /* records in them */
	enum comparison_verdict verdict;
	bool fresh;                 /* it became so with this pair */
	double alpha;               /* of a wrong verdict, however often it is asked for */
	double log_needed;          /* evidence that is enough for one row */
	char reason[400];
	const struct comparison_row *rows;
	size_t n_rows;
};

#endif
