/* SPDX-License-Identifier: Apache-2.0
 * Numbers that moved as if they were another unit's. For words: whether to page is evidence's. Private to judge/. */
#ifndef JUDGE_UNIT_H
#define JUDGE_UNIT_H

#include "model/measure.h"
#include "model/unseen.h"

#include <stdbool.h>

struct unit {
	const char *sign;  /* "x60", "-1 x", "x1.8 + 32" */
	const char *words; /* "minutes for hours", or "" */
	double share;      /* of the window's numbers */
};

/* centre: mean of the reference at this time of the season. counts: of m's bins in the window, its sums behind them. beyond: what its numbers beyond the reference were, NULL: none. False where no unit
 * explains the window, or several do. */
bool unit_guess(const struct measure *m, double centre, const int64_t *counts, const struct unseen_set *beyond, struct unit *ret);

#endif
