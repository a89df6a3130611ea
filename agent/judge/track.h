/* SPDX-License-Identifier: Apache-2.0
 * One measure through time: its e-detector, what it knows to have moved, and the evidence that it
 * is back. Private to judge/.
 *
 *     calm ------ judge names it (track_latch) -----> settling --- 3 windows ---> known
 *      ^                                                 |                         |  judge names
 * it again: settling anew
 *      +---------- evidence for normal returns ----------+-------------------------+
 *
 * Calm: evidence against the reference. Known: the level it moved to is the null now (and so is
 * everything between it and the reference), so that what lasts is silent, what recovers is silent,
 * and what moves further speaks. */
#ifndef JUDGE_TRACK_H
#define JUDGE_TRACK_H

#include "base/buf.h"
#include "model/measure.h"
#include "model/pack.h"
#include "stats/rise.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TRACK_MOST_ALTERNATIVES 32
#define TRACK_RECENTS 3

/* One way in which windows may differ from the null, made once for a null. */
struct alternative {
	enum {
		ALTERNATIVE_LOOSE,
		ALTERNATIVE_RECENT,
		ALTERNATIVE_BIN,
		ALTERNATIVE_TILT,
		ALTERNATIVE_SHIFT
	} kind;
	double weight; /* of its e-detector in the measure's average; they sum to 1 */
	double kappa;  /* LOOSE: windows vary more, around the same mean */
	size_t which;  /* RECENT: which memory; BIN: which bin swells, by `swell` of the rest */
	double swell, share, null_share,
		empty, start; /* BIN: to this much; nearest null; log of the ratio of what is left; that of gammas without records */
	double most; /* SHIFT: log e of one window is no more than what as many as the reference has can tell: their tails are not known */
	double *mean;  /* TILT: `share` of the records is of this kind (k shares). SHIFT: k times what each bin's share is multiplied by (0:
			  it keeps it), and k times the same of the nearest null */
	double *log_gammas; /* LOOSE: evidence_log_gammas of its kappa and the null's mean */
};

/* What counts as nothing new. */
struct null {
	double *mean; /* k shares, in the season's bucket of the last window ... */
	double *own;  /* ... and the year round; the same where there is no season */
	double kappa, along; /* concentration; and along the direction in which windows vary most */
	struct caution {
		double tolerance;    /* KL radius around `mean` */
		double fixed_radius; /* the same along a direction chosen beforehand */
		double records;	     /* independent ones behind `own` */
		double followed;     /* KL radius around what null_predict makes of `own` and live counts */
	} caution;
	double *log_gammas; /* evidence_log_gammas of `along` and `mean` */
	const double *factor; /* of the bucket that `mean` is of; NULL: none yet */
	struct alternative alternatives[TRACK_MOST_ALTERNATIVES];
	size_t n_alternatives;
};

enum track_state { TRACK_CALM, TRACK_SETTLING, TRACK_KNOWN };

struct track {
	const struct measure *m;
	const double *factor; /* k: of the last window's bucket over the year's mean; NULL: no season. What follows is as it
				 would be without the season */
	struct null calm, known; /* against the reference; against the known level (made when it has
				    settled) */
	double pace; /* pace.h */
	enum track_state state;
	double e_detector[TRACK_MOST_ALTERNATIVES]; /* M of each alternative to the null in force */
	double *recent[TRACK_RECENTS]; /* k counts in independent records, fading at different rates
					*/
	double *live;    /* k counts in independent records since the null is in force; at
			    most CAUTION_FOLLOWED times caution.records */
	double *level;   /* k counts in independent records, of the windows since it was latched */
	int64_t n_level; /* windows in it */
	double back;     /* log evidence that normal has returned */
	int64_t rising;  /* window (judge's count) since which log_m has been neither low nor stale
			  */
	int64_t stale;   /* windows in a row in which log_m did not rise */
	int64_t latched_us;              /* start of the window that latched it */
	bool broken; /* it was constant in the reference, and has been told not to be any more */
	uint64_t since; /* hash of the one value that it had when that was told; 0: several (judge/constant.h) */
	double *work[3 + TRACK_RECENTS]; /* k each, the first 2 k: scratch */
	struct rises rises;              /* of the window at hand */
};

void track_open(struct track *t, const struct measure *m, double smallest_effect);
void track_done(struct track *t);

/* Counts of a window (k of them), the `window`-th of the stream; factor (k, borrowed until the next call) is what the
 * season makes of the mean, or NULL. Returns the log e-value of this
 * window; moves M. *ret_resolved: a latched measure has just come back to normal. */
double track_step(struct track *t, const int64_t *n, const double *factor, int64_t window,
	bool *ret_resolved);
/* log M: of the weighted average of its e-detectors; -INFINITY at first and while settling. */
double track_log_m(const struct track *t);
/* It has moved, in this window: known from now on. */
void track_latch(struct track *t, const int64_t *n, int64_t start_us);
static inline bool track_latched(const struct track *t)
{
	return t->state != TRACK_CALM;
}

void track_pack(const struct track *t, struct buf *to);
bool track_unpack(struct track *t,
	const struct msgpack_object *o); /* false: does not fit; t is then to be reset */
void track_reset(struct track *t);

#endif
