/* SPDX-License-Identifier: Apache-2.0
 * Detectors that need the classifier's last layer, which is found again from its log: see layer.h. */
#include "lastlayer/detectors.h"

OODD_PLUGIN("Apache-2.0", &fdbd, &vim, &scale, &react);
