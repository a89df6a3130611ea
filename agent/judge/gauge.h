/* SPDX-License-Identifier: Apache-2.0
 * One window detector through time, at several lengths at once: the same e-detector, latch and return as a track has, of one number
 * instead of counts. README.md, "Window detectors", "Several lengths". Private to judge/. */
#ifndef JUDGE_GAUGE_H
#define JUDGE_GAUGE_H

#include "base/buf.h"
#include "judge/track.h"
#include "model/reference.h"
#include "model/signal.h"
#include "model/window.h"

#define GAUGE_POWERS 3 /* calibrators k p^(k-1), one e-detector each */
#define GAUGE_MOST_SPANS (1 + STATISTIC_MOST_LONGER)

/* What a stretch of windows, added up, says. */
struct gauge_said {
	struct oodd_comparison of;
	double height; /* log(T / usual T of such a stretch) */
	int64_t start_us, end_us, at; /* at: judge's count of its last window */
};

/* At one length: stretch after stretch, none of which overlap. */
struct gauge_span {
	const struct statistic_law *law;
	int64_t length; /* in windows */
	double share;   /* of the gauge's M */
	enum track_state state;
	double e_detector[GAUGE_POWERS]; /* M of stretches */
	double level;    /* sum over the stretches since it was latched; their mean once it is known */
	int64_t n_level; /* and how many, going on once it is known */
	double back;
	int64_t rising, stale; /* as a track's: first window of the rise; stretches in a row without one */

	int64_t *sum; /* of the stretch under way: as wide as the detector's, and the rows; NULL where one window is all */
	int64_t n_in, start_us; /* windows in it; when it began */

	bool seen;               /* a stretch ended with the last window */
	struct gauge_said said;  /* the last one's */
};

struct gauge {
	const struct statistic *s;
	double smallest_effect;
	struct gauge_span spans[GAUGE_MOST_SPANS]; /* single windows first, then the longer ones */
	size_t n_spans;
	size_t carrier;     /* of the spans, that which it was latched by; GAUGE_NONE: it is not */
	int64_t latched_us; /* as a track's */
	const struct window *now; /* the last window; borrowed for its judgement */
};
#define GAUGE_NONE GAUGE_MOST_SPANS

/* What the reference's windows say: fills what struct statistic says is learned. */
void gauge_learn(const struct reference *r, struct statistic *s);

/* As learn_allow: n windows will be drawn from over and over. */
void gauge_allow(struct statistic *s, size_t n);

void gauge_open(struct gauge *g, const struct statistic *s, double smallest_effect);
void gauge_done(struct gauge *g);
/* What comes next is about this window; borrowed until the next call. */
void gauge_see(struct gauge *g, const struct window *w);
/* As track_step. */
double gauge_step(struct gauge *g, int64_t window, bool *ret_resolved);
double gauge_log_m(const struct gauge *g);
int64_t gauge_rising(const struct gauge *g); /* as a track's; of a longer span a stretch earlier, since it may have begun in the middle of one */
void gauge_latch(struct gauge *g, int64_t start_us); /* it has moved, in the window of the last step */
static inline bool gauge_latched(const struct gauge *g)
{
	return g->carrier != GAUGE_NONE;
}
void gauge_reset(struct gauge *g);

/* Everything that a finding says of the `window`-th window but judged, moved, latched and evidence. */
void gauge_fill(const struct gauge *g, const struct reference *r, int64_t window, struct finding *to);

void gauge_pack(const struct gauge *g, struct buf *to);
bool gauge_unpack(struct gauge *g, const struct msgpack_object *o); /* false: does not fit; g is then to be reset */

#endif
