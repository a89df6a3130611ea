/* SPDX-License-Identifier: Apache-2.0
 * The detectors of this plugin. */
#ifndef TABULAR_TABULAR_H
#define TABULAR_TABULAR_H

#include "oodd/detector.h"

extern const struct oodd_detector copula, neighbour;

#endif
