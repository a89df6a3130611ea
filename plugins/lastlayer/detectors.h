/* SPDX-License-Identifier: Apache-2.0
 * The detectors of this family; README.md has their formulas. */
#ifndef LASTLAYER_DETECTORS_H
#define LASTLAYER_DETECTORS_H

#include "oodd/detector.h"

extern const struct oodd_detector fdbd, vim, scale, react;

#endif
