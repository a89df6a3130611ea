/* SPDX-License-Identifier: Apache-2.0
 * What a slice shows because the whole stream does is no news, and no finding. Private to judge/. */
#ifndef JUDGE_ECHO_H
#define JUDGE_ECHO_H

#include "judge/track.h"

/* Is the slice's measure where the whole stream's measure of the same bins has taken it, or on the way there? Within chance of z
 * standard errors, or a quarter of the way. False where either cannot be judged. */
bool echo_of_whole(const struct track *slice, const struct track *whole, double z);
/* And the whole, where this slice, which is latched, has taken it? */
bool echo_of_slice(const struct track *whole, const struct track *slice, double z);

#endif
