/* SPDX-License-Identifier: Apache-2.0
 * Intervals of differences, from those of what is subtracted. */
#include "stats/gap.h"

#include "stats/interval.h"

#include <math.h>

struct gap gap_share(double k, double n, double tail)
{
	if (!(n > 0))
		return (struct gap){(double)NAN, 0, 1};
	k = fmin(fmax(k, 0), n);
	return (struct gap){k / n, interval_share_low(k, n, tail), interval_share_high(k, n, tail)};
}

double gap_deviate(double tail)
{
	double low = 0, high = 40;

	for (int i = 0; i < 80; i++) {
		double z = (low + high) / 2;

		if (erfc(z / sqrt(2.)) / 2 > tail)
			low = z;
		else
			high = z;
	}
	return (low + high) / 2;
}

struct gap gap_mean(double mean, double error, double tail)
{
	double z = gap_deviate(tail);

	return (struct gap){mean, mean - z * error, mean + z * error};
}

struct gap gap_difference(struct gap a, struct gap b)
{
	double at = a.at - b.at;

	return (struct gap){at, at - hypot(a.at - a.low, b.high - b.at), at + hypot(a.high - a.at, b.at - b.low)};
}
