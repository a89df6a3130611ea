/* SPDX-License-Identifier: Apache-2.0
 * How large a shift is, how bad, and how it reads. Private to judge/. Sizes are for people: whether
 * to page is evidence's. */
#ifndef JUDGE_EFFECT_H
#define JUDGE_EFFECT_H

#include "model/measure.h"
#include "model/signal.h"
#include "model/window.h"

/* psi, ks, w1, js, before, after, change of a window's counts against m->mean, and of a number's mean against `centre`;
 * `when` is of which time of the season they are usual, "" of any. n: the whole vector. q: m->n doubles of scratch, left holding the shares. Returns PSI less what chance alone
 * gives windows of this size. */
double effect_fill(const struct measure *m, double centre, const char *when, const int64_t *v,
	double *q, struct finding *to);
/* PSI between the reference and a level (m->n shares): no chance in it that matters. */
double effect_of_level(const struct measure *m, const double *level);
/* PSI to 0..4: the table in README.md. */
int effect_severity(double psi, double smallest_effect);
/* Share of n records that must have moved into one bin for evidence of log_needed in this one
 * window; 1 when none would do. */
double effect_visible(const struct measure *m, int64_t n, double log_needed);

#endif
