/* SPDX-License-Identifier: Apache-2.0
 * Absolute limits of output metrics through time. Private to judge/.
 *
 * A limit is a null of its own, "the share of records beyond it is at most q" or "the mean is within it", whatever the
 * reference held. Each has an e-detector over windows, so that ten records do not speak by chance and a small excess that lasts
 * does; it is breached when log M passes the stream's budget and log(limits). README.md, "Limits". */
#ifndef JUDGE_LIMIT_H
#define JUDGE_LIMIT_H

#include "base/buf.h"
#include "model/limit.h"
#include "model/window.h"

#include <stdbool.h>
#include <stdint.h>

#define LIMIT_ALTERNATIVES 6

struct limit_track {
	const struct limit *l;
	const struct measure *m;  /* NULL: the reference does not have it; never judged */
	double between;           /* variance of windows' means beyond chance, in the metric's reference variances */
	double spread;            /* of the windows before: standard deviation of their numbers, in the reference's; >= 1 */
	double e_detector[LIMIT_ALTERNATIVES];
	bool breached;
	double back;              /* evidence that it is within its limit again */
	int64_t since_us;
};

struct limit_tracks {
	struct limit_track *at;
	size_t n;
	double log_needed;
};

void limit_tracks_open(struct limit_tracks *t, const struct reference *r, const struct limits *limits, double log_budget);
void limit_tracks_done(struct limit_tracks *t);
/* The next window; judged: its evidence counts (it is whole). */
void limit_tracks_window(struct limit_tracks *t, const struct window *w, bool judged, struct limit_signal *to);

struct msgpack_object;
void limit_tracks_pack(const struct limit_tracks *t, struct buf *to);
/* What does not fit the limits of now begins anew. */
void limit_tracks_read(struct limit_tracks *t, const struct msgpack_object *o);

#endif
