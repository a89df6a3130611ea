/* SPDX-License-Identifier: Apache-2.0
 * The second detector of this plugin, and the options that both have. */
#ifndef MAHALANOBIS_RELATIVE_H
#define MAHALANOBIS_RELATIVE_H

#include "oodd/detector.h"

extern const struct oodd_option mahalanobis_options[];
extern const struct oodd_detector relative;

#endif
