/* SPDX-License-Identifier: Apache-2.0
 * The estimate of accuracy beside the labels that came: how far off it is, of the very records that were labelled, and whether that is
 * more than chance. It pages nobody; it says when an estimate is not to be trusted. */
#ifndef JUDGE_PERFORMANCE_LABELS_H
#define JUDGE_PERFORMANCE_LABELS_H

#include "model/performance.h"

#include <stddef.h>
#include <stdint.h>

#define PERFORMANCE_BESIDE 32 /* windows that are remembered */

/* The labels that came in the time of a window, of predictions that could be estimated; ATC took n_sure of them for right, and n_right
 * were. */
struct performance_beside {
	int64_t n, n_sure, n_right;
};

/* b: windows with labels, oldest first. to->checked, from to->atc. */
void performance_of_labels(const struct performance *p, const struct performance_beside *b, size_t n, struct performance_signal *to);

#endif
