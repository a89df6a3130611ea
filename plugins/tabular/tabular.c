/* SPDX-License-Identifier: Apache-2.0
 * Detectors that see features together: an odd combination of common values, and a value that is far out. */
#include "tabular/tabular.h"

OODD_PLUGIN("Apache-2.0", &copula, &neighbour);
