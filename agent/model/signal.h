/* SPDX-License-Identifier: Apache-2.0
 * What a closed window says. Made by judge/, read by rules/ and the commands; never changed after. */
#ifndef MODEL_SIGNAL_H
#define MODEL_SIGNAL_H

#include "model/limit.h"
#include "model/measure.h"
#include "model/odd.h"
#include "model/performance.h"
#include "model/schema.h"
#include "model/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How one measure of the window compares with the reference. Sizes come from the same bins. */
struct finding {
	const char *name;        /* of the measure; borrowed from the reference */
	enum measure_kind kind;
	bool judged;             /* false: not enough data, `change` says what shift could have been seen */
	bool moved;              /* its evidence carries the alarm (e-BH over the measures), or it is latched */
	bool latched;            /* known to have moved since an earlier window */
	double log_e;            /* of this window */
	double log_m;            /* of its e-detector, after this window */
	double psi, ks, w1, js;  /* effect sizes; w1 in reference standard deviations; js in bits; NaN where undefined */
	double excess;           /* PSI less what chance alone gives a window of this size; 0 of a window detector */
	double before, after;    /* mean of a number, share of the bin that moved most otherwise */
	int severity;            /* 0 below the smallest effect .. 4 */
	char change[400];        /* in words, without the name: "mean 40.4 -> 1 240 (> 99: 0 % -> 46 %)" */
};

enum signal_state {
	SIGNAL_QUIET,      /* normal */
	SIGNAL_ALARM,      /* this window passes the budget for a cause not known before */
	SIGNAL_ONGOING,    /* a known cause lasts */
	SIGNAL_RESOLVED,   /* the last known cause has just gone */
	SIGNAL_UNJUDGED,   /* not enough data, or a cut window; `why` says which */
	SIGNAL_LEARNED,    /* no window: a reference was made of the n records from start to end; the stream is watched by it now */
};

extern const char *const signal_state_words[]; /* "quiet", "alarm", "ongoing", "resolved", "unjudged", "learned" */

struct comparison; /* model/comparison.h */

struct signal {
	char *model, *version;
	int64_t start_us, end_us;
	int64_t n, n_flagged;
	enum signal_state state;
	bool alarm;              /* a cause is latched: state is ALARM or ONGOING */
	bool fresh;              /* state is ALARM: something new spoke in this very window */
	double log_m;            /* of the stream: log of the average of M over measures */
	double log_budget;       /* alarm above this */
	double flag_rate;        /* n_flagged / n */
	int severity;            /* 0..4: the largest of the moved findings */
	int64_t since_us;        /* start of the window that first alarmed, TIME_NONE when none is latched */
	struct finding *findings; /* by log_m, heaviest first; one for each measure of the stream, and of slices for each that has moved */
	size_t n_findings;
	struct schema schema;    /* what is wrong with the records themselves; what carries the alarm first */
	char *why;               /* NULL, or why it was not judged */
	const struct comparison *comparison; /* NULL: a window was judged. Else no more than times, versions, alarm and fresh is set */
	char *inherited_from;    /* NULL, or the version whose feature measures it was judged by: this one has no reference yet */
	struct signal_odd odd;   /* what kinds of odd records there were */
	struct slice_signal slices; /* where it sits, and which slices differ */
	struct limit_signal limits; /* of output metrics: which are breached; says nothing about `alarm` */
	struct performance_signal performance; /* how often the model is right, as far as can be told */
};

void signal_done(struct signal *s);

#endif
