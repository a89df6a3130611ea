/* SPDX-License-Identifier: Apache-2.0
 * Private to judge/. */
#ifndef JUDGE_LEARN_H
#define JUDGE_LEARN_H

#include "judge/judge.h"

/* Windows that a measure is learned from, oldest first. */
struct lesson {
	const int64_t **counts; /* borrowed from the reference: m->n counts, and what stands behind them */
	int64_t *start_us;
	size_t n;
	double records; /* of the average window */
};
struct lesson lesson_make(const struct reference *r, const struct measure *m);
void lesson_done(struct lesson *l);

/* After judge_learn: widen every measure's null by the sampling error of n windows that will be
 * drawn from over and over. Their mean differs from the truth by chance, and what is drawn from
 * them differs for ever: no false alarm, but no alarm to count. */
void learn_allow(struct reference *r, const struct reference_window *windows, size_t n);

#endif
