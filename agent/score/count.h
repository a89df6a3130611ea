/* SPDX-License-Identifier: Apache-2.0
 * A scored row into the window it belongs to. */
#ifndef SCORE_COUNT_H
#define SCORE_COUNT_H

#include "model/scored.h"
#include "model/window.h"

#include <stddef.h>

/* Add row `row` to w, whose width is the reference's. Addition only: the order of rows cannot
 * matter. */
void scored_count(const struct scored *s, size_t row, struct window *w);
/* What the row holds that no bin has a name for, by name. b: the batch that was scored. *at: the caller's, 0 before the
 * batch's first row; rows come in rising order, some may be left out. */
void scored_name(const struct scored *s, const struct batch *b, size_t row, size_t *at, struct window *w);

/* Add what row `row` adds to slices; v: their stretch. flags: its p-value counts too. Where s->slices is not NULL. */
void scored_slice_add(const struct scored *s, size_t row, bool flags, int64_t *v);

#endif
