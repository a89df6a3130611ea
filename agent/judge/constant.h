/* SPDX-License-Identifier: Apache-2.0
 * A constant of the reference that is none any more: news by itself, once; and once more where it had become another constant, and
 * that does not last either. No clock, no randomness. Private to judge/. */
#ifndef JUDGE_CONSTANT_H
#define JUDGE_CONSTANT_H

#include "judge/track.h"
#include "model/window.h"

/* True when the measure (of this index in the reference, which `t` follows) breaks in this window: at least a quarter of its records,
 * and CAUTION_LEAST_BROKEN, have neither the reference's one value nor the one that it was told to have since. */
bool constant_breaks(const struct track *t, size_t index, const struct window *w);
/* It has been told: keeps in t what it is now, where that is one value. Call once for a window in which it breaks. */
void constant_told(struct track *t, size_t index, const struct window *w);

#endif
