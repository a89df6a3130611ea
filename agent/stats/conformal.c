/* SPDX-License-Identifier: Apache-2.0
 * Scores to p-values. Among ties a record takes a random place, so that a score with many ties (a
 * tree's leaf, a detector that says 0 for most) still gives p-values that are spread out; without
 * ties nothing is random. */
#include "stats/conformal.h"

#include <assert.h>
#include <math.h>

double conformal_p(uint64_t greater, uint64_t equal, uint64_t total, double unit)
{
	assert(greater + equal <= total);
	return (1.0 + (double)greater + unit * (double)equal) / ((double)total + 1.0);
}

size_t conformal_least(double level)
{
	assert(level > 0.0 && level < 1.0);
	return (size_t)ceil(10.0 / level - 1e-9);
}
