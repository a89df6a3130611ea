/* SPDX-License-Identifier: Apache-2.0
 * A comparison's words. */
#include "model/comparison.h"

const char *const comparison_verdict_words[] = {"hold", "promote", "roll back"};
const char *const comparison_side_words[] = {"more is worse", "difference", "traffic"};
