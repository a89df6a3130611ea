/* SPDX-License-Identifier: Apache-2.0
 * What a window says of how often the model is right, without labels. Private to judge/. */
#ifndef JUDGE_PERFORMANCE_H
#define JUDGE_PERFORMANCE_H

#include "model/performance.h"
#include "model/window.h"

/* v: the window's vector. All NaN where there is nothing to tell. */
void performance_of_window(const struct performance *p, const int64_t *v, struct performance_signal *to);

#endif
