/* SPDX-License-Identifier: Apache-2.0
 * Which slices a row is in, by its tags. */
#ifndef SCORE_SLICER_H
#define SCORE_SLICER_H

#include "model/batch.h"
#include "model/reference.h"
#include "model/scored.h"

/* A cell of a tag as the text that names its slice: true, false and numbers too. at NULL: none. `number`: 32 bytes. */
struct text slice_text(const struct column *c, size_t row, char *number);

/* Const once opened; any thread. sum_of: of each measure of r, which term of a scored row is its sum; borrowed for the call. */
struct slicer;
struct slicer *slicer_open(const struct reference *r, const size_t *sum_of); /* NULL when r has no slices */
void slicer_close(struct slicer *s); /* accepts NULL */
/* Fills to->slice and what goes with it; with NULL there are none. After scored_room. */
void slicer_run(const struct slicer *s, const struct batch *b, struct scored *to);
/* Bins of the measures of slices, once those of the stream stand. */
void slicer_bins(const struct slicer *s, struct scored *to);

#endif
