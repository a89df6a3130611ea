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

#endif
