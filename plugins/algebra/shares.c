/* SPDX-License-Identifier: Apache-2.0
 * From contributions of dimensions to ranked reasons. */
#include "algebra/shares.h"

#include <math.h>

#define MOST_DIMENSIONS 16

int shares_rank(int32_t class_index, double class_weight, double *part, size_t d, struct oodd_reason *reasons, size_t n)
{
	size_t found = 0;
	double all = 0;

	for (size_t j = 0; j < d; j++)
		all += fabs(part[j]);
	if (found < n)
		reasons[found++] = (struct oodd_reason){OODD_REASON_CLASS, class_index, class_weight};
	while (found < n && found <= MOST_DIMENSIONS) {
		size_t best = 0;
		for (size_t j = 1; j < d; j++)
			if (part[j] > part[best])
				best = j;
		if (!(part[best] > 0))
			break;
		reasons[found++] = (struct oodd_reason){OODD_REASON_DIMENSION, (int64_t)best, part[best] / all};
		part[best] = 0;
	}
	return (int)found;
}
