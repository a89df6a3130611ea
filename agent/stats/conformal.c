/* SPDX-License-Identifier: Apache-2.0
 * Scores to p-values. Among ties a record takes a random place, so that a score with many ties (a
 * tree's leaf, a detector that says 0 for most) still gives p-values that are spread out; without
 * ties nothing is random. */
#include "stats/conformal.h"

#include "stats/special.h"

#include <assert.h>
#include <math.h>

double conformal_p(uint64_t greater, uint64_t equal, uint64_t total, double unit)
{
	assert(greater + equal <= total);
	return (1.0 + (double)greater + unit * (double)equal) / ((double)total + 1.0);
}

/* Bound of the rank-th smallest of n uniforms: 1 - (delta i (i-1) .. (i-m+1) / n (n-1) .. (n-m+1))
 * ^ (1/m) with i = n + 1 - rank, m = n / 2. */
double conformal_strict(double p, uint64_t total, double delta)
{
	double n = (double)total, m = floor(n / 2.0), rank = ceil(p * (n + 1.0) - 1e-6), i, log_share;

	assert(delta > 0.0 && delta < 1.0);
	rank = rank < 1.0 ? 1.0 : rank;
	i = n + 1.0 - rank;
	if (m < 1.0 || i < m)
		return 1.0;
	log_share = special_log_rising_ratio(i - m + 1.0, n - m + 1.0, (int64_t)m);
	return fmax(p, -expm1((log(delta) + log_share) / m));
}

size_t conformal_least(double level)
{
	assert(level > 0.0 && level < 1.0);
	return (size_t)ceil(10.0 / level - 1e-9);
}
