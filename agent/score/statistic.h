/* SPDX-License-Identifier: Apache-2.0
 * Window detectors at work: their plugins found, rows turned into what they add to a window. */
#ifndef SCORE_STATISTIC_H
#define SCORE_STATISTIC_H

#include "base/error.h"
#include "model/reference.h"
#include "model/scored.h"
#include "score/registry.h"

/* Open the door of every statistic of the reference, before a scorer or a judge of it. 0, or -errno and a sentence: a plugin is
 * missing, does not take what its fit wrote, or wants another width of vector. */
int statistics_attach(struct reference *r, const struct plugins *plugins, struct error *e);
int statistic_attach(struct statistic *s, const struct plugins *plugins, struct error *e);

/* What each row of a routed batch adds, into the slots of `to` (whose room was made). Any thread. */
void statistics_run(const struct reference *r, const struct oodd_batch *b, struct scored *to);

#endif
