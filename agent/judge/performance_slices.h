/* SPDX-License-Identifier: Apache-2.0
 * Equal opportunity: of the records truly of a class, is a smaller share predicted so in one slice than in the rest? Counts in,
 * words out: nothing here pages. */
#ifndef JUDGE_PERFORMANCE_SLICES_H
#define JUDGE_PERFORMANCE_SLICES_H

#include "model/reference.h"
#include "model/slice.h"

#include <stdint.h>

/* counts: as performance.opportunity, of `windows` windows. Slices and classes with 30 labels inside and in the rest, now and in
 * the reference, that differ, or differ otherwise than they did; news first. All intervals hold together at SLICE_LEVEL. */
void performance_slices_find(const struct reference *r, const int64_t *counts, int64_t windows, struct slice_gaps *to);

#endif
