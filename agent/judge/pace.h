/* SPDX-License-Identifier: Apache-2.0
 * How much of a usual window a measure's windows are. What is counted in windows for lack of anything better (how fast a memory
 * forgets, how much evidence fades) is meant of windows that hold some records; of tiny ones it is that part of it, so that what is
 * found, and after how many records, does not depend on how finely they were cut. README.md, "Tiny windows". Private to judge/. */
#ifndef JUDGE_PACE_H
#define JUDGE_PACE_H

#include <math.h>

#include "model/measure.h"

#define PACE_RECORDS 64.0

static inline double pace_of(const struct measure *m)
{
	if (m->n_windows == 0 || m->slice) /* what is tiny in a slice may be large in the stream, beside which it is told */
		return 1;
	return fmin(1, fmax(m->n_records / (double)m->n_windows, 1) / PACE_RECORDS);
}

/* What is left of a memory after one such window, of which a usual one takes `rate`. */
static inline double pace_kept(double pace, double rate)
{
	return pace < 1 ? pow(1 - rate, pace) : 1 - rate;
}

#endif
