/* SPDX-License-Identifier: Apache-2.0
 * One window detector through time: the same e-detector, latch and return as a track has, of one number instead of counts.
 * README.md, "Window detectors". Private to judge/. */
#ifndef JUDGE_GAUGE_H
#define JUDGE_GAUGE_H

#include "base/buf.h"
#include "judge/track.h"
#include "model/reference.h"
#include "model/signal.h"

#define GAUGE_POWERS 3 /* calibrators k p^(k-1), one e-detector each */

struct gauge {
	const struct statistic *s;
	double smallest_effect;
	enum track_state state;
	double e_detector[GAUGE_POWERS];
	double level;     /* sum over the windows since it was latched; their mean once it is known */
	int64_t n_level;
	double back;
	int64_t rising, stale, latched_us; /* as a track's */

	/* Of the last window, for its finding. */
	bool seen;
	double height; /* log(T / usual T of such a window) */
	double usual;  /* what T is usually */
	struct oodd_comparison last;
};

/* What the reference's windows say: fills what struct statistic says is learned. */
void gauge_learn(const struct reference *r, struct statistic *s);

/* As learn_allow: n windows will be drawn from over and over. */
void gauge_allow(struct statistic *s, size_t n);

void gauge_open(struct gauge *g, const struct statistic *s, double smallest_effect);
/* The whole vector of a window: what comes next is about it. */
void gauge_see(struct gauge *g, const int64_t *v);
/* As track_step. */
double gauge_step(struct gauge *g, int64_t window, bool *ret_resolved);
double gauge_log_m(const struct gauge *g);
void gauge_latch(struct gauge *g, int64_t start_us); /* it has moved, in the window of the last step */
static inline bool gauge_latched(const struct gauge *g)
{
	return g->state != TRACK_CALM;
}
void gauge_reset(struct gauge *g);

/* Everything that a finding says of a window but judged, moved, latched and evidence. */
void gauge_fill(const struct gauge *g, const struct reference *r, struct finding *to);

void gauge_pack(const struct gauge *g, struct buf *to);
bool gauge_unpack(struct gauge *g, const struct msgpack_object *o); /* false: does not fit; g is then to be reset */

#endif
